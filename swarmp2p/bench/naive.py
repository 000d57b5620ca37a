"""The merge rules and encodings as one writes them down in NumPy: the baseline of the benchmark.

Whole stacks and temporaries, no defined order of operations. The results are those of
swarmp2p.merge but for rounding.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmp2p.merge.order import trim
from swarmp2p.merge.reducers import BLOCK
from swarmp2p.merge.robust import selection_faults
from swarmp2p.wire.registry import INT8_BLOCK

Array = npt.NDArray[Any]
Rule = Callable[[list[Array], Array, Array], Array]  # updates, base, weights


def mean(rows: list[Array], _base: Array, weights: Array) -> Array:
    """np.average of the stack."""
    return np.asarray(np.average(np.stack(rows), axis=0, weights=weights))


def median(rows: list[Array], _base: Array, _weights: Array) -> Array:
    """np.median of the stack."""
    return np.asarray(np.median(np.stack(rows), axis=0))


def trimmed_mean(rows: list[Array], _base: Array, _weights: Array) -> Array:
    """Sort, cut, average."""
    drop = trim(len(rows))
    return np.asarray(np.sort(np.stack(rows), axis=0)[drop : len(rows) - drop].mean(axis=0))


def weighted_median(rows: list[Array], _base: Array, weights: Array) -> Array:
    """The first value at which the running weight reaches half."""
    stack = np.stack(rows)
    order = np.argsort(stack, axis=0, kind="stable")
    below = np.cumsum(weights[order], axis=0)
    first = np.argmax(2 * below >= weights.sum(), axis=0)
    at = np.take_along_axis(order, first[None], axis=0)
    return np.asarray(np.take_along_axis(stack, at, axis=0)[0])


def weighted_trimmed_mean(rows: list[Array], _base: Array, weights: Array) -> Array:
    """Sort with the weights, cut, average."""
    stack, drop = np.stack(rows), trim(len(rows))
    order = np.argsort(stack, axis=0, kind="stable")[drop : len(rows) - drop]
    kept, shares = np.take_along_axis(stack, order, axis=0), weights[order]
    return np.asarray((kept * shares).sum(axis=0) / shares.sum(axis=0))


def cclip(rows: list[Array], base: Array, weights: Array) -> Array:
    """Three steps of clipping, each over the whole vectors."""
    stack, shares = np.stack(rows), weights / weights.sum()
    tau = 2.0 * np.sort(np.linalg.norm(stack - base, axis=1))[len(rows) // 2]
    centre = base
    for _ in range(3):
        delta = stack - centre
        reach = np.maximum(np.linalg.norm(delta, axis=1), 1e-30)
        factor = (shares * np.minimum(1.0, tau / reach)).astype(base.dtype)
        centre = centre + (factor[:, None] * delta).sum(axis=0)
    return centre


def geometric_median(rows: list[Array], _base: Array, weights: Array) -> Array:
    """32 steps of Weiszfeld, each over the whole vectors."""
    stack, shares = np.stack(rows), weights / weights.sum()
    centre = np.average(stack, axis=0, weights=shares).astype(stack.dtype)
    for _ in range(32):
        beta = shares / np.maximum(np.linalg.norm(stack - centre, axis=1), 1e-30)
        factor = (beta / beta.sum()).astype(stack.dtype)
        centre = (factor[:, None] * stack).sum(axis=0)
    return np.asarray(centre)


def krum(rows: list[Array], _base: Array, _weights: Array) -> Array:
    """The update with the least score."""
    return rows[int(np.argmin(_scores(rows)))]


def multi_krum(rows: list[Array], _base: Array, _weights: Array) -> Array:
    """The mean of the best scores."""
    best = np.argsort(_scores(rows), kind="stable")[: len(rows) - selection_faults(len(rows))]
    return np.asarray(np.stack([rows[k] for k in best]).mean(axis=0))


def strict(rows: list[Array], base: Array, weights: Array) -> Array:
    """The trimmed mean, after mixing if there are 8 updates or more."""
    if len(rows) >= 8:
        near = len(rows) - selection_faults(len(rows))
        nearest = np.argsort(_squares(rows), axis=1, kind="stable")[:, :near]
        stack = np.stack(rows)
        rows = [stack[group].mean(axis=0) for group in nearest]
    return trimmed_mean(rows, base, weights)


def _squares(rows: list[Array]) -> Array:
    return np.array([[np.linalg.norm(x - y) ** 2 for y in rows] for x in rows])


def _scores(rows: list[Array]) -> Array:
    near = len(rows) - selection_faults(len(rows)) - 2
    return np.asarray(np.sort(_squares(rows), axis=1)[:, 1 : near + 1].sum(axis=1))


RULES: Mapping[str, Rule] = {
    "mean": mean,
    "cclip": cclip,
    "strict": strict,
    "median": median,
    "weighted_median": weighted_median,
    "trimmed_mean": trimmed_mean,
    "weighted_trimmed_mean": weighted_trimmed_mean,
    "geometric_median": geometric_median,
    "krum": krum,
    "multi_krum": multi_krum,
}


def passes(rows: list[Array], factors: list[float], out: Array) -> None:
    """The 2K - 1 passes of a sum of K scaled rows into `out`, block by block, and nothing else."""
    scratch = np.empty(min(BLOCK, out.size), out.dtype)
    alphas = [out.dtype.type(factor) for factor in factors]
    for start in range(0, out.size, BLOCK):
        block = out[start : start + BLOCK]
        term = scratch[: block.size]
        np.multiply(rows[0][start : start + BLOCK], alphas[0], out=block)
        for row, alpha in zip(rows[1:], alphas[1:], strict=True):
            np.multiply(row[start : start + BLOCK], alpha, out=term)
            np.add(block, term, out=block)


def encode_bf16(values: Array) -> bytes:
    """Round the upper halves to nearest even."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()


def decode_bf16(data: bytes) -> Array:
    """Widen."""
    return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)


def encode_int8(values: Array, base: Array) -> tuple[Array, Array]:
    """Scales and levels of whole blocks."""
    whole = values.size // INT8_BLOCK * INT8_BLOCK
    delta = (values - base)[:whole].reshape(-1, INT8_BLOCK)
    scale = np.abs(delta).max(axis=1, keepdims=True) / np.float32(127)
    return scale, np.rint(delta / scale).astype(np.int8)


def decode_int8(scale: Array, levels: Array, base: Array) -> Array:
    """Base and scaled levels of whole blocks."""
    return np.asarray(base[: levels.size] + (scale * levels.astype(np.float32)).reshape(-1))
