"""Verified chunks in files: `<directory>/<root in hex>/<index>`, whole or absent.

A file is written under another name, then renamed, so that a reader never sees half a chunk. A
file that was torn or altered afterwards fails its checksum and counts as absent: the chunk can be
fetched again.

Layout: "swarmp2p chunk 1" and a line feed, BLAKE2b-256 of the rest, u32be index, u8 number of proof
nodes, u32be length of the data, the 32-byte proof nodes, the data.
"""

import hashlib
import os
import shutil
import struct
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from swarmp2p.errors import StateError
from swarmp2p.wire.registry import MAX_CHUNK_BYTES, MAX_CHUNKS, MAX_PROOF_NODES

_MAGIC = b"swarmp2p chunk 1\n"
_DIGEST = 32
_HEAD = struct.Struct(">IBI")
_START = len(_MAGIC) + _DIGEST
_FIXED = _START + _HEAD.size
_MAX_FILE = _FIXED + 32 * MAX_PROOF_NODES + MAX_CHUNK_BYTES
_UNFINISHED = ".tmp-"


class ChunkFiles:
    """Chunks under one directory, written by one process. Calls may come from any thread."""

    def __init__(self, directory: Path, *, fsync: bool = True) -> None:
        """Make the directory and clear what a crash left unfinished. Raises StateError.

        `fsync=False` is for chunks that can be fetched again after a power cut: a torn file is
        found out by its checksum.
        """
        self._directory = directory
        self._fsync = fsync
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for unfinished in directory.glob(f"*/{_UNFINISHED}*"):
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"chunk directory {directory} cannot be used: {error}") from error

    def put(self, root: bytes, index: int, data: bytes, proof: Sequence[bytes]) -> None:
        """Keep a chunk of the blob `root` (32 bytes), whole or not at all. Raises StateError.

        `data` has at most MAX_CHUNK_BYTES, `proof` at most MAX_PROOF_NODES hashes of 32 bytes.
        """
        if not (
            0 <= index < MAX_CHUNKS
            and len(data) <= MAX_CHUNK_BYTES
            and len(proof) <= MAX_PROOF_NODES
            and all(len(node) == 32 for node in proof)
        ):
            raise StateError(
                f"chunk {index} of {len(data)} bytes with {len(proof)} proof nodes is beyond the"
                f" limits; expected an index below {MAX_CHUNKS}, at most {MAX_CHUNK_BYTES} bytes"
                f" and {MAX_PROOF_NODES} hashes of 32 bytes"
            )
        head = _HEAD.pack(index, len(proof), len(data)) + b"".join(proof)
        digest = hashlib.blake2b(head, digest_size=_DIGEST)
        digest.update(data)
        folder = self._folder(root)
        try:
            self._write(folder, str(index), (_MAGIC, digest.digest(), head, data))
        except OSError as error:
            raise StateError(f"chunk {index} cannot be kept in {folder}: {error}") from error

    def _write(self, folder: Path, name: str, parts: Sequence[bytes]) -> None:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            self._sync(self._directory)
        descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                if self._fsync:
                    os.fsync(file.fileno())
            Path(unfinished).rename(folder / name)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
        self._sync(folder)

    def _sync(self, folder: Path) -> None:
        if not self._fsync:
            return
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def get(self, root: bytes, index: int) -> tuple[bytes, tuple[bytes, ...]] | None:
        """(data, proof), or None where there is no whole file; a damaged one is removed."""
        file = self._folder(root) / str(index)
        chunk = read_chunk(file, index)
        if chunk is None:
            with suppress(OSError):
                file.unlink(missing_ok=True)
        return chunk

    def indices(self, root: bytes) -> frozenset[int]:
        """The indices whose files have their full length; `get` also checks what is in them."""
        held = set()
        try:
            entries = list(os.scandir(self._folder(root)))
        except OSError:
            return frozenset()
        for entry in entries:
            with suppress(ValueError, OSError):
                index = int(entry.name)
                if entry.name == str(index) and _whole(Path(entry.path), index):
                    held.add(index)
        return frozenset(held)

    def roots(self) -> frozenset[bytes]:
        """The blobs that have a folder here."""
        found = set()
        for entry in self._directory.iterdir():
            with suppress(ValueError):
                root = bytes.fromhex(entry.name)
                if len(root) == 32:
                    found.add(root)
        return frozenset(found)

    def drop(self, root: bytes) -> None:
        """Forget the blob's chunks; unknown ones are no error."""
        shutil.rmtree(self._folder(root), ignore_errors=True)

    def _folder(self, root: bytes) -> Path:
        if len(root) != 32:
            raise StateError(f"a root of {len(root)} bytes; expected 32")
        return self._directory / root.hex()


def read_chunk(file: Path, index: int) -> tuple[bytes, tuple[bytes, ...]] | None:
    """(data, proof) of the chunk in a file, or None where there is no whole one."""
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_FILE + 1)
    except OSError:
        return None
    return _parse(content, index)


def _whole(file: Path, index: int) -> bool:
    """Whether the file's length is what its head says."""
    with file.open("rb") as stream:
        head = stream.read(_FIXED)
        length = os.fstat(stream.fileno()).st_size
    if len(head) < _FIXED or not head.startswith(_MAGIC):
        return False
    written_index, nodes, size = _HEAD.unpack_from(head, _START)
    return bool(written_index == index and length == _FIXED + 32 * nodes + size)


def _parse(content: bytes, index: int) -> tuple[bytes, tuple[bytes, ...]] | None:
    if not _FIXED <= len(content) <= _MAX_FILE or not content.startswith(_MAGIC):
        return None
    view = memoryview(content)
    written_index, nodes, size = _HEAD.unpack_from(view, _START)
    if written_index != index or len(content) != _FIXED + 32 * nodes + size:
        return None
    digest = hashlib.blake2b(view[_START:], digest_size=_DIGEST).digest()
    if digest != view[len(_MAGIC) : _START]:
        return None
    data_start = _FIXED + 32 * nodes
    proof = tuple(bytes(view[at : at + 32]) for at in range(_FIXED, data_start, 32))
    return bytes(view[data_start:]), proof
