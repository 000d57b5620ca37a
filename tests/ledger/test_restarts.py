"""Processes that are killed while they send, and two that would send for one account."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fault_proxy import FaultProxy, Forward, Request
from ledger_site import GENESIS, RunSite, SiteMaker, rows_of

from swarmp2p.errors import AccountInUseError
from swarmp2p.ledger.account_lock import account_lock, lock_directory
from swarmp2p.store.state import open_store

HERE = Path(__file__).parent
SEND = "eth_sendRawTransaction"


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
