"""Cases of 08-rounds.md: update manifest and commitment."""

import samples
from samples import packed

B32 = [bytes([n]) * 32 for n in range(8)]
UPDATE = {
    "b": B32[1],
    "e": 1,
    "h": B32[2],
    "m": {"loss": 2**63 + 500000},
    "r": B32[3],
    "s": B32[4],
    "w": 303,
}
EXAMPLE = bytes.fromhex(
    "87a162c420"
    + "01" * 32
    + "a16501a168c420"
    + "02" * 32
    + "a16d81a46c6f7373cf800000000007a120a172c420"
    + "03" * 32
    + "a173c420"
    + "04" * 32
    + "a177cd012f"
)
NAMES = ["m%02d" % n for n in range(17)]
WRONG = {"nil": None, "true": True, "uint": 1, "text": "x", "bytes": b"x", "array": [], "map": {}}
KINDS = {int: "uint", str: "text", bytes: "bytes", list: "array", dict: "map"}


def changed(base, **more):
    value = {**base, **more}
    return packed({name: entry for name, entry in value.items() if entry != "absent"})


def decode(slug, data, expect=None, rule="ENC-010"):
    return "update_manifest.decode", slug, [rule], {"data": data.hex()}, expect


def updates():
    yield decode(
        "example",
        EXAMPLE,
        lambda output: (
            output["weight"] == 303 and output["metrics"] == {"loss": str(2**63 + 500000)}
        ),
    )
    for slug, more in [
        ("encoding-2", {"e": 2}),
        ("encoding-3", {"e": 3}),
        ("encoding-4", {"e": 4}),
        ("weight-1", {"w": 1}),
        ("weight-greatest", {"w": 2**32 - 1}),
        ("metrics-none", {"m": {}}),
        ("metrics-16", {"m": dict.fromkeys(NAMES[:16], 0)}),
        ("metric-0", {"m": {"x": 0}}),
        ("metric-greatest", {"m": {"x": 2**64 - 1}}),
        ("metric-name-32", {"m": {"n" * 32: 1}}),
        ("metric-name-characters", {"m": {"AZaz09_./-": 1}}),
        ("zeros", {"b": B32[0], "h": B32[0], "r": B32[0], "s": B32[0]}),
    ]:
        yield decode(slug, changed(UPDATE, **more))
    for slug, more in [
        ("encoding-0", {"e": 0}),
        ("encoding-5", {"e": 5}),
        ("encoding-greatest", {"e": 2**64 - 1}),
        ("weight-0", {"w": 0}),
        ("weight-one-beyond", {"w": 2**32}),
        ("metric-name-33", {"m": {"n" * 33: 1}}),
        ("metric-name-empty", {"m": {"": 1}}),
        ("metric-name-space", {"m": {"a b": 1}}),
        ("metric-name-not-ascii", {"m": {"\u00e9": 1}}),
        ("metric-name-line-end", {"m": {"a\n": 1}}),
        ("metric-name-colon", {"m": {"a:b": 1}}),
        ("metric-text", {"m": {"x": "1"}}),
        ("metric-nil", {"m": {"x": None}}),
        ("metric-true", {"m": {"x": True}}),
        ("metric-map", {"m": {"x": {}}}),
    ]:
        yield decode(slug, changed(UPDATE, **more), "MALFORMED")


def update_forms():
    for name, good in UPDATE.items():
        yield decode(f"without-{name}", changed(UPDATE, **{name: "absent"}), "MALFORMED")
        for kind, value in WRONG.items():
            if KINDS[type(good)] != kind:
                yield decode(f"{name}-{kind}", changed(UPDATE, **{name: value}), "MALFORMED")
    for name in "bhrs":
        for length in (0, 31, 33):
            yield decode(
                f"{name}-of-{length}", changed(UPDATE, **{name: bytes(length)}), "MALFORMED"
            )
    for name in ("", "a", "W", "z", "loss"):
        yield decode(
            f"unknown-{name.lower() or 'empty'}",
            changed(UPDATE, **{name: 1}),
            "UNKNOWN_FIELD",
            "ENC-009",
        )
    yield decode("metrics-17", changed(UPDATE, m=dict.fromkeys(NAMES, 0)), "TOO_MANY")
    yield decode(
        "metrics-32",
        changed(UPDATE, m=dict.fromkeys(["k%02d" % n for n in range(32)], 0)),
        "TOO_MANY",
    )
    yield decode(
        "metrics-twice",
        EXAMPLE.replace(b"\x81\xa4loss", b"\x82\xa4loss\1\xa4loss"),
        "NOT_CANONICAL",
        "ENC-006",
    )
    yield decode(
        "weight-padded", EXAMPLE[:-3] + bytes.fromhex("ce0000012f"), "NOT_CANONICAL", "ENC-005"
    )
    yield decode("more-bytes", EXAMPLE + b"\xc0", "MALFORMED", "ENC-002")
    yield decode("empty", b"", "MALFORMED", "ENC-002")
    yield decode("array", packed([1, 2]), "MALFORMED", "ENC-018")
    for end in range(1, len(EXAMPLE), 8):
        yield decode(f"prefix-{end}", EXAMPLE[:end], "MALFORMED", "ENC-002")
    for slug, data, expect in [
        ("unknown-before-bounds", changed(UPDATE, b=b"", x=1), "UNKNOWN_FIELD"),
        (
            "absent-before-count",
            changed(UPDATE, m=dict.fromkeys(NAMES, 0), w="absent"),
            "MALFORMED",
        ),
        ("encoding-before-count", changed(UPDATE, e=9, m=dict.fromkeys(NAMES, 0)), "MALFORMED"),
        ("count-before-root", changed(UPDATE, m=dict.fromkeys(NAMES, 0), r=b""), "TOO_MANY"),
        ("count-before-entries", changed(UPDATE, m=dict.fromkeys(NAMES, None)), "TOO_MANY"),
        ("value-rules-before-field", changed(UPDATE, e=0, q=1)[:-3] + b"\xcd\0\1", "NOT_CANONICAL"),
    ]:
        yield decode(f"order-{slug}", data, expect, "ENC-018")


def update_encoding():
    given = {
        "base_digest": "01" * 32,
        "encoding": 1,
        "schema_hash": "02" * 32,
        "metrics": {"loss": str(2**63 + 500000)},
        "root": "03" * 32,
        "salt": "04" * 32,
        "weight": 303,
    }

    def encode(slug, expect=None, **more):
        return "update_manifest.encode", slug, ["ENC-015"], {**given, **more}, expect

    yield encode("example", {"data": EXAMPLE.hex()}.__eq__)
    yield encode("metrics-in-any-order", None, metrics={"b": "1", "aa": "2", "B": "3", "a": "4"})
    yield encode("metrics-16", None, metrics={"m%02d" % n: str(n) for n in range(16)})
    yield encode("weight-greatest", None, weight=2**32 - 1)
    yield encode("encoding-4", None, encoding=4)
    for slug, more in [
        ("metrics-17", {"metrics": {"m%02d" % n: "0" for n in range(17)}}),
        ("metric-name-empty", {"metrics": {"": "1"}}),
        ("metric-name-33", {"metrics": {"n" * 33: "1"}}),
        ("metric-name-space", {"metrics": {"a b": "1"}}),
        ("weight-0", {"weight": 0}),
        ("weight-one-beyond", {"weight": 2**32}),
        ("encoding-0", {"encoding": 0}),
        ("encoding-5", {"encoding": 5}),
        ("root-31", {"root": "03" * 31}),
        ("salt-33", {"salt": "04" * 33}),
        ("base-empty", {"base_digest": ""}),
    ]:
        yield encode(slug, "REFUSED", **more)


def commitments():
    given = {
        "domain": samples.DOMAIN.hex(),
        "round": "17",
        "attempt": 0,
        "sender": samples.KEY.hex(),
        "base_digest": "01" * 32,
        "schema_hash": "02" * 32,
        "root": "03" * 32,
        "salt": "04" * 32,
    }
    wanted = "77a323aad2ef904f6ef874fa4cdd3dc5376c8f733865787dc353757d30050691"
    yield "commitment.compute", "example", ["ROUND-022"], given, {"commitment": wanted}.__eq__
    for name, value in [
        ("domain", samples.OTHER_DOMAIN.hex()),
        ("round", "18"),
        ("round", str(2**64 - 1)),
        ("attempt", 1),
        ("attempt", 2**32 - 1),
        ("sender", samples.key(1).hex()),
        ("base_digest", "00" * 32),
        ("schema_hash", "00" * 32),
        ("root", "00" * 32),
        ("salt", "00" * 32),
    ]:
        slug = f"other-{name.replace('_', '-')}" + (
            "-greatest" if value in (str(2**64 - 1), 2**32 - 1) else ""
        )
        yield (
            "commitment.compute",
            slug,
            ["ROUND-022"],
            {**given, name: value},
            lambda output: output["commitment"] != wanted,
        )


def cases():
    for part in (updates, update_forms, update_encoding, commitments):
        yield from part()
