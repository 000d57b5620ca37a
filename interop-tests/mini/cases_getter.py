"""Cases of 07-chunks.md and 11-errors.md: transcripts of a getter."""

import blobs
import codes
import frames
from cases_provider import ABC, ROOT, refusal, reply, request
from samples import end, packed, receive, timer

SIZES = [3, 2, 1]
NOTHING = b""


def entry(sent=NOTHING, events=(), close=None, deadline=None):
    return {"sent": sent.hex(), "events": list(events), "close": close, "deadline": deadline}


def ok(index):
    return {"verified": index}


DONE = {"done": True}


def case(slug, covers, steps, want=(0, 1, 2), window=8, root=ROOT, sizes=SIZES):
    """Steps are pairs: the step, the entry of the log."""
    sent = b"".join(request(index, root) for index in list(want)[:window])
    opening = entry(sent, deadline=5)
    given = {
        "root": root.hex(),
        "sizes": list(sizes),
        "want": list(want),
        "window": window,
        "steps": [step for step, _ in steps],
    }
    return (
        "getter.machine",
        slug,
        covers,
        given,
        {"log": [opening] + [wanted for _, wanted in steps]}.__eq__,
    )


def good():
    finish = entry(events=[ok(2), DONE])
    yield case("nothing-happens", ["CHUNK-011"], [])
    yield case(
        "all",
        ["CHUNK-009", "CHUNK-010"],
        [
            (receive(1, reply(0)), entry(events=[ok(0)], deadline=41)),
            (receive(2, reply(1)), entry(events=[ok(1)], deadline=42)),
            (receive(3, reply(2)), finish),
        ],
    )
    yield case(
        "all-at-once",
        ["CHUNK-010"],
        [(receive(1, reply(0) + reply(1) + reply(2)), entry(events=[ok(0), ok(1), ok(2), DONE]))],
    )
    yield case(
        "another-order",
        ["CHUNK-010"],
        [
            (receive(1, reply(2)), entry(events=[ok(2)], deadline=41)),
            (receive(2, reply(0) + reply(1)), entry(events=[ok(0), ok(1), DONE])),
        ],
        want=(2, 0, 1),
    )
    yield case(
        "one", ["CHUNK-006"], [(receive(1, reply(1)), entry(events=[ok(1), DONE]))], want=(1,)
    )
    yield case(
        "one-chunk-blob",
        ["CHUNK-005"],
        [
            (
                receive(
                    1,
                    frames.encode(
                        packed({"c": 0, "i": 0, "p": [], "r": blobs.root([b"xy"]), "s": 2})
                    )
                    + b"xy",
                ),
                entry(events=[ok(0), DONE]),
            )
        ],
        want=(0,),
        root=blobs.root([b"xy"]),
        sizes=[2],
    )
    data = reply(1)
    for place in range(1, len(data), 9):
        yield case(
            f"cut-at-{place}",
            ["ENC-014"],
            [
                (receive(1, data[:place]), entry(deadline=40)),
                (receive(2, data[place:]), entry(events=[ok(1), DONE])),
            ],
            want=(1,),
        )
    yield case(
        "byte-at-a-time",
        ["ENC-014"],
        [(receive(1, data[i : i + 1]), entry(deadline=40)) for i in range(len(data) - 1)]
        + [(receive(2, data[-1:]), entry(events=[ok(1), DONE]))],
        want=(1,),
    )
    yield case(
        "over-the-edge",
        ["ENC-014"],
        [
            (receive(1, reply(0) + reply(1)[:5]), entry(events=[ok(0)], deadline=41)),
            (receive(2, reply(1)[5:] + reply(2)), entry(events=[ok(1), ok(2), DONE])),
        ],
    )
    yield case(
        "after-done-nothing-is-read",
        ["CHUNK-010"],
        [
            (receive(1, reply(1) + bytes(4)), entry(events=[ok(1), DONE])),
            (receive(2, reply(1)), entry()),
            (end(3), entry()),
            (timer(99), entry()),
        ],
        want=(1,),
    )
    yield case(
        "end-after-done",
        ["CHUNK-010"],
        [(receive(1, reply(1)), entry(events=[ok(1), DONE])), (end(2), entry())],
        want=(1,),
    )


def windows():
    yield case(
        "window-1",
        ["CHUNK-011"],
        [
            (receive(1, reply(0)), entry(request(1), [ok(0)], deadline=41)),
            (receive(2, reply(1)), entry(request(2), [ok(1)], deadline=42)),
            (receive(3, reply(2)), entry(events=[ok(2), DONE])),
        ],
        window=1,
    )
    yield case(
        "window-2",
        ["CHUNK-011"],
        [
            (receive(1, reply(0)), entry(request(2), [ok(0)], deadline=41)),
            (receive(2, reply(1) + reply(2)), entry(events=[ok(1), ok(2), DONE])),
        ],
        window=2,
    )
    yield case(
        "window-2-both-answered",
        ["CHUNK-011"],
        [
            (receive(1, reply(0) + reply(1)), entry(request(2), [ok(0), ok(1)], deadline=41)),
            (receive(2, reply(2)), entry(events=[ok(2), DONE])),
        ],
        window=2,
    )
    yield case(
        "window-1-answer-before-request",
        ["CHUNK-010"],
        [(receive(1, reply(0) + reply(1)), entry(events=[ok(0)], close="UNEXPECTED"))],
        window=1,
    )
    chunks = [bytes([index]) for index in range(18)]
    root = blobs.root(chunks)

    def answer(index):
        proof = blobs.proof(chunks, index)
        return (
            frames.encode(packed({"c": 0, "i": index, "p": proof, "r": root, "s": 1}))
            + chunks[index]
        )

    steps = [
        (receive(1, answer(0)), entry(request(16, root), [ok(0)], deadline=41)),
        (receive(2, answer(1)), entry(request(17, root), [ok(1)], deadline=42)),
        (receive(3, answer(2)), entry(events=[ok(2)], deadline=43)),
    ]
    yield case("window-16", ["CHUNK-011"], steps, range(18), 16, root, [1] * 18)


def refusals():
    for first in range(0, 256, 16):
        data, events = b"", []
        for code in range(max(first, 1), first + 16):
            given = "RETRY" if code < 64 else "INTERNAL" if code < 96 or code > 127 else "TOO_LARGE"
            data += refusal(code, len(events))
            events.append({"refused": len(events), "code": codes.NAMES.get(code, given)})
        steps = [(receive(1, data), entry(events=events + [DONE]))]
        yield case(
            f"codes-from-{first}",
            ["ERR-002", "CHUNK-008"],
            steps,
            range(len(events)),
            16,
            sizes=[1] * 16,
        )
    no = {"refused": 0, "code": "NOT_FOUND"}
    yield case(
        "refused-then-others",
        ["CHUNK-014"],
        [
            (receive(1, refusal(2, 0)), entry(events=[no], deadline=41)),
            (receive(2, reply(1) + reply(2)), entry(events=[ok(1), ok(2), DONE])),
        ],
    )
    yield case(
        "refused-is-not-asked-again",
        ["CHUNK-020"],
        [
            (receive(1, refusal(1, 0)), entry(events=[{"refused": 0, "code": "RETRY"}, DONE])),
            (timer(41), entry()),
        ],
        want=(0,),
    )
    yield case(
        "refused-window-1",
        ["CHUNK-014"],
        [
            (receive(1, refusal(2, 0)), entry(request(1), [no], deadline=41)),
            (receive(2, reply(1)), entry(request(2), [ok(1)], deadline=42)),
        ],
        window=1,
    )
    yield case(
        "all-refused",
        ["CHUNK-015"],
        [
            (
                receive(1, refusal(65, 0) + refusal(65, 1) + refusal(65, 2)),
                entry(events=[{"refused": index, "code": "BUSY"} for index in range(3)] + [DONE]),
            )
        ],
    )


def message(**changed):
    value = {"c": 0, "i": 0, "p": blobs.proof(ABC, 0), "r": ROOT, "s": 3, **changed}
    return frames.encode(packed({name: part for name, part in value.items() if part != "absent"}))


def broken():
    proof = blobs.proof(ABC, 0)
    for slug, rule, data, code in [
        ("wrong-order", "CHUNK-010", reply(1), "UNEXPECTED"),
        ("wrong-order-refusal", "CHUNK-010", refusal(2, 1), "UNEXPECTED"),
        ("other-root", "CHUNK-010", message(r=bytes(32)), "UNEXPECTED"),
        ("other-root-refusal", "CHUNK-010", refusal(1, 0, bytes(32)), "UNEXPECTED"),
        ("not-asked", "CHUNK-010", message(i=7), "UNEXPECTED"),
        ("size-less", "CHUNK-003", message(s=2), "BAD_PROOF"),
        ("size-more", "CHUNK-003", message(s=4), "BAD_PROOF"),
        ("size-greatest", "CHUNK-003", message(s=2097152), "BAD_PROOF"),
        ("payload-other", "CHUNK-013", message() + b"abd", "BAD_PROOF"),
        ("proof-flipped", "CHUNK-013", message(p=[proof[0], bytes(32)]) + b"abc", "BAD_PROOF"),
        ("proof-shortened", "CHUNK-006", message(p=proof[:1]) + b"abc", "BAD_PROOF"),
        ("proof-lengthened", "CHUNK-006", message(p=proof + proof[:1]) + b"abc", "BAD_PROOF"),
        ("proof-none", "CHUNK-006", message(p=[]) + b"abc", "BAD_PROOF"),
        ("proof-of-another", "CHUNK-006", message(p=blobs.proof(ABC, 1)) + b"abc", "BAD_PROOF"),
        ("ok-without-bytes", "CHUNK-008", message(s=0), "MALFORMED"),
        ("retry-with-bytes", "CHUNK-008", message(c=1, p=[]), "MALFORMED"),
        ("retry-with-proof", "CHUNK-008", message(c=1, s=0), "MALFORMED"),
        ("proof-14", "ENC-010", message(p=[bytes(32)] * 14), "TOO_MANY"),
        ("code-256", "ENC-010", message(c=256), "MALFORMED"),
        ("unknown-field", "ENC-009", message(x=1), "UNKNOWN_FIELD"),
        ("without-code", "ENC-010", message(c="absent"), "MALFORMED"),
        ("padded", "ENC-005", frames.encode(b"\xcc\1"), "NOT_CANONICAL"),
        ("a-request", "ENC-010", request(0), "MALFORMED"),
        ("total-0", "ENC-012", bytes(4), "MALFORMED"),
        ("total-65537", "ENC-011", b"\0\1\0\1", "TOO_LARGE"),
        ("order-message-before-request", "CHUNK-008", message(i=7, s=0), "MALFORMED"),
        ("order-request-before-size", "CHUNK-010", message(i=1, s=7), "UNEXPECTED"),
        ("order-size-before-proof", "CHUNK-003", message(s=2, p=[]), "BAD_PROOF"),
    ]:
        yield case(
            f"broken-{slug}",
            [rule],
            [(receive(1, data), entry(close=code)), (receive(2, reply(0)), entry())],
            want=(0,),
        )
        if rule in ("CHUNK-010", "CHUNK-003") and not slug.startswith("order"):
            yield case(
                f"broken-{slug}-after-good",
                [rule],
                [(receive(1, reply(2) + data), entry(events=[ok(2)], close=code))],
                want=(2, 0, 1),
            )


def broken_later():
    yield case(
        "proof-is-judged-with-the-payload",
        ["CHUNK-006"],
        [
            (receive(1, message(p=[])), entry(deadline=40)),
            (receive(2, b"ab"), entry(deadline=40)),
            (receive(3, b"c"), entry(close="BAD_PROOF")),
        ],
    )
    yield case(
        "good-then-bad",
        ["CHUNK-013"],
        [(receive(1, reply(0) + reply(1)[:-1] + b"x"), entry(events=[ok(0)], close="BAD_PROOF"))],
    )
    yield case(
        "answered-twice",
        ["CHUNK-009"],
        [(receive(1, reply(0) * 2), entry(events=[ok(0)], close="UNEXPECTED"))],
    )
    bad = entry(close="UNEXPECTED")
    yield case("end-at-once", ["CHUNK-020"], [(end(1), bad), (timer(40), entry())])
    for slug, place in [("length", 2), ("frame", 30), ("payload", len(reply(0)) - 1)]:
        yield case(
            f"end-inside-{slug}",
            ["CHUNK-020"],
            [(receive(1, reply(0)[:place]), entry(deadline=40)), (end(2), bad)],
        )
    yield case(
        "end-before-payload",
        ["CHUNK-020"],
        [(receive(1, reply(0)[:-3]), entry(deadline=40)), (end(2), bad), (timer(40), entry())],
    )
    yield case(
        "end-between-replies",
        ["CHUNK-020"],
        [(receive(1, reply(0)), entry(events=[ok(0)], deadline=41)), (end(2), bad)],
    )


def times():
    late, rule = entry(close="TIMEOUT"), ["CHUNK-020"]
    one = reply(0)
    yield case("silence", rule, [(timer(5), late), (receive(6, one), entry())])
    yield case("silence-seen-late", rule, [(timer(8.5), late)])
    yield case("timer-too-early", rule, [(timer(4.75), entry(deadline=5)), (timer(5), late)])
    yield case(
        "one-byte",
        rule,
        [
            (receive(4.5, one[:1]), entry(deadline=40)),
            (timer(5), entry(deadline=40)),
            (timer(39.75), entry(deadline=40)),
            (timer(40), late),
        ],
    )
    yield case(
        "header-then-silence", rule, [(receive(2, one[:-3]), entry(deadline=40)), (timer(40), late)]
    )
    yield case(
        "drip-is-no-answer",
        rule,
        [(receive(at * 8, one[at : at + 1]), entry(deadline=40)) for at in range(5)]
        + [(timer(40), late)],
    )
    yield case(
        "from-the-last-answer",
        rule,
        [
            (receive(30, one), entry(events=[ok(0)], deadline=70)),
            (timer(40), entry(deadline=70)),
            (receive(69, reply(1)), entry(events=[ok(1)], deadline=109)),
            (timer(109), late),
        ],
    )
    yield case(
        "from-a-refusal",
        rule,
        [
            (
                receive(3, refusal(1, 0)),
                entry(events=[{"refused": 0, "code": "RETRY"}], deadline=43),
            ),
            (timer(43), late),
        ],
    )
    yield case(
        "after-an-answer-no-short-timer",
        rule,
        [(receive(1, one), entry(events=[ok(0)], deadline=41)), (timer(6), entry(deadline=41))],
    )
    yield case(
        "new-request-keeps-the-timer",
        rule,
        [(receive(10, one), entry(request(1), [ok(0)], deadline=50)), (timer(50), late)],
        window=1,
    )
    yield case(
        "no-timer-after-done",
        rule,
        [(receive(1, one), entry(events=[ok(0), DONE])), (timer(41), entry())],
        want=(0,),
    )
    yield case(
        "late-answer-is-taken", rule, [(receive(45, one), entry(events=[ok(0)], deadline=85))]
    )


def cases():
    for part in (good, windows, refusals, broken, broken_later, times):
        yield from part()
