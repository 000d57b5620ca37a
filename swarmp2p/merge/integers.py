"""Rules for the integer section: the largest, least or middle value, or the base's (MERGE-051)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from swarmp2p.errors import MergeError
from swarmp2p.merge.reducers import step

INTEGER_RULES = ("max", "min", "median", "base")

Integers = npt.NDArray[np.int64]  # 1-D


def merge_integers(
    vectors: Sequence[Integers], rule: str = "max", base: Integers | None = None
) -> Integers:
    """Merge n int64 vectors of one length, element by element, into a new one.

    rule: "max", "min", "median" (the upper middle: sorted(v)[n // 2]) or "base", which gives the
    elements of `base`. base: the integer section of the base, of the same length; only the rule
    "base" reads it. Exact; the order of the vectors plays no part. Extra memory beside the result:
    none but for "median", at most 8 MiB.
    Raises MergeError for an unknown rule, no vectors, unequal lengths or dtypes, and "base" without
    a base.
    """
    if rule not in INTEGER_RULES:
        raise MergeError(
            f"unknown integer rule {rule!r:.80}; one of {', '.join(INTEGER_RULES)} is expected"
        )
    if not vectors:
        raise MergeError("no updates to merge")
    for k, vector in enumerate(vectors):
        _check(f"integer section of roster index {k}", vector, vectors[0].size)
    if base is not None:
        _check("integer section of the base", base, vectors[0].size)
    if rule == "base":
        if base is None:
            raise MergeError("integer rule 'base' without a base: give the base's integer section")
        return base.copy()
    if rule == "median":
        return _upper_middle(vectors)
    out = vectors[0].copy()
    pick = np.maximum if rule == "max" else np.minimum
    for vector in vectors[1:]:
        pick(out, vector, out=out)
    return out


def _check(what: str, vector: Integers, size: int) -> None:
    if vector.ndim != 1 or vector.size != size or vector.dtype != np.int64:
        raise MergeError(
            f"{what}: {vector.dtype}{list(vector.shape)}; int64[{size}], as the first update has, "
            "is expected"
        )


def _upper_middle(vectors: Sequence[Integers]) -> Integers:
    count, length = len(vectors), vectors[0].size
    size = step(count)
    out = np.empty(length, np.int64)
    scratch = np.empty((count, min(size, length)), np.int64)
    for low in range(0, length, size):
        block = scratch[:, : min(size, length - low)]
        for row, vector in zip(block, vectors, strict=True):
            row[:] = vector[low : low + size]
        block.partition(count // 2, axis=0)
        out[low : low + size] = block[count // 2]
    return out
