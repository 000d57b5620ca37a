"""Cases of 02-encoding.md: frames."""

import itertools

from samples import short

BODY = bytes.fromhex("82a161cd012ca16294c3c0c40201ffa2c3a9")
FRAME = bytes.fromhex("00000016") + BODY


def frame(body):
    return (len(body) + 4).to_bytes(4, "big") + body


def decode(slug, covers, parts, end, items, raw=(), eof=True):
    given = {"parts": [short(part) for part in parts], "raw": list(raw), "eof": eof}
    return (
        "frames.decode",
        slug,
        covers,
        given,
        {"items": [item.hex() for item in items], "end": end}.__eq__,
    )


def cuts(data, places):
    edges = [0] + list(places) + [len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def encoding():
    longest = {"repeat": "00", "count": 65532}
    yield (
        "frames.encode",
        "total-65536",
        ["ENC-011", "ENC-015"],
        {"body": longest},
        {"data": "00010000" + "00" * 65532}.__eq__,
    )
    yield (
        "frames.encode",
        "total-65537",
        ["ENC-011", "ENC-015"],
        {"body": {**longest, "count": 65533}},
        "REFUSED",
    )
    yield (
        "frames.encode",
        "example",
        ["ENC-015"],
        {"body": BODY.hex()},
        lambda output: output == {"data": FRAME.hex()},
    )
    yield (
        "frames.encode",
        "one-byte",
        ["ENC-012", "ENC-015"],
        {"body": "c0"},
        {"data": "00000005c0"}.__eq__,
    )
    yield "frames.encode", "empty", ["ENC-012", "ENC-015"], {"body": ""}, "REFUSED"


def cutting():
    yield decode("nothing", ["ENC-013"], [], "END", [])
    yield decode("nothing-open", ["ENC-013"], [], "OPEN", [], eof=False)
    yield decode("example", ["ENC-014"], [FRAME], "END", [BODY])
    yield decode("example-open", ["ENC-014"], [FRAME], "OPEN", [BODY], eof=False)
    yield decode(
        "byte-at-a-time", ["ENC-014"], [FRAME[i : i + 1] for i in range(22)], "END", [BODY]
    )
    yield decode(
        "empty-parts", ["ENC-014"], [b"", FRAME[:3], b"", b"", FRAME[3:], b""], "END", [BODY]
    )
    for place in range(1, len(FRAME)):
        yield decode(f"cut-at-{place}", ["ENC-014"], cuts(FRAME, [place]), "END", [BODY])
        yield decode(f"ends-at-{place}", ["ENC-013"], [FRAME[:place]], "MALFORMED", [])
        yield decode(f"waits-at-{place}", ["ENC-014"], [FRAME[:place]], "OPEN", [], eof=False)
    two = FRAME + frame(b"\x01")
    yield decode("two", ["ENC-014"], [two], "END", [BODY, b"\x01"])
    yield decode(
        "two-byte-at-a-time",
        ["ENC-014"],
        [two[i : i + 1] for i in range(len(two))],
        "END",
        [BODY, b"\x01"],
    )
    yield decode("two-cut-over-the-edge", ["ENC-014"], cuts(two, [20, 24]), "END", [BODY, b"\x01"])
    yield decode("three-equal", ["ENC-014"], [frame(b"\xc0") * 3], "END", [b"\xc0"] * 3)
    for place in range(23, len(two)):
        yield decode(f"second-ends-at-{place}", ["ENC-013"], [two[:place]], "MALFORMED", [BODY])
    yield decode("body-is-not-judged", ["ENC-014"], [frame(b"\xc1\xc1")], "END", [b"\xc1\xc1"])


def totals():
    for total, end in [
        (0, "MALFORMED"),
        (1, "MALFORMED"),
        (4, "MALFORMED"),
        (65537, "TOO_LARGE"),
        (2**31, "TOO_LARGE"),
        (2**32 - 1, "TOO_LARGE"),
    ]:
        rule = "ENC-011" if total > 5 else "ENC-012"
        yield decode(f"total-{total}", [rule], [total.to_bytes(4, "big")], end, [], eof=False)
        yield decode(f"total-{total}-and-more", [rule], [total.to_bytes(4, "big") + FRAME], end, [])
        yield decode(
            f"total-{total}-second",
            [rule],
            [FRAME + total.to_bytes(4, "big") + FRAME],
            end,
            [BODY],
        )
    yield decode("total-5", ["ENC-012"], [frame(b"\xc0")], "END", [b"\xc0"])
    yield decode(
        "total-65536", ["ENC-011", "LIMIT-003"], [frame(bytes(65532))], "END", [bytes(65532)]
    )
    yield decode(
        "total-65536-awaited", ["ENC-011"], [bytes.fromhex("00010000")], "OPEN", [], eof=False
    )
    yield decode(
        "total-65536-broken-off", ["ENC-013"], [bytes.fromhex("00010000") + BODY], "MALFORMED", []
    )
    yield decode(
        "total-65537-byte-at-a-time",
        ["ENC-011"],
        [b"\0", b"\1", b"\0", b"\1", b"\0"],
        "TOO_LARGE",
        [],
        eof=False,
    )
    yield decode("dead-stays-dead", ["ENC-012"], [bytes(4), FRAME, b""], "MALFORMED", [])


def raw_bytes():
    raw = FRAME + b"abc" + frame(b"\x01") + frame(b"\x02") + b"d"
    items = [BODY, b"abc", b"\x01", b"\x02", b"d"]
    yield decode("raw", ["ENC-014"], [raw], "END", items, raw=[3, 0, 1])
    yield decode(
        "raw-byte-at-a-time",
        ["ENC-014"],
        [raw[i : i + 1] for i in range(len(raw))],
        "END",
        items,
        raw=[3, 0, 1],
    )
    for place in range(1, len(raw)):
        yield decode(
            f"raw-cut-at-{place}", ["ENC-014"], cuts(raw, [place]), "END", items, raw=[3, 0, 1]
        )
    for place, got in [(22, 1), (23, 1), (24, 1), (26, 2), (39, 4)]:
        if place != 39:
            yield decode(
                f"raw-ends-at-{place}",
                ["ENC-013"],
                [raw[:place]],
                "MALFORMED",
                items[:got],
                raw=[3, 0, 1],
            )
            yield decode(
                f"raw-waits-at-{place}",
                ["ENC-014"],
                [raw[:place]],
                "OPEN",
                items[:got],
                raw=[3, 0, 1],
                eof=False,
            )
    yield decode("raw-ends-after-piece", ["ENC-013"], [raw[:25]], "END", items[:2], raw=[3, 0, 1])
    yield decode(
        "raw-last-ends-early", ["ENC-013"], [raw[:-1]], "MALFORMED", items[:4], raw=[3, 0, 1]
    )
    yield decode(
        "raw-looks-like-a-frame",
        ["ENC-014"],
        [FRAME + bytes(4) + frame(b"\xc0")],
        "END",
        [BODY, bytes(4), b"\xc0"],
        raw=[4],
    )
    yield decode("raw-none-announced", ["ENC-012"], [FRAME + bytes(4)], "MALFORMED", [BODY], raw=[])
    yield decode(
        "raw-longer-than-a-frame",
        ["ENC-011"],
        [FRAME + bytes([7]) * 300],
        "END",
        [BODY, bytes([7]) * 300],
        raw=[300],
    )
    yield decode(
        "raw-2-mib-awaited",
        ["ENC-011"],
        [FRAME + b"abc"],
        "OPEN",
        [BODY],
        raw=[2097152],
        eof=False,
    )
    yield decode(
        "raw-list-longer-than-frames",
        ["ENC-014"],
        [FRAME + b"ab"],
        "END",
        [BODY, b"ab"],
        raw=[2, 5, 5],
    )


def cases():
    for part in (encoding, cutting, totals, raw_bytes):
        yield from part()
