"""Rules by selection of 09-merge.md: MERGE-040 to MERGE-042."""

from averaging import mean_of
from distances import squared_distances
from floats import INFINITY
from refusal import Refusal


def selection_faults(n):
    """f of MERGE-040."""
    return min((n - 1) // 3, (n - 3) // 2)


def scores(given):
    """MERGE-040: score_k is the sum of the n-f-2 smallest D_kj, j not k, ascending."""
    n = len(given.updates)
    table = squared_distances(given.geometry())
    result = []
    for k in range(n):
        near = sorted(table[k][j] for j in range(n) if j != k)
        score = 0.0
        for value in near[: n - selection_faults(n) - 2]:
            score = score + value
        result.append(score)
    return result


def krum(given):
    """MERGE-040"""
    score = scores(given)
    best = min(range(len(score)), key=lambda k: (score[k], k))
    if score[best] == INFINITY:
        raise Refusal("REFUSED")
    factors = [1.0 if k == best else 0.0 for k in range(len(score))]
    return mean_of(given.kind, factors, given.updates), []


def multi_krum(given):
    """MERGE-041"""
    score = scores(given)
    n = len(score)
    chosen = sorted(range(n), key=lambda k: (score[k], k))[: n - selection_faults(n)]
    if any(score[k] == INFINITY for k in chosen):
        raise Refusal("REFUSED")
    factors = [1.0 / float(len(chosen)) if k in chosen else 0.0 for k in range(n)]
    return mean_of(given.kind, factors, given.updates), []


def nearest_means(given):
    """MERGE-042: the y_k."""
    n = len(given.updates)
    count = n - selection_faults(n)
    table = squared_distances(given.geometry())
    result = []
    for k in range(n):
        near = sorted(range(n), key=lambda j: (table[k][j], j))[:count]
        factors = [1.0 / float(count) if j in near else 0.0 for j in range(n)]
        result.append(mean_of(given.kind, factors, given.updates))
    return result
