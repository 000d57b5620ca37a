"""What a merge rule of 09-merge.md works on; the mean and the last step (MERGE-011, MERGE-012).

Every step of a rule is applied to whole vectors: all elements of one operation, then the next one.
No element depends on another except through the coefficients, so the bits are those of the text.
"""

from distances import Geometry
from weights import shares


class Round:
    """What a rule works on: the float sections, the base and the weights of an attempt."""

    def __init__(self, kind, base, updates, weights, stats, radius):
        self.kind = kind
        self.base = base
        self.updates = updates
        self.weights = weights  # the W_k after MERGE-010
        self.stats = stats
        self.radius = radius

    def geometry(self):
        return Geometry(self.kind, self.base, self.updates, self.stats)

    def with_updates(self, updates):
        return Round(self.kind, self.base, updates, self.weights, self.stats, self.radius)


def last_step(kind, vector):
    """MERGE-012"""
    # x + 0.0 is x, or +0.0 for -0.0: nothing is left to round. All are in F already.
    high, low = kind.largest, -kind.largest
    return [high if x > high else low if x < low else x + 0.0 for x in vector]


def mean_of(kind, factors, updates):
    """MERGE-011; a factor of 0 leaves its update out (09-merge.md, Rules by selection)."""
    acc = kind.zeros(len(updates[0]))
    for factor, update in zip(factors, updates, strict=True):
        if factor != 0.0:
            acc = kind.add(acc, kind.multiply(kind.round(factor), update))
    return last_step(kind, acc)


def mean(given):
    """MERGE-011: c_k = w_k. It has no outliers (MERGE-023)."""
    return mean_of(given.kind, shares(given.weights), given.updates), []
