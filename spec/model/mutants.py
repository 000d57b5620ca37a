"""Broken rules, one at a time: the search or a named story must show what each breaks."""

from dataclasses import dataclass, replace

from model.cases import SMALL, violations
from model.rules import TEXT, Rules
from model.scenarios import SCENARIOS, judge
from model.search import Case
from model.world import World


@dataclass(frozen=True)
class Mutant:
    """A rule turned off, and where that shows."""

    switch: str  # the field of Rules
    cases: tuple[Case, ...] = ()
    stories: tuple[str, ...] = ()
    seeds: range = range(40)  # of each story, until one shows the fault

    @property
    def rules(self) -> Rules:
        """The text with this rule broken."""
        return replace(TEXT, **{self.switch: False})


MUTANTS = {
    "quorum floor(2n/3)": Mutant("quorum_rounds_up", SMALL),
    "holders q(n)": Mutant("holders_are_f_plus_one", SMALL),
    "tally by root, without aux": Mutant("tally_by_root_and_aux", SMALL, ("liar of four",)),
    "early close without min_peers": Mutant(
        "early_close_needs_min_peers", stories=("liar of four", "liars")
    ),
    "no join wait": Mutant("joiners_are_waited_for", stories=("slow newcomer",)),
    "stop votes over the active": Mutant(
        "stop_votes_over_enrolled",
        stories=("one honest and one faulty peer go on alone, and the honest one is revoked",),
    ),
    "windows without depth": Mutant("windows_include_depth", stories=("depth 30, no faults",)),
    "failed attempts teach": Mutant("only_seals_teach", stories=("withholder",)),
    "an open round never recounts": Mutant(
        "open_round_recounts",
        stories=(
            "two of four crash, the owner revokes them",
            "min_peers is all four, one crashes, three vote to stop",
        ),
    ),
    "nextAttempt right at the exchange deadline": Mutant(
        "posts_have_time", stories=("withholder",)
    ),
    "commit before the opening block is final": Mutant(
        "commit_after_opening_final",
        stories=("reorganisations at a round's end",),
        seeds=range(1300, 1400),  # a seal and a void round in two forks are rare
    ),
    "E and min_peers move during a round": Mutant(
        "round_is_frozen", stories=("a fifth peer enrols during a round, one withholder",)
    ),
    "attempt 0 raises the window": Mutant("attempt_zero_only_lowers", stories=("late server",)),
    "windows double without end": Mutant(
        "doubling_is_capped", stories=("no exchange for 2,000 blocks, one withholder",)
    ),
    "the owner's min_peers is not raised": Mutant(
        "minimum_is_raised", stories=("owner's min_peers 2, a seventh peer enrols",)
    ),
    "an idle round may be voided": Mutant(
        "no_idle_void",
        stories=(
            "training of 100 blocks, started again after a void round",
            "training of 100 blocks, kept after a void round",
        ),
    ),
    "stop votes of the revoked count": Mutant(
        "votes_of_revoked_lapse",
        stories=("three faulty peers in turn enrol, vote to stop and are revoked",),
    ),
}


def caught(mutant: Mutant) -> tuple[str, str] | None:
    """Where the mutant breaks a promise, and which; None if it is missed.

    What the text itself breaks there does not count.
    """
    fresh = violations(mutant.cases, mutant.rules).keys() - violations(mutant.cases, TEXT).keys()
    if fresh:
        return "search", min(fresh)
    for name in mutant.stories:
        for seed in mutant.seeds:
            kinds = _kinds(name, seed, mutant.rules) - _kinds(name, seed, TEXT)
            if kinds:
                return f"{name}, seed {seed}", min(kinds)
    return None


def _kinds(name: str, seed: int, rules: Rules) -> set[str]:
    scenario = SCENARIOS[name]
    world = World(seed, rules, scenario.of_seed(seed))
    world.run()
    return set(judge(scenario, world))


def report() -> int:
    """Print for each mutant where it shows; returns how many are missed."""
    missed = 0
    for name, mutant in MUTANTS.items():
        where = caught(mutant)
        missed += where is None
        print(f"{'MISSED' if where is None else 'caught'}: {name}: {where or ''}", flush=True)
    return missed
