"""Durable state: the same promises from SQLite and from memory, and what only a real disk shows."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import StateError, StateLockedError
from swarmp2p.seams import Slot, Store
from swarmp2p.sim.store import MemoryDisk, MemoryStore
from swarmp2p.store.chunks import ChunkFiles
from swarmp2p.store.state import MAX_VALUE_BYTES, SqliteStore, open_store
from swarmp2p.wire.registry import MAX_CONTROL_FRAME, SEQ_BLOCK

DOMAIN = b"d" * 32
ROOT = b"r" * 32
SLOT = Slot("commit", 3, 1)
OTHER_SLOTS = [
    Slot("attest", 3, 1),
    Slot("commit", 4, 1),
    Slot("commit", 3, 2),
    Slot("commit", 3, 1, b"p" * 32),
    Slot("commit", 3, 1, bytes(32), 1),
]

Opener = Callable[[bytes], Store]


def open_at(directory: Path, domain: bytes = DOMAIN) -> SqliteStore:
    return open_store(directory, domain, ChunkFiles(directory / "chunks", fsync=False))


@pytest.fixture(params=["sqlite", "memory"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens one state again and again, as restarts do; the holder before it is closed."""
    disk = MemoryDisk()
    held: list[Store] = []

    def opened(domain: bytes = DOMAIN) -> Store:
        while held:
            held.pop().close()
        store: Store = (
            MemoryStore(disk, domain)
            if request.param == "memory"
            else open_at(tmp_path / "state", domain)
        )
        held.append(store)
        return store

    yield opened
    while held:
        held.pop().close()


class TestEveryStore:
    def test_reserve__returns_the_earlier_body_on_a_conflict(self, opener: Opener) -> None:
        store = opener(DOMAIN)
        assert store.reserved(SLOT) is None
        assert store.reserve(SLOT, b"first") == b"first"
        assert store.reserve(SLOT, b"second") == b"first"
        assert store.reserved(SLOT) == b"first"

    def test_reserve__keeps_slots_apart_in_every_field(self, opener: Opener) -> None:
        store = opener(DOMAIN)
        for slot in (SLOT, *OTHER_SLOTS):
            assert store.reserve(slot, repr(slot).encode()) == repr(slot).encode()

    def test_state__is_there_again_after_a_restart(self, opener: Opener) -> None:
        store = opener(DOMAIN)
        store.reserve(SLOT, b"body")
        store.put("cursor", b"12")
        store.put("cursor", b"13")
        again = opener(DOMAIN)
        assert again.reserve(SLOT, b"other") == b"body"
        assert again.get("cursor") == b"13"

    def test_state__of_another_domain_is_not_seen(self, opener: Opener) -> None:
        store = opener(DOMAIN)
        store.reserve(SLOT, b"body")
        store.put("cursor", b"12")
        other = opener(b"e" * 32)
        assert other.reserved(SLOT) is None
        assert other.get("cursor") is None

    def test_next_seq__rises_and_never_repeats_over_restarts(self, opener: Opener) -> None:
        last = 0
        for count in (1, SEQ_BLOCK + 2, 3):
            store = opener(DOMAIN)
            for _ in range(count):
                number = store.next_seq("hello", b"p" * 32)
                assert number > last
                last = number

    def test_next_seq__counts_each_kind_and_recipient_alone(self, opener: Opener) -> None:
        store = opener(DOMAIN)
        first = [store.next_seq("a", b""), store.next_seq("b", b""), store.next_seq("a", b"p")]
        assert first == [1, 1, 1]
        assert store.next_seq("a", b"") == 2

    def test_chunk__comes_back_with_its_proof(self, opener: Opener) -> None:
        store = opener(DOMAIN)
        proof = (b"x" * 32, b"y" * 32)
        store.put_chunk(ROOT, 7, b"data", proof)
        store.put_chunk(ROOT, 0, b"", ())
        assert store.get_chunk(ROOT, 7) == (b"data", proof)
        assert store.get_chunk(ROOT, 0) == (b"", ())
        assert store.get_chunk(ROOT, 1) is None
        assert store.chunks(ROOT) == {0, 7}

    def test_drop_blob__forgets_its_chunks_only(self, opener: Opener) -> None:
        store = opener(DOMAIN)
        store.put_chunk(ROOT, 0, b"data", ())
        store.put_chunk(b"s" * 32, 0, b"data", ())
        store.drop_blob(ROOT)
        store.drop_blob(ROOT)
        assert store.chunks(ROOT) == frozenset()
        assert store.chunks(b"s" * 32) == {0}

    def test_reserve__refuses_a_body_beyond_the_frame_limit(self, opener: Opener) -> None:
        with pytest.raises(StateError, match="expected at most"):
            opener(DOMAIN).reserve(SLOT, bytes(MAX_CONTROL_FRAME + 1))

    def test_put__refuses_a_value_beyond_its_limit(self, opener: Opener) -> None:
        with pytest.raises(StateError, match="expected at most"):
            opener(DOMAIN).put("big", bytes(MAX_VALUE_BYTES + 1))

    def test_close__twice_is_no_error(self, opener: Opener) -> None:
        store = opener(DOMAIN)
        store.close()
        store.close()


def test_memory_store__is_locked_until_its_holder_crashes() -> None:
    disk = MemoryDisk()
    MemoryStore(disk, DOMAIN).reserve(SLOT, b"body")
    with pytest.raises(StateLockedError):
        MemoryStore(disk, DOMAIN)
    disk.crash()
    assert MemoryStore(disk, DOMAIN).reserved(SLOT) == b"body"


HOLDER = """
import sys
from pathlib import Path
from swarmp2p.seams import Slot
from swarmp2p.store.chunks import ChunkFiles
from swarmp2p.store.state import open_store

directory = Path(sys.argv[1])
store = open_store(directory, b"d" * 32, ChunkFiles(directory / "chunks"))
for line in sys.stdin:
    body = store.reserve(Slot("commit", 3, 1), line.strip().encode())
    store.put_chunk(b"r" * 32, 0, body, ())
    print(body.decode(), store.next_seq("hello", b""), flush=True)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "state"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def tell(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_state__survives_kill_9_between_two_calls(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert tell(holder, "before") == "before 1"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with open_at(tmp_path / "state") as store:
        assert store.reserve(SLOT, b"after") == b"before"
        assert store.next_seq("hello", b"") > 1
        assert store.get_chunk(ROOT, 0) == (b"before", ())


def test_open_store__names_the_process_that_holds_the_directory(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    tell(holder, "mine")
    with pytest.raises(StateLockedError, match=rf"in use by process {holder.pid};"):
        open_at(tmp_path / "state")
    assert tell(holder, "still mine") == "mine 2"


def test_open_store__locks_out_a_second_opening_in_the_same_process(tmp_path: Path) -> None:
    with (
        open_at(tmp_path / "state"),
        pytest.raises(StateLockedError, match=str(os.getpid())),
    ):
        open_at(tmp_path / "state")
    open_at(tmp_path / "state").close()


def test_open_store__keeps_others_out_of_directory_and_files(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    with open_at(tmp_path / "state") as store:
        store.reserve(SLOT, b"body")
        store.put_chunk(ROOT, 0, b"data", ())
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
        for file in (path for path in (tmp_path / "state").rglob("*") if path.is_file()):
            assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_open_store__waits_for_the_disk_at_every_commit(tmp_path: Path) -> None:
    with open_at(tmp_path / "state") as store:
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_open_store__refuses_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match="state"):
        open_store(tmp_path / "state", DOMAIN, ChunkFiles(tmp_path / "chunks"))


@pytest.mark.filterwarnings("default::ResourceWarning")
def test_open_store__refuses_a_damaged_database_and_lets_go_of_the_lock(tmp_path: Path) -> None:
    with open_at(tmp_path / "state") as store:
        store.reserve(SLOT, b"body")
    (tmp_path / "state" / "state.db").write_bytes(b"not a database at all" * 400)
    for _ in range(2):
        with pytest.raises(StateError, match="cannot be used"):
            open_at(tmp_path / "state")


def test_open_store__refuses_the_state_of_a_newer_program(tmp_path: Path) -> None:
    open_at(tmp_path / "state").close()
    connection = sqlite3.connect(tmp_path / "state" / "state.db")
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(StateError, match="version 9"):
        open_at(tmp_path / "state")


def test_reserve__becomes_a_state_error_when_the_disk_is_full(tmp_path: Path) -> None:
    with open_at(tmp_path / "state") as store:
        store.reserve(SLOT, b"body")
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StateError, match="full"):
            store.put("big", bytes(MAX_VALUE_BYTES))
        assert store.reserve(SLOT, b"other") == b"body"
        assert store.get("big") is None


def test_reserve__refuses_a_round_that_no_integer_column_holds(tmp_path: Path) -> None:
    with open_at(tmp_path / "state") as store, pytest.raises(StateError):
        store.reserve(Slot("commit", 2**64, 0), b"body")


@pytest.fixture(scope="module")
def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("property") / "state"


@given(
    st.lists(
        st.tuples(st.sampled_from([SLOT, *OTHER_SLOTS]), st.binary(max_size=40), st.booleans()),
        max_size=12,
    ),
    st.binary(min_size=32, max_size=32),
)
def test_reserve__gives_one_body_for_a_slot_through_any_restarts(
    shared_directory: Path, calls: list[tuple[Slot, bytes, bool]], domain: bytes
) -> None:
    signed: dict[Slot, bytes] = {}
    store = open_at(shared_directory, domain)
    try:
        for slot, body, restart in calls:
            given_body = store.reserve(slot, body)
            assert signed.setdefault(slot, given_body) == given_body
            if restart:
                store.close()
                store = open_at(shared_directory, domain)
    finally:
        store.close()
