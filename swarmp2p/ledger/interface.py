"""The ledger as a node sees it: plain values and one Protocol.

The rules behind them are spec/10-ledger.md; `ethereum.py` is the adapter for real chains, `sim`
holds one in memory. All calls may raise LedgerUnavailableError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol


class Phase(IntEnum):
    """Where a round stands on the chain."""

    COMMIT = 0
    ATTEMPT = 1
    SEALED = 2
    VOID = 3


class FaultKind(IntEnum):
    """What a fault vote accuses of."""

    EQUIVOCATION = 1
    FALSE_SHARD = 2


@dataclass(frozen=True, slots=True)
class Block:
    """A block's number and 32-byte hash."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class MemberKey:
    """One key of an enrolment: 32 bytes, its epoch, the block from which on it is the current one.

    `proof` is the new key's signature over crypto.identity.enrol_preimage(...), 64 bytes.
    """

    peer: bytes
    epoch: int
    since: int
    proof: bytes


def key_of_round(keys: Sequence[MemberKey], frozen_block: int) -> MemberKey:
    """Which of an enrolment's keys, in their order, counts in the round that this block froze.

    ID-025: the newest that is not younger, else the first; the current one while the round is not
    frozen (0).
    """
    if frozen_block == 0:
        return keys[-1]
    earlier = [key for key in keys if key.since <= frozen_block]
    return earlier[-1] if earlier else keys[0]


@dataclass(frozen=True, slots=True)
class Member:
    """One enrolment. `index` is its place on the chain, 0 to 63; `account` has 20 bytes.

    `keys` are in the order in which they were enrolled, at least one. `excluded` says that fault
    votes have put it out of this run.
    """

    index: int
    account: bytes
    enrolled_block: int
    revoked_block: int  # 0: not revoked
    addresses: tuple[str, ...]
    keys: tuple[MemberKey, ...]
    excluded: bool = False

    @property
    def live(self) -> bool:
        """Enrolled, not revoked, and not excluded."""
        return self.revoked_block == 0 and not self.excluded

    @property
    def peer(self) -> bytes:
        """The current key: that of connections and hello."""
        return self.keys[-1].peer

    @property
    def key_epoch(self) -> int:
        """The current key's epoch."""
        return self.keys[-1].epoch

    def key_at(self, frozen_block: int) -> MemberKey:
        """The key in the round that this block froze, of envelopes, commitments and receipts."""
        return key_of_round(self.keys, frozen_block)

    def had(self, peer: bytes) -> bool:
        """Whether this was one of its keys, the current one included."""
        return any(key.peer == peer for key in self.keys)


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
    optimistic: bool = False  # attempt 0 follows the run's topology; False while COMMIT is open
    objected: frozenset[int] = frozenset()


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
    excluded: frozenset[int] = frozenset()  # by fault votes, from the run
    barred: frozenset[int] = frozenset()  # by fault votes, from reducing
    mesh_until: int = 0  # the first round that may be optimistic again

    def member(self, peer: bytes) -> Member | None:
        """The live enrolment whose current key this is."""
        return next((m for m in self.members if m.peer == peer and m.live), None)

    def holder(self, peer: bytes) -> Member | None:
        """The enrolment that has or had this key, live or not."""
        return next((m for m in self.members if m.had(peer)), None)

    def round_key(self, member: Member) -> MemberKey:
        """A member's key in the current round."""
        return member.key_at(self.round.frozen_block)


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
    topology: int = 0  # 0 mesh, 1 sharded, 2 leader


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

    async def object(self, number: int, attempt: int) -> None:
        """Object to attempt 0 of an optimistic round."""
        ...

    async def vote_fault(self, index: int, kind: int, number: int, evidence: bytes) -> None:
        """Vote that member `index` broke the protocol in round `number`.

        `kind` is one of FaultKind, `evidence` the SHA-256 of a proof that this node has verified.
        """
        ...

    async def vote_stop(self) -> None:
        """Vote to stop the run."""
        ...

    async def set_addresses(self, addresses: tuple[str, ...]) -> None:
        """Change the addresses in this account's enrolment."""
        ...
