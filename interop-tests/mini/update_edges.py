"""Cases of update.decode: sections longer than a chunk, and the integer section (CHUNK-018)."""

import struct

from layout_building import (
    BLOCK,
    CHUNK,
    INFINITE,
    RANGES,
    block,
    decode_case,
    floats,
    little,
    schema,
)

COVERS, INTEGERS = ["CHUNK-003", "CHUNK-004"], ["CHUNK-018"]
EDGES = (CHUNK - 1, CHUNK, CHUNK + 1)
# Three elements of each encoding, so that the elements of a section do not repeat with its chunks.
THREE = {
    "fp32": little("3fc00000", "80000001", "7f7fffff"),
    "bf16": little("3fc0", "8001", "7f7f"),
    "fp16": little("3e00", "8001", "7bff"),
}


def cases():
    yield from floats_at_the_edge()
    yield from int8_at_the_edge()
    yield from bad_second_chunks()
    yield from integers()
    yield from bad_integers()
    yield from integers_at_the_edge()
    yield from orders()


def repeated(pattern, size, first, count):
    """Elements first, first + 1, ... of a pattern of three that goes on for ever, as bytes."""
    turned = pattern * 2
    turned = turned[2 * size * (first % 3) :][: 6 * size]
    parts = [{"repeat": turned, "count": count // 3}, turned[: 2 * size * (count % 3)]]
    return {"join": parts}


def chunks_of(pattern, size, count):
    starts = range(0, count, CHUNK)
    return [repeated(pattern, size, start, min(CHUNK, count - start)) for start in starts]


def floats_at_the_edge():
    for encoding, pattern in THREE.items():
        size = len(pattern) // 6
        for count in EDGES:
            chunks = chunks_of(pattern, size, count)
            yield decode_case(f"{encoding}-edge-{count}", COVERS, floats(count), encoding, chunks)
        text = schema(("a", "f16", CHUNK - 1), ("b!", "f32", 3), ("n", "u8"))
        chunks = [*chunks_of(pattern, size, CHUNK + 2), "ff00000000000000"]
        yield decode_case(f"{encoding}-tensor-over-the-edge", COVERS, text, encoding, chunks)
    doubles = little("3ff8000000000000", "8000000000000001", "7fefffffffffffff")
    for count in EDGES:
        text, chunks = floats(count, "f64"), chunks_of(doubles, 8, count)
        yield decode_case(f"doubles-edge-{count}", COVERS, text, "fp32", chunks)


def int8_blocks(start, count):
    """The chunk of `count` elements from `start`: every block has a scale and steps of its own."""
    parts = []
    for first in range(start, start + count, BLOCK):
        number, length = first // BLOCK, min(BLOCK, start + count - first)
        steps = block(f"3c{number:02x}0000", 127, -127, number - 60, 1)
        rest = {"repeat": steps[8:], "count": length // 4}
        parts += [steps[:8], rest, steps[8:][: 2 * (length % 4)]]
    return {"join": parts}


def int8_at_the_edge():
    for count in (*EDGES, CHUNK + BLOCK + 1):
        starts = range(0, count, CHUNK)
        chunks = [int8_blocks(start, min(CHUNK, count - start)) for start in starts]
        text, base = floats(count), {"seed": "base", "count": count}
        yield decode_case(f"int8-edge-{count}", COVERS, text, "int8", chunks, base=base)


def bad_second_chunks():
    text, code = floats(CHUNK + 1), "NON_FINITE"
    for encoding, bits in {"fp32": INFINITE, "bf16": "7f80", "fp16": "7c00"}.items():
        first, _ = chunks_of(THREE[encoding], len(bits) // 2, CHUNK + 1)
        slug = f"{encoding}-infinite-in-the-second-chunk"
        yield decode_case(slug, COVERS, text, encoding, [first, little(bits)], code)
        last = {"join": [{"repeat": "00" * (len(bits) // 2), "count": CHUNK - 1}, little(bits)]}
        slug, rest = f"{encoding}-infinite-at-the-end-of-a-chunk", "00" * (len(bits) // 2)
        yield decode_case(slug, COVERS, text, encoding, [last, rest], code)
    base, first = {"zeros": CHUNK + 1}, int8_blocks(0, CHUNK)
    slug, second = "int8-scale-infinite-in-the-second-chunk", block(INFINITE, 0)
    yield decode_case(slug, COVERS, text, "int8", [first, second], code, base)
    slug, second = "int8-step-minus-128-in-the-second-chunk", block("00000000", -128)
    yield decode_case(slug, INTEGERS, text, "int8", [first, second], "MALFORMED", base)
    # 64 blocks have 64 scales; one for the whole chunk is another size.
    chunks = [{"repeat": "00", "count": CHUNK + 4}, "00" * 5]
    slug = "int8-one-scale-for-a-chunk"
    yield decode_case(slug, ["CHUNK-003"], text, "int8", chunks, "BAD_PROOF", base)


def numbers(*values):
    return struct.pack(f"<{len(values)}q", *values).hex()


def integers():
    for dtype, limits in RANGES.items():
        text = schema(("n", dtype, 2))
        yield decode_case(f"edges-{dtype}", INTEGERS, text, "fp32", [numbers(*limits)])
    text, chunks = schema(("a", "i8"), ("b", "u8"), ("c", "i8")), [numbers(-128, 255, 127)]
    yield decode_case("each-by-its-own-dtype", INTEGERS, text, "fp32", chunks)
    # Under every encoding an integer has 8 bytes.
    for encoding in ("bf16", "fp16", "int8"):
        base = {"zeros": 0} if encoding == "int8" else None
        slug, text = f"integers-only-{encoding}", schema(("n", "i8"))
        yield decode_case(slug, ["CHUNK-003"], text, encoding, [numbers(-3)], base=base)


def bad_integers():
    for dtype, (low, high) in RANGES.items():
        outside = {"below": low - 1, "above": high + 1} if dtype != "i64" else {}
        if dtype == "u64":
            del outside["above"]  # 2^63 cannot be written in the section
        for slug, value in outside.items():
            text, chunks = schema(("n", dtype, 2)), [numbers(0, value)]
            yield decode_case(f"{slug}-{dtype}", INTEGERS, text, "fp32", chunks, "MALFORMED")
    text, chunks = schema(("a", "i8"), ("b", "u8"), ("c", "i8")), [numbers(255, 0, 0)]
    yield decode_case("range-of-the-neighbour", INTEGERS, text, "fp32", chunks, "MALFORMED")


def integers_at_the_edge():
    count = CHUNK + 1
    text = schema(("a", "i8", CHUNK), ("b", "u8"))
    ones = {"repeat": numbers(1), "count": CHUNK}
    for edge in EDGES:
        tensors = schema(("a", "i64", edge))
        chunks = chunks_of(numbers(1, -(2**63), 2**53 + 1), 8, edge)
        yield decode_case(f"long-integers-edge-{edge}", INTEGERS, tensors, "fp32", chunks)
    yield decode_case(f"integers-edge-{count}", INTEGERS, text, "fp32", [ones, numbers(200)])
    # Above 4,096 elements the output is a hash.
    for some in (4096, 4097):
        chunks = chunks_of(numbers(-1, 127, -128), 8, some)
        slug, tensors = f"integers-{some}", schema(("a", "i8", some))
        yield decode_case(slug, INTEGERS, tensors, "fp32", chunks)
    last = {"join": [{"repeat": numbers(0), "count": CHUNK - 1}, numbers(200)]}
    wrong = {
        "last-of-the-first-chunk": [last, numbers(200)],
        "first-of-the-second-chunk": [ones, numbers(-1)],
    }
    for slug, chunks in wrong.items():
        yield decode_case(f"integers-{slug}", INTEGERS, text, "fp32", chunks, "MALFORMED")
    sizes = {
        "joined": [{"repeat": numbers(1), "count": count}],
        "cut-one-early": [{"repeat": numbers(1), "count": CHUNK - 1}, numbers(1, 1)],
        "second-chunk-missing": [ones],
        "second-chunk-too-long": [ones, numbers(1, 1)],
    }
    for slug, chunks in sizes.items():
        slug = f"integers-edge-{slug}"
        yield decode_case(slug, ["CHUNK-003"], text, "fp32", chunks, "BAD_PROOF")
    noise, text = [{"seed": "noise", "count": 8 * CHUNK}, "00" * 8], schema(("n", "bool", count))
    yield decode_case("noise-of-a-whole-chunk", INTEGERS, text, "fp32", noise, "MALFORMED")


def orders():
    """Two chunks, each with a fault: that of the first decides, sizes before all."""
    text = schema(("n", "u8"), ("x", "f32"))
    covers, chunks = ["CHUNK-004", "CHUNK-018"], [little(INFINITE), "ff" * 8]
    yield decode_case("order-of-chunks", covers, text, "fp32", chunks, "NON_FINITE")
    covers, chunks = ["CHUNK-003", "CHUNK-004"], [little(INFINITE), "ff" * 7]
    yield decode_case("order-sizes-before-contents", covers, text, "fp32", chunks, "BAD_PROOF")
