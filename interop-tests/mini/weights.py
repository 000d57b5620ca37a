"""Weights of 09-merge.md: MERGE-010."""

from floats import F64, TYPES


def upper_middle(values):
    """Upper middle of n values (09-merge.md, Notation)."""
    return sorted(values)[len(values) // 2]


def capped(mode, declared):
    """The W_k after MERGE-010."""
    # MERGE-010: 1 for all if the manifest says `uniform`.
    weights = [1] * len(declared) if mode == "uniform" else list(declared)
    # MERGE-010: at most twice the upper middle, and never raised.
    limit = 2 * upper_middle(weights)
    return [min(weight, limit) for weight in weights]


def shares(weights):
    """w_k = D(W_k) / D(sum of all W); the sum is exact in integers (MERGE-010)."""
    total = float(sum(weights))
    return [float(weight) / total for weight in weights]


def weights_operation(given):
    kind = TYPES[given["type"]]
    weights = capped(given["mode"], given["weights"])
    parts = shares(weights)
    return {
        "weights": weights,
        "shares": [F64.bits(part) for part in parts],
        # MERGE-010: alpha_k = F(w_k).
        "factors": [kind.bits(kind.round(part)) for part in parts],
    }


OPERATIONS = {"merge.weights": weights_operation}
