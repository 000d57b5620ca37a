"""Inner products and distances of 09-merge.md: MERGE-013 to MERGE-016."""

import math

from floats import F64, INFINITY, TYPES, read_vector
from refusal import Refusal
from weights import upper_middle

SEGMENT = 1 << 20
LANES = 16_384
MEASURABLE = 2.0**1000
OUTLIER_MEDIANS = 100.0


def dot(u, v):
    """MERGE-013: the sum over segments, ascending, from +0.0."""
    total = 0.0
    for start in range(0, len(u), SEGMENT):
        total = total + dot_of_segment(u[start : start + SEGMENT], v[start : start + SEGMENT])
    return total


def dot_of_segment(u, v):
    """MERGE-013: lanes, then the lanes in halves."""
    lanes = [0.0] * min(LANES, len(u))
    for start in range(0, len(u), LANES):
        row = zip(lanes, u[start : start + LANES], v[start : start + LANES], strict=False)
        sums = [lane + x * y for lane, x, y in row]
        lanes[: len(sums)] = sums  # the last row of a segment may be short
    # A lane is never -0.0, since it began at +0.0; so adding a lane that stayed +0.0 changes
    # nothing, and halves that hold only such lanes may be left out.
    half = 1
    while half < len(lanes):
        half *= 2
    lanes += [0.0] * (half - len(lanes))
    while half > 1:
        half //= 2
        for lane in range(half):
            lanes[lane] = lanes[lane] + lanes[lane + half]
    return lanes[0]


class Geometry:
    """G, d_k, and the outliers of the updates."""

    def __init__(self, kind, base, updates, stats):
        self.deltas = [kind.subtract(update, base) for update in updates]  # MERGE-014, in F
        seen = [without_statistics(delta, stats) for delta in self.deltas]
        n = len(updates)
        self.gram = [[0.0] * n for _ in range(n)]
        for k in range(n):
            for j in range(k + 1):  # dot(u, v) = dot(v, u): a product does not depend on the order
                self.gram[k][j] = self.gram[j][k] = dot(seen[k], seen[j])
        self.distances = [0.0] * n
        unmeasured = [not self.gram[k][k] <= MEASURABLE for k in range(n)]
        for k in range(n):
            # MERGE-015: unmeasured, or a square root.
            self.distances[k] = INFINITY if unmeasured[k] else math.sqrt(self.gram[k][k])
        for k in range(n):
            if unmeasured[k]:
                for j in range(n):
                    self.gram[k][j] = self.gram[j][k] = 0.0
        self.unmeasured = unmeasured
        self.middle = upper_middle(self.distances)  # M of MERGE-015

    def require_middle(self):
        # MERGE-015: `cclip` above n = 2 and `geometric_median`, no other rule.
        if self.middle == INFINITY:
            raise Refusal("REFUSED")

    def outliers(self):
        # MERGE-016
        limit = OUTLIER_MEDIANS * self.middle
        return [k for k, d in enumerate(self.distances) if self.unmeasured[k] or d > limit]


def without_statistics(delta, stats):
    """MERGE-014: elements of running statistics count as +0.0, here only."""
    delta = list(delta)
    for first, end in stats:
        delta[first:end] = [0.0] * (end - first)
    return delta


def squared_distances(geometry):
    """The D_kj of MERGE-040."""
    gram, n = geometry.gram, len(geometry.gram)
    table = [[0.0] * n for _ in range(n)]
    for k in range(n):
        for j in range(n):
            if k == j:
                continue
            if geometry.unmeasured[k] or geometry.unmeasured[j]:
                table[k][j] = INFINITY
            else:
                table[k][j] = max(0.0, (gram[k][k] + gram[j][j]) - 2.0 * gram[k][j])
    return table


def gram_operation(given):
    kind = TYPES[given["type"]]
    base = read_vector(kind, given["base"])
    updates = [read_vector(kind, update) for update in given["updates"]]
    geometry = Geometry(kind, base, updates, given["stats"])
    geometry.require_middle()  # vectors/README.md: REFUSED where M is infinite, for every n
    return {
        "gram": [[F64.bits(value) for value in row] for row in geometry.gram],
        "distances": [F64.bits(value) for value in geometry.distances],
        "outliers": geometry.outliers(),
    }


OPERATIONS = {"merge.gram": gram_operation}
