"""Our Noise and Yamux sessions against libp2p's own, and against peers that break the rules."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from hosts import seed
from hypothesis import given
from hypothesis import strategies as st
from libp2p.abc import IMuxedConn, ISecureConn
from libp2p.crypto.ed25519 import Ed25519PrivateKey
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.security.noise.transport import Transport as StockNoise
from libp2p.stream_muxer.exceptions import MuxedStreamEOF, MuxedStreamReset
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID, Yamux
from libp2p.transport.upgrader import TransportUpgrader
from wait import until

from swarmp2p.net.gate import Gate, GatedUpgrader
from swarmp2p.net.noise import FastNoise
from swarmp2p.net.peers import decode_peer_id
from swarmp2p.net.yamux import MAX_INBOUND, YamuxConn
from swarmp2p.net.yamux_frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER,
    PROTOCOL_ERROR,
    RST,
    SYN,
    WINDOW_UPDATE,
    Frame,
    FrameParser,
    encode_header,
)
from swarmp2p.net.yamux_stream import RECEIVE_WINDOW, YamuxStream

pytestmark = pytest.mark.live
MIB = 1 << 20


def keys(number: int) -> KeyPair:
    private = Ed25519PrivateKey.new(seed(number))
    return KeyPair(private, private.get_public_key())


def upgrader(kind: str, number: int) -> TransportUpgrader:
    """`ours` or `stock`, with the identity `number`."""
    noise_key = create_new_key_pair().private_key
    if kind == "stock":
        return TransportUpgrader(
            {TProtocol("/noise"): StockNoise(keys(number), noise_key)},
            {TProtocol(PROTOCOL_ID): Yamux},
        )
    gate = Gate()
    gate.replace(decode_peer_id(ID.from_pubkey(keys(n).public_key).to_bytes()) for n in (1, 2))
    return GatedUpgrader(
        gate,
        {TProtocol("/noise"): FastNoise(keys(number), noise_key)},
        {TProtocol(PROTOCOL_ID): YamuxConn},
    )


@asynccontextmanager
async def secured(dialler: str, listener: str) -> AsyncIterator[tuple[ISecureConn, ISecureConn]]:
    """Both ends after the handshake; the dialler is peer 1."""
    ends: dict[bool, ISecureConn] = {}
    left, right = (trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in tcp_pair())

    async def upgrade(kind: str, number: int, stream: trio.SocketStream) -> None:
        raw = RawConnection(TrioTCPStream(stream), initiator=number == 1)
        other = ID.from_pubkey(keys(2).public_key) if number == 1 else None
        ends[number == 1] = await upgrader(kind, number).upgrade_security(raw, number == 1, other)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upgrade, dialler, 1, left)
            nursery.start_soon(upgrade, listener, 2, right)
        try:
            yield ends[True], ends[False]
        finally:
            left.socket.close()
            right.socket.close()


@asynccontextmanager
async def muxed(dialler: str, listener: str) -> AsyncIterator[tuple[IMuxedConn, IMuxedConn]]:
    """Both ends with their muxers running."""
    ends: dict[bool, IMuxedConn] = {}

    async def upgrade(kind: str, number: int, conn: ISecureConn) -> None:
        ends[number == 1] = await upgrader(kind, number).upgrade_connection(
            conn, conn.get_remote_peer()
        )

    async with secured(dialler, listener) as (one, two):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upgrade, dialler, 1, one)
            nursery.start_soon(upgrade, listener, 2, two)
        async with trio.open_nursery() as nursery:
            for conn in ends.values():
                nursery.start_soon(conn.start)
                await conn.event_started.wait()
            yield ends[True], ends[False]
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def against_bytes() -> AsyncIterator[tuple[YamuxConn, ISecureConn]]:
    """Our muxer as listener, and the other end's secured bytes for the test to write."""
    async with secured("ours", "ours") as (bare, conn), trio.open_nursery() as nursery:
        ours = YamuxConn(conn, conn.get_remote_peer())
        nursery.start_soon(ours.start)
        yield ours, bare
        nursery.cancel_scope.cancel()


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        left = socket.create_connection(server.getsockname())
        right, _ = server.accept()
    for end in (left, right):
        end.settimeout(0)
    return left, right


async def read_header(conn: ISecureConn) -> Frame:
    _, kind, flags, stream_id, length = HEADER.unpack(await conn.read(HEADER.size))
    return Frame(kind, flags, stream_id, length)


async def read_until(conn: ISecureConn, kind: int, flags: int = 0) -> Frame:
    while True:
        frame = await read_header(conn)
        if frame.kind == kind and frame.flags == flags:
            return frame


async def read_to_end(stream: object) -> bytes:
    data = bytearray()
    try:
        while True:
            data += await stream.read(65_536)  # type: ignore[attr-defined] # both muxers' streams
    except MuxedStreamEOF:
        return bytes(data)


@pytest.mark.parametrize("pair", [("ours", "stock"), ("stock", "ours"), ("ours", "ours")])
@pytest.mark.parametrize("opener", [0, 1])
async def test_sessions__carry_3_mib_each_way_whoever_dials_and_opens(
    pair: tuple[str, str], opener: int
) -> None:
    there, back = os.urandom(3 * MIB), os.urandom(3 * MIB)
    async with muxed(*pair) as ends:
        stream = await ends[opener].open_stream()
        await stream.write(b"!")
        remote = await ends[1 - opener].accept_stream()
        assert await remote.read(1) == b"!"
        got: dict[str, bytes] = {}

        async def collect(name: str, end: object) -> None:
            got[name] = await read_to_end(end)

        async def send(end: object, data: bytes) -> None:
            await end.write(data)  # type: ignore[attr-defined] # both muxers' streams
            await end.close()  # type: ignore[attr-defined]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect, "there", remote)
            nursery.start_soon(collect, "back", stream)
            nursery.start_soon(send, stream, there)
            nursery.start_soon(send, remote, back)
        assert (got["there"], got["back"]) == (there, back)


@pytest.mark.parametrize("other", ["ours", "stock"])
async def test_yamux__tells_a_reset_and_a_lost_connection_from_an_end(other: str) -> None:
    async with muxed("ours", other) as (one, two):
        reset, lost = await one.open_stream(), await one.open_stream()
        for stream in (reset, lost):
            await stream.write(b"!")
        remote = await two.accept_stream()
        await two.accept_stream()
        await remote.reset()
        with pytest.raises(MuxedStreamReset):
            await read_to_end(reset)
        await two.close()
        with pytest.raises(MuxedStreamReset):
            await read_to_end(lost)


async def test_yamux__goes_on_after_a_cancelled_write() -> None:
    async with muxed("ours", "ours") as (one, two):
        stuck, good = await one.open_stream(), await one.open_stream()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stuck.write, bytes(4 * RECEIVE_WINDOW))
                unread = await two.accept_stream()
                await good.write(b"while the other waits")
                remote = await two.accept_stream()
                assert await remote.read() == b"while the other waits"
                scope.cancel()
        await good.write(b"and after")
        assert await remote.read() == b"and after"
        await stuck.reset()
        with pytest.raises(MuxedStreamReset):
            await read_to_end(unread)


async def test_yamux__loses_nothing_when_reads_are_cancelled() -> None:
    data = os.urandom(2 * MIB)
    received = bytearray()
    async with muxed("ours", "ours") as (one, two), trio.open_nursery() as nursery:
        stream = await one.open_stream()
        nursery.start_soon(stream.write, data)
        remote = await two.accept_stream()
        while len(received) < len(data):
            with trio.CancelScope() as scope:
                nursery.start_soon(cancel_soon, scope, len(received) % 3)
                received += await remote.read(50_000)
    assert received == data


async def cancel_soon(scope: trio.CancelScope, turns: int) -> None:
    for _ in range(turns):
        await trio.lowlevel.checkpoint()
    scope.cancel()


async def test_yamux__keeps_a_slow_reader_and_bounds_what_it_holds() -> None:
    data = os.urandom(3 * RECEIVE_WINDOW)
    async with muxed("ours", "ours") as (one, two), trio.open_nursery() as nursery:
        stream = await one.open_stream()
        nursery.start_soon(stream.write, data)
        remote = await two.accept_stream()
        other = await one.open_stream()
        await other.write(b"round trip")
        await (await two.accept_stream()).read()
        assert isinstance(remote, YamuxStream)
        assert sum(map(len, remote._chunks)) <= RECEIVE_WINDOW
        received = bytearray()
        while len(received) < len(data):
            received += await remote.read()
        assert received == data


async def test_yamux__ends_the_connection_when_the_window_is_exceeded() -> None:
    async with against_bytes() as (ours, bare):
        await bare.write(encode_header(WINDOW_UPDATE, SYN, 1, 0))
        stream = await ours.accept_stream()
        await bare.write(encode_header(DATA, 0, 1, RECEIVE_WINDOW) + bytes(RECEIVE_WINDOW))
        await bare.write(encode_header(DATA, 0, 1, 1) + b"!")
        assert (await read_until(bare, GO_AWAY)).length == PROTOCOL_ERROR
        with pytest.raises(MuxedStreamReset):
            await read_to_end(stream)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x01" + bytes(11),
        encode_header(9, 0, 1, 0),
        encode_header(DATA, 64, 1, 0),
        encode_header(DATA, 0, 0, 1),
        encode_header(DATA, SYN, 1, RECEIVE_WINDOW + 1),
        encode_header(WINDOW_UPDATE, SYN, 2, 0),
        encode_header(WINDOW_UPDATE, SYN, 1, 0) * 2,
        encode_header(WINDOW_UPDATE, SYN, 1, 2**32 - 1)
        + encode_header(WINDOW_UPDATE, 0, 1, 2**32 - 1),
        encode_header(WINDOW_UPDATE, SYN | FIN, 1, 0) + encode_header(DATA, 0, 1, 1) + b"!",
        encode_header(2, SYN, 0, 7) * 3_000,
    ],
)
async def test_yamux__answers_garbage_with_go_away_and_ends(garbage: bytes) -> None:
    async with against_bytes() as (ours, bare):
        await bare.write(garbage)
        assert (await read_until(bare, GO_AWAY)).length == PROTOCOL_ERROR
        await until(lambda: ours.is_closed, "the connection ended")


async def test_yamux__grants_queued_credit_though_its_own_direction_ends() -> None:
    async with against_bytes() as (ours, bare):
        await bare.write(encode_header(WINDOW_UPDATE, SYN, 1, 0))
        stream = await ours.accept_stream()
        ours.credit(stream, 7)
        ours.signal(stream, FIN)
        with trio.fail_after(5):
            assert (await read_until(bare, WINDOW_UPDATE)).length == 7


async def test_yamux__resets_streams_beyond_its_backlog() -> None:
    async with against_bytes() as (ours, bare):
        for number in range(MAX_INBOUND + 1):
            await bare.write(encode_header(WINDOW_UPDATE, SYN, 2 * number + 1, 0))
            if number < MAX_INBOUND:
                assert isinstance(await ours.accept_stream(), YamuxStream)
        refused = await read_until(bare, WINDOW_UPDATE, RST)
        assert refused.stream_id == 2 * MAX_INBOUND + 1
        assert not ours.is_closed


async def test_yamux__resets_a_peer_that_goes_on_sending_to_an_abandoned_stream() -> None:
    async with against_bytes() as (ours, bare):
        await bare.write(encode_header(WINDOW_UPDATE, SYN, 1, 0))
        stream = await ours.accept_stream()
        await stream.close()
        stream.abandon()
        await read_until(bare, WINDOW_UPDATE, FIN)
        await bare.write(encode_header(DATA, 0, 1, 5) + b"hello")
        assert (await read_until(bare, WINDOW_UPDATE, RST)).stream_id == 1
        assert ours._streams == {}


async def test_yamux__delivers_the_payload_of_the_frame_that_ends_the_stream() -> None:
    async with against_bytes() as (ours, bare):
        await bare.write(encode_header(WINDOW_UPDATE, SYN, 1, 0))
        await bare.write(encode_header(DATA, FIN, 1, 5) + b"he")
        stream = await ours.accept_stream()
        assert await stream.read() == b"he"
        await bare.write(b"llo")
        assert await read_to_end(stream) == b"llo"


async def test_noise__ends_the_connection_when_a_message_is_altered() -> None:
    async with secured("ours", "stock") as (one, two):
        assert (await read_both(one, two)) == (b"ping", b"pong")
        await two.conn.read_writer.read_write_closer.write(b"\x00\x20" + bytes(32))  # type: ignore[attr-defined] # the socket under the stock session
        with pytest.raises(Exception, match="fails its check"):
            await one.read(1)


async def read_both(one: ISecureConn, two: ISecureConn) -> tuple[bytes, bytes]:
    await one.write(b"ping")
    await two.write(b"pong")
    return await two.read(4), await one.read(4)


@given(
    payloads=st.lists(st.binary(max_size=40), max_size=8),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=40),
)
def test_parser__finds_the_same_frames_wherever_the_bytes_are_cut(
    payloads: list[bytes], cuts: list[int]
) -> None:
    wire = b"".join(encode_header(DATA, ACK, 1, len(payload)) + payload for payload in payloads)
    parser = FrameParser(max_payload=40)
    headers, body, at, turn = 0, bytearray(), 0, 0
    while at < len(wire):
        size = cuts[turn % len(cuts)]
        for part in parser.receive_data(wire[at : at + size]):
            if isinstance(part, Frame):
                headers += 1
            else:
                body += part
        at, turn = at + size, turn + 1
    assert (headers, bytes(body)) == (len(payloads), b"".join(payloads))


async def test_yamux__sends_payload_as_it_is() -> None:
    payload = bytes(10_000)  # any compression would make next to nothing of it
    async with against_bytes() as (ours, bare):
        stream = await ours.open_stream()
        await stream.write(payload)
        sent = 0
        while sent < len(payload):
            frame = await read_until_data(bare)
            assert await bare.read(frame.length) == bytes(frame.length)
            sent += frame.length
        assert sent == len(payload)


async def read_until_data(conn: ISecureConn) -> Frame:
    while True:
        frame = await read_header(conn)
        if frame.kind == DATA and frame.length:
            return frame
