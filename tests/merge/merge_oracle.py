"""The merge rules in plain Python: floats and loops, no NumPy arithmetic, no blocks.

A second reading of the same definitions, as slow and as literal as possible. A Python float is
binary64; `single` rounds it to binary32.
"""

import struct
from collections.abc import Callable, Sequence
from math import inf, sqrt

Row = Sequence[float]
Round = Callable[[float], float]

LARGEST_SINGLE = float.fromhex("0x1.fffffep127")
LARGEST_DOUBLE = float.fromhex("0x1.fffffffffffffp1023")


def single(value: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return inf if value > 0 else -inf


def double(value: float) -> float:
    return value


def largest(rnd: Round) -> float:
    return LARGEST_SINGLE if rnd is single else LARGEST_DOUBLE


def capped(weights: Sequence[int]) -> list[int]:
    middle = sorted(weights)[len(weights) // 2]
    return [min(weight, 2 * middle) for weight in weights]


def shares(weights: Sequence[int]) -> list[float]:
    total = 0
    for weight in weights:
        total += weight
    return [float(weight) / float(total) for weight in weights]


def settle(value: float, rnd: Round) -> float:
    value = rnd(value + 0.0)
    return max(-largest(rnd), min(largest(rnd), value))


def mean_column(column: Row, factors: Row, rnd: Round) -> float:
    acc = 0.0
    for x, factor in zip(column, factors, strict=True):
        acc = rnd(acc + rnd(rnd(factor) * x))
    return acc


def mean(rows: Sequence[Row], factors: Row, rnd: Round) -> list[float]:
    return [settle(mean_column(c, factors, rnd), rnd) for c in zip(*rows, strict=True)]


def dot(u: Row, v: Row, segment: int, lanes: int) -> float:
    total = 0.0
    for start in range(0, len(u), segment):
        sums = [0.0] * lanes
        for j in range(start, min(start + segment, len(u))):
            lane = (j - start) % lanes
            sums[lane] = sums[lane] + u[j] * v[j]
        half = lanes // 2
        while half >= 1:
            for lane in range(half):
                sums[lane] = sums[lane] + sums[lane + half]
            half //= 2
        total = total + sums[0]
    return total


class Geometry:
    def __init__(
        self, rows: Sequence[Row], base: Row, rnd: Round, segment: int, lanes: int
    ) -> None:
        self.n = len(rows)
        self.delta = [[rnd(x - b) for x, b in zip(row, base, strict=True)] for row in rows]
        self.gram = [[dot(u, v, segment, lanes) for v in self.delta] for u in self.delta]
        self.norm = [sqrt(self.gram[k][k]) for k in range(self.n)]
        self.middle = sorted(self.norm)[self.n // 2]

    def reaches(self, a: Row) -> list[float]:
        g = []
        for k in range(self.n):
            total = 0.0
            for j in range(self.n):
                total = total + self.gram[k][j] * a[j]
            g.append(total)
        h = 0.0
        for k in range(self.n):
            h = h + a[k] * g[k]
        return [sqrt(max(0.0, (self.gram[k][k] - 2 * g[k]) + h)) for k in range(self.n)]

    def square(self, k: int, j: int) -> float:
        return max(0.0, (self.gram[k][k] + self.gram[j][j]) - 2 * self.gram[k][j])

    def moved(self, base: Row, a: Row, rnd: Round) -> list[float]:
        kept = [0.0 if self.norm[k] > 100 * self.middle else a[k] for k in range(self.n)]
        columns = zip(*self.delta, strict=True)
        return [
            settle(rnd(b + mean_column(column, kept, rnd)), rnd)
            for b, column in zip(base, columns, strict=True)
        ]


def cclip(base: Row, geometry: Geometry, w: Row, radius: float, rnd: Round) -> list[float]:
    tau = radius * geometry.middle
    a = [0.0] * geometry.n
    for _ in range(3):
        r = geometry.reaches(a)
        c = [w[k] if r[k] <= tau else w[k] * (tau / r[k]) for k in range(geometry.n)]
        s = 0.0
        for k in range(geometry.n):
            s = s + c[k]
        a = [a[k] * (1 - s) + c[k] for k in range(geometry.n)]
    return geometry.moved(base, a, rnd)


def geometric_median(base: Row, geometry: Geometry, w: Row, rnd: Round) -> list[float]:
    eps = geometry.middle * 2.0**-20
    a = list(w)
    for _ in range(32):
        beta = [w[k] / max(r, eps) for k, r in enumerate(geometry.reaches(a))]
        s = 0.0
        for value in beta:
            s = s + value
        a = [value / s for value in beta]
    return geometry.moved(base, a, rnd)


def median_column(column: Row, _weights: Sequence[int], rnd: Round) -> float:
    values = sorted(column)
    n = len(values)
    if n % 2:
        return values[n // 2]
    return rnd(rnd(0.5 * values[n // 2 - 1]) + rnd(0.5 * values[n // 2]))


def weighted_median_column(column: Row, weights: Sequence[int], _rnd: Round) -> float:
    for value in sorted(column):
        if 2 * sum(w for x, w in zip(column, weights, strict=True) if x <= value) >= sum(weights):
            return value
    raise AssertionError


def trimmed_column(column: Row, _weights: Sequence[int], rnd: Round) -> float:
    n = len(column)
    t = max(1, (n - 1) // 3)
    acc = 0.0
    for value in sorted(column)[t : n - t]:
        acc = rnd(acc + value)
    return rnd(acc * rnd(1.0 / float(n - 2 * t)))


def weighted_trimmed_column(column: Row, weights: Sequence[int], rnd: Round) -> float:
    n = len(column)
    t = max(1, (n - 1) // 3)
    order = sorted(range(n), key=lambda k: (column[k], k))
    alpha = [rnd(w) for w in shares(weights)]
    num = den = 0.0
    for k in sorted(order[t : n - t]):
        num = rnd(num + rnd(alpha[k] * column[k]))
        den = rnd(den + alpha[k])
    return rnd(num / den)


COLUMN_RULES = {
    "median": median_column,
    "weighted_median": weighted_median_column,
    "trimmed_mean": trimmed_column,
    "weighted_trimmed_mean": weighted_trimmed_column,
}


def faults(n: int) -> int:
    return min((n - 1) // 3, (n - 3) // 2)


def krum_order(geometry: Geometry) -> list[int]:
    n = geometry.n
    scores = []
    for k in range(n):
        squares = sorted(geometry.square(k, j) for j in range(n) if j != k)
        score = 0.0
        for value in squares[: n - faults(n) - 2]:
            score = score + value
        scores.append(score)
    return sorted(range(n), key=lambda k: (scores[k], k))


def mixed(rows: Sequence[Row], geometry: Geometry, rnd: Round) -> list[list[float]]:
    n = geometry.n
    near = n - faults(n)
    result = []
    for k in range(n):
        distance = [0.0 if j == k else geometry.square(k, j) for j in range(n)]
        nearest = sorted(sorted(range(n), key=lambda j: (distance[j], j))[:near])
        result.append(mean([rows[j] for j in nearest], [1.0 / float(near)] * near, rnd))
    return result


def merge(  # noqa: PLR0911 - one return for each rule
    name: str,
    rows: Sequence[Row],
    base: Row,
    declared: Sequence[int],
    rnd: Round = single,
    *,
    segment: int = 1 << 20,
    lanes: int = 16_384,
    radius: float = 2.0,
) -> list[float]:
    """The merged vector of a rule, for vectors without stat slices."""
    n = len(rows)
    weights = capped(declared)
    w = shares(weights)
    if name == "strict":
        name = "trimmed_mean" if n <= 7 else "nnm+trimmed_mean"
    if name == "mean" or (name == "cclip" and n <= 2):
        return mean(rows, w, rnd)
    if name in COLUMN_RULES:
        rule = COLUMN_RULES[name]
        return [settle(rule(c, weights, rnd), rnd) for c in zip(*rows, strict=True)]
    geometry = Geometry(rows, base, rnd, segment, lanes)
    if name == "cclip":
        return cclip(base, geometry, w, radius, rnd)
    if name == "geometric_median":
        if geometry.middle == 0:
            return mean(rows, w, rnd)
        return geometric_median(base, geometry, w, rnd)
    if name == "krum":
        return [settle(x, rnd) for x in rows[krum_order(geometry)[0]]]
    if name == "multi_krum":
        chosen = sorted(krum_order(geometry)[: n - faults(n)])
        return mean([rows[k] for k in chosen], [1.0 / float(len(chosen))] * len(chosen), rnd)
    assert name.startswith("nnm+")
    return merge(
        name.removeprefix("nnm+"),
        mixed(rows, geometry, rnd),
        base,
        declared,
        rnd,
        segment=segment,
        lanes=lanes,
        radius=radius,
    )
