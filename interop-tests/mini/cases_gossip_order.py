"""Cases of 06-gossip.md: two neighbouring rules broken together, and the forwarder's bucket."""

import samples
from cases_gossip import (
    ACCEPT,
    BASE,
    KEYS,
    PEERS,
    SALT,
    STRANGER,
    announce,
    case,
    ignore,
    manifest,
    reject,
    roster,
    view,
)
from samples import KEY


def neighbours():
    good = announce()
    stranger, wrong = announce(STRANGER, attempt=1), announce(STRANGER, round=16)
    early = view(closed=False, roster=[])
    few = view(roster=roster(PEERS[1:2]))
    for slug, rules, steps, first in [
        (
            "layout-before-kind",
            (1, 2),
            [(announce(kind="commit", seq=1), reject("MALFORMED"))],
            None,
        ),
        (
            "kind-before-version",
            (2, 2),
            [(announce(kind="x-test", wire_version=2), ignore("UNEXPECTED"))],
            None,
        ),
        (
            "version-before-recipient",
            (2, 2),
            [(announce(wire_version=2, recipient=KEY), ignore("WRONG_VERSION"))],
            None,
        ),
        ("attempt-before-sender", (2, 3), [(stranger, reject("MALFORMED"))], None),
        (
            "version-before-sender",
            (2, 3),
            [(announce(STRANGER, wire_version=2), ignore("WRONG_VERSION"))],
            None,
        ),
        ("sender-before-round", (3, 4), [(wrong, ignore("NOT_ENROLLED"))], None),
        (
            "round-before-signature",
            (4, 6),
            [(samples.xor(announce(round=16), -1), ignore("WRONG_ROUND"))],
            None,
        ),
        (
            "sender-before-signature",
            (3, 6),
            [(samples.xor(announce(STRANGER), -1), ignore("NOT_ENROLLED"))],
            None,
        ),
        (
            "signature-before-replay",
            (6, 7),
            [(good, ACCEPT), (samples.xor(good, -1), reject("BAD_SIGNATURE"))],
            None,
        ),
        (
            "signature-before-equivocation",
            (6, 8),
            [
                (good, ACCEPT),
                (samples.xor(announce(manifest_=manifest(m={})), -1), reject("BAD_SIGNATURE")),
            ],
            None,
        ),
        (
            "signature-before-body",
            (6, 9),
            [(samples.xor(announce(body=b"\xc1"), -1), reject("BAD_SIGNATURE"))],
            None,
        ),
        (
            "equivocation-before-body",
            (8, 9),
            [(good, ACCEPT), (announce(body=b"\xc1"), reject("EQUIVOCATION"))],
            None,
        ),
        (
            "equivocation-before-roster",
            (8, 11),
            [
                (good, ACCEPT),
                (announce(manifest_=manifest(m={})), reject("EQUIVOCATION"), {"view": few}),
            ],
            None,
        ),
        (
            "replay-before-roster",
            (7, 11),
            [(good, ACCEPT), (good, ignore("REPLAY"), {"view": few})],
            None,
        ),
        ("body-before-early", (9, 10), [(announce(body=b"\xc1"), reject("MALFORMED"))], early),
        (
            "early-before-roster",
            (10, 11),
            [(good, ignore("RETRY"))],
            view(closed=False, roster=roster(PEERS[1:2])),
        ),
        (
            "early-before-schema",
            (10, 12),
            [(announce(manifest_=manifest(h=BASE)), ignore("RETRY"))],
            early,
        ),
        (
            "roster-before-schema",
            (11, 12),
            [(announce(manifest_=manifest(h=BASE)), ignore("NOT_IN_ROSTER"))],
            few,
        ),
        (
            "roster-before-base",
            (11, 12),
            [(announce(manifest_=manifest(b=SALT)), ignore("NOT_IN_ROSTER"))],
            few,
        ),
        (
            "schema-before-base",
            (12, 12),
            [(announce(manifest_=manifest(h=BASE, b=SALT)), reject("BAD_SCHEMA"))],
            None,
        ),
        (
            "encoding-before-base",
            (12, 12),
            [(announce(manifest_=manifest(e=2, b=SALT)), reject("BAD_SCHEMA"))],
            None,
        ),
        (
            "schema-before-commitment",
            (12, 13),
            [(announce(manifest_=manifest(h=BASE, w=304)), reject("BAD_SCHEMA"))],
            None,
        ),
        (
            "encoding-before-weight",
            (12, 13),
            [(announce(manifest_=manifest(e=3, w=304)), reject("BAD_SCHEMA"))],
            None,
        ),
        (
            "body-before-roster",
            (9, 11),
            [(announce(manifest_=manifest(w=0)), reject("MALFORMED"))],
            few,
        ),
    ]:
        yield case(f"order-{slug}", sorted({"GOSSIP-%03d" % rule for rule in rules}), steps, first)


def buckets():
    # comes as far as GOSSIP-006
    cheap = samples.pack({**samples.fields(key_epoch=0, body=b"\xc0"), "signature": bytes(64)})
    bad, full = reject("BAD_SIGNATURE"), ignore("TOO_MANY")
    good = announce()
    hundred = [(cheap, bad)] * 100
    rule = ["GOSSIP-005"]

    def at(time):
        return {"at": time}

    refill = (
        [
            (cheap, full, at(10.03125)),
            (cheap, bad, at(10.0625)),
            (cheap, full, at(10.0625)),
            (cheap, bad, at(10.125)),
            (cheap, full, at(10.125)),
            (cheap, bad, at(10.5)),
            (good, ACCEPT, at(10.5)),
        ]
        + [(cheap, bad, at(10.5))] * 6
        + [(cheap, full, at(10.5)), (good, ignore("REPLAY"), at(10.625))]
    )
    burst = (
        [(cheap, bad), (cheap, bad)]
        + [(cheap, bad, at(10))] * 100
        + [
            (cheap, full, at(10)),
            (cheap, bad, {**at(10), "forwarder": KEYS[2].hex()}),
            (cheap, full, at(10)),
        ]
    )
    yield case("005-burst-of-101-and-refill", rule, burst + refill)
    wrong, stranger = announce(round=16), announce(STRANGER)
    yield case(
        "order-rate-after-round-before-signature",
        ["GOSSIP-003", "GOSSIP-004", "GOSSIP-005", "GOSSIP-006"],
        [
            (wrong[:40], reject("MALFORMED")),
            (wrong, ignore("WRONG_ROUND")),
            (stranger, ignore("NOT_ENROLLED")),
        ]
        + hundred[:98]
        + [(good, ACCEPT), (good, ignore("REPLAY"))]
        + [
            (good, full),
            (cheap, full),
            (wrong, ignore("WRONG_ROUND")),
            (stranger, ignore("NOT_ENROLLED")),
            (wrong[:40], reject("MALFORMED")),
        ],
    )


def cases():
    for part in (neighbours, buckets):
        yield from part()
