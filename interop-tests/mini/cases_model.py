"""Cases of model.sizes and model.encode: CHUNK-021, CHUNK-022. More in model_decoding.py."""

import model_decoding
from layout_building import CHUNK, EXAMPLE, INFINITE, ONE, RANGES, schema
from merge_building import seed

OPTIMISERS = ("none", "fedavgm", "nesterov", "fedadam")
VECTORS = {"none": 0, "fedavgm": 1, "nesterov": 1, "fedadam": 2}
DOUBLES = schema(("a", "f32", 2), ("b", "f64"), ("n", "i32"))
STATISTICS = schema(("a", "f32", 2), ("b!", "f32", 2), ("n", "u8"))
FLOATS_ONLY = schema(("a", "f32", 3))
INTEGERS_ONLY = schema(("n", "i16", 2), ("o", "bool"))
ZEROS_4 = "00000000"
MINUS = "80000000"


def cases():
    yield from sizes()
    yield from bad_sizes()
    yield from encoding()
    yield from bad_values()
    yield from bad_lengths()
    yield from model_decoding.cases()


def sizes():
    table = {
        "example": EXAMPLE,
        "floats-only": FLOATS_ONLY,
        "integers-only": INTEGERS_ONLY,
        "doubles": DOUBLES,
        "eight-bytes-of-two-floats": schema(("a", "f32", 2)),
        "one-chunk-and-one-element": schema(("a", "f32", CHUNK + 1), ("n", "i8", CHUNK + 1)),
        "full-chunks-of-doubles-and-integers": schema(("a", "f64", 2 * CHUNK), ("n", "u64", CHUNK)),
    }
    for slug, text in table.items():
        for optimiser in OPTIMISERS:
            if optimiser == "nesterov" and slug not in ("example", "doubles"):
                continue
            yield size_case(f"{slug}-{optimiser}", text, optimiser)
    # Chunks of 8 bytes in every section, and so one run of all.
    text = schema(("a", "f64"), ("n", "i8"))
    for count, optimiser in ((2, "none"), (4, "fedavgm"), (5, "fedadam")):
        slug = f"eight-bytes-everywhere-{optimiser}"
        wanted = {"sizes": [[8, count]]}
        yield size_case(slug, text, optimiser, lambda out, wanted=wanted: out == wanted)
    for slug, optimiser, floats, integers in AT_THE_LIMIT:
        text = schema(*tensors_of(floats, integers))
        yield size_case(
            f"most-chunks-{slug}",
            text,
            optimiser,
            lambda out: sum(count for _, count in out["sizes"]) == 8192,
        )


# How many chunks both sections have in a model of 8,192 chunks.
AT_THE_LIMIT = [
    ("none", "none", 8192, 0),
    ("none-integers", "none", 1, 8191),
    ("fedavgm", "fedavgm", 4095, 1),
    ("fedavgm-integers", "fedavgm", 0, 8191),
    ("fedadam", "fedadam", 2730, 1),
    ("fedadam-integers", "fedadam", 1, 8188),
]


def tensors_of(floats, integers, spare=0):
    """Of so many chunks; the last of the integers, or of the floats, has `spare` more elements."""
    if floats:
        yield "a", "f32", floats * CHUNK + (0 if integers else spare)
    if integers:
        yield "n", "i8", integers * CHUNK + spare


def bad_sizes():
    for slug, optimiser, floats, integers in AT_THE_LIMIT[2:]:
        text = schema(*tensors_of(floats, integers, 1))
        yield size_case(f"a-chunk-too-many-{slug}", text, optimiser, "REFUSED")
    text = schema(("a", "f32", 4096 * CHUNK))
    yield size_case("the-step-section-too-many-fedavgm", text, "fedavgm", "REFUSED")
    text = schema(("a", "f32", 2731 * CHUNK))
    yield size_case("the-second-vector-too-many-fedadam", text, "fedadam", "REFUSED")
    for optimiser in OPTIMISERS[1:]:
        slug = f"sections-alone-have-all-{optimiser}"
        yield size_case(slug, schema(("a", "f32", 8192 * CHUNK)), optimiser, "REFUSED")
    for i, optimiser in enumerate(("adam", "", "None", "fedadam ")):
        slug = f"unknown-optimiser-{i}"
        yield size_case(slug, EXAMPLE, optimiser, "REFUSED", ["MERGE-060", "ROUND-064"])
    covers = ["CHUNK-002"]
    yield size_case("bad-schema-empty", "", "none", "REFUSED", covers)
    yield size_case("bad-schema-cut", EXAMPLE[:-2], "fedadam", "REFUSED", covers)
    text = schema(("x", "f32", 8192 * CHUNK + 1))
    yield size_case("bad-schema-a-chunk-too-many", text, "none", "REFUSED", covers)


def size_case(slug, text, optimiser, expect=None, covers=("CHUNK-021",)):
    given = {"schema": text, "optimiser": optimiser}
    return "model.sizes", slug, list(covers), given, expect


def bits(*patterns):
    return {"bits": "".join(patterns)}


def encode(slug, text, optimiser, floats, integers, state=(), steps=0, rounds=10, expect=None):
    given = {
        "schema": text,
        "optimiser": optimiser,
        "rounds": rounds,
        "floats": floats,
        "integers": list(integers),
        "state": list(state),
        "steps": str(steps),
    }
    return "model.encode", slug, ["CHUNK-021", "CHUNK-022", "MERGE-052"], given, expect


def encoding():
    eight = seed("floats", 8)
    for optimiser, count in VECTORS.items():
        if optimiser == "nesterov":  # its models are those of fedavgm
            continue
        zeros = [{"zeros": 8}] * count
        yield encode(f"zeros-{optimiser}", EXAMPLE, optimiser, {"zeros": 8}, ["0"], zeros)
        state = [seed("state", 8)] * count
        if count == 2:
            # The second of fedadam has no element below 0.
            state[1] = bits("00000001", MINUS, "7f7fffff", *[ONE] * 5)
        steps = 7 if count else 0
        yield encode(f"example-{optimiser}", EXAMPLE, optimiser, eight, ["-7"], state, steps)
        integers = ["-32768", "32767", "1"]
        empty = [{"zeros": 0}] * count
        args = (INTEGERS_ONLY, optimiser, {"zeros": 0}, integers, empty, steps)
        yield encode(f"integers-only-{optimiser}", *args)
        vectors = [seed("first", 3), bits(ONE, ZEROS_4, MINUS)][:count]
        args = (FLOATS_ONLY, optimiser, seed("floats", 3), [], vectors, steps)
        yield encode(f"floats-only-{optimiser}", *args)
        vectors = [bits("0010000000000000", "8000000000000000", "7fefffffffffffff")] * count
        args = (DOUBLES, optimiser, seed("floats", 3), ["-2147483648"], vectors, steps)
        yield encode(f"doubles-{optimiser}", *args)
        vectors = [bits(ONE, "00000001", ZEROS_4, ZEROS_4)] * count
        args = (STATISTICS, optimiser, seed("floats", 4), ["255"], vectors, steps)
        yield encode(f"statistics-{optimiser}", *args)
        if optimiser == "fedavgm":
            continue
        # Two chunks of floats; each is more than 4,096 bytes, but for the last.
        long, text = CHUNK + 1, schema(("a", "f32", CHUNK + 1))
        vectors = [{"zeros": long}, {"plus": [{"zeros": long}, ONE]}][:count]
        args = (text, optimiser, {"zeros": long}, [], vectors, steps)
        yield encode(f"two-chunks-{optimiser}", *args)
    for n in (1024, 1025):
        # 4,096 bytes are shown as they are.
        text = schema(("a", "f32", n))
        yield encode(f"floats-{n}", text, "fedavgm", {"zeros": n}, [], [{"zeros": n}])
    for slug, steps, rounds in (
        ("first", 1, 1),
        ("greatest", 2**32 - 1, 2**32 - 1),
    ):
        args = (FLOATS_ONLY, "nesterov", seed("floats", 3), [], [{"zeros": 3}], steps, rounds)
        yield encode(f"steps-{slug}", *args)
    for slug, vector in {"minus-zero": [MINUS] * 4, "zero": [ZEROS_4] * 4}.items():
        args = (STATISTICS, "fedadam", bits(*vector), ["0"], [bits(*vector)] * 2)
        yield encode(f"everywhere-{slug}", *args)
    for dtype in ("i8", "i64", "u64", "bool"):
        edges = RANGES[dtype]
        text = schema(("n", dtype, 2))
        yield encode(f"edges-{dtype}", text, "none", {"zeros": 0}, [str(edge) for edge in edges])


def bad_values():
    three, zeros = seed("floats", 3), {"zeros": 3}
    for slug, pattern in {
        "nan": "7fc00000",
        "infinite": INFINITE,
    }.items():
        wrong = {"set": [three, {"1": pattern}]}
        args = (FLOATS_ONLY, "fedavgm", wrong, [], [zeros])
        yield encode(f"floats-{slug}", *args, expect="REFUSED")
        yield encode(f"state-{slug}", FLOATS_ONLY, "nesterov", three, [], [wrong], expect="REFUSED")
        wrong = {"set": [zeros, {"2": pattern}]}
        args = (FLOATS_ONLY, "fedadam", three, [], [zeros, wrong])
        yield encode(f"state-{slug}-second", *args, expect="REFUSED")
    for slug, pattern in {"least": "80000001", "minus-one": "bf800000"}.items():
        state = [zeros, {"set": [zeros, {"0": pattern}]}]
        args = (FLOATS_ONLY, "fedadam", three, [], state)
        yield encode(f"second-below-zero-{slug}", *args, expect="REFUSED")
    for place, patterns in {
        "first": (ZEROS_4, ZEROS_4, "00000001", ZEROS_4),
        "last": (ONE, ONE, ZEROS_4, ONE),
        "negative": (ONE, ONE, ZEROS_4, "bf800000"),
    }.items():
        args = (STATISTICS, "fedavgm", seed("floats", 4), ["1"], [bits(*patterns)])
        yield encode(f"state-of-statistics-{place}", *args, expect="REFUSED")
    for slug, steps, rounds in (
        ("one-beyond", 11, 10),
        ("greatest-of-all", 2**64 - 1, 2**32 - 1),
    ):
        args = (FLOATS_ONLY, "fedavgm", three, [], [zeros], steps, rounds)
        yield encode(f"steps-{slug}", *args, expect="REFUSED")
    for dtype in ("i8", "u64"):
        low, high = RANGES[dtype]
        text = schema(("n", dtype))
        for slug, value in {"below": low - 1, "above": high + 1}.items():
            args = (text, "none", {"zeros": 0}, [str(value)])
            yield encode(f"{slug}-{dtype}", *args, expect="REFUSED")


def bad_lengths():
    three, zeros = seed("floats", 3), {"zeros": 3}
    for slug, args in {
        "floats-too-few": ("none", seed("floats", 7), ["1"]),
        "floats-too-many": ("none", seed("floats", 9), ["1"]),
        "integers-too-few": ("none", seed("floats", 8), []),
        "integers-too-many": ("none", seed("floats", 8), ["1", "2"]),
    }.items():
        yield encode(f"sections-{slug}", EXAMPLE, *args, expect="REFUSED")
    for slug, optimiser, state in (
        ("none-has-one", "none", [zeros]),
        ("fedavgm-has-none", "fedavgm", []),
        ("fedavgm-has-two", "fedavgm", [zeros, zeros]),
        ("fedadam-has-one", "fedadam", [zeros]),
        ("fedadam-has-three", "fedadam", [zeros] * 3),
        ("too-short", "fedavgm", [{"zeros": 2}]),
        ("second-too-short", "fedadam", [zeros, {"zeros": 2}]),
    ):
        yield encode(f"state-{slug}", FLOATS_ONLY, optimiser, three, [], state, expect="REFUSED")
    args = (INTEGERS_ONLY, "fedavgm", {"zeros": 0}, ["1", "2", "0"], [])
    yield encode("state-without-elements-is-there", *args, expect="REFUSED")
    yield encode("unknown-optimiser", FLOATS_ONLY, "adam", three, [], [zeros], expect="REFUSED")
