"""The chunks of a blob that is kept elsewhere, as a sequence that loads the one looked at."""

from collections.abc import Callable, Sequence
from typing import overload

Buffer = bytes | bytearray | memoryview


class StoredChunks(Sequence[Buffer]):
    """The chunks of a blob that is kept elsewhere: each is loaded when it is looked at."""

    def __init__(self, count: int, load: Callable[[int], Buffer], first: int = 0) -> None:
        """`load(index)` gives the bytes of chunk `index`; this one begins at chunk `first`."""
        self._count, self._load, self._first = count, load, first

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Buffer: ...

    @overload
    def __getitem__(self, index: slice) -> "StoredChunks": ...

    def __getitem__(self, index: int | slice) -> "Buffer | StoredChunks":
        if isinstance(index, slice):
            start, stop, step = index.indices(self._count)
            if step != 1:
                raise IndexError("chunks are sliced in steps of 1")
            return StoredChunks(max(0, stop - start), self._load, self._first + start)
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return self._load(self._first + index % self._count)
