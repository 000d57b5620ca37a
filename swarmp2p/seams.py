"""What a node needs from the world. The node knows the world only through these.

Live: `net` (Transport), `launch` (Clock, Rng), `store` (Store), `ledger.ethereum` (Ledger, whose
own seam is `ledger.interface`). Simulated: the same names in `sim`. Peers are named by their
32-byte Ed25519 public keys.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Outcome(Enum):
    """What becomes of a gossip message: forwarded, dropped, or held against its sender."""

    ACCEPT = "accept"
    IGNORE = "ignore"
    REJECT = "reject"


class Stream(Protocol):
    """A two-way byte stream to one peer, on one protocol. One task reads, one task writes."""

    @property
    def remote_peer(self) -> bytes:
        """The peer's public key, proven by the handshake."""
        ...

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything. Raises TransportError when the stream is gone."""
        ...

    async def receive_some(self, max_bytes: int = 1 << 18) -> bytes:
        """At least one byte, at most `max_bytes`; b"" at the clean end. Raises StreamResetError."""
        ...

    async def send_eof(self) -> None:
        """Close our direction only."""
        ...

    async def aclose(self) -> None:
        """Close both directions; never raises TransportError."""
        ...

    async def reset(self) -> None:
        """Cut the stream at once, so that the other side sees a reset, not an end."""
        ...


StreamHandler = Callable[[Stream], Awaitable[None]]
Validator = Callable[[bytes, bytes], Outcome]  # (peer that forwarded it, data) -> outcome


class Transport(Protocol):
    """Streams and gossip among admitted peers."""

    def admit(self, peers: Mapping[bytes, Sequence[str]]) -> None:
        """Replace the set of peers let in, with the multiaddrs to dial each at (our own excluded).

        Connections of peers that are not in it drop at once; the missing ones are dialled in the
        background, again and again with jittered backoff.
        """
        ...

    def peers(self) -> frozenset[bytes]:
        """The admitted peers connected at this moment."""
        ...

    def listen_addresses(self) -> tuple[str, ...]:
        """Multiaddrs that others can dial, without the /p2p part."""
        ...

    def handle(self, protocol: str, handler: StreamHandler) -> None:
        """Serve a protocol. The handler runs in a task of its own, for admitted peers only."""
        ...

    async def open_stream(self, peer: bytes, protocol: str) -> Stream:
        """Open a stream. Raises PeerUnreachableError."""
        ...

    def subscribe(self, topic: str, validator: Validator) -> None:
        """Join a gossip topic. `validator` sees every message once and decides its outcome."""
        ...

    async def publish(self, topic: str, data: bytes) -> None:
        """Hand a message of at most MAX_ENVELOPE_BYTES to the topic; delivery is not promised."""
        ...


class Clock(Protocol):
    """Time in seconds."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def wall(self) -> float:
        """Seconds since 1970, for people's eyes only; no rule depends on it."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Rng(Protocol):
    """Chance."""

    def token(self, size: int) -> bytes:
        """`size` bytes from a cryptographic source."""
        ...

    def uniform(self) -> float:
        """A float in [0, 1), for jitter."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """What may be signed once: one kind of message or transaction in one round and attempt."""

    kind: str
    round: int
    attempt: int
    recipient: bytes = bytes(32)
    index: int = 0


class ChunkSource(Protocol):
    """Where verified chunks can be read."""

    def get_chunk(self, root: bytes, index: int) -> tuple[bytes, tuple[bytes, ...]] | None:
        """(data, proof) of a chunk, or None."""
        ...


@dataclass(frozen=True, slots=True)
class KeptTransaction:
    """A transaction that was signed, and how far it came.

    `raw` is what is broadcast; `hash` has 32 bytes, `account` and `to` 20. `price` and `tip` are
    wei per gas, the tip None on chains without EIP-1559. `state` is one of TRANSACTION_STATES;
    `block` is where it was mined, 0 while it was not.
    """

    chain_id: int
    account: bytes
    nonce: int
    hash: bytes
    raw: bytes
    to: bytes
    data: bytes
    gas: int
    price: int
    tip: int | None
    state: str = "unsent"
    block: int = 0


# unsent: signed, not known to be broadcast. sent: an endpoint took it; it may be in a block, but in
# no final one yet. mined: in a final block. replaced: another one of the same nonce is. foreign: a
# transaction that is not ours took the nonce.
TRANSACTION_STATES = ("unsent", "sent", "mined", "replaced", "foreign")


class Transactions(Protocol):
    """What was signed for Ethereum accounts. Every call is durable when it returns."""

    def keep(self, row: KeptTransaction) -> None:
        """Write a transaction before it is broadcast.

        Raises GuardConflictError where the nonce already belongs to another call: all
        transactions of one nonce have one (to, data).
        """
        ...

    def mark(self, row: KeptTransaction, state: str, block: int = 0) -> None:
        """Change how far a kept transaction came."""
        ...

    def rows(self, chain_id: int, account: bytes) -> list[KeptTransaction]:
        """An account's transactions by nonce, those of one nonce in the order of signing."""
        ...

    def prune(self, chain_id: int, account: bytes, below: int) -> None:
        """Forget what is mined or replaced under a nonce below `below`."""
        ...

    def release(self, chain_id: int, account: bytes) -> None:
        """Turn foreign into replaced: whoever else sent for the account has been stopped."""
        ...


class Store(Protocol):
    """Durable state of one identity in one run. Every call is durable when it returns."""

    def reserve(self, slot: Slot, body: bytes) -> bytes:
        """Write the guard row of `slot` if there is none; return the bytes that stand in it.

        The caller signs only what is returned: after a crash that is the earlier body.
        """
        ...

    def reserved(self, slot: Slot) -> bytes | None:
        """The bytes in the guard row of `slot`, if any."""
        ...

    def next_seq(self, kind: str, recipient: bytes) -> int:
        """A sequence number above every one handed out before, restarts included."""
        ...

    def put(self, key: str, value: bytes) -> None:
        """Keep a small named value (last adopted root, cursor, residuals' names)."""
        ...

    def get(self, key: str) -> bytes | None:
        """The value kept under `key`."""
        ...

    def put_chunk(self, root: bytes, index: int, data: bytes, proof: Sequence[bytes]) -> None:
        """Keep a chunk that was verified against `root`."""
        ...

    def get_chunk(self, root: bytes, index: int) -> tuple[bytes, tuple[bytes, ...]] | None:
        """(data, proof) of a chunk, or None."""
        ...

    def chunks(self, root: bytes) -> frozenset[int]:
        """The indices held of a blob."""
        ...

    def roots(self) -> frozenset[bytes]:
        """The blobs of which a chunk is held."""
        ...

    def drop_blob(self, root: bytes) -> None:
        """Forget a blob's chunks."""
        ...

    def close(self) -> None:
        """Release the state directory."""
        ...
