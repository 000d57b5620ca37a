"""Cases of 05-hello.md and of versions in 12-versioning.md: transcripts of both roles."""

import frames
from cases_hello import EXAMPLE, OWN
from samples import DOMAIN, OTHER_DOMAIN, end, packed, receive, timer

THEIRS = {"a": "other/1", "d": DOMAIN, "e": [], "k": 0, "v": 1}
W, D, F = "WAITING", "DONE", "FAILED"
SENT = EXAMPLE.hex()


def theirs(**changed):
    value = {**THEIRS, **changed}
    return frames.encode(
        packed({name: entry for name, entry in value.items() if entry != "absent"})
    )


def entry(state, deadline, close=None, sent=""):
    return {"sent": sent, "state": state, "close": close, "deadline": deadline}


def machine(slug, covers, role, steps):
    """Steps are pairs of what comes and the entry of the log."""
    log = [entry(W, 5, sent=SENT if role == "initiator" else "")] + [wanted for _, wanted in steps]
    given = {"role": role, "own": OWN, "steps": [step for step, _ in steps]}
    return "hello.machine", slug, covers, given, {"log": log}.__eq__


def transcripts(role):
    answer = SENT if role == "responder" else ""
    done = entry(D, None, sent=answer)
    good = theirs()

    def case(slug, covers, steps):
        return machine(f"{role}-{slug}", covers, role, steps)

    yield case("nothing", ["HELLO-001"], [])
    yield case(
        "agrees", ["HELLO-001", "HELLO-005"], [(receive(1, good), done), (end(2), entry(D, None))]
    )
    yield case("unknown-extension", ["HELLO-003"], [(receive(1, theirs(e=[7, 2**32 - 1])), done)])
    yield case(
        "byte-at-a-time",
        ["HELLO-002", "ENC-014"],
        [(receive(1, good[i : i + 1]), entry(W, 10)) for i in range(len(good) - 1)]
        + [(receive(2, good[-1:]), done)],
    )
    for place in range(1, len(good), 1 if role == "responder" else 7):
        yield case(
            f"cut-at-{place}",
            ["HELLO-002", "ENC-014"],
            [(receive(1, good[:place]), entry(W, 10)), (receive(2, good[place:]), done)],
        )
        if place % 5 == 1:
            yield case(
                f"ends-at-{place}",
                ["HELLO-006"],
                [
                    (receive(1, good[:place]), entry(W, 10)),
                    (end(2), entry(F, None, "MALFORMED")),
                    (timer(10), entry(F, None)),
                ],
            )
    yield case("ends-at-0", ["HELLO-006"], [(end(1), entry(F, None, "MALFORMED"))])


def disagreements(role):
    good = theirs()

    def case(slug, covers, steps):
        return machine(f"{role}-{slug}", covers, role, steps)

    for version in (0, 2, 65535):
        yield case(
            f"version-{version}",
            ["HELLO-005", "VER-002"],
            [
                (receive(1, theirs(v=version)), entry(F, None, "WRONG_VERSION")),
                (receive(2, good), entry(F, None)),
            ],
        )
    yield case(
        "another-domain",
        ["HELLO-005"],
        [
            (receive(1, theirs(d=OTHER_DOMAIN)), entry(F, None, "WRONG_DOMAIN")),
            (end(2), entry(F, None)),
        ],
    )
    yield case(
        "order-version-before-domain",
        ["HELLO-005"],
        [(receive(1, theirs(v=2, d=OTHER_DOMAIN)), entry(F, None, "WRONG_VERSION"))],
    )
    yield case(
        "order-message-before-version",
        ["HELLO-005"],
        [(receive(1, theirs(v=2, e=[1, 1])), entry(F, None, "NOT_CANONICAL"))],
    )
    for slug, rule, data, code in [
        ("malformed", "ENC-010", theirs(a=None), "MALFORMED"),
        ("no-value", "ENC-004", frames.encode(b"\xc1"), "MALFORMED"),
        ("not-canonical", "ENC-005", frames.encode(b"\xcc\x01"), "NOT_CANONICAL"),
        ("unknown-field", "ENC-009", theirs(b=1), "UNKNOWN_FIELD"),
        ("field-absent", "ENC-010", theirs(k="absent"), "MALFORMED"),
        ("too-many", "ENC-010", theirs(e=list(range(33))), "TOO_MANY"),
        ("total-0", "ENC-012", bytes(4), "MALFORMED"),
        ("total-4", "ENC-012", b"\0\0\0\4", "MALFORMED"),
        ("total-65537", "ENC-011", b"\0\1\0\1", "TOO_LARGE"),
        ("http", "ENC-011", b"GET / HTTP/1.1\r\n", "TOO_LARGE"),
    ]:
        yield case(
            f"refused-{slug}",
            ["HELLO-002", rule],
            [(receive(1, data), entry(F, None, code)), (receive(1.5, good), entry(F, None))],
        )
    yield case(
        "total-65536-awaited",
        ["ENC-011"],
        [
            (receive(1, b"\0\1\0\0" + bytes(8)), entry(W, 10)),
            (timer(10), entry(F, None, "TIMEOUT")),
        ],
    )


def seconds(role):
    answer = SENT if role == "responder" else ""
    good = theirs()
    done = entry(D, None, sent=answer)

    def case(slug, covers, steps):
        return machine(f"{role}-{slug}", covers, role, steps)

    failed = entry(F, None, "UNEXPECTED")
    yield case(
        "two-hellos",
        ["HELLO-004"],
        [(receive(1, good), done), (receive(2, good), failed), (receive(3, good), entry(F, None))],
    )
    yield case(
        "second-frame-rubbish",
        ["HELLO-004"],
        [(receive(1, good), done), (receive(2, frames.encode(b"\xc1")), failed)],
    )
    yield case(
        "two-hellos-at-once",
        ["HELLO-004"],
        [(receive(1, good + good), entry(F, None, "UNEXPECTED", answer))],
    )
    for place in (1, 3, 4, 20, len(good) - 1):
        yield case(
            f"second-cut-at-{place}",
            ["HELLO-004"],
            [
                (receive(1, good), done),
                (receive(2, good[:place]), entry(D, None)),
                (receive(3, good[place:]), failed),
            ],
        )
        yield case(
            f"second-ends-at-{place}",
            ["HELLO-004"],
            [
                (receive(1, good), done),
                (receive(2, good[:place]), entry(D, None)),
                (end(3), entry(D, None)),
            ],
        )
    yield case(
        "second-cut-in-first-step",
        ["HELLO-004"],
        [(receive(1, good + good[:2]), done), (end(2), entry(D, None))],
    )
    for total, code in [(0, "MALFORMED"), (4, "MALFORMED"), (65537, "TOO_LARGE")]:
        yield case(
            f"second-total-{total}",
            ["HELLO-004", "ENC-011" if total > 4 else "ENC-012"],
            [
                (receive(1, good), done),
                (receive(2, total.to_bytes(4, "big")), entry(F, None, code)),
            ],
        )
    yield case(
        "second-total-65536",
        ["HELLO-004", "ENC-011"],
        [
            (receive(1, good), done),
            (receive(2, b"\0\1\0\0"), entry(D, None)),
            (end(9), entry(D, None)),
        ],
    )
    yield case(
        "second-bad-total-at-once",
        ["HELLO-004", "ENC-012"],
        [(receive(1, good + bytes(4)), entry(F, None, "MALFORMED", answer))],
    )
    yield case(
        "done-has-no-timer",
        ["HELLO-007"],
        [
            (receive(1, good), done),
            (timer(10), entry(D, None)),
            (timer(1000), entry(D, None)),
            (end(2000), entry(D, None)),
        ],
    )


def times(role):
    answer = SENT if role == "responder" else ""
    good = theirs()
    done = entry(D, None, sent=answer)
    late = entry(F, None, "TIMEOUT")

    def case(slug, steps):
        return machine(f"{role}-{slug}", ["HELLO-007"], role, steps)

    yield case("silence", [(timer(5), late), (timer(10), entry(F, None))])
    yield case("silence-seen-late", [(timer(7.5), late)])
    yield case("timer-too-early", [(timer(4.75), entry(W, 5)), (timer(5), late)])
    yield case("timer-too-early-then-hello", [(timer(1), entry(W, 5)), (receive(4.5, good), done)])
    yield case(
        "one-byte-and-silence",
        [
            (receive(1, good[:1]), entry(W, 10)),
            (timer(5), entry(W, 10)),
            (timer(9.75), entry(W, 10)),
            (timer(10), late),
        ],
    )
    yield case("all-but-one-byte", [(receive(4.5, good[:-1]), entry(W, 10)), (timer(10), late)])
    yield case(
        "drip",
        [(receive(at, good[at : at + 1]), entry(W, 10)) for at in range(10)]
        + [(timer(10), late), (receive(11, good[10:]), entry(F, None))],
    )
    yield case(
        "first-byte-late-but-taken",
        [
            (receive(6, good[:1]), entry(W, 10)),
            (timer(6), entry(W, 10)),
            (receive(7, good[1:]), done),
        ],
    )
    yield case(
        "hello-late-but-taken",
        [(receive(1, good[:1]), entry(W, 10)), (receive(12, good[1:]), done)],
    )
    yield case("whole-hello-at-20", [(receive(20, good), done)])
    yield case("first-byte-at-5", [(receive(5, good[:1]), entry(W, 10)), (timer(5), entry(W, 10))])
    yield case("first-byte-after-10", [(receive(11, good[:1]), entry(W, 10)), (timer(11), late)])
    yield case(
        "failed-has-no-timer",
        [
            (receive(1, bytes(4)), entry(F, None, "MALFORMED")),
            (timer(5), entry(F, None)),
            (timer(10), entry(F, None)),
        ],
    )
    yield case("end-after-5", [(end(6), entry(F, None, "MALFORMED"))])


def cases():
    for role in ("initiator", "responder"):
        yield from transcripts(role)
        yield from disagreements(role)
        yield from seconds(role)
        yield from times(role)
