"""Merge rules by rank, element by element: medians and trimmed means (ARITHMETIC D7, D8).

Values are sorted by a network of np.minimum and np.maximum on whole blocks (Batcher's merge
exchange, Knuth 5.2.2 M) from which every comparator that the wanted ranks do not need is dropped.
Which of +0.0 and -0.0 comes out first is left open by that, and made irrelevant by D5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from swarmp2p.merge import reducers
from swarmp2p.merge.reducers import settle, walk
from swarmp2p.merge.terms import Findings, Terms, Vector, require

Comparator = tuple[int, int, bool, bool]  # low wire, high wire, minimum needed, maximum needed

# elements in all scratch rows of a thread: 1 MiB of float32, half of a second-level cache
_SCRATCH_ELEMENTS = 1 << 18
_MIN_BLOCK = 1_024


def trim(count: int) -> int:
    """T of D8: how many values are dropped at each end."""
    return max(1, (count - 1) // 3)


@lru_cache(maxsize=64)
def network(count: int, first: int, last: int) -> tuple[Comparator, ...]:
    """Comparators that bring ranks first..last (inclusive) of `count` values to those wires."""
    comparators = _merge_exchange(count)
    live = set(range(first, last + 1))
    kept: list[Comparator] = []
    for low, high in reversed(comparators):
        if low in live or high in live:
            kept.append((low, high, low in live, high in live))
            live |= {low, high}
    return tuple(reversed(kept))


def _merge_exchange(count: int) -> list[tuple[int, int]]:
    comparators: list[tuple[int, int]] = []
    top = 1 << max(count - 1, 1).bit_length() - 1
    p = top
    while p:
        q, r, d = top, 0, p
        while True:
            comparators += [(i, i + d) for i in range(count - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return comparators


def _sort(block: Sequence[Vector], plan: Sequence[Comparator], free: list[Vector]) -> list[Vector]:
    """Run the network. `free`: n + 2 scratch rows; the inputs are only read."""
    wires = list(block)
    owned = [False] * len(wires)
    for low, high, need_low, need_high in plan:
        x, y = wires[low], wires[high]
        if need_low:
            wires[low] = np.minimum(x, y, out=free.pop())
        if need_high:
            wires[high] = np.maximum(x, y, out=free.pop())
        free += [row for row, own in ((x, owned[low]), (y, owned[high])) if own]
        owned[low], owned[high] = need_low, need_high
    return wires


def _blocks(
    terms: Terms, out: Vector, rows: int, work: Callable[[Sequence[Vector], Vector, Vector], None]
) -> None:
    """Call work(block of every row, block of out, scratch[rows]) over the vector, then D5."""

    def run(start: int, stop: int) -> None:
        own = terms.rows.for_thread()
        step = _step(rows)
        scratch: Vector = np.empty((rows, min(step, stop - start)), out.dtype)
        for low in range(start, stop, step):
            high = min(stop, low + step)
            work(own.block(low, high), out[low:high], scratch[:, : high - low])
            settle(out[low:high])

    walk(terms.rows.size, run, terms.pool, terms.threads)


def _step(rows: int) -> int:
    step = reducers.BLOCK
    while step > _MIN_BLOCK and step * rows > _SCRATCH_ELEMENTS:
        step //= 2
    return step


@dataclass(frozen=True, slots=True)
class Median:
    """Coordinate median, ARITHMETIC D7: n odd, the middle value; n even, 0.5*lo + 0.5*hi.

    Any n >= 1; bounded by honest values while fewer than half of the updates are bad. Ignores
    weights. Cost: about n log^2 n / 4 minimum/maximum pairs per element.
    """

    name: ClassVar[str] = "median"
    min_peers: ClassVar[int] = 1
    faults: ClassVar[str] = "f < n/2"

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write the medians to `out`: 1-D, dtype of the updates."""
        count = terms.rows.count
        require(self, count)
        lower, upper = (count - 1) // 2, count // 2
        plan = network(count, lower, upper)
        half = out.dtype.type(0.5)

        def work(block: Sequence[Vector], part: Vector, scratch: Vector) -> None:
            wires = _sort(block, plan, list(scratch[:-1]))
            if lower == upper:
                part[:] = wires[lower]
                return
            np.multiply(wires[lower], half, out=part)
            np.multiply(wires[upper], half, out=scratch[-1])
            np.add(part, scratch[-1], out=part)

        _blocks(terms, out, count + 3, work)
        return Findings()


@dataclass(frozen=True, slots=True)
class TrimmedMean:
    """Trimmed mean, ARITHMETIC D8 (Yin et al., ICML 2018): drops t values at each end.

    t = max(1, (n-1)//3); the kept values are added in ascending order and multiplied by
    f32(1/(n-2t)). n >= 3, f <= t. Ignores weights. Cost: as the median, and n-2t adds.
    """

    name: ClassVar[str] = "trimmed_mean"
    min_peers: ClassVar[int] = 3
    faults: ClassVar[str] = "f <= max(1, (n-1)//3)"

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write the trimmed means to `out`: 1-D, dtype of the updates."""
        count = terms.rows.count
        require(self, count)
        drop = trim(count)
        plan = network(count, drop, count - drop - 1)
        factor = out.dtype.type(1.0 / float(count - 2 * drop))

        def work(block: Sequence[Vector], part: Vector, scratch: Vector) -> None:
            kept = _sort(block, plan, list(scratch))[drop : count - drop]
            np.add(kept[0], out.dtype.type(0), out=part)
            for values in kept[1:]:
                np.add(part, values, out=part)
            np.multiply(part, factor, out=part)

        _blocks(terms, out, count + 2, work)
        return Findings()


class _Ranks:
    """Who comes before whom, element by element, by (value, roster index)."""

    def __init__(self, count: int, size: int) -> None:
        self._before = np.empty(size, np.uint8)
        self._ranks = np.empty((count, size), np.uint8 if count <= 256 else np.uint16)

    def pairs(
        self, block: Sequence[Vector], visit: Callable[[int, int, npt.NDArray[np.uint8]], None]
    ) -> None:
        """Call visit(j, k, 1 where x_j <= x_k else 0) for all j < k."""
        before = self._before[: block[0].size]
        for k in range(1, len(block)):
            for j in range(k):
                np.less_equal(block[j], block[k], out=before.view(np.bool_))
                visit(j, k, before)

    def of(self, block: Sequence[Vector]) -> npt.NDArray[np.unsignedinteger]:
        """The rank of every update, 0 for the first."""
        count = len(block)
        ranks: npt.NDArray[np.unsignedinteger] = self._ranks[:, : block[0].size]
        for j in range(count):
            ranks[j] = count - 1 - j  # as if all later ones came before; taken back below

        def visit(j: int, k: int, before: npt.NDArray[np.uint8]) -> None:
            np.add(ranks[k], before, out=ranks[k])
            np.subtract(ranks[j], before, out=ranks[j])

        self.pairs(block, visit)
        return ranks


@dataclass(frozen=True, slots=True)
class WeightedTrimmedMean:
    """Weighted trimmed mean, ARITHMETIC D8: t values dropped at each end by (value, roster index).

    Over the rest in roster order num += alpha_k x_k, den += alpha_k; m = num/den. n >= 3,
    f <= t = max(1, (n-1)//3), counted in peers, not in weight. Cost: n^2/2 comparisons per element.
    """

    name: ClassVar[str] = "weighted_trimmed_mean"
    min_peers: ClassVar[int] = 3
    faults: ClassVar[str] = "f <= max(1, (n-1)//3)"

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write the weighted trimmed means to `out`: 1-D, dtype of the updates."""
        count = terms.rows.count
        require(self, count)
        drop = trim(count)
        scalar = out.dtype.type
        alphas = [scalar(share) for share in terms.shares]

        def work(block: Sequence[Vector], part: Vector, scratch: Vector) -> None:
            total, alpha, term = scratch[0], scratch[1], scratch[2]
            part[:] = 0
            total[:] = 0
            ranks = _Ranks(count, part.size).of(block)
            for values, rank, share in zip(block, ranks, alphas, strict=True):
                kept = (rank >= drop) & (rank < count - drop)
                # a dropped value adds a zero, which changes no bit of a sum that began at +0.0
                np.multiply(kept, share, out=alpha)
                np.multiply(values, alpha, out=term)
                np.add(part, term, out=part)
                np.add(total, alpha, out=total)
            np.divide(part, total, out=part)

        _blocks(terms, out, count + 3, work)
        return Findings()


@dataclass(frozen=True, slots=True)
class WeightedMedian:
    """Weighted median, ARITHMETIC D7 (HPE's coordmedian): least v with 2*W(x <= v) >= W in all.

    In integers, so exact. Any n >= 1; holds while bad updates have less than half of the weight.
    Cost: n^2/2 comparisons and n^2 integer adds per element.
    """

    name: ClassVar[str] = "weighted_median"
    min_peers: ClassVar[int] = 1
    faults: ClassVar[str] = "less than half of the weight bad"

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write the weighted medians to `out`: 1-D, dtype of the updates."""
        count = terms.rows.count
        require(self, count)
        weights = terms.weights
        total = sum(weights)

        def work(block: Sequence[Vector], part: Vector, _scratch: Vector) -> None:
            below = np.empty((count, part.size), np.int64)  # W of all up to k, by (value, index)
            moved = np.empty(part.size, np.int64)
            for j in range(count):
                below[j] = sum(weights[j:])

            def visit(j: int, k: int, before: npt.NDArray[np.uint8]) -> None:
                np.multiply(before, np.int64(weights[j]), out=moved)
                np.add(below[k], moved, out=below[k])
                np.multiply(before, np.int64(weights[k]), out=moved)
                np.subtract(below[j], moved, out=below[j])

            _Ranks(count, part.size).pairs(block, visit)
            part[:] = np.inf
            for values, reached in zip(block, below, strict=True):
                np.minimum(part, values, out=part, where=2 * reached >= total)

        _blocks(terms, out, 3 * count + 3, work)
        return Findings()
