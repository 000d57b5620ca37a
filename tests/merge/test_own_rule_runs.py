"""Whole runs whose manifest names a rule of another package, in virtual time."""

import numpy as np
import own_rules
import pytest
import trio

from swarmp2p.manifest import RunManifest
from swarmp2p.sim.nodes import open_world
from swarmp2p.wire.tensors import Schema, TensorSpec

RULES = """
class Halved(Base):
    name = "their-rules:Halved"
    def reduce(self, terms, out):
        factors = tuple(share / 2 for share in terms.shares)
        shifted_sum(terms, factors, out)
        return Findings(factors)

class Broken(Base):
    name = "their-rules:Broken"
    def reduce(self, terms, out):
        raise RuntimeError("nobody expects me")
"""
SCHEMA = Schema((TensorSpec("weight", "f32", (5,)),))


def manifest(rule, rounds):
    return RunManifest(
        name="test",
        sync_every=1,
        schema=SCHEMA,
        rounds=rounds,
        commit_blocks=4,
        exchange_blocks=4,
        rule=rule,
    )


def train(_peer, _number, params):
    return {name: (value + np.float32(2)).astype(np.float32) for name, value in params.items()}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    own_rules.install(tmp_path / "site", monkeypatch, RULES)


async def test_a_run__merges_by_a_rule_of_another_package(autojump_clock, installed):
    async with open_world(manifest("their-rules:Halved", 3), 3, seed=1, train=train) as world:
        for number in range(3):
            world.start(number)
        with trio.fail_after(2000):
            for peer in world.peers:
                await peer.done.wait()
        assert all(receipt.sealed for peer in world.peers for receipt in peer.receipts)
        models = {peer.model["weight"].tobytes() for peer in world.peers}
        # weights 1, 2, 3: alphas of 1/12, 1/6 and 1/4, half of 2 a round
        (model,) = [np.frombuffer(one, np.float32) for one in models]
        assert model == pytest.approx(3.0, rel=1e-6)


async def test_a_run__passes_rounds_unsealed_and_goes_on_where_the_rule_raises(
    autojump_clock, installed
):
    async with open_world(manifest("their-rules:Broken", 2), 3, seed=1, train=train) as world:
        for number in range(3):
            world.start(number)
        with trio.move_on_after(600):
            for peer in world.peers:
                await peer.done.wait()
        for peer in world.peers:
            assert not any(receipt.sealed for receipt in peer.receipts)
            assert peer.receipts
            why = [fields["why"] for event, fields in peer.log if event == "merge-refused"]
            assert why
            assert set(why) == {"rule 'their-rules:Broken' raised RuntimeError: nobody expects me"}
