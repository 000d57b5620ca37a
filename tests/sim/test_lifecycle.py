"""What a node promises over its life (spec/00-lifecycle, 06-gossip), seen from outside."""

from collections import Counter
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio
from test_runs import assert_same_end, finish, manifest, train

from swarmp2p.errors import DeepReorganisationError, LedgerUnavailableError
from swarmp2p.ledger.interface import Phase
from swarmp2p.node.own_update import parse_update
from swarmp2p.seams import Slot
from swarmp2p.sim.nodes import open_world
from swarmp2p.wire.envelope import decode_envelope
from swarmp2p.wire.frames import encode_frame
from swarmp2p.wire.messages import Hello, encode_hello
from swarmp2p.wire.registry import (
    KIND_UPDATE_MANIFEST,
    PROTOCOL_HELLO,
    WIRE_VERSION,
)

MODEL = 4 * (1 + 5)  # bytes of one model of these tests, and of its only chunk
POSTS = ("genesis", "join", "commit", "have", "attest", "next_attempt", "vote_stop")


@asynccontextmanager
async def ready_world(terms, peers, *, trains=True, local=train):
    async with open_world(terms, peers, seed=1, train=local) as world:
        for number in range(peers):
            world.start(number, trains=trains)
        while any(peer.node is None or not peer.node.ready.is_set() for peer in world.peers):
            await trio.lowlevel.checkpoint()
        yield world


def watch(owner, name, seen):
    """Call `seen` with the arguments before each call of the method."""
    real = getattr(owner, name)

    async def watched(*arguments):
        seen(*arguments)
        return await real(*arguments)

    setattr(owner, name, watched)


def spoil(world, receiver=None):
    """Chunks arrive with another byte; those to `receiver`, or to all."""

    def change(_sender, to, data):
        return (
            bytes([data[0] ^ 1]) + data[1:]
            if len(data) == MODEL and receiver in {None, to}
            else data
        )

    world.network.tamper = change


async def fetch_from(world, getter, provider, root):
    """The getter forgets a blob and asks one provider only."""
    node = world.peers[getter].node
    node._c.store.drop_blob(root)
    await node.exchange.fetch(
        root, node.vectors.update_sizes, lambda: [world.peers[provider].key.public]
    )


async def test_a_slot__has_its_row_and_its_chunks_on_the_disk_before_anything_of_it_leaves(
    autojump_clock,
):
    seen = set()
    async with ready_world(manifest(rounds=2, depth=2), 4) as world:
        contract = world.chain.contract
        for peer in world.peers:
            disk, me = peer.disk, peer.key.public

            def commit(number, attempt, commitment, *_, disk=disk):
                row = parse_update(disk.guard[world.domain, Slot("commit", number, attempt)])
                assert row.commitment == commitment
                assert row.root in disk.chunks
                # ROUND-010: only after the block that opened the round is final.
                assert contract.block >= contract.now.opened + 2
                seen.add("commit")

            def attest(number, attempt, root, _aux, disk=disk):
                assert disk.guard[world.domain, Slot("attest", number, attempt)] == root
                assert root in disk.chunks
                seen.add("attest")

            def have(number, attempt, bitmap, disk=disk):
                row = disk.guard[world.domain, Slot("have", number, attempt)]
                assert int.from_bytes(row, "big") == bitmap
                seen.add("have")

            def publish(_topic, data, disk=disk, me=me):
                envelope = decode_envelope(data)
                slot = Slot(KIND_UPDATE_MANIFEST, envelope.header.round, 0)
                if envelope.header.sender == me:
                    assert disk.guard[world.domain, slot] == envelope.body
                    seen.add("publish")

            for name, check in (("commit", commit), ("attest", attest), ("have", have)):
                watch(peer.node._c.ledger, name, check)
            watch(peer.node._c.transport, "publish", publish)
        while 3 not in contract.now.commits:
            await trio.sleep(0.05)
        world.kill(3)
        await finish(world, range(3))
    assert seen == {"commit", "attest", "have", "publish"}


async def test_a_chunk_on_the_disk__is_not_fetched_again_after_a_restart(autojump_clock):
    async with ready_world(manifest(rounds=1), 4) as world:
        peer = world.peers[0]
        came = []

        def spoil_all_but_one(_sender, receiver, data):
            if receiver != peer.key.public or len(data) != MODEL:
                return data
            came.append(data)
            return data if len(came) == 1 else bytes([data[0] ^ 1]) + data[1:]

        world.network.tamper = spoil_all_but_one
        while peer.node.exchange.traffic.bytes_in < MODEL or len(came) < 2:
            await trio.sleep(0.05)
        assert peer.node.exchange.traffic.bytes_in == MODEL
        world.kill(0)
        world.network.tamper = None
        world.start(0)
        await finish(world, range(4))
        assert_same_end(world.peers)
        assert peer.node.exchange.traffic.bytes_in == 2 * MODEL


async def test_a_void_round__keeps_parameters_and_base(autojump_clock):
    given = {}

    def noted(peer, number, params):
        given.setdefault((peer, number), params)  # the loop trains once more at the end
        return train(peer, number, params)

    async with ready_world(manifest(rounds=1), 4, local=noted) as world:
        spoil(world)
        while world.chain.contract.now.number == 1:
            await trio.sleep(0.2)
        world.network.tamper = None
        await finish(world, range(4))
        void, sealed = world.peers[0].receipts
        assert (void.sealed, sealed.sealed) == (False, True)
        assert void.shared["base"] == sealed.shared["base"]
        for peer in range(4):
            trained = train(peer, 1, given[peer, 1])
            assert all((given[peer, 2][name] == trained[name]).all() for name in trained)


async def test_while_the_chain_is_silent__nothing_is_signed_and_chunks_are_served(autojump_clock):
    async with ready_world(manifest(rounds=3), 4) as world:
        deaf = world.peers[3]
        while not deaf.receipts:
            await trio.sleep(0.05)

        async def silent(*_):
            raise LedgerUnavailableError("no answer")

        for name in (*POSTS, "head", "final_view", "round_view"):
            setattr(deaf.node._c.ledger, name, silent)
        deaf.node.announcer.retire()  # what it signed for the round before
        rows = set(deaf.disk.guard)
        signed = []
        watch(
            deaf.node._c.transport, "publish", lambda _, data: signed.append(decode_envelope(data))
        )
        await finish(world, range(3))
        assert [e for e in signed if e.header.sender == deaf.key.public] == []
        # its training goes on: a row of the update that waits is no signature
        assert {slot.kind for _, slot in set(deaf.disk.guard) - rows} <= {"commit"}
        assert 3 not in world.chain.contract.rounds[3].commits
        assert deaf.node.status()["ledger"] == "no answer"
        await fetch_from(world, 0, 3, bytes.fromhex(deaf.receipts[0].merged_root))


async def test_a_merged_model__is_adopted_only_when_its_seal_is_final(autojump_clock):
    depth = 5
    async with ready_world(manifest(rounds=2, depth=depth), 3) as world:
        contract, peer = world.chain.contract, world.peers[0]
        while contract.last_sealed_round < 1:
            await trio.sleep(0.1)
        root, sealed = contract.last_root, contract.rounds[1].ended_block
        assert peer.node.steps.merged_of(1).root == root  # it knows and has attested it
        while peer.node.base_root != root:
            assert not peer.receipts
            await trio.sleep(0.1)
        assert contract.block >= sealed + depth


async def test_a_vanished_final_block__ends_the_node(autojump_clock):
    async def replaced():
        raise DeepReorganisationError("the chain replaced block 1")

    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - the world is what fails
        async with ready_world(manifest(rounds=1), 2) as world:
            world.peers[0].node._c.ledger.final_view = replaced
            await trio.sleep(5)
    assert caught.group_contains(DeepReorganisationError)


async def test_after_the_end__the_last_model_is_still_served(autojump_clock):
    async with ready_world(manifest(rounds=1), 3) as world:
        await finish(world, range(3))
        await trio.sleep(120)
        await fetch_from(world, 0, 1, world.chain.contract.last_root)


async def test_a_manifest__is_published_every_second_unchanged_and_never_before_commit_is_closed(
    autojump_clock,
):
    """Through all attempts, with the envelopes of the others in turn."""
    async with ready_world(manifest(rounds=1), 4) as world:
        spoil(world)
        contract, me = world.chain.contract, world.peers[0].key.public
        published = []

        def publish(_topic, data):
            if decode_envelope(data).header.round == contract.now.number:
                assert contract.now.phase is Phase.ATTEMPT
            published.append((trio.current_time(), contract.now.attempt, data))

        watch(world.peers[0].node._c.transport, "publish", publish)
        while contract.now.number == 1:
            await trio.sleep(0.2)
        world.network.tamper = None
    own = [row for row in published if decode_envelope(row[2]).header.sender == me]
    (data,) = {row[2] for row in own}
    header = decode_envelope(data).header
    assert (header.attempt, header.index, header.recipient, header.seq) == (0, 0, bytes(32), 0)
    assert len({row[2] for row in published}) == 4  # ENV-013: of others, too, the same bytes
    times = [at for at, _, _ in own[1:]]  # the first is the reveal itself
    assert {round(b - a, 6) for a, b in pairwise(times)} == {1.0}
    others = Counter(decode_envelope(row[2]).header.sender for row in published)
    assert set(others) == {peer.key.public for peer in world.peers}


async def test_an_update__is_answered_retry_before_commit_is_closed(autojump_clock):
    async with ready_world(manifest(rounds=1), 2, trains=False) as world:
        early = world.peers[0]
        params = await early.node.start(world.zeros())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(early.node.sync, params)
            while 0 not in world.chain.contract.now.commits:
                await trio.sleep(0.05)
            root = early.node.steps.update.root
            nursery.start_soon(fetch_from, world, 1, 0, root)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert world.peers[1].node.status()["refused"]["chunk-refused"]["site-0"].keys() == {
            "RETRY"
        }
        assert root not in world.peers[1].disk.chunks


async def test_hello__is_opened_once_to_each_peer_and_again_after_it_was_gone(autojump_clock):
    async with ready_world(manifest(rounds=1), 3, trains=False) as world:
        opened = Counter()
        host, answer = (
            world.network.hosts[world.peers[0].key.public],
            world.peers[0].node.greeter.answer,
        )

        async def counted(stream):
            opened[stream.remote_peer] += 1
            await answer(stream)

        host.handle(PROTOCOL_HELLO, counted)
        one, two = (world.peers[n].key.public for n in (1, 2))
        await trio.sleep(2)
        world.kill(1)
        await trio.sleep(2)
        opened.clear()
        world.start(1, trains=False)
        world.kill(2)
        world.start(2, trains=False)
        await trio.sleep(5)
        assert opened == {one: 1, two: 1}
        greeted = [fields["peer"] for event, fields in world.peers[0].log if event == "hello"]
        assert greeted.count(one.hex()) == 4  # two lives, and a hello each way in each


@pytest.mark.parametrize("agent", ["x/1 site-2", "x/1 <b>bold</b>", "x/1 a;b", "x/1"])
async def test_a_name__is_not_believed_that_another_has_or_that_is_no_word(autojump_clock, agent):
    async with ready_world(manifest(rounds=1), 3, trains=False) as world:
        await trio.sleep(2)
        honest, liar = world.peers[0], world.peers[1]
        del honest.node._c.names[liar.key.public]
        stream = await liar.node._c.transport.open_stream(honest.key.public, PROTOCOL_HELLO)
        await stream.send_all(
            encode_frame(encode_hello(Hello(WIRE_VERSION, world.domain, agent, (), 0)))
        )
        await trio.sleep(1)
        assert honest.log[-1] == ("hello", {"peer": liar.key.public.hex(), "agent": agent})
        assert honest.node._c.name(liar.key.public) == liar.key.public.hex()[:8]
