"""One Yamux stream: windows, buffers, and how it ends."""

from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

import trio
from libp2p.abc import IMuxedStream
from libp2p.stream_muxer.exceptions import MuxedStreamClosed, MuxedStreamEOF, MuxedStreamReset

from swarmp2p.errors import LocalProtocolError
from swarmp2p.net.yamux_frames import FIN, INITIAL_WINDOW, RST, YamuxError

if TYPE_CHECKING:
    from swarmp2p.net.yamux import YamuxConn

# Bytes a peer may send ahead of the reader: a link of 10 MB/s stays busy over 100 ms of delay.
RECEIVE_WINDOW = 1 << 20
_CREDIT_AT = RECEIVE_WINDOW // 2
# Header and payload of a full frame fill four Noise messages to the last byte.
MAX_FRAME_PAYLOAD = 4 * 65_519 - 12
_SMALL_PIECE = 4_096  # smaller ones are gathered, so that one-byte frames cost one byte each
_GATHER = 65_536
_MAX_SEND_WINDOW = 1 << 32


class YamuxStream(IMuxedStream):
    """Ordered bytes both ways. One task reads, one task writes; cancelling either is safe."""

    def __init__(self, conn: "YamuxConn", stream_id: int, *, inbound: bool) -> None:
        self.muxed_conn = conn
        self.stream_id = stream_id
        self.inbound = inbound
        self._conn = conn
        self._send_window = INITIAL_WINDOW
        self._receive_window = RECEIVE_WINDOW
        self._owed = 0  # read by us and not yet credited to the peer
        self._chunks: deque[bytearray | memoryview] = deque()
        self._readable = trio.Event()
        self._sendable = trio.Event()
        self._sent_fin = False
        self._got_fin = False
        self._abandoned = False
        self._fault: str | None = None  # why the stream was cut, when it was

    async def write(self, data: bytes | memoryview) -> None:
        """Send all of `data`, as fast as the peer's window allows.

        Raises MuxedStreamReset or MuxedStreamClosed. When cancelled, whole frames have gone and
        the connection is sound; how many is not known.
        """
        await trio.lowlevel.checkpoint()
        rest = memoryview(data).cast("B")
        while rest:
            await self._wait_for_window()
            piece = rest[: min(self._send_window, MAX_FRAME_PAYLOAD)]
            self._send_window -= len(piece)
            if not await self._conn.send_data(self, piece):
                self._send_window += len(piece)
            self._check_sendable()
            rest = rest[len(piece) :]

    async def read(self, n: int | None = None) -> bytes:
        """At least one byte and at most `n` of what has come.

        Raises MuxedStreamEOF at the peer's clean end and MuxedStreamReset where it, or the
        connection, was cut. Cancelling loses nothing.
        """
        await trio.lowlevel.checkpoint()
        while not self._chunks:
            if self._got_fin:  # before the fault: what ended well stays well when the link goes
                raise MuxedStreamEOF("the peer sends no more")
            if self._fault is not None:
                raise MuxedStreamReset(self._fault)
            self._readable = trio.Event()
            await self._readable.wait()
        head = self._chunks.popleft()
        if n is not None and 0 <= n < len(head):
            view = memoryview(head)
            self._chunks.appendleft(view[n:])
            head = view[:n]
        self._owed += len(head)
        if self._owed >= _CREDIT_AT and not self._got_fin:
            self._receive_window += self._owed
            self._conn.credit(self, self._owed)
            self._owed = 0
        return bytes(head)

    async def close(self) -> None:
        """End our direction; the peer sees a clean end after what was sent."""
        await trio.lowlevel.checkpoint()
        if not self._sent_fin and self._fault is None:
            self._sent_fin = True
            self._conn.signal(self, FIN)
            self._sendable.set()
            self._forget_if_done()

    def abandon(self) -> None:
        """Read no more. What is unread is dropped; a peer that goes on sending is reset."""
        self._abandoned = True
        self._chunks.clear()
        if not self._got_fin and self._fault is None:
            self._conn.linger(self)

    async def reset(self) -> None:
        """Cut both directions at once; the peer sees a reset."""
        if self._fault is None and not (self._sent_fin and self._got_fin):
            self._conn.signal(self, RST)
            self._conn.forget(self)
        self.cut("the stream was reset on this side")
        await trio.lowlevel.checkpoint()

    def set_deadline(self, ttl: int) -> None:
        """Of libp2p's interface; always refused, since deadlines are trio's cancel scopes here."""
        raise LocalProtocolError(f"streams keep no deadlines: use trio.fail_after({ttl})")

    def get_remote_address(self) -> tuple[str, int] | None:
        """IP address and port of the other end."""
        return self._conn.get_remote_address()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()

    # What the connection tells the stream. None of these waits.

    def expect(self, size: int) -> bool:
        """A payload of `size` bytes comes; False where nobody will read it.

        Raises YamuxError where the peer has no credit for it.
        """
        if self._got_fin and size:
            raise YamuxError(f"stream {self.stream_id}: data after its end")
        self._receive_window -= size
        if self._receive_window < 0:
            raise YamuxError(
                f"stream {self.stream_id}: {-self._receive_window} bytes over its receive window"
            )
        return not (self._abandoned and size)

    def deliver(self, piece: memoryview) -> None:
        """Some of the payload that was announced."""
        if len(piece) >= _SMALL_PIECE:
            # A view keeps all of the buffer it looks into: worth it for the larger part only.
            keep = 2 * len(piece) >= len(piece.obj)  # type: ignore[arg-type] # always bytes here
            self._chunks.append(piece if keep else bytearray(piece))
        elif (
            self._chunks and isinstance(tail := self._chunks[-1], bytearray) and len(tail) < _GATHER
        ):
            tail += piece
        else:
            self._chunks.append(bytearray(piece))
        self._readable.set()

    def grant(self, size: int) -> None:
        """The peer allows `size` bytes more. Raises YamuxError beyond any sane window."""
        self._send_window += size
        if self._send_window > _MAX_SEND_WINDOW:
            raise YamuxError(f"stream {self.stream_id}: a send window of over 4 GiB")
        self._sendable.set()

    def finish(self) -> None:
        """The peer sends no more."""
        self._got_fin = True
        self._readable.set()
        self._forget_if_done()

    def cut(self, why: str) -> None:
        """The stream is over in both directions; what is unread is gone, unless it was complete."""
        if self._fault is None:
            if not self._got_fin:
                self._chunks.clear()
            if not (self._got_fin and self._sent_fin):
                self._fault = why
        self._readable.set()
        self._sendable.set()

    async def _wait_for_window(self) -> None:
        self._check_sendable()
        while self._send_window <= 0:
            self._sendable = trio.Event()
            await self._sendable.wait()
            self._check_sendable()

    def _check_sendable(self) -> None:
        if self._fault is not None:
            raise MuxedStreamReset(self._fault)
        if self._sent_fin:
            raise MuxedStreamClosed("the stream was closed for sending")

    def _forget_if_done(self) -> None:
        if self._sent_fin and self._got_fin:
            self._conn.forget(self)
