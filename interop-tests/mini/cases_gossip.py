"""Cases of 06-gossip.md: verdicts on announcements."""

import manifests
import samples
from samples import DOMAIN, KEY, OTHER_DOMAIN, SEED, packed, short, signed

BASE, SCHEMA, ROOT, SALT = (bytes([n]) * 32 for n in (1, 2, 3, 4))
EXAMPLE_C = "77a323aad2ef904f6ef874fa4cdd3dc5376c8f733865787dc353757d30050691"
PEERS = [SEED] + [samples.seed(number) for number in (1, 2, 3)]
STRANGER = samples.seed(9)
KEYS = [KEY] + [samples.key(number) for number in (1, 2, 3)]
FORWARDER = KEYS[1]
ACCEPT = ("ACCEPT", "OK")


def manifest(**changed):
    value = {
        "b": BASE,
        "e": 1,
        "h": SCHEMA,
        "m": {"loss": 2**63 + 500000},
        "r": ROOT,
        "s": SALT,
        "w": 303,
        **changed,
    }
    return {name: entry for name, entry in value.items() if entry != "absent"}


def announce(peer=SEED, domain=DOMAIN, manifest_=None, **header):
    body = packed(manifest() if manifest_ is None else manifest_)
    return signed(by=peer, domain=domain, **{"key_epoch": 0, "body": body, **header})


def roster(peers=PEERS, round_number=17, **more):
    entries = []
    for peer in peers:
        value = manifest(**more)
        fields = {
            "base_digest": value["b"],
            "schema_hash": value["h"],
            "root": value["r"],
            "salt": value["s"],
        }
        key = samples.signatures.public(peer)
        entries.append(
            [
                key.hex(),
                manifests.commitment(DOMAIN, round_number, 0, key, fields).hex(),
                value["w"],
            ]
        )
    return entries


def view(**changed):
    result = {
        "round": "17",
        "base": BASE.hex(),
        "enrolled": [key.hex() for key in KEYS],
        "closed": True,
        "roster": roster(PEERS[:2]),
    }
    result.update(changed)
    return result


def case(slug, covers, steps, first=None, encoding=1):
    """Steps: (data, verdict) or (data, verdict, more of the step). The first step has the view."""
    given, wanted = [], []
    for place, (data, verdict, *more) in enumerate(steps):
        step = {"at": 0, "forwarder": FORWARDER.hex(), "data": short(data)}
        if place == 0:
            step["view"] = view() if first is None else first
        step.update(more[0] if more else {})
        given.append(step)
        wanted.append({"outcome": verdict[0], "code": verdict[1]})
    given = {
        "domain": DOMAIN.hex(),
        "schema_hash": SCHEMA.hex(),
        "encoding": encoding,
        "steps": given,
    }
    return "gossip.judge", slug, covers, given, {"verdicts": wanted}.__eq__


def ignore(code):
    return "IGNORE", code


def reject(code):
    return "REJECT", code


def bad_bodies():
    yield "malformed", packed(manifest(w=0)), "MALFORMED"
    yield "no-value", b"\xc1", "MALFORMED"
    yield "field-absent", packed(manifest(s="absent")), "MALFORMED"
    yield "more-bytes", packed(manifest()) + b"\xc0", "MALFORMED"
    yield "example-of-envelope", samples.BODY, "UNKNOWN_FIELD"
    yield "not-canonical", packed(manifest())[:-3] + bytes.fromhex("ce0000012f"), "NOT_CANONICAL"
    yield "unknown-field", packed(manifest(x=1)), "UNKNOWN_FIELD"
    yield "too-many", packed(manifest(m={"m%02d" % n: 0 for n in range(17)})), "TOO_MANY"


def alone():
    good = announce()
    example = view(roster=[[KEY.hex(), EXAMPLE_C, 303]])
    yield case("example", ["GOSSIP-013"], [(good, ACCEPT)], first=example)
    assert good.endswith(
        bytes.fromhex("40fa614cb49568dea7d3057295a06d0244317e3a062f1b396bf45f2f7e3e6209")
    )
    yield case(
        "all-four",
        ["GOSSIP-013"],
        [(announce(peer), ACCEPT) for peer in PEERS],
        first=view(roster=roster()),
    )
    yield case("own-forwarder", ["GOSSIP-013"], [(good, ACCEPT, {"forwarder": KEY.hex()})])
    yield case("key-epoch-does-not-matter", ["GOSSIP-013"], [(announce(key_epoch=7), ACCEPT)])
    yield case(
        "metrics-are-not-committed", ["GOSSIP-013"], [(announce(manifest_=manifest(m={})), ACCEPT)]
    )


def headers():
    good = announce()
    for slug, data in [
        ("empty", b""),
        ("cut", good[:-1]),
        ("more-bytes", good + b"\0"),
        ("seq-1", announce(seq=1)),
        ("kind-bad", b"\x0fUpdate" + good[7:]),
    ]:
        yield case(f"001-{slug}", ["GOSSIP-001"], [(data, reject("MALFORMED")), (good, ACCEPT)])
    large = announce(body=bytes(61261))
    yield case(
        "001-too-large",
        ["GOSSIP-001", "GOSSIP-014"],
        [(large, reject("TOO_LARGE")), (good, ACCEPT)],
    )
    greatest = announce(body=bytes(61260))
    yield case(
        "001-greatest",
        ["GOSSIP-001", "GOSSIP-009"],
        [(greatest, reject("MALFORMED")), (good, ACCEPT)],
    )
    for kind in ("x-test", "commit", "have", "attest", "ballot"):
        yield case(
            f"002-kind-{kind}", ["GOSSIP-002"], [(announce(kind=kind), ignore("UNEXPECTED"))]
        )
    for version in (0, 2, 65535):
        yield case(
            f"002-version-{version}",
            ["GOSSIP-002", "VER-002"],
            [(announce(wire_version=version), ignore("WRONG_VERSION"))],
        )
    for name, changed in [
        ("recipient", {"recipient": KEYS[2]}),
        ("attempt", {"attempt": 1}),
        ("index", {"index": 1}),
    ]:
        yield case(
            f"002-{name}",
            ["GOSSIP-002"],
            [(announce(**changed), reject("MALFORMED")), (good, ACCEPT)],
        )
    yield case("003-stranger", ["GOSSIP-003"], [(announce(STRANGER), ignore("NOT_ENROLLED"))])
    yield case(
        "003-revoked",
        ["GOSSIP-003"],
        [(good, ignore("NOT_ENROLLED"))],
        first=view(enrolled=[key.hex() for key in KEYS[1:]]),
    )
    for number in (0, 16, 18, 2**64 - 1):
        yield case(
            f"004-round-{number}",
            ["GOSSIP-004"],
            [(announce(round=number), ignore("WRONG_ROUND"))],
        )


def contents():
    good = announce()
    for slug, data in [
        ("flipped-r", samples.xor(good, -64)),
        ("flipped-s", samples.xor(good, -30)),
        ("another-run", announce(domain=OTHER_DOMAIN)),
        ("another-sender", announce(PEERS[2], sender=KEY)),
        ("body-changed", samples.xor(good, -65)),
        ("epoch-changed", samples.xor(good, 25)),
    ]:
        yield case(
            f"006-{slug}",
            ["GOSSIP-006", "GOSSIP-015"],
            [(data, reject("BAD_SIGNATURE")), (good, ACCEPT)],
        )
    for slug, body, code in bad_bodies():
        yield case(
            f"009-{slug}", ["GOSSIP-009"], [(announce(body=body), reject(code)), (good, ACCEPT)]
        )
    yield case(
        "010-not-closed",
        ["GOSSIP-010"],
        [(good, ignore("RETRY"))],
        first=view(closed=False, roster=[]),
    )
    yield case(
        "011-not-in-roster",
        ["GOSSIP-011"],
        [(good, ignore("NOT_IN_ROSTER"))],
        first=view(roster=roster(PEERS[1:2])),
    )
    yield case(
        "012-schema",
        ["GOSSIP-012"],
        [(announce(manifest_=manifest(h=BASE)), reject("BAD_SCHEMA")), (good, ACCEPT)],
    )
    yield case(
        "012-encoding",
        ["GOSSIP-012"],
        [(announce(manifest_=manifest(e=2)), reject("BAD_SCHEMA")), (good, ACCEPT)],
    )
    yield case(
        "012-encoding-of-the-run",
        ["GOSSIP-012"],
        [(good, reject("BAD_SCHEMA")), (announce(manifest_=manifest(e=4)), ACCEPT)],
        encoding=4,
    )
    yield case(
        "012-base",
        ["GOSSIP-012"],
        [(announce(manifest_=manifest(b=SCHEMA)), reject("BAD_COMMITMENT")), (good, ACCEPT)],
    )
    for name, changed in [
        ("root", {"r": BASE}),
        ("salt", {"s": BASE}),
        ("weight", {"w": 304}),
        ("root-and-salt-swapped", {"r": SALT, "s": ROOT}),
    ]:
        yield case(
            f"013-{name}",
            ["GOSSIP-013"],
            [(announce(manifest_=manifest(**changed)), reject("BAD_COMMITMENT")), (good, ACCEPT)],
        )
    yield case(
        "013-weight-on-chain",
        ["GOSSIP-013"],
        [(good, reject("BAD_COMMITMENT"))],
        first=view(roster=[[KEY.hex(), EXAMPLE_C, 304]]),
    )
    yield case(
        "013-commitment-of-another-sender",
        ["GOSSIP-013"],
        [(announce(PEERS[1]), reject("BAD_COMMITMENT"))],
        first=view(roster=[[KEYS[1].hex(), EXAMPLE_C, 303]]),
    )
    yield case(
        "013-commitment-of-another-round",
        ["GOSSIP-013"],
        [(good, reject("BAD_COMMITMENT"))],
        first=view(roster=roster(PEERS[:2], 16)),
    )


def repeated():
    good, other = announce(), announce(manifest_=manifest(m={}))
    replay, fork = ignore("REPLAY"), reject("EQUIVOCATION")
    yield case("007-twice", ["GOSSIP-007"], [(good, ACCEPT), (good, replay), (good, replay)])
    yield case(
        "007-two-forwarders",
        ["GOSSIP-007"],
        [(good, ACCEPT), (good, replay, {"forwarder": KEYS[2].hex()})],
    )
    yield case("007-other-epoch", ["GOSSIP-007"], [(good, ACCEPT), (announce(key_epoch=1), replay)])
    yield case(
        "008-two-bodies",
        ["GOSSIP-008"],
        [(good, ACCEPT), (other, fork), (good, replay), (other, fork)],
    )
    yield case("008-other-first", ["GOSSIP-008"], [(other, ACCEPT), (good, fork)])
    yield case(
        "008-two-forwarders",
        ["GOSSIP-008"],
        [(good, ACCEPT), (other, fork, {"forwarder": KEYS[2].hex()})],
    )
    yield case(
        "008-after-refused-body",
        ["GOSSIP-008"],
        [(announce(manifest_=manifest(w=5)), reject("BAD_COMMITMENT")), (good, ACCEPT)],
    )
    closed = view(closed=False, roster=[])
    yield case(
        "010-then-view-moves",
        ["GOSSIP-010"],
        [
            (good, ignore("RETRY")),
            (good, ignore("RETRY")),
            (good, ACCEPT, {"at": 1, "view": view()}),
            (good, replay),
        ],
        first=closed,
    )
    yield case(
        "010-two-bodies-then-view-moves",
        ["GOSSIP-010", "GOSSIP-008"],
        [
            (good, ignore("RETRY")),
            (other, ignore("RETRY")),
            (announce(PEERS[1]), ACCEPT, {"at": 1, "view": view()}),
        ],
        first=closed,
    )
    later = view(round="18", base=SALT.hex(), roster=roster(PEERS[:2], 18, b=SALT))
    next_one = announce(round=18, manifest_=manifest(b=SALT))
    yield case(
        "round-changes",
        ["GOSSIP-004", "GOSSIP-007"],
        [
            (next_one, ignore("WRONG_ROUND")),
            (good, ACCEPT),
            (good, ignore("WRONG_ROUND"), {"at": 1, "view": later}),
            (next_one, ACCEPT),
            (next_one, replay),
        ],
    )
    yield case(
        "round-changes-no-equivocation",
        ["GOSSIP-008"],
        [
            (good, ACCEPT),
            (
                announce(round=18, manifest_=manifest(b=SALT, m={})),
                reject("BAD_COMMITMENT"),
                {"view": view(round="18", base=SALT.hex())},
            ),
        ],
    )
    shrunk = view(roster=roster(PEERS[1:2]))
    yield case(
        "next-attempt",
        ["GOSSIP-011", "GOSSIP-007"],
        [(good, ACCEPT), (good, replay, {"view": shrunk}), (announce(PEERS[1]), ACCEPT)],
    )
    yield case(
        "revoked-later",
        ["GOSSIP-003"],
        [
            (good, ACCEPT),
            (
                good,
                ignore("NOT_ENROLLED"),
                {"view": view(enrolled=[key.hex() for key in KEYS[1:]])},
            ),
        ],
    )


def cases():
    for part in (alone, headers, contents, repeated):
        yield from part()
