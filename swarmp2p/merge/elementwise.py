"""One step of an optimiser that works element by element, in place and block by block (MERGE-061).

Also the ranges of an optimiser's parameters (MERGE-060), which all such optimisers share.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import copysign, inf
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from swarmp2p.errors import MergeError
from swarmp2p.merge.reducers import check_arithmetic, settle, step, walk
from swarmp2p.merge.rules import check_stat, check_vector
from swarmp2p.merge.terms import Pool, Vector

__all__ = ["ElementWise", "Work", "carry_on"]

_MOST_STEPS = 2**63 - 1  # the step section is a signed 64-bit integer (07-chunks.md)
# real: one of Python's floats. An integer of the manifest is no real (MERGE-060)
_POSITIVE = "a finite real above 0 (a float)"
_FRACTION = "a real (a float) that is at least 0 and below 1, and not -0.0,"

# blocks of g, which becomes the way from b to x, of the state, and of scratch memory
Work = Callable[[Vector, Sequence[Vector], Sequence[Vector]], None]


class ElementWise(ABC):
    """What optimisers share; a subclass is a frozen dataclass whose fields are its parameters.

    `positive` and `fractions` name the fields of either range; `scratch` counts the blocks that
    the work of kernel() needs beside its vectors.
    """

    __slots__ = ()

    name: ClassVar[str]
    vectors: ClassVar[int]
    non_negative: ClassVar[tuple[int, ...]] = ()
    positive: ClassVar[tuple[str, ...]] = ()
    fractions: ClassVar[tuple[str, ...]] = ()
    scratch: ClassVar[int] = 0

    def __post_init__(self) -> None:
        for key in self.positive:
            value = getattr(self, key)
            if not isinstance(value, float) or not 0.0 < value < inf:
                self._refuse(key, _POSITIVE)
        for key in self.fractions:
            value = getattr(self, key)
            if not isinstance(value, float) or not 0.0 <= value < 1.0 or copysign(1.0, value) < 0:
                self._refuse(key, _FRACTION)

    def _refuse(self, key: str, expected: str) -> None:
        raise MergeError(
            f"optimiser {self.name!r}: {key} {getattr(self, key)!r:.80}; {expected} is expected"
        )

    def check(self, dtype: npt.DTypeLike) -> None:
        """Raise MergeError if one of `positive` is 0 or infinite when rounded to `dtype`."""
        kind = np.dtype(dtype)
        for key in self.positive:
            with np.errstate(over="ignore", under="ignore"):
                rounded = float(np.array(getattr(self, key)).astype(kind))
            if not 0.0 < rounded < inf:
                self._refuse(key, f"in {kind}, the compute type, it is {rounded}; {_POSITIVE}")

    @abstractmethod
    def kernel(self, dtype: np.dtype[Any], steps: int) -> Work:
        """The formula for the step to step count `steps`, with its factors in `dtype`.

        It is called with blocks of g = m - b, of the state and of `scratch` rows: it overwrites the
        state, and g with x - b.
        """

    def step(
        self,
        merged: Vector,
        base: Vector,
        state: Sequence[Vector],
        steps: int,
        *,
        stat: Sequence[slice] = (),
        pool: Pool | None = None,
        threads: int = 1,
    ) -> int:
        """As Optimiser.step says."""
        # this thread multiplies too: the factors of kernel()
        check_arithmetic()
        self._check_vectors(merged, base, state)
        if not 0 <= steps < _MOST_STEPS:
            raise MergeError(f"step count {steps}; 0 to 2^63 - 2 is expected")
        self.check(base.dtype)
        slices = check_stat(stat, base.size)
        edges = [0, *(edge for part in slices for edge in (part.start, part.stop)), base.size]
        gaps = list(zip(edges[::2], edges[1::2], strict=True))
        work = self.kernel(base.dtype, steps + 1)
        size = step(2 + len(state) + self.scratch)

        def run(start: int, stop: int) -> None:
            scratch: Vector = np.empty((self.scratch, min(size, stop - start)), base.dtype)
            for first, last in gaps:
                for low in range(max(first, start), min(last, stop), size):
                    high = min(last, stop, low + size)
                    m, b = merged[low:high], base[low:high]
                    np.subtract(m, b, out=m)
                    settle(m)
                    blocks = [vector[low:high] for vector in state]
                    work(m, blocks, [row[: high - low] for row in scratch])
                    np.add(b, m, out=m)
                    # whatever NaN was given or arose is in x, since x is made of everything
                    if not settle(m) and np.isnan(m).any():
                        raise MergeError(
                            f"optimiser {self.name!r}: NaN among elements {low} to {high - 1}: the "
                            "merged vector, the base or the state was not finite, or a state "
                            "vector that must not be was below 0"
                        )

        walk(base.size, run, pool, threads, align=size)
        for vector in state:
            for part in slices:
                vector[part] = 0  # MERGE-061: +0.0
        return steps + 1

    def _check_vectors(self, merged: Vector, base: Vector, state: Sequence[Vector]) -> None:
        check_vector("the base", base, base)
        check_vector("the merged vector", merged, base)
        if len(state) != self.vectors:
            raise MergeError(
                f"optimiser {self.name!r}: {len(state)} state vectors; {self.vectors} are expected"
            )
        for k, vector in enumerate(state):
            check_vector(f"state vector {k}", vector, base)
        apart = [base, merged, *state]
        for k, vector in enumerate(apart):
            if any(np.may_share_memory(vector, other) for other in apart[:k]):
                raise MergeError("the merged vector, the base and the state vectors overlap")


def carry_on(kept: Vector, factor: np.floating[Any], new: Vector) -> None:
    """Kept = (factor * kept) + new, then MERGE-012, on one block of a state vector."""
    np.multiply(kept, factor, out=kept)
    np.add(kept, new, out=kept)
    settle(kept)
