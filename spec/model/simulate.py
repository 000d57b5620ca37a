"""Many worlds: random settings, and each story under some seeds."""

import sys
from collections import Counter
from dataclasses import dataclass, field

from model.rules import Rules
from model.scenarios import SCENARIOS, Scenario, judge, random_bounds, sealed, voids_in_a_row
from model.setting import random_setting
from model.world import World


@dataclass
class Totals:
    """What a number of worlds of one kind did."""

    runs: int = 0
    blocks: int = 0
    seals: int = 0
    voids: Counter[int] = field(default_factory=Counter)  # longest run of void rounds -> worlds
    window: int = 0  # longest exchange window, in blocks
    broken: dict[str, list[tuple[int, list[str]]]] = field(default_factory=dict)

    def add(self, seed: int, scenario: Scenario, world: World) -> None:
        """Count one world; a promise it broke is kept with its seed and story."""
        self.runs += 1
        self.blocks += world.block
        self.seals += sealed(world)
        self.voids[voids_in_a_row(world)] += 1
        self.window = max(self.window, world.longest_window)
        for kind, story in judge(scenario, world).items():
            self.broken.setdefault(kind, []).append((seed, story))


def random_worlds(rules: Rules, seeds: int) -> Totals:
    """So many random settings."""
    totals = Totals()
    for seed in range(seeds):
        scenario = random_bounds(random_setting(seed))
        world = World(seed, rules, scenario.setting)
        world.run()
        totals.add(seed, scenario, world)
    return totals


def story(name: str, rules: Rules, seeds: int) -> Totals:
    """One named story under so many seeds."""
    totals, scenario = Totals(), SCENARIOS[name]
    for seed in range(seeds):
        world = World(seed, rules, scenario.of_seed(seed))
        world.run()
        totals.add(seed, scenario, world)
    return totals


def report(name: str, totals: Totals) -> int:
    """Print what the worlds did, with the shortest story of each broken promise; their number."""
    voids = dict(sorted(totals.voids.items()))
    print(
        f"{name}: {totals.runs} runs, {totals.blocks} blocks, {totals.seals} seals, "
        f"worlds by void rounds in a row {voids}, longest exchange window {totals.window}"
    )
    for kind, worlds in totals.broken.items():
        seed, lines = min(worlds, key=lambda world: len(world[1]))
        print(f"    VIOLATION {kind} ({len(worlds)} of {totals.runs}, seed {seed})")
        print(*lines[-20:], sep="\n        ")
    sys.stdout.flush()
    return len(totals.broken)
