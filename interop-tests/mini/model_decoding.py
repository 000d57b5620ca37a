"""Cases of model.decode: CHUNK-021 and CHUNK-022 (CHUNK-003 and CHUNK-005 by them)."""

from layout_building import CHUNK, EXAMPLE, INFINITE, ONE, RANGES, little, schema

NAN, MINUS, ZERO, LEAST = "7fc00000", "80000000", "00000000", "00000001"
PAIR = schema(("a", "f32", 2), ("n", "i8"))
STATISTICS = schema(("a", "f32"), ("b!", "f32"), ("n", "i8"))
DOUBLE = schema(("a", "f64", 2))
VECTORS = {"none": 0, "fedavgm": 1, "nesterov": 1, "fedadam": 2}
SIZES, VALUES = ("CHUNK-021", "CHUNK-003"), ("CHUNK-022",)


def integer(*values):
    return b"".join(value.to_bytes(8, "little", signed=True) for value in values).hex()


def case(slug, text, optimiser, chunks, expect=None, covers=VALUES, rounds=10):
    given = {"schema": text, "optimiser": optimiser, "rounds": rounds, "chunks": chunks}
    return "model.decode", slug, list(covers), given, expect


def model(optimiser, floats=(ONE, MINUS), number=5, state=None, steps=3):
    """Chunks of a model of PAIR or STATISTICS."""
    state = state or [(ZERO, ZERO)] * VECTORS[optimiser]
    chunks = [little(*floats), integer(number), *[little(*vector) for vector in state]]
    return chunks + ([integer(steps)] if optimiser != "none" else [])


def cases():
    yield from good()
    yield from bad_sizes()
    yield from not_finite()
    yield from bad_numbers()
    yield from bad_states()
    yield from order()


def good():
    for optimiser, count in VECTORS.items():
        yield case(
            f"example-{optimiser}",
            EXAMPLE,
            optimiser,
            [
                little(*[ONE, MINUS, LEAST, "7f7fffff"] * 2),
                integer(-7),
                *[little(*[ZERO] * 8)] * count,
                *([integer(0)] if count else []),
            ],
        )
        state = [("ff7fffff", MINUS), ("7f7fffff", MINUS)][:count]
        yield case(f"pair-{optimiser}", PAIR, optimiser, model(optimiser, state=state))
        yield case(
            f"statistics-{optimiser}",
            STATISTICS,
            optimiser,
            model(optimiser, state=[(ONE, ZERO)] * count),
        )
        wide = ["0000000000000001", "ffefffffffffffff"]
        first, second = little(*wide), little(wide[0], "8000000000000000")
        steps = [integer(10)] if count else []
        chunks = [first, *[first, second][:count], *steps]
        yield case(f"double-{optimiser}", DOUBLE, optimiser, chunks)
        # A float section without elements has state vectors without chunks.
        yield case(
            f"integers-only-{optimiser}",
            schema(("n", "u16", 2)),
            optimiser,
            [integer(0, 65535), *steps],
            covers=SIZES,
        )
        if optimiser not in ("nesterov", "fedadam"):
            continue
        parts = [{"repeat": "00", "count": 4 * CHUNK}, little(MINUS)]
        chunks = [*parts * (1 + count), *steps]
        text = schema(("a", "f32", CHUNK + 1))
        yield case(f"two-chunks-{optimiser}", text, optimiser, chunks, covers=SIZES)
    # -0.0 is no number below 0, and equal to 0.
    yield case(
        "statistics-minus-zero",
        STATISTICS,
        "fedadam",
        model("fedadam", state=[(MINUS, MINUS)] * 2),
    )
    yield case("first-vector-negative", PAIR, "fedadam", model("fedadam", state=NEGATIVE))
    for slug, steps, rounds in (
        ("zero", 0, 1),
        ("one-of-one", 1, 1),
        ("all", 10, 10),
        ("greatest", 2**32 - 1, 2**32 - 1),
    ):
        chunks = model("fedavgm", steps=steps)
        yield case(f"steps-{slug}", PAIR, "fedavgm", chunks, rounds=rounds)


NEGATIVE = [("bf800000", "80000001"), (ZERO, ONE)]


def bad_sizes():
    for optimiser in ("none", "fedadam"):
        chunks = model(optimiser)
        for slug, wrong in {
            "no-chunks": [],
            "a-chunk-too-few": chunks[:-1],
            "a-chunk-too-many": [*chunks, integer(0)],
            "last-a-byte-short": [*chunks[:-1], chunks[-1][:-2]],
            "last-a-byte-long": [*chunks[:-1], chunks[-1] + "00"],
        }.items():
            yield case(f"{slug}-{optimiser}", PAIR, optimiser, wrong, "BAD_PROOF", SIZES)
    good = {optimiser: model(optimiser) for optimiser in VECTORS}
    doubles, three = [little("0" * 16, "0" * 16)] * 2 + [integer(0)], little(ONE, ONE, ONE)
    for slug, text, optimiser, wrong in (
        ("none-with-a-state", PAIR, "none", good["fedavgm"]),
        ("fedavgm-without-a-state", PAIR, "fedavgm", good["none"]),
        ("fedadam-with-the-state-of-nesterov", PAIR, "fedadam", good["nesterov"]),
        ("step-section-of-4-bytes", PAIR, "nesterov", [*good["nesterov"][:-1], "00000000"]),
        ("step-section-first", schema(("a", "f32", 3)), "nesterov", [integer(0), three, three]),
        (
            "state-too-long",
            schema(("a", "f32")),
            "fedavgm",
            [little(ONE), little(ONE, ONE), integer(0)],
        ),
        ("state-of-singles", DOUBLE, "fedavgm", [doubles[0], little(ONE, ONE), integer(0)]),
        ("state-without-elements", schema(("n", "i8")), "fedavgm", [integer(0), "", integer(0)]),
        ("in-bf16", PAIR, "none", ["803f0040", integer(0)]),
    ):
        yield case(slug, text, optimiser, wrong, "BAD_PROOF", SIZES)


def not_finite():
    for optimiser, count in VECTORS.items():
        patterns = {"nan": NAN, "infinite": INFINITE, "minus": "ff800000"}
        if optimiser in ("fedavgm", "nesterov"):
            patterns = {"minus": "ff800000"}
        for slug, pattern in patterns.items():
            chunks = model(optimiser, floats=(ZERO, pattern))
            yield case(f"floats-{slug}-{optimiser}", PAIR, optimiser, chunks, "NON_FINITE")
            for place in range(count if slug != "infinite" else 0):
                # A minus infinity in the second of fedadam breaks two rules.
                if place == 1 and slug == "minus":
                    continue
                state = [(ZERO, ZERO)] * count
                state[place] = (pattern, ZERO)
                chunks = model(optimiser, state=state)
                slug_of = f"state-{place}-{slug}-{optimiser}"
                yield case(slug_of, PAIR, optimiser, chunks, "NON_FINITE")
    chunks = model("none", floats=(ZERO, "7f800001"))
    yield case("signalling-nan-in-statistics", STATISTICS, "none", chunks, "NON_FINITE")
    for place in (0, 2):
        parts = [little("0" * 16, ONE + "0" * 8)] * 3
        parts[place] = little("7ff0000000000001", "0" * 16)
        chunks = [*parts, integer(1)]
        yield case(f"double-nan-{place}", DOUBLE, "fedadam", chunks, "NON_FINITE")
    first = {"repeat": "00", "count": 4 * CHUNK}
    chunks = [first, little(ONE), first, little(NAN), integer(0)]
    text = schema(("a", "f32", CHUNK + 1))
    yield case("nan-in-the-second-chunk-of-a-state", text, "fedavgm", chunks, "NON_FINITE")


def bad_numbers():
    for dtype in ("i8", "u64", "bool"):
        low, high = RANGES[dtype]
        for slug, value in {"below": low - 1, "above": high + 1}.items():
            if -(2**63) <= value < 2**63:
                text = schema(("n", dtype))
                yield case(f"{slug}-{dtype}", text, "none", [integer(value)], "MALFORMED")
    chunks = model("fedadam", number=128)
    yield case("integer-with-a-state", PAIR, "fedadam", chunks, "MALFORMED")
    for optimiser in ("fedavgm", "nesterov", "fedadam"):
        only = {"nesterov": ("minus-one",), "fedadam": ("one-beyond",)}.get(optimiser)
        for slug, steps, rounds in (
            ("one-beyond", 11, 10),
            ("minus-one", -1, 10),
            ("two-of-one", 2, 1),
            ("largest", 2**63 - 1, 2**32 - 1),
        ):
            if only and slug not in only:
                continue
            chunks = model(optimiser, steps=steps)
            slug = f"steps-{slug}-{optimiser}"
            yield case(slug, PAIR, optimiser, chunks, "MALFORMED", rounds=rounds)


def bad_states():
    for optimiser, count in VECTORS.items():
        for place in range(count):
            if optimiser == "nesterov":
                continue
            for slug, pattern in {"least": LEAST, "minus": "bf800000"}.items():
                if place == 1 and slug == "minus":
                    continue
                state = [(ONE, ZERO)] * count
                state[place] = (ONE, pattern)
                chunks = model(optimiser, state=state)
                slug = f"statistics-{slug}-{place}-{optimiser}"
                yield case(slug, STATISTICS, optimiser, chunks, "MALFORMED")
    for slug, pattern in {"one": "bf800000", "least": "80000001"}.items():
        for place in range(2):
            second = [ONE, ONE]
            second[place] = pattern
            chunks = model("fedadam", state=[(ONE, ONE), tuple(second)])
            yield case(f"second-minus-{slug}-{place}", PAIR, "fedadam", chunks, "MALFORMED")
    first = "0000000000000000"
    chunks = [little(first, first)] * 2 + [little(first, "8000000000000001"), integer(0)]
    yield case("second-minus-least-double", DOUBLE, "fedadam", chunks, "MALFORMED")
    # Statistics after the first chunk of a vector.
    text = schema(("a", "f32", CHUNK), ("b!", "f32"))
    zeros = {"repeat": "00", "count": 4 * CHUNK}
    chunks = [zeros, little(ONE), zeros, little(ONE), integer(0)]
    yield case("statistics-in-the-second-chunk", text, "nesterov", chunks, "MALFORMED")


def order():
    """Sizes first, then chunks in the order of their index."""
    for slug, chunks, expect in (
        ("size-before-nan", [*model("fedadam", floats=(NAN, NAN))[:-1], "00"], "BAD_PROOF"),
        ("floats-before-integer", model("fedadam", floats=(NAN, ONE), number=300), "NON_FINITE"),
        (
            "integer-before-state",
            model("fedadam", number=300, state=[(NAN, ZERO), (ZERO, ZERO)]),
            "MALFORMED",
        ),
        (
            "second-before-steps",
            model("fedadam", steps=99, state=[(ZERO, ZERO), (NAN, ZERO)]),
            "NON_FINITE",
        ),
        ("floats-before-steps", model("fedadam", steps=-1, floats=(ONE, NAN)), "NON_FINITE"),
    ):
        yield case(f"order-{slug}", PAIR, "fedadam", chunks, expect)
    chunks = model("fedadam", state=[(ONE, ONE), (NAN, ZERO)])
    yield case("order-statistics-before-second", STATISTICS, "fedadam", chunks, "MALFORMED")
    chunks = model("fedadam", state=[(NAN, ZERO), (ONE, ONE)])
    yield case("order-first-before-statistics", STATISTICS, "fedadam", chunks, "NON_FINITE")
