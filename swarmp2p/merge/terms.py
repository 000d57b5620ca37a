"""What a merge rule receives and returns."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from swarmp2p.errors import MergeError

Vector = npt.NDArray[np.floating[Any]]  # 1-D, float32 or float64: the compute dtype
Doubles = npt.NDArray[np.float64]

_FINITE_BLOCK = 1 << 17  # elements: the second look at a block finds it in the cache


def reach(block: Vector) -> float:
    """The largest magnitude in a block; infinity if there is NaN or infinity, 0 if it is empty."""
    if not block.size:
        return 0.0
    # two reductions that only read are cheaper than a mask: both carry NaN through
    largest = max(-float(np.minimum.reduce(block)), float(np.maximum.reduce(block)))
    return min(inf, largest)  # in this order, NaN gives infinity


def first_non_finite(vector: Vector) -> int | None:
    """Index of the first NaN or infinity, or None."""
    for start in range(0, vector.size, _FINITE_BLOCK):
        block = vector[start : start + _FINITE_BLOCK]
        if reach(block) == inf:
            return start + int(np.argmin(np.isfinite(block)))
    return None


class Pool(Protocol):
    """Threads lent to the engine; concurrent.futures.ThreadPoolExecutor is one."""

    def map(self, fn: Callable[[int], None], iterable: Iterable[int], /) -> Iterator[None]:
        """Run `fn` on each item; the iterator raises what `fn` raised."""
        ...


class Rows(Protocol):
    """n vectors of one length and dtype, seen block by block."""

    @property
    def count(self) -> int:
        """How many vectors."""
        ...

    @property
    def size(self) -> int:
        """Elements of each vector."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        ...

    def block(self, start: int, stop: int) -> Sequence[Vector]:
        """Elements [start, stop) of every vector, to be read only, good until the next call."""
        ...

    @property
    def scratch(self) -> int:
        """Rows of scratch memory that block() fills; 0 if it returns views."""
        ...

    def for_thread(self) -> "Rows":
        """The same vectors, with scratch memory of its own."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """One merge: n updates in roster order, and what else a rule may look at.

    `weights` are the integers after the cap of ARITHMETIC D2, `base` is the last merged vector,
    `stat` the slices (ascending, disjoint) that always merge by D4 and that no rule measures.

    Vectors are looked at for NaN and infinity while a kernel has them in the cache: whatever may
    come from one makes it call `scan`, which raises MergeError naming the culprit, or returns if
    finite values have overflowed. None: all of them are known to be finite.

    `products`: inner products that are there already, an array for each time that the rule measures
    (stages.gram_stages): float64 [segments, pairs], of the whole vectors also where `rows` are a
    part of them. Empty: gram.measure() computes them from the rows.
    """

    rows: Rows
    base: Vector
    weights: tuple[int, ...]
    stat: tuple[slice, ...] = ()
    pool: Pool | None = None
    threads: int = 1
    scan: Callable[[], None] | None = None
    products: tuple[Doubles, ...] = ()

    def suspect(self) -> None:
        """A kernel has met what a NaN or an infinity may have caused."""
        if self.scan is not None:
            self.scan()

    @property
    def shares(self) -> tuple[float, ...]:
        """w_k = f64(W_k) / f64(sum W)."""
        total = float(sum(self.weights))
        return tuple(float(weight) / total for weight in self.weights)


@dataclass(frozen=True, slots=True)
class Findings:
    """What a rule did beside writing the merged vector.

    `coefficients`: per roster index the factor of its update (rules that are no linear combination
    of the updates leave it empty). `outliers`: roster indices shut out by D13.
    """

    coefficients: tuple[float, ...] = ()
    outliers: tuple[int, ...] = ()


class MergeRule(Protocol):
    """A rule that turns n updates into one vector (ARITHMETIC D4 to D11)."""

    @property
    def name(self) -> str:
        """The name in the run manifest."""
        ...

    @property
    def min_peers(self) -> int:
        """The smallest roster the rule accepts."""
        ...

    @property
    def faults(self) -> str:
        """How many bad updates f the rule is built for, in words or as a formula of n."""
        ...

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write the merged vector, D5 included, to `out` (stat slices may hold anything).

        The bits do not depend on block sizes or threads. Raises MergeError when the number of
        updates is outside the rule's range.
        """
        ...


def require(rule: MergeRule, count: int) -> None:
    """Raise MergeError if `count` updates are outside the rule's range."""
    if count < rule.min_peers:
        raise MergeError(
            f"rule {rule.name!r} takes n >= {rule.min_peers} updates ({rule.faults}); there are "
            f"{count}"
        )


def within(stat: Sequence[slice], part: slice) -> tuple[slice, ...]:
    """What of the slices lies inside a part, counted from its start."""
    return tuple(
        slice(max(one.start, part.start) - part.start, min(one.stop, part.stop) - part.start)
        for one in stat
        if one.start < part.stop and one.stop > part.start
    )
