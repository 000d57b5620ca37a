"""Yamux connections that cost a third of the stock ones, the same on the wire.

One task reads and never waits for a write; one task writes and is never cancelled by a caller.
So a cancelled write leaves no half frame, two full socket buffers do not lock each other, and a
slow reader holds up its own stream only. Source: hashicorp/yamux spec.md.
"""

from collections import deque
from dataclasses import dataclass, field

import trio
from libp2p.abc import IMuxedConn, ISecureConn
from libp2p.connection_types import ConnectionType
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.id import ID
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable
from libp2p.stream_muxer.muxer_multistream import MuxerMultistream
from multiaddr import Multiaddr

from swarmp2p.net.yamux_frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    INITIAL_WINDOW,
    NORMAL_END,
    PING,
    PROTOCOL_ERROR,
    RST,
    SYN,
    WINDOW_UPDATE,
    Frame,
    FrameParser,
    YamuxError,
    encode_header,
)
from swarmp2p.net.yamux_stream import RECEIVE_WINDOW, YamuxStream

# Streams of one peer that are open at once on one connection. The transport allows fewer; these
# are the ones whose protocol is still being agreed on.
MAX_INBOUND = 64
# Streams that we are done with and the peer has not ended: beyond this the oldest are reset.
MAX_LINGERING = 64
# Headers waiting for a peer that does not read: beyond this it is not a peer but a leak.
MAX_QUEUED_HEADERS = 1_024
_FLUSH_SECONDS = 0.5  # for the last ends of streams, when the connection is closed
_GROWTH = RECEIVE_WINDOW - INITIAL_WINDOW

_LINK_FAULTS = (BaseLibp2pError, trio.BrokenResourceError, trio.ClosedResourceError, OSError)


@dataclass(slots=True, eq=False)
class _Send:
    """One DATA frame that a task waits to see written."""

    stream: YamuxStream
    payload: memoryview
    taken: bool = False
    done: trio.Event = field(default_factory=trio.Event)


class YamuxConn(IMuxedConn):
    """Many streams over one secured connection."""

    def __init__(self, conn: ISecureConn, peer_id: ID) -> None:
        self.secured_conn = conn
        self.peer_id = peer_id
        self.event_started = trio.Event()
        self.event_closed = trio.Event()
        self._over = False
        self._next_id = 1 if conn.is_initiator else 2
        self._streams: dict[int, YamuxStream] = {}
        self._inbound = 0
        self._lingering: deque[YamuxStream] = deque()
        self._arrived, self._accepted = trio.open_memory_channel[YamuxStream](MAX_INBOUND)
        self._headers: deque[bytes] = deque()
        self._credits: dict[int, int] = {}
        self._sends: deque[_Send] = deque()
        self._work = trio.Event()
        self._flushed = trio.Event()
        self._parser = FrameParser(RECEIVE_WINDOW)
        self._receiving: YamuxStream | None = None  # whose payload comes now
        self._payload_left = 0
        self._payload_flags = 0

    @property
    def is_initiator(self) -> bool:
        """Whether we dialled."""
        return self.secured_conn.is_initiator

    @property
    def is_established(self) -> bool:
        """Whether streams can be opened."""
        return self.event_started.is_set() and not self._over

    @property
    def is_closed(self) -> bool:
        """Whether the connection is over."""
        return self._over

    async def start(self) -> None:
        """Serve the connection until it ends."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write_loop)
                self.event_started.set()
                try:
                    await self._read_loop()
                finally:
                    self._end("the connection was lost")
                    # First the socket: it sets free a write that waits for a full buffer.
                    await self._close_socket()
                    nursery.cancel_scope.cancel()
        finally:
            self.event_closed.set()

    async def open_stream(self) -> YamuxStream:
        """A new stream to the peer. Raises MuxedConnUnavailable."""
        await trio.lowlevel.checkpoint()
        if self._over:
            raise MuxedConnUnavailable("the connection is over")
        stream = YamuxStream(self, self._next_id, inbound=False)
        self._next_id += 2
        self._streams[stream.stream_id] = stream
        self._queue(encode_header(WINDOW_UPDATE, SYN, stream.stream_id, _GROWTH))
        return stream

    async def accept_stream(self) -> YamuxStream:
        """The next stream that the peer opened. Raises MuxedConnUnavailable at the end."""
        try:
            return await self._accepted.receive()
        except trio.EndOfChannel:
            raise MuxedConnUnavailable("the connection is over") from None

    async def close(self) -> None:
        """Say goodbye, in bounded time, and close. Streams that are not done are cut."""
        if not self._over:
            self._fail_sends()
            self._flushed = trio.Event()
            self._queue(encode_header(GO_AWAY, 0, 0, NORMAL_END))
            if self.event_started.is_set():
                with trio.move_on_after(_FLUSH_SECONDS):
                    await self._flushed.wait()
        self._end("the connection was closed on this side")
        await self._close_socket()

    def get_transport_addresses(self) -> list[Multiaddr]:
        """The other end as a multiaddr."""
        return self.secured_conn.get_transport_addresses()

    def get_connection_type(self) -> ConnectionType:
        """Direct or relayed."""
        return self.secured_conn.get_connection_type()

    def get_remote_address(self) -> tuple[str, int] | None:
        """IP address and port of the other end."""
        return self.secured_conn.get_remote_address()

    # What streams ask of the connection.

    async def send_data(self, stream: YamuxStream, payload: memoryview) -> bool:
        """Have one DATA frame written; False where it was not, because the stream is over."""
        send = _Send(stream, payload)
        if self._over:
            return False
        self._sends.append(send)
        self._work.set()
        try:
            await send.done.wait()
        finally:
            if not send.taken and send in self._sends:
                self._sends.remove(send)
        return send.taken

    def signal(self, stream: YamuxStream, flag: int) -> None:
        """Send FIN or RST. A frame of this stream that is not being written yet is withdrawn."""
        self._withdraw(stream)
        self._queue(encode_header(WINDOW_UPDATE, flag, stream.stream_id, 0))

    def credit(self, stream: YamuxStream, size: int) -> None:
        """Allow the peer `size` bytes more on this stream."""
        if stream.stream_id in self._streams:
            self._credits[stream.stream_id] = self._credits.get(stream.stream_id, 0) + size
            self._work.set()

    def linger(self, stream: YamuxStream) -> None:
        """The stream waits for the peer's end only, which may never come."""
        self._lingering.append(stream)
        while len(self._lingering) > MAX_LINGERING:
            oldest = self._lingering.popleft()
            if oldest.stream_id in self._streams:
                self._reset(oldest, "the peer never ended the stream")

    def forget(self, stream: YamuxStream) -> None:
        """The stream is over; frames for it are ignored from now on."""
        self._credits.pop(stream.stream_id, None)
        if self._streams.pop(stream.stream_id, None) is not None and stream.inbound:
            self._inbound -= 1
        if stream in self._lingering:
            self._lingering.remove(stream)

    # The reading task.

    async def _read_loop(self) -> None:
        try:
            while not self._over:
                for part in self._parser.receive_data(await self.secured_conn.read(None)):
                    if isinstance(part, memoryview):
                        self._take_payload(part)
                    elif part.kind == GO_AWAY:
                        return
                    elif part.kind == PING:
                        if part.flags & SYN:
                            self._answer(encode_header(PING, ACK, 0, part.length))
                    else:
                        self._take_frame(part)
        except YamuxError:
            await self._refuse()
        except _LINK_FAULTS:
            return

    def _take_frame(self, frame: Frame) -> None:
        stream = self._streams.get(frame.stream_id)
        if frame.flags & SYN:
            stream = self._accept(frame, stream)
        size = frame.length if frame.kind == DATA else 0
        if stream is not None:
            if frame.kind == WINDOW_UPDATE:
                stream.grant(frame.length)
            elif not stream.expect(size):
                self._reset(stream, "the stream was closed on this side")
                stream = None
        self._receiving, self._payload_left, self._payload_flags = stream, size, frame.flags
        if not size:
            self._take_flags()

    def _take_payload(self, piece: memoryview) -> None:
        self._payload_left -= len(piece)
        if self._receiving is not None:
            self._receiving.deliver(piece)
        if not self._payload_left:
            self._take_flags()

    def _take_flags(self) -> None:
        """The end of a stream counts after the payload of the frame that carries it."""
        stream, self._receiving = self._receiving, None
        if stream is None:
            return
        if self._payload_flags & RST:
            self.forget(stream)
            self._withdraw(stream)
            stream.cut("the peer reset the stream")
        elif self._payload_flags & FIN:
            stream.finish()

    def _accept(self, frame: Frame, known: YamuxStream | None) -> YamuxStream | None:
        if known is not None or frame.stream_id % 2 == self._next_id % 2:
            raise YamuxError(f"stream {frame.stream_id} cannot be opened by the peer")
        stream = YamuxStream(self, frame.stream_id, inbound=True)
        if self._inbound >= MAX_INBOUND or not self._hand_over(stream):
            self._answer(encode_header(WINDOW_UPDATE, RST, frame.stream_id, 0))
            return None
        self._streams[stream.stream_id] = stream
        self._inbound += 1
        self._answer(encode_header(WINDOW_UPDATE, ACK, stream.stream_id, _GROWTH))
        return stream

    def _hand_over(self, stream: YamuxStream) -> bool:
        """To whoever accepts streams; False where too many wait, or nobody does."""
        try:
            self._arrived.send_nowait(stream)
        except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        return True

    def _reset(self, stream: YamuxStream, why: str) -> None:
        self.signal(stream, RST)
        self.forget(stream)
        stream.cut(why)

    async def _refuse(self) -> None:
        """The peer broke the framing rules: say so, if it still listens, and end."""
        self._headers.clear()
        self._credits.clear()
        self._fail_sends()
        self._flushed = trio.Event()
        self._headers.append(encode_header(GO_AWAY, 0, 0, PROTOCOL_ERROR))
        self._work.set()
        with trio.move_on_after(_FLUSH_SECONDS):
            await self._flushed.wait()

    # The writing task.

    async def _write_loop(self) -> None:
        try:
            while True:
                parts: list[bytes | memoryview] = [*self._headers]
                parts += [
                    encode_header(WINDOW_UPDATE, 0, stream_id, size)
                    for stream_id, size in self._credits.items()
                ]
                self._headers.clear()
                self._credits.clear()
                send = self._sends.popleft() if self._sends else None
                if send is not None:
                    send.taken = True
                    parts.append(encode_header(DATA, 0, send.stream.stream_id, len(send.payload)))
                    parts.append(send.payload)
                if parts:
                    await self.secured_conn.write(b"".join(parts))
                if send is not None:
                    send.done.set()
                if not (self._headers or self._credits or self._sends):
                    self._flushed.set()
                    self._work = trio.Event()
                    await self._work.wait()
        except _LINK_FAULTS:
            self._end("the connection was lost")
            await self._close_socket()

    def _answer(self, header: bytes) -> None:
        """Queue what the peer made us say. Raises YamuxError where it does not read it."""
        if len(self._headers) >= MAX_QUEUED_HEADERS:
            raise YamuxError("the peer asks and does not read the answers")
        self._queue(header)

    def _queue(self, header: bytes) -> None:
        self._headers.append(header)
        self._work.set()

    def _withdraw(self, stream: YamuxStream) -> None:
        """Drop the frames of a stream that are queued and not being written."""
        for send in [send for send in self._sends if send.stream is stream]:
            self._sends.remove(send)
            send.done.set()

    def _fail_sends(self) -> None:
        while self._sends:
            self._sends.popleft().done.set()

    def _end(self, why: str) -> None:
        if self._over:
            return
        self._over = True
        for stream in self._streams.values():
            stream.cut(why)
        self._streams.clear()
        self._lingering.clear()
        self._fail_sends()
        self._arrived.close()
        self._work.set()
        self._flushed.set()

    async def _close_socket(self) -> None:
        with trio.CancelScope(shield=True):
            try:
                await self.secured_conn.close()
            except _LINK_FAULTS:
                return


class YamuxMultistream(MuxerMultistream):
    """Agrees on the muxer and builds the class registered for it.

    libp2p's own builds its own Yamux whatever class is registered under that name.
    """

    async def new_conn(self, conn: ISecureConn, peer_id: ID) -> IMuxedConn:
        """The muxed connection over a secured one."""
        muxer = await self.select_transport(conn)
        return muxer(conn, peer_id)
