"""The ledger as a node sees it: plain values and one Protocol.

The rules behind them are spec/10-ledger.md; `ethereum.py` is the adapter for real chains, `sim`
holds one in memory. All calls may raise LedgerUnavailableError.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol


class Phase(IntEnum):
    """Where a round stands on the chain."""

    COMMIT = 0
    ATTEMPT = 1
    SEALED = 2
    VOID = 3


@dataclass(frozen=True, slots=True)
class Block:
    """A block's number and 32-byte hash."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Member:
    """One enrolment. `index` is its place on the chain, 0 to 63; `account` has 20 bytes."""

    index: int
    peer: bytes
    account: bytes
    key_epoch: int
    enrolled_block: int
    revoked_block: int  # 0: not revoked
    proof: bytes
    addresses: tuple[str, ...]

    @property
    def live(self) -> bool:
        """Enrolled and not revoked."""
        return self.revoked_block == 0


@dataclass(frozen=True, slots=True)
class Commit:
    """What a peer committed to: the 32-byte commitment C and its declared weight."""

    commitment: bytes
    weight: int


@dataclass(frozen=True, slots=True)
class Attestation:
    """The (root, aux) that a peer attested in the current attempt."""

    root: bytes
    aux: bytes


@dataclass(frozen=True, slots=True)
class RoundView:
    """One round as of a block. Keys of the mappings and members of the sets are enrolment indices.

    Block numbers are 0 where the event has not happened. `haves` are bitmaps by index.
    """

    round: int
    phase: Phase
    attempt: int
    opened_block: int
    frozen_block: int
    commit_deadline: int
    closed_block: int
    started_block: int
    exchange_deadline: int
    last_post: int
    ended_block: int
    enrolled: int
    min_peers: int
    base: bytes
    sealed_root: bytes
    sealed_aux: bytes
    roster: frozenset[int] = frozenset()
    commits: Mapping[int, Commit] = field(default_factory=dict)
    attests: Mapping[int, Attestation] = field(default_factory=dict)
    haves: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChainView:
    """Everything a node acts on, read at one block."""

    block: Block
    genesis_root: bytes  # 32 zero bytes before genesis
    round: RoundView  # the current round
    finished: bool
    stopped: bool
    last_sealed_round: int  # 0: none
    last_root: bytes  # root of the last sealed model, or of the genesis model
    consecutive_voids: int
    commit_average: int  # 1/256 block, from a round's opening to its min_peers-th commit
    exchange_average: int  # 1/256 block, from an attempt's start to its seal
    active: frozenset[int]
    members: tuple[Member, ...]

    def member(self, peer: bytes) -> Member | None:
        """The live enrolment of a peer key."""
        return next((m for m in self.members if m.peer == peer and m.live), None)


@dataclass(frozen=True, slots=True)
class RunTerms:
    """What a deployed run contract was built with, and where it lives."""

    chain_id: int
    contract: bytes
    registry: bytes
    manifest_hash: bytes
    init_root: bytes
    last_round: int
    min_peers: int
    commit_blocks: int  # first guesses of what the averages of ChainView follow
    exchange_blocks: int
    lo: int  # a window is at least lo and at most hi blocks, before doublings
    hi: int
    depth: int


class Ledger(Protocol):
    """A node's view of, and pen on, the chain. Transactions return once they are mined.

    A transaction the contract refuses raises TransactionRevertedError; one that already took
    effect (a commit that stands, a round that is sealed) counts as done and returns.
    """

    async def terms(self) -> RunTerms:
        """The run's fixed terms."""
        ...

    async def head(self) -> int:
        """Number of the newest block: cheap, for polling."""
        ...

    async def final_view(self) -> ChainView:
        """The state at the last final block (depth by the run's terms)."""
        ...

    async def round_view(self, number: int) -> RoundView:
        """A past or the current round at the last final block."""
        ...

    async def genesis(self, root: bytes) -> None:
        """Post the root of the initial model."""
        ...

    async def join(self) -> None:
        """Ask to be waited for again."""
        ...

    async def commit(
        self, number: int, attempt: int, commitment: bytes, weight: int, base: bytes
    ) -> None:
        """Commit to an update."""
        ...

    async def have(self, number: int, attempt: int, bitmap: int) -> None:
        """Say which updates of the roster are held."""
        ...

    async def attest(self, number: int, attempt: int, root: bytes, aux: bytes) -> None:
        """Say: all are held, and this is the merged root."""
        ...

    async def next_attempt(self, number: int, attempt: int) -> None:
        """Open the next attempt after the last post."""
        ...

    async def vote_stop(self) -> None:
        """Vote to stop the run."""
        ...

    async def set_addresses(self, addresses: tuple[str, ...]) -> None:
        """Change the addresses in this account's enrolment."""
        ...
