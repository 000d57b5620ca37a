"""The model of spec/model and the compiled contract in lock step: equal refusals, equal views.

`Replayed` is the model's contract, which hands every transaction to a SwarmRun on a real EVM too. A
reorganisation of the model takes the EVM back to the state of that block. What the views show
depends on storage and the block's number alone, so they are compared after each block in which a
transaction changed something, at and after each deadline, and in every twentieth block besides.

    PYTHONPATH=.:spec python tests/contracts/contract_replay.py --seeds 1000
"""

import argparse
import sys
import time
from collections.abc import Iterable
from typing import Any, Self

from contract_chain import Chain, Deployed, Receipt, Reverted, account
from contract_swarm import OWNER as OWNERS_ACCOUNT
from contract_swarm import ZERO, digest, settings
from model.contract import Contract
from model.rules import TEXT, Rules
from model.scenarios import SCENARIOS, Scenario, random_bounds
from model.setting import random_setting
from model.state import OWNER, Round, Terms, Tx
from model.world import World

Played = tuple[tuple[int, Tx], ...]
NOBODY = 64  # an index that no member has
# Objections and fault votes are not modelled: in a mesh without faults these stay as they began.
NOT_MODELLED = {
    "optimistic": False,
    "objectBits": 0,
    "excludedBits": 0,
    "barredBits": 0,
    "meshUntil": 0,
}
IDLE_BLOCKS = 20  # between two comparisons of a chain on which nothing happens


class DivergenceError(Exception):
    """Model and contract differ, and what they were given until then."""

    def __init__(self, what: str, replayed: "Replayed") -> None:
        lines = [f"block {block}: {tx}" for block, tx in replayed.played]
        super().__init__("\n  ".join([what, *lines[-40:]]))
        self.what, self.played = what, tuple(replayed.played)
        self.block = replayed.block
        self.members = replayed.first_members
        self.terms = replayed.terms


def as_bytes(root: str) -> bytes:
    """A root or aux of the model on the chain."""
    return digest(root) if root else ZERO


class Replayed(Contract):
    """The model's contract, held against the compiled one at every step."""

    def __init__(self, rules: Rules, terms: Terms, members: Iterable[int]) -> None:
        super().__init__(rules, terms, members)
        self.first_members = self.members
        self.chain = Chain(block=0)
        self.registry = self.chain.deploy("SwarmRegistry", OWNERS_ACCOUNT)
        self.run = self._deploy()
        for peer in self.members:
            self._enrol_on_chain(peer)
        self._owner(self.registry, "attachRun", self.run.address)
        self._owner(self.run, "genesis", as_bytes(self.now.base))
        self.played: list[tuple[int, Tx]] = []
        self.past: dict[int, Round] = {}
        self.quiet: set[tuple[object, ...]] = set()  # calls that were seen to change nothing
        self.changed = True
        self.compared = self.ended = 0
        self.finish_block()

    def _deploy(self) -> Deployed:
        terms = {
            "lastRound": self.terms.last_round,
            "minPeers": self.terms.chosen_minimum,
            "commitBlocks": self.terms.first_guess,
            "exchangeBlocks": self.terms.first_guess,
            "lo": self.terms.lo,
            "hi": self.terms.hi,
            "depth": self.terms.depth,
        }
        return self.chain.deploy(
            "SwarmRun", OWNERS_ACCOUNT, settings(self.registry.address, **terms)
        )

    def clone(self) -> Self:
        other = super().clone()
        other.chain, other.played = self.chain.fork(), list(self.played)
        other.past, other.quiet = dict(self.past), set(self.quiet)
        return other

    # -- the same calls on the EVM

    def _owner(self, to: Deployed, function: str, *arguments: Any) -> Receipt:
        return self.chain.transact(OWNERS_ACCOUNT, to, function, *arguments)

    def _enrol_on_chain(self, peer: int, *, invited: bool = True) -> Receipt:
        key = digest(f"peer {peer}")
        if invited:
            self._owner(self.registry, "invite", account(peer), key)
        return self.chain.transact(account(peer), self.registry, "enrol", key, 0, bytes(64), "")

    def tick(self) -> None:
        if self.changed or self._is_boundary() or self.block - self.compared >= IDLE_BLOCKS:
            self.finish_block()  # World ticks when the block before is full
        super().tick()
        self.chain.mine()

    def _is_boundary(self) -> bool:
        now = self.now
        ends = (now.deadline, now.exchange_deadline, now.last_post)
        return any(end <= self.block <= end + 1 for end in ends if end)

    def apply(self, tx: Tx) -> str | None:
        self.played.append((self.block, tx))
        before, newcomer = self.now, tx.sender not in self.members
        place = (tx.kind, tx.sender, before.number, before.phase)
        expected = super().apply(tx)
        try:
            receipt = self._send(tx, newcomer=newcomer)
        except Reverted as reverted:
            found: str | None = reverted.name
        else:
            found = None
            if receipt.events or place not in self.quiet:
                self.changed = True
                self.quiet.add(place)
        if tx.kind == "idle void" and expected != "NoSuchFunction":
            found = "NoSuchFunction"
        if found != expected:
            raise DivergenceError(f"{tx}: the model says {expected}, the contract {found}", self)
        if self.now is not before:
            self.past[before.number] = before
            self.ended = before.number
        return expected

    def _send(self, tx: Tx, *, newcomer: bool) -> Receipt:
        """Raises Reverted, as the contract does."""
        if tx.kind == "idle void":
            raise Reverted("NoSuchFunction", ())
        if tx.kind == "enrol":
            return self._enrol_on_chain(tx.sender, invited=newcomer)
        sender = OWNERS_ACCOUNT if tx.sender == OWNER else account(tx.sender)
        if tx.kind == "revoke":
            known = tx.target in self.members
            index = self.members.index(tx.target) if known else NOBODY
            return self.chain.transact(sender, self.registry, "revoke", index)
        here = (tx.round, tx.attempt)
        function, arguments = {
            "join": ("join", ()),
            "stop": ("voteStop", ()),
            "commit": (
                "commit",
                (*here, *self._commitment(tx.round, tx.sender), as_bytes(tx.base)),
            ),
            "have": ("have", (*here, self.bits(tx.held))),
            "attest": ("attest", (*here, *map(as_bytes, tx.body))),
            "next attempt": ("nextAttempt", here),
        }[tx.kind]
        return self.chain.transact(sender, self.run, function, *arguments)

    @staticmethod
    def _commitment(number: int, peer: int) -> tuple[bytes, int]:
        return digest(f"commitment {number} {peer}"), 1 + peer

    # -- the same views

    def finish_block(self) -> None:
        """Compare the views; raises DivergenceError."""
        state, view = self.chain.call(self.run, "snapshot")
        self._compare("run", state, self.run_view())
        self._compare("round", view, self.round_view(self.now))
        if self.ended:
            self.compare_past(self.ended)
        self.changed, self.compared, self.ended = False, self.block, 0

    def compare_past(self, number: int) -> None:
        """Compare the view of a round that is over."""
        found = self.chain.call(self.run, "roundView", number)
        self._compare("past round", found, self.round_view(self.past[number]))

    def _compare(self, which: str, found: dict[str, Any], expected: dict[str, Any]) -> None:
        expected = {**{n: v for n, v in NOT_MODELLED.items() if n in found}, **expected}
        names = found.keys() | expected.keys()
        wrong = {n for n in names if n not in found or found[n] != expected.get(n)}
        if wrong:
            told = {n: (expected.get(n), found.get(n)) for n in sorted(wrong)}
            what = f"block {self.block}, view of the {which}, (model, contract): {told}"
            raise DivergenceError(what, self)

    def bits(self, peers: Iterable[int]) -> int:
        """A bitmap by enrolment index."""
        return sum(1 << self.members.index(peer) for peer in peers)

    def run_view(self) -> dict[str, Any]:
        """RunState of snapshot()."""
        return {
            "genesisRoot": digest("genesis"),
            "round": self.now.number,
            "finished": self.finished,
            "stopped": self.stopped,
            "lastSealedRound": self.last_sealed,
            "lastRoot": as_bytes(self.now.sealed[0] if self.now.sealed else self.now.base),
            "consecutiveVoids": self.voids,
            "activeBits": self.bits(self.active()),
            "joinedBits": self.bits(self.joined),
            "stopBits": self.bits(self.stop_votes),
            "liveBits": self.bits(self.live()),
            "memberCount": len(self.members),
            "commitAverage": self.commit_average,
            "exchangeAverage": self.exchange_average,
        }

    def round_view(self, r: Round) -> dict[str, Any]:
        """RoundView of roundView(); of the current round or one that is over."""
        by_index = lambda peers: sorted(peers, key=self.members.index)  # noqa: E731 (one word)
        commits = [self._commitment(r.number, peer) for peer in by_index(r.commits)]
        attests = [r.attests[peer] for peer in by_index(r.attests)]
        current = r is self.now
        return {
            "round": r.number,
            "phase": r.phase,
            "attempt": r.attempt,
            "openedBlock": r.opened,
            "frozenBlock": r.frozen_block,
            "commitDeadline": r.deadline,
            "closedBlock": r.closed,
            "startedBlock": r.started,
            "exchangeDeadline": r.exchange_deadline,
            "lastPost": r.last_post,
            "endedBlock": r.ended,
            "enrolled": self.enrolled() if current else r.enrolled,
            "minPeers": self.min_peers() if current else r.min_peers,
            "commitBits": self.bits(r.commits),
            "roster": self.bits(r.roster),
            "attestBits": self.bits(r.attests),
            "haveBits": self.bits(r.haves),
            "base": as_bytes(r.base),
            "sealedRoot": as_bytes(r.sealed[0] if r.sealed else ""),
            "sealedAux": as_bytes(r.sealed[1] if r.sealed else ""),
            "commitments": [commitment for commitment, _ in commits],
            "weights": [weight for _, weight in commits],
            "attestRoots": [as_bytes(root) for root, _ in attests],
            "attestAux": [as_bytes(aux) for _, aux in attests],
            "haves": [self.bits(r.haves[peer]) for peer in by_index(r.haves)],
        }


def play(seed: int, scenario: Scenario, rules: Rules = TEXT) -> World:
    """One world on both; the views of all rounds are compared at its end.

    Raises DivergenceError.
    """
    world = World(seed, rules, scenario.of_seed(seed), Replayed)
    world.run()
    chain = world.chain
    assert isinstance(chain, Replayed)
    chain.finish_block()
    for number in chain.past:
        chain.compare_past(number)
    return world


def play_again(divergence: DivergenceError, rules: Rules = TEXT) -> Replayed:
    """The transactions that led to a divergence, under other rules; raises DivergenceError."""
    replayed = Replayed(rules, divergence.terms, divergence.members)
    for block, tx in divergence.played:
        while replayed.block < block:
            replayed.tick()
        replayed.apply(tx)
    while replayed.block < divergence.block:
        replayed.tick()
    replayed.finish_block()
    return replayed


def shortest(divergences: dict[str, DivergenceError]) -> str:
    """The divergence with the shortest story, with its world and seed; empty without one."""
    if not divergences:
        return ""
    name = min(divergences, key=lambda each: len(divergences[each].played))
    return f"{len(divergences)} diverge, the shortest is {name}: {divergences[name]}"


def compare_worlds(jobs: Iterable[tuple[str, int, Scenario]]) -> tuple[int, int, str]:
    """Worlds played, their blocks, and the shortest divergence or nothing."""
    worlds = blocks = 0
    divergences: dict[str, DivergenceError] = {}
    for name, seed, scenario in jobs:
        worlds += 1
        try:
            blocks += play(seed, scenario).block
        except DivergenceError as divergence:
            divergences[f"{name}, seed {seed}"] = divergence
    return worlds, blocks, shortest(divergences)


def random_jobs(seeds: Iterable[int]) -> Iterable[tuple[str, int, Scenario]]:
    """Random settings for compare_worlds."""
    return (("random", seed, random_bounds(random_setting(seed))) for seed in seeds)


def story_jobs(seeds: Iterable[int]) -> Iterable[tuple[str, int, Scenario]]:
    """Every story under each seed."""
    return ((name, seed, SCENARIOS[name]) for seed in seeds for name in SCENARIOS)


def main() -> int:
    parser = argparse.ArgumentParser(description="Play worlds of the model on the contract.")
    parser.add_argument("--seeds", type=int, default=100, help="worlds; stories get a twentieth")
    args = parser.parse_args()
    bad = 0
    stories = range(max(1, args.seeds // 20))
    for kind, jobs in (
        ("random", random_jobs(range(args.seeds))),
        ("stories", story_jobs(stories)),
    ):
        began = time.monotonic()
        worlds, blocks, found = compare_worlds(jobs)
        took = time.monotonic() - began
        words = f"{kind}: {worlds} worlds, {blocks} blocks, {took:.0f} s. {found or 'All equal.'}"
        sys.stdout.write(words + "\n")
        bad += bool(found)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
