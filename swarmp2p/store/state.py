"""One identity's durable state in SQLite: guard rows, sequence numbers, small named values.

A state directory belongs to one process at a time. Every call is on disk when it returns
(write-ahead log, `synchronous=FULL`), so a kill between two calls loses nothing.
"""

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from swarmp2p.errors import StateError, StateLockedError
from swarmp2p.seams import Slot
from swarmp2p.store.chunks import ChunkFiles
from swarmp2p.store.outbox import TRANSACTIONS_TABLE, TransactionTable
from swarmp2p.wire.registry import MAX_CONTROL_FRAME, SEQ_BLOCK

DATABASE = "state.db"  # in the state directory
SCHEMA_VERSION = 1
MAX_VALUE_BYTES = 1 << 20  # a cursor or a root; whatever is larger is a chunk

_TABLES = """
CREATE TABLE guard (
    domain BLOB NOT NULL, kind TEXT NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL,
    recipient BLOB NOT NULL, place INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (domain, kind, round, attempt, recipient, place)
) WITHOUT ROWID;
CREATE TABLE sequences (
    domain BLOB NOT NULL, kind TEXT NOT NULL, recipient BLOB NOT NULL, reserved INTEGER NOT NULL,
    PRIMARY KEY (domain, kind, recipient)
) WITHOUT ROWID;
CREATE TABLE kept (
    domain BLOB NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (domain, key)
) WITHOUT ROWID;
"""
_SLOT = "domain = ? AND kind = ? AND round = ? AND attempt = ? AND recipient = ? AND place = ?"


def open_store(directory: Path, domain: bytes, chunks: ChunkFiles | None = None) -> "SqliteStore":
    """Take the state directory for this process, making it where it is missing.

    `domain` (32 bytes) separates runs that share a directory. Chunks go to `directory/chunks`,
    synced like the rest, unless `chunks` says otherwise. Raises StateLockedError where another
    process holds the directory, StateError where it cannot be used.
    """
    lock = _lock(directory)
    try:
        files = ChunkFiles(directory / "chunks") if chunks is None else chunks
        return SqliteStore(_connect(directory / DATABASE), lock, domain, files)
    except BaseException:
        os.close(lock)
        raise


@contextlib.contextmanager
def locked_database(directory: Path) -> Iterator[sqlite3.Connection]:
    """The database of a state directory, for as long as no node may run there.

    What is not committed is dropped. Raises StateLockedError where a node runs, StateError.
    """
    lock = _lock(directory)
    try:
        with (
            contextlib.closing(_connect(directory / DATABASE)) as connection,
            _as_state_errors("the state database"),
        ):
            yield connection
    finally:
        os.close(lock)


class SqliteStore:
    """The Store seam on a locked directory. Calls may come from any thread, one at a time runs."""

    def __init__(
        self, connection: sqlite3.Connection, lock: int, domain: bytes, chunks: ChunkFiles
    ) -> None:
        """Owns `connection` and the lock's file descriptor until `close`; use `open_store`."""
        self._connection = connection
        self._lock: int | None = lock
        self._domain = domain
        self._chunks = chunks
        self._mutex = threading.RLock()  # next_seq holds it while it reserves a block
        self._sequences: dict[tuple[str, bytes], tuple[int, int]] = {}  # next free, end of block

    def reserve(self, slot: Slot, body: bytes) -> bytes:
        """See Store.reserve. Raises StateError for a body above the frame limit."""
        if len(body) > MAX_CONTROL_FRAME:
            raise StateError(
                f"a guard row of {len(body)} bytes; expected at most {MAX_CONTROL_FRAME}"
            )
        with self._write() as connection:
            connection.execute(
                "INSERT INTO guard VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (*self._row(slot), body),
            )
            row = connection.execute(
                f"SELECT body FROM guard WHERE {_SLOT}",  # noqa: S608 - a constant
                self._row(slot),
            ).fetchone()
        return bytes(row[0])

    def reserved(self, slot: Slot) -> bytes | None:
        """See Store.reserved."""
        with self._read() as connection:
            row = connection.execute(
                f"SELECT body FROM guard WHERE {_SLOT}",  # noqa: S608 - a constant
                self._row(slot),
            ).fetchone()
        return None if row is None else bytes(row[0])

    def next_seq(self, kind: str, recipient: bytes) -> int:
        """See Store.next_seq. Numbers rise from 1; a restart skips what was left of a block."""
        with self._mutex:
            following, end = self._sequences.get((kind, recipient), (0, 0))
            if following == end:
                following, end = self._reserve_block(kind, recipient)
            self._sequences[kind, recipient] = (following + 1, end)
        return following

    def _reserve_block(self, kind: str, recipient: bytes) -> tuple[int, int]:
        """(first, end): the next block, on disk before any number of it is handed out."""
        key = (self._domain, kind, recipient)
        with self._write() as connection:
            connection.execute(
                "INSERT INTO sequences VALUES (?, ?, ?, ?) ON CONFLICT (domain, kind, recipient)"
                " DO UPDATE SET reserved = reserved + ?",
                (*key, 1 + SEQ_BLOCK, SEQ_BLOCK),
            )
            row = connection.execute(
                "SELECT reserved FROM sequences WHERE domain = ? AND kind = ? AND recipient = ?",
                key,
            ).fetchone()
        end = int(row[0])
        return end - SEQ_BLOCK, end

    def put(self, key: str, value: bytes) -> None:
        """See Store.put. Raises StateError for a value above MAX_VALUE_BYTES."""
        if len(value) > MAX_VALUE_BYTES:
            raise StateError(f"{key!r} has {len(value)} bytes; expected at most {MAX_VALUE_BYTES}")
        with self._write() as connection:
            connection.execute(
                "INSERT INTO kept VALUES (?, ?, ?) ON CONFLICT (domain, key)"
                " DO UPDATE SET value = excluded.value",
                (self._domain, key, value),
            )

    def get(self, key: str) -> bytes | None:
        """See Store.get."""
        with self._read() as connection:
            row = connection.execute(
                "SELECT value FROM kept WHERE domain = ? AND key = ?", (self._domain, key)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def transactions(self) -> TransactionTable:
        """What was signed for Ethereum accounts, of all runs that share the directory."""
        return TransactionTable(self._read, self._write)

    def put_chunk(self, root: bytes, index: int, data: bytes, proof: Sequence[bytes]) -> None:
        """See Store.put_chunk."""
        self._chunks.put(root, index, data, proof)

    def get_chunk(self, root: bytes, index: int) -> tuple[bytes, tuple[bytes, ...]] | None:
        """See Store.get_chunk. A file that is torn or altered counts as absent."""
        return self._chunks.get(root, index)

    def chunks(self, root: bytes) -> frozenset[int]:
        """See Store.chunks."""
        return self._chunks.indices(root)

    def roots(self) -> frozenset[bytes]:
        """See Store.roots."""
        return self._chunks.roots()

    def drop_blob(self, root: bytes) -> None:
        """See Store.drop_blob."""
        self._chunks.drop(root)

    def close(self) -> None:
        """See Store.close. A second call does nothing."""
        with self._mutex:
            if self._lock is not None:
                self._connection.close()
                os.close(self._lock)
                self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _row(self, slot: Slot) -> tuple[bytes, str, int, int, bytes, int]:
        return (
            self._domain,
            slot.kind,
            slot.round,
            slot.attempt,
            slot.recipient,
            slot.index,
        )

    @contextlib.contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._mutex, _as_state_errors("the state database"):
            yield self._connection

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._read() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk has rolled back by itself
                    connection.execute("ROLLBACK")
                raise


@contextlib.contextmanager
def _as_state_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OverflowError, OSError) as error:
        raise StateError(f"{what} cannot be used: {error}") from error


def _lock(directory: Path) -> int:
    """The descriptor of the lock file, held exclusively; the kernel lets go of it at exit."""
    with _as_state_errors(f"state directory {directory}"):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(directory / "lock", flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise StateLockedError(
            f"state directory {directory} is in use by process {holder or 'unknown'}; stop that"
            " node first, or give this one a state directory of its own"
        ) from None
    with _as_state_errors(f"state directory {directory}"):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _connect(file: Path) -> sqlite3.Connection:
    """Open or make the database. Raises StateError where it is damaged or of another version."""
    with _as_state_errors(f"state database {file}"):
        # SQLite gives its journal the database's own mode, so the mode is set before it opens it.
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            _check(connection, file)
        except BaseException:
            connection.close()
            raise
        directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    return connection


def _check(connection: sqlite3.Connection, file: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT")
    elif version != SCHEMA_VERSION:
        raise StateError(
            f"state database {file} has version {version}, this program knows {SCHEMA_VERSION};"
            " use the program that wrote it"
        )
    connection.execute(
        TRANSACTIONS_TABLE
    )  # younger than version 1; a program without it ignores it
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise StateError(
            f"state database {file} is damaged ({verdict}); enrol a new key rather than go on"
            " without its guard rows"
        )
