"""Does a server optimiser save rounds? Trains small swarms with each, over a grid of rates.

    python benchmarks/optimisers.py [--seeds 20] [--rounds 30] [--json F] [--markdown F]

The merge and the step after it are the node's own. A fifth of the training rows is set aside for
validation: of each optimiser's rates a seed takes the one with the best accuracy there, averaged
over all rounds, and only that one's accuracy on the held-out rows counts. `none` stands twice: with
the sites' usual rate, and with the best of several, since a server's rate can make up for a site's.
Under attack one site, drawn by the seed, sends its update reversed; the rule is `cclip`, the rate
the one that was chosen in peace.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from robustness.arena import rule_of
from robustness.attacks import ATTACKS, Scene
from robustness.data import Task, load_task
from robustness.figures import Figure, over_seeds, table, write_json
from robustness.ground import Ground, auc, paced, prepare

from swarmp2p.errors import MergeError
from swarmp2p.merge.optimisers import Optimiser, optimiser_named
from swarmp2p.merge.rules import merge
from swarmp2p.merge.terms import MergeRule

# rates of the server; of the two "none" they multiply the sites' own rate
GRID = {
    "none": (1.0,),
    "none, sites' rate tuned": (0.5, 1.0, 2.0, 4.0),
    "fedavgm": (0.03, 0.1, 0.3, 1.0, 3.0),
    "nesterov": (0.03, 0.1, 0.3, 0.7, 2.0),
    "fedadam": (0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
}
FEW, MANY = 2, 20
REACH = {"heart": 0.8, "digits": 0.9}
VALIDATION = 5  # one row in so many


@dataclass(frozen=True, slots=True)
class Setting:
    """A data set, its sites, how they differ, local steps a round, the rule and who attacks."""

    data: str
    peers: int
    partition: str
    steps: int
    rule: str = "mean"
    attack: str = "none"

    @property
    def heading(self) -> str:
        """For a table."""
        who = "" if self.attack == "none" else f", one site: {self.attack}"
        sites = f"{self.data}, {self.peers} sites, {self.partition}"
        return f"{sites}, {self.steps} steps a round, `{self.rule}`{who}"


CALM = tuple(
    Setting(*one, steps)
    for one in (
        ("heart", 4, "natural"),
        ("digits", 8, "1"),
        ("digits", 8, "0.5"),
        ("digits", 8, "0.1"),
    )
    for steps in (FEW, MANY)
)
ATTACKED = tuple(
    replace(one, rule="cclip", attack=attack)
    for one in CALM
    if one.partition in ("natural", "0.5")
    for attack in ("none", "sign flip", "sign flip x10")
)


class Choice(NamedTuple):
    """One lane's name: a line of GRID and a rate of it."""

    optimiser: str
    rate: float


@dataclass(slots=True)
class Lane:
    """The model of one optimiser at one rate; accuracies after each round."""

    optimiser: Optimiser
    params: np.ndarray
    state: list[np.ndarray]
    steps: int = 0
    lost: bool = False  # the model blew up, and training stopped
    validation: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)
    auc: float | None = None


Lanes = dict[Choice, Lane]


@dataclass(slots=True)
class Cell:
    """One optimiser in one setting, at the rate that each seed's validation rows chose.

    rounds: median of the rounds until `reach` was reached; None if most seeds never did. reached:
    share of the seeds that did. gained: final accuracy above that of `none`, seed by seed.
    by_rate: mean final accuracy at every rate of the grid. blown: share of blown-up models there.
    """

    setting: Setting
    optimiser: str
    seeds: int
    rates: dict[float, int]  # how often each was chosen
    reach: float
    rounds: float | None
    reached: float
    accuracy: Figure
    gained: Figure
    auc: Figure | None
    by_rate: dict[float, float]
    blown: dict[float, float]

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {
            key: value._asdict() if isinstance(value, Figure) else value
            for key, value in asdict(self).items()
        }


def play(setting: Setting, seed: int, rounds: int) -> Lanes:
    """Train every lane of GRID."""
    task, seen = _task(setting, seed, rounds)
    factors = sorted({one.rate for one in _choices() if _tunes_sites(one)})
    grounds = {
        factor: prepare(
            paced(task, rate=task.model.rate * factor), setting.peers, setting.partition, seed
        )
        for factor in factors
    }
    rule, chance = rule_of(setting.rule), np.random.default_rng([seed, 3])
    bad = int(np.random.default_rng([seed, setting.peers, 4]).integers(setting.peers))
    lanes = {one: _lane(one, grounds[1.0]) for one in _choices()}
    for _ in range(rounds):
        for factor, ground in grounds.items():
            mine = [lane for one, lane in lanes.items() if _factor(one) == factor]
            updates = ground.trained(np.stack([lane.params for lane in mine]))
            for lane, trained in zip(mine, updates, strict=True):
                if ATTACKS[setting.attack].present:
                    scene = Scene(trained - lane.params, (bad,), chance)
                    trained[bad] = _crafted(setting.attack, scene, lane.params)
                _round(lane, trained, ground.weights, rule)
        _look(task, seen, lanes)
    for lane in lanes.values():
        lane.auc = auc(task, lane.params)
    return lanes


def choose(lanes: Lanes) -> dict[str, Choice]:
    """For each optimiser the rate with the best validation accuracy, averaged over all rounds."""
    best: dict[str, Choice] = {}
    for one, lane in lanes.items():
        so_far = best.get(one.optimiser)
        if so_far is None or np.mean(lane.validation) > np.mean(lanes[so_far].validation):
            best[one.optimiser] = one
    return best


def measure(settings: Sequence[Setting], seeds: int, rounds: int) -> Iterator[Cell]:
    """All cells; an attack is met with the rates chosen without one, which must be there before."""
    chosen: dict[tuple[Setting, int], dict[str, Choice]] = {}
    for setting in settings:
        played = [play(setting, seed, rounds) for seed in range(seeds)]
        calm = replace(setting, attack="none")
        for seed, lanes in enumerate(played):
            if calm == setting:
                chosen[setting, seed] = choose(lanes)
        choices = [chosen[calm, seed] for seed in range(seeds)]
        yield from (_cell(setting, name, played, choices) for name in GRID)


def markdown(cells: Sequence[Cell], command: str) -> str:
    """An overview; for each setting the optimisers at their chosen rates, and at each rate."""
    lines = [f"`{command}`", "", *overview(cells)]
    for setting in dict.fromkeys(one.setting for one in cells):
        mine = [one for one in cells if one.setting == setting]
        heads = ["optimiser", "rates chosen", f"rounds to {mine[0].reach:.0%}"]
        heads += ["final accuracy", "against `none`"]
        heads += ["final AUC"] if mine[0].auc else []
        lines += ["", f"### {setting.heading}, {mine[0].seeds} seeds", ""]
        lines += table(heads, [_line(one) for one in mine])
        lines += ["", "Final accuracy at each rate (x: share of the seeds that blew up):", ""]
        lines += [f"- {one.optimiser}: {_by_rate(one)}" for one in mine]
    return "\n".join(lines) + "\n"


def overview(cells: Sequence[Cell]) -> list[str]:
    """A table: for each setting and optimiser rounds until `reach` / final accuracy."""
    rows: dict[Setting, list[str]] = {}
    for one in cells:
        rounds = "-" if one.rounds is None else f"{one.rounds:g}"
        row = rows.setdefault(one.setting, [one.setting.heading, f"{one.reach:.0%}"])
        row.append(f"{rounds} / {100 * one.accuracy.value:.1f}")
    return table(["setting", "rounds to", *GRID], list(rows.values()))


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="server optimisers: rounds and accuracy")
    parser.add_argument("--seeds", type=int, default=20, help="how many, from 0 (default 20)")
    parser.add_argument("--rounds", type=int, default=30, help="default 30")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables there")
    arguments = parser.parse_args()
    if arguments.seeds < 1 or arguments.rounds < 1:
        parser.error("at least 1 seed and 1 round are expected")
    cells = list(measure((*CALM, *ATTACKED), arguments.seeds, arguments.rounds))
    command = shlex.join(["python", *sys.argv])
    text = markdown(cells, command)
    print(text)
    write_json(arguments.json, {"command": command, "cells": [one.record() for one in cells]})
    if arguments.markdown is not None:
        arguments.markdown.write_text(text, encoding="utf-8")
    return 0


def _task(setting: Setting, seed: int, rounds: int) -> tuple[Task, tuple[np.ndarray, np.ndarray]]:
    """The task without its validation rows, and these."""
    task = load_task(setting.data, setting.peers, seed)
    x, y = task.train
    order = np.random.default_rng([seed, 5]).permutation(len(y))
    aside, rest = np.split(order, [len(y) // VALIDATION])
    rest.sort()
    hospital = None if task.hospital is None else task.hospital[rest]
    task = replace(task, train=(x[rest], y[rest]), hospital=hospital)
    return paced(task, rounds=rounds, steps=setting.steps), (x[aside], y[aside])


def _choices() -> list[Choice]:
    return [Choice(name, rate) for name, rates in GRID.items() for rate in rates]


def _tunes_sites(one: Choice) -> bool:
    return one.optimiser.startswith("none")


def _factor(one: Choice) -> float:
    """Of the sites' own rate."""
    return one.rate if _tunes_sites(one) else 1.0


def _lane(one: Choice, ground: Ground) -> Lane:
    params = None if _tunes_sites(one) else {"lr": one.rate}
    optimiser = optimiser_named("none" if _tunes_sites(one) else one.optimiser, params)
    first = ground.first
    return Lane(optimiser, first.copy(), [np.zeros_like(first) for _ in range(optimiser.vectors)])


def _crafted(name: str, scene: Scene, base: np.ndarray) -> np.ndarray:
    """What the bad site sends, [1, size]."""
    deltas = ATTACKS[name].craft(scene)
    return base + (scene.own if deltas is None else deltas)


def _round(lane: Lane, trained: np.ndarray, weights: Sequence[int], rule: MergeRule) -> None:
    if lane.lost:
        return
    updates = [np.ascontiguousarray(mine) for mine in trained]
    try:
        merged = merge(updates, lane.params, weights, rule).vector
        lane.steps = lane.optimiser.step(merged, lane.params, lane.state, lane.steps)
    except MergeError:  # NaN or infinity: a peer refuses such updates, and the run ends
        lane.lost = True
    else:
        lane.params = merged


def _look(task: Task, seen: tuple[np.ndarray, np.ndarray], lanes: Lanes) -> None:
    """Note every lane's accuracy after this round."""
    every = list(lanes.values())
    models = np.stack([lane.params for lane in every])
    with np.errstate(all="ignore"):
        for (x, y), into in ((seen, "validation"), (task.test, "test")):
            right = (task.model.scores(models, x).argmax(axis=-1) == y).mean(axis=-1)
            for lane, share in zip(every, right, strict=True):
                getattr(lane, into).append(float(share))


def _cell(
    setting: Setting, name: str, played: Sequence[Lanes], choices: Sequence[dict[str, Choice]]
) -> Cell:
    mine = [lanes[choice[name]] for lanes, choice in zip(played, choices, strict=True)]
    plain = [lanes[choice["none"]] for lanes, choice in zip(played, choices, strict=True)]
    reach = REACH[setting.data]
    rounds = [_until(lane.test, reach) for lane in mine]
    typical = float(np.median(rounds))
    areas = [lane.auc for lane in mine if lane.auc is not None]
    taken = [choice[name].rate for choice in choices]
    return Cell(
        setting,
        name,
        seeds=len(mine),
        rates={rate: taken.count(rate) for rate in GRID[name] if rate in taken},
        reach=reach,
        rounds=typical if np.isfinite(typical) else None,
        reached=float(np.mean(np.isfinite(rounds))),
        accuracy=over_seeds([lane.test[-1] for lane in mine]),
        gained=over_seeds([a.test[-1] - b.test[-1] for a, b in zip(mine, plain, strict=True)]),
        auc=over_seeds(areas) if areas else None,
        by_rate=_over_rates(name, played, lambda lane: lane.test[-1]),
        blown=_over_rates(name, played, lambda lane: float(lane.lost)),
    )


def _until(curve: Sequence[float], reach: float) -> float:
    """The first round, from 1, that reached it; else infinity."""
    return next((k for k, value in enumerate(curve, 1) if value >= reach), float("inf"))


def _over_rates(
    name: str, played: Sequence[Lanes], figure: Callable[[Lane], float]
) -> dict[float, float]:
    return {
        rate: float(np.mean([figure(lanes[Choice(name, rate)]) for lanes in played]))
        for rate in GRID[name]
    }


def _line(one: Cell) -> list[str]:
    rates = ", ".join(f"{rate:g}" + (f" ({n})" if n > 1 else "") for rate, n in one.rates.items())
    rounds = "-" if one.rounds is None else f"{one.rounds:g}"
    cells = [one.optimiser, rates, f"{rounds} ({one.reached:.0%})"]
    cells += [f"{100 * one.accuracy.value:.1f}", _signed(one.gained)]
    return cells + ([f"{one.auc.value:.3f}"] if one.auc else [])


def _signed(figure: Figure) -> str:
    return f"{100 * figure.value:+.1f} ± {100 * (figure.error or 0):.1f}"


def _by_rate(one: Cell) -> str:
    return ", ".join(
        f"{rate:g}: {100 * share:.1f}" + (f" (x {one.blown[rate]:.0%})" if one.blown[rate] else "")
        for rate, share in one.by_rate.items()
    )


if __name__ == "__main__":
    sys.exit(main())
