"""Cases of update.decode: floats under fp32, bf16 and fp16, and sizes of chunks."""

import struct

import update_edges
import update_int8
from layout_building import (
    BLOCK,
    CHUNK,
    EXAMPLE,
    INFINITE,
    LARGEST,
    ONE,
    decode_case,
    floats,
    little,
    schema,
)

SIZE, FINITE = ["CHUNK-003"], ["CHUNK-004"]
NOT_FINITE = {
    "nan": "7fc00000",
    "minus-nan": "ffc00000",
    "signalling-nan": "7f800001",
    "infinite": INFINITE,
    "minus-infinite": "ff800000",
}
NOT_FINITE_DOUBLES = {
    "nan": "7ff8000000000000",
    "signalling-nan": "fff0000000000001",
    "infinite": "7ff0000000000000",
    "minus-infinite": "fff0000000000000",
}


def cases():
    yield from fp32()
    yield from bad_fp32()
    yield from halves()
    yield from bad_halves()
    yield from bad_sizes()
    yield from update_int8.cases()
    yield from update_edges.cases()


def fp32():
    doubles = ("8000000000000000", "0000000000000001", "7fefffffffffffff", "ffefffffffffffff")
    singles = ("80000000", "00000001", "807fffff", LARGEST, "ff7fffff", "00800000")
    one = little(*[ONE] * 7, "80000000")
    yield decode_case("example", SIZE, EXAMPLE, "fp32", [one, "f9ffffffffffffff"])
    yield decode_case("fp32-extremes", SIZE, floats(6), "fp32", [little(*singles)])
    yield decode_case("doubles-extremes", SIZE, floats(4, "f64"), "fp32", [little(*doubles)])
    # Whether an element is a value of its tensor's own type is not checked.
    text = schema(("a", "f16"), ("b", "f64"))
    data = little("3ff0000000000001", doubles[0])
    yield decode_case("f16-beside-f64-is-not-checked-to-be-f16", SIZE, text, "fp32", [data])
    for dtype in ("f16", "bf16"):
        slug = f"{dtype}-tensor-is-not-checked-to-be-{dtype}"
        yield decode_case(slug, SIZE, floats(1, dtype), "fp32", [little("3f800001")])
    base = {"bits": LARGEST}
    yield decode_case("base-is-not-used", SIZE, floats(1), "fp32", [little(ONE)], base=base)


def bad_fp32():
    for slug, bits in NOT_FINITE.items():
        data = little(ONE, ONE, bits)
        yield decode_case(f"fp32-{slug}", FINITE, floats(3), "fp32", [data], "NON_FINITE")
    for slug, bits in NOT_FINITE_DOUBLES.items():
        data = little(bits, "8000000000000000")
        text = floats(2, "f64")
        yield decode_case(f"doubles-{slug}", FINITE, text, "fp32", [data], "NON_FINITE")
    text, nan = schema(("x!", "f32")), little("7fc00000")
    yield decode_case("fp32-nan-in-statistics", FINITE, text, "fp32", [nan], "NON_FINITE")
    noise = [{"seed": "noise", "count": 4 * CHUNK}, little(ONE)]
    slug, text = "fp32-noise-of-a-whole-chunk", floats(CHUNK + 1)
    yield decode_case(slug, FINITE, text, "fp32", noise, "NON_FINITE")


def halves():
    """All patterns that are finite, in one case for each encoding."""
    for encoding, exponent in {"bf16": 0x7F80, "fp16": 0x7C00}.items():
        finite = [bits for bits in range(65_536) if bits & exponent != exponent]
        text, data = floats(len(finite)), struct.pack(f"<{len(finite)}H", *finite).hex()
        yield decode_case(f"{encoding}-all-finite", SIZE + FINITE, text, encoding, [data])
        for first in (0x0000, exponent - 64, 0x8000, 0x8000 + exponent - 64):
            some = struct.pack("<64H", *range(first, first + 64)).hex()
            yield decode_case(f"{encoding}-from-{first:04x}", SIZE, floats(64), encoding, [some])
        mixed = schema(("a", "f16"), ("b", "bf16"), ("c", "f32"), ("n", "i8"))
        data = ["0180fb7b7b00", "80ffffffffffffff"]
        yield decode_case(f"{encoding}-for-every-dtype", SIZE, mixed, encoding, data)


def bad_halves():
    for encoding, exponent in {"bf16": 0x7F80, "fp16": 0x7C00}.items():
        table = {
            "infinite": exponent,
            "minus-infinite": exponent | 0x8000,
            "least-nan": exponent + 1,
            "largest-nan": 0x7FFF,
            "minus-nan": exponent + 0x8001,
            "largest-minus-nan": 0xFFFF,
        }
        for slug, bits in table.items():
            data = [struct.pack("<2H", 0, bits).hex()]
            slug = f"{encoding}-{slug}"
            yield decode_case(slug, FINITE, floats(2), encoding, data, "NON_FINITE")


def bad_sizes():
    good = {"fp32": "00" * 8, "bf16": "00" * 4, "fp16": "00" * 4, "int8": "00" * 6}
    text = schema(("n", "u8"), ("x", "f32", 2))
    integer = "00" * 8
    for encoding, data in good.items():
        base = {"zeros": 2} if encoding == "int8" else None
        table = {
            "no-chunk": [],
            "a-chunk-too-few": [data],
            "only-the-last": [integer],
            "a-chunk-too-many": [data, integer, integer],
            "an-empty-chunk-too-many": [data, integer, ""],
            "first-too-short": [data[2:], integer],
            "first-too-long": [data + "00", integer],
            "first-empty": ["", integer],
            "last-too-short": [data, integer[2:]],
            "last-too-long": [data, integer + "00"],
            "an-element-too-many": [data + data[: len(data) // 2], integer],
            "joined": [data + integer],
        }
        for slug, chunks in table.items():
            slug = f"{encoding}-{slug}"
            yield decode_case(slug, SIZE, text, encoding, chunks, "BAD_PROOF", base)
    long = {
        "two-as-one": [{"seed": "a", "count": 4 * CHUNK + 4}],
        "cut-at-another-element": [{"seed": "a", "count": 4 * CHUNK - 4}, "00" * 8],
        "cut-at-another-byte": [{"seed": "a", "count": 4 * CHUNK - 1}, "00" * 5],
    }
    for slug, chunks in long.items():
        yield decode_case(slug, SIZE, floats(CHUNK + 1), "fp32", chunks, "BAD_PROOF")
    slug, base = "int8-without-the-second-scale", {"zeros": BLOCK + 1}
    data = ["00" * (BLOCK + 1 + 4)]
    yield decode_case(slug, SIZE, floats(BLOCK + 1), "int8", data, "BAD_PROOF", base)
    yield decode_case("doubles-as-singles", SIZE, floats(2, "f64"), "fp32", ["00" * 8], "BAD_PROOF")
