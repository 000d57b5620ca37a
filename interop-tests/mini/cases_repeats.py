"""Cases of 04-envelope.md and 06-gossip.md: repeated statements and equivocations."""

import samples
from samples import DOMAIN, EVERYONE, KEY, short, signed

EXAMPLE = signed()
A, I, R = ("ACCEPT", "OK"), "IGNORE", "REJECT"


def repeats(slug, covers, pairs):
    """Pairs of an envelope and its verdict."""
    given = {"domain": DOMAIN.hex(), "envelopes": [short(data) for data, _ in pairs]}
    wanted = [{"outcome": outcome, "code": code} for _, (outcome, code) in pairs]
    return "envelope.repeats", slug, covers, given, {"verdicts": wanted}.__eq__


def stream(seq, kind="x-test", **more):
    return signed(kind=kind, seq=seq, **more)


def repeated():
    other = signed(body=b"\x81\xa1\x76\x02")
    replay = (I, "REPLAY")
    fork = (R, "EQUIVOCATION")
    bad = (R, "BAD_SIGNATURE")
    yield repeats("one", ["ENV-014"], [(EXAMPLE, A)])
    yield repeats("none", ["ENV-014"], [])
    yield repeats("twice", ["ENV-014"], [(EXAMPLE, A), (EXAMPLE, replay), (EXAMPLE, replay)])
    yield repeats(
        "two-bodies", ["ENV-015"], [(EXAMPLE, A), (other, fork), (EXAMPLE, replay), (other, fork)]
    )
    yield repeats("two-bodies-other-first", ["ENV-015"], [(other, A), (EXAMPLE, fork)])
    yield repeats(
        "other-epoch-same-body", ["ENV-014"], [(EXAMPLE, A), (signed(key_epoch=4), replay)]
    )
    yield repeats(
        "other-epoch-other-body",
        ["ENV-015"],
        [(EXAMPLE, A), (signed(key_epoch=4, body=b"\xc0"), fork)],
    )
    for name, changed in [
        ("round", {"round": 18}),
        ("attempt", {"attempt": 1}),
        ("index", {"index": 1}),
        ("recipient", {"recipient": samples.key(2)}),
        ("sender", {"by": samples.seed(1)}),
    ]:
        yield repeats(
            f"other-{name}",
            ["ENV-015"],
            [
                (EXAMPLE, A),
                (signed(body=b"\xc0", **changed), A),
                (signed(body=b"\xc0", **changed), replay),
            ],
        )
    yield repeats(
        "bad-signature-is-not-remembered",
        ["ENV-018"],
        [(samples.xor(other, 183), bad), (EXAMPLE, A)],
    )
    yield repeats(
        "bad-signature-of-known",
        ["ENV-015", "ENV-018"],
        [(EXAMPLE, A), (samples.xor(EXAMPLE, 183), bad), (samples.xor(other, 183), bad)],
    )
    yield repeats(
        "another-run", ["ENV-009"], [(signed(domain=samples.OTHER_DOMAIN), bad), (EXAMPLE, A)]
    )
    for kind in ("commit", "have", "attest", "ballot", "update-manifests", "x", "y-test"):
        yield repeats(
            f"kind-{kind}",
            ["ENV-006"],
            [(signed(kind=kind), (I, "UNEXPECTED")), (signed(kind=kind), (I, "UNEXPECTED"))],
        )
    for version in (0, 2, 65535):
        yield repeats(
            f"version-{version}",
            ["ENV-006", "VER-002"],
            [(signed(wire_version=version), (I, "WRONG_VERSION")), (EXAMPLE, A)],
        )
    yield repeats(
        "order-kind-before-version",
        ["ENV-006"],
        [(signed(kind="ballot", wire_version=2), (I, "UNEXPECTED"))],
    )
    yield repeats(
        "order-version-before-signature",
        ["ENV-006"],
        [(samples.xor(signed(wire_version=2), 183), (I, "WRONG_VERSION"))],
    )
    yield repeats(
        "order-kind-before-signature",
        ["ENV-006"],
        [(samples.xor(signed(kind="ballot"), -1), (I, "UNEXPECTED"))],
    )
    yield repeats(
        "order-layout-before-version",
        ["ENV-005"],
        [(signed(wire_version=2, seq=1), (R, "MALFORMED"))],
    )
    yield repeats(
        "malformed",
        ["ENV-002"],
        [(b"", (R, "MALFORMED")), (EXAMPLE[:-1], (R, "MALFORMED")), (EXAMPLE, A)],
    )
    yield repeats(
        "too-large", ["ENV-001"], [(signed(body=bytes(61261)), (R, "TOO_LARGE")), (EXAMPLE, A)]
    )
    yield repeats("slot-seq", ["ENV-005"], [(signed(seq=1), (R, "MALFORMED")), (EXAMPLE, A)])


def streams():
    replay, full = (I, "REPLAY"), (I, "TOO_MANY")
    yield repeats(
        "stream-rising",
        ["ENV-016"],
        [(stream(1), A), (stream(2), A), (stream(1000), A), (stream(2**64 - 1), A)],
    )
    yield repeats(
        "stream-replayed",
        ["ENV-016"],
        [(stream(5), A), (stream(5), replay), (stream(5, body=b"\xc0"), replay)],
    )
    yield repeats(
        "stream-falling",
        ["ENV-016"],
        [(stream(5), A), (stream(4), replay), (stream(5), replay), (stream(6), A)],
    )
    yield repeats(
        "stream-seq-0", ["ENV-016"], [(stream(0), replay), (stream(1), A), (stream(0), replay)]
    )
    yield repeats(
        "stream-two-bodies-are-no-equivocation",
        ["ENV-015"],
        [(stream(1), A), (stream(2, body=b"\xc0"), A)],
    )
    yield repeats(
        "stream-round-does-not-matter",
        ["ENV-016"],
        [(stream(3, round=17), A), (stream(3, round=18), replay), (stream(2, attempt=1), replay)],
    )
    yield repeats(
        "stream-epoch-does-not-matter",
        ["ENV-016"],
        [(stream(3), A), (stream(2, key_epoch=9), replay)],
    )
    yield repeats(
        "stream-other-kind",
        ["ENV-016"],
        [(stream(3), A), (stream(1, kind="x-"), A), (stream(1, kind="x-test2"), A)],
    )
    yield repeats(
        "stream-other-recipient",
        ["ENV-016"],
        [(stream(3), A), (stream(1, recipient=KEY), A), (stream(3, recipient=EVERYONE), replay)],
    )
    yield repeats(
        "stream-other-sender",
        ["ENV-016"],
        [(stream(3), A), (stream(1, by=samples.seed(1)), A), (stream(2), replay)],
    )
    yield repeats(
        "stream-bad-signature-is-not-remembered",
        ["ENV-018"],
        [(samples.xor(stream(9), -1), (R, "BAD_SIGNATURE")), (stream(1), A)],
    )
    sixteen = [(stream(1, kind=f"x-{n}"), A) for n in range(16)]
    yield repeats(
        "stream-16",
        ["ENV-018"],
        sixteen + [(stream(2, kind="x-0"), A), (stream(2, kind="x-15"), A)],
    )
    yield repeats(
        "stream-17",
        ["ENV-018"],
        sixteen
        + [
            (stream(1, kind="x-16"), full),
            (stream(2, kind="x-3"), A),
            (stream(2, kind="x-16"), full),
        ],
    )
    yield repeats(
        "stream-17-by-recipient",
        ["ENV-018"],
        sixteen + [(stream(1, kind="x-0", recipient=KEY), full)],
    )
    yield repeats(
        "stream-17-of-two-senders",
        ["ENV-018"],
        sixteen + [(stream(1, kind="x-16", by=samples.seed(1)), A)],
    )
    yield repeats(
        "stream-17-slots-do-not-count",
        ["ENV-018"],
        sixteen[:15] + [(EXAMPLE, A), sixteen[15], (signed(round=18), A)],
    )
    yield repeats(
        "stream-replay-does-not-fill",
        ["ENV-018"],
        [(stream(0, kind=f"x-{n}"), replay) for n in range(17)] + [(stream(1, kind="x-17"), A)],
    )
    yield repeats(
        "order-stream-17-seq-0",
        ["ENV-016", "ENV-018"],
        sixteen + [(stream(0, kind="x-16"), replay)],
    )


def equivocations():
    other = signed(body=b"\x81\xa1\x76\x02")

    def pair(slug, first, second, expect="MALFORMED", domain=DOMAIN):
        given = {"first": short(first), "second": short(second), "domain": domain.hex()}
        return "equivocation.verify", slug, ["GOSSIP-016"], given, expect

    yield pair("two-bodies", EXAMPLE, other, None)
    yield pair("other-way-round", other, EXAMPLE, None)
    yield pair("epochs-differ", EXAMPLE, signed(key_epoch=4, body=b"\xc0"), None)
    yield pair("versions-differ", EXAMPLE, signed(wire_version=2, body=b"\xc0"), None)
    yield pair("bodies-no-values", signed(body=b"\xc1"), signed(body=b"\xcc\x01"), None)
    for kind in ("commit", "have", "attest"):
        yield pair(f"kind-{kind}", signed(kind=kind), signed(kind=kind, body=b"\xc0"), None)
    yield pair(
        "another-domain-both",
        signed(domain=samples.OTHER_DOMAIN),
        signed(domain=samples.OTHER_DOMAIN, body=b"\xc0"),
        None,
        samples.OTHER_DOMAIN,
    )
    yield pair("same", EXAMPLE, EXAMPLE)
    yield pair("same-body-other-epoch", EXAMPLE, signed(key_epoch=4))
    for name, changed in [
        ("round", {"round": 18}),
        ("attempt", {"attempt": 1}),
        ("index", {"index": 1}),
        ("recipient", {"recipient": KEY}),
        ("sender", {"by": samples.seed(1)}),
        ("kind", {"kind": "attest"}),
    ]:
        yield pair(f"other-{name}", EXAMPLE, signed(body=b"\xc0", **changed))
    yield pair("stream-kind", stream(1), stream(1, body=b"\xc0"))
    yield pair("unassigned-kind", signed(kind="ballot"), signed(kind="ballot", body=b"\xc0"))
    yield pair("first-cut", EXAMPLE[:-1], other)
    yield pair("second-cut", EXAMPLE, other[:-1])
    yield pair("second-empty", EXAMPLE, b"")
    yield pair("seq-in-slot", EXAMPLE, signed(seq=1, body=b"\xc0"))
    yield pair("first-signature", samples.xor(EXAMPLE, -1), other, "BAD_SIGNATURE")
    yield pair("second-signature", EXAMPLE, samples.xor(other, -40), "BAD_SIGNATURE")
    yield pair("another-domain", EXAMPLE, other, "BAD_SIGNATURE", samples.OTHER_DOMAIN)
    yield pair(
        "one-of-another-domain",
        EXAMPLE,
        signed(domain=samples.OTHER_DOMAIN, body=b"\xc0"),
        "BAD_SIGNATURE",
    )
    large = signed(body=bytes(61261))
    yield pair("first-too-large", large, other, "TOO_LARGE")
    yield pair("second-too-large", EXAMPLE, large, "TOO_LARGE")
    yield pair("order-first-before-second", EXAMPLE[:-1], large)
    yield pair("order-large-first-before-cut-second", large, other[:-1], "TOO_LARGE")
    yield pair(
        "order-second-too-large-before-signature", samples.xor(EXAMPLE, -1), large, "TOO_LARGE"
    )
    yield pair(
        "order-signature-before-kind",
        samples.xor(stream(1), -1),
        stream(1, body=b"\xc0"),
        "BAD_SIGNATURE",
    )
    yield pair("order-signature-before-bodies", EXAMPLE, samples.xor(EXAMPLE, -1), "BAD_SIGNATURE")
    yield pair("order-decode-before-signature", samples.xor(EXAMPLE, -1), other[:-1])
    yield pair(
        "order-signature-before-slot",
        samples.xor(EXAMPLE, -1),
        signed(round=18, body=b"\xc0"),
        "BAD_SIGNATURE",
    )


def cases():
    for part in (repeated, streams, equivocations):
        yield from part()
