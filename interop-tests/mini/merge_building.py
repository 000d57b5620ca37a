"""Small helpers that make cases of merge.gram and merge.compute (09-merge.md)."""

from floats import TYPES

# The table of 09-merge.md: rule to its least n and what decides its cases.
PLAIN = {
    "mean": (1, ["MERGE-011"]),
    "cclip": (1, ["MERGE-020", "MERGE-021", "MERGE-022"]),
    "geometric_median": (1, ["MERGE-024", "MERGE-021", "MERGE-022"]),
    "median": (1, ["MERGE-030"]),
    "weighted_median": (1, ["MERGE-031"]),
    "trimmed_mean": (3, ["MERGE-032"]),
    "weighted_trimmed_mean": (3, ["MERGE-033"]),
    "krum": (3, ["MERGE-040"]),
    "multi_krum": (3, ["MERGE-041"]),
    "strict": (4, ["MERGE-043"]),
}
NEAREST = {
    "nnm+" + rule: (max(3, least), ["MERGE-042", *covers])
    for rule, (least, covers) in PLAIN.items()
    if rule != "strict"
}
LEAST = {rule: least for rule, (least, _) in PLAIN.items() if rule != "strict"}
NOT_MEASURING = ("mean", "median", "weighted_median", "trimmed_mean", "weighted_trimmed_mean")


def bits(kind, *values):
    return {"bits": "".join(TYPES[kind].bits(value) for value in values)}


def seed(name, count):
    return {"seed": name, "count": count}


def columns(kind, *rows):
    return [bits(kind, *row) for row in rows]


def slug_of(rule):
    return rule.replace("_", "-").replace("+", "-")


def case(
    slug,
    covers,
    rule,
    updates,
    base,
    *,
    kind="f32",
    params=None,
    mode="declared",
    weights=None,
    stats=(),
    expect=None,
):
    given = {
        "type": kind,
        "rule": rule,
        "params": params or {},
        "mode": mode,
        "weights": weights or [1] * len(updates),
        "base": base,
        "updates": updates,
        "stats": [list(part) for part in stats],
    }
    return "merge.compute", slug, list(dict.fromkeys(covers)), given, expect
