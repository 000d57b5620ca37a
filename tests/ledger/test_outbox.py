"""The outbox: what was signed is never lost, never signed twice, and others are noticed."""

import threading
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from fault_proxy import FaultProxy, Forward, Request, on, refusal, result
from ledger_site import GENESIS, MiningClock, SiteMaker, StillClock, rows_of
from outbox_tools import call_of, sender_of, swallowed

from swarmp2p.errors import AccountInUseError, LedgerUnavailableError, TransactionRevertedError
from swarmp2p.ledger import deploy
from swarmp2p.ledger.outbox import MAX_BUMPS, MemoryTransactions, Outbox
from swarmp2p.ledger.transactions import Answer
from swarmp2p.store.state import SqliteStore

HERE = Path(__file__).parent
SEND = "eth_sendRawTransaction"


async def test_foreign_transaction_under_our_nonce__stops_all_signing(
    make_site: SiteMaker, store: SqliteStore
) -> None:
    site, kept = make_site(2), store.transactions()
    with FaultProxy(site.url) as proxy:
        proxy.fault = on(SEND, swallowed)
        async with site.open(0, url=proxy.url, clock=StillClock(), mine_timeout=0.5) as ledger:
            await ledger.recover(kept)
            with pytest.raises(LedgerUnavailableError, match="genesis was not mined"):
                await ledger.genesis(GENESIS)
            with deploy.open_desk(site.url, site.parties[0].account_key, pause=site.pause) as desk:
                desk.call("SwarmRun", site.run, "join")  # another machine, the same account
            for _ in range(2):
                with pytest.raises(AccountInUseError, match="another process sends for this"):
                    await ledger.genesis(GENESIS)
    async with site.open(0) as ledger:
        with pytest.raises(AccountInUseError):
            await ledger.recover(kept)  # and so at every start
        with pytest.raises(AccountInUseError):
            await ledger.genesis(GENESIS)
        kept.release(site.chain.chain_id, site.parties[0].account)
        await ledger.genesis(GENESIS)
    assert [row.state for row in rows_of(kept, site)][:1] == ["replaced"]
    assert len(rows_of(kept, site)) == 2


async def test_foreign_nonce_between_our_calls__is_noticed(make_site: SiteMaker) -> None:
    site = make_site(2)
    async with site.open(0) as ledger:
        await ledger.join()
        with deploy.open_desk(site.url, site.parties[0].account_key, pause=site.pause) as desk:
            desk.call("SwarmRun", site.run, "join")
        with pytest.raises(AccountInUseError, match="nonce 2 of account"):
            await ledger.genesis(GENESIS)


async def test_foreign_transaction_in_the_pool__is_not_competed_with(make_site: SiteMaker) -> None:
    site = make_site(2)
    async with site.open(0) as ledger:
        with sender_of(site) as other:
            other.send(site.run, call_of("join"), gas=1_500_000)
            with pytest.raises(LedgerUnavailableError, match=r"1 transactions of .*not sign"):
                await ledger.genesis(GENESIS)
            site.chain.mine()
            await ledger.genesis(GENESIS)


def test_desk__is_told_of_a_nonce_that_is_used(make_site: SiteMaker) -> None:
    site = make_site(2)
    with (
        sender_of(site) as sender,
        pytest.raises(LedgerUnavailableError, match="does another process send"),
    ):
        sender.send(site.run, call_of("join"), gas=1_500_000, nonce=0)


@pytest.mark.parametrize(
    ("says", "answer"),
    [
        ("already known", Answer.TAKEN),
        ("AlreadyKnown", Answer.TAKEN),
        ("Known transaction", Answer.TAKEN),
        ("transaction already imported", Answer.TAKEN),
        ("replacement transaction underpriced", Answer.UNDERPRICED),
        ("max fee per gas less than block base fee", Answer.UNDERPRICED),
        ("nonce too low: next nonce 5, tx nonce 4", Answer.NONCE_USED),
        ("OldNonce", Answer.NONCE_USED),
        ("exceeds block gas limit", None),
    ],
)
def test_refusals_of_a_send__are_told_apart(
    make_site: SiteMaker, says: str, answer: Answer | None
) -> None:
    site = make_site(2)
    with FaultProxy(site.url) as proxy, sender_of(site, url=proxy.url) as sender:
        row = sender.sign(site.run, call_of("join"), 1_500_000, 1, sender.fees())
        proxy.fault = lambda request, _forward: refusal(request, -32000, says)
        if answer is None:
            with pytest.raises(LedgerUnavailableError, match=says):
                sender.broadcast(row)
        else:
            assert sender.broadcast(row) is answer


# ---- prices, gaps, lies


async def test_stuck_call__is_offered_more_a_bounded_number_of_times(
    make_site: SiteMaker,
) -> None:
    site, kept = make_site(2), MemoryTransactions()
    still = StillClock()
    async with site.open(0, clock=still, mine_timeout=30.0, bump_after=1.0) as ledger:
        await ledger.recover(kept)
        with pytest.raises(LedgerUnavailableError, match="genesis was not mined within 30 s"):
            await ledger.genesis(GENESIS)
        with pytest.raises(LedgerUnavailableError, match="an earlier call was not mined"):
            await ledger.join()
    rows = rows_of(kept, site)
    assert len(rows) == MAX_BUMPS + 1
    assert len({(row.nonce, row.to, row.data) for row in rows}) == 1
    for cheap, dear in pairwise(rows):
        assert dear.price * 8 >= cheap.price * 9
        assert (dear.tip or 0) * 8 >= (cheap.tip or 0) * 9
    async with site.open(0) as ledger:
        await ledger.recover(kept)
        await ledger.join()
        view = await ledger.final_view()
    assert view.genesis_root == GENESIS
    assert {row.nonce for row in rows_of(kept, site)} == {1, 2}


async def test_lower_nonce_lost_from_the_pool__is_sent_again(make_site: SiteMaker) -> None:
    site, kept = make_site(2), MemoryTransactions()
    with FaultProxy(site.url) as proxy, sender_of(site, url=proxy.url) as sender:
        outbox = Outbox(sender, kept)
        proxy.fault = on(SEND, swallowed)
        outbox.post(site.run, call_of("genesis", GENESIS), 1_500_000)
        proxy.fault = None
        outbox.post(site.run, call_of("join"), 1_500_000)
        head = site.chain.mine()
        standing = outbox.reconcile(head)  # the second waits for the first, which is lost
        assert [flight.nonce for flight in standing.waiting] == [1, 2]
        head = site.chain.mine()
        assert outbox.reconcile(head).waiting == ()
    assert [row.state for row in rows_of(kept, site)] == ["mined", "mined"]


async def test_block_that_a_reorganisation_dropped__its_call_is_sent_again(
    make_site: SiteMaker,
) -> None:
    site, kept = make_site(2), MemoryTransactions()
    with FaultProxy(site.url) as proxy, sender_of(site, url=proxy.url) as sender:
        outbox = Outbox(sender, kept)
        raw = outbox.post(site.run, call_of("join"), 1_500_000).last.raw
        site.chain.mine()
        assert outbox.look(1) is not None
        before = len(proxy.seen)

        def dropped(request: Request, forward: Forward) -> object:
            answers = {
                "eth_getTransactionCount": "0x1",
                "eth_getTransactionReceipt": None,
                SEND: "0x" + "00" * 32,
            }
            method = request["method"]
            return result(request, answers[method]) if method in answers else forward()

        proxy.fault = dropped
        assert [flight.nonce for flight in outbox.reconcile(0).waiting] == [1]
        again = [r["params"][0] for r in proxy.seen[before:] if r["method"] == SEND]
    assert again == ["0x" + raw.hex()]


async def test_cancelled_call__goes_on_where_it_was(make_site: SiteMaker) -> None:
    """What is being sent when its task is cancelled is neither lost nor signed again."""
    site, kept = make_site(2), MemoryTransactions()
    under_way, go_on = threading.Event(), threading.Event()
    with FaultProxy(site.url) as proxy:

        def held(request: Request, forward: Forward) -> object:
            if request["method"] == SEND:
                under_way.set()
                go_on.wait(30)
            return forward()

        proxy.fault = held
        async with site.open(0, url=proxy.url) as ledger:
            await ledger.recover(kept)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ledger.genesis, GENESIS)
                await trio.to_thread.run_sync(under_way.wait)
                nursery.cancel_scope.cancel()
                go_on.set()
            assert [row.state for row in rows_of(kept, site)] == ["sent"]
            await ledger.genesis(GENESIS)
            assert (await ledger.final_view()).genesis_root == GENESIS
    assert len(rows_of(kept, site)) == 1


async def test_send_that_timed_out__is_repeated_with_the_same_bytes_only(
    make_site: SiteMaker,
) -> None:
    site, kept = make_site(2), MemoryTransactions()
    with FaultProxy(site.url) as proxy:

        def lost(request: Request, forward: Forward) -> object:
            reply = forward()
            return proxy.hang(request, forward) if request["method"] == SEND else reply

        async with site.open(0, url=proxy.url, call_timeout=0.5) as ledger:
            await ledger.recover(kept)
            proxy.fault = lost
            with pytest.raises(LedgerUnavailableError, match=r"within 0\.5 s"):
                await ledger.genesis(GENESIS)
            proxy.fault = None
            await ledger.genesis(GENESIS)
        raws = [request["params"][0] for request in proxy.seen if request["method"] == SEND]
    assert len(raws) == 2
    assert len(set(raws)) == 1
    assert len(rows_of(kept, site)) == 1


async def test_receipt_of_a_transaction_that_is_nowhere__moves_nothing(
    make_site: SiteMaker,
) -> None:
    """The effect counts when a final view shows it, and not before."""
    site, kept = make_site(2), MemoryTransactions()
    with FaultProxy(site.url) as proxy:

        def lie(request: Request, forward: Forward) -> object:
            match request["method"]:
                case "eth_sendRawTransaction":
                    return result(request, "0x" + "00" * 32)
                case "eth_getTransactionReceipt":
                    head = hex(site.chain.mine())
                    fields = {"blockNumber": head, "status": "0x1", "gasUsed": "0x1"}
                    return result(request, fields)
            return forward()

        async with site.open(0, url=proxy.url) as ledger:
            await ledger.recover(kept)
            proxy.fault = lie
            await ledger.genesis(GENESIS)
            assert (await ledger.final_view()).genesis_root == bytes(32)
            proxy.fault = None
            await ledger.genesis(GENESIS)  # as the node does when no view shows it
            assert (await ledger.final_view()).genesis_root == GENESIS
    assert len({(row.nonce, row.to, row.data) for row in rows_of(kept, site)}) == 1


@pytest.mark.parametrize("status", ["0x0", None])
async def test_receipt_that_denies_a_success__changes_nothing_or_halts(
    make_site: SiteMaker, status: str | None
) -> None:
    site, kept = make_site(2), MemoryTransactions()

    def denied(_request: Request, forward: Forward) -> object:
        receipt = forward()["result"]
        return {**receipt, "status": status} if status and receipt else None

    with FaultProxy(site.url) as proxy:
        clock = MiningClock(site.chain)
        async with site.open(0, url=proxy.url, clock=clock, mine_timeout=0.5) as ledger:
            await ledger.recover(kept)
            proxy.fault = on("eth_getTransactionReceipt", denied)
            if status is None:
                with pytest.raises(LedgerUnavailableError, match="was not mined"):
                    await ledger.genesis(GENESIS)
                with pytest.raises(AccountInUseError):  # an endpoint that hides our own
                    await ledger.join()
            else:
                await ledger.genesis(GENESIS)
            assert (await ledger.final_view()).genesis_root == GENESIS
    assert len(rows_of(kept, site)) == 1


async def test_refusal__is_still_told_with_its_reason(make_site: SiteMaker) -> None:
    site = make_site(2)
    async with site.open(0) as ledger:
        await ledger.genesis(GENESIS)
        with pytest.raises(TransactionRevertedError, match="GenesisStands"):
            await ledger.genesis(bytes(31) + b"\x01")


async def test_call_in_a_block_that_is_not_final__is_not_sent_again(make_site: SiteMaker) -> None:
    site, kept = make_site(2, depth=6), MemoryTransactions()
    async with site.open(0) as ledger:
        await ledger.recover(kept)
        await ledger.genesis(GENESIS)
        await ledger.genesis(GENESIS)  # a node asks so while no final view shows it
        assert (await ledger.final_view()).genesis_root == bytes(32)
        assert len(rows_of(kept, site)) == 1
        first, second = ("/ip4/127.0.0.1/tcp/8",), ("/ip4/127.0.0.1/tcp/9",)
        for addresses in (first, second, second, first):
            await ledger.set_addresses(addresses)
        assert len(rows_of(kept, site)) == 4  # the second `second` alone was spared
        site.chain.mine(12)
        assert (await ledger.final_view()).members[0].addresses == first
        await ledger.join()
        site.chain.mine(6)
        await ledger.join()  # the first is final: what it did may have been undone since
    assert len(rows_of(kept, site)) == 6


async def test_rows__are_pruned_once_final(
    make_site: SiteMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmp2p.ledger.outbox.KEPT_NONCES", 3)
    site, kept = make_site(2), MemoryTransactions()
    async with site.open(0) as ledger:
        await ledger.recover(kept)
        for _ in range(8):
            await ledger.join()
    assert len(rows_of(kept, site)) <= 4
