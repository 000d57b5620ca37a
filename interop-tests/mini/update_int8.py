"""Cases of update.decode: int8 (07-chunks.md, Layout of an update; CHUNK-004, CHUNK-018)."""

from layout_building import BLOCK, INFINITE, LARGEST, ONE, block, decode_case, floats, schema

COVERS = ["CHUNK-003", "CHUNK-004", "CHUNK-018"]


def cases():
    yield from scales()
    yield from sums()
    yield from blocks()
    yield from bad_scales_and_steps()
    yield from too_large()


def scales():
    table = {
        "one": ONE,
        "zero": "00000000",
        "minus-zero": "80000000",
        "subnormal": "00000001",
        "third": "3eaaaaab",
        "largest-subnormal": "007fffff",
        "small": "2f800001",
        "large": "7b000000",
    }
    for slug, scale in table.items():
        chunks, base = [block(scale, 127, -127, 1, -1, 0)], {"seed": "base", "count": 5}
        yield decode_case(f"int8-scale-{slug}", COVERS, floats(5), "int8", chunks, base=base)


def sums():
    table = {
        "base-minus-zero": ("80000000", (0, 1, -1), "80000000" * 3),
        "rounded-twice": ("3f8ccccd", (3, 127), "4b800001cb800000"),
        # The largest finite binary32 is reached, and a sum that rounds down to it.
        "sum-is-the-largest": ("73800000", (1, -1), "7f7ffffeff7ffffe"),
        "sum-rounds-to-the-largest": ("72ffffff", (1, -1), "7f7fffffff7fffff"),
    }
    for slug, (scale, steps, bits) in table.items():
        text, base = floats(len(steps)), {"bits": bits}
        chunks = [block(scale, *steps)]
        yield decode_case(f"int8-{slug}", COVERS, text, "int8", chunks, base=base)
    chunks, base = [block("3dcccccd", *range(-127, 128))], {"seed": "base", "count": 255}
    yield decode_case("int8-all-steps", COVERS, floats(255), "int8", chunks, base=base)


def blocks():
    for count in (BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 1):
        chunk = ""
        for start in range(0, count, BLOCK):
            places = range(start, min(start + BLOCK, count))
            steps = [(7 * i * i + 3 * i) % 255 - 127 for i in places]
            chunk += block(f"3c{start // BLOCK:02x}0000", *steps)
        text, base = floats(count), {"seed": "base", "count": count}
        yield decode_case(f"int8-blocks-{count}", COVERS, text, "int8", [chunk], base=base)
    text = schema(("a", "f32", 2), ("b!", "f16", 2), ("n", "i16"))
    chunks, base = [block(ONE, 1, 2, 3, 4), "0080ffffffffffff"], {"zeros": 4}
    yield decode_case("int8-block-spans-tensors", COVERS, text, "int8", chunks, base=base)


def bad_scales_and_steps():
    # Minus infinity is below zero and infinite: two faults of one chunk, so there is no such case.
    text, base = floats(2), {"zeros": 2}
    for slug, scale, code in (
        ("negative", "bf800000", "MALFORMED"),
        ("negative-subnormal", "80000001", "MALFORMED"),
        ("nan", "7fc00000", "NON_FINITE"),
        ("signalling-nan", "7f800001", "NON_FINITE"),
        ("infinite", INFINITE, "NON_FINITE"),
    ):
        covers = ["CHUNK-018" if code == "MALFORMED" else "CHUNK-004"]
        for end, step in {"": 1, "-steps-zero": 0}.items():
            slug_of_steps, chunks = f"int8-scale-{slug}{end}", [block(scale, step, 0)]
            yield decode_case(slug_of_steps, covers, text, "int8", chunks, code, base)
    covers = ["CHUNK-018"]
    for slug, scale in {"one": ONE, "zero": "00000000", "minus-zero": "80000000"}.items():
        slug, chunks = f"int8-step-minus-128-scale-{slug}", [block(scale, 0, -128)]
        yield decode_case(slug, covers, text, "int8", chunks, "MALFORMED", base)
    text, base = floats(BLOCK + 1), {"zeros": BLOCK + 1}
    first, slug = block(ONE, *[0] * BLOCK), "int8-second-scale-negative"
    chunks = [first + block("bf800000", 0)]
    yield decode_case(slug, covers, text, "int8", chunks, "MALFORMED", base)


def too_large():
    table = {
        "product": ("7e800000", 127, "00000000"),
        "product-negative": ("7e800000", -127, "00000000"),
        "product-that-the-base-would-cancel": ("7e800000", 127, "ff7fffff"),
        "sum": ("73000000", 1, LARGEST),
        "sum-negative": ("73000000", -1, "ff7fffff"),
        "large-sum": (LARGEST, 1, LARGEST),
    }
    for slug, (scale, step, bits) in table.items():
        slug, chunks, base = f"int8-{slug}-beyond-the-largest", [block(scale, step)], {"bits": bits}
        yield decode_case(slug, ["CHUNK-004"], floats(1), "int8", chunks, "NON_FINITE", base)
