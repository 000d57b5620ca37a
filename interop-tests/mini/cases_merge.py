"""Cases of merge.compute (09-merge.md): every rule. More stand in the other merge_*.py."""

import merge_edges
import merge_refusals
import merge_sizes
import merge_values
from merge_building import NEAREST, PLAIN, bits, case, seed, slug_of

EVEN_IN_BINARY64 = ("mean", "median", "trimmed_mean", "krum")
TO_SEVENTEEN = (
    "mean",
    "cclip",
    "median",
    "trimmed_mean",
    "geometric_median",
    "krum",
    "strict",
    "nnm+trimmed_mean",
)


def cases():
    yield from example()
    yield from every_rule_and_size_of_roster()
    yield from radii()
    yield from uniform()
    yield from statistics()
    yield from places_of_statistics()
    for module in (merge_sizes, merge_values, merge_edges, merge_refusals):
        yield from module.cases()


def example():
    base = {"bits": "3f000000bf8000003e80000040000000"}
    rows = (
        "3f19999abf8ccccd3e99999a3ff33333",
        "3f0ccccdbf7333333e4ccccd40033333",
        "3fc00000000000003f4000003f800000",
    )
    for rule, (least, covers) in {**PLAIN, **NEAREST}.items():
        if least <= 3:
            yield case(
                f"example-{slug_of(rule)}",
                covers,
                rule,
                [{"bits": row} for row in rows],
                base,
                weights=[303, 120, 900],
            )


def every_rule_and_size_of_roster():
    """Unlike updates, of which the one in the middle of the roster is 50 times as large."""
    for rule, (least, covers) in {**PLAIN, **NEAREST}.items():
        last = 17 if rule in TO_SEVENTEEN else 9
        for n in range(least, last + 1):
            for kind in ("f32", "f64"):
                if kind == "f64" and (n > 9 or (n % 2 == 0 and rule not in EVEN_IN_BINARY64)):
                    continue
                updates = [seed(f"n {n} update {k}", 5) for k in range(n)]
                if n > 2:
                    updates[n // 2] = {"times": [updates[n // 2], bits(kind, 50.0)["bits"]]}
                weights = [(k * k * 37 + 11 * k) % 251 + 1 for k in range(n)]
                yield case(
                    f"{kind}-{slug_of(rule)}-{n}",
                    covers,
                    rule,
                    updates,
                    seed("base", 5),
                    kind=kind,
                    weights=weights,
                )


def radii():
    updates = [seed(f"update {k}", 5) for k in range(5)]
    table = {
        "1": 1.0,
        "2": 2.0,
        "0.1": 0.1,
        "0.5": 0.5,
        "1e300": 1e300,
        "largest": float.fromhex("0x1.fffffffffffffp+1023"),
        "smallest": 5e-324,
        "normal-smallest": 2.0**-1022,
    }
    for rule in ("cclip", "nnm+cclip"):
        for slug, radius in table.items():
            yield case(
                f"{slug_of(rule)}-radius-{slug}",
                PLAIN["cclip"][1],
                rule,
                updates,
                seed("base", 5),
                params=bits_of_radius(radius),
                weights=[3, 1, 4, 1, 5],
            )
    for n in (1, 2):
        yield case(
            f"cclip-radius-{n}-update",
            ["MERGE-020"],
            "cclip",
            updates[:n],
            seed("base", 5),
            params=bits_of_radius(0.25),
        )


def bits_of_radius(value):
    return {"radius": bits("f64", value)["bits"]}


def uniform():
    updates = [seed(f"update {k}", 5) for k in range(7)]
    for rule, (_, covers) in {**PLAIN, **NEAREST}.items():
        yield case(
            f"uniform-{slug_of(rule)}",
            ["MERGE-010", *covers],
            rule,
            updates,
            seed("base", 5),
            mode="uniform",
            weights=[1, 2, 3, 1000, 5, 6, 7],
        )
    for slug, weights in {
        "at": [10, 20, 10],
        "above": [10, 21, 10],
        "largest": [(1 << 32) - 1] * 3,
    }.items():
        yield case(
            f"weights-{slug}-the-cap",
            ["MERGE-010"],
            "mean",
            updates[:3],
            seed("base", 5),
            weights=weights,
        )
    updates = [seed(f"update {k}", 2) for k in range(64)]
    for rule in ("mean", "cclip", "weighted_median", "weighted_trimmed_mean", "krum"):
        yield case(
            f"64-largest-weights-{slug_of(rule)}",
            ["MERGE-010", *PLAIN[rule][1]],
            rule,
            updates,
            seed("base", 2),
            weights=[(1 << 32) - 1] * 64,
        )


def statistics():
    updates = [seed(f"update {k}", 8) for k in range(5)]
    for rule, (_, covers) in {**PLAIN, **NEAREST}.items():
        yield case(
            f"stats-{slug_of(rule)}",
            ["MERGE-050", "MERGE-014", *covers],
            rule,
            updates,
            seed("base", 8),
            weights=[3, 1, 4, 1, 5],
            stats=[(2, 4), (7, 8)],
        )
    zero = [{"bits": "8000000080000000"}] * 3
    covers = ["MERGE-050", "MERGE-012"]
    yield case("stats-minus-zero", covers, "median", zero, zero[0], stats=[(1, 2)])
    rows = [*updates[:2], {"times": [seed("update 2", 8), "461c4000"]}]
    covers = ["MERGE-050", "MERGE-022"]
    yield case("stats-of-an-outlier-count", covers, "cclip", rows, {"zeros": 8}, stats=[(2, 4)])
    rows, base = [{"bits": "3f800000" * 3}] * 3 + [{"bits": "4f800000" * 3}], {"zeros": 3}
    covers = ["MERGE-050", "MERGE-010"]
    # "Ignored" weights count for the statistics.
    for rule in ("median", "krum", "strict"):
        slug = f"stats-by-weights-{slug_of(rule)}"
        weights, stats = [5, 9, 7, 6], [(1, 2)]
        yield case(slug, covers, rule, rows, base, weights=weights, stats=stats)


def places_of_statistics():
    updates = [seed(f"update {k}", 8) for k in range(5)]
    table = {
        "first": [(0, 1)],
        "last": [(7, 8)],
        "adjacent": [(1, 3), (3, 4)],
        "both-ends": [(0, 2), (6, 8)],
        "all": [(0, 8)],
    }
    for slug, stats in table.items():
        for rule in ("cclip", "krum", "median"):
            yield case(
                f"stats-{slug}-{slug_of(rule)}",
                ["MERGE-050", "MERGE-014"],
                rule,
                updates,
                seed("base", 8),
                weights=[3, 1, 4, 1, 5],
                stats=stats,
            )
    huge = [{"set": [seed(f"update {k}", 8), {"3": "7f7fffff"}]} for k in range(3)]
    base = {"set": [seed("base", 8), {"3": "ff7fffff"}]}
    for rule in ("cclip", "geometric_median", "krum", "nnm+mean"):
        yield case(
            f"stats-with-infinite-delta-{slug_of(rule)}",
            ["MERGE-050", "MERGE-014"],
            rule,
            huge,
            base,
            stats=[(3, 4)],
        )
