"""Merge rules that measure whole updates: the mean, clipping, geometric median, Krum, NNM.

Each ends with D5. `out` is 1-D, of the updates' dtype (float32 or float64) and length.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import ClassVar

from swarmp2p.errors import MergeError
from swarmp2p.merge.gram import Distances, clip_centre, measure, weiszfeld
from swarmp2p.merge.order import TrimmedMean
from swarmp2p.merge.reducers import Mixed, shifted_sum, weighted_sum
from swarmp2p.merge.terms import Findings, MergeRule, Terms, Vector, require


@dataclass(frozen=True, slots=True)
class Mean:
    """Weighted mean, ARITHMETIC D4: acc = +0.0; for k ascending acc = acc + (alpha_k * x_k).

    alpha_k = f32(W_k / sum W). Any n >= 1, f = 0: no defence against a bad update, D13 included.
    Cost: n multiplies and n adds per element.
    """

    name: ClassVar[str] = "mean"
    min_peers: ClassVar[int] = 1
    faults: ClassVar[str] = "f = 0"

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write the mean to `out`."""
        require(self, terms.rows.count)
        return _combine(terms, terms.shares, out)


@dataclass(frozen=True, slots=True)
class CentredClipping:
    """Centred clipping, ARITHMETIC D6 (Karimireddy, He and Jaggi, ICML 2021), three steps.

    Starting at the base, the centre moves by the weighted sum of the deltas, each cut to
    tau = radius * (upper median of |delta|). Any n >= 1; n <= 2 is the mean. D13 shuts out updates
    more than 100 medians away. Cost: n(n+1)/2 float64 multiply-adds per element, then one pass.
    """

    radius: float = 2.0
    name: ClassVar[str] = "cclip"
    min_peers: ClassVar[int] = 1
    faults: ClassVar[str] = "f <= (n-1)//3, by weight"

    def __post_init__(self) -> None:
        if not (isfinite(self.radius) and self.radius > 0):
            raise MergeError(f"cclip: radius {self.radius}; a finite number above 0 is expected")

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write b + sum of f32(a_k) * delta_k to `out`."""
        require(self, terms.rows.count)
        if terms.rows.count <= 2:
            return _combine(terms, terms.shares, out)
        distances = measure(terms)
        centre = clip_centre(distances, terms.shares, self.radius)
        return _shift(terms, centre, distances.outliers(), out)


@dataclass(frozen=True, slots=True)
class GeometricMedian:
    """Weighted geometric median, ARITHMETIC D9: 32 Weiszfeld steps (Pillutla et al., 2022).

    Reaches are kept above 2^-20 of the upper median of |delta|; if that median is 0, the mean (D4).
    Any n >= 1; holds while bad updates have less than half of the weight. D13 shuts out updates
    more than 100 medians away. Cost: as cclip.
    """

    name: ClassVar[str] = "geometric_median"
    min_peers: ClassVar[int] = 1
    faults: ClassVar[str] = "less than half of the weight bad"

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write b + sum of f32(a_k) * delta_k to `out`."""
        require(self, terms.rows.count)
        distances = measure(terms)
        if distances.middle == 0:
            return _combine(terms, terms.shares, out)
        centre = weiszfeld(distances, terms.shares)
        return _shift(terms, centre, distances.outliers(), out)


def selection_faults(count: int) -> int:
    """F of D10: how many bad updates Krum's rules and NNM are built for."""
    return min((count - 1) // 3, (count - 3) // 2)


@dataclass(frozen=True, slots=True)
class Krum:
    """Krum, ARITHMETIC D10 (Blanchard et al., NeurIPS 2017): the update nearest to its neighbours.

    The score of k is the sum of its n-f-2 smallest squared distances, ascending; the least score
    wins, ties to the lower index. n >= 3, f = min((n-1)//3, (n-3)//2). Ignores weights. Cost: the
    Gram matrix of cclip, one copy.
    """

    name: ClassVar[str] = "krum"
    min_peers: ClassVar[int] = 3
    faults: ClassVar[str] = "f = min((n-1)//3, (n-3)//2)"

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write the chosen update to `out`."""
        require(self, terms.rows.count)
        return _average(terms, _least(measure(terms), 1), out)


@dataclass(frozen=True, slots=True)
class MultiKrum:
    """Multi-Krum, ARITHMETIC D10: the D4 mean with equal weights of the n-f best Krum scores.

    n >= 3, f = min((n-1)//3, (n-3)//2). Ignores weights. Cost: the Gram matrix, one mean.
    """

    name: ClassVar[str] = "multi_krum"
    min_peers: ClassVar[int] = 3
    faults: ClassVar[str] = "f = min((n-1)//3, (n-3)//2)"

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write the mean of the chosen updates to `out`."""
        count = terms.rows.count
        require(self, count)
        return _average(terms, _least(measure(terms), count - selection_faults(count)), out)


@dataclass(frozen=True, slots=True)
class NearestNeighbourMixing:
    """NNM before another rule R, ARITHMETIC D11 (Allouah et al., AISTATS 2023).

    Every update is first replaced by the equal-weight mean (D4, with D5) of its n-f nearest, itself
    included, ties to the lower index; then R merges those. n >= 3 and within R's range,
    f = min((n-1)//3, (n-3)//2). Cost: the Gram matrix, n(n-f) multiply-adds per element, R.
    """

    inner: MergeRule
    min_peers: ClassVar[int] = 3
    faults: ClassVar[str] = "f = min((n-1)//3, (n-3)//2), n within the range of the rule after it"

    @property
    def name(self) -> str:
        """The name of this rule, "nnm+" and R's."""
        return f"nnm+{self.inner.name}"

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write R of the mixed updates to `out`; findings are about the mixed updates."""
        return self.inner.reduce(self.mixed(terms), out)

    def mixed(self, terms: Terms) -> Terms:
        """The merge that is left to R: of y_0 to y_(n-1), with the products after ours."""
        count = terms.rows.count
        require(self, count)
        require(self.inner, count)
        near = count - selection_faults(count)
        groups = tuple(
            tuple(sorted(sorted(range(count), key=row.__getitem__)[:near]))
            for row in measure(terms).squares()
        )
        rows = Mixed(terms.rows, groups)
        return replace(terms, rows=rows, scan=None, products=terms.products[1:])


@dataclass(frozen=True, slots=True)
class Strict:
    """ARITHMETIC D11's `strict`: trimmed_mean for n = 4..7, nnm+trimmed_mean from 8.

    n >= 4, f <= (n-1)//3. Ignores weights. Cost: that of the rule it stands for.
    """

    name: ClassVar[str] = "strict"
    min_peers: ClassVar[int] = 4
    faults: ClassVar[str] = "f <= (n-1)//3"

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write the merged vector to `out`."""
        require(self, terms.rows.count)
        return self.stands_for(terms.rows.count).reduce(terms, out)

    def stands_for(self, count: int) -> MergeRule:
        """The rule that it is for so many updates."""
        return TrimmedMean() if count <= 7 else NearestNeighbourMixing(TrimmedMean())


def _least(distances: Distances, most: int) -> list[int]:
    """The `most` roster indices with the least Krum scores, ascending by index."""
    squares = distances.squares()
    count = len(squares)
    near = count - selection_faults(count) - 2
    scores = []
    for k, row in enumerate(squares):
        score = 0.0
        for square in sorted(row[:k] + row[k + 1 :])[:near]:
            score += square
        scores.append(score)
    chosen = sorted(range(count), key=scores.__getitem__)[:most]
    if not all(isfinite(scores[k]) for k in chosen):
        raise MergeError(
            f"more than {selection_faults(count)} of {count} updates are so far from the base that "
            "their distance overflows; Krum's rules cannot choose among them"
        )
    return sorted(chosen)


def _average(terms: Terms, chosen: Sequence[int], out: Vector) -> Findings:
    """D4 with equal weights over the chosen updates."""
    factor = 1.0 / float(len(chosen))
    return _combine(terms, [factor if k in chosen else 0.0 for k in range(terms.rows.count)], out)


def _combine(terms: Terms, factors: Sequence[float], out: Vector) -> Findings:
    weighted_sum(terms, factors, out)
    return Findings(_rounded(factors, out))


def _shift(terms: Terms, centre: Sequence[float], outliers: Sequence[int], out: Vector) -> Findings:
    """Write the point with these coefficients, those of outliers replaced by 0 (D13)."""
    factors = [0.0 if k in outliers else factor for k, factor in enumerate(centre)]
    shifted_sum(terms, factors, out)
    return Findings(_rounded(factors, out), tuple(outliers))


def _rounded(factors: Sequence[float], out: Vector) -> tuple[float, ...]:
    """The factors as the vector arithmetic saw them: rounded to the compute dtype."""
    return tuple(float(out.dtype.type(factor)) for factor in factors)
