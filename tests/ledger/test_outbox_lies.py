"""The outbox against an endpoint that lies, lags or lives in another market."""

from pathlib import Path

import pytest
from fault_proxy import FaultProxy, Forward, Request, on, result
from ledger_site import GENESIS, MiningClock, SiteMaker, rows_of
from outbox_tools import call_of, sender_of, swallowed

from swarmp2p.errors import LedgerUnavailableError
from swarmp2p.ledger.outbox import MAX_BUMPS, MemoryTransactions, Outbox
from swarmp2p.store.state import SqliteStore

HERE = Path(__file__).parent
SEND = "eth_sendRawTransaction"


@pytest.mark.parametrize("method", ["eth_getTransactionCount", "eth_blockNumber"])
async def test_number_that_no_chain_reaches__is_the_endpoints_trouble_and_signs_nothing(
    make_site: SiteMaker, store: SqliteStore, method: str
) -> None:
    site, kept = make_site(2), store.transactions()
    with FaultProxy(site.url) as proxy:
        async with site.open(0, url=proxy.url) as ledger:
            await ledger.recover(kept)
            proxy.fault = on(method, lambda _request, _forward: hex(1 << 63))
            with pytest.raises(LedgerUnavailableError, match="larger than"):
                await ledger.genesis(GENESIS)
            assert rows_of(kept, site) == []
            proxy.fault = None
            await ledger.genesis(GENESIS)


async def test_receipt_of_a_block_that_no_chain_reaches__is_the_endpoints_trouble(
    make_site: SiteMaker, store: SqliteStore
) -> None:
    site, kept = make_site(2, depth=6), store.transactions()

    def far(_request: Request, forward: Forward) -> object:
        receipt = forward()["result"]
        return receipt and {**receipt, "blockNumber": hex(1 << 63)}

    with FaultProxy(site.url) as proxy:
        async with site.open(0, url=proxy.url) as ledger:
            await ledger.recover(kept)
            proxy.fault = on("eth_getTransactionReceipt", far)
            with pytest.raises(LedgerUnavailableError, match="larger than"):
                await ledger.genesis(GENESIS)
            proxy.fault = None
            await ledger.genesis(GENESIS)
    assert len(rows_of(kept, site)) == 1


async def test_chain_that_never_saw_what_was_final__is_sent_nothing(
    make_site: SiteMaker, store: SqliteStore
) -> None:
    """A development chain that was started anew, or an endpoint far behind."""
    before, after, kept = make_site(2), make_site(2), store.transactions()
    async with before.open(0) as ledger:
        await ledger.recover(kept)
        for _ in range(3):
            await ledger.join()
        await ledger.recover(kept)  # what is final is noted
    kept_before = rows_of(kept, before)
    async with after.open(0) as ledger:
        await ledger.recover(kept)
        with pytest.raises(LedgerUnavailableError, match=r"counts 1 .* 4 of .* final"):
            await ledger.genesis(GENESIS)
    assert rows_of(kept, before) == kept_before


async def test_market_beyond_the_last_offer__is_followed(make_site: SiteMaker) -> None:
    """The offers that are made blindly are few; an account must not be stuck behind them."""
    site, kept = make_site(2), MemoryTransactions()
    with FaultProxy(site.url) as proxy, sender_of(site, url=proxy.url) as sender:
        outbox = Outbox(sender, kept)
        proxy.fault = on(SEND, swallowed)
        outbox.post(site.run, call_of("join"), 1_500_000)
        for _ in range(MAX_BUMPS + 3):
            outbox.raise_price(1)
        assert len(rows_of(kept, site)) == MAX_BUMPS + 1
        last = rows_of(kept, site)[-1].price
        tagged = on("eth_getBlockByNumber", lambda _r, _f: {"baseFeePerGas": hex(2 * last)})
        proxy.fault = lambda request, forward: (
            result(request, swallowed(request, forward))
            if request["method"] == SEND
            else tagged(request, forward)
        )
        for _ in range(3):
            outbox.raise_price(1)
    rows = rows_of(kept, site)
    assert len(rows) == MAX_BUMPS + 2  # one at the market's price, and no more blind ones
    assert rows[-1].price >= 4 * last


async def test_endpoint_a_block_behind_at_the_first_call__accuses_nobody(
    make_site: SiteMaker,
) -> None:
    """As behind a load balancer: the enrolment's nonce must not be signed a second time."""
    site, kept = make_site(2), MemoryTransactions()

    def behind(request: Request, forward: Forward) -> object:
        newest = request["params"][1] in {"latest", "pending"}
        return "0x0" if newest else forward()["result"]

    with FaultProxy(site.url) as proxy:
        async with site.open(0, url=proxy.url, mine_timeout=1.0) as ledger:
            await ledger.recover(kept)
            proxy.fault = on("eth_getTransactionCount", behind)
            await ledger.genesis(GENESIS)
            proxy.fault = None
            await ledger.join()
    assert {row.nonce for row in rows_of(kept, site)} == {1, 2}


async def test_receipt_that_is_late__accuses_nobody(make_site: SiteMaker) -> None:
    site, kept = make_site(2), MemoryTransactions()
    clock = MiningClock(site.chain)
    with FaultProxy(site.url) as proxy:

        def late(_request: Request, forward: Forward) -> object:
            return forward()["result"] if clock.now() >= 10.0 else None

        async with site.open(0, url=proxy.url, clock=clock, mine_timeout=0.5) as ledger:
            await ledger.recover(kept)
            proxy.fault = on("eth_getTransactionReceipt", late)
            with pytest.raises(LedgerUnavailableError, match="was not mined"):
                await ledger.genesis(GENESIS)
            await ledger.join()
    assert next(row.state for row in rows_of(kept, site)) == "mined"
