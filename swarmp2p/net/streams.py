"""The Stream seam over a muxed libp2p stream: plain errors, byte counts, whole writes."""

from dataclasses import dataclass

import trio
from libp2p.abc import INetStream
from libp2p.exceptions import BaseLibp2pError
from libp2p.network.stream.net_stream import NetStream
from libp2p.stream_muxer.exceptions import MuxedStreamEOF

from swarmp2p.errors import StreamResetError, TransportError
from swarmp2p.net.yamux_stream import YamuxStream

# What a broken link looks like from above libp2p, whichever of its layers notices first.
LINK_FAULTS = (
    BaseLibp2pError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    OSError,
    EOFError,
)


@dataclass(slots=True)
class ByteCount:
    """Payload bytes carried by streams since the transport opened."""

    received: int = 0
    sent: int = 0


class Libp2pStream:
    """One stream to one peer, after its protocol is agreed. One task reads, one task writes."""

    def __init__(self, stream: INetStream, remote_peer: bytes, count: ByteCount) -> None:
        if not isinstance(stream, NetStream):
            raise TransportError(f"libp2p made a {type(stream).__name__}: wrong version?")
        self._net_stream = stream
        muxed = stream.muxed_stream
        if not isinstance(muxed, YamuxStream):
            raise TransportError(f"libp2p muxed with {type(muxed).__name__}: wrong version?")
        self._muxed = muxed
        self._remote_peer = remote_peer
        self._count = count
        self._closed = False

    @property
    def remote_peer(self) -> bytes:
        """The peer's public key, proven by the handshake."""
        return self._remote_peer

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything. Raises StreamResetError when the stream is gone."""
        if self._closed:
            raise StreamResetError("the stream was closed on this side")
        try:
            await self._muxed.write(memoryview(data))
        except LINK_FAULTS as error:
            raise StreamResetError(f"the stream broke while sending: {error}") from error
        self._count.sent += len(data)

    async def receive_some(self, max_bytes: int = 1 << 18) -> bytes:
        """At least one byte, at most `max_bytes`; b"" at the clean end. Raises StreamResetError."""
        if self._closed:
            raise StreamResetError("the stream was closed on this side")
        try:
            data = await self._muxed.read(max_bytes)
        except MuxedStreamEOF:
            return b""
        except LINK_FAULTS as error:
            raise StreamResetError(f"the stream broke while receiving: {error}") from error
        self._count.received += len(data)
        return data

    async def send_eof(self) -> None:
        """Close our direction only. Raises StreamResetError when the stream is gone."""
        try:
            await self._muxed.close()
        except LINK_FAULTS as error:
            raise StreamResetError(f"the stream broke while closing: {error}") from error

    async def aclose(self) -> None:
        """Close both directions; never raises TransportError."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._net_stream.close()
            self._muxed.abandon()
        except LINK_FAULTS:
            return

    async def reset(self) -> None:
        """Cut the stream at once, so that the other side sees a reset, not an end."""
        self._closed = True
        with trio.CancelScope(shield=True):
            try:
                await self._net_stream.reset()
            except LINK_FAULTS:
                return
