import pytest
from ledger_site import GENESIS, RunSite, SiteMaker, StillClock, rows_of

from swarmp2p.errors import LedgerUnavailableError, LocalProtocolError
from swarmp2p.ledger import deploy
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.outbox import MemoryTransactions

ROOT = b"\x33" * 32


def commitment(index: int) -> bytes:
    return bytes([0x40 + index]) * 32


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
