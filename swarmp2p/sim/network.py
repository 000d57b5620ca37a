"""A network in memory: the Transport seam between nodes of one trio loop, with faults to switch on.

Peers are connected when each admits the other and no fault keeps them apart. Streams are byte
pipes of bounded size; gossip reaches every subscribed peer that is connected to the publisher.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from swarmp2p.errors import PeerUnreachableError, StreamResetError
from swarmp2p.seams import Outcome, StreamHandler, Validator

PIPE_BYTES = 1 << 20


class _Pipe:
    """One direction of a stream."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = False
        self.broken = False
        self.moved = trio.Condition()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data).cast("B")
        while len(view):
            async with self.moved:
                while len(self.data) >= PIPE_BYTES and not self.broken:
                    await self.moved.wait()
                if self.broken or self.ended:
                    raise StreamResetError("the stream is closed")
                taken = min(len(view), PIPE_BYTES - len(self.data))
                self.data += view[:taken]
                view = view[taken:]
                self.moved.notify_all()

    async def read(self, max_bytes: int) -> bytes:
        async with self.moved:
            while not self.data and not self.ended and not self.broken:
                await self.moved.wait()
            if self.broken:
                raise StreamResetError("the peer reset the stream")
            taken = bytes(self.data[:max_bytes])
            del self.data[:max_bytes]
            self.moved.notify_all()
            return taken

    async def finish(self, *, broken: bool) -> None:
        with trio.CancelScope(shield=True):
            async with self.moved:
                self.ended = True
                self.broken = self.broken or broken
                self.moved.notify_all()


class MemoryStream:
    """The Stream seam over two pipes."""

    def __init__(self, remote: bytes, reading: _Pipe, writing: _Pipe) -> None:
        """`remote` is the peer at the other end."""
        self._remote = remote
        self._reading = reading
        self._writing = writing

    @property
    def remote_peer(self) -> bytes:
        """The other end's public key."""
        return self._remote

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write it all. Raises StreamResetError."""
        await self._writing.write(data)

    async def receive_some(self, max_bytes: int = 1 << 18) -> bytes:
        """Some bytes; b"" at the end. Raises StreamResetError."""
        return await self._reading.read(max_bytes)

    async def send_eof(self) -> None:
        """Close our direction."""
        await self._writing.finish(broken=False)

    async def aclose(self) -> None:
        """Close both directions."""
        await self._writing.finish(broken=False)
        await self._reading.finish(broken=False)

    async def reset(self) -> None:
        """Cut both directions."""
        await self._writing.finish(broken=True)
        await self._reading.finish(broken=True)


@dataclass
class MemoryNetwork:
    """All hosts of one simulated world.

    `cut` holds pairs (a, b) whose traffic from a to b is stopped. `tamper` may change what a
    stream carries from a to b: (a, b, data) -> data.
    """

    nursery: trio.Nursery
    hosts: dict[bytes, "MemoryTransport"] = field(default_factory=dict)
    cut: set[tuple[bytes, bytes]] = field(default_factory=set)
    tamper: Callable[[bytes, bytes, bytes], bytes] | None = None

    def host(self, peer: bytes) -> "MemoryTransport":
        """A transport for `peer`; it replaces an earlier one (a restart)."""
        self.hosts[peer] = MemoryTransport(self, peer)
        return self.hosts[peer]

    def stop(self, peer: bytes) -> None:
        """The peer's host is gone, as after kill -9."""
        host = self.hosts.pop(peer, None)
        if host is not None:
            host.gone = True

    def connected(self, a: bytes, b: bytes) -> bool:
        """Whether traffic flows both ways between two peers."""
        return (
            a in self.hosts
            and b in self.hosts
            and b in self.hosts[a].admitted
            and a in self.hosts[b].admitted
            and (a, b) not in self.cut
            and (b, a) not in self.cut
        )


class _TamperedPipe(_Pipe):
    """A pipe whose bytes pass through a function first."""

    def __init__(self, change: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._change = change

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        await super().write(self._change(bytes(data)))


class MemoryTransport:
    """The Transport seam of one simulated peer."""

    def __init__(self, network: MemoryNetwork, peer: bytes) -> None:
        """Made by `MemoryNetwork.host`."""
        self._network = network
        self._peer = peer
        self._handlers: dict[str, StreamHandler] = {}
        self._topics: dict[str, Validator] = {}
        self.admitted: frozenset[bytes] = frozenset()
        self.gone = False

    def admit(self, peers: Mapping[bytes, Sequence[str]]) -> None:
        """Replace the set of peers let in."""
        self.admitted = frozenset(peers)

    def peers(self) -> frozenset[bytes]:
        """The admitted peers connected now."""
        return frozenset(p for p in self.admitted if self._network.connected(self._peer, p))

    def listen_addresses(self) -> tuple[str, ...]:
        """A made-up address."""
        return (f"/memory/{self._peer.hex()[:16]}",)

    def handle(self, protocol: str, handler: StreamHandler) -> None:
        """Serve a protocol."""
        self._handlers[protocol] = handler

    async def open_stream(self, peer: bytes, protocol: str) -> MemoryStream:
        """Open a stream. Raises PeerUnreachableError."""
        await trio.lowlevel.checkpoint()
        if self.gone or not self._network.connected(self._peer, peer):
            raise PeerUnreachableError(f"no connection to {peer.hex()[:8]}")
        handler = self._network.hosts[peer]._handlers.get(protocol)  # noqa: SLF001 - same module
        if handler is None:
            raise PeerUnreachableError(f"{peer.hex()[:8]} does not speak {protocol}")
        there, back = self._pipe(self._peer, peer), self._pipe(peer, self._peer)
        theirs = MemoryStream(self._peer, there, back)
        self._network.nursery.start_soon(handler, theirs)
        return MemoryStream(peer, back, there)

    def _pipe(self, sender: bytes, receiver: bytes) -> _Pipe:
        change = self._network.tamper
        if change is None:
            return _Pipe()
        return _TamperedPipe(lambda data: change(sender, receiver, data))

    def subscribe(self, topic: str, validator: Validator) -> None:
        """Join a topic."""
        self._topics[topic] = validator

    async def publish(self, topic: str, data: bytes) -> None:
        """Deliver to every connected subscriber."""
        await trio.lowlevel.checkpoint()
        self._forward(topic, data, frozenset({self._peer}))

    def _forward(self, topic: str, data: bytes, heard: frozenset[bytes]) -> None:
        """To every neighbour that has not heard it; who accepts it forwards it, as gossip does."""
        for peer in sorted(self.peers() - heard):
            host = self._network.hosts[peer]
            validator = host._topics.get(topic)  # noqa: SLF001 - the same class
            if validator is not None and validator(self._peer, data) is Outcome.ACCEPT:
                host._forward(topic, data, heard | {self._peer, peer})  # noqa: SLF001 - as above
