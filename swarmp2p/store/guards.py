"""What a state directory says was signed, taken out of it and put into a new one.

Guard rows and reserved sequence numbers are what must travel with an identity key: without them
a node may sign a slot twice. Chunks and kept values can be had again from the peers and the chain.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarmp2p.errors import StateError, StateLockedError
from swarmp2p.seams import Slot
from swarmp2p.store.state import DATABASE, locked_database


@dataclass(frozen=True)
class GuardRow:
    """The bytes signed, or about to be, for one slot of one run (its domain, 32 bytes)."""

    domain: bytes
    slot: Slot
    body: bytes


@dataclass(frozen=True)
class SequenceRow:
    """The sequence numbers below `reserved` may have been used."""

    domain: bytes
    kind: str
    recipient: bytes
    reserved: int


@dataclass(frozen=True)
class GuardState:
    """All runs' rows, each kind in the order of its key."""

    guards: tuple[GuardRow, ...] = ()
    sequences: tuple[SequenceRow, ...] = ()

    @property
    def last_round(self) -> int | None:
        """The highest round of any run in which a slot is taken."""
        return max((row.slot.round for row in self.guards), default=None)


def read_guard_state(directory: Path) -> GuardState:
    """The rows of a state directory that no node uses; none where no node has ever run in it.

    Raises StateLockedError while a node runs, StateError where the rows cannot be read.
    """
    try:
        (directory / DATABASE).lstat()
    except FileNotFoundError:
        return GuardState()
    except OSError as error:
        raise StateError(f"state directory {directory} cannot be used: {error}") from error
    with _database(directory) as connection:
        connection.execute("BEGIN")  # one view of both tables
        guards = connection.execute(
            "SELECT domain, kind, round, attempt, recipient, place, body FROM guard"
            " ORDER BY domain, kind, round, attempt, recipient, place"
        ).fetchall()
        sequences = connection.execute(
            "SELECT domain, kind, recipient, reserved FROM sequences"
            " ORDER BY domain, kind, recipient"
        ).fetchall()
        connection.execute("COMMIT")
    return GuardState(
        tuple(GuardRow(row[0], Slot(*row[1:6]), row[6]) for row in guards),
        tuple(SequenceRow(*row) for row in sequences),
    )


def write_guard_state(directory: Path, state: GuardState) -> None:
    """Make a state directory that holds these rows. Raises StateError, also where it has rows."""
    with _database(directory) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("SELECT count(*) FROM guard").fetchone() != (0,):
            raise StateError(f"state directory {directory} holds guard rows already")
        connection.executemany(
            "INSERT INTO guard VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    row.domain,
                    row.slot.kind,
                    row.slot.round,
                    row.slot.attempt,
                    row.slot.recipient,
                    row.slot.index,
                    row.body,
                )
                for row in state.guards
            ),
        )
        connection.executemany(
            "INSERT INTO sequences VALUES (?, ?, ?, ?)",
            ((row.domain, row.kind, row.recipient, row.reserved) for row in state.sequences),
        )
        connection.execute("COMMIT")


@contextlib.contextmanager
def _database(directory: Path) -> Iterator[sqlite3.Connection]:
    """The locked database; its errors become StateError."""
    try:
        with locked_database(directory) as connection:
            yield connection
    except StateLockedError as error:
        text = str(error).partition(";")[0]
        raise StateLockedError(
            f"{text}; what it has signed changes while it runs: stop that node first"
        ) from None
