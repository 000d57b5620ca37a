"""Cases of merge.compute: ties, outliers and unmeasured updates (MERGE-015, MERGE-016)."""

from merge_building import LEAST, NOT_MEASURING, bits, case, columns, slug_of


def cases():
    for kind in ("f32", "f64"):
        yield from ties(kind)
        yield from ties_by_weight(kind)
        yield from outliers(kind)
    yield from unmeasured()
    yield from mostly_unmeasured()
    yield from unmeasured_in_small_rosters()


def ties(kind):
    values = (1.0, 2.0, 2.0, 3.0, 1.0, 3.0, 2.0, 1.0, 3.0)
    for n in (3, 4, 6, 9) if kind == "f32" else (5,):
        rows = columns(kind, *[(values[k], values[n - 1 - k], 1.0) for k in range(n)])
        for rule in [*LEAST, "nnm+median", "nnm+multi_krum"]:
            yield case(
                f"{kind}-ties-{slug_of(rule)}-{n}",
                ["MERGE-003"],
                rule,
                rows,
                {"zeros": 3},
                kind=kind,
                weights=[k + 1 for k in range(n)],
            )
    # All scores and distances are equal: the lowest k.
    square = columns(
        kind, (1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)
    )
    square.append({"zeros": 4})
    for rule in ("krum", "multi_krum", "nnm+mean", "nnm+krum", "nnm+median"):
        for slug, updates in {"four": square[:4], "five": square, "reversed": square[::-1]}.items():
            yield case(
                f"{kind}-equal-scores-{slug}-{slug_of(rule)}",
                ["MERGE-040"],
                rule,
                updates,
                {"zeros": 4},
                kind=kind,
            )


def ties_by_weight(kind):
    for slug, weights in {
        "half": [1, 2, 3],
        "half-even": [1, 1, 1, 1],
        "just-below": [1, 1, 3, 4],
    }.items():
        rows = columns(kind, *[(float(k), -float(k)) for k in range(len(weights))])
        yield case(
            f"{kind}-weighted-median-{slug}",
            ["MERGE-031"],
            "weighted_median",
            rows,
            {"zeros": 2},
            kind=kind,
            weights=weights,
        )
    rows = columns(kind, (1.0,), (1.0,), (1.0,), (1.0,), (2.0,))
    yield case(
        f"{kind}-weighted-trimmed-mean-tie-by-k",
        ["MERGE-033"],
        "weighted_trimmed_mean",
        rows,
        {"zeros": 1},
        kind=kind,
        weights=[9, 5, 7, 8, 9],
    )


def outliers(kind):
    for medians in (99.0, 100.0, 101.0):
        rows = columns(kind, (1.0, 0.0), (0.0, 1.0), (-medians, 0.0))
        for rule in ("cclip", "geometric_median", "nnm+cclip", "nnm+geometric_median"):
            yield case(
                f"{kind}-{int(medians)}-medians-{slug_of(rule)}",
                ["MERGE-016", "MERGE-022"],
                rule,
                rows,
                {"zeros": 2},
                kind=kind,
            )
    yield case(
        f"{kind}-two-updates-are-a-mean",
        ["MERGE-020", "MERGE-023"],
        "cclip",
        columns(kind, (1.0,), (1000.0,)),
        {"zeros": 1},
        kind=kind,
    )
    rows = columns(kind, (1.0,), (1.0,), (1.0,), (1000.0,), (-1000.0,))
    for rule in ("mean", "cclip", "geometric_median", "nnm+cclip"):
        yield case(
            f"{kind}-outliers-{slug_of(rule)}",
            ["MERGE-016", "MERGE-023"],
            rule,
            rows,
            {"zeros": 1},
            kind=kind,
        )


def unmeasured():
    one, small, other = {"zeros": 1}, bits("f64", 3.0), bits("f64", 4.0)
    huge, at = bits("f64", 2.0**600), bits("f64", 2.0**500)
    for rule in (
        "cclip",
        "geometric_median",
        "nnm+cclip",
        "nnm+median",
        "krum",
        "multi_krum",
        "mean",
        "median",
    ):
        rows = [small, other, huge, small, at]
        yield case(
            f"unmeasured-{slug_of(rule)}", ["MERGE-015", "MERGE-016"], rule, rows, one, kind="f64"
        )


def mostly_unmeasured():
    one, small, other = {"zeros": 1}, bits("f64", 3.0), bits("f64", 4.0)
    huge = bits("f64", 2.0**600)
    for rule in ("cclip", "geometric_median", "krum", "multi_krum"):
        yield case(
            f"most-unmeasured-{slug_of(rule)}",
            ["MERGE-015", "MERGE-005"],
            rule,
            [huge, small, huge],
            one,
            kind="f64",
            expect="REFUSED",
        )
        yield case(
            f"half-unmeasured-{slug_of(rule)}",
            ["MERGE-015", "MERGE-005"],
            rule,
            [huge, small, huge, other],
            one,
            kind="f64",
            expect="REFUSED",
        )
    # No rule but `cclip` and `geometric_median` refuses on account of M.
    for rule in (*NOT_MEASURING, "nnm+mean", "nnm+median", "nnm+trimmed_mean"):
        yield case(
            f"most-unmeasured-{slug_of(rule)}",
            ["MERGE-015", "MERGE-012"],
            rule,
            [huge, small, huge],
            one,
            kind="f64",
        )
    # What R measures, it measures on the y_k: here all of them are unmeasured.
    for rule in ("nnm+cclip", "nnm+geometric_median"):
        yield case(
            f"most-unmeasured-{slug_of(rule)}",
            ["MERGE-015", "MERGE-042"],
            rule,
            [huge, small, huge],
            one,
            kind="f64",
            expect="REFUSED",
        )


def unmeasured_in_small_rosters():
    one, small, other = {"zeros": 1}, bits("f64", 3.0), bits("f64", 4.0)
    huge = bits("f64", 2.0**600)
    yield case(
        "one-of-two-unmeasured-cclip", ["MERGE-020"], "cclip", [small, huge], one, kind="f64"
    )
    yield case(
        "one-of-two-unmeasured-geometric-median",
        ["MERGE-015"],
        "geometric_median",
        [small, huge],
        one,
        kind="f64",
        expect="REFUSED",
    )
    yield case(
        "one-unmeasured-geometric-median",
        ["MERGE-015"],
        "geometric_median",
        [huge],
        one,
        kind="f64",
        expect="REFUSED",
    )
    yield case(
        "one-infinite-score-of-four-multi-krum",
        ["MERGE-041"],
        "multi_krum",
        [small, other, small, huge],
        one,
        kind="f64",
        expect="REFUSED",
    )
    yield case(
        "least-score-infinite-krum",
        ["MERGE-040"],
        "krum",
        [small, other, huge, huge, small, huge],
        one,
        kind="f64",
        expect="REFUSED",
    )
