"""Cases of update.encode (07-chunks.md, MERGE-004). Of update.decode: update_decoding.py."""

import update_decoding
from layout_building import EXAMPLE, RANGES, schema

ONE, MINUS_ZERO = "3f800000", "80000000"
# Integers are decimal text, booleans numbers (vectors/README.md).
EDGES = {dtype: limits for dtype, limits in RANGES.items() if dtype != "bool"}


def cases():
    yield from good()
    yield from bad_floats()
    yield from bad_integers()
    yield from bad_shapes()
    yield from update_decoding.cases()


def case(slug, text, tensors, expect=None, covers=("MERGE-004", "MERGE-052", "CHUNK-003")):
    return "update.encode", slug, list(covers), {"schema": text, "tensors": tensors}, expect


def good():
    sample = {
        "bias": [ONE, MINUS_ZERO],
        "seen": ["-7"],
        "weight": [f"3f80000{i}" for i in range(6)],
    }
    yield case("example", EXAMPLE, sample)
    yield case("scalar", schema(("x", "f32")), {"x": ["00000001"]})
    yield case("integers-only", schema(("n", "u8", 3)), {"n": ["1", "2", "255"]})
    yield case(
        "order-of-names-not-of-dtypes",
        schema(("a", "i8"), ("b", "f32"), ("c", "u8"), ("d", "f32")),
        {"d": [ONE], "c": ["2"], "b": ["40000000"], "a": ["-1"]},
    )
    halves = ["0000", "8000", "0001", "83ff", "0400", "3c00", "7bff", "fbff"]
    yield case("f16-widened", schema(("x", "f16", 8)), {"x": halves})
    upper = ["0000", "8000", "0001", "807f", "0080", "3f80", "7f7f", "ff7f"]
    yield case("bf16-widened", schema(("x", "bf16", 8)), {"x": upper})
    yield case(
        "f16-widened-to-f64",
        schema(("x", "f16", 8), ("y", "f64")),
        {"x": halves, "y": ["0000000000000001"]},
    )
    yield case(
        "bf16-widened-to-f64",
        schema(("x", "bf16", 8), ("y", "f64")),
        {"x": upper, "y": ["8000000000000000"]},
    )
    wide = ["00000001", "80000001", "7f7fffff", MINUS_ZERO]
    yield case(
        "f32-widened-to-f64",
        schema(("x", "f32", 2, 2), ("y", "f64")),
        {"x": wide, "y": ["7fefffffffffffff"]},
    )
    for dtype, edge in EDGES.items():
        yield case(
            f"edges-{dtype}",
            schema(("n", dtype, 2)),
            {"n": [str(v) for v in edge]},
            covers=["CHUNK-018"],
        )
    yield case("booleans", schema(("n", "bool", 3)), {"n": [0, 1, 1]}, covers=["CHUNK-018"])
    yield case(
        "statistics", schema(("a", "f32"), ("b!", "f32", 2)), {"a": [ONE], "b!": [ONE, MINUS_ZERO]}
    )


def bad_floats():
    table = {
        "f16": {
            "nan": "7e00",
            "infinite": "7c00",
            "minus-infinite": "fc00",
            "signalling-nan": "7c01",
        },
        "bf16": {
            "nan": "7fc0",
            "infinite": "7f80",
            "minus-infinite": "ff80",
            "signalling-nan": "7f81",
        },
        "f32": {
            "nan": "7fc00000",
            "infinite": "7f800000",
            "minus-infinite": "ff800000",
            "signalling-nan": "7f800001",
        },
        "f64": {
            "nan": "7ff8000000000000",
            "infinite": "7ff0000000000000",
            "minus-infinite": "fff0000000000000",
            "signalling-nan": "7ff0000000000001",
        },
    }
    for dtype, patterns in table.items():
        for slug, bits in patterns.items():
            zero = "0" * len(bits)
            yield case(
                f"{dtype}-{slug}",
                schema(("x", dtype, 2)),
                {"x": [zero, bits]},
                "REFUSED",
                ["CHUNK-004"],
            )
    yield case(
        "nan-in-statistics",
        schema(("a", "f32"), ("b!", "f32")),
        {"a": [ONE], "b!": ["7fc00000"]},
        "REFUSED",
        ["CHUNK-004"],
    )


def bad_integers():
    for dtype, (low, high) in EDGES.items():
        for slug, value in {"below": low - 1, "above": high + 1}.items():
            yield case(
                f"{slug}-{dtype}",
                schema(("n", dtype)),
                {"n": [str(value)]},
                "REFUSED",
                ["CHUNK-018"],
            )
    yield case(
        "largest-u64", schema(("n", "u64")), {"n": [str(2**64 - 1)]}, "REFUSED", ["CHUNK-018"]
    )
    yield case("boolean-two", schema(("n", "bool")), {"n": [2]}, "REFUSED", ["CHUNK-018"])


def bad_shapes():
    x = schema(("x", "f32", 2), ("y", "i8"))
    table = {
        "too-few-elements": {"x": [ONE], "y": ["1"]},
        "too-many-elements": {"x": [ONE] * 3, "y": ["1"]},
        "missing-tensor": {"x": [ONE] * 2},
        "unknown-tensor": {"x": [ONE] * 2, "y": ["1"], "z": ["1"]},
        "bits-of-another-type": {"x": [ONE, "3c00"], "y": ["1"]},
    }
    for slug, tensors in table.items():
        yield case(slug, x, tensors, "REFUSED")
