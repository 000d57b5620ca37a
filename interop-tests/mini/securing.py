"""Arithmetic of a secure sum: 09-merge.md, MERGE-070 and MERGE-071."""

import math

from averaging import last_step
from floats import F32, F64, divide, read_vector, write_vector
from inputs import array, integer
from refusal import Refusal

MODULUS = 1 << 32
MOST = 64


def largest(commitments):
    """top = D(2^(B-1) - 1), B being 32 minus the least e with 2^e >= n0 (MERGE-070)."""
    e = (commitments - 1).bit_length()
    return float((1 << (32 - e - 1)) - 1)


def clip_and_top(given):
    commitments = integer(given, "commitments", 2, MOST)
    clip, top = F64.value(given["clip"]), largest(commitments)
    # "Secure sum": C is a real above 0; a NaN is none.
    if not clip > 0.0:
        raise Refusal("REFUSED")
    for quotient in (divide(top, clip), clip / (top * 64.0)):
        # MERGE-070: not finite, or 0.
        if not math.isfinite(quotient) or quotient == 0.0:
            raise Refusal("REFUSED")
    return clip, top, commitments


def quantise(clip, top, delta):
    """q of MERGE-070. Python's `round` is to the nearest integer, ties to even."""
    return round(max(-clip, min(clip, delta)) * (top / clip))


def signed_sum(values):
    """Modulo 2^32, read as two's complement (MERGE-071)."""
    total = sum(values) % MODULUS
    return total - MODULUS if total >= MODULUS // 2 else total


def quantise_operation(given):
    clip, top, _ = clip_and_top(given)
    base, update = read_vector(F32, given["base"]), read_vector(F32, given["update"])
    # MERGE-070: x - b in binary32, which may be infinite.
    deltas = F32.subtract(update, base)
    return {"integers": [str(quantise(clip, top, delta)) for delta in deltas]}


def sum_operation(given):
    clip, top, commitments = clip_and_top(given)
    updates = [[int(value) for value in update] for update in array(given, "updates")]
    # "Secure sum": n_U is 1 to n0.
    if not 1 <= len(updates) <= commitments:
        raise Refusal("REFUSED")
    base = read_vector(F32, given["base"])
    factor = clip / (top * float(len(updates)))
    steps = [F32.round(float(signed_sum(values)) * factor) for values in zip(*updates, strict=True)]
    return {"vector": write_vector(F32, last_step(F32, F32.add(base, steps)))}


OPERATIONS = {"secure.quantise": quantise_operation, "secure.sum": sum_operation}
