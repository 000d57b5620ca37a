"""Cases of 07-chunks.md: schemas."""

import schemas
from samples import short

TAG = schemas.TAG_SCHEMA
NAMES = list(schemas.DTYPES.items())
EXAMPLE = TAG + bytes.fromhex(
    "00000003046269617303000100000002047365656e130000067765696768740300020000000200000003"
)


def tensor(name=b"a", dtype=3, flags=0, shape=(1,), rank=None):
    name = name.encode() if isinstance(name, str) else name
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    return (
        bytes([len(name)])
        + name
        + bytes([dtype, flags, len(shape) if rank is None else rank])
        + sizes
    )


def schema(*tensors, count=None):
    return TAG + (len(tensors) if count is None else count).to_bytes(4, "big") + b"".join(tensors)


def decode(slug, data, expect=None, rule="CHUNK-002"):
    return "schema.decode", slug, [rule], {"data": short(data)}, expect


def good():
    yield decode(
        "example",
        EXAMPLE,
        lambda output: (
            output["hash"] == "b6c9ca3ec8166b547c13eecdac0b74c48ae16cffc95f2c62065c93698fdcea87"
        ),
    )
    for number, name in NAMES:
        yield decode(
            f"dtype-{name}",
            schema(tensor(dtype=number)),
            lambda output, name=name: output["tensors"][0]["dtype"] == name,
        )
    for number in (1, 2, 3, 4):
        yield decode(
            f"stat-{schemas.DTYPES[number]}",
            schema(tensor(dtype=number, flags=1)),
            lambda output: output["tensors"][0]["stat"] is True,
        )
    for rank in range(9):
        yield decode(f"rank-{rank}", schema(tensor(shape=tuple(range(1, rank + 1)))))
    yield decode("name-255", schema(tensor(name="n" * 255)))
    yield decode("name-two-bytes", schema(tensor(name="\u00e9")))
    yield decode("name-nul", schema(tensor(name="\0")))
    yield decode("name-slash-dot", schema(tensor(name="layer.0/weight")))
    yield decode("names-prefix-first", schema(tensor("a"), tensor("aa"), tensor("b")))
    yield decode(
        "names-by-bytes",
        schema(
            tensor("B"),
            tensor("a"),
            tensor("z"),
            tensor("\u00e9"),
            tensor("\uffff"),
            tensor("\U00010000"),
        ),
    )
    most = 8192 * 262144
    yield decode("chunks-8192", schema(tensor(shape=(most,))))
    yield decode("chunks-8192-by-rank-2", schema(tensor(shape=(8192, 262144))))
    yield decode("chunks-8192-integers", schema(tensor(dtype=24, shape=(most,))))
    yield decode(
        "chunks-8192-two-sections",
        schema(tensor(shape=(most - 262144,)), tensor("b", 16, 0, (262144,))),
    )
    yield decode("chunks-8192-last-short", schema(tensor(shape=(8191 * 262144 + 1,))))


def bad():
    for slug, data in [
        ("empty", b""),
        ("tag-only", TAG),
        ("tag-cut", TAG[:-1]),
        ("count-cut", TAG + b"\0\0\0"),
        ("tag-without-zero", TAG[:-1] + b"\1\0\0\1" + tensor()),
        ("tag-v2", TAG.replace(b"v1", b"v2") + EXAMPLE[19:]),
        ("tag-capital", b"S" + EXAMPLE[1:]),
        ("count-0", schema()),
        ("count-0-and-a-tensor", schema(tensor(), count=0)),
        ("count-less", schema(tensor("a"), tensor("b"), count=1)),
        ("count-more", schema(tensor(), count=2)),
        ("one-byte-more", EXAMPLE + b"\0"),
        ("one-byte-less", EXAMPLE[:-1]),
        ("name-empty", schema(tensor(b""))),
        ("name-cut-in-letter", schema(tensor(b"\xc3"))),
        ("name-latin-1", schema(tensor(b"\xe9a"))),
        ("name-overlong", schema(tensor(b"\xc0\x80"))),
        ("name-surrogate", schema(tensor(b"\xed\xa0\x80"))),
        ("names-twice", schema(tensor("a"), tensor("a"))),
        ("names-falling", schema(tensor("b"), tensor("a"))),
        ("names-prefix-last", schema(tensor("aa"), tensor("a"))),
        ("names-utf16-order", schema(tensor("\U00010000"), tensor("\uffff"))),
        ("names-third-falls", schema(tensor("a"), tensor("c"), tensor("b"))),
        ("flag-2", schema(tensor(flags=2))),
        ("flag-3", schema(tensor(flags=3))),
        ("flag-128", schema(tensor(flags=128))),
        ("flag-255", schema(tensor(flags=255))),
        ("rank-9", schema(tensor(shape=(1,) * 9))),
        ("rank-255", schema(tensor(shape=(1,) * 255))),
        ("rank-more-than-sizes", schema(tensor(shape=(1,), rank=2))),
        ("size-0", schema(tensor(shape=(0,)))),
        ("size-0-last", schema(tensor(shape=(2, 3, 0)))),
        ("size-0-of-many", schema(tensor(shape=(2**32 - 1, 0, 2**32 - 1)))),
        ("chunks-8193", schema(tensor(shape=(8192 * 262144 + 1,)))),
        ("chunks-8193-integers", schema(tensor(dtype=19, shape=(8192 * 262144 + 1,)))),
        ("chunks-8193-two-sections", schema(tensor(shape=(8192 * 262144,)), tensor("b", 16))),
        ("chunks-overflow-64", schema(tensor(shape=(2**31, 2**31, 4)))),
        ("chunks-overflow-to-1", schema(tensor(shape=(2**16, 2**16, 2**16, 2**16)))),
        ("size-greatest", schema(tensor(shape=(2**32 - 1,)))),
        ("chunks-8193-sum", schema(*[tensor("n%02d" % i, shape=(2**29,)) for i in range(5)])),
        ("garbage", bytes(range(64))),
    ]:
        yield decode(slug, data, "BAD_SCHEMA")
    for dtype in (0, 5, 6, 15, 25, 26, 127, 255):
        yield decode(f"dtype-{dtype}", schema(tensor(dtype=dtype)), "BAD_SCHEMA")
    for number, name in NAMES:
        if number >= 16:
            yield decode(f"stat-{name}", schema(tensor(dtype=number, flags=1)), "BAD_SCHEMA")
    for end in range(1, len(EXAMPLE) - 1):
        if end not in (18, 19, 22):
            yield decode(f"prefix-{end}", EXAMPLE[:end], "BAD_SCHEMA")


def limits():
    letters = bytes(range(0x30, 0x71)).decode()
    many = [tensor(first + second, shape=()) for first in letters for second in letters][:4097]
    yield decode("tensors-4097", schema(*many), "TOO_MANY", "CHUNK-001")
    given = {"schema": schema(*many[:4096]).hex(), "encoding": "fp32"}
    yield (
        "layout.sizes",
        "tensors-4096",
        ["CHUNK-001", "LIMIT-003"],
        given,
        {"sizes": [[16384, 1]]}.__eq__,
    )
    longest = schema(tensor()) + bytes(262144 - len(schema(tensor())))
    yield decode("bytes-262144-is-read", longest, "BAD_SCHEMA", "CHUNK-001")
    yield decode("bytes-262145", longest + b"\0", "TOO_LARGE", "CHUNK-001")
    yield decode("order-bytes-before-tag", bytes(262145), "TOO_LARGE", "CHUNK-001")
    yield from filled()
    yield decode("tensors-4097-announced-only", schema(count=4097), "TOO_MANY", "CHUNK-001")
    yield decode("tensors-greatest", schema(tensor(), count=2**32 - 1), "TOO_MANY", "CHUNK-001")
    yield decode("tensors-4096-announced-only", schema(count=4096), "BAD_SCHEMA")
    yield decode(
        "order-tensors-before-names", schema(tensor(b""), count=4097), "TOO_MANY", "CHUNK-001"
    )


def filled():
    """A good schema of exactly 262,144 bytes."""
    some = [tensor("n" * 250 + "%05d" % i, shape=()) for i in range(1012)]
    last = tensor("o" * (262144 - len(schema(*some)) - 4), shape=())
    data = schema(*some, last)
    assert len(data) == 262144
    given = {"schema": short(data), "encoding": "fp32"}
    yield "layout.sizes", "schema-bytes-262144", ["CHUNK-001", "LIMIT-003"], given, None


def encoding():
    def entry(name="a", dtype="f32", shape=(1,), stat=False):
        return {"name": name, "dtype": dtype, "shape": list(shape), "stat": stat}

    def encode(slug, tensors, expect=None):
        return "schema.encode", slug, ["CHUNK-002"], {"tensors": tensors}, expect

    three = [entry("bias", shape=(2,)), entry("seen", "i64", ()), entry("weight", shape=(2, 3))]
    yield encode("example", three, lambda output: output["data"] == EXAMPLE.hex())
    for _, name in NAMES:
        yield encode(f"dtype-{name}", [entry(dtype=name)])
    for rank in (0, 8):
        yield encode(f"rank-{rank}", [entry(shape=(2,) * rank)])
    yield encode("stat", [entry(stat=True), entry("b", "i8")])
    yield encode("name-255", [entry("n" * 255)])
    yield encode("chunks-8192", [entry(shape=(8192, 262144))])
    for slug, tensors in [
        ("none", []),
        ("name-empty", [entry("")]),
        ("name-256", [entry("n" * 256)]),
        ("name-256-of-two-bytes", [entry("\u00e9" * 128)]),
        ("names-twice", [entry(), entry()]),
        ("names-falling", [entry("b"), entry("a")]),
        ("dtype-unknown", [entry(dtype="f8")]),
        ("dtype-capital", [entry(dtype="F32")]),
        ("stat-integer", [entry(dtype="i64", stat=True)]),
        ("stat-bool", [entry(dtype="bool", stat=True)]),
        ("rank-9", [entry(shape=(1,) * 9)]),
        ("size-0", [entry(shape=(0,))]),
        ("size-2.32", [entry(shape=(2**32,))]),
        ("chunks-8193", [entry(shape=(8192 * 262144 + 1,))]),
        ("chunks-8193-two-sections", [entry(shape=(8192, 262144)), entry("b", "u8")]),
    ]:
        yield encode(slug, tensors, "REFUSED")


def cases():
    for part in (good, bad, limits, encoding):
        yield from part()
