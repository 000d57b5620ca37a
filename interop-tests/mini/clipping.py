"""Clipping and geometric median of 09-merge.md: MERGE-020 to MERGE-024."""

from averaging import last_step, mean
from floats import divide, square_root
from weights import shares

CLIPPING_STEPS = 3
MEDIAN_STEPS = 32


def radii(gram, a):
    """MERGE-021: how far each delta is from the point with the coefficients a."""
    n = len(a)
    g = [0.0] * n
    for k in range(n):
        for j in range(n):
            g[k] = g[k] + gram[k][j] * a[j]
    h = 0.0
    for k in range(n):
        h = h + a[k] * g[k]
    return [square_root(max(0.0, (gram[k][k] - 2.0 * g[k]) + h)) for k in range(n)]


def combined(given, geometry, a):
    """MERGE-022"""
    kind, outliers = given.kind, geometry.outliers()
    acc = kind.zeros(len(given.base))
    for k, delta in enumerate(geometry.deltas):
        factor = 0.0 if k in outliers else kind.round(a[k])
        if factor != 0.0:
            acc = kind.add(acc, kind.multiply(factor, delta))
    return last_step(kind, kind.add(given.base, acc)), outliers


def clipping_coefficients(gram, w, tau):
    """MERGE-020: the a_k after the three steps."""
    a = [0.0] * len(w)
    for _ in range(CLIPPING_STEPS):
        r = radii(gram, a)
        c = [w[k] if r[k] <= tau else w[k] * divide(tau, r[k]) for k in range(len(w))]
        total = 0.0
        for value in c:
            total = total + value
        a = [(a[k] * (1.0 - total)) + c[k] for k in range(len(w))]
    return a


def cclip(given):
    # MERGE-020: up to two updates: the mean.
    if len(given.updates) <= 2:
        return mean(given)
    geometry = given.geometry()
    geometry.require_middle()  # MERGE-015
    tau = given.radius * geometry.middle
    a = clipping_coefficients(geometry.gram, shares(given.weights), tau)
    return combined(given, geometry, a)


def geometric_median(given):
    geometry = given.geometry()
    geometry.require_middle()  # MERGE-015
    # MERGE-024: M = 0: the mean.
    if geometry.middle == 0.0:
        return mean(given)
    w = shares(given.weights)
    eps = geometry.middle * 2.0**-20
    a = w
    for _ in range(MEDIAN_STEPS):
        r = radii(geometry.gram, a)
        beta = [w[k] / max(r[k], eps) for k in range(len(w))]
        total = 0.0
        for value in beta:
            total = total + value
        a = [value / total for value in beta]
    return combined(given, geometry, a)
