"""Builds the host and serves the Transport seam on it: TCP, Noise, Yamux, gossipsub."""

import importlib.metadata
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import trio
from libp2p import new_swarm
from libp2p.abc import INetStream
from libp2p.crypto.ed25519 import Ed25519PrivateKey
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import X25519PrivateKey
from libp2p.custom_types import StreamHandlerFn, TMuxerOptions, TProtocol, TSecurityOptions
from libp2p.host.basic_host import BasicHost
from libp2p.identity.identify_push.identify_push import ID_PUSH
from libp2p.network.auto_connector import AutoConnector
from libp2p.network.config import ConnectionConfig
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_ID
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_ID
from libp2p.tools.anyio_service import background_trio_service
from libp2p.transport.tcp.tcp import TCP
from multiaddr import Multiaddr

from swarmp2p.errors import ListenError, PeerUnreachableError, SwarmError, TransportError
from swarmp2p.net.addresses import Address, parse_address
from swarmp2p.net.connections import Connections
from swarmp2p.net.dialler import Dialler
from swarmp2p.net.gate import Gate, GatedUpgrader, peer_of
from swarmp2p.net.noise import FastNoise
from swarmp2p.net.peers import encode_peer_id
from swarmp2p.net.pubsub import GuardedPubsub, open_router
from swarmp2p.net.sockets import open_listener
from swarmp2p.net.streams import ByteCount, Libp2pStream
from swarmp2p.net.yamux import YamuxConn
from swarmp2p.seams import Clock, Rng, StreamHandler, Validator
from swarmp2p.wire.registry import HANDSHAKE_SECONDS, MAX_CONNECTIONS_PER_PEER, MAX_PEERS

LIBP2P_VERSION = "0.8.1"
_LOG = logging.getLogger(__name__)


class NoAutoConnector(AutoConnector):
    """libp2p would dial whatever addresses peers told it; the dialler alone decides here."""

    async def maybe_connect(self) -> None:
        """Connect to nobody."""


class NoAddresses(PeerStore):
    """libp2p's peer store without an address book.

    OVER-003: answers to identify and the peer records in gossip would fill it, and libp2p dials
    from it when a stream is opened to a peer whose connection has just gone.
    """

    def add_addrs(self, peer_id: ID, addrs: Sequence[Multiaddr], ttl: int = 0) -> None:
        """Keep none."""


class Libp2pTransport:
    """The Transport seam over one libp2p host."""

    def __init__(
        self,
        *,
        host: BasicHost,
        pubsub: GuardedPubsub,
        connections: Connections,
        gate: Gate,
        dialler: Dialler,
        nursery: trio.Nursery,
        listening: Address,
    ) -> None:
        self._host = host
        self._pubsub = pubsub
        self._connections = connections
        self._gate = gate
        self._dialler = dialler
        self._nursery = nursery
        self._listening = listening
        self._count = ByteCount()

    @property
    def bytes_in(self) -> int:
        """Payload bytes received over streams."""
        return self._count.received

    @property
    def bytes_out(self) -> int:
        """Payload bytes sent over streams."""
        return self._count.sent

    @property
    def strikes(self) -> Mapping[bytes, int]:
        """Messages held against each peer since the transport opened."""
        return dict(self._pubsub.strikes)

    @property
    def refused(self) -> int:
        """Connections of strangers cut after the handshake."""
        return self._gate.refused

    def admit(self, peers: Mapping[bytes, Sequence[str]]) -> None:
        """Replace the set of peers let in; see the seam."""
        self._gate.replace(peers)
        self._connections.cut_strangers()
        self._dialler.replace(peers)

    def peers(self) -> frozenset[bytes]:
        """The admitted peers connected at this moment."""
        return self._connections.peers()

    async def wait_change(self) -> None:
        """Until some connection comes or goes."""
        await self._connections.wait_change()

    def listen_addresses(self) -> tuple[str, ...]:
        """Multiaddrs that others can dial, without the /p2p part."""
        return (str(self._listening),)

    def handle(self, protocol: str, handler: StreamHandler) -> None:
        """Serve a protocol; the handler gets a stream of its own, closed when it returns."""

        async def serve(net_stream: INetStream) -> None:
            peer = peer_of(net_stream.muxed_conn.peer_id)
            if peer is None:  # the gate has refused such a peer long before
                await net_stream.reset()
                return
            stream = Libp2pStream(net_stream, peer, self._count)
            try:
                await handler(stream)
            except TransportError:
                await stream.reset()
            except SwarmError as error:
                _LOG.debug("stream %s reset: %s", protocol, error)
                await stream.reset()
            except BaseException:
                await stream.reset()
                raise
            else:
                await stream.aclose()

        self._host.set_stream_handler(TProtocol(protocol), serve)

    async def open_stream(self, peer: bytes, protocol: str) -> Libp2pStream:
        """Open a stream. Raises PeerUnreachableError."""
        if peer not in self._connections.peers():
            raise PeerUnreachableError(f"peer {peer.hex()[:16]} is not connected")
        try:
            with trio.fail_after(HANDSHAKE_SECONDS):
                net_stream = await self._host.new_stream(
                    ID(encode_peer_id(peer)), [TProtocol(protocol)]
                )
        except Exception as error:
            raise PeerUnreachableError(
                f"peer {peer.hex()[:16]} does not open a {protocol} stream: {error}"
            ) from error
        return Libp2pStream(net_stream, peer, self._count)

    def subscribe(self, topic: str, validator: Validator) -> None:
        """Join a gossip topic; `validator` sees every message once and decides its outcome."""
        self._pubsub.watch(topic, validator)
        self._nursery.start_soon(self._pubsub.join, topic)

    async def publish(self, topic: str, data: bytes) -> None:
        """Hand a message to the topic. Raises LocalProtocolError where it is too large."""
        await self._pubsub.announce(topic, data)


@asynccontextmanager
async def open_transport(
    identity_seed: bytes, listen: str, *, clock: Clock, rng: Rng
) -> AsyncIterator[Libp2pTransport]:
    """A transport that listens on `listen`, e.g. /ip4/0.0.0.0/tcp/4001 (port 0: any free one).

    `identity_seed` is the 32-byte Ed25519 seed. Raises ConfigError or ListenError when it cannot
    start, TransportError when libp2p stops under it; what the body raises passes through as it is.
    """
    _check_library()
    _quiet()
    address = parse_address(listen)
    if address.kind not in {"ip4", "ip6"}:
        raise ListenError(f"cannot listen on {address}: give an IP address, not a name")
    listener = await open_listener(address)
    body_error: Exception | None = None
    try:
        async with _running(identity_seed, address, listener, clock, rng) as transport:
            try:
                yield transport
            except Exception as error:  # noqa: BLE001 - raised again below, outside libp2p's nurseries
                body_error = error
    except BaseExceptionGroup as group:
        _, worse = group.split(Exception)
        if worse is not None:
            raise
        if body_error is None:
            raise TransportError(f"libp2p stopped: {_first(group)!r}") from group
        _LOG.debug("libp2p complained while stopping: %r", group)
    finally:
        listener.socket.close()
    if body_error is not None:
        raise body_error


@asynccontextmanager
async def _running(
    seed: bytes, address: Address, listener: trio.SocketListener, clock: Clock, rng: Rng
) -> AsyncIterator[Libp2pTransport]:
    """The host and its services, in the order in which they depend on each other."""
    gate = Gate()
    swarm = _build_swarm(seed, gate, rng)
    host = _build_host(swarm)
    connections = Connections(swarm, gate)
    swarm.set_stream_handler(_guard(swarm.common_stream_handler, connections))
    router = open_router()
    pubsub = GuardedPubsub(host, router, gate)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(host.run([]))
        await stack.enter_async_context(background_trio_service(pubsub))
        await stack.enter_async_context(background_trio_service(router))
        await pubsub.wait_until_ready()
        nursery = await stack.enter_async_context(trio.open_nursery())
        own = peer_of(swarm.get_peer_id())
        assert own is not None  # noqa: S101 - the key was built as Ed25519 a few lines above
        dialler = Dialler(connections, own, nursery, clock, rng)
        nursery.start_soon(trio.serve_listeners, connections.accept, [listener])
        port = listener.socket.getsockname()[1]
        listening = Address(address.kind, address.host, port)
        try:
            yield Libp2pTransport(
                host=host,
                pubsub=pubsub,
                connections=connections,
                gate=gate,
                dialler=dialler,
                nursery=nursery,
                listening=listening,
            )
        finally:
            gate.replace(())
            dialler.replace({})
            await connections.cut_all()
            nursery.cancel_scope.cancel()
            with trio.move_on_after(HANDSHAKE_SECONDS) as scope:
                scope.shield = True
                await host.close()


def _build_swarm(seed: bytes, gate: Gate, rng: Rng) -> Swarm:
    private = Ed25519PrivateKey.new(seed)
    keys = KeyPair(private, private.get_public_key())
    noise_key = X25519PrivateKey.from_bytes(rng.token(32))
    # Passed always: libp2p's defaults also offer plaintext.
    security: TSecurityOptions = {NOISE_ID: FastNoise(keys, noise_key)}
    muxers: TMuxerOptions = {TProtocol(YAMUX_ID): YamuxConn}
    swarm = new_swarm(
        key_pair=keys,
        peerstore_opt=NoAddresses(),
        sec_opt=security,
        muxer_opt=muxers,
        transports=[TCP()],
        connection_config=_connection_config(),
    )
    if not isinstance(swarm, Swarm):
        raise TransportError(f"libp2p built a {type(swarm).__name__}, not a Swarm: wrong version?")
    swarm.auto_connector = NoAutoConnector(swarm)
    swarm.upgrader = GatedUpgrader(gate, security, muxers)
    return swarm


def _connection_config() -> ConnectionConfig:
    """libp2p neither dials nor prunes by itself: the dialler and the limits here do."""
    most = MAX_PEERS * (MAX_CONNECTIONS_PER_PEER + 1)  # one more each, while the oldest is cut
    return ConnectionConfig(
        max_connections=most,
        min_connections=0,
        low_watermark=0,
        high_watermark=most,
        max_connections_per_peer=MAX_CONNECTIONS_PER_PEER + 1,
        inbound_upgrade_timeout=HANDSHAKE_SECONDS,
        outbound_upgrade_timeout=HANDSHAKE_SECONDS,
    )


def _build_host(swarm: Swarm) -> BasicHost:
    """A host that serves identify and ping, and takes no addresses from peers."""
    host = BasicHost(swarm, disable_identify_address_discovery=True)
    host.remove_stream_handler(ID_PUSH)  # it lets peers write into our address book
    return host


def _guard(serve: StreamHandlerFn, connections: Connections) -> StreamHandlerFn:
    """Every inbound stream passes here: limits, and errors that end this stream only."""

    async def guarded(stream: INetStream) -> None:
        peer = peer_of(stream.muxed_conn.peer_id)
        if peer is None or not connections.enter_stream(peer):
            await stream.reset()
            return
        try:
            await serve(stream)
        except Exception:  # noqa: BLE001 - a raise here would stop the whole swarm
            _LOG.debug("a stream handler failed", exc_info=True)
            await stream.reset()
        finally:
            connections.leave_stream(peer)

    return guarded


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _check_library() -> None:
    """Our sessions, gate and flood publishing lean on this version's inner shape."""
    found = importlib.metadata.version("libp2p")
    if found != LIBP2P_VERSION:
        raise TransportError(
            f"libp2p {found} is installed and swarmp2p needs {LIBP2P_VERSION}: "
            f"run `pip install libp2p=={LIBP2P_VERSION}`"
        )


def _quiet() -> None:
    """libp2p logs every hostile byte as an error; its own variable turns its log on."""
    if "LIBP2P_DEBUG" not in os.environ:
        logging.getLogger("libp2p").setLevel(logging.CRITICAL)
