"""The table of signed transactions in the state database: what an account's outbox remembers.

A row is on disk before the network sees its transaction. The rows belong to an account on a chain
and not to a run: nonces are the account's.
"""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager

from swarmp2p.errors import GuardConflictError, StateError
from swarmp2p.seams import TRANSACTION_STATES, KeptTransaction

MAX_RAW_BYTES = 1 << 17  # what Ethereum's nodes take at most
MAX_ROWS = 4_096  # of one account; the outbox prunes long before

# Chain ids and fees may need more than SQLite's 63 bits: they are kept as text.
TRANSACTIONS_TABLE = """
CREATE TABLE IF NOT EXISTS transactions (
    number INTEGER PRIMARY KEY, chain_id TEXT NOT NULL, account BLOB NOT NULL,
    nonce INTEGER NOT NULL, hash BLOB NOT NULL, raw BLOB NOT NULL, callee BLOB NOT NULL,
    data BLOB NOT NULL, gas INTEGER NOT NULL, price TEXT NOT NULL, tip TEXT, state TEXT NOT NULL,
    block INTEGER NOT NULL, UNIQUE (chain_id, account, hash)
)
"""
_ACCOUNT = "chain_id = ? AND account = ?"
_COLUMNS = "chain_id, account, nonce, hash, raw, callee, data, gas, price, tip, state, block"

Connection = Callable[[], AbstractContextManager[sqlite3.Connection]]


class TransactionTable:
    """The Transactions seam on a state database. Made by `SqliteStore.transactions`."""

    def __init__(self, read: Connection, write: Connection) -> None:
        """`read` and `write` lend the connection; what `write` lent is on disk when it is left."""
        self._read = read
        self._write = write

    def keep(self, row: KeptTransaction) -> None:
        """See Transactions.keep. Raises StateError for a row that is too large, or one too many."""
        if len(row.raw) > MAX_RAW_BYTES:
            raise StateError(
                f"a transaction of {len(row.raw)} bytes; expected at most {MAX_RAW_BYTES}"
            )
        account = (str(row.chain_id), row.account)
        with self._write() as connection:
            kept = connection.execute(
                f"SELECT callee, data FROM transactions WHERE {_ACCOUNT} AND nonce = ?",  # noqa: S608 - a constant
                (*account, row.nonce),
            ).fetchall()
            if any(call != (row.to, row.data) for call in kept):
                raise conflict(row)
            count = connection.execute(
                f"SELECT count(*) FROM transactions WHERE {_ACCOUNT}",  # noqa: S608 - a constant
                account,
            ).fetchone()[0]
            if count >= MAX_ROWS:
                raise StateError(f"{count} transactions are kept for one account; at most that")
            connection.execute(
                f"INSERT INTO transactions ({_COLUMNS})"  # noqa: S608 - a constant
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (chain_id, account, hash) DO NOTHING",
                (
                    *account,
                    row.nonce,
                    row.hash,
                    row.raw,
                    row.to,
                    row.data,
                    row.gas,
                    str(row.price),
                    None if row.tip is None else str(row.tip),
                    row.state,
                    row.block,
                ),
            )

    def mark(self, row: KeptTransaction, state: str, block: int = 0) -> None:
        """See Transactions.mark."""
        if state not in TRANSACTION_STATES:
            raise StateError(f"no such state of a transaction: {state!r}")
        with self._write() as connection:
            connection.execute(
                f"UPDATE transactions SET state = ?, block = ? WHERE {_ACCOUNT} AND hash = ?",  # noqa: S608 - a constant
                (state, block, str(row.chain_id), row.account, row.hash),
            )

    def rows(self, chain_id: int, account: bytes) -> list[KeptTransaction]:
        """See Transactions.rows."""
        with self._read() as connection:
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM transactions WHERE {_ACCOUNT} ORDER BY nonce, number",  # noqa: S608 - a constant
                (str(chain_id), account),
            ).fetchall()
        return [_row(each) for each in found]

    def prune(self, chain_id: int, account: bytes, below: int) -> None:
        """See Transactions.prune."""
        with self._write() as connection:
            connection.execute(
                f"DELETE FROM transactions WHERE {_ACCOUNT} AND nonce < ?"  # noqa: S608 - a constant
                " AND state IN ('mined', 'replaced')",
                (str(chain_id), account, below),
            )

    def release(self, chain_id: int, account: bytes) -> None:
        """See Transactions.release."""
        with self._write() as connection:
            connection.execute(
                f"UPDATE transactions SET state = 'replaced' WHERE {_ACCOUNT}"  # noqa: S608 - a constant
                " AND state = 'foreign'",
                (str(chain_id), account),
            )


def conflict(row: KeptTransaction) -> GuardConflictError:
    """What `keep` raises for a second call under a nonce."""
    return GuardConflictError(
        f"nonce {row.nonce} of account 0x{row.account.hex()} is signed for another call already"
    )


def _row(row: tuple[object, ...]) -> KeptTransaction:
    chain_id, account, nonce, hash_, raw, to, data, gas, price, tip, state, block = row
    return KeptTransaction(
        chain_id=int(str(chain_id)),
        account=_bytes(account),
        nonce=_int(nonce),
        hash=_bytes(hash_),
        raw=_bytes(raw),
        to=_bytes(to),
        data=_bytes(data),
        gas=_int(gas),
        price=int(str(price)),
        tip=None if tip is None else int(str(tip)),
        state=str(state),
        block=_int(block),
    )


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise StateError("the table of transactions holds text where bytes go: it is damaged")
    return value


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise StateError("the table of transactions holds no number where one goes: it is damaged")
    return value
