"""The embedded chain's journal: what happened, in lines of JSON, on the disk before anyone sees it.

The first line says what the chain began with. Each further one is a transaction that was taken into
the pool, or a block: its time, its hash, its raw transactions. Playing it back gives the same
hashes, so that nodes that remember a final block go on. One process at a time holds the file.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from swarmp2p.errors import ConfigError, StateError, StateLockedError

FORMAT = 1
MAX_LINES = 250_000  # three days of a block a second; four minutes to play back
MAX_LINE = 16 << 20  # bytes; a block full of call data has 8 MiB in hexadecimal
_REMEDY = "start over with --fresh (its runs are gone then), or restore the file"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a chain begins with: its id, block 0's time (seconds since 1970), wei by account."""

    chain_id: int
    time: int
    balances: Mapping[bytes, int]


@dataclass(frozen=True, slots=True)
class JournalBlock:
    """A block: its time (seconds since 1970), its 32-byte hash, its transactions in order."""

    time: int
    hash: bytes
    transactions: tuple[bytes, ...]


class Journal:
    """An open journal. `origin` is the one on the disk, or the one given to a new file.

    Read `entries()` to the end, then append. Raises StateLockedError where another process has the
    file, ConfigError where it belongs to another chain, StateError where it cannot be used.
    """

    def __init__(self, path: Path, origin: Origin) -> None:
        self._path = path
        self._count = 0
        self._failure: StateError | None = None
        try:
            self._file = path.open("ab+")
        except OSError as error:
            raise StateError(f"cannot open the chain's journal {path}: {error.strerror}") from None
        try:
            self._lock()
            self.origin = self._begin(origin)
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateLockedError(
                f"another process uses the chain's journal {self._path}: stop it, or give this "
                "chain a folder of its own with --dir"
            ) from None

    def _begin(self, wanted: Origin) -> Origin:
        self._file.seek(0)
        line = self._file.readline(MAX_LINE)
        if not line.endswith(b"\n"):  # new, or the very first write was cut off
            self._file.truncate(0)
            self._write(_origin_row(wanted))
            return wanted
        found = self._parse_origin(line)
        if (found.chain_id, found.balances) != (wanted.chain_id, dict(wanted.balances)):
            raise ConfigError(
                f"the journal {self._path} is of chain {found.chain_id} with other accounts or "
                f"balances, and chain {wanted.chain_id} was asked for: use the owner's key that "
                "lay beside it, or start over with --fresh"
            )
        return found

    def _parse_origin(self, line: bytes) -> Origin:
        try:
            row = json.loads(line)
            if row["journal"] != FORMAT:
                raise StateError(
                    f"{self._path} is a journal of format {row['journal']!r}, and this version "
                    f"reads format {FORMAT}: {_REMEDY}"
                )
            balances = {bytes.fromhex(key): int(wei) for key, wei in row["balances"].items()}
            return Origin(int(row["chain_id"]), int(row["time"]), balances)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self._broken(0, "it does not say what the chain begins with") from None

    def entries(self) -> Iterator[JournalBlock | bytes]:
        """Every block from 1 on and every transaction sent between them, in order.

        A last line that was cut off is dropped from the file. Raises StateError for a line that is
        neither.
        """
        while True:
            start = self._file.tell()
            line = self._file.readline(MAX_LINE)
            if not line.endswith(b"\n"):
                if len(line) >= MAX_LINE:
                    raise self._broken(
                        self._count + 1, f"that line is longer than {MAX_LINE} bytes"
                    )
                self._file.truncate(start)
                return
            yield self._parse_entry(line)

    def _parse_entry(self, line: bytes) -> JournalBlock | bytes:
        self._count += 1
        if self._count > MAX_LINES:
            raise StateError(f"{self._path} has more than {MAX_LINES} lines: {_REMEDY}")
        try:
            row = json.loads(line)
            if "sent" in row:
                return bytes.fromhex(row["sent"])
            raws = tuple(bytes.fromhex(raw) for raw in row["transactions"])
            return JournalBlock(int(row["time"]), bytes.fromhex(row["hash"]), raws)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise self._broken(self._count, "it is neither block nor transaction") from None

    def _broken(self, number: int, why: str) -> StateError:
        return StateError(
            f"the chain's journal {self._path} is damaged in line {number + 1}: {why}. {_REMEDY}"
        )

    def differs(self) -> StateError:
        """The error for the last entry read, which does not come out as it was written down."""
        return self._broken(self._count, "playing it back gives something else")

    def append_block(self, time: int, block_hash: bytes, transactions: Sequence[bytes]) -> None:
        """Write a block and wait for the disk. Raises StateError, also for a full journal."""
        row = {"time": time, "hash": block_hash.hex()}
        self._append({**row, "transactions": [raw.hex() for raw in transactions]})

    def append_sent(self, transaction: bytes) -> None:
        """Write a transaction that was taken into the pool; as `append_block`."""
        self._append({"sent": transaction.hex()})

    def _append(self, row: Mapping[str, Any]) -> None:
        if self._count >= MAX_LINES:
            raise StateError(
                f"the journal {self._path} is full ({MAX_LINES} lines): start over with --fresh, "
                "or use a chain that is made to last"
            )
        self._write(row)
        self._count += 1

    def _write(self, row: Mapping[str, Any]) -> None:
        if self._failure is not None:
            raise self._failure  # half a line may stand there: nothing may follow it
        try:
            self._file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._failure = StateError(
                f"cannot write to the chain's journal {self._path}: {error.strerror}; the chain "
                "stops, because what is not on the disk must not be seen"
            )
            raise self._failure from None

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(OSError):  # what a full disk did not take; `_write` has said so
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _origin_row(origin: Origin) -> dict[str, Any]:
    return {
        "journal": FORMAT,
        "chain_id": origin.chain_id,
        "time": origin.time,
        "balances": {account.hex(): str(wei) for account, wei in origin.balances.items()},
    }
