"""The swarm's connections, seen as peers' public keys: who is connected, cuts and limits."""

from collections import Counter
from weakref import WeakKeyDictionary

import trio
from libp2p.abc import IMuxedConn, INetConn, INetStream, INetwork, INotifee
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from swarmp2p.errors import PeerUnreachableError
from swarmp2p.net.addresses import Address
from swarmp2p.net.gate import Gate, peer_of
from swarmp2p.net.peers import encode_peer_id
from swarmp2p.net.sockets import dial, tune
from swarmp2p.net.streams import LINK_FAULTS
from swarmp2p.net.yamux import YamuxConn
from swarmp2p.wire.registry import (
    HANDSHAKE_SECONDS,
    MAX_CONNECTIONS_PER_PEER,
    MAX_PEERS,
    MAX_STREAMS_PER_PEER,
)

# Every peer may be dialling us twice at once; strangers' handshakes beyond that are cut unheard.
_MAX_HANDSHAKES = 2 * MAX_PEERS
_MAX_HANDSHAKES_OF_A_HOST = MAX_PEERS  # one host alone cannot take the places of all others
_ANY_ADDRESS = Multiaddr("/ip4/0.0.0.0/tcp/0")  # libp2p asks for one, for its log lines only
_CUT_SECONDS = 2.0  # libp2p's own tidying after the socket is closed


class Connections(INotifee):
    """Opens, accepts, counts and cuts connections. Every one has passed the gate."""

    def __init__(self, swarm: Swarm, gate: Gate) -> None:
        self._swarm = swarm
        self._gate = gate
        self._handshakes: Counter[str] = Counter()
        self._streams_in: Counter[bytes] = Counter()
        self._changed = trio.Event()
        self._sockets: WeakKeyDictionary[IMuxedConn, trio.SocketStream] = WeakKeyDictionary()
        swarm.register_notifee(self)

    def peers(self) -> frozenset[bytes]:
        """The admitted peers with a live connection."""
        return frozenset(peer for peer in self._gate.admitted if self._live(peer))

    async def wait_change(self) -> None:
        """Until some connection comes or goes."""
        await self._changed.wait()

    async def accept(self, stream: trio.SocketStream) -> None:
        """Upgrade an inbound connection and return when it is over; the caller closes the socket.

        Whatever is wrong with it, it alone ends.
        """
        try:
            host = str(stream.socket.getpeername()[0])
        except OSError:
            return  # It has gone already.
        full = self._handshakes.total() >= _MAX_HANDSHAKES
        if full or self._handshakes[host] >= _MAX_HANDSHAKES_OF_A_HOST:
            return
        tune(stream)
        raw = RawConnection(TrioTCPStream(stream), initiator=False)
        muxed: IMuxedConn | None = None
        self._handshakes[host] += 1
        try:
            with trio.move_on_after(HANDSHAKE_SECONDS):
                muxed = await self._swarm.upgrade_inbound_raw_conn(raw, _ANY_ADDRESS)
        except Exception:  # noqa: BLE001 - hostile bytes; libp2p's errors have no common root
            return
        finally:
            self._handshakes[host] -= 1
            self._handshakes += Counter()  # drops what stands at zero
        if isinstance(muxed, YamuxConn):
            self._settle(muxed, stream)
            await muxed.event_closed.wait()

    async def dial(self, peer: bytes, address: Address) -> None:
        """Connect to `peer` at `address`. Raises PeerUnreachableError."""
        stream: trio.SocketStream | None = None
        done = False
        try:
            with trio.fail_after(HANDSHAKE_SECONDS):
                stream = await dial(address)
                raw = RawConnection(TrioTCPStream(stream), initiator=True)
                peer_id = ID(encode_peer_id(peer))
                conn = await self._swarm.upgrade_outbound_raw_conn(raw, peer_id)
                done = True
                self._settle(conn.muxed_conn, stream)
        except Exception as error:
            raise PeerUnreachableError(f"no connection to {address}: {error}") from error
        finally:
            if not done and stream is not None:
                stream.socket.close()

    def enter_stream(self, peer: bytes) -> bool:
        """Count an inbound stream; False where the peer has too many, or is not admitted."""
        if peer not in self._gate.admitted or self._streams_in[peer] >= MAX_STREAMS_PER_PEER:
            return False
        self._streams_in[peer] += 1
        return True

    def leave_stream(self, peer: bytes) -> None:
        """An inbound stream that `enter_stream` let in has ended."""
        self._streams_in[peer] -= 1
        if not self._streams_in[peer]:
            del self._streams_in[peer]

    def cut_strangers(self) -> None:
        """Drop every connection whose peer is not admitted any more."""
        for peer_id in list(self._swarm.connections):
            if not self._gate.admits(peer_id):
                for conn in list(self._swarm.connections.get(peer_id, ())):
                    self._cut(conn)

    async def cut_all(self) -> None:
        """Close every connection, in bounded time. For shutdown: it cannot be cancelled.

        Streams that ended well reach their end at the peer; then the sockets go, come what may.
        """
        with trio.move_on_after(_CUT_SECONDS) as scope:
            scope.shield = True
            async with trio.open_nursery() as nursery:
                for conn in self._swarm.get_connections():
                    nursery.start_soon(_tidy, conn)
        for stream in list(self._sockets.values()):
            stream.socket.close()

    def _live(self, peer: bytes) -> list[INetConn]:
        conns = self._swarm.connections.get(ID(encode_peer_id(peer)), ())
        return [conn for conn in conns if not conn.is_closed and not conn.muxed_conn.is_closed]

    def _settle(self, muxed: IMuxedConn, stream: trio.SocketStream) -> None:
        """After a connection is up: the gate once more, and the limit; the newest stay.

        The newest, because a peer that lost its power comes back while its old connection still
        looks alive from here.
        """
        self._sockets[muxed] = stream
        peer_id = muxed.peer_id
        conns = list(self._swarm.connections.get(peer_id, ()))
        keep = MAX_CONNECTIONS_PER_PEER if self._gate.admits(peer_id) else 0
        for conn in conns[: max(0, len(conns) - keep)]:
            self._cut(conn)

    def _cut(self, conn: INetConn) -> None:
        self._close_socket(conn)
        self._swarm.manager.run_task(_tidy, conn)
        self._notice()

    def _close_socket(self, conn: INetConn) -> None:
        """Close the TCP socket now: libp2p's goodbye could block on a full send buffer."""
        stream = self._sockets.get(conn.muxed_conn)
        if stream is not None:
            stream.socket.close()

    def _notice(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def connected(self, network: INetwork, conn: INetConn) -> None:  # noqa: ARG002 - INotifee's shape
        """libp2p says that a connection is up."""
        self._notice()

    async def disconnected(self, network: INetwork, conn: INetConn) -> None:  # noqa: ARG002 - as above
        """libp2p says that a connection has gone."""
        self._notice()

    async def opened_stream(self, network: INetwork, stream: INetStream) -> None:
        """Of no interest."""

    async def closed_stream(self, network: INetwork, stream: INetStream) -> None:
        """Of no interest."""

    async def listen(self, network: INetwork, multiaddr: Multiaddr) -> None:
        """Of no interest."""

    async def listen_close(self, network: INetwork, multiaddr: Multiaddr) -> None:
        """Of no interest."""


async def _tidy(conn: INetConn) -> None:
    try:
        await conn.close()
    except LINK_FAULTS:
        return


def peer_of_stream(stream: INetStream) -> bytes | None:
    """The public key of the peer at the other end of a stream."""
    return peer_of(stream.muxed_conn.peer_id)
