"""Kept transactions: the same promises from SQLite and from memory, and what only a disk shows."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from swarmp2p.errors import GuardConflictError, StateError
from swarmp2p.ledger.outbox import MemoryTransactions
from swarmp2p.seams import TRANSACTION_STATES, KeptTransaction, Transactions
from swarmp2p.store.outbox import MAX_RAW_BYTES
from swarmp2p.store.state import open_store

ROW = KeptTransaction(
    chain_id=2**200 + 1,
    account=b"a" * 20,
    nonce=7,
    hash=b"1" * 32,
    raw=b"raw",
    to=b"t" * 20,
    data=b"data",
    gas=21_000,
    price=2**70,
    tip=None,
)
DEARER = replace(ROW, hash=b"2" * 32, raw=b"dear", price=2**71, tip=5)
LATER = replace(ROW, nonce=8, hash=b"3" * 32, data=b"other")
Again = Callable[[], Transactions]


@pytest.fixture(params=["sqlite", "memory"])
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Again]:
    """The same transactions again, for SQLite as a restart finds them."""
    if request.param == "memory":
        kept = MemoryTransactions()
        yield lambda: kept
        return
    stores = [open_store(tmp_path / "state", bytes(32))]

    def reopened() -> Transactions:
        stores.pop().close()
        stores.append(open_store(tmp_path / "state", b"\x01" * 32))  # another run, same account
        return stores[0].transactions()

    yield reopened
    stores[0].close()


def rows(kept: Transactions) -> list[KeptTransaction]:
    return kept.rows(ROW.chain_id, ROW.account)


def test_kept__stands_after_a_restart_in_order(again: Again) -> None:
    kept = again()
    kept.keep(LATER)
    kept.keep(ROW)
    kept.keep(DEARER)
    kept.keep(ROW)
    kept.mark(DEARER, "sent", 9)
    assert rows(again()) == [ROW, replace(DEARER, state="sent", block=9), LATER]
    assert again().rows(1, ROW.account) == []
    assert again().rows(ROW.chain_id, b"b" * 20) == []


@pytest.mark.parametrize(
    "change", [{"data": b"x"}, {"to": b"x" * 20}, {"to": b""}], ids=["data", "to", "creation"]
)
def test_second_call_under_a_nonce__is_refused(again: Again, change: dict[str, bytes]) -> None:
    kept = again()
    kept.keep(ROW)
    with pytest.raises(GuardConflictError, match="nonce 7 of account 0x6161"):
        kept.keep(replace(DEARER, **change))
    kept.mark(ROW, "mined", 3)
    with pytest.raises(GuardConflictError):
        kept.keep(replace(DEARER, **change))
    assert rows(again()) == [replace(ROW, state="mined", block=3)]


def test_prune__forgets_what_is_settled_and_nothing_else(again: Again) -> None:
    kept = again()
    for number, state in enumerate(TRANSACTION_STATES):
        row = replace(ROW, nonce=number, hash=bytes([number]) * 32)
        kept.keep(row)
        kept.mark(row, state)
    kept.prune(ROW.chain_id, ROW.account, len(TRANSACTION_STATES))
    assert [row.state for row in rows(again())] == ["unsent", "sent", "foreign"]
    kept = again()
    kept.release(ROW.chain_id, ROW.account)
    assert [row.state for row in rows(again())] == ["unsent", "sent", "replaced"]


def test_table__bounds_what_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmp2p.store.outbox.MAX_ROWS", 2)
    with open_store(tmp_path / "state", bytes(32)) as store:
        kept = store.transactions()
        with pytest.raises(StateError, match=f"at most {MAX_RAW_BYTES}"):
            kept.keep(replace(ROW, raw=bytes(MAX_RAW_BYTES + 1)))
        with pytest.raises(StateError, match="no such state"):
            kept.mark(ROW, "lost")
        kept.keep(ROW)
        kept.keep(DEARER)
        with pytest.raises(StateError, match="2 transactions are kept"):
            kept.keep(LATER)
        assert len(rows(kept)) == 2
