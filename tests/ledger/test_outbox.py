"""The outbox: what was signed is never lost, never signed twice, and others are noticed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from fault_proxy import FaultProxy, Forward, Request, on, result
from ledger_site import GENESIS, MiningClock, RunSite, SiteMaker

from swarmp2p.errors import AccountInUseError, LedgerUnavailableError, TransactionRevertedError
from swarmp2p.ledger import deploy
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.account_lock import account_lock, lock_directory
from swarmp2p.ledger.outbox import MAX_BUMPS, MemoryTransactions, Outbox
from swarmp2p.ledger.rpc import RpcClient
from swarmp2p.ledger.transactions import Sender
from swarmp2p.seams import KeptTransaction, Transactions
from swarmp2p.store.state import SqliteStore, open_store

HERE = Path(__file__).parent
SEND = "eth_sendRawTransaction"


class StillClock:
    """Time passes, and no block comes."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds
        await trio.lowlevel.checkpoint()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with open_store(tmp_path / "state", bytes(32)) as store:
        yield store


def rows_of(kept: Transactions, site: RunSite, who: int = 0) -> list[KeptTransaction]:
    return kept.rows(site.chain.chain_id, site.parties[who].account)


@contextmanager
def sender_of(site: RunSite, who: int = 0, url: str | None = None) -> Iterator[Sender]:
    with RpcClient(url or site.url) as rpc:
        yield Sender(rpc, site.parties[who].account_key, site.chain.chain_id)


def call_of(function: str, *arguments: object) -> bytes:
    return contract_abi("SwarmRun").call_data(function, *arguments)


# ---- a process that is killed


def child(
    site: RunSite, state: Path, proxy: FaultProxy, bump_after: float
) -> "subprocess.Popen[bytes]":
    """A process of its own that sends `genesis` for the first party."""
    command = [sys.executable, str(HERE / "outbox_child.py"), str(state), proxy.url]
    command += [site.run.hex(), "1", str(bump_after)]
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths})


@contextmanager
def killed_at(
    site: RunSite, state: Path, *, sends: int, arrives: bool, bump_after: float = 9.0
) -> Iterator[None]:
    """A process that sends `genesis`, killed while its `sends`-th raw transaction is under way.

    `arrives`: the chain gets that one before the process dies. No block is mined meanwhile.
    """
    reached, dead, count = threading.Event(), threading.Event(), 0

    def fault(request: Request, forward: Forward) -> object:
        nonlocal count
        count += request["method"] == SEND
        if request["method"] != SEND or count < sends:
            return forward()
        reply = forward() if arrives else None
        reached.set()
        dead.wait(30)
        return reply

    with FaultProxy(site.url) as proxy:
        proxy.fault = fault
        with child(site, state, proxy, bump_after) as process:
            try:
                assert reached.wait(60)
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait(30)
                dead.set()
        yield


@pytest.mark.live
@pytest.mark.parametrize(
    ("sends", "arrives", "bump_after", "states"),
    [
        (1, False, 9.0, ["mined"]),  # signed, not broadcast
        (1, True, 9.0, ["mined"]),  # broadcast, not mined
        (2, False, 0.0, ["mined", "replaced"]),  # replaced, and the dearer one not broadcast
        (2, True, 0.0, ["mined", "replaced"]),  # replaced, not mined
    ],
    ids=["unsent", "sent", "dearer-unsent", "replaced"],
)
async def test_killed_process__its_call_lands_once(  # noqa: PLR0917 - the cases
    make_site: SiteMaker,
    tmp_path: Path,
    sends: int,
    arrives: bool,  # noqa: FBT001 - as above
    bump_after: float,
    states: list[str],
) -> None:
    site, state = make_site(2), tmp_path / "state"
    with killed_at(site, state, sends=sends, arrives=arrives, bump_after=bump_after):
        pass
    with open_store(state, bytes(32)) as store:
        kept = store.transactions()
        before = rows_of(kept, site)
        assert [row.state for row in before][-1] == "unsent"  # nobody told the process
        assert len(before) == sends
        async with site.open(0, locks=state / "locks") as ledger:
            await ledger.recover(kept)
            await ledger.genesis(GENESIS)  # the node asks again, and no second call is signed
            assert (await ledger.final_view()).genesis_root == GENESIS
            await ledger.recover(kept)  # all is final now
        after = rows_of(kept, site)
    assert [row.raw for row in after] == [row.raw for row in before]
    assert sorted(row.state for row in after) == states
    assert len({(row.nonce, row.to, row.data) for row in after}) == 1


@pytest.mark.live
async def test_killed_process__an_older_one_of_a_nonce_may_be_mined(
    make_site: SiteMaker, tmp_path: Path
) -> None:
    """Two were signed for the nonce, and the cheaper one is in a block."""
    site, state = make_site(2), tmp_path / "state"
    with killed_at(site, state, sends=2, arrives=False, bump_after=0.0):
        site.chain.mine()
    with open_store(state, bytes(32)) as store:
        kept = store.transactions()
        async with site.open(0) as ledger:
            await ledger.recover(kept)
        assert [row.state for row in rows_of(kept, site)] == ["mined", "replaced"]


@pytest.mark.live
async def test_second_process__is_refused_on_the_same_machine(
    make_site: SiteMaker, tmp_path: Path
) -> None:
    site = make_site(2)
    state = tmp_path / "one"
    reached = threading.Event()
    with FaultProxy(site.url) as proxy:

        def fault(request: Request, forward: Forward) -> object:
            if request["method"] != SEND:
                return forward()
            reached.set()
            proxy.closing.wait()
            return None

        proxy.fault = fault
        with child(site, state, proxy, 9.0) as process:
            try:
                assert reached.wait(60)
                with pytest.raises(AccountInUseError, match=f"process {process.pid} of this"):
                    async with site.open(0, locks=state / "locks"):
                        pass
                async with site.open(1, locks=state / "locks"):  # another account
                    pass
            finally:
                process.kill()
                process.wait(30)
    async with site.open(0, locks=state / "locks") as ledger:
        await ledger.join()


def test_lock__lies_in_the_users_state_directory(tmp_path: Path) -> None:
    home, other, state = tmp_path / "home", tmp_path / "other", tmp_path / "state"
    known = home / ".local" / "state" / "swarmp2p" / "accounts"
    assert lock_directory({"HOME": str(home)}, state) == known
    both = {"HOME": str(home), "XDG_STATE_HOME": str(other)}
    assert lock_directory(both, state) == other / "swarmp2p" / "accounts"
    assert lock_directory({"XDG_STATE_HOME": "relative"}, state) == state
    assert lock_directory({"HOME": "/proc/1"}, state) == state
    assert lock_directory({}, state) == state
    with account_lock(tmp_path / "locks", 1, bytes(32), bytes(20)):
        with account_lock(tmp_path / "locks", 2, bytes(32), bytes(20)):
            pass
        with (
            pytest.raises(AccountInUseError, match=f"process {os.getpid()} "),
            account_lock(tmp_path / "locks", 1, bytes(32), bytes(20)),
        ):
            pass
    with account_lock(tmp_path / "locks", 1, bytes(32), bytes(20)):
        pass
    assert list((tmp_path / "locks").iterdir()) == []


# ---- others


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


def swallowed(request: Request, _forward: Forward) -> object:
    """A pool that forgets what it took."""
    return "0x" + "00" * 32 if request else None


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


# ---- prices, gaps, lies


async def test_stuck_call__is_offered_an_eighth_more_a_bounded_number_of_times(
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


async def test_dead_chain__gets_no_signature(make_site: SiteMaker) -> None:
    site, kept = make_site(2), MemoryTransactions()
    async with site.open(0) as ledger:
        await ledger.recover(kept)
        site.chain.stop()
        with pytest.raises(LedgerUnavailableError):
            await ledger.genesis(GENESIS)
    assert rows_of(kept, site) == []


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
