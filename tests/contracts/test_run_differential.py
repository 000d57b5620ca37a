"""Random transactions on the contract and on the model: equal errors and views at every step."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from contract_model import ATTEMPT, COMMIT, SEALED
from contract_pair import AVERAGES, Pair
from contract_swarm import Swarm

MINIMA = (0, 0, 0, 2, 3)
STEPS = 140
MOODS = ("stop", "enrol", "join", "object", "fault")  # each game leans to one of these
PHASES = ("commit", "attempt", "sealed", "void")
OUTCOMES = {"sealed 0", "sealed 1", "void 0", "void 1", "void 2", "stopped", "TooEarly"} | {
    *(f"{name} {way}" for name in AVERAGES for way in ("rose", "fell")),
    "excluded",
    "barred",
    "AlreadyAttested",
    "AlreadyCommitted",
    "AlreadyPosted",
    "EnrolledTooLate",
    "MemberExcluded",
    "MemberRevoked",
    "NotInRoster",
    "NotOptimistic",
    "OwnFault",
    "RunIsFinished",
    "WrongAttempt",
    "WrongBase",
    "WrongPhase",
    "WrongRound",
}


def play(prepare: Callable[..., Swarm], seed: int) -> Pair:
    rng = Random(seed)
    changes = {"minPeers": rng.choice(MINIMA), "lastRound": rng.choice((0, 0, 4))}
    changes |= {"lo": rng.choice((1, 2)), "hi": rng.choice((7, 40)), "topology": seed % 3}
    pair = Pair(prepare(rng.randint(2, 7), **changes), changes, rng)
    for _ in range(STEPS):
        pair.step(MOODS[seed % len(MOODS)])
    return pair


@pytest.mark.timeout(400)  # every step runs on an EVM in Python
def test_run__equals_the_model_under_random_calls_that_reach_every_outcome(
    swarm_of: Callable[..., Swarm],
) -> None:
    seen: Counter[str] = Counter()
    for seed in range(16):
        pair = play(swarm_of, seed)
        model = pair.model
        seen += pair.seen
        seen["stopped"] += model.stopped
        seen["excluded"] += len(model.excluded)
        seen["barred"] += len(model.barred)
        for r in [*model.past, model.round]:
            seen[f"{PHASES[r.phase]} {r.attempt}"] += 1
    reached = {name for name, times in seen.items() if times}
    assert reached >= OUTCOMES, OUTCOMES - reached


def doubt(pair: Pair, weights: dict[str, int]) -> None:
    """One round, as a rule undisturbed but for objections and fault votes of some members."""
    rng, model = pair.rng, pair.model
    number = model.round.number
    while model.round.number == number:
        r = model.round
        due = "commit" if r.phase == COMMIT else "attest"
        kinds = {due: 8, **(weights if r.phase == ATTEMPT else {})}
        (kind,) = rng.choices([*kinds], [*kinds.values()])
        if kind != due or pair.idle():
            pair.call(kind)
        else:  # a deadline is all that is left, and then the next attempt
            pair.mine(max(1, (r.deadline if r.phase == COMMIT else r.last_post) + 1 - model.block))
            pair.call("next")
        if kind != due:
            pair.compare_views()
    pair.compare_views()


@pytest.mark.timeout(400)  # every step runs on an EVM in Python
def test_objections__equal_the_model_over_many_rounds_and_meshes(
    swarm_of: Callable[..., Swarm],
) -> None:
    seen: Counter[str] = Counter()
    for seed in range(4):
        pair = Pair(swarm_of(4 + seed % 4, topology=1 + seed % 2), {"topology": 1}, Random(seed))
        weights = {"object": 3 + seed, "fault": (0, 0, 0, 1)[seed]}
        for _ in range(30):
            doubt(pair, weights)
        seen += pair.seen
        rounds = pair.model.past
        seen["optimistic"] += sum(r.optimistic for r in rounds)
        again = [a for a, b in zip(rounds[1:], rounds, strict=False) if a.optimistic > b.optimistic]
        seen["optimistic again"] += len(again)
        rights = Counter(o.number for o in pair.model.objections.made)
        seen["several objections in a round"] += sum(times > 1 for times in rights.values())
        seen["sealed optimistic"] += sum(
            r.optimistic and r.phase == SEALED and r.attempt == 0 for r in rounds
        )
    for outcome in (
        "optimistic again",
        "several objections in a round",
        "sealed optimistic",
        "AlreadyObjected",
        "NotOptimistic",
    ):
        assert seen[outcome], outcome
