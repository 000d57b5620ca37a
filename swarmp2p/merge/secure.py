"""The secure sum's arithmetic: updates as integers that add up modulo 2^32 (MERGE-070, 071).

Who masks what is no matter of this module: masks that cancel in the sum leave it as it is.
"""

from collections.abc import Sequence
from math import inf

import numpy as np
import numpy.typing as npt

from swarmp2p.errors import MergeError
from swarmp2p.merge.reducers import exact, settle, step
from swarmp2p.merge.rules import check_finite, check_vector
from swarmp2p.merge.terms import Vector

FEWEST, MOST = 2, 64  # commitments of a round whose updates are summed

Integers = npt.NDArray[np.int32]  # 1-D


def quantise(update: Vector, base: Vector, clip: float, commitments: int) -> Integers:
    """The integers of update - base: int32 of the length of both, each within +-top.

    q = rint(clamp(delta, -clip, clip) * (top / clip)), top = 2^(B-1) - 1, B = 32 - ceil(log2(
    commitments)): so many sums of top fit 32 bits (MERGE-070). A unit is clip / top.
    update, base: 1-D, contiguous, float32, finite. clip: a finite float above 0, the largest
    change of an element that is told. commitments: of the round, 2 to 64.
    Raises MergeError for anything else, and for a clip so small that top / clip overflows.
    Extra memory: 6 MiB beside the result.
    """
    top = _top(clip, commitments)
    _check_single(update, base, "the update")
    check_finite("the base", base, None)
    check_finite("the update", update, None)
    out = np.empty(base.size, np.int32)
    size = step(6)
    scale = top / clip
    with exact():
        for low in range(0, base.size, size):
            # a difference that overflows is infinite, and clamped like any other
            delta = np.subtract(update[low : low + size], base[low : low + size])
            scaled = delta.astype(np.float64)
            np.clip(scaled, -clip, clip, out=scaled)
            np.multiply(scaled, scale, out=scaled)
            np.rint(scaled, out=scaled)
            out[low : low + size] = scaled
    return out


def merge_sum(integers: Sequence[Integers], base: Vector, clip: float, commitments: int) -> Vector:
    """The model that the sum of quantised updates gives: float32, of the base's length.

    x = base + float32(sum * (clip / (top * n))), n being how many are summed; the sum is modulo
    2^32 and read as signed (MERGE-071). x differs from the base plus the mean of the clamped deltas
    by at most half a unit, clip / (2^B - 2), and the rounding of float32.
    integers: what quantise() made for the same clip and commitments, in any order, 1 to
    `commitments` of them; any mask added modulo 2^32 must have its negative in another.
    base: 1-D, contiguous, float32, finite. Raises MergeError for what does not fit.
    Extra memory: 6 MiB beside the result.
    """
    top = _top(clip, commitments)
    _check_single(base, base, "the base")
    check_finite("the base", base, None)
    if not 1 <= len(integers) <= commitments:
        raise MergeError(
            f"{len(integers)} updates to sum; 1 to {commitments}, the round's commitments, are "
            "expected"
        )
    for k, vector in enumerate(integers):
        if vector.dtype != np.int32 or vector.shape != base.shape:
            raise MergeError(
                f"integers of summand {k}: {vector.dtype}{list(vector.shape)}; "
                f"int32[{base.size}] is expected"
            )
    out = np.empty_like(base)
    size = step(6)
    unit = clip / (top * float(len(integers)))
    with exact():
        for low in range(0, base.size, size):
            block = out[low : low + size]
            total = np.zeros(block.size, np.uint32)
            for vector in integers:
                np.add(total, vector[low : low + size].view(np.uint32), out=total)
            scaled = total.view(np.int32).astype(np.float64)
            np.multiply(scaled, unit, out=scaled)
            np.add(base[low : low + size], scaled.astype(np.float32), out=block)
            settle(block)
    return out


def _top(clip: float, commitments: int) -> float:
    """2^(B-1) - 1, the integer of a change by `clip`. Raises MergeError for unusable arguments."""
    if not isinstance(commitments, int) or not FEWEST <= commitments <= MOST:
        raise MergeError(f"{commitments!r} commitments; {FEWEST} to {MOST} are expected")
    if not isinstance(clip, float) or not 0.0 < clip < inf:
        raise MergeError(f"clip {clip!r}; a finite real above 0 (a float) is expected")
    top = float(2 ** (31 - (commitments - 1).bit_length()) - 1)
    # top / clip is never 0 and clip / (top * 64) never infinite; the other two can be
    if top / clip == inf or clip / (top * MOST) == 0.0:
        raise MergeError(f"clip {clip!r} is too small to divide by; a larger one is expected")
    return top


def _check_single(vector: Vector, base: Vector, what: str) -> None:
    check_vector("the base", base, base)
    check_vector(what, vector, base)
    if base.dtype != np.float32:
        raise MergeError(f"{what} is {base.dtype}; a secure sum takes float32 alone")
