"""Guard rows leave a state directory whole and come into a new one, while no node runs."""

import sqlite3

import pytest

from swarmp2p.errors import StateError, StateLockedError
from swarmp2p.seams import Slot
from swarmp2p.store.guards import GuardState, read_guard_state, write_guard_state
from swarmp2p.store.state import open_store

DOMAINS = (b"d" * 32, b"e" * 32)
SLOT = Slot("commit", 3, 0)


@pytest.fixture
def state(tmp_path):
    """A state directory in which two runs have signed."""
    for domain in DOMAINS:
        with open_store(tmp_path / "state", domain) as store:
            store.reserve(SLOT, b"signed in " + domain[:1])
            store.reserve(Slot("have", 7, 2, b"r" * 32, 5), b"")
            store.put("cursor", b"12")
            assert store.next_seq("hello", b"p" * 32) == 1
    return tmp_path / "state"


def test_guard_state__goes_from_one_directory_to_another(state, tmp_path):
    rows = read_guard_state(state)
    assert (len(rows.guards), len(rows.sequences), rows.last_round) == (4, 2, 7)
    write_guard_state(tmp_path / "new", rows)
    assert read_guard_state(tmp_path / "new") == rows
    for domain in DOMAINS:
        with open_store(state, domain) as old, open_store(tmp_path / "new", domain) as new:
            assert new.reserve(SLOT, b"other") == b"signed in " + domain[:1]
            assert new.next_seq("hello", b"p" * 32) > old.next_seq("hello", b"p" * 32) - 2
            assert new.get("cursor") is None


def test_guard_state__of_a_node_that_never_ran_is_empty_and_makes_nothing(tmp_path):
    assert read_guard_state(tmp_path / "none") == GuardState()
    assert not (tmp_path / "none").exists()
    assert GuardState().last_round is None


def test_guard_state__is_neither_read_nor_written_while_a_node_runs(state):
    rows = read_guard_state(state)
    with open_store(state, DOMAINS[0]) as store:
        for use in (lambda: read_guard_state(state), lambda: write_guard_state(state, rows)):
            with pytest.raises(StateLockedError, match="stop that node first"):
                use()
        assert store.reserve(SLOT, b"other") == b"signed in d"


def test_guard_state__is_never_added_to_another(state):
    with pytest.raises(StateError, match="already"):
        write_guard_state(state, GuardState())
    assert len(read_guard_state(state).guards) == 4


@pytest.mark.filterwarnings("default::ResourceWarning")
def test_guard_state__that_cannot_be_read_is_no_empty_one(state):
    (state / "state.db").write_bytes(b"no database" * 999)
    with pytest.raises(StateError, match="cannot be used"):
        read_guard_state(state)
    with pytest.raises(StateError, match="cannot be used"):
        read_guard_state(state / "state.db")
    (state / "state.db").unlink()
    (state / "state.db").symlink_to("elsewhere")
    with pytest.raises(StateError, match="cannot be used"):
        read_guard_state(state)


def test_guard_state__of_a_newer_program_is_refused(state):
    connection = sqlite3.connect(state / "state.db")
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(StateError, match="version 9"):
        read_guard_state(state)
