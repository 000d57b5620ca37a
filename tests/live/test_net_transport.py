"""The Transport seam over loopback, several hosts in one process."""

import os
import socket
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from hosts import RealClock, RealRng, host, hosts, seed
from libp2p.crypto.ed25519 import Ed25519PrivateKey
from libp2p.peer.id import ID
from wait import until

from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.errors import (
    ConfigError,
    ListenError,
    PeerUnreachableError,
    RemoteProtocolError,
    StreamResetError,
    TransportError,
)
from swarmp2p.net.addresses import parse_address
from swarmp2p.net.host import Libp2pTransport, open_transport
from swarmp2p.net.peers import encode_peer_id, parse_peer_id, peer_id_text
from swarmp2p.seams import Outcome, Stream
from swarmp2p.wire.registry import MAX_STREAMS_PER_PEER

ECHO = "/swarmp2p/test-echo/1"
TOPIC = "/swarmp2p/test-topic/1"
MIB = 1 << 20

pytestmark = pytest.mark.live


def public(number: int) -> bytes:
    return IdentityKey.from_seed(seed(number)).public


async def echo(stream: Stream) -> None:
    while data := await stream.receive_some():
        await stream.send_all(data)
    await stream.send_eof()


def watch(name: str, served: list[str], handler: Any) -> Any:
    """The handler, writing its name down first."""

    async def watched(stream: object) -> None:
        served.append(name)
        await handler(stream)

    return watched


def admit_all(transports: Sequence[Libp2pTransport]) -> None:
    """Every host knows every other one, and where it listens."""
    addresses = {
        public(number): transport.listen_addresses()
        for number, transport in enumerate(transports, start=1)
    }
    for number, transport in enumerate(transports, start=1):
        transport.admit({pk: at for pk, at in addresses.items() if pk != public(number)})


async def connect_all(transports: Sequence[Libp2pTransport]) -> None:
    admit_all(transports)
    await until(
        lambda: all(len(t.peers()) == len(transports) - 1 for t in transports),
        "every host connected to every other",
    )


async def receive_all(stream: Stream) -> bytes:
    parts = []
    while data := await stream.receive_some():
        parts.append(data)
    return b"".join(parts)


async def test_stream__carries_4_mib_both_ways_and_counts_them() -> None:
    payload = os.urandom(4 * MIB)
    async with hosts(2) as (one, two):
        two.handle(ECHO, echo)
        await connect_all([one, two])
        stream = await one.open_stream(public(2), ECHO)
        assert stream.remote_peer == public(2)
        received = b""

        async def collect() -> None:
            nonlocal received
            received = await receive_all(stream)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect)
            await stream.send_all(payload)
            await stream.send_eof()
        await stream.aclose()
        assert received == payload
        assert one.bytes_out == one.bytes_in == len(payload)
        assert two.bytes_in == len(payload)


async def test_gate__cuts_a_stranger_before_any_handler_runs() -> None:
    served: list[str] = []
    async with hosts(2) as (one, stranger):
        handlers = one._host.get_mux().handlers
        assert {"/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", "/meshsub/1.1.0"} <= set(handlers)
        for protocol in list(handlers):
            handlers[protocol] = watch(str(protocol), served, handlers[protocol])
        stranger.admit({public(1): one.listen_addresses()})
        await until(lambda: one.refused >= 2, "the stranger dialled twice and was refused")
        assert served == []
        assert one.peers() == frozenset()
        one.admit({public(2): ()})
        await until(lambda: "/meshsub/1.2.0" in served, "once admitted, it is served")
        one.admit({})
        with pytest.raises(PeerUnreachableError):
            await stranger.open_stream(public(1), ECHO)


async def test_admit__drops_a_removed_peer_at_once() -> None:
    async with hosts(2) as (one, two):
        two.handle(ECHO, echo)
        one.handle(ECHO, echo)
        await connect_all([one, two])
        stream = await two.open_stream(public(1), ECHO)
        one.admit({})
        assert one.peers() == frozenset()
        with pytest.raises(StreamResetError):
            await receive_all(stream)
        await until(lambda: not two.peers(), "the removed peer noticed")
        with pytest.raises(PeerUnreachableError):
            await one.open_stream(public(2), ECHO)


async def test_dialler__finds_a_peer_again_after_it_restarts_on_the_same_port() -> None:
    async with host(1) as one:
        async with host(2) as two:
            listen = two.listen_addresses()[0]
            await connect_all([one, two])
        await until(lambda: not one.peers(), "the first host noticed that the second had gone")
        async with host(2, listen) as two:
            two.handle(ECHO, echo)
            two.admit({public(1): ()})
            await until(lambda: one.peers() == {public(2)}, "redialled")
            stream = await one.open_stream(public(2), ECHO)
            await stream.send_all(b"again")
            await stream.send_eof()
            assert await receive_all(stream) == b"again"


async def test_gossip__reaches_all_of_four_with_the_forwarder_named() -> None:
    heard: dict[int, list[tuple[bytes, bytes]]] = {number: [] for number in range(1, 5)}
    async with hosts(4) as transports:
        for number, transport in enumerate(transports, start=1):

            def judge(peer: bytes, data: bytes, box: int = number) -> Outcome:
                heard[box].append((peer, data))
                return Outcome.ACCEPT

            transport.subscribe(TOPIC, judge)
        await connect_all(transports)
        await until(
            lambda: len(transports[0]._pubsub.peer_topics.get(TOPIC, ())) == 3,
            "three subscriptions arrived",
        )
        await transports[0].publish(TOPIC, b"hello")
        await until(lambda: heard[2] and heard[3] and heard[4], "all heard it")
        for number in (2, 3, 4):
            assert [data for _, data in heard[number]] == [b"hello"]
            assert heard[number][0][0] in {public(other) for other in range(1, 5)} - {
                public(number)
            }
        assert heard[1] == []


async def test_gossip__counts_a_strike_for_reject_and_none_for_ignore() -> None:
    verdicts = {b"bad": Outcome.REJECT, b"late": Outcome.IGNORE, b"good": Outcome.ACCEPT}
    heard: list[bytes] = []

    def judge(_peer: bytes, data: bytes) -> Outcome:
        heard.append(data)
        return verdicts[data]

    async with hosts(2) as (one, two):
        one.subscribe(TOPIC, judge)
        two.subscribe(TOPIC, judge)
        await connect_all([one, two])
        await until(
            lambda: two._pubsub.peer_topics.get(TOPIC),
            "the subscription arrived",
        )
        for data in verdicts:
            await two.publish(TOPIC, data)
        await until(lambda: len(heard) == 3, "all three were judged")
        assert one.strikes == {public(2): 1}


async def test_stream__tells_a_reset_from_an_end() -> None:
    async def reset_after_some(stream: Stream) -> None:
        await stream.receive_some()
        await stream.send_all(b"some")
        await stream.reset()

    async with hosts(2) as (one, two):
        two.handle(ECHO, echo)
        two.handle("/swarmp2p/test-reset/1", reset_after_some)
        await connect_all([one, two])
        ended = await one.open_stream(public(2), ECHO)
        await ended.send_eof()
        assert await ended.receive_some() == b""
        cut = await one.open_stream(public(2), "/swarmp2p/test-reset/1")
        await cut.send_all(b"go")
        with pytest.raises(StreamResetError):
            await receive_all(cut)


async def test_handler__that_fails_ends_its_own_stream_only() -> None:
    async def fail(stream: Stream) -> None:
        await stream.receive_some()
        raise ZeroDivisionError

    async with hosts(2) as (one, two):
        two.handle("/swarmp2p/test-fail/1", fail)
        two.handle(ECHO, echo)
        await connect_all([one, two])
        broken = await one.open_stream(public(2), "/swarmp2p/test-fail/1")
        await broken.send_all(b"go")
        with pytest.raises(StreamResetError):
            await receive_all(broken)
        good = await one.open_stream(public(2), ECHO)
        await good.send_eof()
        assert await receive_all(good) == b""


async def test_open_stream__is_refused_where_the_peer_does_not_serve_the_protocol() -> None:
    async with hosts(2) as (one, two):
        await connect_all([one, two])
        with pytest.raises(PeerUnreachableError, match="test-echo"):
            await one.open_stream(public(2), ECHO)


async def test_streams__are_limited_per_peer_and_free_again_when_closed() -> None:
    async with hosts(2) as (one, two):
        two.handle(ECHO, echo)
        await connect_all([one, two])
        opened: list[Stream] = []
        with pytest.raises(PeerUnreachableError):  # noqa: PT012 - the refused one is not known beforehand
            for _ in range(MAX_STREAMS_PER_PEER + 1):
                opened.append(await one.open_stream(public(2), ECHO))  # noqa: PERF401 - the last raises
        assert len(opened) >= MAX_STREAMS_PER_PEER - 2  # gossip and identify hold one each
        for stream in opened:
            await stream.send_eof()
            assert await receive_all(stream) == b""
            await stream.aclose()
        stream = await one.open_stream(public(2), ECHO)
        await stream.aclose()


async def test_open_transport__says_that_the_port_is_busy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"cannot listen on /ip4/127.0.0.1/tcp/{port}: "):
            async with host(1, f"/ip4/127.0.0.1/tcp/{port}"):
                pass


async def test_close__lets_a_finished_stream_reach_its_end() -> None:
    last = os.urandom(100_000)
    got = trio.Event()

    async def say_goodbye(stream: Stream) -> None:
        await stream.send_all(last)
        await stream.send_eof()
        got.set()

    async with host(1) as one:
        async with host(2) as two:
            two.handle(ECHO, say_goodbye)
            await connect_all([one, two])
            stream = await one.open_stream(public(2), ECHO)
            await got.wait()
        assert await receive_all(stream) == last


async def test_open_transport__refuses_another_libp2p(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "0.9.0")
    with pytest.raises(TransportError, match=r"libp2p 0\.9\.0 is installed .* needs 0\.8\.1"):
        async with host(1):
            pass


async def test_open_transport__passes_on_what_its_body_raises() -> None:
    with pytest.raises(KeyError):  # noqa: PT012 - the body is the subject
        async with hosts(2) as transports:
            await connect_all(transports)
            raise KeyError


async def test_open_transport__ends_at_once_when_cancelled() -> None:
    with trio.move_on_after(30) as scope:
        async with hosts(2) as (one, two):
            two.handle(ECHO, echo)
            await connect_all([one, two])
            await one.open_stream(public(2), ECHO)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught


@pytest.mark.parametrize(
    "text", ["", "/ip4/1.2.3.4", "/ip4/1.2.3/tcp/1", "/ip4/1.2.3.4/tcp/65536", "/ip4/::1/tcp/1"]
)
async def test_open_transport__names_a_bad_address(text: str) -> None:
    with pytest.raises(ConfigError):
        async with open_transport(seed(1), text, clock=RealClock(), rng=RealRng()):
            pass


def test_peer_ids__are_those_of_libp2p() -> None:
    key = Ed25519PrivateKey.new(seed(1)).get_public_key()
    theirs = ID.from_pubkey(key)
    assert encode_peer_id(public(1)) == theirs.to_bytes()
    assert peer_id_text(public(1)) == theirs.to_base58()
    assert parse_peer_id(theirs.to_base58()) == public(1)


@pytest.mark.parametrize(
    "text",
    ["", "1", "12D3KooW", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "0" * 52, "1" * 99],
)
def test_peer_ids__of_other_keys_are_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_peer_id(text)


def test_parse_address__drops_the_peer_id() -> None:
    text = f"/ip6/::1/tcp/4001/p2p/{peer_id_text(public(1))}"
    assert str(parse_address(text)) == "/ip6/::1/tcp/4001"
