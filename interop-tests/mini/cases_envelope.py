"""Cases of 04-envelope.md and of versions in 12-versioning.md: layout and signature."""

import envelopes
import samples
import signatures
from samples import BODY, DOMAIN, KEY, SEED, fields, pack, short, signed

EXAMPLE = signed()
ZERO = bytes(64)
LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789-"


def to_json(given):
    return envelopes.to_json(given)


def decode(slug, covers, data, expect=None):
    return "envelope.decode", slug, covers, {"data": short(data)}, expect


def bounds():
    """(slug, rule, changed fields): what every bound allows."""
    yield "example", "ENV-004", {}
    for name, size in [("key_epoch", 8), ("round", 8), ("attempt", 4), ("index", 4)]:
        slug = name.replace("_", "-")
        yield f"{slug}-0", "ENV-004", {name: 0}
        yield f"{slug}-greatest", "ENV-004", {name: 256**size - 1}
    yield "round-2.53-plus-1", "ENV-004", {"round": 2**53 + 1}
    yield "recipient", "ENV-004", {"recipient": samples.key(1)}
    yield "kind-1-letter", "ENV-003", {"kind": "a"}
    yield "kind-31-letters", "ENV-003", {"kind": "x-" + "z" * 29}
    yield "kind-digits-hyphens", "ENV-003", {"kind": "-0-9-"}
    yield "stream-seq-greatest", "ENV-005", {"kind": "x-test", "seq": 2**64 - 1}
    yield "stream-seq-0", "ENV-005", {"kind": "x-test", "seq": 0}
    yield "unknown-kind-seq-1", "ENV-005", {"kind": "update-manifests", "seq": 1}
    for kind in ("commit", "have", "attest"):
        yield f"kind-{kind}", "ENV-005", {"kind": kind}
    for version in (0, 2, 65535):
        yield f"version-{version}", "ENV-006", {"wire_version": version}
    yield "body-1", "ENV-004", {"body": b"\xc0"}
    yield "body-not-canonical", "ENV-004", {"body": b"\xcc\x01"}
    yield "body-two-values", "ENV-004", {"body": b"\xc0\xc0"}
    yield "body-256", "ENV-004", {"body": b"\xc5\x00\xfd" + bytes(253)}


def layout():
    for slug, rule, changed in bounds():
        data = signed(**changed)
        yield decode(slug, [rule], data)
        yield (
            "envelope.verify",
            slug,
            [rule, "ENV-009"],
            {"data": data.hex(), "domain": DOMAIN.hex()},
            None,
        )
        unsigned = fields(**changed)
        yield (
            "envelope.encode",
            slug,
            [rule],
            to_json({**unsigned, "signature": data[-64:]}),
            {"data": data.hex()}.__eq__,
        )
        yield "envelope.preimage", slug, [rule], {**to_json(unsigned), "domain": DOMAIN.hex()}, None
        given = {name: value for name, value in to_json(unsigned).items() if name != "sender"}
        yield (
            "envelope.sign",
            slug,
            [rule],
            {**given, "seed": SEED.hex(), "domain": DOMAIN.hex()},
            {"data": data.hex()}.__eq__,
        )
    given = {**to_json(fields()), "domain": samples.OTHER_DOMAIN.hex()}
    yield "envelope.preimage", "other-domain", ["ENV-009"], given, None


def refused_fields():
    for slug, rule, changed in [
        ("kind-empty", "ENV-003", {"kind": ""}),
        ("kind-32-letters", "ENV-003", {"kind": "x" * 32}),
        ("kind-capital", "ENV-003", {"kind": "Update-manifest"}),
        ("kind-underscore", "ENV-003", {"kind": "x_test"}),
        ("kind-dot", "ENV-003", {"kind": "x.test"}),
        ("kind-space", "ENV-003", {"kind": "x test"}),
        ("kind-not-ascii", "ENV-003", {"kind": "x-\u00e9"}),
        ("slot-seq-1", "ENV-005", {"seq": 1}),
        ("slot-seq-greatest", "ENV-005", {"seq": 2**64 - 1}),
        ("commit-seq-1", "ENV-005", {"kind": "commit", "seq": 1}),
        ("have-seq-1", "ENV-005", {"kind": "have", "seq": 1}),
        ("attest-seq-1", "ENV-005", {"kind": "attest", "seq": 1}),
        ("body-empty", "ENV-004", {"body": b""}),
    ]:
        data = pack({**fields(**changed), "signature": ZERO})
        yield decode(slug, [rule], data, "MALFORMED")
        yield (
            "envelope.verify",
            slug,
            [rule],
            {"data": data.hex(), "domain": DOMAIN.hex()},
            "MALFORMED",
        )
        given = to_json(fields(**changed))
        yield "envelope.encode", slug, [rule], {**given, "signature": ZERO.hex()}, "REFUSED"
        yield "envelope.preimage", slug, [rule], {**given, "domain": DOMAIN.hex()}, "REFUSED"
        given = {name: value for name, value in given.items() if name != "sender"}
        yield (
            "envelope.sign",
            slug,
            [rule],
            {**given, "seed": SEED.hex(), "domain": DOMAIN.hex()},
            "REFUSED",
        )
    good = {**to_json(fields()), "signature": ZERO.hex()}
    for name, value in [("wire_version", 65536), ("attempt", 2**32), ("index", 2**32)]:
        yield (
            "envelope.encode",
            f"{name.replace('_', '-')}-one-beyond",
            ["ENV-004"],
            {**good, name: value},
            "REFUSED",
        )


def longest():
    """Envelopes of 61,440 bytes and of one more."""
    for slug, body in [("body-greatest", bytes(61260)), ("body-one-beyond", bytes(61261))]:
        data, good = signed(body=body), slug == "body-greatest"
        assert len(data) == (61440 if good else 61441)
        rules = ["ENV-001", "LIMIT-003"] if good else ["ENV-001"]
        yield decode(slug, rules, data, None if good else "TOO_LARGE")
        given = {"data": short(data), "domain": DOMAIN.hex()}
        yield "envelope.verify", slug, rules, given, None if good else "TOO_LARGE"
        given = {**to_json(fields()), "body": short(body)}
        refused = None if good else "REFUSED"
        yield "envelope.preimage", slug, rules, {**given, "domain": DOMAIN.hex()}, refused
        if not good:
            yield "envelope.encode", slug, rules, {**given, "signature": ZERO.hex()}, refused
            del given["sender"]
            given = {**given, "seed": SEED.hex(), "domain": DOMAIN.hex()}
            yield "envelope.sign", slug, rules, given, refused
    yield decode("order-length-before-kind", ["ENV-001"], bytes(61441), "TOO_LARGE")


def raw():
    at = 1 + 15 + 98
    short = signed(kind="a", body=b"\xc0")
    yield decode("empty", ["ENV-002"], b"", "MALFORMED")
    for end in sorted(
        {
            1,
            2,
            15,
            16,
            17,
            18,
            26,
            34,
            38,
            42,
            74,
            106,
            114,
            115,
            116,
            117,
            119,
            120,
            121,
            150,
            179,
            180,
            181,
            182,
            183,
        }
    ):
        yield decode(
            f"prefix-{end}", ["ENV-002" if end < 181 else "ENV-004"], EXAMPLE[:end], "MALFORMED"
        )
    yield decode("least", ["ENV-002"], short)
    yield decode("least-one-less", ["ENV-002"], short[:-1], "MALFORMED")
    yield decode("one-byte-more", ["ENV-004"], EXAMPLE + b"\0", "MALFORMED")
    yield decode("twice", ["ENV-004"], EXAMPLE * 2, "MALFORMED")
    for length in (0, 1, 3, 5, 68, 65535):
        data = EXAMPLE[:at] + length.to_bytes(2, "big") + EXAMPLE[at + 2 :]
        yield decode(f"length-{length}", ["ENV-004"], data, "MALFORMED")
    yield decode("kind-length-0", ["ENV-003"], b"\0" + EXAMPLE[1:], "MALFORMED")
    yield decode("kind-length-32", ["ENV-003"], b"\x20" + b"a" * 32 + EXAMPLE[16:], "MALFORMED")
    yield decode("kind-length-255", ["ENV-003"], b"\xff" + b"a" * 255 + EXAMPLE[16:], "MALFORMED")
    yield decode("kind-length-16", ["ENV-003"], b"\x10" + EXAMPLE[1:], "MALFORMED")
    yield decode("kind-length-14", ["ENV-004"], b"\x0e" + EXAMPLE[1:], "MALFORMED")
    yield decode(
        "order-kind-before-seq",
        ["ENV-003"],
        pack({**fields(kind="Commit", seq=1), "signature": ZERO}),
        "MALFORMED",
    )
    for byte in range(256):
        if byte in b"`{/:_.@ \0\x7f\x80\xffAZ":
            data = pack({**fields(kind=b"x-" + bytes([byte])), "signature": ZERO})
            yield decode(f"kind-byte-{byte:02x}", ["ENV-003"], data, "MALFORMED")


def flipped(index, mask):
    """The code for one changed byte of the example, worked out from the layout."""
    if index == 0:
        return "MALFORMED", "ENV-004"  # another length of kind: all fields are elsewhere
    if index < 16:
        changed = EXAMPLE[index] ^ mask
        return ("BAD_SIGNATURE", "ENV-009") if changed in LETTERS else ("MALFORMED", "ENV-003")
    if 106 <= index < 114:
        return "MALFORMED", "ENV-005"  # seq of a slot kind
    if 114 <= index < 116:
        return "MALFORMED", "ENV-004"
    return "BAD_SIGNATURE", "ENV-009"


def flips():
    for index in range(len(EXAMPLE)):
        code, rule = flipped(index, 1)
        data = samples.xor(EXAMPLE, index, 1)
        yield (
            "envelope.verify",
            f"flipped-{index}",
            [rule],
            {"data": data.hex(), "domain": DOMAIN.hex()},
            code,
        )
    for index in (1, 7, 16, 42, 73, 74, 116, 119, 151, 183):
        code, rule = flipped(index, 0x80)
        data = samples.xor(EXAMPLE, index, 0x80)
        yield (
            "envelope.verify",
            f"flipped-top-{index}",
            [rule],
            {"data": data.hex(), "domain": DOMAIN.hex()},
            code,
        )


def moved():
    """The same signature in another place."""

    def verify(slug, rule, data, expect="BAD_SIGNATURE", domain=DOMAIN):
        return "envelope.verify", slug, [rule], {"data": data.hex(), "domain": domain.hex()}, expect

    yield verify("another-domain", "ENV-009", EXAMPLE, domain=samples.OTHER_DOMAIN)
    yield verify("domain-of-zeros", "ENV-009", EXAMPLE, domain=bytes(32))
    yield verify(
        "signed-for-another-domain",
        "ENV-009",
        signed(domain=samples.OTHER_DOMAIN),
        None,
        samples.OTHER_DOMAIN,
    )
    signature = EXAMPLE[-64:]
    for slug, changed in [
        ("kind", {"kind": "x-test"}),
        ("kind-one-letter-less", {"kind": "update-manifes"}),
        ("version", {"wire_version": 2}),
        ("epoch", {"key_epoch": 4}),
        ("round", {"round": 18}),
        ("attempt", {"attempt": 1}),
        ("index", {"index": 1}),
        ("attempt-for-index", {"attempt": 1, "index": 1}),
        ("sender", {"sender": samples.key(1)}),
        ("recipient", {"recipient": KEY}),
        ("body", {"body": b"\x81\xa1\x76\x02"}),
        ("body-longer", {"body": BODY + b"\0"}),
        ("body-shorter", {"body": BODY[:-1]}),
        ("stream-seq", {"kind": "x-test", "seq": 1}),
    ]:
        yield verify(
            f"moved-to-another-{slug}",
            "ENV-009",
            pack({**fields(**changed), "signature": signature}),
        )
    for slug, rule, changed in [
        ("r-identity", "ENV-008", bytes([1]) + bytes(31) + signature[32:]),
        ("zeros", "ENV-008", ZERO),
        (
            "s-plus-l",
            "ENV-007",
            signature[:32]
            + (int.from_bytes(signature[32:], "little") + signatures.L).to_bytes(32, "little"),
        ),
    ]:
        yield verify(f"signature-{slug}", rule, EXAMPLE[:-64] + changed)
    yield verify(
        "sender-small-order",
        "ENV-008",
        pack({**fields(sender=bytes([1]) + bytes(31)), "signature": signature}),
    )
    yield verify(
        "order-seq-before-signature",
        "ENV-005",
        pack({**fields(seq=1), "signature": ZERO}),
        "MALFORMED",
    )
    yield verify("order-unknown-kind-is-not-judged", "ENV-006", signed(kind="ballot", seq=3), None)


def cases():
    for part in (layout, refused_fields, longest, raw, flips, moved):
        yield from part()
