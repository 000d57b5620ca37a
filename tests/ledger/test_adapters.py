"""What every Ledger adapter does: the simulator's, and ours on the embedded chain and on anvil."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest
import trio
from adapter_worlds import TERMS, ChainWorld, MemoryWorld, World, new_chain_of, require_anvil
from ledger_site import AUX, GENESIS, MANIFEST, RunSite, party

from swarmp2p.errors import TransactionRevertedError
from swarmp2p.ledger.devchain import CHAIN_ID
from swarmp2p.ledger.interface import Attestation, Commit, Ledger, Phase

ROOT = b"\x33" * 32
ANOTHER_ATTEMPT = "WrongAttempt|WrongRound"  # the simulator compares both at once
WorldMaker = Callable[..., World]


@pytest.fixture(params=["memory", "devchain", "anvil"])
def make_world(request: pytest.FixtureRequest) -> Iterator[WorldMaker]:
    """`make_world(members, **terms)`: enrolled members and a run without its genesis."""
    if request.param == "anvil":
        require_anvil()
    with ExitStack() as stack:

        def make(members: int = 4, **terms: int) -> World:
            terms = {"last_round": 0, "min_peers": 0, **TERMS, **terms}
            if request.param == "memory":
                return MemoryWorld(members, terms)
            chain = stack.enter_context(new_chain_of(request.param))
            site = RunSite(chain, [party(n) for n in range(1, members + 1)])
            site.set_up(**terms)
            return ChainWorld(site)

        yield make


def commitment(index: int) -> bytes:
    return bytes([0x40 + index]) * 32


async def open_all(stack: AsyncExitStack, world: World, members: int) -> list[Ledger]:
    return [await stack.enter_async_context(world.open(who)) for who in range(members)]


async def commit_all(ledgers: list[Ledger]) -> None:
    await ledgers[0].genesis(GENESIS)
    for index, ledger in enumerate(ledgers):
        await ledger.commit(1, 0, commitment(index), 10 + index, GENESIS)


async def refused(reason: str, call: Awaitable[object]) -> None:
    with pytest.raises(TransactionRevertedError) as caught:
        await call
    assert caught.value.reason in reason.split("|")


async def test_terms__are_what_was_deployed(make_world: WorldMaker) -> None:
    world = make_world(2, last_round=9, depth=3, exchange_blocks=5)
    async with world.open(0) as ledger:
        terms = await ledger.terms()
    assert (terms.chain_id, terms.manifest_hash, terms.init_root) == (CHAIN_ID, MANIFEST, GENESIS)
    assert (terms.last_round, terms.depth, terms.min_peers) == (9, 3, 0)
    assert (terms.commit_blocks, terms.exchange_blocks, terms.lo, terms.hi) == (4, 5, 2, 40)
    assert len(terms.contract) == len(terms.registry) == 20


async def test_members__are_those_enrolled(make_world: WorldMaker) -> None:
    world = make_world(4)
    async with world.open(1) as ledger:
        before = await ledger.final_view()
    assert [m.index for m in before.members] == [0, 1, 2, 3]
    assert all(m.live and m.addresses for m in before.members)
    assert before.member(world.peer(2)) == before.members[2]
    assert before.members[2].account == world.account(2)
    assert before.member(bytes(32)) is None
    assert before.genesis_root == bytes(32)
    assert before.active == frozenset(range(4))


async def test_head__moves_with_each_block(make_world: WorldMaker) -> None:
    world = make_world(2)
    async with world.open(0) as ledger:
        before = await ledger.head()
        world.mine(3)
        assert await ledger.head() == before + 3
        assert (await ledger.final_view()).block.number == before + 3


async def test_final_view__trails_the_head_by_the_depth(make_world: WorldMaker) -> None:
    world = make_world(2, depth=4)
    world.mine(4)
    async with world.open(0) as ledger:
        await ledger.genesis(GENESIS)
        early = await ledger.final_view()
        assert early.genesis_root == bytes(32)
        world.mine(4)
        view = await ledger.final_view()
        assert view.genesis_root == GENESIS
        assert view.block.number == await ledger.head() - 4
        assert view.block.hash != early.block.hash


async def test_round_view__is_as_of_the_final_block(make_world: WorldMaker) -> None:
    world = make_world(3, depth=2)
    async with AsyncExitStack() as stack:
        ledgers = await open_all(stack, world, 3)
        await commit_all(ledgers)
        world.mine(2)
        for ledger in ledgers[:2]:
            await ledger.attest(1, 0, ROOT, AUX)
        assert (await ledgers[0].round_view(1)).phase is Phase.ATTEMPT
        world.mine(2)
        assert (await ledgers[0].round_view(1)).phase is Phase.SEALED
        assert (await ledgers[0].round_view(2)).phase is Phase.COMMIT
        await refused("UnknownRound", ledgers[0].round_view(3))


async def test_round__seals_with_every_view_as_posted(make_world: WorldMaker) -> None:
    world = make_world(4)
    async with AsyncExitStack() as stack:
        ledgers = await open_all(stack, world, 4)
        before = await ledgers[0].final_view()
        await commit_all(ledgers)
        committed = await ledgers[1].final_view()
        await ledgers[3].have(1, 0, 0b0111)
        for ledger in ledgers[:3]:
            await ledger.attest(1, 0, ROOT, AUX)
        sealed = await ledgers[2].final_view()
        first = await ledgers[2].round_view(1)
    assert committed.genesis_root == committed.last_root == committed.round.base == GENESIS
    assert committed.round.phase is Phase.ATTEMPT
    assert committed.round.roster == committed.active == frozenset(range(4))
    assert committed.round.commits == {n: Commit(commitment(n), 10 + n) for n in range(4)}
    assert (committed.round.enrolled, committed.round.min_peers) == (4, 3)
    assert (sealed.round.round, sealed.round.phase) == (2, Phase.COMMIT)
    assert (sealed.last_sealed_round, sealed.last_root) == (1, ROOT)
    assert sealed.round.base == ROOT
    assert first.phase is Phase.SEALED
    assert (first.sealed_root, first.sealed_aux, first.base) == (ROOT, AUX, GENESIS)
    assert first.attests == dict.fromkeys(range(3), Attestation(ROOT, AUX))
    assert first.haves == {3: 0b0111}
    assert first.ended_block == sealed.round.opened_block
    assert (before.commit_average, before.exchange_average) == (4 * 256, 4 * 256)
    commit_took = 256 * (first.frozen_block - first.opened_block)
    exchange_took = min(4 * 256, 256 * (first.ended_block - first.started_block))
    assert sealed.commit_average == (7 * 4 * 256 + commit_took) // 8
    assert sealed.exchange_average == (7 * 4 * 256 + exchange_took) // 8


async def test_genesis__stands_once(make_world: WorldMaker) -> None:
    world = make_world(3)
    async with AsyncExitStack() as stack:
        ledgers = await open_all(stack, world, 2)
        await refused("NoGenesis", ledgers[0].commit(1, 0, commitment(0), 5, GENESIS))
        await refused("WrongInitRoot", ledgers[0].genesis(ROOT))
        await ledgers[0].genesis(GENESIS)
        await ledgers[1].genesis(GENESIS)
        await refused("GenesisStands", ledgers[0].genesis(ROOT))


async def test_commit__stands_once_and_repeats_are_done(make_world: WorldMaker) -> None:
    world = make_world(3)
    async with world.open(0) as ledger:
        await ledger.genesis(GENESIS)
        await refused("WrongBase", ledger.commit(1, 0, commitment(0), 5, ROOT))
        await refused("ZeroCommitment", ledger.commit(1, 0, bytes(32), 5, GENESIS))
        await refused("ZeroWeight", ledger.commit(1, 0, commitment(0), 0, GENESIS))
        await refused("WrongAttempt", ledger.commit(1, 1, commitment(0), 5, GENESIS))
        await ledger.commit(1, 0, commitment(0), 5, GENESIS)
        await ledger.commit(1, 0, commitment(0), 5, GENESIS)
        await refused("AlreadyCommitted", ledger.commit(1, 0, commitment(1), 5, GENESIS))
        await refused("AlreadyCommitted", ledger.commit(1, 0, commitment(0), 6, GENESIS))
        await refused("WrongRound", ledger.commit(2, 0, commitment(0), 5, GENESIS))
        await refused("WrongPhase", ledger.attest(1, 0, ROOT, AUX))
        await refused("WrongPhase", ledger.have(1, 0, 0b1))
        await refused("WrongPhase", ledger.next_attempt(1, 0))
        assert (await ledger.final_view()).round.commits == {0: Commit(commitment(0), 5)}


async def test_posts__are_idempotent_and_after_the_seal_count_as_done(
    make_world: WorldMaker,
) -> None:
    world = make_world(3)
    async with AsyncExitStack() as stack:
        ledgers = await open_all(stack, world, 3)
        await commit_all(ledgers)
        await ledgers[2].have(1, 0, 0b011)
        await ledgers[2].have(1, 0, 0b011)
        await refused("AlreadyPosted", ledgers[2].have(1, 0, 0b111))
        await refused("ZeroRoot", ledgers[0].attest(1, 0, bytes(32), AUX))
        await ledgers[0].attest(1, 0, ROOT, AUX)
        await ledgers[0].attest(1, 0, ROOT, AUX)
        await refused("AlreadyAttested", ledgers[0].attest(1, 0, commitment(0), AUX))
        await ledgers[0].have(1, 0, 0b111)
        await ledgers[1].attest(1, 0, ROOT, AUX)
        await ledgers[2].attest(1, 0, ROOT, AUX)
        await ledgers[2].have(1, 0, 0b111)
        await ledgers[2].next_attempt(1, 0)
        assert (await ledgers[2].final_view()).last_sealed_round == 1


async def test_next_attempt__opens_once_and_is_refused_too_early(make_world: WorldMaker) -> None:
    world = make_world(3, exchange_blocks=1, lo=1, hi=1)
    async with AsyncExitStack() as stack:
        ledgers = await open_all(stack, world, 3)
        await commit_all(ledgers)
        await refused("TooEarly", ledgers[0].next_attempt(1, 0))
        for ledger in ledgers:
            await refused(ANOTHER_ATTEMPT, ledger.have(1, 1, 0b111))
        world.mine(5)
        await ledgers[0].next_attempt(1, 0)
        await ledgers[1].next_attempt(1, 0)
        view = await ledgers[1].final_view()
        first = await ledgers[1].round_view(1)
    assert first.phase is Phase.VOID
    assert view.consecutive_voids == 1  # nobody had posted
    assert (view.round.round, view.round.base, view.last_sealed_round) == (2, GENESIS, 0)


async def test_next_attempt__leaves_the_silent_out(make_world: WorldMaker) -> None:
    world = make_world(4, exchange_blocks=8, lo=8)
    async with AsyncExitStack() as stack:
        ledgers = await open_all(stack, world, 4)
        await commit_all(ledgers)
        for ledger in ledgers[:3]:
            await ledger.have(1, 0, 0b0111)
        last_post = (await ledgers[0].final_view()).round.last_post
        world.mine(last_post - await ledgers[0].head())
        await ledgers[1].next_attempt(1, 0)
        view = await ledgers[0].final_view()
        assert (view.round.attempt, view.round.roster) == (1, frozenset(range(3)))
        assert (view.round.haves, view.round.attests) == ({}, {})
        await refused("NotInRoster", ledgers[3].attest(1, 1, ROOT, AUX))
        await refused(ANOTHER_ATTEMPT, ledgers[0].attest(1, 0, ROOT, AUX))
        for ledger in ledgers[:2]:
            await ledger.attest(1, 1, ROOT, AUX)
        assert (await ledgers[3].final_view()).last_root == ROOT


async def test_join__makes_a_silent_member_waited_for(make_world: WorldMaker) -> None:
    world = make_world(4, lo=1, commit_blocks=1, exchange_blocks=30)
    async with AsyncExitStack() as stack:
        ledgers = await open_all(stack, world, 4)
        await ledgers[0].genesis(GENESIS)
        base = GENESIS
        for number in (1, 2):
            for index, ledger in enumerate(ledgers[:3]):
                await ledger.commit(number, 0, commitment(index), 1, base)
            world.mine(20 if number == 1 else 0)  # round 1 waits for the fourth until the deadline
            base = commitment(number)
            for ledger in ledgers[:2]:
                await ledger.attest(number, 0, base, AUX)
        assert (await ledgers[0].final_view()).active == frozenset(range(3))
        await ledgers[3].join()
        await ledgers[3].join()
        assert (await ledgers[0].final_view()).active == frozenset(range(4))


async def test_stop_votes__end_the_run(make_world: WorldMaker) -> None:
    world = make_world(3)
    async with AsyncExitStack() as stack:
        ledgers = await open_all(stack, world, 3)
        await ledgers[0].genesis(GENESIS)
        await ledgers[0].vote_stop()
        await ledgers[0].vote_stop()
        assert not (await ledgers[0].final_view()).finished
        await ledgers[1].vote_stop()
        await ledgers[2].vote_stop()  # counts as done: what it was for has happened
        view = await ledgers[2].final_view()
    assert view.finished
    assert view.stopped


async def test_last_round__finishes_the_run(make_world: WorldMaker) -> None:
    world = make_world(2, last_round=1)
    async with AsyncExitStack() as stack:
        ledgers = await open_all(stack, world, 2)
        await commit_all(ledgers)
        for ledger in ledgers:
            await ledger.attest(1, 0, ROOT, AUX)
        view = await ledgers[1].final_view()
    assert (view.finished, view.stopped) == (True, False)
    assert (view.round.round, view.round.phase, view.last_root) == (1, Phase.SEALED, ROOT)


async def test_addresses__change_and_a_revoked_member_is_gone(make_world: WorldMaker) -> None:
    world = make_world(3)
    async with world.open(0) as ledger:
        await ledger.final_view()
        await ledger.set_addresses(("/ip4/127.0.0.1/tcp/9", "/ip4/127.0.0.1/tcp/10"))
        world.mine(8)
        members = (await ledger.final_view()).members
        assert members[0].addresses == ("/ip4/127.0.0.1/tcp/9", "/ip4/127.0.0.1/tcp/10")
        world.revoke(1)
        view = await ledger.final_view()
    assert [m.live for m in view.members] == [True, False, True]
    assert view.member(world.peer(1)) is None
    assert 0 < view.members[1].revoked_block <= view.block.number


async def test_bad_proof__shows_as_revoked(make_world: WorldMaker) -> None:
    world = make_world(2)
    peer = world.enrol_unproven()
    async with world.open(0) as ledger:
        view = await ledger.final_view()
    assert [m.live for m in view.members] == [True, True, False]
    assert view.member(peer) is None
    assert view.members[2].peer == peer


async def test_two_members__may_post_at_once(make_world: WorldMaker) -> None:
    world = make_world(3)
    async with AsyncExitStack() as stack:
        ledgers = await open_all(stack, world, 3)
        await commit_all(ledgers)
        async with trio.open_nursery() as nursery:
            for ledger in ledgers:
                nursery.start_soon(ledger.attest, 1, 0, ROOT, AUX)
                nursery.start_soon(ledger.join)
        view = await ledgers[0].final_view()
        assert (view.last_sealed_round, view.last_root) == (1, ROOT)
        assert len((await ledgers[0].round_view(1)).attests) >= 2


async def test_two_attestations__that_differ_do_not_seal(make_world: WorldMaker) -> None:
    world = make_world(2)
    async with AsyncExitStack() as stack:
        ledgers = await open_all(stack, world, 2)
        await commit_all(ledgers)
        await ledgers[0].attest(1, 0, ROOT, AUX)
        await ledgers[1].attest(1, 0, ROOT, b"\x01" * 32)
        view = await ledgers[0].final_view()
    assert view.round.phase is Phase.ATTEMPT
    assert set(view.round.attests) == {0, 1}
