"""Cases of layout.sizes: CHUNK-003, CHUNK-019."""

from layout_building import DTYPES, EXAMPLE, schema

CHUNK = 1 << 18
ENCODINGS = ("fp32", "bf16", "fp16", "int8")


def cases():
    for encoding in ENCODINGS:
        yield case(f"example-{encoding}", EXAMPLE, encoding)
        yield case(f"scalar-{encoding}", schema(("x", "f32")), encoding)
        for n in (1, 4095, 4096, 4097, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 4097, 4 * CHUNK + 1):
            yield case(f"floats-{n}-{encoding}", schema(("x", "f32", n)), encoding)
        yield case(f"integers-only-{encoding}", schema(("n", "u8", 3)), encoding)
        yield case(f"halves-{encoding}", schema(("a", "f16", 5), ("b", "bf16", 7)), encoding)
        yield case(
            f"tensors-share-a-chunk-{encoding}",
            schema(("a", "f32", CHUNK - 1), ("b", "f32", 2)),
            encoding,
        )
        yield case(f"most-chunks-{encoding}", schema(("x", "f32", 1 << 31)), encoding)
        yield case(f"statistics-{encoding}", schema(("a", "f32", 3), ("b!", "f32", 3)), encoding)
    for n in (1, CHUNK - 1, CHUNK, CHUNK + 1):
        yield case(f"doubles-{n}", schema(("x", "f64", n)), "fp32")
        yield case(f"integers-{n}", schema(("n", "bool", n)), "fp32")
    yield case(
        "one-double-widens-all", schema(("a", "f16", 3), ("b", "f32", 2), ("c", "f64")), "fp32"
    )
    yield case("equal-sizes-in-both-sections", schema(("a", "f64", 3), ("b", "i8", 3)), "fp32")
    yield case("equal-sizes-2-to-1-float", schema(("a", "f32", 6), ("b", "i8", 3)), "fp32")
    yield case(
        "full-chunks-of-both-sections",
        schema(("a", "f64", 2 * CHUNK), ("b", "i8", 2 * CHUNK)),
        "fp32",
    )
    yield case("most-dimensions", schema(("x", "f32", 2, 1, 3, 1, 2, 1, 1, 5)), "fp32")
    yield case(
        "most-chunks-in-both-sections", schema(("a", "f32", 1 << 30), ("b", "u64", 1 << 30)), "fp32"
    )
    for dtype in DTYPES:
        yield case(f"dtype-{dtype}", schema(("x", dtype, 3)), "fp32")
    yield from refused()


def refused():
    for encoding in ENCODINGS[1:]:
        yield case(f"double-{encoding}", schema(("x", "f64")), encoding, "REFUSED")
        yield case(
            f"one-double-{encoding}", schema(("a", "f32", 9), ("b", "f64", 1)), encoding, "REFUSED"
        )
    for i, encoding in enumerate(("fp64", "FP32", "", "f32", "int4")):
        yield case(f"unknown-encoding-{i}", EXAMPLE, encoding, "REFUSED", ["ROUND-064"])
    covers = ["CHUNK-002"]
    yield case("bad-schema-empty", "", "fp32", "REFUSED", covers)
    yield case(
        "bad-schema-a-chunk-too-many",
        schema(("x", "f32", (1 << 31) + 1)),
        "fp32",
        "REFUSED",
        covers,
    )
    yield case(
        "bad-schema-a-chunk-too-many-in-integers",
        schema(("a", "f32", (1 << 31) - CHUNK), ("b", "i8", CHUNK + 1)),
        "fp32",
        "REFUSED",
        covers,
    )
    yield case("bad-schema-size-zero", schema(("x", "f32", 0)), "fp32", "REFUSED", covers)


def case(slug, text, encoding, expect=None, covers=None):
    covers = covers or (["CHUNK-003", "CHUNK-019"] if expect else ["CHUNK-003"])
    return "layout.sizes", slug, covers, {"schema": text, "encoding": encoding}, expect
