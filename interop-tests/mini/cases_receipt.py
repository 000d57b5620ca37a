"""Cases of 00-lifecycle.md: receipts."""

import hashlib

import receipts
import samples
import signatures

KEY = samples.KEY.hex()
EXAMPLE_HASH = "d32882f697050b71b5717e0d28c7004c3953bacedcd15c798b6a59fdade4fcf8"
VOID = {
    "merge": None,
    "shared": {
        "attempt": 0,
        "attestations": [],
        "base": "01" * 32,
        "commitments": {KEY: {"commitment": "02" * 32, "weight": 303}},
        "contributors": [],
        "merged_root": "",
        "missing": [KEY],
        "outcome": "void",
        "round": 3,
        "run_id": "a852790d82c0debd356f432d3a94a2ba4320dd60ae7216466abf23701b74c48d",
    },
}
KEYS = sorted(samples.key(number).hex() for number in range(3))
SEALED = {
    "shared": {
        "run_id": "05" * 32,
        "round": 4,
        "attempt": 1,
        "outcome": "sealed",
        "base": "01" * 32,
        "merged_root": "06" * 32,
        "contributors": KEYS,
        "missing": [KEY],
        "commitments": {
            key: {"weight": 100 + place, "commitment": "0%d" % place * 32}
            for place, key in enumerate(KEYS)
        },
        "attestations": KEYS,
    },
    "merge": {
        "rule": "mean",
        "outliers": [],
        "updates": {
            key: {"root": "07" * 32, "salt": "08" * 32, "weight_used": 100} for key in KEYS
        },
    },
}


def changed(receipt, part, **more):
    return {**receipt, part: {**receipt[part], **more}}


def sign(slug, receipt, expect=None, seed=samples.SEED):
    return "receipt.sign", slug, ["LIFE-020"], {"seed": seed.hex(), "receipt": receipt}, expect


def verify(slug, receipt, signature, expect="BAD_SIGNATURE", key=samples.KEY):
    given = {"key": key.hex(), "receipt": receipt, "signature": signature.hex()}
    return "receipt.verify", slug, ["LIFE-020"], given, expect


def is_example(output):
    return hashlib.sha256(bytes.fromhex(output["preimage"])).hexdigest() == EXAMPLE_HASH


def signing():
    yield sign("example", VOID, is_example)
    yield sign("example-other-peer", VOID, None, samples.seed(1))
    yield sign("sealed", SEALED)
    yield sign("sealed-without-merge", {**SEALED, "merge": None})
    yield sign(
        "keys-in-another-order",
        {"shared": dict(reversed(VOID["shared"].items())), "merge": None},
        is_example,
    )
    for name, number in [
        ("2.53-minus-1", 2**53 - 1),
        ("2.53-plus-1", 2**53 + 1),
        ("2.64-minus-1", 2**64 - 1),
        ("2.64", 2**64),
        ("0", 0),
    ]:
        yield sign(f"round-{name}", changed(VOID, "shared", round=number))
    yield sign(
        "other-keys-are-not-signed", {**VOID, "signature": "00", "about": {"a": [1]}}, is_example
    )
    yield sign(
        "keys-by-code-point",
        changed(VOID, "shared", **{"B": 1, "a": 2, "_": 3, "aa": 4, "~": 5, " ": 6}),
    )


def of_both():
    for slug, receipt in [("void", VOID), ("sealed", SEALED)]:
        good = signatures.sign(samples.SEED, receipts.preimage(receipt))
        yield verify(f"{slug}-good", receipt, good, None)
        yield verify(f"{slug}-keys-in-another-order", dict(reversed(receipt.items())), good, None)
        yield verify(f"{slug}-and-other-keys", {**receipt, "seen": "yesterday"}, good, None)
        yield verify(f"{slug}-other-key", receipt, good, key=samples.key(1))
        for index in (0, 31, 32, 63):
            yield verify(f"{slug}-flipped-{index}", receipt, samples.xor(good, index))
        yield verify(f"{slug}-signature-of-63", receipt, good[:63])
        yield verify(f"{slug}-signature-of-65", receipt, good + b"\0")
        yield verify(f"{slug}-signature-empty", receipt, b"")
        s = int.from_bytes(good[32:], "little") + signatures.L
        yield verify(f"{slug}-s-plus-l", receipt, good[:32] + s.to_bytes(32, "little"))


def of_void():
    """What changes the text that was signed, or signs another."""
    text = receipts.preimage(VOID)
    good = signatures.sign(samples.SEED, text)
    for name, more in [
        ("round", {"round": 9}),
        ("attempt", {"attempt": 2}),
        ("outcome", {"outcome": "lost"}),
        ("base", {"base": "09" * 32}),
        ("missing", {"missing": []}),
        ("contributors", {"contributors": [KEY]}),
        ("merged-root", {"merged_root": "09" * 32}),
        ("run-id", {"run_id": "09" * 32}),
        ("commitments", {"commitments": {}}),
        ("attestations", {"attestations": [KEY]}),
        ("field-more", {"extra": 0}),
        ("round-as-text", {"round": "3"}),
    ]:
        yield verify(f"void-other-{name}", changed(VOID, "shared", **more), good)
    for name, message in [
        ("without-tag", text[len(receipts.TAG_RECEIPT) :]),
        ("with-line-end", text + b"\n"),
        ("of-hash", hashlib.sha256(text).digest()),
    ]:
        yield verify(f"void-signed-{name}", VOID, signatures.sign(samples.SEED, message))
    yield verify("key-of-small-order", VOID, good, key=b"\1" + bytes(31))


def of_sealed():
    good = signatures.sign(samples.SEED, receipts.preimage(SEALED))
    yield verify("order-of-contributors", changed(SEALED, "shared", contributors=KEYS[::-1]), good)
    yield verify("merge-left-out", {**SEALED, "merge": None}, good)
    other = {"root": "07" * 32, "salt": "08" * 32, "weight_used": 101}
    updates = {**SEALED["merge"]["updates"], KEYS[0]: other}
    yield verify("weight-used", changed(SEALED, "merge", updates=updates), good)


def cases():
    for part in (signing, of_both, of_void, of_sealed):
        yield from part()
