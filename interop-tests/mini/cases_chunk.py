"""Cases of 07-chunks.md and 11-errors.md: messages of the chunk protocol."""

import blobs
from samples import packed

ABC = [b"abc", b"de", b"f"]
ROOT = blobs.root(ABC)
PROOF = blobs.proof(ABC, 1)
OK = {"c": 0, "i": 1, "p": PROOF, "r": ROOT, "s": 2}
RETRY = {"c": 1, "i": 1, "p": [], "r": ROOT, "s": 0}
REQUEST = {"i": 1, "r": ROOT}
WRONG = {"nil": None, "text": "1", "true": True, "array": [], "map": {}}


def changed(base, **more):
    value = {**base, **more}
    return packed({name: entry for name, entry in value.items() if entry != "absent"})


def requests():
    def decode(slug, data, expect=None, rule="ENC-010"):
        return "chunk_request.decode", slug, [rule], {"data": data.hex()}, expect

    yield decode("example", packed(REQUEST), {"index": 1, "root": ROOT.hex()}.__eq__)
    for index in (0, 127, 128, 255, 256, 8191):
        yield decode(f"index-{index}", changed(REQUEST, i=index))
    for index in (8192, 65536, 2**64 - 1):
        yield decode(f"index-{index}", changed(REQUEST, i=index), "MALFORMED")
    for name, value in WRONG.items():
        yield decode(f"index-{name}", changed(REQUEST, i=value), "MALFORMED")
        yield decode(f"root-{name}", changed(REQUEST, r=value), "MALFORMED")
    yield decode("index-bytes", changed(REQUEST, i=b"\1"), "MALFORMED")
    for length in (0, 31, 33):
        yield decode(f"root-{length}", changed(REQUEST, r=bytes(length)), "MALFORMED")
    yield decode("root-zeros", changed(REQUEST, r=bytes(32)))
    yield decode("without-i", changed(REQUEST, i="absent"), "MALFORMED")
    yield decode("without-r", changed(REQUEST, r="absent"), "MALFORMED")
    for name in ("", "c", "j", "s"):
        yield decode(
            f"unknown-{name or 'empty'}", changed(REQUEST, **{name: 0}), "UNKNOWN_FIELD", "ENC-009"
        )
    yield decode(
        "padded",
        packed(REQUEST).replace(b"\xa1i\x01", b"\xa1i\xcc\x01"),
        "NOT_CANONICAL",
        "ENC-005",
    )
    yield decode(
        "falling",
        b"\x82" + packed("r") + packed(ROOT) + packed("i") + b"\1",
        "NOT_CANONICAL",
        "ENC-006",
    )
    yield decode("empty", b"", "MALFORMED", "ENC-002")
    yield decode("array", packed([1, ROOT]), "MALFORMED", "ENC-018")
    yield decode("more-bytes", packed(REQUEST) + b"\0", "MALFORMED", "ENC-002")
    for end in range(1, len(packed(REQUEST)), 3):
        yield decode(f"prefix-{end}", packed(REQUEST)[:end], "MALFORMED", "ENC-002")

    def encode(slug, index, root, expect=None):
        return (
            "chunk_request.encode",
            slug,
            ["ENC-015"],
            {"index": index, "root": root.hex()},
            expect,
        )

    yield encode("example", 1, ROOT, {"data": packed(REQUEST).hex()}.__eq__)
    yield encode("index-0", 0, ROOT)
    yield encode("index-8191", 8191, ROOT)
    yield encode("index-8192", 8192, ROOT, "REFUSED")
    yield encode("root-31", 1, ROOT[:31], "REFUSED")
    yield encode("root-33", 1, ROOT + b"\0", "REFUSED")


def good_replies():
    """(slug, rule, message)"""
    yield "example", "CHUNK-008", OK
    yield "example-retry", "CHUNK-008", RETRY
    yield "size-1", "CHUNK-008", {**OK, "s": 1}
    yield "size-greatest", "CHUNK-008", {**OK, "s": 2097152}
    yield "proof-none", "ENC-010", {**OK, "p": []}
    yield "proof-13", "ENC-010", {**OK, "p": [bytes([n]) * 32 for n in range(13)]}
    yield "index-0", "ENC-010", {**OK, "i": 0}
    yield "index-8191", "ENC-010", {**OK, "i": 8191}
    for code in [*range(20), *range(62, 68), *range(94, 101), 126, 127, 128, 129, 254, 255]:
        yield f"code-{code}", "ERR-001", {**RETRY, "c": code} if code else {**OK, "p": []}


def bad_replies():
    """(slug, rule, message), all MALFORMED"""
    yield "ok-without-bytes", "CHUNK-008", {**OK, "s": 0}
    yield "ok-without-anything", "CHUNK-008", {**OK, "s": 0, "p": []}
    yield "size-one-beyond", "ENC-010", {**OK, "s": 2097153}
    yield "code-256", "ENC-010", {**RETRY, "c": 256}
    yield "index-8192", "ENC-010", {**OK, "i": 8192}
    for code in (1, 2, 18, 63, 64, 96, 128, 255):
        yield f"code-{code}-with-bytes", "CHUNK-008", {**RETRY, "c": code, "s": 1}
        yield f"code-{code}-with-proof", "CHUNK-008", {**RETRY, "c": code, "p": PROOF}
    yield "retry-with-both", "CHUNK-008", {**OK, "c": 1}
    for length in (0, 31, 33):
        yield f"proof-of-{length}-bytes", "ENC-010", {**OK, "p": [PROOF[0], bytes(length)]}
        yield f"root-{length}", "ENC-010", {**OK, "r": bytes(length)}


def replies():
    def decode(slug, data, expect, rule):
        return "chunk_reply.decode", slug, [rule], {"data": data.hex()}, expect

    for slug, rule, message in good_replies():
        wanted = {
            "code": message["c"],
            "index": message["i"],
            "proof": [entry.hex() for entry in message["p"]],
            "root": message["r"].hex(),
            "size": message["s"],
        }
        yield decode(slug, packed(message), wanted.__eq__, rule)
        if not slug.startswith("code-") or message["c"] in (0, 19, 63, 64, 96, 127, 128, 255):
            yield (
                "chunk_reply.encode",
                slug,
                ["ENC-015", "CHUNK-008"],
                wanted,
                {"data": packed(message).hex()}.__eq__,
            )
    for slug, rule, message in bad_replies():
        given = {
            "code": message["c"],
            "index": message["i"],
            "proof": [entry.hex() for entry in message["p"]],
            "root": message["r"].hex(),
            "size": message["s"],
        }
        yield decode(slug, packed(message), "MALFORMED", rule)
        yield "chunk_reply.encode", slug, ["ENC-015", rule], given, "REFUSED"
    fourteen = [bytes(32)] * 14
    yield decode("proof-14", packed({**OK, "p": fourteen}), "TOO_MANY", "ENC-010")
    yield (
        "chunk_reply.encode",
        "proof-14",
        ["ENC-015"],
        {"code": 0, "index": 1, "proof": ["00" * 32] * 14, "root": ROOT.hex(), "size": 2},
        "REFUSED",
    )
    for name in "ciprs":
        yield decode(f"without-{name}", changed(OK, **{name: "absent"}), "MALFORMED", "ENC-010")
        for kind, value in WRONG.items():
            if (name, kind) != ("p", "array"):
                yield decode(f"{name}-{kind}", changed(OK, **{name: value}), "MALFORMED", "ENC-010")
    yield decode("proof-of-text", changed(OK, p=["x" * 32]), "MALFORMED", "ENC-010")
    yield decode("unknown-field", changed(OK, q=None), "UNKNOWN_FIELD", "ENC-009")
    yield decode("padded", changed(OK)[:-1] + b"\xcc\2", "NOT_CANONICAL", "ENC-005")
    yield decode("array", packed([]), "MALFORMED", "ENC-018")
    yield decode("more-bytes", packed(OK) + b"de", "MALFORMED", "ENC-002")
    for end in range(0, len(packed(OK)), 11):
        yield decode(f"prefix-{end}", packed(OK)[:end], "MALFORMED", "ENC-002")
    yield decode(
        "order-count-before-bytes-with-retry",
        packed({**RETRY, "p": fourteen, "s": 1}),
        "TOO_MANY",
        "ENC-018",
    )
    yield decode(
        "order-code-before-count", packed({**OK, "c": 256, "p": fourteen}), "MALFORMED", "ENC-018"
    )
    yield decode(
        "order-count-before-root", packed({**OK, "p": fourteen, "r": b""}), "TOO_MANY", "ENC-018"
    )


def cases():
    yield from requests()
    yield from replies()
