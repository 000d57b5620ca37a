from contextlib import AsyncExitStack

import pytest
import trio
from ledger_site import AUX, GENESIS, RunSite, SiteMaker, StillClock, rows_of

from swarmp2p.errors import LedgerUnavailableError, LocalProtocolError, TransactionRevertedError
from swarmp2p.ledger import deploy
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.ethereum import EthereumLedger
from swarmp2p.ledger.interface import Attestation, Commit, Phase
from swarmp2p.ledger.outbox import MemoryTransactions

ROOT = b"\x33" * 32


def commitment(index: int) -> bytes:
    return bytes([0x40 + index]) * 32


async def commit_all(ledgers: list[EthereumLedger]) -> None:
    await ledgers[0].genesis(GENESIS)
    for index, ledger in enumerate(ledgers):
        await ledger.commit(1, 0, commitment(index), 10 + index, GENESIS)


async def test_round__seals_with_every_view_as_posted(make_site: SiteMaker) -> None:
    site = make_site()
    async with AsyncExitStack() as stack:
        ledgers = await site.open_all(stack)
        before = await ledgers[0].final_view()
        await commit_all(ledgers)
        committed = await ledgers[1].final_view()
        await ledgers[3].have(1, 0, 0b0111)
        for ledger in ledgers[:3]:
            await ledger.attest(1, 0, ROOT, AUX)
        sealed = await ledgers[2].final_view()
        first = await ledgers[2].round_view(1)
    assert [m.index for m in before.members] == [0, 1, 2, 3]
    assert all(
        m.live and m.addresses == ("/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2")
        for m in before.members
    )
    assert before.member(site.parties[2].identity.public) == before.members[2]
    assert before.members[2].account == site.parties[2].account
    assert before.genesis_root == bytes(32)
    assert committed.genesis_root == committed.last_root == committed.round.base == GENESIS
    assert committed.round.phase is Phase.ATTEMPT
    assert committed.round.roster == committed.active == frozenset(range(4))
    assert committed.round.commits == {n: Commit(commitment(n), 10 + n) for n in range(4)}
    assert (committed.round.enrolled, committed.round.min_peers) == (4, 3)
    assert (sealed.round.round, sealed.round.phase) == (2, Phase.COMMIT)
    assert (sealed.last_sealed_round, sealed.last_root) == (1, ROOT)
    assert first.phase is Phase.SEALED
    assert first.attests == dict.fromkeys(range(3), Attestation(ROOT, AUX))
    assert first.haves == {3: 0b0111}
    assert first.ended_block == sealed.round.opened_block
    assert (before.commit_average, before.exchange_average) == (4 * 256, 4 * 256)
    commit_took = 256 * (first.frozen_block - first.opened_block)
    exchange_took = min(4 * 256, 256 * (first.ended_block - first.started_block))
    assert sealed.commit_average == (7 * 4 * 256 + commit_took) // 8
    assert sealed.exchange_average == (7 * 4 * 256 + exchange_took) // 8


async def test_terms__are_what_was_deployed(make_site: SiteMaker) -> None:
    site = make_site(2, last_round=9, depth=3, exchange_blocks=5)
    async with site.open(None) as ledger:
        terms = await ledger.terms()
    assert (terms.chain_id, terms.contract, terms.registry) == (
        site.chain.chain_id,
        site.run,
        site.registry,
    )
    assert (terms.last_round, terms.depth) == (9, 3)
    assert (terms.commit_blocks, terms.exchange_blocks, terms.lo, terms.hi) == (4, 5, 2, 40)


async def test_commit__stands_once_and_repeats_are_done(make_site: SiteMaker) -> None:
    site = make_site(3)
    async with site.open(0) as ledger:
        await ledger.genesis(GENESIS)
        await ledger.genesis(GENESIS)
        await ledger.commit(1, 0, commitment(0), 5, GENESIS)
        await ledger.commit(1, 0, commitment(0), 5, GENESIS)
        with pytest.raises(TransactionRevertedError, match="AlreadyCommitted") as other:
            await ledger.commit(1, 0, commitment(1), 5, GENESIS)
        with pytest.raises(TransactionRevertedError, match=r"WrongRound\(1\)"):
            await ledger.commit(2, 0, commitment(0), 5, GENESIS)
        with pytest.raises(TransactionRevertedError, match=r"GenesisStands\(0x2222"):
            await ledger.genesis(ROOT)
    assert other.value.reason == "AlreadyCommitted"


async def test_posts_after_the_seal__count_as_done(make_site: SiteMaker) -> None:
    site = make_site(3)
    async with AsyncExitStack() as stack:
        ledgers = await site.open_all(stack)
        await commit_all(ledgers)
        await ledgers[0].attest(1, 0, ROOT, AUX)
        await ledgers[0].attest(1, 0, ROOT, AUX)
        with pytest.raises(TransactionRevertedError, match="AlreadyAttested"):
            await ledgers[0].attest(1, 0, commitment(0), AUX)
        await ledgers[0].have(1, 0, 0b111)
        await ledgers[1].attest(1, 0, ROOT, AUX)
        await ledgers[2].attest(1, 0, ROOT, AUX)
        await ledgers[2].have(1, 0, 0b111)
        await ledgers[2].next_attempt(1, 0)
        assert (await ledgers[2].final_view()).last_sealed_round == 1


async def test_next_attempt__opens_once_and_is_refused_too_early(make_site: SiteMaker) -> None:
    site = make_site(3, exchange_blocks=1, lo=1, hi=1)
    async with AsyncExitStack() as stack:
        ledgers = await site.open_all(stack)
        await commit_all(ledgers)
        with pytest.raises(TransactionRevertedError, match="TooEarly"):
            await ledgers[0].next_attempt(1, 0)
        for ledger in ledgers:
            with pytest.raises(TransactionRevertedError, match="WrongAttempt"):
                await ledger.have(1, 1, 0b111)
        site.chain.mine(5)
        await ledgers[0].next_attempt(1, 0)
        await ledgers[1].next_attempt(1, 0)
        view = await ledgers[1].final_view()
    assert view.consecutive_voids == 1  # nobody had posted
    assert view.round.round == 2


async def test_stop_votes__end_the_run(make_site: SiteMaker) -> None:
    site = make_site(3)
    async with AsyncExitStack() as stack:
        ledgers = await site.open_all(stack)
        await ledgers[0].genesis(GENESIS)
        await ledgers[0].join()
        for ledger in ledgers[:2]:
            await ledger.vote_stop()
        await ledgers[2].vote_stop()
        view = await ledgers[2].final_view()
    assert view.finished
    assert view.stopped


async def test_final_view__lags_the_head_by_the_depth(make_site: SiteMaker) -> None:
    site = make_site(2, depth=4)
    async with site.open(0) as ledger:
        await ledger.genesis(GENESIS)
        assert (await ledger.final_view()).genesis_root == bytes(32)
        site.chain.mine(4)
        view = await ledger.final_view()
        assert view.genesis_root == GENESIS
        assert view.block.number == await ledger.head() - 4


async def test_final_view__is_read_at_one_block_and_never_at_the_latest(
    make_site: SiteMaker,
) -> None:
    site = make_site(2, depth=2)
    asked: list[tuple[object, ...]] = []
    async with site.open(0) as ledger:
        site.chain.mine(3)
        call = ledger._rpc.call

        def watched(*request: object) -> object:
            asked.append(request)
            return call(*request)  # type: ignore[arg-type] # the method's name and its parameters

        ledger._rpc.call = watched  # type: ignore[assignment, method-assign]
        block = (await ledger.final_view()).block
    views = [request for request in asked if request[0] == "eth_call"]
    assert len(views) >= 2
    assert {request[-1] for request in views} <= {hex(block.number), f"0x{block.hash.hex()}"}
    assert "latest" not in str(asked)


async def test_members__show_changes_of_addresses_and_revocations(make_site: SiteMaker) -> None:
    site = make_site(3)
    async with site.open(0) as ledger:
        await ledger.final_view()
        await ledger.set_addresses(("/ip4/127.0.0.1/tcp/9",))
        site.chain.mine(8)
        assert (await ledger.final_view()).members[0].addresses == ("/ip4/127.0.0.1/tcp/9",)
        deploy.revoke(site.url, site.parties[1].account_key, site.registry, 1, pause=site.pause)
        view = await ledger.final_view()
        assert [m.live for m in view.members] == [True, False, True]
        assert view.member(site.parties[1].identity.public) is None


async def test_bad_proof__is_flagged_and_shows_as_revoked(make_site: SiteMaker) -> None:
    site = make_site(2)
    stranger = site.parties[0].__class__(
        site.parties[0].identity.from_seed(b"\x09" * 32), b"\x09" * 32
    )
    site.invite(stranger)
    site.enrol(stranger, proof=bytes(64))
    async with site.open(0) as ledger:
        view = await ledger.final_view()
        assert ledger.bad_proofs == {2}
    assert [m.live for m in view.members] == [True, True, False]
    assert [m.live for m in deploy.read_members(site.url, site.registry)] == [True, True, False]


async def test_sends__go_in_order_when_tasks_race(make_site: SiteMaker) -> None:
    site = make_site(3)
    async with AsyncExitStack() as stack:
        ledgers = await site.open_all(stack)
        await commit_all(ledgers)
        async with trio.open_nursery() as nursery:
            for ledger in ledgers:
                nursery.start_soon(ledger.attest, 1, 0, ROOT, AUX)
                nursery.start_soon(ledger.join)
        assert (await ledgers[0].final_view()).last_root == ROOT


async def test_a_dead_chain__gets_no_signature(make_site: SiteMaker) -> None:
    site, kept = make_site(2), MemoryTransactions()
    async with site.open(0) as ledger:
        await ledger.recover(kept)
        site.chain.stop()
        with pytest.raises(LedgerUnavailableError):
            await ledger.commit(1, 0, commitment(0), 5, GENESIS)
    assert rows_of(kept, site) == []


async def test_unmined_transaction__is_replaced_with_a_higher_fee(make_site: SiteMaker) -> None:
    site, kept = make_site(2), MemoryTransactions()
    async with site.open(0, clock=StillClock(), mine_timeout=1.0, bump_after=0.5) as ledger:
        await ledger.recover(kept)
        with pytest.raises(LedgerUnavailableError, match="genesis was not mined within 1 s"):
            await ledger.genesis(GENESIS)
        with pytest.raises(LedgerUnavailableError, match="an earlier call was not mined"):
            await ledger.join()
    rows = rows_of(kept, site)
    async with site.open(0) as ledger:
        await ledger.recover(kept)
        await ledger.genesis(GENESIS)
        assert (await ledger.final_view()).genesis_root == GENESIS
    assert rows[-1].price > rows[0].price * 5 // 4
    assert len({(row.nonce, row.data) for row in rows}) == 1  # the same call, LEDGER-041


async def test_account_without_ether__is_told_so(make_site: SiteMaker) -> None:
    site = make_site(2)
    async with site.open(0) as ledger:
        spend_all(site, 0, await ledger.balance())
        with pytest.raises(LedgerUnavailableError, match="cannot pay for a transaction"):
            await ledger.join()


async def test_reader__refuses_to_send(make_site: SiteMaker) -> None:
    site = make_site(2)
    async with site.open(None) as ledger:
        with pytest.raises(LocalProtocolError, match="only reads"):
            await ledger.join()


def spend_all(site: RunSite, who: int, balance: int) -> None:
    with deploy.open_desk(site.url, site.parties[who].account_key, pause=site.pause) as desk:
        fee = desk.sender.fees().price * 21_000
        desk.send("transfer", site.parties[1].account, b"", gas=21_000, value=balance - fee)
        desk.finish()


async def test_addresses_that_are_no_text__do_not_keep_others_from_reading(
    make_site: SiteMaker,
) -> None:
    """The contract stores whatever bytes a member sends."""
    site = make_site()
    data = contract_abi("SwarmRegistry").call_data("setAddresses", "?" * 8)
    garbage = data.replace(b"?" * 8, b"\xff\xfe" * 4)
    with deploy.open_desk(site.url, site.parties[1].account_key, pause=site.pause) as desk:
        desk.send("garbage", site.registry, garbage, gas=1_000_000)
        desk.finish()
    async with site.open(0) as ledger:
        members = (await ledger.final_view()).members
    assert [member.live for member in members] == [True] * len(site.parties)
