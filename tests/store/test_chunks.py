"""Chunk files: whole or absent."""

import os
from pathlib import Path

import pytest

from swarmp2p.errors import StateError
from swarmp2p.store.chunks import ChunkFiles
from swarmp2p.wire.registry import MAX_CHUNK_BYTES, MAX_CHUNKS, MAX_PROOF_NODES

ROOT = b"r" * 32
PROOF = (b"x" * 32, b"y" * 32)


@pytest.fixture
def chunks(tmp_path: Path) -> ChunkFiles:
    return ChunkFiles(tmp_path / "chunks")


def file_of(directory: Path, index: int) -> Path:
    return directory / "chunks" / ROOT.hex() / str(index)


@pytest.mark.parametrize("kept", [0, 10, 49, 60, 130])
def test_get__takes_a_torn_file_for_absent(chunks: ChunkFiles, tmp_path: Path, kept: int) -> None:
    chunks.put(ROOT, 5, b"d" * 100, PROOF)
    file = file_of(tmp_path, 5)
    os.truncate(file, kept)
    assert chunks.indices(ROOT) == frozenset()
    assert chunks.get(ROOT, 5) is None
    assert not file.exists()


def test_get__takes_a_file_with_any_flipped_byte_for_absent(
    chunks: ChunkFiles, tmp_path: Path
) -> None:
    chunks.put(ROOT, 5, b"data", PROOF)
    file = file_of(tmp_path, 5)
    good = file.read_bytes()
    for place in range(len(good)):
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert chunks.get(ROOT, 5) is None, place
    file.write_bytes(good)
    assert chunks.get(ROOT, 5) == (b"data", PROOF)


def test_get__takes_a_file_moved_to_another_index_for_absent(
    chunks: ChunkFiles, tmp_path: Path
) -> None:
    chunks.put(ROOT, 5, b"data", PROOF)
    file_of(tmp_path, 5).rename(file_of(tmp_path, 6))
    assert chunks.indices(ROOT) == frozenset()
    assert chunks.get(ROOT, 6) is None


def test_get__reads_no_more_than_a_chunk_can_be(chunks: ChunkFiles, tmp_path: Path) -> None:
    chunks.put(ROOT, 5, b"data", PROOF)
    os.truncate(file_of(tmp_path, 5), 1 << 40)
    assert chunks.get(ROOT, 5) is None


def test_put__replaces_what_was_damaged(chunks: ChunkFiles, tmp_path: Path) -> None:
    chunks.put(ROOT, 5, b"data", PROOF)
    file_of(tmp_path, 5).write_bytes(b"garbage")
    chunks.put(ROOT, 5, b"data", PROOF)
    assert chunks.get(ROOT, 5) == (b"data", PROOF)


def test_put__keeps_the_largest_chunk_with_the_longest_proof(chunks: ChunkFiles) -> None:
    proof = tuple(bytes([node]) * 32 for node in range(MAX_PROOF_NODES))
    chunks.put(ROOT, MAX_CHUNKS - 1, bytes(MAX_CHUNK_BYTES), proof)
    assert chunks.get(ROOT, MAX_CHUNKS - 1) == (bytes(MAX_CHUNK_BYTES), proof)


@pytest.mark.parametrize(
    ("index", "data", "proof"),
    [
        (-1, b"", ()),
        (MAX_CHUNKS, b"", ()),
        (0, bytes(MAX_CHUNK_BYTES + 1), ()),
        (0, b"", (b"x" * 32,) * (MAX_PROOF_NODES + 1)),
        (0, b"", (b"short",)),
    ],
)
def test_put__refuses_what_is_beyond_the_limits(
    chunks: ChunkFiles, tmp_path: Path, index: int, data: bytes, proof: tuple[bytes, ...]
) -> None:
    with pytest.raises(StateError, match="beyond the limits"):
        chunks.put(ROOT, index, data, proof)
    assert list((tmp_path / "chunks").iterdir()) == []


def test_put__refuses_a_root_that_is_no_hash(chunks: ChunkFiles) -> None:
    with pytest.raises(StateError, match="expected 32"):
        chunks.put(b"../../etc", 0, b"", ())


def test_put__leaves_nothing_half_written_when_the_rename_fails(
    chunks: ChunkFiles, tmp_path: Path
) -> None:
    file_of(tmp_path, 5).mkdir(parents=True)  # a directory in the way
    with pytest.raises(StateError, match="cannot be kept"):
        chunks.put(ROOT, 5, b"data", PROOF)
    assert [entry.name for entry in file_of(tmp_path, 5).parent.iterdir()] == ["5"]


def test_chunk_files__clear_what_a_crash_left_unfinished(tmp_path: Path) -> None:
    folder = tmp_path / "chunks" / ROOT.hex()
    folder.mkdir(parents=True)
    (folder / ".tmp-abc").write_bytes(b"half")
    assert ChunkFiles(tmp_path / "chunks").indices(ROOT) == frozenset()
    assert list(folder.iterdir()) == []


def test_indices__ignore_names_that_are_no_index(chunks: ChunkFiles, tmp_path: Path) -> None:
    chunks.put(ROOT, 5, b"data", PROOF)
    good = file_of(tmp_path, 5).read_bytes()
    for name in ("05", "+5", "five", "-1", ".hidden"):
        (file_of(tmp_path, 5).parent / name).write_bytes(good)
    assert chunks.indices(ROOT) == {5}
    assert chunks.indices(b"u" * 32) == frozenset()


def test_chunk_files__raise_a_state_error_where_no_directory_can_be(tmp_path: Path) -> None:
    (tmp_path / "chunks").write_text("a file")
    with pytest.raises(StateError, match="cannot be used"):
        ChunkFiles(tmp_path / "chunks")
