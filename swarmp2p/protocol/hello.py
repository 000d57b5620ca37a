"""Hello, `/swarmp2p/hello/1`: both sides say which wire version and which run they speak.

The initiator sends its hello first, the responder answers with its own. A mismatch ends the
stream on both sides; whoever sees it raises RemoteProtocolError with the code.
"""

from dataclasses import dataclass
from enum import Enum

from swarmp2p.errors import RemoteProtocolError
from swarmp2p.protocol.machine import Machine
from swarmp2p.wire.frames import FrameDecoder, encode_frame
from swarmp2p.wire.messages import Hello, decode_hello, encode_hello
from swarmp2p.wire.registry import FIRST_BYTE_SECONDS, HANDSHAKE_SECONDS, Code


class Role(Enum):
    """Who opened the stream."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


@dataclass(frozen=True, slots=True)
class HelloDone:
    """Both sides agree; `remote` is what the peer said."""

    remote: Hello


class State(Enum):
    """Where a hello stands."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class Event(Enum):
    """What moves it."""

    AGREED = "hello agrees"
    BROKEN = "hello refused"


TABLE = {
    (State.WAITING, Event.AGREED): State.DONE,
    (State.WAITING, Event.BROKEN): State.FAILED,
    (State.DONE, Event.BROKEN): State.FAILED,
}


class HelloMachine(Machine[State, Event]):
    """One side of a hello. Does no I/O; see `machine` for the engine."""

    table = TABLE

    def __init__(self, role: Role, own: Hello, *, now: float) -> None:
        """`own` is what we say; the deadlines run from `now`."""
        super().__init__(State.WAITING)
        self._role = role
        self._own = own
        self._started = now
        self._heard = False
        self._decoder = FrameDecoder()
        self._events: list[HelloDone] = []
        self._out: list[bytes] = []
        if role is Role.INITIATOR:
            self._out.append(encode_frame(encode_hello(own)))

    def receive_data(self, data: bytes, *, now: float) -> None:
        """Bytes from the peer. Raises RemoteProtocolError."""
        del now
        if self.state is State.FAILED:
            return
        self._heard = self._heard or bool(data)
        try:
            self._decoder.feed(data)
            while (body := self._decoder.next_item()) is not None:
                self._judge(body)
        except RemoteProtocolError:
            self.fire(Event.BROKEN)
            raise

    def _judge(self, body: bytes) -> None:
        # HELLO-004: one hello in each direction, and nothing after it.
        if self.state is not State.WAITING:
            raise RemoteProtocolError(Code.UNEXPECTED, "a second message on a hello stream")
        remote = decode_hello(body)
        # HELLO-005: another wire version or another run: the stream ends.
        if remote.wire_version != self._own.wire_version:
            raise RemoteProtocolError(
                Code.WRONG_VERSION,
                f"the peer speaks wire version {remote.wire_version}, not {self._own.wire_version}",
            )
        if remote.domain != self._own.domain:
            raise RemoteProtocolError(Code.WRONG_DOMAIN, "the peer is in another run")
        self.fire(Event.AGREED)
        self._events.append(HelloDone(remote))
        if self._role is Role.RESPONDER:
            self._out.append(encode_frame(encode_hello(self._own)))

    def receive_eof(self, *, now: float) -> None:
        """The peer sends no more. Raises RemoteProtocolError where its hello is missing."""
        del now
        if self.state is State.WAITING:
            self.fire(Event.BROKEN)
            raise RemoteProtocolError(Code.MALFORMED, "the stream ended before the peer's hello")

    def data_to_send(self) -> list[bytes]:
        """What to write now."""
        out, self._out = self._out, []
        return out

    def events(self) -> list[HelloDone]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def next_deadline(self) -> float | None:
        """5 s to the first byte, 10 s to the whole hello."""
        if self.state is not State.WAITING:
            return None
        return self._started + (HANDSHAKE_SECONDS if self._heard else FIRST_BYTE_SECONDS)

    def handle_timer(self, *, now: float) -> None:
        """Raises RemoteProtocolError(TIMEOUT) once the deadline has passed."""
        deadline = self.next_deadline()
        if deadline is not None and now >= deadline:
            self.fire(Event.BROKEN)
            raise RemoteProtocolError(Code.TIMEOUT, "the peer's hello did not come in time")
