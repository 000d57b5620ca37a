"""SEC-003: what a node refuses leaves a trace with code, peer and reason, and floods no log."""

from contextlib import asynccontextmanager

import pytest
import trio
import trio.lowlevel
from test_runs import finish, manifest, train

from swarmp2p.cli.run import _status_lines
from swarmp2p.crypto.identity import sign_envelope
from swarmp2p.node.exchange import RETRY_SECONDS
from swarmp2p.node.pump import pump
from swarmp2p.node.refusals import LINES_A_ROUND
from swarmp2p.protocol.provider import ChunkWanted, Provider
from swarmp2p.sim.nodes import open_world
from swarmp2p.sim.world import SimClock
from swarmp2p.wire.envelope import Header
from swarmp2p.wire.frames import encode_frame
from swarmp2p.wire.messages import Hello, encode_hello
from swarmp2p.wire.registry import (
    KIND_UPDATE_MANIFEST,
    PROTOCOL_CHUNK,
    PROTOCOL_HELLO,
    WIRE_VERSION,
    Code,
)


@asynccontextmanager
async def idle_world(peers=3):
    """Nodes that are up and do not train."""
    async with open_world(manifest(rounds=1), peers, seed=1, train=train) as world:
        for number in range(peers):
            world.start(number, trains=False)
        while any(peer.node is None or not peer.node.ready.is_set() for peer in world.peers):
            await trio.lowlevel.checkpoint()
        yield world


def lines(peer, event):
    return [fields for name, fields in peer.log if name == event]


def counted(peer):
    return peer.node.status()["refused"]


async def gossip(world, data, times=1):
    """Peer 1 hands the bytes to everybody."""
    liar = world.peers[1].node
    for _ in range(times):
        await liar._c.transport.publish(liar.announcer.topic, data)


def envelope(world, number):
    """Something that peer 1 has signed for round `number`."""
    key = world.peers[1].key
    header = Header(KIND_UPDATE_MANIFEST, WIRE_VERSION, 0, number, 0, 0, key.public)
    return sign_envelope(key, header, world.domain, b"\x80")


async def test_rejected_gossip__is_logged_with_code_peer_and_reason_and_fills_no_log(
    autojump_clock,
):
    async with idle_world() as world:
        honest, liar = world.peers[0], world.peers[1].key.public
        await gossip(world, b"\xc1", times=3 * LINES_A_ROUND)
        rows = lines(honest, "gossip-rejected")
        assert [(row["code"], row["peer"]) for row in rows] == [
            ("MALFORMED", liar.hex())
        ] * LINES_A_ROUND
        assert rows[0]["why"]
        assert counted(honest) == {"gossip-rejected": {"site-1": {"MALFORMED": 3 * LINES_A_ROUND}}}


async def test_ignored_gossip__is_logged_once_for_each_peer_code_and_round(autojump_clock):
    async with idle_world() as world:
        honest, liar = world.peers[0], world.peers[1].key.public.hex()
        await gossip(world, envelope(world, 7), times=5)
        (row,) = lines(honest, "gossip-ignored")
        assert (row["code"], row["peer"]) == ("WRONG_ROUND", liar)
        honest.node._c.refusals.next_round()
        await gossip(world, envelope(world, 7))
        assert len(lines(honest, "gossip-ignored")) == 2
        assert counted(honest) == {"gossip-ignored": {"site-1": {"WRONG_ROUND": 6}}}


async def test_replays__are_only_counted_because_every_sound_run_has_them(autojump_clock):
    async with open_world(manifest(rounds=1), 3, seed=1, train=train) as world:
        for number in range(3):
            world.start(number)
        honest, other = world.peers[:2]
        while honest.node is None or other.key.public not in honest.node.announcer._accepted:
            await trio.sleep(0.05)
        await other.node.announcer.publish_now()
        await finish(world, range(3))
        assert counted(honest)["gossip-ignored"]["site-1"]["REPLAY"] >= 1
        assert not any(
            row.get("code") in {"REPLAY", "RETRY"} for row in lines(honest, "gossip-ignored")
        )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\0\0\0\1", "MALFORMED"),
        (b"\xff\xff\xff\xff", "TOO_LARGE"),
        (
            encode_frame(encode_hello(Hello(WIRE_VERSION + 1, bytes(32), "x", (), 0))),
            "WRONG_VERSION",
        ),
        (encode_frame(encode_hello(Hello(WIRE_VERSION, bytes(32), "x", (), 0))), "WRONG_DOMAIN"),
    ],
)
async def test_a_refused_hello__is_shown_with_its_code_and_held_against_nobody(
    autojump_clock, data, code
):
    async with idle_world() as world:
        honest, liar = world.peers[0], world.peers[1].key.public
        stream = await world.peers[1].node._c.transport.open_stream(
            honest.key.public, PROTOCOL_HELLO
        )
        await stream.send_all(data)
        while not lines(honest, "hello-refused"):
            await trio.sleep(0.05)
        (row,) = lines(honest, "hello-refused")
        assert (row["code"], row["peer"]) == (code, liar.hex())
        assert liar in honest.node._c.transport.peers()
        assert f"refused    hello-refused, site-1: 1 {code}" in _status_lines(
            {**honest.node.status(), "pid": 1}
        )


async def test_garbage_for_a_provider__is_logged_with_its_code(autojump_clock):
    async with idle_world() as world:
        honest, liar = world.peers[:2]
        stream = await liar.node._c.transport.open_stream(honest.key.public, PROTOCOL_CHUNK)
        await stream.send_all(b"\xff\xff\xff\xff")
        while not lines(honest, "serve-ended"):
            await trio.sleep(0.05)
        (row,) = lines(honest, "serve-ended")
        assert (row["code"], row["peer"]) == ("TOO_LARGE", liar.key.public.hex())


async def test_a_wrong_chunk__is_logged_with_its_code(autojump_clock):
    """A chunk with another byte is BAD_PROOF wherever it came from."""
    async with open_world(manifest(rounds=1), 3, seed=1, train=train) as world:
        liar, honest = world.peers[1].key.public, world.peers[0]

        def tamper(sender, _receiver, data):
            return b"\xff" * 24 if sender == liar and len(data) == 24 else data

        world.network.tamper = tamper
        for number in range(3):
            world.start(number)
        while not lines(honest, "fetch-failed"):
            await trio.sleep(0.05)
        row = lines(honest, "fetch-failed")[0]
        assert (row["code"], row["peer"]) == ("BAD_PROOF", liar.hex())


@pytest.mark.parametrize(
    ("code", "treated", "waits"),
    [
        (Code.RETRY, "RETRY", True),
        (63, "RETRY", False),
        (Code.NOT_FOUND, "NOT_FOUND", False),
        (95, "INTERNAL", False),
        (127, "TOO_LARGE", False),
        (200, "INTERNAL", False),
    ],
)
async def test_an_answer_code__counts_as_its_class_and_only_retry_itself_is_waited_for(
    autojump_clock, code, treated, waits
):
    async with idle_world() as world:
        getter, refuser, holder = world.peers

        async def refuse(stream):
            provider = Provider()

            async def on_event(event):
                assert isinstance(event, ChunkWanted)
                provider.refuse(code)
                return False

            await pump(stream, provider, SimClock(), on_event, serving=True)

        world.network.hosts[refuser.key.public].handle(PROTOCOL_CHUNK, refuse)
        blob = holder.node.vectors.zeros()
        blob.keep(holder.node._c.store)
        providers = [refuser.key.public, holder.key.public]
        began = trio.current_time()
        await getter.node.exchange.fetch(
            blob.root, getter.node.vectors.update_sizes, lambda: providers
        )
        assert (trio.current_time() - began >= RETRY_SECONDS) == waits
        (row,) = lines(getter, "chunk-refused")
        assert (row["code"], row["peer"]) == (treated, refuser.key.public.hex())
