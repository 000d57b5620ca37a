"""How an input is read: a few numbers at its front say how the bytes after them are fed."""

from itertools import pairwise

BYTEWISE = 128  # so many bytes, one at a time, hold the longest frame of most targets


class Plan:
    """Takes small numbers off the front of an input; they are 0 where it has ended."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes, or what is left."""
        part = self._data[self._at : self._at + size]
        self._at += len(part)
        return part

    def uint(self, width: int = 1) -> int:
        """A big-endian number of `width` bytes."""
        return int.from_bytes(self.take(width))

    def cuts(self) -> list[int]:
        """Up to 7 lengths of pieces: a count, then two bytes each."""
        return [self.uint(2) for _ in range(self.uint() % 8)]

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data))


def pieces(stream: bytes, lengths: list[int]) -> list[bytes]:
    """`stream` in pieces of these lengths (some may be empty), then its rest."""
    edges = [0]
    for length in lengths:
        edges.append(min(edges[-1] + length, len(stream)))
    return [stream[start:end] for start, end in pairwise([*edges, len(stream)])]


def splits(stream: bytes, lengths: list[int]) -> tuple[list[bytes], list[bytes]]:
    """Two ways of feeding `stream`: whole, and in pieces, of one byte where no length is given."""
    return [stream], pieces(stream, lengths or [1] * BYTEWISE)
