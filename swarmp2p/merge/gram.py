"""Inner products of updates in a defined order (ARITHMETIC D3) and what D6, D9, D10 do with them.

The vectors are read once for the Gram matrix; every iteration of a robust rule then works on n x n
numbers, since its point stays in the span of the deltas.
"""

from collections.abc import Sequence
from math import isfinite, sqrt
from operator import itemgetter

import numpy as np

from swarmp2p.errors import MergeError
from swarmp2p.merge.reducers import exact, walk
from swarmp2p.merge.terms import Doubles, Rows, Terms, Vector

Gram = list[list[float]]

# D3's numbers; a result depends on both. Tests set smaller ones to reach every edge.
SEGMENT = 1 << 20
LANES = 16_384
# elements: lanes worked on at a time. All at once is fastest: the calls into NumPy cost more than
# the third-level cache. No result depends on it.
LANE_BLOCK = LANES
# bytes: accumulators of one thread; with more pairs than fit, the updates are read again
ACCUMULATORS = 8 << 20
# bytes: deltas and products of one thread; more updates make shorter blocks
SCRATCH_BYTES = 6 << 20

_OUTLIER_FACTOR = 100  # D13
MEASURABLE = 2.0**1000


class Distances:
    """The Gram matrix G of delta_k = x_k - base, and d_k = sqrt(G_kk).

    An update with G_kk above 2^1000 (or not a number, after an overflow in x_k - base) cannot be
    measured: its d_k is infinite, its row and column of G are zero, and it is an outlier in the
    sense of D13. Below that bound no later step overflows. Only float64 vectors and differences
    beyond the largest float32 get there.
    """

    def __init__(self, gram: Gram) -> None:
        count = len(gram)
        self.measured = [gram[k][k] <= MEASURABLE for k in range(count)]
        self.gram = [
            [gram[k][j] if self.measured[k] and self.measured[j] else 0.0 for j in range(count)]
            for k in range(count)
        ]
        self.norms = [sqrt(gram[k][k]) if self.measured[k] else float("inf") for k in range(count)]

    @property
    def middle(self) -> float:
        """M, the upper middle of the d_k. Raises MergeError where it is infinite (MERGE-015)."""
        middle = sorted(self.norms)[len(self.norms) // 2]
        if not isfinite(middle):
            raise MergeError(
                f"half of the {len(self.norms)} updates are so far from the base that their "
                "distance overflows; the rule cannot measure them"
            )
        return middle

    def outliers(self) -> tuple[int, ...]:
        """D13: indices with d_k > 100 * sorted(d)[n // 2]."""
        bound = _OUTLIER_FACTOR * self.middle
        return tuple(k for k, norm in enumerate(self.norms) if norm > bound or not self.measured[k])

    def from_point(self, point: Sequence[float]) -> list[float]:
        """r_k of D6: the distance of delta_k from the point sum_j a_j delta_j."""
        products = []
        for row in self.gram:
            total = 0.0
            for value, coefficient in zip(row, point, strict=True):
                total += value * coefficient
            products.append(total)
        square = 0.0
        for coefficient, product in zip(point, products, strict=True):
            square += coefficient * product
        return [
            sqrt(max(0.0, (self.gram[k][k] - 2.0 * product) + square))
            for k, product in enumerate(products)
        ]

    def squares(self) -> list[list[float]]:
        """D10: D_kj = max(0, (G_kk + G_jj) - 2 G_kj); D_kk = 0; infinite where not measured."""
        count = len(self.gram)
        diagonal = [self.gram[k][k] for k in range(count)]
        return [[self._square(diagonal, k, j) for j in range(count)] for k in range(count)]

    def _square(self, diagonal: Sequence[float], k: int, j: int) -> float:
        if k == j:
            return 0.0
        if not (self.measured[k] and self.measured[j]):
            return float("inf")
        return max(0.0, (diagonal[k] + diagonal[j]) - 2.0 * self.gram[k][j])


def measure(terms: Terms) -> Distances:
    """G_kj = dot(x_k - base, x_j - base) by D3, deltas in the compute dtype, and its distances.

    Stat slices count as equal to the base: they are not the rule's to judge. Cost: n(n+1)/2
    multiplies and adds in float64 per element.
    """
    sums = total(terms.products[0] if terms.products else all_products(terms))
    # A sum of squares is NaN or infinite if an element was, whatever the others are.
    if not np.isfinite(sums).all():
        terms.suspect()
    count = terms.rows.count
    gram = [[0.0] * count for _ in range(count)]
    for (k, j), value in zip(pairs(count), sums[0].tolist(), strict=True):
        gram[k][j] = gram[j][k] = value
    return Distances(gram)


def pairs(count: int) -> list[tuple[int, int]]:
    """Every two of `count` updates, and each with itself, in the order of products."""
    return [(k, j) for k in range(count) for j in range(k, count)]


def total(products: Doubles) -> Doubles:
    """The segments' products as if of one segment: float64 [1, pairs], summed ascending from +0.0.

    products: [segments, pairs]. The total of a total is itself.
    """
    sums: Doubles = np.zeros((1, products.shape[1]))
    with exact():
        for row in products:
            np.add(sums, row, out=sums)
    return sums


def all_products(terms: Terms) -> Doubles:
    """segment_products() of every segment: float64 [segments, pairs]."""
    size = terms.rows.size
    partial: Doubles = np.zeros((-(-size // SEGMENT), len(pairs(terms.rows.count))))

    def work(start: int, stop: int) -> None:
        rows = terms.rows.for_thread()
        for low in range(start, stop, SEGMENT):
            high = min(low + SEGMENT, stop)
            partial[low // SEGMENT] = segment_products(terms, rows, low, high)

    walk(size, work, terms.pool, terms.threads, align=SEGMENT)
    return partial


def segment_products(
    terms: Terms, rows: Rows, low: int, high: int, *, ascending: bool = False
) -> Doubles:
    """The dots of all pairs (k, j >= k) over one segment, in pair order.

    ascending: never go back to earlier elements but for the next pairs. Accumulators then fit the
    cache less well; rows that load what they show load it less often. No bit depends on it.
    """
    count = rows.count
    # A short segment leaves the upper lanes at +0.0, and adding +0.0 to a lane changes nothing
    # (a lane is never -0.0): so only as many lanes as a power of two needs are kept.
    lanes = min(LANES, 1 << (high - low - 1).bit_length())
    spans = _spans(count, max(1, ACCUMULATORS // (8 * lanes)))
    results: list[Doubles] = []
    for span in spans:
        size = sum(stop - start for _, start, stop in span)
        sums: Doubles = np.zeros((size, lanes))
        _accumulate(terms, rows, (low, high), span, sums, ascending=ascending)
        half = lanes // 2
        while half:
            np.add(sums[:, :half], sums[:, half : 2 * half], out=sums[:, :half])
            half //= 2
        results.append(sums[:, 0].copy())
    return np.concatenate(results)


def _spans(count: int, most: int) -> list[list[tuple[int, int, int]]]:
    """Pairs in order, as groups of (k, first j, end of j) with at most `most` pairs each."""
    spans: list[list[tuple[int, int, int]]] = [[]]
    room = most
    for k in range(count):
        start = k
        while start < count:
            if not room:
                spans.append([])
                room = most
            stop = min(count, start + room)
            spans[-1].append((k, start, stop))
            room -= stop - start
            start = stop
    return spans


def _accumulate(
    terms: Terms,
    rows: Rows,
    bounds: tuple[int, int],
    span: Sequence[tuple[int, int, int]],
    sums: Doubles,
    *,
    ascending: bool,
) -> None:
    """s_l = s_l + f64(u_j) * f64(v_j) for j = l, l+L, ..., for every pair of the span."""
    low, high = bounds
    lanes = sums.shape[1]
    stat = [part for part in terms.stat if part.start < high and part.stop > low]
    scratch = _Scratch(rows, lanes)
    places = [
        (lane, start)
        for lane in range(0, lanes, scratch.width)
        for start in range(low + lane, high, lanes)
    ]
    if ascending:
        places.sort(key=itemgetter(1))
    for lane, start in places:
        stop = min(start + scratch.width, high)
        size = stop - start
        wide = scratch.deltas(rows.block(start, stop), terms.base[start:stop])
        for part in stat:
            if part.start < stop and part.stop > start:
                wide[:, max(part.start - start, 0) : max(part.stop - start, 0)] = 0
        first = 0
        for k, begin, end in span:
            product = scratch.products[: end - begin, :size]
            np.multiply(wide[k], wide[begin:end], out=product)
            kept = sums[first : first + end - begin, lane : lane + size]
            np.add(kept, product, out=kept)
            first += end - begin


class _Scratch:
    """One thread's deltas, the same in float64, and products."""

    def __init__(self, rows: Rows, lanes: int) -> None:
        each = rows.count * (rows.dtype.itemsize + 16) + rows.scratch * rows.dtype.itemsize
        self.width = min(LANE_BLOCK, lanes)
        while self.width > 1 and self.width * each > SCRATCH_BYTES:
            self.width //= 2
        self._delta = np.empty((rows.count, self.width), rows.dtype)
        self._wide: Doubles = self._delta
        if rows.dtype != np.float64:
            self._wide = np.empty((rows.count, self.width))
        self.products: Doubles = np.empty((rows.count, self.width))

    def deltas(self, block: Sequence[Vector], base: Vector) -> Doubles:
        """x_k - base, rounded to the compute dtype, then widened."""
        delta = self._delta[:, : base.size]
        for values, out in zip(block, delta, strict=True):
            np.subtract(values, base, out=out)
        wide = self._wide[:, : base.size]
        if self._wide is not self._delta:
            np.copyto(wide, delta)
        return wide


def clip_centre(
    distances: Distances, shares: Sequence[float], radius: float, rounds: int = 3
) -> list[float]:
    """Coefficients a_k of D6 after `rounds` clipping steps around the moving centre."""
    tau = radius * distances.middle
    point = [0.0] * len(shares)
    for _ in range(rounds):
        clipped = [
            share if reach <= tau else share * (tau / reach)
            for share, reach in zip(shares, distances.from_point(point), strict=True)
        ]
        total = _total(clipped)
        point = [
            coefficient * (1.0 - total) + c for coefficient, c in zip(point, clipped, strict=True)
        ]
    return point


def weiszfeld(distances: Distances, shares: Sequence[float], rounds: int = 32) -> list[float]:
    """Coefficients a_k of D9 after `rounds` steps. The caller has excluded middle == 0."""
    epsilon = distances.middle * 2.0**-20
    point = list(shares)
    for _ in range(rounds):
        beta = [
            share / max(reach, epsilon)
            for share, reach in zip(shares, distances.from_point(point), strict=True)
        ]
        total = _total(beta)
        point = [b / total for b in beta]
    return point


def _total(values: Sequence[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total
