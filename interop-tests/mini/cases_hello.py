"""Cases of 05-hello.md: the message."""

import frames
from samples import DOMAIN, packed, pairs

OWN = {
    "agent": "swarmp2p/0.1.0",
    "domain": DOMAIN.hex(),
    "extensions": [0x200000],
    "key_epoch": "3",
    "wire_version": 1,
}
VALUE = {"a": "swarmp2p/0.1.0", "d": DOMAIN, "e": [0x200000], "k": 3, "v": 1}
EXAMPLE = frames.encode(packed(VALUE))


def message(**changed):
    value = {**VALUE, **changed}
    return packed({name: entry for name, entry in value.items() if entry != "absent"})


def decode(slug, covers, data, expect=None):
    return "hello.decode", slug, covers, {"data": data.hex()}, expect


def fields():
    yield decode("example", ["HELLO-002"], EXAMPLE[4:], OWN.__eq__)
    for slug, changed in [
        ("agent-empty", {"a": ""}),
        ("agent-64", {"a": "x" * 64}),
        ("agent-space", {"a": " "}),
        ("agent-tilde", {"a": "~"}),
        ("agent-with-site", {"a": "swarmp2p/0.1.0 clinic-a"}),
        ("extensions-none", {"e": []}),
        ("extensions-32", {"e": list(range(32))}),
        ("extension-0", {"e": [0]}),
        ("extension-greatest", {"e": [2**32 - 1]}),
        ("extensions-rising", {"e": [1, 2, 2**32 - 1]}),
        ("epoch-0", {"k": 0}),
        ("epoch-greatest", {"k": 2**64 - 1}),
        ("epoch-2.53-plus-1", {"k": 2**53 + 1}),
        ("version-0", {"v": 0}),
        ("version-2", {"v": 2}),
        ("version-greatest", {"v": 65535}),
        ("domain-zeros", {"d": bytes(32)}),
    ]:
        yield decode(slug, ["HELLO-002", "ENC-010"], message(**changed))
    for slug, changed in [
        ("agent-65", {"a": "x" * 65}),
        ("agent-del", {"a": "a\x7f"}),
        ("agent-line-end", {"a": "a\n"}),
        ("agent-tab", {"a": "a\tb"}),
        ("agent-nul", {"a": "\0"}),
        ("agent-not-ascii", {"a": "\u00e9"}),
        ("agent-1f", {"a": "\x1f"}),
        ("agent-bytes", {"a": b"swarmp2p"}),
        ("agent-nil", {"a": None}),
        ("agent-uint", {"a": 1}),
        ("domain-31", {"d": DOMAIN[:-1]}),
        ("domain-33", {"d": DOMAIN + b"\0"}),
        ("domain-empty", {"d": b""}),
        ("domain-text", {"d": "x" * 32}),
        ("domain-nil", {"d": None}),
        ("extensions-nil", {"e": None}),
        ("extensions-map", {"e": {}}),
        ("extensions-uint", {"e": 0}),
        ("extension-text", {"e": ["1"]}),
        ("extension-nil", {"e": [None]}),
        ("extension-true", {"e": [True]}),
        ("extension-one-beyond", {"e": [2**32]}),
        ("extension-array", {"e": [[]]}),
        ("epoch-text", {"k": "3"}),
        ("epoch-nil", {"k": None}),
        ("epoch-true", {"k": True}),
        ("epoch-bytes", {"k": b"\3"}),
        ("epoch-array", {"k": [3]}),
        ("version-65536", {"v": 65536}),
        ("version-nil", {"v": None}),
        ("version-text", {"v": "1"}),
        ("version-false", {"v": False}),
        ("version-map", {"v": {}}),
    ]:
        yield decode(slug, ["HELLO-002", "ENC-010"], message(**changed), "MALFORMED")
    for name in "adekv":
        yield decode(
            f"without-{name}", ["HELLO-002", "ENC-010"], message(**{name: "absent"}), "MALFORMED"
        )
    yield decode("extensions-33", ["HELLO-002", "ENC-010"], message(e=list(range(33))), "TOO_MANY")
    yield decode("extensions-twice", ["HELLO-002", "ENC-010"], message(e=[1, 1]), "NOT_CANONICAL")
    yield decode("extensions-falling", ["HELLO-002", "ENC-010"], message(e=[2, 1]), "NOT_CANONICAL")
    yield decode(
        "extensions-last-falling", ["HELLO-002", "ENC-010"], message(e=[1, 5, 4]), "NOT_CANONICAL"
    )


def forms():
    for name in ("", "b", "aa", "D", "z"):
        yield decode(
            f"unknown-field-{name.lower() or 'empty'}{'-capital' if name == 'D' else ''}",
            ["HELLO-002", "ENC-009"],
            message(**{name: None}),
            "UNKNOWN_FIELD",
        )
    yield decode("padded", ["HELLO-002", "ENC-005"], message()[:-1] + b"\xcc\x01", "NOT_CANONICAL")
    yield decode(
        "falling-keys",
        ["HELLO-002", "ENC-006"],
        pairs([("v", 1), ("k", 3), ("e", []), ("d", DOMAIN), ("a", "x")]),
        "NOT_CANONICAL",
    )
    yield decode(
        "field-twice",
        ["HELLO-002", "ENC-006"],
        pairs([("a", "x"), ("d", DOMAIN), ("e", []), ("k", 3), ("v", 1), ("v", 1)]),
        "NOT_CANONICAL",
    )
    yield decode("more-bytes", ["HELLO-002", "ENC-002"], message() + b"\xc0", "MALFORMED")
    for slug, data in [
        ("empty", b""),
        ("nil", b"\xc0"),
        ("array", packed([1])),
        ("text", packed("hello")),
        ("map-empty", b"\x80"),
    ]:
        yield decode(slug, ["HELLO-002", "ENC-018"], data, "MALFORMED")
    for end in range(1, len(message()), 7):
        yield decode(f"prefix-{end}", ["HELLO-002", "ENC-002"], message()[:end], "MALFORMED")
    yield decode(
        "epoch-negative", ["HELLO-002", "ENC-004"], message()[:-4] + b"\xff\xa1v\x01", "MALFORMED"
    )
    for slug, data, expect in [
        ("padded-before-unknown", message(b=None)[:-1] + b"\xcc\x01", "NOT_CANONICAL"),
        ("unknown-before-absent", message(b=None, v="absent"), "UNKNOWN_FIELD"),
        ("unknown-before-bounds", message(b=None, a=1), "UNKNOWN_FIELD"),
        ("absent-before-type", message(a=None, e=[1, 1], v="absent"), "MALFORMED"),
        ("absent-before-count", message(e=list(range(33)), v="absent"), "MALFORMED"),
        ("absent-before-order", message(e=[1, 1], k="absent"), "MALFORMED"),
        ("agent-before-extensions", message(a=None, e=[1, 1]), "MALFORMED"),
        ("domain-before-count", message(d=b"", e=list(range(33))), "MALFORMED"),
        ("count-before-epoch", message(e=list(range(33)), k=None), "TOO_MANY"),
        ("order-of-extensions-before-epoch", message(e=[1, 1], k=None), "NOT_CANONICAL"),
        ("count-before-entry", message(e=[None] * 33), "TOO_MANY"),
        ("entry-before-order", message(e=[2, 1, None]), "MALFORMED"),
        ("count-before-order", message(e=[5] * 33), "TOO_MANY"),
    ]:
        yield decode(f"order-{slug}", ["ENC-018"], data, expect)


def encoding():
    def encode(slug, expect=None, **changed):
        return "hello.encode", slug, ["HELLO-002", "ENC-015"], {**OWN, **changed}, expect

    yield encode("example", {"data": EXAMPLE[4:].hex()}.__eq__)
    for slug, changed in [
        ("agent-empty", {"agent": ""}),
        ("agent-64", {"agent": "x" * 64}),
        ("extensions-none", {"extensions": []}),
        ("extensions-32", {"extensions": list(range(32))}),
        ("extension-greatest", {"extensions": [2**32 - 1]}),
        ("epoch-greatest", {"key_epoch": str(2**64 - 1)}),
        ("version-greatest", {"wire_version": 65535}),
        ("version-0", {"wire_version": 0}),
    ]:
        yield encode(slug, None, **changed)
    for slug, changed in [
        ("agent-65", {"agent": "x" * 65}),
        ("agent-not-ascii", {"agent": "\u00e9"}),
        ("agent-line-end", {"agent": "x\n"}),
        ("domain-31", {"domain": "00" * 31}),
        ("domain-33", {"domain": "00" * 33}),
        ("extensions-33", {"extensions": list(range(33))}),
        ("extensions-twice", {"extensions": [1, 1]}),
        ("extensions-falling", {"extensions": [2, 1]}),
        ("extension-one-beyond", {"extensions": [2**32]}),
        ("version-65536", {"wire_version": 65536}),
    ]:
        yield encode(slug, "REFUSED", **changed)


def cases():
    for part in (fields, forms, encoding):
        yield from part()
