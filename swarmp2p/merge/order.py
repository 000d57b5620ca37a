"""Merge rules by rank, element by element: medians and trimmed means (ARITHMETIC D7, D8).

Blocks go through the circuits of merge/network.py, whole rows at a time; the rules that need each
value's own rank compare all pairs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from swarmp2p.merge.network import clamp, clamp_tree, network, sort
from swarmp2p.merge.reducers import add_up, settle, step, walk
from swarmp2p.merge.terms import Findings, Terms, Vector, reach, require

Work = Callable[[Sequence[Vector], Vector, Vector], None]


def trim(count: int) -> int:
    """T of D8: how many values are dropped at each end."""
    return max(1, (count - 1) // 3)


def _blocks(terms: Terms, out: Vector, rows: int, work: Work) -> None:
    """Call work(block of every row, block of out, scratch[rows]) over the vector.

    What it leaves in the block of out is merged, D5 included.
    """
    size = step(rows + terms.rows.scratch)

    def run(start: int, stop: int) -> None:
        own = terms.rows.for_thread()
        scratch: Vector = np.empty((rows, min(size, stop - start)), out.dtype)
        for low in range(start, stop, size):
            high = min(stop, low + size)
            work(own.block(low, high), out[low:high], scratch[:, : high - low])

    walk(terms.rows.size, run, terms.pool, terms.threads, align=size)


def _look(terms: Terms, block: Sequence[Vector]) -> None:
    """Find NaN and infinity, unless the updates are known to be free of them."""
    if terms.scan is not None and max(map(reach, block)) == inf:
        terms.suspect()


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
        half, zero = out.dtype.type(0.5), out.dtype.type(0)
        watch = terms.scan is not None

        def work(block: Sequence[Vector], part: Vector, scratch: Vector) -> None:
            wires, largest = sort(block, plan, list(scratch[:-1]), watch=watch)
            if watch and largest == inf:
                terms.suspect()
            # D5 has nothing to clamp: the median is no larger than the values, which are finite
            if lower == upper:
                np.add(wires[lower], zero, out=part)
                return
            np.multiply(wires[lower], half, out=part)
            np.multiply(wires[upper], half, out=scratch[-1])
            np.add(part, scratch[-1], out=part)
            np.add(part, zero, out=part)

        _blocks(terms, out, count + 2, work)
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
        scalar = out.dtype.type
        factor = scalar(1.0 / float(count - 2 * drop))
        # below this no sum overflows, and D5 has nothing to clamp
        small = float(np.finfo(out.dtype).max) / (2 * count)
        watch = terms.scan is not None

        def work(block: Sequence[Vector], part: Vector, scratch: Vector) -> None:
            wires, largest = sort(block, plan, list(scratch), watch=watch)
            if watch and largest == inf:
                terms.suspect()
            add_up(wires[drop : count - drop], part)
            np.multiply(part, factor, out=part)
            if largest <= small:
                np.add(part, scalar(0), out=part)
            else:
                settle(part)

        _blocks(terms, out, count + 1, work)
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
            _look(terms, block)
            total, alpha, term = scratch[0], scratch[1], scratch[2]
            part[:] = 0
            total[:] = 0
            ranks = _Ranks(count, part.size).of(block)
            np.subtract(ranks, ranks.dtype.type(drop), out=ranks)  # wraps: one comparison for two
            for values, rank, share in zip(block, ranks, alphas, strict=True):
                # a dropped value adds a zero, which changes no bit of a sum that began at +0.0
                np.copyto(alpha, np.less(rank, count - 2 * drop))
                np.multiply(alpha, share, out=alpha)
                np.multiply(values, alpha, out=term)
                np.add(part, term, out=part)
                np.add(total, alpha, out=total)
            np.divide(part, total, out=part)
            settle(part)

        _blocks(terms, out, count + 3, work)
        return Findings()


@dataclass(frozen=True, slots=True)
class WeightedMedian:
    """Weighted median, ARITHMETIC D7 (HPE's coordmedian): least v with 2*W(x <= v) >= W in all.

    Weights in integers, so exact. Any n >= 1; holds while bad updates have less than half of the
    weight. Cost: two minimum/maximum operations for each distinct sum of weights in a clamp tree
    (n^2/4 for equal weights); where those are too many, n^2/2 comparisons and n^2 integer adds.
    """

    name: ClassVar[str] = "weighted_median"
    min_peers: ClassVar[int] = 1
    faults: ClassVar[str] = "less than half of the weight bad"

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write the weighted medians to `out`: 1-D, dtype of the updates."""
        count = terms.rows.count
        require(self, count)
        levels = clamp_tree(terms.weights)
        if levels is None:
            _blocks(terms, out, 3 * count + 3, _by_pairs(terms))
            return Findings()
        zero = out.dtype.type(0)

        def work(block: Sequence[Vector], part: Vector, scratch: Vector) -> None:
            _look(terms, block)
            np.add(clamp(block, levels, list(scratch)), zero, out=part)

        _blocks(terms, out, 2 * max(map(len, levels)), work)
        return Findings()


def _by_pairs(terms: Terms) -> Work:
    """The weighted median by the weight below each value."""
    count, weights, total = terms.rows.count, terms.weights, sum(terms.weights)

    def work(block: Sequence[Vector], part: Vector, _scratch: Vector) -> None:
        _look(terms, block)
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
        settle(part)

    return work
