"""Faults that a hostile review found, each once: what went wrong before stays right."""

from dataclasses import replace

import pytest
import trio
import trio.lowlevel
from test_runs import assert_same_end, finish, manifest, train

from swarmp2p.crypto.keys import Secret
from swarmp2p.errors import ConfigError, LedgerUnavailableError
from swarmp2p.key_archive import KeyArchive, decode_archive, encode_archive
from swarmp2p.node.own_update import parse_update
from swarmp2p.node.receipts import make_receipt
from swarmp2p.seams import Slot
from swarmp2p.sim.nodes import open_world
from swarmp2p.sim.store import MemoryDisk
from swarmp2p.store.guards import GuardRow, GuardState
from swarmp2p.wire.registry import KIND_COMMIT, KIND_UPDATE_MANIFEST, PROTOCOL_CHUNK


def fail_once(ledger, name):
    """The next call of `name` finds the chain silent."""
    real = getattr(ledger, name)

    async def silent(*arguments):
        setattr(ledger, name, real)
        raise LedgerUnavailableError("silent for a moment")

    setattr(ledger, name, silent)


@pytest.mark.parametrize("post", ["commit", "attest", "round_view", "genesis"])
async def test_a_chain_that_is_silent_once__costs_no_round(autojump_clock, post):
    async with open_world(manifest(rounds=2), 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        while any(peer.node is None or not peer.node.ready.is_set() for peer in world.peers):
            await trio.lowlevel.checkpoint()
        for peer in world.peers:
            fail_once(peer.node._c.ledger, post)
        await finish(world, range(4))
        assert_same_end(world.peers)
        assert all(receipt.sealed for receipt in world.peers[0].receipts)


async def test_a_commit_dropped_by_a_reorganisation__is_posted_again(autojump_clock):
    async with open_world(manifest(rounds=1, depth=2), 2, seed=1, train=train) as world:
        world.start(0)
        contract = world.chain.contract
        while 0 not in contract.now.commits:
            await trio.sleep(0.1)
        contract.now.commits.clear()
        history = world.chain._history  # the blocks that replace the dropped ones lack it, too
        for block, view in history.items():
            history[block] = replace(view, round=replace(view.round, commits={}))
        world.start(1)
        await finish(world, range(2))
        assert world.peers[0].receipts[0].complete


async def test_a_late_peer__follows_the_newest_model_when_an_older_one_is_gone(autojump_clock):
    terms = manifest(rounds=12, audit_rounds=1, commit_blocks=1)
    async with open_world(terms, 4, seed=1, train=train) as world:
        late = world.peers[3].key.public
        others = [peer.key.public for peer in world.peers[:3]]
        for number in range(3):
            world.start(number)
        while world.chain.contract.last_sealed_round < 2:
            await trio.sleep(0.5)
        world.network.cut |= {(late, other) for other in others}
        world.start(3)
        while world.chain.contract.last_sealed_round < 7:
            await trio.sleep(0.5)
        world.network.cut.clear()
        await finish(world, range(4))
        assert_same_end(world.peers)


async def test_keys_restored_without_their_state__never_sign_a_second_body(autojump_clock):
    async with open_world(manifest(rounds=2), 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        while 3 not in world.chain.contract.now.commits:
            await trio.sleep(0.05)
        world.kill(3)
        world.peers[3].disk = MemoryDisk()
        world.start(3)
        await finish(world, range(3))
        assert_same_end(world.peers[:3])
        assert not any(event == "equivocation" for peer in world.peers for event, _ in peer.log)
        assert any(event == "abstains" for event, _ in world.peers[3].log)


async def test_a_restarted_peer__takes_part_before_its_program_syncs_again(autojump_clock):
    async with open_world(manifest(rounds=1), 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        while 3 not in world.chain.contract.now.commits:
            await trio.sleep(0.05)
        world.kill(3)
        world.start(3, trains=False)
        await finish(world, range(3))
        assert world.peers[0].receipts[0].complete


async def test_old_blobs__are_dropped_also_those_of_rounds_a_process_died_in(autojump_clock):
    async with open_world(manifest(rounds=8, audit_rounds=1), 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        for sealed in (1, 3):
            while world.chain.contract.last_sealed_round < sealed:
                await trio.sleep(0.2)
            world.kill(3)
            world.start(3)
        await finish(world, range(4))
        for peer in world.peers:
            assert len(peer.disk.chunks) <= 3 * 5 + 2


async def test_the_bases_of_the_rounds_that_are_kept__are_kept_too(autojump_clock):
    """ROUND-051: without them nobody can merge those rounds again."""
    async with open_world(manifest(rounds=8, audit_rounds=2), 3, seed=1, train=train) as world:
        for number in range(3):
            world.start(number)
        await finish(world, range(3))
        rounds = world.chain.contract.rounds
        for peer in world.peers:
            for number in (5, 6, 7, 8):
                assert rounds[number].base in peer.disk.chunks
            assert rounds[3].base not in peer.disk.chunks


@pytest.mark.parametrize("metrics", [{"val acc": 0.5}, {"x" * 33: 1.0}, {"loss": float("nan")}])
async def test_a_metric_that_cannot_be_sent__is_told_before_anything_is_signed(
    autojump_clock, metrics
):
    async with open_world(manifest(rounds=1), 2, seed=1, train=train) as world:
        world.start(0, trains=False)
        while world.peers[0].node is None or not world.peers[0].node.ready.is_set():
            await trio.lowlevel.checkpoint()
        node = world.peers[0].node
        params = await node.start(world.zeros())
        with pytest.raises(ConfigError):
            await node.sync(params, metrics=metrics)
        assert not world.peers[0].disk.guard


@pytest.mark.parametrize("own", [False, True])
async def test_a_chunk_that_is_gone_at_the_merge__is_fetched_again(autojump_clock, own):
    async with open_world(manifest(rounds=1), 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        victim = world.peers[0]
        while victim.node is None:
            await trio.lowlevel.checkpoint()
        vectors = victim.node.vectors
        merge = vectors.merge

        def lose_one_first(store, base, updates, weights):
            vectors.merge = merge
            mine = victim.node.steps.update.root
            victim.disk.chunks.pop(next(root for _, root in updates if (root == mine) is own))
            return merge(store, base, updates, weights)

        vectors.merge = lose_one_first
        await finish(world, range(4))
        assert_same_end(world.peers)
        assert any(event == "chunk-lost" for event, _ in victim.log)
        assert victim.receipts[0].complete


async def test_two_peers_without_a_direct_link__learn_of_each_other_through_slow_relays(
    autojump_clock,
):
    async with open_world(manifest(rounds=2), 4, seed=1, train=train) as world:
        a, b = (world.peers[n].key.public for n in (0, 1))
        world.network.cut |= {(a, b), (b, a)}
        for number in range(4):
            world.start(number)
        while any(peer.node is None for peer in world.peers):
            await trio.lowlevel.checkpoint()
        for peer in world.peers[2:]:
            object.__setattr__(peer.node._c, "poll", 0.73)
        await finish(world, range(4))
        assert all(receipt.complete for receipt in world.peers[0].receipts)


@pytest.mark.parametrize("kind", [KIND_COMMIT, KIND_UPDATE_MANIFEST])
async def test_a_site_restored_from_an_archive__sends_for_a_signed_slot_what_it_signed(
    autojump_clock, kind
):
    lives = iter(range(99))

    def train_anew(peer, number, params):
        """No two trainings end alike, so that a second body would differ from the first."""
        trained = train(peer, number, params)
        return {name: value + next(lives) / 64 for name, value in trained.items()}

    async with open_world(manifest(rounds=2), 4, seed=1, train=train_anew) as world:
        site, slot = world.peers[3], Slot(kind, 1, 0)
        for number in range(4):
            world.start(number)
        while (world.domain, slot) not in site.disk.guard:
            await trio.sleep(0.05)
        world.kill(3)
        signed = parse_update(site.disk.guard[world.domain, Slot(KIND_COMMIT, 1, 0)])
        rows = tuple(GuardRow(domain, at, body) for (domain, at), body in site.disk.guard.items())
        before = KeyArchive(site.key.seed, Secret(bytes(32)), GuardState(rows))
        restored, site.disk = decode_archive(encode_archive(before)), MemoryDisk()
        site.disk.guard.update({(row.domain, row.slot): row.body for row in restored.state.guards})
        world.start(3)
        posted = {}
        while world.chain.contract.last_sealed_round < 1:
            posted.update(world.chain.contract.now.commits)
            await trio.sleep(0.1)
        assert posted[3].commitment == signed.commitment
        await finish(world, range(4))
        assert_same_end(world.peers)
        assert not any(event == "equivocation" for peer in world.peers for event, _ in peer.log)


async def test_a_peer_that_trickles_to_most__is_fetched_from_whoever_it_served(autojump_clock):
    async with open_world(manifest(rounds=1), 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        while any(peer.node is None or not peer.node.ready.is_set() for peer in world.peers):
            await trio.lowlevel.checkpoint()
        slow, served = world.peers[3], world.peers[0].key.public

        async def trickle(stream):
            if stream.remote_peer == served:
                await slow.node.exchange.serve(stream)
                return
            await stream.receive_some()
            await stream.send_all(b"\0")  # the first byte in time, and then nothing
            await trio.sleep_forever()

        world.network.hosts[slow.key.public].handle(PROTOCOL_CHUNK, trickle)
        await finish(world, range(4))
        assert_same_end(world.peers)
        receipt = world.peers[1].receipts[0]
        assert (receipt.complete, receipt.attempt) == (True, 0)


async def test_a_model_that_is_gone_before_its_fetch_begins__is_not_waited_for(autojump_clock):
    """The chain was ahead when the fetch began, and no further seal comes."""
    terms = manifest(rounds=4, audit_rounds=0)
    async with open_world(terms, 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        await finish(world, range(4))
        node, contract = world.peers[3].node, world.chain.contract
        gone = contract.rounds[1].sealed_root
        for peer in world.peers:
            peer.disk.chunks.pop(gone, None)
        with trio.fail_after(1000):
            assert await node.models.hold(gone, lambda: node.view) == contract.last_root


async def test_a_round_with_commits_of_nobody__is_the_endpoints_trouble(autojump_clock):
    async with open_world(manifest(rounds=1), 2, seed=1, train=train) as world:
        for number in range(2):
            world.start(number)
        await finish(world, range(2))
        node, ended = world.peers[0].node, world.chain.contract.rounds[1]
        strange = replace(ended, commits={**ended.commits, 7: ended.commits[0]})
        with pytest.raises(LedgerUnavailableError, match="its registry lacks"):
            make_receipt(node._c, node.view, strange, None, {})
