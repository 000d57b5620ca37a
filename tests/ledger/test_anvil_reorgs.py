"""Reorganisations on anvil: within the run's depth the round goes on, beyond it nodes halt."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
from adapter_worlds import new_anvil, require_anvil
from anvil_swarm import LiveSwarm, PostWatch
from ledger_site import GENESIS, RunSite, party

from swarmp2p.errors import DeepReorganisationError, LedgerUnavailableError
from swarmp2p.ledger.interface import ChainView, Phase
from swarmp2p.manifest import RunManifest
from swarmp2p.wire.tensors import Schema, TensorSpec

DEPTH = 2
ROUNDS = 2
MANIFEST = RunManifest(
    name="reorg",
    rounds=ROUNDS,
    sync_every=1,
    schema=Schema((TensorSpec("weight", "f32", (3,)),)),
    rule="mean",
    depth=DEPTH,
    commit_blocks=30,
    exchange_blocks=30,
    lo=40,
    hi=400,
)
Condition = Callable[[ChainView], object]


def opened(view: ChainView) -> bool:
    """Round 2 has just opened: the seal of round 1 is in the newest block."""
    return view.round.round == 2


def one_commit(view: ChainView) -> bool:
    return len(view.round.commits) > 0


def closed(view: ChainView) -> bool:
    return view.round.phase is Phase.ATTEMPT


def one_attest(view: ChainView) -> bool:
    return len(view.round.attests) > 0


def sealed_last(view: ChainView) -> bool:
    return view.finished


PHASES = {f.__name__: f for f in (opened, one_commit, closed, one_attest, sealed_last)}


@pytest.fixture(autouse=True)
def anvil_is_here() -> None:
    require_anvil()


@pytest.fixture
def posts(monkeypatch: pytest.MonkeyPatch) -> PostWatch:
    return PostWatch().install(monkeypatch)


@asynccontextmanager
async def running(members: int = 3, manifest: RunManifest = MANIFEST) -> AsyncIterator[LiveSwarm]:
    """Nodes of a run on anvil; all end with the block."""
    with new_anvil() as chain:
        site = RunSite(chain, [party(n) for n in range(1, members + 1)])
        site.set_up(
            manifest_hash=manifest.run_id,
            init_root=manifest.init_root,
            last_round=manifest.rounds,
            commit_blocks=manifest.commit_blocks,
            exchange_blocks=manifest.exchange_blocks,
            lo=manifest.lo,
            hi=manifest.hi,
            depth=manifest.depth,
        )
        chain.mine(manifest.depth)
        async with (
            site.open(None, manifest_hash=manifest.run_id) as reader,
            trio.open_nursery() as nursery,
        ):
            yield LiveSwarm(site, manifest, nursery, reader)
            nursery.cancel_scope.cancel()


def same_models(swarm: LiveSwarm) -> bool:
    assert [peer.failure for peer in swarm.peers] == [None] * len(swarm.peers)
    models = [peer.model for peer in swarm.peers]
    assert None not in models
    return len({model["weight"].tobytes() for model in models if model}) == 1


# ---- the adapter alone


async def test_post__that_a_reorganisation_dropped_can_be_made_again() -> None:
    with new_anvil() as chain:
        site = RunSite(chain, [party(n) for n in (1, 2)])
        site.set_up(depth=4)
        chain.mine(4)
        async with site.open(0) as ledger:
            await ledger.genesis(GENESIS)
            chain.mine(4)
            await ledger.commit(1, 0, b"\x41" * 32, 5, GENESIS)
            chain.rpc.call("anvil_reorg", 2, [])
            chain.mine(3)
            assert (await ledger.round_view(1)).commits == {}
        async with site.open(0) as ledger:  # started anew: the chain is all that it knows
            await ledger.commit(1, 0, b"\x41" * 32, 5, GENESIS)
            chain.mine(4)
            assert set((await ledger.round_view(1)).commits) == {0}


async def test_shorter_chain__is_waited_for() -> None:
    with new_anvil() as chain:
        site = RunSite(chain, [party(n) for n in (1, 2)])
        site.set_up(depth=3)
        chain.mine(5)
        snapshot = chain.rpc.call("evm_snapshot")
        async with site.open(0) as ledger:
            chain.mine(2)
            before = (await ledger.final_view()).block
            assert chain.rpc.call("evm_revert", snapshot)
            with pytest.raises(LedgerUnavailableError, match="is behind"):
                await ledger.final_view()
            chain.mine(4)  # others than before, above the final block
            assert (await ledger.final_view()).block.number == before.number + 2


async def test_final_block__that_is_replaced_halts_the_adapter() -> None:
    with new_anvil() as chain:
        site = RunSite(chain, [party(n) for n in (1, 2)])
        site.set_up(depth=2)
        chain.mine(6)
        async with site.open(0) as ledger:
            final = (await ledger.final_view()).block
            chain.rpc.call("anvil_reorg", 2, [])
            assert (await ledger.final_view()).block == final
            chain.rpc.call("anvil_reorg", 3, [])
            for _ in range(3):
                with pytest.raises(
                    DeepReorganisationError,
                    match=rf"replaced block {final.number}, which was final: it was 0x",
                ):
                    await ledger.final_view()
                chain.mine()


# ---- whole nodes


@pytest.mark.parametrize("phase", PHASES)
async def test_reorganisation_within_the_depth__costs_no_round(
    phase: str, posts: PostWatch
) -> None:
    async with running() as swarm:
        await swarm.mine_until(PHASES[phase], phase)
        await swarm.reorganise(DEPTH)
        assert not PHASES[phase](await swarm.newest())
        await swarm.finish()
        view = await swarm.newest()
        assert same_models(swarm)
        rounds = [await swarm._reader.round_view(n) for n in range(1, ROUNDS + 1)]
    assert (view.finished, view.last_sealed_round) == (True, ROUNDS)
    assert [r.phase for r in rounds] == [Phase.SEALED] * ROUNDS
    assert [r.attempt for r in rounds] == [0] * ROUNDS
    assert len(posts.bodies) >= 4 * ROUNDS  # two commits and two attestations seal a round of two
    assert posts.conflicts() == []


def one_have(view: ChainView) -> bool:
    return len(view.round.haves) > 0


def void(view: ChainView) -> bool:
    return view.consecutive_voids > 0


@pytest.mark.parametrize("phase", [one_have, void])
async def test_reorganisation_of_a_failing_round__leaves_one_end_for_all(
    phase: Condition, posts: PostWatch
) -> None:
    quick = replace(MANIFEST, commit_blocks=4, exchange_blocks=4, lo=4)
    async with running(manifest=quick) as swarm:
        keys = [peer.key for peer in swarm.peers]
        swarm.network.cut |= {(a, b) for a in keys for b in keys}
        await swarm.mine_until(phase, "a round that nobody can finish")
        await swarm.reorganise(DEPTH)
        assert not phase(await swarm.newest())
        swarm.network.cut.clear()
        await swarm.finish()
        assert same_models(swarm)
        view = await swarm.newest()
        first = await swarm._reader.round_view(1)
    assert (view.finished, view.last_sealed_round) == (True, ROUNDS)
    assert first.phase in {Phase.SEALED, Phase.VOID}
    assert {name for _, name, _, _ in posts.bodies} == {"commit", "have", "attest"}
    assert posts.conflicts() == []


@pytest.mark.parametrize("phase", PHASES)
async def test_reorganisation_beyond_the_depth__halts_every_node(
    phase: str, posts: PostWatch
) -> None:
    async with running() as swarm:
        await swarm.mine_until(PHASES[phase], phase)
        await swarm.seen_by_all()
        before = posts.count
        await swarm.reorganise(DEPTH + 2)
        await swarm.mine()  # nodes look when the head's number changes
        with trio.fail_after(30):
            for peer in swarm.peers:
                await peer.done.wait()
        for peer in swarm.peers:
            assert isinstance(peer.failure, ExceptionGroup)
            assert peer.failure.subgroup(DeepReorganisationError) is not None
            assert "which was final" in repr(peer.failure)
            assert peer.model is None
        after = posts.count
        await swarm.mine(5)
        assert posts.count == after >= before
    assert posts.conflicts() == []
