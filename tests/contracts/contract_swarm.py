"""A registry, a run and its peers on a test chain, with one short call for each transaction."""

from collections.abc import Callable
from typing import Any, Self

import pytest
from contract_chain import Chain, Deployed, Receipt, Reverted, account
from eth_utils.crypto import keccak

OWNER = account(1000)
GENESIS = keccak(text="genesis")
COMMIT, ATTEMPT, SEALED, VOID = range(4)
ZERO = b"\x00" * 32
# first windows: COMMIT 1 + 3 x 2 = 7 blocks, EXCHANGE 1 + 3 x 3 = 10, then 1 + 2 = 3 for late posts
TERMS: dict[str, Any] = {
    "manifestHash": keccak(text="manifest"),
    "initRoot": ZERO,
    "lastRound": 0,
    "minPeers": 0,
    "commitBlocks": 2,
    "exchangeBlocks": 3,
    "lo": 2,
    "hi": 40,
    "depth": 1,
    "topology": 0,
}


def digest(text: str) -> bytes:
    """A 32-byte value named by a text: a root, a key, a commitment."""
    return keccak(text=text)


def bits(*indices: int) -> int:
    return sum(1 << i for i in indices)


def settings(registry: bytes, **changes: Any) -> tuple[Any, ...]:
    return (registry, *(TERMS | changes).values())


class Swarm:
    """Peers 0..n-1 are enrolled in order, so that a peer's number is its enrolment index."""

    def __init__(self, chain: Chain, registry: Deployed, run: Deployed, enrolled: int) -> None:
        self.chain, self.registry, self.run, self.enrolled = chain, registry, run, enrolled

    @classmethod
    def deploy(cls, enrolled: int, *, genesis: bool = True, **changes: Any) -> Self:
        chain = Chain()
        registry = chain.deploy("SwarmRegistry", OWNER)
        run = chain.deploy("SwarmRun", OWNER, settings(registry.address, **changes))
        swarm = cls(chain, registry, run, 0)
        for _ in range(enrolled):
            swarm.enrol()
        chain.transact(OWNER, registry, "attachRun", run.address)
        if genesis:
            chain.transact(OWNER, run, "genesis", GENESIS)
        return swarm

    def fork(self) -> Self:
        return type(self)(self.chain.fork(), self.registry, self.run, self.enrolled)

    # -- registry
    def enrol(self) -> int:
        """Invite and enrol one more peer; returns its index."""
        index = self.enrolled
        key = digest(f"peer {index}")
        self.chain.transact(OWNER, self.registry, "invite", account(index), key)
        self.chain.transact(
            account(index), self.registry, "enrol", key, 0, bytes(64), f"/ip4/10.0.0.{index}/tcp/1"
        )
        self.enrolled += 1
        return index

    def revoke(self, index: int) -> Receipt:
        return self.chain.transact(OWNER, self.registry, "revoke", index)

    def rotate(self, index: int, epoch: int) -> bytes:
        """Give the member the key of this epoch; returns the key."""
        key = digest(f"peer {index} {epoch}")
        self.chain.transact(account(index), self.registry, "rotate", key, epoch, bytes(64))
        return key

    # -- run
    def send(self, peer: int, function: str, *arguments: Any) -> Receipt:
        return self.chain.transact(account(peer), self.run, function, *arguments)

    def state(self) -> dict[str, Any]:
        run: dict[str, Any] = self.chain.call(self.run, "snapshot")[0]
        return run

    def round(self, number: int | None = None) -> dict[str, Any]:
        view: dict[str, Any] = (
            self.chain.call(self.run, "snapshot")[1]
            if number is None
            else self.chain.call(self.run, "roundView", number)
        )
        return view

    def commit(self, *peers: int) -> Receipt:
        """Each peer commits to the current round; returns the last one's receipt."""
        view = self.round()
        for peer in peers:
            commitment = digest(f"commitment {view['round']} {peer}")
            receipt = self.send(
                peer, "commit", view["round"], 0, commitment, 10 + peer, view["base"]
            )
        return receipt

    def attest(self, *peers: int, root: str | None = None, aux: bytes = ZERO) -> Receipt:
        """Each peer attests the honest root of the current attempt, or the one named."""
        view = self.round()
        honest = f"merged {view['round']} {view['roster']}"
        for peer in peers:
            receipt = self.send(
                peer, "attest", view["round"], view["attempt"], digest(root or honest), aux
            )
        return receipt

    def have(self, peer: int, *held: int) -> Receipt:
        view = self.round()
        return self.send(peer, "have", view["round"], view["attempt"], bits(*held))

    def next_attempt(self, peer: int = 0) -> Receipt:
        view = self.round()
        return self.send(peer, "nextAttempt", view["round"], view["attempt"])

    def object(self, peer: int) -> Receipt:
        view = self.round()
        return self.send(peer, "object", view["round"], view["attempt"])

    def vote_fault(self, accused: int, *peers: int, kind: int = 1, number: int = 1) -> Receipt:
        """Each peer votes that the accused was at fault in the round of this number."""
        for peer in peers:
            evidence = digest(f"proof of {peer}")
            receipt = self.send(peer, "voteFault", accused, kind, number, evidence)
        return receipt

    def expire(self) -> None:
        """Go to the first block in which the next attempt may open."""
        self.chain.mine(max(0, self.round()["lastPost"] + 1 - self.chain.block))

    def seal_round(self, *peers: int) -> None:
        """One undisturbed round of these peers."""
        number = self.round()["round"]
        self.commit(*peers)
        if self.round()["phase"] == COMMIT:
            self.chain.mine(self.round()["commitDeadline"] + 1 - self.chain.block)
        for peer in peers:
            if self.state()["lastSealedRound"] < number:
                self.attest(peer)
        assert self.state()["lastSealedRound"] == number


Prepared = Callable[..., Swarm]


def refused(error: str, call: Callable[..., object], *arguments: object) -> tuple[object, ...]:
    with pytest.raises(Reverted) as caught:
        call(*arguments)
    assert caught.value.name == error
    return caught.value.arguments


def owner_sends(swarm: Swarm, function: str, *arguments: object) -> None:
    swarm.chain.transact(OWNER, swarm.run, function, *arguments)


def close_commit(swarm: Swarm) -> None:
    swarm.chain.mine(swarm.round()["commitDeadline"] + 1 - swarm.chain.block)
