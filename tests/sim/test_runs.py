"""Whole runs of real nodes over memory network and memory chain, in virtual time."""

import json
from dataclasses import replace

import numpy as np
import pytest
import trio

from swarmp2p.crypto import merkle
from swarmp2p.crypto.identity import sign_envelope
from swarmp2p.manifest import RunManifest
from swarmp2p.node.vectors import Blob
from swarmp2p.protocol.repeats import decode_equivocation, verify_equivocation
from swarmp2p.sim.nodes import open_world
from swarmp2p.wire.envelope import Header
from swarmp2p.wire.messages import encode_update_manifest
from swarmp2p.wire.registry import KIND_UPDATE_MANIFEST, WIRE_VERSION
from swarmp2p.wire.tensors import Schema, TensorSpec

SCHEMA = Schema((TensorSpec("bias", "f32", (1,)), TensorSpec("weight", "f32", (5,))))


def manifest(**changes):
    terms = {"rounds": 3, "commit_blocks": 4, "exchange_blocks": 4, "rule": "mean", **changes}
    return RunManifest(name="test", sync_every=1, schema=SCHEMA, **terms)


def train(peer, number, params):
    """Each site pulls the model its own way; float32 throughout."""
    shift = np.float32(peer + 1) / np.float32(number + 1)
    return {name: (value + shift).astype(np.float32) for name, value in params.items()}


def shared(peer):
    return [json.dumps(r.shared, sort_keys=True) for r in peer.receipts]


def assert_same_end(peers):
    models = [peer.model for peer in peers]
    for model in models[1:]:
        for name, value in models[0].items():
            assert value.tobytes() == model[name].tobytes()


async def finish(world, numbers, virtual_seconds=2000):
    with trio.fail_after(virtual_seconds):
        for number in numbers:
            await world.peers[number].done.wait()


@pytest.mark.parametrize("peers", [2, 3, 4, 7])
@pytest.mark.parametrize("rule", ["mean", "cclip"])
async def test_a_run__ends_with_equal_bytes_and_complete_receipts(autojump_clock, peers, rule):
    async with open_world(manifest(rule=rule), peers, seed=1, train=train) as world:
        for number in range(peers):
            world.start(number)
        await finish(world, range(peers))
        assert_same_end(world.peers)
        assert len({tuple(shared(peer)) for peer in world.peers}) == 1
        for receipt in world.peers[0].receipts:
            assert receipt.sealed
            assert receipt.complete
            assert receipt.attempt == 0


async def test_the_mean__is_what_a_hand_computation_gives(autojump_clock):
    async with open_world(manifest(rounds=1), 3, seed=1, train=train) as world:
        for number in range(3):
            world.start(number)
        await finish(world, range(3))
        # weights 1, 2, 3 (cap: twice the median 2); updates 0 + (1, 2, 3)/2
        alphas = [np.float32(w / 6) for w in (1, 2, 3)]
        order = sorted(range(3), key=lambda n: world.peers[n].key.public)
        expected = np.float32(0)
        for n in order:
            expected = np.float32(expected + np.float32(alphas[n] * np.float32((n + 1) / 2)))
        assert world.peers[0].model["weight"][0] == expected


async def test_bytes_in__are_the_models_of_the_others(autojump_clock):
    async with open_world(manifest(rounds=2), 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        await finish(world, range(4))
        model = 4 * (1 + 5)
        for peer in world.peers:
            assert peer.node.exchange.traffic.bytes_in == 2 * 3 * model


async def test_a_killed_peer__leaves_partial_receipts_that_name_it(autojump_clock):
    async with open_world(manifest(rounds=5), 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        while not world.peers[3].receipts:
            await trio.sleep(0.1)
        world.kill(3)
        await finish(world, range(3))
        assert_same_end(world.peers[:3])
        last = world.peers[0].receipts[-1]
        assert last.sealed
        assert not last.complete
        assert last.missing == ("site-3",)


async def test_a_peer_killed_after_its_commit__is_dropped_by_the_next_attempt(autojump_clock):
    async with open_world(manifest(rounds=2), 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        while 3 not in world.chain.contract.now.commits:
            await trio.sleep(0.05)
        world.kill(3)
        await finish(world, range(3))
        assert_same_end(world.peers[:3])
        first = world.peers[0].receipts[0]
        assert first.sealed
        assert first.attempt == 1
        assert first.missing == ("site-3",)


async def test_a_killed_peer__comes_back_and_ends_with_the_same_model(autojump_clock):
    async with open_world(manifest(rounds=6), 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        while len(world.peers[3].receipts) < 2:
            await trio.sleep(0.1)
        world.kill(3)
        while world.chain.contract.last_sealed_round < 3:
            await trio.sleep(0.5)
        world.start(3)
        await finish(world, range(4))
        assert_same_end(world.peers)
        assert world.peers[3].receipts[-1].complete


async def test_a_peer_killed_in_the_exchange__resumes_its_own_update(autojump_clock):
    """After a restart the commit slot's stored update is used: no slot is signed twice."""
    async with open_world(manifest(rounds=2), 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        while 3 not in world.chain.contract.now.commits:
            await trio.sleep(0.05)
        world.kill(3)
        world.start(3)
        await finish(world, range(4))
        assert_same_end(world.peers)
        assert all(receipt.complete for receipt in world.peers[0].receipts)
        assert any(event == "update-resumed" for event, _ in world.peers[3].log)


async def test_a_flipped_chunk_byte__is_refused_and_fetched_again(autojump_clock):
    async with open_world(manifest(rounds=1), 4, seed=1, train=train) as world:
        flips = []

        def tamper(sender, receiver, data):
            if len(data) == 24 and len(flips) < 2:  # a payload: 6 float32
                flips.append((sender, receiver))
                return bytes([data[0] ^ 1]) + data[1:]
            return data

        world.network.tamper = tamper
        for number in range(4):
            world.start(number)
        await finish(world, range(4))
        assert len(flips) == 2
        assert_same_end(world.peers)
        logs = [fields for peer in world.peers for event, fields in peer.log]
        assert sum("chunk" in str(row.get("why")) for row in logs) >= 2


async def test_a_peer_cut_off_from_one_other__still_gets_that_update_from_a_holder(autojump_clock):
    async with open_world(manifest(rounds=1), 4, seed=1, train=train) as world:
        a, b = (world.peers[n].key.public for n in (0, 1))
        world.network.cut |= {(a, b), (b, a)}
        for number in range(4):
            world.start(number)
        await finish(world, range(4))
        assert_same_end(world.peers)


async def test_a_nan_update__is_held_by_nobody_and_its_sender_leaves(autojump_clock):
    def poison(peer, number, params):
        return train(peer, number, params)

    async with open_world(manifest(rounds=1), 4, seed=1, train=poison) as world:
        for number in range(4):
            world.start(number)
        # Site 3's own chunks on disk become NaN before they are committed to: a liar's update.
        peer = world.peers[3]
        while peer.node is None:
            await trio.sleep(0.01)
        encode = peer.node.vectors.encode_update
        nan = np.full(6, np.nan, np.float32).tobytes()

        def lie(store, base, params):
            made = encode(store, base, params)
            tree = merkle.MerkleTree([merkle.leaf_hash(0, nan)])
            return replace(made, blob=Blob([nan], tree))

        peer.node.vectors.encode_update = lie
        await finish(world, range(3))
        assert_same_end(world.peers[:3])
        assert world.peers[0].receipts[0].missing == ("site-3",)


async def test_an_equivocation__is_kept_as_a_proof_by_whoever_sees_both(autojump_clock):
    async with open_world(manifest(rounds=1), 3, seed=1, train=train) as world:
        for number in range(3):
            world.start(number)
        liar, honest = world.peers[2], world.peers[0]
        while honest.node is None or liar.key.public not in honest.node.announcer._accepted:
            await trio.sleep(0.05)
        manifest_ = replace(honest.node.announcer._accepted[liar.key.public], weight=9)
        header = Header(KIND_UPDATE_MANIFEST, WIRE_VERSION, 0, 1, 0, 0, liar.key.public)
        body = encode_update_manifest(manifest_)
        second = sign_envelope(liar.key, header, world.domain, body)
        await liar.node._c.transport.publish(liar.node.announcer.topic, second)
        await finish(world, range(3))
        assert any(event == "equivocation" for event, _ in honest.log)
        kept = honest.disk.kept[world.domain, f"equivocation/{liar.key.public.hex()}"]
        proof = decode_equivocation(kept)
        assert second in {proof.first, proof.second}
        assert verify_equivocation(proof, world.domain).round == 1
