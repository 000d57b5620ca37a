"""Limits and refusals of the transport, over loopback: connections, handshakes, protocols."""

from collections.abc import Iterable

import pytest
import trio
from hosts import host, hosts, seed
from libp2p.identity.identify_push.identify_push import ID_PUSH
from libp2p.peer.id import ID
from multiaddr import Multiaddr
from wait import until

from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.net.addresses import Address, parse_address
from swarmp2p.net.host import Libp2pTransport
from swarmp2p.net.peers import encode_peer_id
from swarmp2p.wire.registry import MAX_CONNECTIONS_PER_PEER

MULTISTREAM = b"\x13/multistream/1.0.0\n"

pytestmark = pytest.mark.live


def public(number: int) -> bytes:
    return IdentityKey.from_seed(seed(number)).public


def where(transport: Libp2pTransport) -> Address:
    return parse_address(transport.listen_addresses()[0])


async def tcp(transport: Libp2pTransport) -> trio.SocketStream:
    address = where(transport)
    return await trio.open_tcp_stream(address.host, address.port)


async def read_exactly(stream: trio.SocketStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = await stream.receive_some(size - len(data))
        assert part, data
        data += part
    return data


async def test_connections__beyond_two_of_a_peer_cost_the_oldest() -> None:
    async with hosts(2) as (one, two):
        two.admit({public(1): ()})
        one._gate.replace([public(2)])  # no dialler: the test dials
        conns: list[object] = []
        for _ in range(MAX_CONNECTIONS_PER_PEER + 1):
            await one._connections.dial(public(2), where(two))
            conns += [conn for conn in open_to(one, 2) if conn not in conns]
        await until(lambda: len(open_to(two, 1)) == MAX_CONNECTIONS_PER_PEER, "the oldest is cut")
        await until(lambda: open_to(one, 2) == conns[1:], "the newest stay")


def open_to(transport: Libp2pTransport, number: int) -> list[object]:
    return list(transport._connections._live(public(number)))


async def test_a_handshake__that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmp2p.net.connections.HANDSHAKE_SECONDS", 0.3)
    async with host(1) as one, await tcp(one) as stream:
        with trio.fail_after(5):
            while await stream.receive_some():
                pass  # what it offers; then the end
        assert one.peers() == frozenset()


@pytest.mark.parametrize("protocol", [b"/plaintext/2.0.0", b"/tls/1.0.0", b"/noise/2"])
async def test_a_connection__is_secured_by_noise_alone(protocol: bytes) -> None:
    proposal = protocol + b"\n"
    async with host(1) as one, await tcp(one) as stream:
        with trio.fail_after(5):
            await stream.send_all(MULTISTREAM + bytes([len(proposal)]) + proposal)
            assert await read_exactly(stream, len(MULTISTREAM) + 4) == MULTISTREAM + b"\x03na\n"


async def test_identify_and_ping__serve_members_and_teach_no_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = Multiaddr("/ip4/203.0.113.7/tcp/4001")
    async with hosts(2) as (one, two):
        two.admit({public(1): ()})
        one._gate.replace([public(2)])
        await one._connections.dial(public(2), where(two))
        await until(lambda: one.peers() and two.peers(), "connected")
        for transport in (one, two):
            monkeypatch.setattr(transport._host, "get_addrs", lambda: [elsewhere])
        identify = await one.open_stream(public(2), "/ipfs/id/1.0.0")
        answer = await identify.receive_some()
        assert public(2) in answer
        assert elsewhere.to_bytes() in answer
        for here, other in ((one, 2), (two, 1)) * 3:  # time enough for libp2p to have asked, too
            ping = await here.open_stream(public(other), "/ipfs/ping/1.0.0")
            await ping.send_all(bytes(32))
            assert await ping.receive_some() == bytes(32)
            await ping.aclose()
        for transport, other in ((one, 2), (two, 1)):
            assert addresses(transport, other) == []
            assert ID_PUSH not in transport._host.get_mux().handlers


def addresses(transport: Libp2pTransport, number: int) -> Iterable[object]:
    peer_id, book = ID(encode_peer_id(public(number))), transport._host.get_peerstore()
    return book.addrs(peer_id) if peer_id in book.peers_with_addrs() else []
