"""The simulator's contract and the real one under the same random calls, doubts among them.

Rounds as such are compared in test_memory_contract.py, through the model; here are the topology,
objections and fault votes of spec 0.2, straight against the EVM.
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from contract_chain import Reverted
from contract_swarm import GENESIS, TERMS, Swarm, bits, digest

from swarmp2p.errors import TransactionRevertedError
from swarmp2p.ledger.interface import Phase
from swarmp2p.sim.contract import RunContract
from swarmp2p.sim.numbers import ContractTerms
from swarmp2p.wire.registry import OBJECTION_ROUNDS

STEPS = 150
SAME = {
    "round": "round",
    "phase": "phase",
    "attempt": "attempt",
    "optimistic": "optimistic",
    "openedBlock": "opened_block",
    "frozenBlock": "frozen_block",
    "commitDeadline": "commit_deadline",
    "closedBlock": "closed_block",
    "startedBlock": "started_block",
    "exchangeDeadline": "exchange_deadline",
    "lastPost": "last_post",
    "endedBlock": "ended_block",
    "enrolled": "enrolled",
    "minPeers": "min_peers",
    "base": "base",
    "sealedRoot": "sealed_root",
}
SETS = {
    "commitBits": "commits",
    "roster": "roster",
    "attestBits": "attests",
    "haveBits": "haves",
    "objectBits": "objected",
}
OUTCOMES = {"objected", "objection counts", "renewed", "barred", "mesh again"}


class Pair:
    """One contract on a chain and one in memory, whose blocks keep step."""

    def __init__(self, swarm: Swarm, rng: Random, **changes: int) -> None:
        given = TERMS | changes
        self.swarm, self.rng = swarm, rng
        self.live = set(range(swarm.enrolled))
        terms = ContractTerms(
            last_round=given["lastRound"],
            min_peers=given["minPeers"],
            commit_blocks=given["commitBlocks"],
            exchange_blocks=given["exchangeBlocks"],
            lo=given["lo"],
            hi=given["hi"],
            depth=given["depth"],
            topology=given["topology"],
        )
        self.ours = RunContract(terms, self.live)
        while self.ours.block < swarm.chain.block:
            self.ours.tick()
        self.ours.genesis(GENESIS, owner=True)
        self.seen: Counter[str] = Counter()

    def step(self) -> None:
        """One random call or some blocks, rather likely ones that get a round on."""
        rng, view = self.rng, self.ours.view()
        likely = ["commit"] * 7 if view.phase is Phase.COMMIT else ["attest"] * 3 + ["object"]
        kind = rng.choice([*likely, *["mine", "voteFault"] * 2, "have", "next", "revoke"])
        number = view.round if rng.random() < 0.95 else view.round - 1
        attempt = view.attempt if rng.random() < 0.95 else (view.attempt + 1) % 3
        who = rng.randrange(self.swarm.enrolled)
        if kind == "mine":
            over = view.last_post + 1 - self.ours.block
            for _ in range(over if over > 0 and rng.random() < 0.5 else rng.randint(1, 3)):
                self.swarm.chain.mine(1)
                self.ours.tick()
        elif kind == "revoke":
            if who in self.live and rng.random() < 0.1:
                self.swarm.revoke(who)
                self.live.discard(who)
                self.ours.roster_changed()
        else:
            getattr(self, kind)(who, number, attempt)
        self.compare()

    def both(self, who: int, call: Callable[[], None], function: str, *arguments: object) -> bool:
        """Whether the call is taken, by both alike."""
        try:
            call()
        except TransactionRevertedError:
            taken = False
        else:
            taken = True
        try:
            self.swarm.send(who, function, *arguments)
        except Reverted as reverted:
            assert not taken, (function, reverted.name)
            self.seen[reverted.name] += 1
        else:
            assert taken, function
        return taken

    def commit(self, who: int, number: int, _attempt: int) -> None:
        body = (digest("c"), 1 + who, self.ours.last_root)
        self.both(who, lambda: self.ours.commit(who, number, *body), "commit", number, 0, *body)

    def attest(self, who: int, number: int, attempt: int) -> None:
        body = (digest(f"root {number} {self.rng.random() < 0.1}"), bytes(32))
        self.both(
            who,
            lambda: self.ours.attest(who, number, attempt, *body),
            "attest",
            number,
            attempt,
            *body,
        )

    def have(self, who: int, number: int, attempt: int) -> None:
        held = bits(*(i for i in range(self.swarm.enrolled) if self.rng.random() < 0.7))
        self.both(
            who, lambda: self.ours.have(who, number, attempt, held), "have", number, attempt, held
        )

    def next(self, who: int, number: int, attempt: int) -> None:
        self.both(
            who,
            lambda: self.ours.next_attempt(who, number, attempt),
            "nextAttempt",
            number,
            attempt,
        )

    def object(self, who: int, number: int, attempt: int) -> None:
        renewed = self.ours.objections.renewed
        if self.both(
            who, lambda: self.ours.object_to(who, number, attempt), "object", number, attempt
        ):
            self.seen["objected"] += 1
            self.seen["objection counts"] += self.ours.view().attempt == 1
            self.seen["renewed"] += self.ours.objections.renewed > renewed

    def voteFault(self, who: int, number: int, _attempt: int) -> None:  # noqa: N802 - the call's name
        accused = self.rng.choice((0, 0, 0, 1, self.swarm.enrolled))
        kind = self.rng.choice((1, 2, 2, 2, 3))
        number = self.rng.choice((1, 1, 1, number, max(0, number - 2)))
        evidence = digest("proof") if self.rng.random() < 0.95 else bytes(32)
        was = len(self.ours.barred)
        self.accuse(who, accused, kind, number, evidence)
        self.seen["barred"] += len(self.ours.barred) > was

    def accuse(self, who: int, *charge: Any) -> bool:
        """(accused, kind, round, evidence)."""
        return self.both(who, lambda: self.ours.vote_fault(who, *charge), "voteFault", *charge)

    def compare(self) -> None:
        ours, view = self.ours, self.ours.view()
        state, theirs = self.swarm.chain.call(self.swarm.run, "snapshot")
        for name, field in SAME.items():
            assert theirs[name] == getattr(view, field), name
        for name, field in SETS.items():
            assert theirs[name] == bits(*getattr(view, field)), name
        assert (state["finished"], state["stopped"]) == (ours.finished, ours.stopped)
        assert (state["lastRoot"], state["consecutiveVoids"]) == (ours.last_root, ours.voids)
        for name, indices in {
            "activeBits": ours.active(),
            "liveBits": ours.live,
            "excludedBits": ours.excluded,
            "barredBits": ours.barred,
        }.items():
            assert state[name] == bits(*indices), name
        assert state["meshUntil"] == ours.objections.mesh_until
        self.seen["mesh again"] += view.phase is Phase.ATTEMPT and not view.optimistic


def test_the_memory_contract__doubts_as_the_real_one_does(
    swarm_of: Callable[..., Swarm],
) -> None:
    seen: Counter[str] = Counter()
    for seed in range(6):
        rng = Random(seed)
        changes = {"topology": rng.choice((1, 2)), "lo": 1, "hi": 7, "depth": 0}
        pair = Pair(swarm_of(rng.randint(4, 7), **changes), rng, **changes)
        for _ in range(STEPS):
            pair.step()
        seen += pair.seen
    reached = {name for name, times in seen.items() if times}
    assert reached >= OUTCOMES, OUTCOMES - reached


def test_rights__are_used_given_back_and_renewed_as_on_the_real_one(
    swarm_of: Callable[..., Swarm],
) -> None:
    """Seven peers, f(E) + 1 = 3: long stories that chance does not tell."""
    changes = {"topology": 1, "lo": 1, "hi": 7, "depth": 0}
    pair = Pair(swarm_of(7, **changes), Random(0), **changes)
    tried = []
    for number in range(1, 2 * OBJECTION_ROUNDS + 4):
        for who in range(7):
            pair.commit(who, number, 0)
        assert pair.ours.view().phase is Phase.ATTEMPT
        if pair.ours.view().optimistic:
            for who in (0, 1) if number == 4 else (0,):
                pair.object(who, number, 0)
                tried.append((number, who, pair.ours.view().attempt))
                pair.compare()
        if number == 3:  # the shard of round 1 was false: whoever objected there was right
            for who in range(5):
                pair.accuse(who, 6, 2, 1, digest("proof"))
        attempt = pair.ours.view().attempt
        root = digest(f"root {number}")
        for who in range(5):
            pair.both(
                who,
                lambda who=who, n=number, a=attempt, r=root: pair.ours.attest(
                    who, n, a, r, bytes(32)
                ),
                "attest",
                *(number, attempt, root, bytes(32)),
            )
        pair.compare()
        assert pair.ours.view().round == number + 1
    # the right is spent in round 1; the vote of round 3 makes meshes of 4 to 13
    assert tried[:3] == [(1, 0, 1), (2, 0, 0), (3, 0, 0)]
    assert [number for number, _, _ in tried[3:5]] == [14, 15]
    assert [attempt for _, _, attempt in tried[3:5]] == [1, 0]


def test_an_optimistic_attempt_that_falls_short__keeps_whoever_posted_and_no_excluded_one(
    swarm_of: Callable[..., Swarm],
) -> None:
    changes = {"topology": 2, "lo": 1, "hi": 7, "depth": 0, "minPeers": 2}
    pair = Pair(swarm_of(7, **changes), Random(0), **changes)
    for who in range(7):
        pair.commit(who, 1, 0)
    assert pair.ours.view().optimistic
    for who in range(6):  # nobody holds anything of another
        pair.both(who, lambda who=who: pair.ours.have(who, 1, 0, 0), "have", 1, 0, 0)
    for who in range(1, 6):
        assert pair.ours.excluded == set()
        pair.accuse(who, 0, 1, 1, digest("proof"))
    assert pair.ours.excluded == {0}
    pair.compare()
    refused = pair.accuse(0, 1, 1, 1, digest("proof"))
    assert not refused
    while pair.ours.block <= pair.ours.view().last_post:
        pair.swarm.chain.mine(1)
        pair.ours.tick()
    pair.next(1, 1, 0)
    pair.compare()
    view = pair.ours.view()
    assert (view.attempt, view.roster) == (1, frozenset(range(1, 6)))
