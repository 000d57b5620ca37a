"""A merge rule of our own: the mean of updates that are no longer than a bound."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from swarmp2p.errors import MergeError
from swarmp2p.merge.interface import Findings, Terms, Vector, measure, shifted_sum


@dataclass(frozen=True, slots=True)
class BoundedMean:
    """Norm-bounded mean: m = b + sum of w_k * min(1, bound / |x_k - b|) * (x_k - b).

    An update moves the merge by w_k * bound at most, however long it is. `bound` is in units of the
    model's parameters: unlike cclip's radius it does not follow what is usual in the run.
    """

    bound: float = 1.0
    name: ClassVar[str] = "own-rule:bounded_mean"
    min_peers: ClassVar[int] = 1
    faults: ClassVar[str] = "any, each within w_k * bound"

    def __post_init__(self) -> None:
        if not 0 < self.bound < inf:
            raise MergeError(f"bound {self.bound}; a finite number above 0 is expected")

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write the merged vector to `out`."""
        norms = measure(terms).norms  # infinite where a distance overflows: the factor is then 0
        factors = tuple(
            share if norm <= self.bound else share * (self.bound / norm)
            for share, norm in zip(terms.shares, norms, strict=True)
        )
        shifted_sum(terms, factors, out)
        return Findings(factors)
