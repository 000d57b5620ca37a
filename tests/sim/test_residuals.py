"""Error feedback of int8: which residual counts after a seal, a void round and a kill anywhere."""

import numpy as np
import pytest
import trio
from test_lifecycle import POSTS, ready_world
from test_runs import SCHEMA, assert_same_end, finish, manifest

from swarmp2p.ledger.interface import Phase
from swarmp2p.node.residual import Residuals
from swarmp2p.sim.nodes import open_world
from swarmp2p.wire import canonical
from swarmp2p.wire.registry import Code

WRITES = ("put", "put_chunk", "reserve", "drop_blob")
CHUNK = 6 + 4  # bytes of an update: 6 elements, a scale


def train(peer, number, params):
    """One element moves so far that the others, which go 0.1 a round, are below a level of it."""
    moved = {name: value.copy() for name, value in params.items()}
    moved["weight"][:4] += np.float32(0.1) * np.array([1, 2, -1, peer], np.float32)
    moved["weight"][4] = np.float32(97 + peer + number % 2) - moved["weight"][4]
    return moved


def record(peer, world):
    """The node's own note: (round, after, before)."""
    row = peer.disk.kept.get((world.domain, "residual"))
    if row is None:
        return None
    pair = canonical.decode(row)
    return pair["round"], pair["after"], pair["before"]


async def models_of(terms, peers=3, *, feedback=True):
    """The models that a run seals, one a round."""
    found = []

    def watched(peer, number, params):
        if peer == 0:
            found.append(params["weight"].astype(np.float64))
        return train(peer, number, params)

    async with ready_world(terms, peers, trains=False) as world:
        world._train = watched
        if not feedback:
            for peer in world.peers:
                peer.node.updates.residuals.current = lambda _number: None
        async with trio.open_nursery() as nursery:
            for peer in world.peers:
                nursery.start_soon(world._program, peer, peer.node)
            await finish(world, range(peers))
    return found


async def test_with_feedback__the_merged_models_follow_those_of_exact_updates(autojump_clock):
    exact = await models_of(manifest(rounds=12))
    with_it = await models_of(manifest(rounds=12, encoding="int8"))
    without = await models_of(manifest(rounds=12, encoding="int8"), feedback=False)

    def error(models):
        pairs = zip(models, exact, strict=True)
        return np.mean([np.abs(one[:4] - other[:4]).mean() for one, other in pairs])

    assert len(exact) >= 12
    assert error(with_it) < 0.5 * error(without)


async def test_a_sealed_round__makes_its_residual_current_and_drops_the_one_before(autojump_clock):
    async with ready_world(manifest(rounds=4, encoding="int8"), 3, local=train) as world:
        peer, seen = world.peers[0], []
        note, settle = peer.node.updates.residuals.note, peer.node.updates.residuals.settle

        def noted(number, commitment, lost):
            note(number, commitment, lost)
            seen.append(record(peer, world))

        def settled(ended):
            settle(ended)
            seen.append(record(peer, world))

        residuals = peer.node.updates.residuals
        residuals.note, residuals.settle = noted, settled
        await finish(world, range(3))
        before = b""
        for number in range(1, 5):
            made, after = seen[2 * number - 2 : 2 * number]
            assert made == (number, made[1], before)
            assert after == (number, made[1], made[1])
            before = made[1]
            assert len(before) == 32
        names = {name for row in seen for name in row[1:]} - {b""}
        assert len(names) == 4
        assert names & peer.disk.chunks.keys() == {before}
        assert residuals.names() == {before}


async def test_a_void_round__keeps_the_residual_before_it(autojump_clock):
    async with ready_world(manifest(rounds=2, encoding="int8"), 3, local=train) as world:
        peer = world.peers[0]
        while world.chain.contract.now.number == 1:
            await trio.sleep(0.2)
        world.network.tamper = lambda _from, _to, data: (
            bytes([data[0] ^ 1]) + data[1:] if len(data) == CHUNK else data
        )
        while record(peer, world)[0] != 2:
            await trio.sleep(0.2)
        _, after, before = record(peer, world)
        assert len({after, before}) == 2
        while world.chain.contract.now.number == 2:
            await trio.sleep(0.2)
        world.network.tamper = None
        while record(peer, world)[0] != 3:
            await trio.sleep(0.2)
        assert record(peer, world)[2] == before
        assert after not in peer.disk.chunks
        await finish(world, range(3))
        assert_same_end(world.peers)


async def test_a_round_sealed_without_us__keeps_the_residual_before_it(autojump_clock):
    async with ready_world(manifest(rounds=4, encoding="int8"), 4, local=train) as world:
        peer, me = world.peers[3], world.peers[3].key.public
        while record(peer, world) is None or record(peer, world)[0] != 2:
            await trio.sleep(0.1)
        _, after, before = record(peer, world)
        world.network.cut |= {(me, other.key.public) for other in world.peers[:3]}
        world.network.cut |= {(other.key.public, me) for other in world.peers[:3]}
        while world.chain.contract.last_sealed_round < 2:
            await trio.sleep(0.2)
        assert 3 not in world.chain.contract.rounds[2].roster
        world.network.cut.clear()
        while record(peer, world)[0] == 2:
            await trio.sleep(0.1)
        assert record(peer, world)[2] == before
        await finish(world, range(4))
        assert_same_end(world.peers)
        assert any(row.round == 2 and "site-3" in row.missing for row in peer.receipts)
        assert before != after


class KilledAtWrite:
    """Lets so many writes of round 2 reach the disk; then the process is gone."""

    def __init__(self, world, number, writes):
        self._world, self._number, self._left = world, number, writes
        self.done, self.killed = 0, False
        context = world.peers[number].node.context
        for name in WRITES:
            setattr(context.store, name, self._counted(name, getattr(context.store, name)))
        for name in POSTS:
            setattr(context.ledger, name, self._sent(getattr(context.ledger, name)))

    def _sent(self, post):
        async def sent(*arguments):
            if self.killed:
                await trio.sleep_forever()
            return await post(*arguments)

        return sent

    def _counted(self, name, write):
        def counted(*arguments):
            if self.killed:  # what a dead process would do still
                return arguments[1] if name == "reserve" else None
            if self._world.chain.contract.now.number >= 2:
                if self._left == 0:
                    self.killed = True
                    self._world.kill(self._number)
                    return arguments[1] if name == "reserve" else None
                self._left -= 1
                self.done += 1
            return write(*arguments)

        return counted


async def run_with_kill(writes):
    """A run of three rounds in which peer 2 dies before a write; what it ends with."""
    async with ready_world(manifest(rounds=3, encoding="int8"), 3, local=train) as world:
        kill = KilledAtWrite(world, 2, writes)
        if writes < 10_000:
            while not kill.killed:
                await trio.sleep(0.01)
            world.start(2)
        await finish(world, range(3))
        assert_same_end(world.peers)
        peer = world.peers[2]
        assert not any(event == "equivocation" for one in world.peers for event, _ in one.log)
        assert all(receipt.complete for receipt in world.peers[0].receipts)
        number, after, before = record(peer, world)
        model = b"".join(value.tobytes() for _, value in sorted(peer.model.items()))
        chunks = {name: peer.disk.chunks.get(name) for name in (after, before)}
        return kill.done, (model, number, after, before, chunks)


async def test_a_peer_killed_at_any_write_of_a_round__ends_with_the_same_model_and_residual(
    autojump_clock,
):
    writes, want = await run_with_kill(10_000)
    assert writes > 20
    for at in range(writes // 2 + 2):  # of the two rounds that are counted, all of the first
        _, got = await run_with_kill(at)
        assert got == want, f"killed before write {at}"


async def test_a_residual__is_served_to_nobody_not_even_after_a_restart(autojump_clock):
    async with ready_world(manifest(rounds=2, encoding="int8"), 3, local=train) as world:
        await finish(world, range(3))
        peer, asker = world.peers[0], world.peers[1]
        name = record(peer, world)[1]
        assert name in peer.disk.chunks
        for _ in range(2):
            with trio.move_on_after(30):
                await asker.node.exchange.fetch(name, (24,), lambda: [peer.key.public])
            assert name not in asker.disk.chunks
            counted = asker.node.status()["refused"]["chunk-refused"]["site-0"]
            assert set(counted) == {"NOT_FOUND"}
            world.kill(0)
            world.start(0, trains=False)
            while peer.node is None or not peer.node.ready.is_set():
                await trio.sleep(0.1)
            await trio.sleep(3)
        assert Code[next(iter(counted))] == Code.NOT_FOUND


async def test_a_residual_that_is_damaged__is_dropped_with_a_line(autojump_clock):
    async with open_world(manifest(rounds=4, encoding="int8"), 2, seed=1, train=train) as world:
        peer = world.peers[0]
        for number in range(2):
            world.start(number)
        while record(peer, world) is None or record(peer, world)[0] != 2:
            await trio.sleep(0.1)
        for name in record(peer, world)[1:]:
            data, proof = peer.disk.chunks[name][0]
            peer.disk.chunks[name][0] = (b"\xff" + data[1:], proof)
        await finish(world, range(2))
        assert_same_end(world.peers)
        rows = [row for event, row in peer.log if event == "residual-dropped"]
        assert [(row["round"], "damaged" in row["why"]) for row in rows] == [(3, True)]
        assert all(receipt.complete for receipt in peer.receipts)


async def test_a_residual_that_overflows__is_dropped_and_the_update_sent_without(autojump_clock):
    async with ready_world(manifest(rounds=4, encoding="int8"), 2, local=train) as world:
        peer = world.peers[0]
        residuals = peer.node.updates.residuals
        current = residuals.current

        def huge(number):
            kept = current(number)
            return [np.full(6, 3e38, np.float32).tobytes()] if number == 3 else kept

        residuals.current = huge
        await finish(world, range(2))
        assert_same_end(world.peers)
        rows = [row for event, row in peer.log if event == "residual-dropped"]
        assert [row["round"] for row in rows] == [3]
        assert "tensor 'bias', element 0 is 3" in rows[0]["why"]
        assert all(receipt.complete for receipt in peer.receipts)
        # what round 3 rounded off without it is what round 4 takes up
        assert all(name in peer.disk.chunks for name in residuals.names())


class Book:
    """What Residuals needs of a node."""

    def __init__(self, store):
        self.store, self.lines = store, []

    def log(self, event, /, **fields):
        self.lines.append((event, fields))


@pytest.mark.parametrize("phase", [Phase.COMMIT, Phase.ATTEMPT])
async def test_an_outcome_that_is_not_known__drops_both(autojump_clock, phase):
    async with open_world(manifest(rounds=1), 2, seed=1, train=train) as world:
        world.start(0, trains=False)
        while world.peers[0].node is None or not world.peers[0].node.ready.is_set():
            await trio.sleep(0.1)
        node = world.peers[0].node
        book, private = Book(node.context.store), set()
        residuals = Residuals(book, private)
        residuals.note(1, bytes([1]) * 32, [b"\x01" * 24])
        assert residuals.open_round(1) == 0
        assert residuals.current(1) is None
        assert residuals.open_round(2) == 1
        assert residuals.current(2) is None  # nobody has told how round 1 ended
        ended = node.view.round
        assert ended.round == 1
        residuals.settle(type(ended)(**{**_fields(ended), "phase": phase}))
        assert (residuals.names(), private) == (frozenset(), set())
        assert book.lines[0][0] == "residual-dropped"


def _fields(row):
    return {name: getattr(row, name) for name in row.__slots__}


def test_the_schema_of_these_tests__is_one_chunk():
    assert SCHEMA.float_elements == CHUNK - 4
