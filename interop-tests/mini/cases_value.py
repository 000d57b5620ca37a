"""Cases of 02-encoding.md: values."""

from samples import packed, short

EXAMPLE = bytes.fromhex("82a161cd012ca16294c3c0c40201ffa2c3a9")


def decode(slug, covers, data, expect=None, **more):
    if isinstance(data, str):
        data = bytes.fromhex(data)
    return "value.decode", slug, covers, {"data": short(data), **more}, expect


def forms():
    for slug, data in [
        ("nil", "c0"),
        ("false", "c2"),
        ("true", "c3"),
        ("uint-0", "00"),
        ("uint-127", "7f"),
        ("uint-128", "cc80"),
        ("uint-255", "ccff"),
        ("uint-256", "cd0100"),
        ("uint-65535", "cdffff"),
        ("uint-65536", "ce00010000"),
        ("uint-2.32-1", "ceffffffff"),
        ("uint-2.32", "cf0000000100000000"),
        ("uint-max", "cf" + "ff" * 8),
        ("text-empty", "a0"),
        ("text-1", "a161"),
        ("text-31", "bf" + "61" * 31),
        ("text-32", "d920" + "61" * 32),
        ("text-255", "d9ff" + "61" * 255),
        ("bytes-0", "c400"),
        ("bytes-1", "c401ff"),
        ("bytes-255", "c4ff" + "00" * 255),
        ("bytes-256", "c50100" + "07" * 256),
        ("array-0", "90"),
        ("array-15", "9f" + "c0" * 15),
        ("array-16", "dc0010" + "c0" * 16),
        ("map-0", "80"),
        ("map-1", "81a0c0"),
    ]:
        yield decode(slug, ["ENC-002", "ENC-004", "ENC-005"], data)
    for slug, data in [
        ("uint-0-padded", "cc00"),
        ("uint-127-padded", "cc7f"),
        ("uint-255-padded", "cd00ff"),
        ("uint-0-padded-2", "cd0000"),
        ("uint-65535-padded", "ce0000ffff"),
        ("uint-2.32-1-padded", "cf00000000ffffffff"),
        ("uint-0-padded-8", "cf" + "00" * 8),
        ("text-empty-padded", "d900"),
        ("text-1-padded", "d90161"),
        ("text-31-padded", "d91f" + "61" * 31),
        ("bytes-0-padded", "c50000"),
        ("bytes-255-padded", "c500ff" + "00" * 255),
        ("array-0-padded", "dc0000"),
        ("array-15-padded", "dc000f" + "c0" * 15),
        ("map-0-padded", "de0000"),
        ("map-1-padded", "de0001a0c0"),
        ("map-15-padded", "de000f" + "".join("a1%02xc0" % (0x61 + i) for i in range(15))),
    ]:
        yield decode(slug, ["ENC-005"], data, "NOT_CANONICAL")
    content = {
        0xC6: "0000000100",
        0xC7: "010100",
        0xC8: "00010100",
        0xC9: "000000010100",
        0xCA: "3f800000",
        0xCB: "3ff0000000000000",
        0xD0: "01",
        0xD1: "0001",
        0xD2: "00000001",
        0xD3: "0000000000000001",
        0xD4: "0100",
        0xD5: "010000",
        0xD6: "0100000000",
        0xD7: "01" + "00" * 8,
        0xD8: "01" + "00" * 16,
        0xDA: "000161",
        0xDB: "0000000161",
        0xDD: "00000001c0",
        0xDF: "00000001a0c0",
        0xC1: "",
        0xE0: "",
        0xEF: "",
        0xFF: "",
    }
    for first, rest in sorted(content.items()):
        yield decode("form-%02x" % first, ["ENC-004"], "%02x%s" % (first, rest), "MALFORMED")
    yield decode("form-da-256-bytes", ["ENC-004"], "da0100" + "61" * 256, "MALFORMED")
    yield decode("form-d3-minus-1", ["ENC-004"], "d3" + "ff" * 8, "MALFORMED")
    yield decode("form-ff-in-array", ["ENC-004"], "92c0ff", "MALFORMED")


def texts():
    for slug, data in [
        ("two-bytes", "c3a9"),
        ("nul", "00"),
        ("last-point", "f48fbfbf"),
        ("before-surrogates", "ed9fbf"),
        ("after-surrogates", "ee8080"),
        ("mark", "efbbbf61"),
        ("non-character", "efbfbf"),
        ("line-end", "0a"),
    ]:
        yield decode(f"utf8-{slug}", ["ENC-007"], "a%x%s" % (len(data) // 2, data))
    for slug, data in [
        ("lone-continuation", "80"),
        ("cut", "c3"),
        ("cut-3", "e282"),
        ("overlong-nul", "c080"),
        ("overlong-slash", "c0af"),
        ("overlong-3", "e080af"),
        ("overlong-4", "f08080af"),
        ("surrogate", "eda080"),
        ("surrogate-pair", "eda080edb080"),
        ("above-last", "f4908080"),
        ("f5", "f5808080"),
        ("five-bytes", "f888808080"),
        ("fe", "fe"),
        ("latin-1", "e9"),
        ("good-then-bad", "61ff"),
    ]:
        yield decode(f"utf8-{slug}", ["ENC-007"], "a%x%s" % (len(data) // 2, data), "MALFORMED")
    yield decode("utf8-bad-d9", ["ENC-007"], "d920" + "61" * 31 + "ff", "MALFORMED")
    yield decode("utf8-bad-key", ["ENC-007"], "81a1ffc0", "MALFORMED")


def maps():
    for slug, data in [
        ("prefix-first", "82a161c0a26161c0"),
        ("capital-first", "82a141c0a161c0"),
        ("shorter-is-not-first", "82a26161c0a162c0"),
        ("empty-key-first", "82a0c0a161c0"),
        ("key-after-ascii", "82a17ac0a2c3a9c0"),
        ("order-of-bytes-not-utf16", "82a3efbfbfc0a4f0908080c0"),
        ("key-d9", "81d920" + "61" * 32 + "c0"),
        ("key-255", "81d9ff" + "61" * 255 + "c0"),
        ("nested", "81a16181a16101"),
        ("same-key-in-two-maps", "9281a161c081a161c0"),
    ]:
        yield decode(f"map-{slug}", ["ENC-006"], data)
    for slug, data in [
        ("falling", "82a162c0a161c0"),
        ("twice", "82a161c0a161c0"),
        ("twice-same-value", "82a1610aa1610a"),
        ("prefix-last", "82a26161c0a161c0"),
        ("shorter-first", "82a162c0a26161c0"),
        ("utf16-order", "82a4f0908080c0a3efbfbfc0"),
        ("twice-not-next", "83a161c0a162c0a161c0"),
        ("empty-key-last", "82a161c0a0c0"),
        ("falling-nested", "81a16182a162c0a161c0"),
    ]:
        yield decode(f"map-{slug}", ["ENC-006"], data, "NOT_CANONICAL")
    for slug, data in [
        ("uint", "8101c0"),
        ("nil", "81c0c0"),
        ("true", "81c3c0"),
        ("bytes", "81c40161c0"),
        ("array", "8190c0"),
        ("map", "8180c0"),
        ("float", "81ca00000000c0"),
        ("uint-cc", "81cc80c0"),
    ]:
        yield decode(f"map-key-{slug}", ["ENC-006"], data, "MALFORMED")
    yield decode("map-key-padded", ["ENC-005", "ENC-006"], "81d90161c0", "NOT_CANONICAL")


def limits():
    entries = ["a1%02xc0" % (0x41 + i) for i in range(33)]
    yield decode("map-15", ["ENC-003"], "8f" + "".join(entries[:15]))
    yield decode("map-16", ["ENC-003"], "de0010" + "".join(entries[:16]))
    yield decode("map-32", ["ENC-003"], "de0020" + "".join(entries[:32]))
    yield decode("map-33", ["ENC-003"], "de0021" + "".join(entries), "TOO_MANY")
    for slug, shell, core in [("arrays", "91", "90"), ("maps", "81a161", "80")]:
        yield decode(f"depth-6-{slug}", ["ENC-003"], shell * 5 + core)
        yield decode(f"depth-7-{slug}", ["ENC-003"], shell * 6 + core, "TOO_MANY")
    yield decode("depth-6-with-text", ["ENC-003"], "91" * 6 + "a161")
    yield decode("depth-7-with-text", ["ENC-003"], "91" * 7 + "a161", "TOO_MANY")
    yield decode("depth-6-twice", ["ENC-003"], "92" + ("91" * 4 + "90") * 2)
    yield decode("depth-40", ["ENC-003"], "91" * 40 + "c0", "TOO_MANY")
    yield decode("depth-6000", ["ENC-003"], "91" * 6000, "TOO_MANY")
    yield decode("items-4096", ["ENC-003"], "dc0fff" + "c0" * 4095)
    yield decode("items-4097", ["ENC-003"], "dc1000" + "c0" * 4096, "TOO_MANY")
    yield decode(
        "items-4097-nested",
        ["ENC-003"],
        "92dc07fe" + "c0" * 2046 + "dc0800" + "c0" * 2048,
        "TOO_MANY",
    )
    one_map = "8f" + "".join(entries[:15])  # 31 values
    yield decode("items-4124-keys-count", ["ENC-003"], "dc0085" + one_map * 133, "TOO_MANY")
    yield decode("bound-at", ["ENC-001"], "c40161", None, bound=3)
    yield decode("bound-one-beyond", ["ENC-001"], "c4026161", "TOO_LARGE", bound=3)
    yield decode("bound-0", ["ENC-001"], "c0", "TOO_LARGE", bound=0)
    yield decode("bound-default-one-beyond", ["ENC-001"], bytes(65537), "TOO_LARGE")
    yield decode("bytes-65536", ["ENC-001", "LIMIT-003"], texts_of(65536))
    yield decode("bytes-65537", ["ENC-001"], texts_of(65537), "TOO_LARGE")


def texts_of(total):
    """A canonical array of 255 texts, `total` bytes long."""
    last = "x" * (total - 3 - 254 * 257 - 2)
    data = packed(["x" * 255] * 254 + [last])
    assert len(data) == total
    return data


def lengths():
    yield decode("empty", ["ENC-002"], "", "MALFORMED")
    for end in range(1, len(EXAMPLE)):
        yield decode(f"prefix-{end}", ["ENC-002"], EXAMPLE[:end], "MALFORMED")
    yield decode("example", ["ENC-002"], EXAMPLE)
    yield decode("example-and-nil", ["ENC-002"], EXAMPLE + b"\xc0", "MALFORMED")
    yield decode("example-and-rubbish", ["ENC-002"], EXAMPLE + b"\xc1", "MALFORMED")
    yield decode("two-values", ["ENC-002"], "c0c0", "MALFORMED")
    for slug, data in [
        ("cc", "cc"),
        ("cd", "cd01"),
        ("ce", "ce010000"),
        ("cf", "cf01000000000000"),
        ("text", "a261"),
        ("d9", "d9"),
        ("d9-content", "d920" + "61" * 31),
        ("c4", "c4"),
        ("c4-content", "c40261"),
        ("c5", "c501"),
        ("dc", "dc00"),
        ("de", "de00"),
        ("c5-most", "c5ffff00"),
    ]:
        yield decode(f"ends-in-{slug}", ["ENC-002"], data, "MALFORMED")
    for slug, data in [
        ("array-1", "91"),
        ("array-2", "92c0"),
        ("array-65535", "dcffffc0c0"),
        ("map-1", "81a0"),
        ("map-15", "8f" + "a0c0" * 14 + "a0"),
        ("nested", "9291c0"),
        ("map-32", "de0020" + "a0c0" * 16),
    ]:
        yield decode(f"announces-{slug}", ["ENC-008"], data, "MALFORMED")


def order():
    for slug, data, expect in [
        ("count-before-form", "dc1000" + "c0" * 4095 + "c1", "TOO_MANY"),
        ("count-before-padding", "dc1000" + "c0" * 4095 + "cc", "TOO_MANY"),
        ("announced-before-count", "dc1000" + "c0" * 4095, "MALFORMED"),
        ("length-ends-before-padding", "cd00", "MALFORMED"),
        ("padding-before-content", "d905" + "6161", "NOT_CANONICAL"),
        ("padding-before-depth", "91" * 6 + "dc0001c0", "NOT_CANONICAL"),
        ("padding-before-announced", "dc000f", "NOT_CANONICAL"),
        ("padding-before-map-announced", "de0001", "NOT_CANONICAL"),
        ("map-limit-before-announced", "de0021", "TOO_MANY"),
        ("depth-before-announced", "91" * 6 + "92c0", "TOO_MANY"),
        ("content-before-utf8", "a3ffff", "MALFORMED"),
        ("key-text-before-place", "82a2c3a9c0a180c0", "MALFORMED"),
        ("key-place-before-value", "82a162c0a161c1", "NOT_CANONICAL"),
        ("key-form-before-place", "82a162c001c0", "MALFORMED"),
        ("first-value-first", "92cc7fc1", "NOT_CANONICAL"),
        ("second-value-second", "92c1cc7f", "MALFORMED"),
        ("value-before-next-key", "82a162cc00a161c0", "NOT_CANONICAL"),
        ("padding-before-rest", "cc7fc0", "NOT_CANONICAL"),
        ("twice-before-rest", "82a161c0a161c0c0", "NOT_CANONICAL"),
        ("depth-before-rest", "91" * 6 + "90c0", "TOO_MANY"),
    ]:
        yield decode(f"order-{slug}", ["ENC-017"], data, expect)
    yield decode("order-bound-first", ["ENC-001"], "cc7f", "TOO_LARGE", bound=1)


def nested(depth):
    value = {"array": []}
    for _ in range(depth - 1):
        value = {"array": [value]}
    return value


def encoding():
    def encode(slug, covers, value, expect=None):
        return "value.encode", slug, covers, {"value": value}, expect

    for number in [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63, 2**64 - 1]:
        yield encode(f"uint-{number}", ["ENC-005"], {"uint": str(number)})
    for name, value in [("nil", None), ("false", False), ("true", True)]:
        yield encode(name, ["ENC-004"], value)
    for count in [0, 31, 32, 255]:
        yield encode(f"text-{count}", ["ENC-005"], {"text": "a" * count})
    for count in [0, 255, 256]:
        yield encode(f"bytes-{count}", ["ENC-005"], {"bytes": "5a" * count})
    for count in [0, 15, 16]:
        yield encode(f"array-{count}", ["ENC-005"], {"array": [None] * count})
        yield encode(
            f"map-{count}", ["ENC-005"], {"map": [["k%02d" % i, None] for i in range(count)]}
        )
    yield encode("map-32", ["ENC-003"], {"map": [["k%02d" % i, None] for i in range(32)]})
    yield encode(
        "map-falling",
        ["ENC-006"],
        {"map": [["b", {"uint": "1"}], ["a", {"uint": "2"}], ["", None]]},
    )
    yield encode(
        "map-order-of-bytes",
        ["ENC-006"],
        {"map": [["\U00010000", True], ["\uffff", False], ["z", None], ["aa", None], ["B", None]]},
    )
    yield encode(
        "map-falling-nested",
        ["ENC-006"],
        {"array": [{"map": [["y", {"map": [["d", None], ["c", None]]}], ["x", None]]}]},
    )
    yield encode("text-two-bytes-a-letter", ["ENC-003"], {"text": "\u00e9" * 127})
    yield encode(
        "example",
        ["ENC-005", "ENC-006"],
        {
            "map": [
                ["a", {"uint": "300"}],
                ["b", {"array": [True, None, {"bytes": "01ff"}, {"text": "\u00e9"}]}],
            ]
        },
    )
    yield encode("depth-6", ["ENC-003"], nested(6))
    for slug, value in [
        ("depth-7", nested(7)),
        ("depth-8", nested(8)),
        ("map-33", {"map": [["k%02d" % i, None] for i in range(33)]}),
        ("map-twice", {"map": [["a", None], ["a", None]]}),
        ("map-twice-differing", {"map": [["a", None], ["b", None], ["a", True]]}),
        ("text-256", {"text": "a" * 256}),
        ("text-256-of-two-bytes", {"text": "\u00e9" * 128}),
        ("items-4097", {"array": [None] * 4096}),
        ("bytes-65537", {"bytes": {"repeat": "5a", "count": 65534}}),
    ]:
        rule = "ENC-006" if "twice" in slug else "ENC-001" if "bytes" in slug else "ENC-003"
        yield encode(slug, ["ENC-015", rule], value, "REFUSED")


def cases():
    assert packed({"a": 300, "b": [True, None, b"\x01\xff", "\u00e9"]}) == EXAMPLE
    for part in (forms, texts, maps, limits, lengths, order, encoding):
        yield from part()
