"""The chunks of n updates as they come in, seen as rows of which a bounded part is in memory."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from swarmp2p.errors import MergeError
from swarmp2p.merge import gram, reducers
from swarmp2p.merge.rules import check_finite, check_vector
from swarmp2p.merge.terms import Rows, Vector

Source = Vector | Callable[[], Vector]
Name = Callable[[int], str]

# bytes: what is kept of n chunks that were loaded. More updates make smaller pieces, and a chunk is
# loaded again for each piece of it.
PIECE_BYTES = 8 << 20


class Chunks:
    """The chunks that are there, as Rows: block() loads what it covers, a piece at a time.

    A piece is a part of a chunk, of all updates: as many elements as fit PIECE_BYTES.
    """

    def __init__(self, base: Vector, chunk: int, count: int) -> None:
        if chunk < 1 or gram.SEGMENT % chunk:
            raise MergeError(f"chunks of {chunk} elements do not fill a segment of {gram.SEGMENT}")
        self._base, self._chunk, self.count = base, chunk, count
        self.size, self.dtype = int(base.size), base.dtype
        self.chunks = -(-self.size // chunk)
        self.seen = np.zeros((count, self.chunks), np.bool_)
        self._sources: dict[tuple[int, int], Source] = {}
        self._piece = chunk
        while self._piece % 2 == 0 and self._piece * count * self.dtype.itemsize > PIECE_BYTES:
            self._piece //= 2
        self._loaded: tuple[int, list[Vector]] | None = None  # the piece loaded last

    @property
    def scratch(self) -> int:
        """A row of each update where the usual block would be put together from pieces."""
        return self.count if self._piece < reducers.BLOCK else 0

    @property
    def longest(self) -> int:
        """Elements of the longest chunk."""
        return min(self._chunk, self.size)

    def for_thread(self) -> Rows:
        """Itself: one thread streams."""
        return self

    def part(self, index: int) -> slice:
        """Where a chunk lies in the vector."""
        return slice(index * self._chunk, min(self.size, (index + 1) * self._chunk))

    def pieces(self, index: int) -> list[slice]:
        """Where its pieces lie in the vector, ascending."""
        part = self.part(index)
        return [
            slice(start, min(start + self._piece, part.stop))
            for start in range(part.start, part.stop, self._piece)
        ]

    def put(self, peer: int, index: int, chunk: Source) -> None:
        """Keep a chunk until it is used."""
        if not (0 <= peer < self.count and 0 <= index < self.chunks):
            raise MergeError(
                f"chunk {index} of roster index {peer}: there are {self.count} updates of "
                f"{self.chunks} chunks"
            )
        if self.seen[peer, index]:
            raise MergeError(f"chunk {index} of roster index {peer} was fed before")
        if isinstance(chunk, np.ndarray):
            self._check(peer, index, chunk)
        self._sources[peer, index] = chunk
        self.seen[peer, index] = True

    def waits(self, peer: int, index: int) -> bool:
        """Whether a chunk is there and has not been dropped."""
        return (peer, index) in self._sources

    def held(self) -> list[tuple[int, int]]:
        """All such chunks, by peer."""
        return sorted(self._sources)

    def complete(self, part: slice) -> bool:
        """Whether every chunk of this part of the vector has come, of all updates."""
        first, last = part.start // self._chunk, (part.stop - 1) // self._chunk
        return bool(self.seen[:, first : last + 1].all())

    def missing(self) -> tuple[int, int] | None:
        """The first (peer, chunk) that is not there."""
        if self.seen.all():
            return None
        peer, index = divmod(int(np.argmin(self.seen)), self.chunks)
        return peer, index

    def load(self, peer: int, index: int) -> Vector:
        """One chunk."""
        source = self._sources[peer, index]
        if isinstance(source, np.ndarray):
            return source
        chunk = source()
        self._check(peer, index, chunk)
        return chunk

    def drop(self, index: int, peers: Sequence[int] | None = None) -> None:
        """Forget a chunk that is not needed again, of all updates or of these."""
        for peer in range(self.count) if peers is None else peers:
            del self._sources[peer, index]
        self._loaded = None

    def check(self, chunk: Vector, peer: int, start: int, name: Name) -> None:
        """Refuse NaN and infinity in elements of an update, counted from `start`."""
        what = f"the update of roster index {peer}"
        check_finite(what, chunk, lambda at: name(start + at))

    def block(self, start: int, stop: int) -> Sequence[Vector]:
        """Elements [start, stop) of every update: views if they lie in one piece, else copies."""
        first, last = start // self._piece, max(start, stop - 1) // self._piece
        if first == last:
            low = first * self._piece
            return [row[start - low : stop - low] for row in self._rows(first)]
        copies: Any = np.empty((self.count, stop - start), self.dtype)
        for index in range(first, last + 1):
            begin = index * self._piece
            low, high = max(start, begin), min(stop, begin + self._piece)
            for copy, row in zip(copies, self._rows(index), strict=True):
                copy[low - start : high - start] = row[low - begin : high - begin]
        return list(copies)

    def _rows(self, piece: int) -> list[Vector]:
        """That piece of every update, in roster order."""
        if self._loaded is None or self._loaded[0] != piece:
            self._loaded = None  # free the one before first
            self._loaded = piece, [self._cut(peer, piece) for peer in range(self.count)]
        return self._loaded[1]

    def _cut(self, peer: int, piece: int) -> Vector:
        """A piece of an update, that keeps no more of the chunk in memory than it must."""
        index, place = divmod(piece * self._piece, self._chunk)
        chunk = self.load(peer, index)
        cut = chunk[place : place + self._piece]
        if chunk.size == cut.size or self._sources[peer, index] is chunk:
            return cut
        return cut.copy()

    def _check(self, peer: int, index: int, chunk: Vector) -> None:
        check_vector(f"chunk {index} of roster index {peer}", chunk, self._base[self.part(index)])
