"""Rules by rank of 09-merge.md: MERGE-030 to MERGE-033."""

from averaging import last_step
from floats import divide
from weights import shares


def by_element(given, choose):
    """A rule by rank: `choose` gets the n values of each element, in roster order."""
    chosen = [choose(values) for values in zip(*given.updates, strict=True)]
    return last_step(given.kind, chosen), []


def median(given):
    """MERGE-030"""
    kind, n = given.kind, len(given.updates)
    ranked = [sorted(values) for values in zip(*given.updates, strict=True)]
    if n % 2 == 1:
        merged = [values[n // 2] for values in ranked]
    else:
        low = kind.multiply(0.5, [values[n // 2 - 1] for values in ranked])
        high = kind.multiply(0.5, [values[n // 2] for values in ranked])
        merged = kind.add(low, high)
    return last_step(kind, merged), []


def weighted_median(given):
    """MERGE-031"""
    total = sum(given.weights)

    def choose(values):
        below = 0
        for x, weight in sorted(zip(values, given.weights, strict=True)):
            below += weight
            if 2 * below >= total:
                return x  # equal values that follow only add weight: this is the least x
        raise AssertionError("all weights together are no half")

    return by_element(given, choose)


def trimmed(n):
    return max(1, (n - 1) // 3)


def trimmed_mean(given):
    """MERGE-032"""
    kind, n = given.kind, len(given.updates)
    t = trimmed(n)
    ranked = [sorted(values) for values in zip(*given.updates, strict=True)]
    acc = kind.zeros(len(ranked))
    for i in range(t, n - t):
        acc = kind.add(acc, [values[i] for values in ranked])
    factor = kind.round(1.0 / float(n - 2 * t))
    return last_step(kind, kind.multiply(factor, acc)), []


def weighted_trimmed_mean(given):
    """MERGE-033"""
    kind, n = given.kind, len(given.updates)
    t = trimmed(n)
    alpha = [kind.round(w) for w in shares(given.weights)]

    def choose(values):
        order = sorted(range(n), key=lambda k: (values[k], k))
        num = den = 0.0
        for k in sorted(order[t : n - t]):
            num = kind.round(num + kind.round(alpha[k] * values[k]))
            den = kind.round(den + alpha[k])
        return kind.round(divide(num, den))

    return by_element(given, choose)
