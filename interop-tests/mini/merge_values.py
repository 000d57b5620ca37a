"""Cases of merge.compute: subnormal numbers, zeros, the largest values (MERGE-001, MERGE-012)."""

from merge_building import LEAST, NEAREST, NOT_MEASURING, PLAIN, bits, case, columns, seed, slug_of

RULES = {**PLAIN, **NEAREST}
TINY = {"f32": 2.0**-149, "f64": 2.0**-1074}
LEAST_NORMAL = {"f32": 2.0**-126, "f64": 2.0**-1022}
LARGEST = {"f32": (2.0 - 2.0**-23) * 2.0**127, "f64": (2.0 - 2.0**-52) * 2.0**1023}


def cases():
    for kind in ("f32", "f64"):
        yield from small_values(kind)
        yield from zeros(kind)
        yield from middle_zero(kind)
        yield from large_values(kind)
        yield from values_that_overflow(kind)
    yield from small_coefficients()
    yield from large_deltas()


def small_values(kind):
    tiny, normal = TINY[kind], LEAST_NORMAL[kind]
    rows = [
        (tiny, 3 * tiny, -tiny, normal),
        (2 * tiny, 4 * tiny, -5 * tiny, normal),
        (0.0, tiny, tiny, normal - tiny),
    ]
    for rule in LEAST:
        yield case(
            f"{kind}-subnormal-{slug_of(rule)}",
            ["MERGE-001"],
            rule,
            columns(kind, *rows),
            bits(kind, *rows[0]),
            kind=kind,
            weights=[2, 3, 2],
        )
    pairs = columns(kind, (tiny, 3 * tiny, normal, -tiny), (0.0, 0.0, 0.0, 0.0))
    yield case(
        f"{kind}-subnormal-halves",
        ["MERGE-001", "MERGE-030"],
        "median",
        pairs,
        {"zeros": 4},
        kind=kind,
    )
    yield case(
        f"{kind}-subnormal-mean-ties-to-even",
        ["MERGE-001", "MERGE-011"],
        "mean",
        pairs,
        {"zeros": 4},
        kind=kind,
    )
    deltas = columns(kind, (normal,), (normal + tiny,), (normal + 3 * tiny,))
    yield case(
        f"{kind}-subnormal-deltas",
        ["MERGE-001", "MERGE-020"],
        "cclip",
        deltas,
        bits(kind, normal),
        kind=kind,
    )


def small_coefficients():
    rows = columns("f32", (1.0, 2.0**120), (1.0, 2.0**120), (2.0, -(2.0**120)))
    yield case(
        "f32-middle-zero-and-a-large-delta",
        ["MERGE-016", "MERGE-022"],
        "cclip",
        rows,
        bits("f32", 1.0, 2.0**120),
        params={"radius": "3ff0000000000000"},
    )
    # F(a_k) is zero, or subnormal, in binary32 and neither in binary64 (MERGE-022).
    rows = columns("f32", (2.0**20, 1.0), (-(2.0**20), 2.0), (2.0**20, -3.0))
    for slug, radius in {
        "zero": 2.0**-154,
        "tie": 2.0**-150,
        "least": 2.0**-149,
        "subnormal": 2.0**-140,
    }.items():
        yield case(
            f"f32-coefficients-{slug}",
            ["MERGE-022"],
            "cclip",
            rows,
            {"zeros": 2},
            kind="f32",
            params={"radius": bits("f64", radius)["bits"]},
        )


def zeros(kind):
    minus = bits(kind, -0.0, -0.0, 1.0)
    mixed = [
        bits(kind, -0.0, 0.0, 1.0),
        bits(kind, 0.0, -0.0, -0.0),
        minus,
        bits(kind, -0.0, -0.0, -1.0),
    ]
    for rule in [*LEAST, "strict", "nnm+median", "nnm+mean"]:
        yield case(
            f"{kind}-minus-zero-{slug_of(rule)}", ["MERGE-012"], rule, mixed, minus, kind=kind
        )
        if kind == "f32":
            yield case(
                f"{kind}-all-minus-zero-{slug_of(rule)}",
                ["MERGE-012"],
                rule,
                [minus] * 4,
                minus,
                kind=kind,
            )
    # Equal as numbers: the lower k is dropped, whatever the sign. The sum of the weights shows it.
    for slug, values in {"plus-first": (0.0, -0.0), "minus-first": (-0.0, 0.0)}.items():
        updates = columns(kind, (values[0],), (values[1],), (1.0,), (2.0,))
        yield case(
            f"{kind}-weighted-trimmed-mean-zeros-tie-{slug}",
            ["MERGE-033"],
            "weighted_trimmed_mean",
            updates,
            {"zeros": 1},
            kind=kind,
            weights=[10, 3, 5, 7],
        )


def middle_zero(kind):
    """M = 0: `geometric_median` is the mean (MERGE-024), `cclip` keeps the base."""
    for rule in ("cclip", "geometric_median", "krum", "multi_krum", "nnm+cclip", "mean", "median"):
        yield case(
            f"{kind}-zero-deltas-{slug_of(rule)}",
            ["MERGE-015", *RULES[rule][1]],
            rule,
            [seed("base", 4)] * 4,
            seed("base", 4),
            kind=kind,
            weights=[1, 2, 3, 4],
        )
        updates = [seed("base", 4)] * 3 + [seed("other", 4)]
        yield case(
            f"{kind}-middle-zero-{slug_of(rule)}",
            ["MERGE-015", *RULES[rule][1]],
            rule,
            updates,
            seed("base", 4),
            kind=kind,
            weights=[1, 2, 3, 4],
        )


def large_values(kind):
    top = LARGEST[kind]
    for n in (3, 4, 5, 7):
        # In binary64 such updates are unmeasured; see below.
        for rule in [*LEAST, "nnm+mean", "nnm+trimmed_mean"] if kind == "f32" else NOT_MEASURING:
            yield case(
                f"{kind}-largest-{slug_of(rule)}-{n}",
                ["MERGE-012"],
                rule,
                columns(kind, *[(top, -top)] * n),
                bits(kind, top, -top),
                kind=kind,
                weights=[3] * n,
            )


def values_that_overflow(kind):
    top = LARGEST[kind]
    rows = columns(
        kind,
        (-top, top),
        (-top, top),
        (-top, top),
        (top, -top),
        (top, top),
        (top, -top),
        (top, -top),
    )
    for rule in ("mean", "median", "trimmed_mean", "weighted_trimmed_mean", "weighted_median"):
        yield case(
            f"{kind}-largest-both-signs-{slug_of(rule)}",
            ["MERGE-012", "MERGE-001"],
            rule,
            rows,
            {"zeros": 2},
            kind=kind,
        )
    rows = columns(kind, *[(-top, top)] * 5, *[(top, -top)] * 4)
    for rule in ("mean", "trimmed_mean", "weighted_trimmed_mean"):
        yield case(
            f"{kind}-overflow-on-the-way-{slug_of(rule)}",
            ["MERGE-012", "MERGE-001"],
            rule,
            rows,
            {"zeros": 2},
            kind=kind,
        )
    pair = columns(kind, (top, -top), (top, -top))
    yield case(
        f"{kind}-largest-median-of-two", ["MERGE-030"], "median", pair, {"zeros": 2}, kind=kind
    )


def large_deltas():
    top = LARGEST["f32"]
    base = bits("f32", top * 0.75)
    rows = columns("f32", (top,), (top,), (top,), (0.0,))
    for rule in ("cclip", "geometric_median", "nnm+cclip", "nnm+geometric_median"):
        yield case(
            f"f32-base-and-delta-at-the-largest-{slug_of(rule)}",
            ["MERGE-022", "MERGE-012"],
            rule,
            rows,
            base,
        )
    base, rows = bits("f32", -top), columns("f32", (-top / 2,), (-top / 4,), (top,))
    for rule in ("cclip", "geometric_median", "multi_krum", "krum", "nnm+median"):
        expect = "REFUSED" if rule == "multi_krum" else None
        yield case(
            f"f32-infinite-delta-{slug_of(rule)}",
            ["MERGE-015", "MERGE-022"],
            rule,
            rows,
            base,
            expect=expect,
        )
