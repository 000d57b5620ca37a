"""Cases of merge.gram (09-merge.md): MERGE-013 to MERGE-016."""

from merge_building import bits, seed

LANES, CHUNK, SEGMENT = 1 << 14, 1 << 18, 1 << 20
COVERS = ["MERGE-013", "MERGE-014", "MERGE-015", "MERGE-016"]
LARGEST = "7f7fffff"


def cases():
    yield from examples()
    yield from sizes()
    yield from roster_sizes()
    yield from special_values()
    yield from statistics()
    yield from outliers()
    yield from unmeasured()


def case(slug, kind, base, updates, stats=(), expect=None):
    given = {
        "type": kind,
        "base": base,
        "updates": updates,
        "stats": [list(part) for part in stats],
    }
    return "merge.gram", f"{kind}-{slug}", COVERS, given, expect


def examples():
    base = {"bits": "3f000000bf8000003e80000040000000"}
    rows = (
        "3f19999abf8ccccd3e99999a3ff33333",
        "3f0ccccdbf7333333e4ccccd40033333",
        "3fc00000000000003f4000003f800000",
    )
    yield case("example", "f32", base, [{"bits": row} for row in rows])


def sizes():
    for n in (1, 2, 3, 4, 5, 7, 8, 9, 31, 100, 1000, 4097, LANES - 1, LANES, LANES + 1):
        yield case(f"size-{n}", "f32", seed("base", n), [seed("a", n), seed("b", n)])
    for n in (1, 3, 1000, LANES - 1, LANES, LANES + 1):
        yield case(f"size-{n}", "f64", seed("base", n), [seed("a", n), seed("b", n)])
    for n in (2 * LANES + 1, CHUNK - 1, CHUNK, CHUNK + 1, SEGMENT - 1, SEGMENT, SEGMENT + 1):
        yield case(f"size-{n}", "f32", {"zeros": n}, [seed("long", n)])
    for n in (CHUNK + 1, SEGMENT + 1):
        yield case(f"size-{n}", "f64", {"zeros": n}, [seed("long", n)])
    for n in (SEGMENT + 1, 3 * SEGMENT + 5):
        yield case(f"two-updates-size-{n}", "f32", {"zeros": n}, [seed("long", n), seed("b", n)])
    yield case("empty", "f32", {"zeros": 0}, [{"zeros": 0}, {"zeros": 0}])


def roster_sizes():
    for n in range(1, 18):
        kind = "f32" if n % 2 else "f64"
        yield case(
            f"updates-{n}", kind, seed("base", 6), [seed(f"update {k}", 6) for k in range(n)]
        )


def special_values():
    for kind in ("f32", "f64"):
        tiny = {"f32": "00000001", "f64": "0000000000000001"}[kind]
        minus_zero = bits(kind, -0.0, -0.0)
        yield case("minus-zero-everywhere", kind, minus_zero, [minus_zero] * 3)
        yield case(
            "minus-zero-base", kind, minus_zero, [bits(kind, 0.0, -0.0), bits(kind, 1.0, -1.0)]
        )
        yield case(
            "minus-zero-product", kind, {"zeros": 2}, [bits(kind, -0.0, 0.0), bits(kind, 1.0, -1.0)]
        )
        yield case("subnormal", kind, {"zeros": 2}, [{"bits": tiny * 2}, bits(kind, 1.0, 0.0)])
        yield case("equal-updates", kind, seed("base", 3), [seed("a", 3)] * 4)
        yield case("zero-deltas", kind, seed("base", 3), [seed("base", 3)] * 3)
        yield case(
            "delta-rounded-in-type",
            kind,
            bits(kind, 1.0),
            [bits(kind, 2.0**-24), bits(kind, 2.0**-53)],
        )
        yield case(
            "cancelling", kind, bits(kind, 1.0, 1.0), [bits(kind, 3.0, -1.0), bits(kind, 3.0, 3.0)]
        )
    order = {"0": "4b800000", "16384": "3f800000", "32768": "cb800000"}
    values = {"set": [{"zeros": 3 * LANES}, order]}
    ones = {"set": [{"zeros": 3 * LANES}, dict.fromkeys(order, "4b800000")]}
    yield case("order-in-a-lane", "f32", {"zeros": 3 * LANES}, [values, ones])


def statistics():
    vectors = [seed("a", 8), seed("b", 8)]
    for slug, stats in {
        "first": [(0, 1)],
        "last": [(7, 8)],
        "middle": [(2, 5)],
        "two": [(0, 2), (6, 8)],
        "adjacent": [(1, 3), (3, 4)],
        "all": [(0, 8)],
    }.items():
        yield case(f"stats-{slug}", "f32", seed("base", 8), vectors, stats)
    huge = {"set": [seed("a", 8), {"3": LARGEST}]}
    base = {"set": [seed("base", 8), {"3": "ff7fffff"}]}
    yield case("stats-hide-an-infinite-delta", "f32", base, [huge, seed("b", 8)], [(3, 4)])
    yield case(
        "stats-at-lane-edge",
        "f32",
        {"zeros": LANES + 2},
        [seed("a", LANES + 2)],
        [(LANES - 1, LANES + 1)],
    )


def outliers():
    for kind in ("f32", "f64"):
        for medians in (99.0, 100.0, 101.0):
            updates = [bits(kind, 1.0), bits(kind, -1.0), bits(kind, medians)]
            yield case(f"{int(medians)}-medians", kind, {"zeros": 1}, updates)
        yield case(
            "middle-zero",
            kind,
            {"zeros": 1},
            [bits(kind, 0.0), bits(kind, 0.0), bits(kind, 2.0**-20)],
        )
        yield case(
            "even-upper-middle", kind, {"zeros": 1}, [bits(kind, v) for v in (1.0, 1.0, 5.0, 501.0)]
        )
    above = {"bits": "42c80001"}
    yield case(
        "just-above-100-medians", "f32", {"zeros": 1}, [bits("f32", 1.0), bits("f32", 1.0), above]
    )


def unmeasured():
    at, above, beyond = bits("f64", 2.0**500), {"bits": "5f30000000000001"}, bits("f64", 2.0**512)
    small = bits("f64", 3.0)
    one = {"zeros": 1}
    yield case("largest-that-is-measured", "f64", one, [small, small, at])
    yield case("least-that-is-unmeasured", "f64", one, [small, small, above])
    yield case("infinite-product", "f64", one, [small, beyond, small])
    yield case("unmeasured-is-first", "f64", one, [beyond, small, small])
    yield case("two-of-five", "f64", one, [beyond, small, above, small, small])
    yield case("all-at-the-bound", "f64", one, [at, at, at])
    yield case("one-of-one", "f64", one, [beyond], expect="REFUSED")
    yield case("one-of-two", "f64", one, [small, beyond], expect="REFUSED")
    yield case("two-of-three", "f64", one, [beyond, small, beyond], expect="REFUSED")
    yield case("two-of-four", "f64", one, [beyond, small, small, above], expect="REFUSED")
    yield case("three-of-five", "f64", one, [beyond, small, above, beyond, small], expect="REFUSED")
    low, high = {"bits": "ff7fffff" * 2}, {"bits": LARGEST * 2}
    mixed = {"bits": LARGEST + "ff7fffff"}
    yield case("delta-beyond-the-largest", "f32", low, [low, low, high])
    yield case(
        "delta-infinite-both-ways", "f32", mixed, [mixed, {"bits": "ff7fffff" + LARGEST}, mixed]
    )
    yield case("delta-beyond-the-largest-in-most", "f32", low, [low, high, high], expect="REFUSED")
    yield case("delta-beyond-the-largest-alone", "f32", low, [high], expect="REFUSED")
    yield case("one-of-two-infinite", "f32", low, [low, mixed], expect="REFUSED")
