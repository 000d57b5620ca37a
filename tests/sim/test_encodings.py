"""Whole runs in every encoding and with every server optimiser: equal bits, and what a state is."""

from itertools import cycle

import numpy as np
import pytest
import trio
from test_lifecycle import ready_world
from test_runs import assert_same_end, finish, shared

from swarmp2p.crypto import merkle
from swarmp2p.errors import ConfigError
from swarmp2p.manifest import RunManifest
from swarmp2p.merge.model import decode_model, encode_model
from swarmp2p.merge.optimisers import optimiser_named, optimiser_names
from swarmp2p.sim.nodes import open_world
from swarmp2p.wire.registry import ENCODINGS
from swarmp2p.wire.tensors import Schema, TensorSpec

SCHEMA = Schema(
    (
        TensorSpec("bias", "f32", (1,)),
        TensorSpec("count", "i32", (2,)),
        TensorSpec("mean", "f32", (2,), stat=True),
        TensorSpec("weight", "f32", (5,)),
    )
)
PAIRS = [*zip(cycle(ENCODINGS), [name for name in optimiser_names() for _ in ENCODINGS])]


def manifest(**changes):
    given = {"rounds": 3, "commit_blocks": 4, "exchange_blocks": 4, "rule": "mean", **changes}
    return RunManifest(name="test", sync_every=1, schema=SCHEMA, integers="median", **given)


def train(peer, number, params):
    """Each site pulls its own way, with numbers that no encoding but fp32 holds."""
    away = np.float32(peer + 1) / np.float32(3 * number + 1)
    changed = {name: (value + away).astype(np.float32) for name, value in params.items()}
    changed["weight"][peer % 5] *= np.float32(1.7)
    return {**changed, "count": params["count"] + np.array([peer, -peer], np.int32)}


def model_of(node, root):
    """A model on a node's disk."""
    terms = node.context.manifest
    optimiser = optimiser_named(terms.optimiser)
    chunks = [
        node.context.store.get_chunk(root, index)[0]
        for index in range(len(node.vectors.model_sizes))
    ]
    return decode_model(terms.schema, optimiser, terms.rounds, chunks)


@pytest.mark.parametrize(("encoding", "optimiser"), PAIRS)
async def test_a_run__ends_with_equal_bytes_in_every_encoding_and_with_every_optimiser(
    autojump_clock, encoding, optimiser
):
    terms = manifest(encoding=encoding, optimiser=optimiser)
    async with open_world(terms, 4, seed=1, train=train) as world:
        for number in range(4):
            world.start(number)
        await finish(world, range(4))
        assert_same_end(world.peers)
        assert len({tuple(shared(peer)) for peer in world.peers}) == 1
        assert all(receipt.complete for receipt in world.peers[0].receipts)
        assert all(receipt.local["computed_here"] for receipt in world.peers[0].receipts)
        # three rounds of the upper middle of peers 0 to 3
        assert world.peers[0].model["count"].tolist() == [3 * 2, 3 * -1]
        node = world.peers[0].node
        update = {"fp32": 8 * 4, "bf16": 8 * 2, "fp16": 8 * 2, "int8": 8 + 4}[encoding] + 2 * 8
        assert node.exchange.traffic.bytes_in == 3 * 3 * update
        model = model_of(node, world.chain.contract.last_root)
        vectors = {"none": 0, "fedavgm": 1, "nesterov": 1, "fedadam": 2}[optimiser]
        assert (len(model.state), model.steps) == (vectors, 3 if vectors else 0)
        assert all(vector.any() for vector in model.state)
        if optimiser == "fedadam" and encoding == "fp32":
            return
        assert not any(event.endswith("-lost") for event, _ in world.peers[0].log)


async def test_the_training_door__shows_nothing_of_the_state(autojump_clock):
    seen = []

    def watched(peer, number, params):
        seen.append(set(params))
        return train(peer, number, params)

    async with open_world(manifest(optimiser="fedadam"), 2, seed=1, train=watched) as world:
        for number in range(2):
            world.start(number)
        await finish(world, range(2))
        assert all(names == {"bias", "count", "mean", "weight"} for names in seen)


async def test_a_late_peer__gets_the_state_with_the_model_and_merges_to_the_same_bits(
    autojump_clock,
):
    terms = manifest(rounds=8, optimiser="fedadam", encoding="int8", rule="cclip")
    async with open_world(terms, 4, seed=1, train=train) as world:
        for number in range(3):
            world.start(number)
        while world.chain.contract.last_sealed_round < 3:
            await trio.sleep(0.5)
        world.start(3)
        await finish(world, range(4))
        assert_same_end(world.peers)
        late = world.peers[3].receipts
        assert late[0].round > 3
        assert all(receipt.local["computed_here"] for receipt in late[1:])
        assert late[-1].complete
        last = world.chain.contract.last_root
        assert world.peers[3].node.steps.merged_of(8).root == last
        assert model_of(world.peers[3].node, last).steps == 8


async def test_a_void_round__leaves_state_and_steps_as_they_were(autojump_clock):
    terms = manifest(rounds=2, optimiser="fedavgm")
    async with ready_world(terms, 4, local=train) as world:
        while world.chain.contract.now.number == 1:
            await trio.sleep(0.2)
        chunk = 8 * 4  # of floats
        world.network.tamper = lambda _from, _to, data: (
            bytes([data[0] ^ 1]) + data[1:] if len(data) == chunk else data
        )
        while world.chain.contract.now.number == 2:
            await trio.sleep(0.2)
        world.network.tamper = None
        await finish(world, range(4))
        first, void, last = world.peers[0].receipts
        assert [first.sealed, void.sealed, last.sealed] == [True, False, True]
        assert void.shared["base"] == last.shared["base"] == first.merged_root
        assert_same_end(world.peers)
        node = world.peers[0].node
        before = model_of(node, bytes.fromhex(first.merged_root))
        after = model_of(node, bytes.fromhex(last.merged_root))
        assert (before.steps, after.steps) == (1, 2)


async def given_genesis(world, change):
    """A run whose owner posts the root of a model, `change`d, that all nodes hold."""
    terms, node = world.manifest, world.peers[0].node
    optimiser = optimiser_named(terms.optimiser)
    begin = {name: value + 1 for name, value in world.zeros().items()}
    blob = node.vectors.first_model(begin)
    model = decode_model(terms.schema, optimiser, terms.rounds, [bytes(c) for c in blob.chunks])
    chunks = [bytes(c) for c in encode_model(terms.schema, change(model), optimiser, terms.rounds)]
    tree = merkle.MerkleTree([merkle.leaf_hash(index, data) for index, data in enumerate(chunks)])
    for index, data in enumerate(chunks):
        node.context.store.put_chunk(tree.root, index, data, tree.proof(index))
    world.chain.contract.genesis(tree.root, owner=True)
    return tree.root


async def test_a_genesis_model_whose_state_is_not_zero__is_refused_by_every_peer(autojump_clock):
    def begun(model):
        model.state[0][3] = 0.5
        return model

    terms = manifest(init="genesis", optimiser="nesterov")
    async with ready_world(terms, 2, trains=False) as world:
        root = await given_genesis(world, begun)
        for peer in world.peers:
            with pytest.raises(ConfigError, match=f"{root.hex()} has an optimiser") as refused:
                await peer.node.start(world.zeros())
            assert "takes no part" in str(refused.value)
        assert not world.chain.contract.now.commits
        assert not any(peer.disk.guard for peer in world.peers)


async def test_a_genesis_model__is_that_of_the_parameters_with_a_state_of_zeros(autojump_clock):
    terms = manifest(init="genesis", optimiser="fedadam")
    async with ready_world(terms, 2, trains=False) as world:
        begin = {name: value + 3 for name, value in world.zeros().items()}
        root = world.peers[0].node.vectors.first_model(begin).root
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.peers[0].node.start, begin)
            await trio.sleep(0.5)
            world.chain.contract.genesis(root, owner=True)
            got = await world.peers[1].node.start(world.zeros())
        assert {name: value.tolist() for name, value in got.items()} == {
            name: value.tolist() for name, value in begin.items()
        }
        model = model_of(world.peers[1].node, world.chain.contract.genesis_root)
        assert (model.steps, [vector.any() for vector in model.state]) == (0, [False, False])


async def test_the_log__names_whose_update_is_unusable_and_where(autojump_clock):
    terms = manifest(rounds=1, encoding="fp16")
    async with ready_world(terms, 4, local=train) as world:
        liar = world.peers[3].node
        encode = liar.vectors.encode_update

        def lie(store, base, params):
            made = encode(store, base, params)
            chunks = [b"\x00\x7c" + bytes(made.blob.chunks[0])[2:], bytes(made.blob.chunks[1])]
            leaves = [merkle.leaf_hash(index, data) for index, data in enumerate(chunks)]
            return type(made)(type(made.blob)(chunks, merkle.MerkleTree(leaves)))

        liar.vectors.encode_update = lie
        await finish(world, range(3))
        why = [row["why"] for event, row in world.peers[0].log if event == "update-unusable"]
        assert why[0] == (
            "the update of site-3: tensor 'bias', element 0 is inf; only finite values can be"
            " merged"
        )


async def test_the_log__names_whose_updates_a_rule_cannot_measure(autojump_clock):
    def far(peer, number, params):
        changed = train(peer, number, params)
        changed["weight"][4] = np.float32(3e38) * (1 if number > 1 else -1)
        return changed

    terms = manifest(rounds=2, rule="cclip")
    async with ready_world(terms, 3, local=far) as world:
        while not any(event == "merge-refused" for event, _ in world.peers[0].log):
            await trio.sleep(0.2)
        row = next(row for event, row in world.peers[0].log if event == "merge-refused")
        assert row["round"] == 2
        for number in range(3):
            assert f"that of site-{number} (tensor 'weight', element 4 is 3" in row["why"]
