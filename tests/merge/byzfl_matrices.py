"""The 1,000 matrices of the byzfl oracle, rebuilt bit for bit from integers alone.

Every value is an integer of 12 bits times a power of two, so that it is exact in float32, and so
is the median of any two of them. The maker (make_byzfl_oracle.py) and the test share this file,
which imports nothing of swarmp2p.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

COUNT = 1_000
KINDS = ("plain", "scales", "outliers", "wild", "ties")
RADII = (0.5, 1.0, 2.0, 3.0, 10.0)
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Case:
    """One matrix: `rows` float64[K, d], the base of the round float64[d], a radius for cclip."""

    index: int
    kind: str
    rows: np.ndarray
    base: np.ndarray
    radius: float

    @property
    def middle(self) -> float:
        """The upper median of the distances from the base: the rules' unit of length."""
        norms = sorted(np.sqrt(((self.rows - self.base) ** 2).sum(axis=1)).tolist())
        return float(norms[len(norms) // 2])


def words(seed: int, count: int) -> np.ndarray:
    """`count` words of SplitMix64 (Steele, Lea and Flood 2014) from a state made of the seed."""
    state = np.uint64(seed * _GOLDEN & _MASK)
    with np.errstate(over="ignore"):
        z = state + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def case(index: int) -> Case:
    """K from 3 to 16 in turn, the kinds in turn, d from 1 to 200 with small ones more often."""
    count, kind = 3 + index % 14, KINDS[index % len(KINDS)]
    first = words(3 * index, 2)
    size = int((1 << int(first[0]) % 8) + int(first[1]) % (1 << int(first[0]) % 8))
    size = min(size, 200)
    drawn = (words(3 * index + 1, (count + 1) * size) >> np.uint64(52)).astype(np.float64) - 2048
    drawn = drawn.reshape(count + 1, size)
    rows, base = drawn[:count], drawn[count] * 0.5 + 0.25  # no row ever equals the base
    choice = words(3 * index + 2, count * size)
    if kind == "scales":
        rows = rows * 2.0 ** (choice[:count] % np.uint64(8)).astype(np.float64)[:, np.newaxis]
    if kind in ("outliers", "wild"):  # beyond all others, but within 100 medians; or far beyond
        few = max(1, (count - 1) // 3)
        rows[choice[:few] % np.uint64(count)] *= 2.0 ** (4 if kind == "outliers" else 10)
    if kind == "ties":  # a third of the values are copied from the row above; the last row twice
        copied = (choice % np.uint64(3) == 0).reshape(count, size)
        for k in range(1, count):
            rows[k, copied[k]] = rows[k - 1, copied[k]]
        rows[0] = rows[count - 1]
    scale = 2.0 ** (index % 61 - 30)
    return Case(index, kind, rows * scale, base * scale, RADII[index // 7 % len(RADII)])


def cases() -> Iterator[Case]:
    """All of them."""
    return (case(index) for index in range(COUNT))


def digest() -> str:
    """SHA-256 over all values: the npz holds it, so that a changed generator is noticed."""
    total = hashlib.sha256()
    for one in cases():
        total.update(np.ascontiguousarray(one.rows, "<f8").tobytes())
        total.update(np.ascontiguousarray(one.base, "<f8").tobytes())
    return total.hexdigest()


def trimmed(count: int) -> int:
    """Values dropped at each end by `trimmed_mean` (MERGE-032)."""
    return max(1, (count - 1) // 3)


def krum_faults(count: int) -> int:
    """The f of MERGE-040."""
    return min((count - 1) // 3, (count - 3) // 2)
