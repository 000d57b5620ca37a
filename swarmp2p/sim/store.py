"""The Store seam in memory. It outlives the node that uses it, so a restart can be simulated."""

from collections.abc import Sequence

from swarmp2p.errors import StateError, StateLockedError
from swarmp2p.seams import Slot
from swarmp2p.wire.registry import MAX_CONTROL_FRAME, SEQ_BLOCK

MAX_VALUE_BYTES = 1 << 20  # as on a real disk


class MemoryDisk:
    """What survives a crash: the contents of one state directory, and who holds it."""

    def __init__(self) -> None:
        self.guard: dict[tuple[bytes, Slot], bytes] = {}
        self.reserved: dict[tuple[bytes, str, bytes], int] = {}
        self.kept: dict[tuple[bytes, str], bytes] = {}
        self.chunks: dict[bytes, dict[int, tuple[bytes, tuple[bytes, ...]]]] = {}
        self.held = False

    def crash(self) -> None:
        """Drop the lock as the kernel does when its holder dies."""
        self.held = False


class MemoryStore:
    """One process's hold on a MemoryDisk. Raises StateLockedError where it is held already."""

    def __init__(self, disk: MemoryDisk, domain: bytes) -> None:
        """`domain` (32 bytes) separates runs that share a disk."""
        if disk.held:
            raise StateLockedError("the simulated disk is in use by another node")
        disk.held = True
        self._disk = disk
        self._domain = domain
        self._sequences: dict[tuple[str, bytes], tuple[int, int]] = {}  # next free, end of block
        self._open = True

    def reserve(self, slot: Slot, body: bytes) -> bytes:
        """See Store.reserve."""
        if len(body) > MAX_CONTROL_FRAME:
            raise StateError(
                f"a guard row of {len(body)} bytes; expected at most {MAX_CONTROL_FRAME}"
            )
        return self._disk.guard.setdefault((self._domain, slot), bytes(body))

    def reserved(self, slot: Slot) -> bytes | None:
        """See Store.reserved."""
        return self._disk.guard.get((self._domain, slot))

    def next_seq(self, kind: str, recipient: bytes) -> int:
        """See Store.next_seq."""
        following, end = self._sequences.get((kind, recipient), (0, 0))
        if following == end:
            key = (self._domain, kind, recipient)
            following = self._disk.reserved.get(key, 1)
            end = self._disk.reserved[key] = following + SEQ_BLOCK
        self._sequences[kind, recipient] = (following + 1, end)
        return following

    def put(self, key: str, value: bytes) -> None:
        """See Store.put."""
        if len(value) > MAX_VALUE_BYTES:
            raise StateError(f"{key!r} has {len(value)} bytes; expected at most {MAX_VALUE_BYTES}")
        self._disk.kept[self._domain, key] = bytes(value)

    def get(self, key: str) -> bytes | None:
        """See Store.get."""
        return self._disk.kept.get((self._domain, key))

    def put_chunk(self, root: bytes, index: int, data: bytes, proof: Sequence[bytes]) -> None:
        """See Store.put_chunk."""
        self._disk.chunks.setdefault(root, {})[index] = (bytes(data), tuple(proof))

    def get_chunk(self, root: bytes, index: int) -> tuple[bytes, tuple[bytes, ...]] | None:
        """See Store.get_chunk."""
        return self._disk.chunks.get(root, {}).get(index)

    def chunks(self, root: bytes) -> frozenset[int]:
        """See Store.chunks."""
        return frozenset(self._disk.chunks.get(root, {}))

    def roots(self) -> frozenset[bytes]:
        """See Store.roots."""
        return frozenset(self._disk.chunks)

    def drop_blob(self, root: bytes) -> None:
        """See Store.drop_blob."""
        self._disk.chunks.pop(root, None)

    def close(self) -> None:
        """See Store.close. A second call does nothing."""
        if self._open:
            self._open = False
            self._disk.held = False
