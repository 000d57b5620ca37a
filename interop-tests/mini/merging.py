"""The table of merge rules, their parameters, and the merged object of 09-merge.md.

MERGE-005, MERGE-006, MERGE-043, MERGE-050, MERGE-051. The rules themselves stand in averaging.py,
clipping.py, ranking.py and selecting.py.
"""

from averaging import Round, mean
from clipping import cclip, geometric_median
from floats import F64, INFINITY, TYPES, read_vector, write_vector
from ranking import median, trimmed_mean, weighted_median, weighted_trimmed_mean
from refusal import Refusal
from selecting import krum, multi_krum, nearest_means
from weights import capped, upper_middle

LEAST = {
    "mean": 1,
    "cclip": 1,
    "geometric_median": 1,
    "median": 1,
    "weighted_median": 1,
    "trimmed_mean": 3,
    "weighted_trimmed_mean": 3,
    "krum": 3,
    "multi_krum": 3,
    "strict": 4,
}
NEAREST = "nnm+"
# MERGE-051; `base` looks at no update.
INTEGER_RULES = {"max": max, "min": min, "median": upper_middle}


def strict(given):
    """MERGE-043"""
    if len(given.updates) <= 7:
        return trimmed_mean(given)
    return trimmed_mean(given.with_updates(nearest_means(given)))


RULES = {
    "mean": mean,
    "cclip": cclip,
    "geometric_median": geometric_median,
    "median": median,
    "weighted_median": weighted_median,
    "trimmed_mean": trimmed_mean,
    "weighted_trimmed_mean": weighted_trimmed_mean,
    "krum": krum,
    "multi_krum": multi_krum,
    "strict": strict,
}


def inner_rule(rule):
    """R of nnm+R, or the rule itself (table of 09-merge.md)."""
    inner = rule.removeprefix(NEAREST)
    # MERGE-006: no rule of the table; R is neither `strict` nor another nnm+.
    if inner not in RULES or (inner != rule and inner == "strict"):
        raise Refusal("REFUSED")
    return inner


def radius_of(inner, params):
    """The one parameter: `radius` of cclip, also after nnm+ (09-merge.md, below the table)."""
    # MERGE-006: a parameter that its rule does not have.
    if set(params) - ({"radius"} if inner == "cclip" else set()):
        raise Refusal("REFUSED")
    if "radius" not in params:
        return 2.0
    radius = F64.value(params["radius"])
    # MERGE-006: no finite real above 0, whatever n is.
    if not 0.0 < radius < INFINITY:
        raise Refusal("REFUSED")
    return radius


def merge(rule, params, given):
    """The merged float section and the outliers. `given.radius` is set here."""
    inner = inner_rule(rule)
    given.radius = radius_of(inner, params)
    n = len(given.updates)
    # MERGE-005: fewer than the least n of the rule.
    if n < LEAST[inner] or (rule != inner and n < 3):
        raise Refusal("REFUSED")
    source = given if rule == inner else given.with_updates(nearest_means(given))
    vector, outliers = RULES[inner](source)
    return with_statistics(given, vector), outliers


def with_statistics(given, vector):
    """MERGE-050: running statistics are the mean of the x_k as they were sent."""
    if given.stats:
        average, _ = mean(given)
        for first, end in given.stats:
            vector[first:end] = average[first:end]
    return vector


def merge_operation(data):
    kind = TYPES[data["type"]]
    given = Round(
        kind,
        read_vector(kind, data["base"]),
        [read_vector(kind, update) for update in data["updates"]],
        capped(data["mode"], data["weights"]),
        data["stats"],
        None,
    )
    vector, outliers = merge(data["rule"], data["params"], given)
    return {"vector": write_vector(kind, vector), "outliers": outliers}


def integers_operation(data):
    """MERGE-051: each element by the rule for integers; weights play no part."""
    base = [int(value) for value in data["base"]]
    updates = [[int(value) for value in update] for update in data["updates"]]
    if data["rule"] == "base":
        return {"vector": [str(value) for value in base]}
    if data["rule"] not in INTEGER_RULES:
        raise Refusal("REFUSED")
    chosen = INTEGER_RULES[data["rule"]]
    return {"vector": [str(chosen(values)) for values in zip(*updates, strict=True)]}


OPERATIONS = {"merge.compute": merge_operation, "merge.integers": integers_operation}
