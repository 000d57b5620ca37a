"""Blocked, in-place accumulation in a defined order (ARITHMETIC D0, D4, D5).

Vectors are walked in blocks that fit the cache, so extra memory does not grow with their length
or number, and every element sees the same operations in the same order whatever the block size
or the number of threads.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np

from swarmp2p.errors import MergeError
from swarmp2p.merge.terms import Pool, Rows, Terms, Vector, reach
from swarmp2p.wire.registry import CHUNK_ELEMENTS

# elements: a chunk, 1 MiB of float32. Long runs keep the memory's prefetcher going (a quarter of
# that costs 40 % more), and two threads do not wait for each other's interpreter. The result is the
# same for every value; tests set others.
BLOCK = CHUNK_ELEMENTS
# elements in all scratch rows of a thread: 4 MiB of float32. More rows make shorter blocks.
SCRATCH = 1 << 20
# elements: below this a second thread costs more than it gains
PARALLEL_FROM = 1 << 18


@dataclass(frozen=True, slots=True)
class Updates:
    """Rows that lie in memory as n separate arrays."""

    arrays: tuple[Vector, ...]

    @property
    def count(self) -> int:
        """Number of vectors."""
        return len(self.arrays)

    @property
    def size(self) -> int:
        """Elements of each."""
        return int(self.arrays[0].size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.arrays[0].dtype

    @property
    def scratch(self) -> int:
        """None: blocks are views."""
        return 0

    def block(self, start: int, stop: int) -> Sequence[Vector]:
        """Views of the arrays."""
        return [array[start:stop] for array in self.arrays]

    def for_thread(self) -> Rows:
        """Itself: views need no scratch memory."""
        return self


@dataclass(frozen=True, slots=True)
class Mixed:
    """Rows y_i, each the D4 mean with equal weights of some of the rows below (ARITHMETIC D11).

    Computed block by block, never stored whole. Each y_i ends with D5, as every D4 mean does.
    """

    rows: Rows
    groups: tuple[tuple[int, ...], ...]
    _scratch: dict[int, Vector] = field(default_factory=dict, compare=False, repr=False)

    @property
    def count(self) -> int:
        """Number of vectors."""
        return len(self.groups)

    @property
    def size(self) -> int:
        """Elements of each."""
        return self.rows.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.rows.dtype

    @property
    def scratch(self) -> int:
        """One row for each mixed vector and one for each product."""
        return self.count + self.rows.count + self.rows.scratch

    def block(self, start: int, stop: int) -> Sequence[Vector]:
        """Mix one block of every row into scratch memory.

        All groups are of one size, so all have the same factor: each product is needed once.
        """
        size = stop - start
        scratch = self._scratch.get(0)
        if scratch is None or scratch.shape[1] < size:
            scratch = np.empty((self.count + self.rows.count, size), self.dtype)
            self._scratch[0] = scratch
        mixed: list[Vector] = [row[:size] for row in scratch[: self.count]]
        products: list[Vector] = [row[:size] for row in scratch[self.count :]]
        factor = self.dtype.type(1.0 / float(len(self.groups[0])))
        for values, product in zip(self.rows.block(start, stop), products, strict=True):
            np.multiply(values, factor, out=product)
        for group, out in zip(self.groups, mixed, strict=True):
            add_up([products[k] for k in group], out)
            settle(out)
        return mixed

    def for_thread(self) -> Rows:
        """The same mixing with scratch memory of its own."""
        return Mixed(self.rows.for_thread(), self.groups)


def check_arithmetic() -> None:
    """Raise MergeError if this thread flushes subnormals to zero (ARITHMETIC D0).

    Some libraries switch that on for the whole process when they are loaded.
    """
    tiny = np.array([2.0**-149, 2.0**-126], np.float32) * np.array([1.0, 0.5], np.float32)
    tiny_double = np.array([2.0**-1074, 2.0**-1022]) * np.array([1.0, 0.5])
    # compared as bits: with "subnormals are zero" a comparison would itself see zeros
    if not (tiny.view(np.uint32).all() and tiny_double.view(np.uint64).all()):
        raise MergeError(
            "this thread's processor mode flushes subnormal numbers to zero, so merges would not "
            "be exact; find the library that sets it (compiled with -ffast-math) and remove it"
        )


@contextmanager
def exact() -> Iterator[None]:
    """Check this thread's arithmetic; overflow is silent inside, since D5 clamps infinities."""
    check_arithmetic()
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        yield


def walk(
    size: int, work: Callable[[int, int], None], pool: Pool | None, threads: int, align: int = BLOCK
) -> None:
    """Call work(start, stop) over [0, size), one contiguous range per thread.

    Ranges start at multiples of `align`. Each thread works in exact().
    """
    parts = threads if pool is not None and size >= PARALLEL_FROM else 1
    cuts = [min(size, size * part // parts // align * align) for part in range(parts)] + [size]

    def one(part: int) -> None:
        with exact():
            work(cuts[part], cuts[part + 1])

    if pool is None or parts == 1:
        for part in range(parts):
            one(part)
    else:
        for _ in pool.map(one, range(parts)):
            pass


def step(rows: int) -> int:
    """Elements to work on at a time with that many rows of scratch memory."""
    size = BLOCK
    while size > 1 and size * rows > SCRATCH:
        size //= 2
    return size


def add_up(rows: Sequence[Vector], out: Vector) -> None:
    """Out = ((+0.0 + rows[0]) + rows[1]) + ... on one block, but for the sign of a zero result.

    The first sum is left out: it could only turn -0.0 into +0.0, and the caller ends with settle().
    """
    if len(rows) == 1:
        np.copyto(out, rows[0])
        return
    np.add(rows[0], rows[1], out=out)
    for values in rows[2:]:
        np.add(out, values, out=out)


def accumulate(
    block: Sequence[Vector], factors: Sequence[float], out: Vector, temporary: Vector
) -> None:
    """D4 on one block: acc = +0.0; for k ascending acc = acc + (alpha_k * x_k).

    alpha_k is `factors[k]` rounded to the dtype. acc begins with the first product instead of
    +0.0 plus it, and terms with a zero factor are left out: both can only change the sign of a zero
    result, which D5 settles; the caller therefore ends with settle().
    """
    scalar = out.dtype.type
    first = True
    for values, factor in zip(block, factors, strict=True):
        alpha = scalar(factor)
        if alpha == 0:
            continue
        if first:
            np.multiply(values, alpha, out=out)
            first = False
        else:
            np.multiply(values, alpha, out=temporary)
            np.add(out, temporary, out=out)
    if first:
        out[:] = 0


def settle(block: Vector) -> bool:
    """D5 on one block, in place: m + (+0.0), then clamp to +-the largest finite value.

    False if there was NaN (which stays) or infinity: then the caller looks at what it came from.
    """
    np.add(block, block.dtype.type(0), out=block)
    if reach(block) < inf:
        return True
    largest = np.finfo(block.dtype).max
    np.clip(block, -largest, largest, out=block)
    return False


def weighted_sum(terms: Terms, factors: Sequence[float], out: Vector) -> None:
    """D4 then D5 over whole vectors: out = sum of f32(factors[k]) * x_k, in roster order.

    out: 1-D, size and dtype of the rows, must not overlap them. Cost: n multiplies, n-1 adds.
    """
    rows = terms.rows
    size = step(rows.scratch + 1)

    def work(start: int, stop: int) -> None:
        own = rows.for_thread()
        temporary: Vector = np.empty(min(size, stop - start), rows.dtype)
        for low in range(start, stop, size):
            high = min(stop, low + size)
            block = out[low:high]
            accumulate(own.block(low, high), factors, block, temporary[: high - low])
            # NaN or infinity in an update that has a factor is still there after the sum
            if not settle(block):
                terms.suspect()

    walk(rows.size, work, terms.pool, terms.threads, align=size)


def shifted_sum(terms: Terms, factors: Sequence[float], out: Vector) -> None:
    """The end of D6 and D9, then D5: out = base + sum of f32(factors[k]) * (x_k - base).

    The updates have been measured: none holds NaN or infinity.
    """
    rows, scalar = terms.rows, out.dtype.type
    size = step(rows.scratch + 2)
    # 0 * an infinite delta (D13) would be NaN, so those are left out
    used = [k for k, factor in enumerate(factors) if scalar(factor) != 0]

    def work(start: int, stop: int) -> None:
        own = rows.for_thread()
        scratch: Vector = np.empty((2, min(size, stop - start)), rows.dtype)
        for low in range(start, stop, size):
            high = min(stop, low + size)
            total, delta = scratch[0, : high - low], scratch[1, : high - low]
            block, base = own.block(low, high), terms.base[low:high]
            for k in used:
                # as in accumulate(): the sign of a zero total does not outlive D5
                target = total if k == used[0] else delta
                np.subtract(block[k], base, out=target)
                np.multiply(target, scalar(factors[k]), out=target)
                if target is delta:
                    np.add(total, delta, out=total)
            np.add(base, total if used else scalar(0), out=out[low:high])
            settle(out[low:high])

    walk(rows.size, work, terms.pool, terms.threads, align=size)


def merge_stat(terms: Terms, out: Vector) -> None:
    """Overwrite the stat slices of `out` by D4 with the declared weights, D5 included."""
    for part in terms.stat:
        temporary: Vector = np.empty(min(BLOCK, part.stop - part.start), terms.rows.dtype)
        # cut where chunks are, so that rows that load chunks need one at a time
        cuts = [part.start, *range((part.start // BLOCK + 1) * BLOCK, part.stop, BLOCK), part.stop]
        for low, high in pairwise(cuts):
            with exact():
                rows = terms.rows.block(low, high)
                accumulate(rows, terms.shares, out[low:high], temporary[: high - low])
                if not settle(out[low:high]):
                    terms.suspect()
