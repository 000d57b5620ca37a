"""The fetching side of `/swarmp2p/chunk/1`: asks pipelined, verifies every chunk."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from swarmp2p.crypto.merkle import verify_chunk
from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.protocol.machine import Machine
from swarmp2p.wire.frames import FrameDecoder, encode_frame
from swarmp2p.wire.messages import (
    ChunkReply,
    ChunkRequest,
    decode_chunk_reply,
    encode_chunk_request,
)
from swarmp2p.wire.registry import (
    CHUNK_SECONDS,
    DEFAULT_CHUNKS_IN_FLIGHT,
    FIRST_BYTE_SECONDS,
    MAX_CHUNKS_IN_FLIGHT,
    Code,
)


@dataclass(frozen=True, slots=True)
class ChunkVerified:
    """A chunk came and belongs under the root."""

    index: int
    data: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ChunkRefused:
    """The provider has not, or will not give, this chunk."""

    index: int
    code: int


@dataclass(frozen=True, slots=True)
class GetterDone:
    """Every wanted chunk was answered."""


GetterEvent = ChunkVerified | ChunkRefused | GetterDone


class State(Enum):
    """Where a transfer stands."""

    WAITING = "waiting"
    PAYLOAD = "payload"
    DONE = "done"
    CLOSED = "closed"


class Event(Enum):
    """What moves it."""

    REFUSED = "reply with a refusal"
    FOUND = "reply with a chunk"
    VERIFIED = "all bytes, chunk right"
    FINISHED = "nothing open or wanted"
    BROKEN = "timer, end of stream, broken rule"


TABLE = {
    (State.WAITING, Event.REFUSED): State.WAITING,
    (State.WAITING, Event.FOUND): State.PAYLOAD,
    (State.PAYLOAD, Event.VERIFIED): State.WAITING,
    (State.WAITING, Event.FINISHED): State.DONE,
    (State.WAITING, Event.BROKEN): State.CLOSED,
    (State.PAYLOAD, Event.BROKEN): State.CLOSED,
}


class Getter(Machine[State, Event]):
    """Fetches chunks of one blob over one stream. Does no I/O.

    After each call, send data_to_send(), act on events(), and call handle_timer() at
    next_deadline(). Payloads are bounded by `sizes` before a byte of them is awaited.
    """

    table = TABLE

    def __init__(
        self,
        root: bytes,
        sizes: Sequence[int],
        want: Iterable[int],
        *,
        now: float,
        window: int = DEFAULT_CHUNKS_IN_FLIGHT,
    ) -> None:
        """`sizes` are the bytes of every chunk of the blob; `want` the indices to ask for.

        Raises LocalProtocolError for a root that is no hash, an index outside the blob or named
        twice, or a window outside its bounds.
        """
        super().__init__(State.WAITING)
        if len(root) != 32:
            raise LocalProtocolError(f"a root has 32 bytes, not {len(root)}")
        self._root = root
        self._sizes = tuple(sizes)
        self._wanted = deque(want)
        if any(not 0 <= index < len(sizes) for index in self._wanted):
            raise LocalProtocolError(f"a wanted chunk is outside the blob of {len(sizes)}")
        if len(set(self._wanted)) != len(self._wanted):
            raise LocalProtocolError("a chunk is wanted twice")
        if not 1 <= window <= MAX_CHUNKS_IN_FLIGHT:
            raise LocalProtocolError(f"window {window}; 1 to {MAX_CHUNKS_IN_FLIGHT} are allowed")
        self._window = window
        self._asked: deque[int] = deque()
        self._reply: ChunkReply | None = None
        self._decoder = FrameDecoder()
        self._events: list[GetterEvent] = []
        self._heard = False
        self._since = now
        self._finish()  # Nothing may be wanted at all.

    def receive_data(self, data: bytes, *, now: float) -> None:
        """Bytes from the provider. Raises RemoteProtocolError; the machine is dead then."""
        if self._over:
            return
        self._heard = self._heard or bool(data)
        try:
            self._decoder.feed(data)
            # What follows the last answer is not read, in whatever pieces it comes.
            while not self._over and (item := self._decoder.next_item()) is not None:
                if self._reply is None:
                    self._header(decode_chunk_reply(item), now)
                else:
                    self._payload(self._reply, item, now)
        except RemoteProtocolError:
            self.fire(Event.BROKEN)
            raise

    @property
    def _over(self) -> bool:
        return self.state in (State.DONE, State.CLOSED)

    def _header(self, reply: ChunkReply, now: float) -> None:
        # CHUNK-010: replies come in the order of the requests, and only to them.
        if not self._asked or (reply.root, reply.index) != (self._root, self._asked[0]):
            raise RemoteProtocolError(Code.UNEXPECTED, "a reply to no open chunk request")
        if reply.code != Code.OK:
            self.fire(Event.REFUSED)
            self._answered(ChunkRefused(reply.index, reply.code), now)
            return
        # CHUNK-003: the schema fixes a chunk's size before its first byte.
        expected = self._sizes[reply.index]
        if reply.size != expected:
            raise RemoteProtocolError(
                Code.BAD_PROOF, f"chunk {reply.index} of {reply.size} bytes; it has {expected}"
            )
        self.fire(Event.FOUND)
        self._reply = reply
        self._decoder.take_raw(reply.size)

    def _payload(self, reply: ChunkReply, data: bytes, now: float) -> None:
        # CHUNK-006, CHUNK-007: a chunk counts only with a proof under the root.
        verify_chunk(self._root, len(self._sizes), reply.index, data, reply.proof)
        self.fire(Event.VERIFIED)
        self._reply = None
        self._answered(ChunkVerified(reply.index, data, reply.proof), now)

    def _answered(self, event: GetterEvent, now: float) -> None:
        self._asked.popleft()
        self._since = now
        self._events.append(event)
        self._finish()

    def _finish(self) -> None:
        if not self._asked and not self._wanted:
            self.fire(Event.FINISHED)
            self._events.append(GetterDone())

    def receive_eof(self, *, now: float) -> None:
        """The provider ended the stream. Raises RemoteProtocolError with chunks still owed."""
        del now
        if not self._over:
            self.fire(Event.BROKEN)
            raise RemoteProtocolError(Code.UNEXPECTED, "the stream ended with chunks still owed")

    def data_to_send(self) -> list[bytes]:
        """Requests up to the window."""
        out = []
        while self._wanted and len(self._asked) < self._window and not self._over:
            index = self._wanted.popleft()
            self._asked.append(index)
            out.append(encode_frame(encode_chunk_request(ChunkRequest(self._root, index))))
        return out

    def events(self) -> list[GetterEvent]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def next_deadline(self) -> float | None:
        """5 s to the first byte, then 40 s for each chunk."""
        if self._over or not self._asked:
            return None
        return self._since + (CHUNK_SECONDS if self._heard else FIRST_BYTE_SECONDS)

    def handle_timer(self, *, now: float) -> None:
        """Raises RemoteProtocolError(TIMEOUT) once the deadline has passed."""
        deadline = self.next_deadline()
        if deadline is not None and now >= deadline:
            self.fire(Event.BROKEN)
            raise RemoteProtocolError(Code.TIMEOUT, "the provider is too slow")
