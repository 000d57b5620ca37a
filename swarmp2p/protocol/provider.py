"""The serving side of `/swarmp2p/chunk/1`: answers chunk requests in the order they came."""

from collections import deque
from dataclasses import dataclass
from enum import Enum

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.protocol.machine import Machine
from swarmp2p.wire.frames import FrameDecoder, encode_frame
from swarmp2p.wire.messages import (
    ChunkReply,
    ChunkRequest,
    decode_chunk_request,
    encode_chunk_reply,
)
from swarmp2p.wire.registry import MAX_CHUNKS_IN_FLIGHT, Code

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class ChunkWanted:
    """The getter asks for a chunk; answer with `send_chunk` or `refuse`."""

    root: bytes
    index: int


class State(Enum):
    """Where the stream stands."""

    OPEN = "open"
    ENDED = "ended"
    CLOSED = "closed"


class Event(Enum):
    """What moves it."""

    REQUEST = "request"
    ANSWER = "answer to the oldest request"
    END = "getter ended its direction"
    BROKEN = "broken rule"


TABLE = {
    (State.OPEN, Event.REQUEST): State.OPEN,
    (State.OPEN, Event.ANSWER): State.OPEN,
    (State.OPEN, Event.END): State.ENDED,
    (State.ENDED, Event.ANSWER): State.ENDED,
    (State.OPEN, Event.BROKEN): State.CLOSED,
}


class Provider(Machine[State, Event]):
    """Serves one stream. Does no I/O.

    After each call, send data_to_send() and act on events(). Requests are answered in order: each
    `send_chunk` or `refuse` answers the oldest unanswered one.
    """

    table = TABLE

    def __init__(self) -> None:
        super().__init__(State.OPEN)
        self._decoder = FrameDecoder()
        self._open: deque[ChunkRequest] = deque()
        self._events: list[ChunkWanted] = []
        self._out: list[Buffer] = []

    def receive_data(self, data: bytes, *, now: float) -> None:
        """Bytes from the getter. Raises RemoteProtocolError; the stream is to be reset then."""
        del now
        if self.state is not State.OPEN:
            return
        try:
            # One by one, so that the requests before a broken one count, however they are cut.
            self._decoder.feed(data)
            while (body := self._decoder.next_item()) is not None:
                self._request(decode_chunk_request(body))
        except RemoteProtocolError:
            self.fire(Event.BROKEN)
            raise

    def _request(self, request: ChunkRequest) -> None:
        # CHUNK-011: no more than MAX_CHUNKS_IN_FLIGHT requests wait for their answer.
        if len(self._open) >= MAX_CHUNKS_IN_FLIGHT:
            raise RemoteProtocolError(
                Code.TOO_MANY, f"more than {MAX_CHUNKS_IN_FLIGHT} unanswered chunk requests"
            )
        self.fire(Event.REQUEST)
        self._open.append(request)
        self._events.append(ChunkWanted(request.root, request.index))

    def receive_eof(self, *, now: float) -> None:
        """The getter asks no more. Raises RemoteProtocolError inside a request."""
        del now
        if self.state is not State.OPEN:
            return
        try:
            self._decoder.receive_eof()
        except RemoteProtocolError:
            self.fire(Event.BROKEN)
            raise
        self.fire(Event.END)

    def send_chunk(self, data: Buffer, proof: tuple[bytes, ...]) -> None:
        """Answer the oldest request. The payload is handed on, not copied."""
        request = self._oldest()
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        reply = ChunkReply(Code.OK, request.root, request.index, size, tuple(proof))
        header = encode_frame(encode_chunk_reply(reply))
        self._answered()
        self._out += [header, data]

    def refuse(self, code: int) -> None:
        """Answer the oldest request with a code and no chunk."""
        request = self._oldest()
        header = encode_frame(
            encode_chunk_reply(ChunkReply(code, request.root, request.index, 0, ()))
        )
        self._answered()
        self._out.append(header)

    def _answered(self) -> None:
        self.fire(Event.ANSWER)
        self._open.popleft()

    def _oldest(self) -> ChunkRequest:
        if not self._open:
            raise LocalProtocolError("there is no request to answer")
        return self._open[0]

    def data_to_send(self) -> list[Buffer]:
        """Buffers to write, in order."""
        out, self._out = self._out, []
        return out

    def events(self) -> list[ChunkWanted]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def next_deadline(self) -> float | None:
        """A getter may keep an idle stream; the transport bounds how many."""
        return None

    def handle_timer(self, *, now: float) -> None:
        """Nothing is timed here."""
