"""Cases of 07-chunks.md: transcripts of a provider."""

import blobs
import frames
from samples import packed, receive

ABC = [b"abc", b"de", b"f"]
ROOT = blobs.root(ABC)
SECRET = [b"not yet"]
SECRET_ROOT = blobs.root(SECRET)
OTHER_ROOT = blobs.root([b"nobody has this"])


def request(index, root=ROOT):
    return frames.encode(packed({"i": index, "r": root}))


def refusal(code, index, root=ROOT):
    return frames.encode(packed({"c": code, "i": index, "p": [], "r": root, "s": 0}))


def reply(index):
    proof = {
        0: [blobs.leaf(1, b"de"), blobs.leaf(2, b"f")],
        1: [blobs.leaf(0, b"abc"), blobs.leaf(2, b"f")],
        2: [blobs.node(blobs.leaf(0, b"abc"), blobs.leaf(1, b"de"))],
    }[index]
    return (
        frames.encode(packed({"c": 0, "i": index, "p": proof, "r": ROOT, "s": len(ABC[index])}))
        + ABC[index]
    )


def case(slug, covers, steps):
    """Steps are triples: the step, what is sent, the code of a reset or None."""
    given = {
        "blobs": [[chunk.hex() for chunk in blob] for blob in (ABC, SECRET)],
        "hidden": [SECRET_ROOT.hex()],
        "steps": [step for step, _, _ in steps],
    }
    log = [{"sent": "", "close": None}] + [
        {"sent": sent.hex(), "close": close} for _, sent, close in steps
    ]
    return "provider.machine", slug, covers, given, {"log": log}.__eq__


NOTHING = b""


def good():
    yield case("nothing", ["CHUNK-009"], [])
    yield case("end-at-once", ["CHUNK-009"], [({"at": 1, "end": True}, NOTHING, None)])
    for index in range(3):
        yield case(
            f"chunk-{index}",
            ["CHUNK-008", "CHUNK-009"],
            [(receive(1, request(index)), reply(index), None)],
        )
    yield case(
        "all-in-one-step",
        ["CHUNK-009"],
        [(receive(1, request(2) + request(0) + request(1)), reply(2) + reply(0) + reply(1), None)],
    )
    yield case(
        "one-after-another",
        ["CHUNK-009"],
        [(receive(at, request(at % 3)), reply(at % 3), None) for at in range(1, 6)],
    )
    yield case("same-twice", ["CHUNK-009"], [(receive(1, request(1) * 2), reply(1) * 2, None)])
    data = request(1)
    yield case(
        "byte-at-a-time",
        ["ENC-014"],
        [(receive(1, data[i : i + 1]), NOTHING, None) for i in range(len(data) - 1)]
        + [(receive(2, data[-1:]), reply(1), None)],
    )
    for place in range(1, len(data), 6):
        yield case(
            f"cut-at-{place}",
            ["ENC-014"],
            [(receive(1, data[:place]), NOTHING, None), (receive(2, data[place:]), reply(1), None)],
        )
        yield case(
            f"ends-at-{place}",
            ["ENC-013"],
            [
                (receive(1, data[:place]), NOTHING, None),
                ({"at": 2, "end": True}, NOTHING, "MALFORMED"),
            ],
        )
    yield case(
        "one-and-a-half",
        ["ENC-014"],
        [(receive(1, data + data[:7]), reply(1), None), (receive(2, data[7:]), reply(1), None)],
    )
    yield case(
        "end-after-answers",
        ["CHUNK-009"],
        [(receive(1, data), reply(1), None), ({"at": 2, "end": True}, NOTHING, None)],
    )


def answers():
    yield case(
        "unknown-root",
        ["CHUNK-014"],
        [(receive(1, request(0, OTHER_ROOT)), refusal(2, 0, OTHER_ROOT), None)],
    )
    yield case(
        "index-beyond-blob",
        ["CHUNK-014"],
        [
            (receive(1, request(3)), refusal(2, 3), None),
            (receive(2, request(8191)), refusal(2, 8191), None),
        ],
    )
    yield case(
        "hidden",
        ["CHUNK-012"],
        [(receive(1, request(0, SECRET_ROOT)), refusal(1, 0, SECRET_ROOT), None)],
    )
    yield case(
        "hidden-index-beyond",
        ["CHUNK-012"],
        [(receive(1, request(5, SECRET_ROOT)), refusal(1, 5, SECRET_ROOT), None)],
    )
    yield case(
        "all-kinds-in-order",
        ["CHUNK-009", "CHUNK-012", "CHUNK-014"],
        [
            (
                receive(
                    1,
                    request(0, SECRET_ROOT)
                    + request(1)
                    + request(0, OTHER_ROOT)
                    + request(9)
                    + request(2),
                ),
                refusal(1, 0, SECRET_ROOT)
                + reply(1)
                + refusal(2, 0, OTHER_ROOT)
                + refusal(2, 9)
                + reply(2),
                None,
            )
        ],
    )
    yield case(
        "refusals-end-nothing",
        ["CHUNK-014"],
        [(receive(1, request(9)), refusal(2, 9), None), (receive(2, request(1)), reply(1), None)],
    )


def queues():
    busy = {"busy": True}
    yield case(
        "busy-then-not",
        ["CHUNK-009"],
        [
            (receive(1, request(0), **busy), NOTHING, None),
            (receive(2, request(1)), reply(0) + reply(1), None),
        ],
    )
    yield case(
        "busy-then-timer",
        ["CHUNK-009"],
        [
            (receive(1, request(0), **busy), NOTHING, None),
            ({"at": 9, "timer": True}, reply(0), None),
        ],
    )
    yield case(
        "busy-then-end",
        ["CHUNK-009"],
        [
            (receive(1, request(0) + request(2), **busy), NOTHING, None),
            ({"at": 2, "end": True}, reply(0) + reply(2), None),
        ],
    )
    yield case(
        "16-in-one-step", ["CHUNK-011"], [(receive(1, request(1) * 16), reply(1) * 16, None)]
    )
    yield case(
        "16-twice",
        ["CHUNK-011"],
        [
            (receive(1, request(1) * 16), reply(1) * 16, None),
            (receive(2, request(1) * 16), reply(1) * 16, None),
        ],
    )
    yield case(
        "16-while-busy",
        ["CHUNK-011"],
        [(receive(at, request(1) * 4, **busy), NOTHING, None) for at in range(1, 5)]
        + [({"at": 5, "timer": True}, reply(1) * 16, None)],
    )
    yield case(
        "17-in-one-step",
        ["CHUNK-011"],
        [
            (receive(1, request(1) * 17), NOTHING, "TOO_MANY"),
            (receive(2, request(1)), NOTHING, None),
        ],
    )
    yield case(
        "17-while-busy",
        ["CHUNK-011"],
        [
            (receive(1, request(1) * 16, **busy), NOTHING, None),
            (receive(2, request(1), **busy), NOTHING, "TOO_MANY"),
        ],
    )
    malformed = frames.encode(b"\xc1")
    yield case(
        "17th-malformed",
        ["CHUNK-011", "ENC-004"],
        [
            (receive(1, request(1) * 16, **busy), NOTHING, None),
            (receive(2, malformed, **busy), NOTHING, "MALFORMED"),
        ],
    )
    yield case(
        "17th-malformed-in-one-step",
        ["CHUNK-011", "ENC-004"],
        [(receive(1, request(1) * 16 + malformed), NOTHING, "MALFORMED")],
    )
    yield case(
        "17th-not-whole",
        ["CHUNK-011"],
        [
            (receive(1, request(1) * 16 + request(1)[:-1], **busy), NOTHING, None),
            ({"at": 2, "timer": True}, reply(1) * 16, None),
        ],
    )
    yield case(
        "hidden-count-too",
        ["CHUNK-011"],
        [(receive(1, request(0, SECRET_ROOT) * 17), NOTHING, "TOO_MANY")],
    )


def broken():
    for slug, rule, data, code in [
        ("total-0", "ENC-012", bytes(4), "MALFORMED"),
        ("total-65537", "ENC-011", b"\0\1\0\1", "TOO_LARGE"),
        ("no-value", "ENC-004", frames.encode(b"\xc1"), "MALFORMED"),
        (
            "padded",
            "ENC-005",
            frames.encode(packed({"i": 1, "r": ROOT}).replace(b"\xa1i\1", b"\xa1i\xcc\1")),
            "NOT_CANONICAL",
        ),
        (
            "unknown-field",
            "ENC-009",
            frames.encode(packed({"i": 1, "r": ROOT, "x": 0})),
            "UNKNOWN_FIELD",
        ),
        ("without-root", "ENC-010", frames.encode(packed({"i": 1})), "MALFORMED"),
        ("index-8192", "ENC-010", frames.encode(packed({"i": 8192, "r": ROOT})), "MALFORMED"),
        ("root-31", "ENC-010", frames.encode(packed({"i": 1, "r": ROOT[1:]})), "MALFORMED"),
        ("reply", "ENC-009", refusal(1, 1), "UNKNOWN_FIELD"),
        ("many-values", "ENC-003", frames.encode(b"\xdc\x10\x00" + b"\xc0" * 4096), "TOO_MANY"),
        ("http", "ENC-011", b"GET / HTTP/1.1", "TOO_LARGE"),
    ]:
        yield case(
            f"refused-{slug}",
            [rule],
            [
                (receive(1, data), NOTHING, code),
                (receive(2, request(1)), NOTHING, None),
                ({"at": 3, "end": True}, NOTHING, None),
            ],
        )
        if len(data) < 100:
            yield case(
                f"refused-{slug}-after-open",
                [rule],
                [
                    (receive(1, request(1) + data), NOTHING, code),
                    ({"at": 2, "timer": True}, NOTHING, None),
                ],
            )
    yield case(
        "end-inside-leaves-open",
        ["ENC-013"],
        [
            (receive(1, request(1) + request(1)[:9], busy=True), NOTHING, None),
            ({"at": 2, "end": True}, NOTHING, "MALFORMED"),
        ],
    )


def cases():
    for part in (good, answers, queues, broken):
        yield from part()
