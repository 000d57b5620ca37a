"""Server optimisers: take the rule's result as a step of a common optimiser (MERGE-060 to 064).

All peers make the same step on the same numbers. The state is part of the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from swarmp2p.errors import MergeError
from swarmp2p.merge.elementwise import ElementWise, Work, carry_on
from swarmp2p.merge.reducers import settle
from swarmp2p.merge.terms import Pool, Vector

__all__ = [
    "FedAdam",
    "FedAvgM",
    "Nesterov",
    "NoOptimiser",
    "Optimiser",
    "optimiser_named",
    "optimiser_names",
    "power",
]


class Optimiser(Protocol):
    """What turns the merged vector m, the base b and a state into the new model and state."""

    @property
    def name(self) -> str:
        """The name in the run manifest."""
        ...

    @property
    def vectors(self) -> int:
        """How many state vectors it has; with 0 the model has no step section either."""
        ...

    @property
    def non_negative(self) -> tuple[int, ...]:
        """Indices of the state vectors that must not have an element below 0."""
        ...

    def check(self, dtype: npt.DTypeLike) -> None:
        """Raise MergeError if a parameter that must stay finite and above 0 does not in `dtype`."""
        ...

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
        """Overwrite `merged` with the new model and `state` with the new state; the new step count.

        merged: what the rule gave (rules.merge), 1-D, float32 or float64. base and each of `state`:
        of its dtype and length, all finite, none overlapping another; `state` and `steps` are those
        of the base. stat: slices of running statistics: they are left as merged, and are +0.0 in
        the state. pool: threads to use; neither they nor block sizes change a bit of the result.
        Raises MergeError for vectors, a number of them or a step count that do not fit, for
        parameters that check() refuses, and where NaN comes out (then something that was given is
        not finite, or below 0 against `non_negative`); after that the vectors hold anything.
        """
        ...


def optimiser_names() -> tuple[str, ...]:
    """The names that optimiser_named() knows."""
    return tuple(_OPTIMISERS)


def optimiser_named(
    name: str, params: Mapping[str, Any] | None = None, dtype: npt.DTypeLike | None = None
) -> Optimiser:
    """The optimiser of a run manifest; parameters that are not given have their defaults.

    params: floats; an integer is refused, since it is no real on the wire. dtype: the schema's
    compute type, float32 or float64. With it, lr and tau are also checked as rounded to it; without
    it step() checks that, which is too late to refuse a run.
    Raises MergeError for an unknown name or parameter, or a value outside its range (MERGE-060).
    """
    if name not in _OPTIMISERS:
        raise MergeError(
            f"unknown optimiser {name!r:.80}; one of {', '.join(_OPTIMISERS)} is expected"
        )
    kind, given = _OPTIMISERS[name], dict(params or {})
    known = [field.name for field in fields(kind)]
    unknown = [key for key in given if key not in known]
    if unknown:
        raise MergeError(
            f"optimiser {name!r}: unknown parameter {min(unknown)!r:.80}; known: "
            f"{', '.join(known) or 'it has none'}"
        )
    optimiser = kind(**given)
    if dtype is not None:
        optimiser.check(dtype)
    return optimiser


@dataclass(frozen=True, slots=True)
class NoOptimiser:
    """The model is what the rule gave. No parameters, no state, no step count, no cost."""

    name: ClassVar[str] = "none"
    vectors: ClassVar[int] = 0
    non_negative: ClassVar[tuple[int, ...]] = ()

    def check(self, dtype: npt.DTypeLike) -> None:
        """Nothing to refuse."""

    def step(
        self,
        merged: Vector,  # noqa: ARG002 - it stays as it is
        base: Vector,  # noqa: ARG002
        state: Sequence[Vector],
        steps: int,
        *,
        stat: Sequence[slice] = (),  # noqa: ARG002
        pool: Pool | None = None,  # noqa: ARG002
        threads: int = 1,  # noqa: ARG002
    ) -> int:
        """Leave `merged` and the step count as they are. Raises MergeError if there is a state."""
        if state:
            raise MergeError(f"optimiser 'none': {len(state)} state vectors; 0 are expected")
        return steps


@dataclass(frozen=True, slots=True)
class FedAvgM(ElementWise):
    """Server momentum, MERGE-062 (Reddi et al., "Adaptive Federated Optimization", ICLR 2021).

    g = m - b; v' = momentum * v + g; x = b + lr * v'. One state vector: v.
    lr: finite and above 0, also when rounded to the compute type; 1.0. momentum: at least 0 and
    below 1; 0.9. Momentum 0 with lr 1 gives m, up to rounding.
    Cost: 2 multiplies and 3 adds an element, no scratch memory.
    """

    lr: float = 1.0
    momentum: float = 0.9

    name: ClassVar[str] = "fedavgm"
    vectors: ClassVar[int] = 1
    positive: ClassVar[tuple[str, ...]] = ("lr",)
    fractions: ClassVar[tuple[str, ...]] = ("momentum",)

    def kernel(self, dtype: np.dtype[Any], steps: int) -> Work:  # noqa: ARG002 - no bias to correct
        """The formula above; state: (v,)."""
        lr, momentum = dtype.type(self.lr), dtype.type(self.momentum)

        def work(g: Vector, state: Sequence[Vector], _scratch: Sequence[Vector]) -> None:
            (v,) = state
            carry_on(v, momentum, g)
            np.multiply(v, lr, out=g)

        return work


@dataclass(frozen=True, slots=True)
class Nesterov(ElementWise):
    """Nesterov momentum, MERGE-063: the outer optimiser of DiLoCo (Douillard et al., 2023).

    g = m - b; v' = momentum * v + g; x = b + lr * (g + momentum * v'). One state vector: v. The
    form is that of Sutskever et al. (ICML 2013).
    lr: finite and above 0, also when rounded to the compute type; 0.7. momentum: at least 0 and
    below 1; 0.9. Momentum 0 with lr 1 gives m, up to rounding.
    Cost: 3 multiplies and 4 adds an element, one block of scratch memory a thread.
    """

    lr: float = 0.7
    momentum: float = 0.9

    name: ClassVar[str] = "nesterov"
    vectors: ClassVar[int] = 1
    positive: ClassVar[tuple[str, ...]] = ("lr",)
    fractions: ClassVar[tuple[str, ...]] = ("momentum",)
    scratch: ClassVar[int] = 1

    def kernel(self, dtype: np.dtype[Any], steps: int) -> Work:  # noqa: ARG002 - no bias to correct
        """The formula above; state: (v,)."""
        lr, momentum = dtype.type(self.lr), dtype.type(self.momentum)

        def work(g: Vector, state: Sequence[Vector], scratch: Sequence[Vector]) -> None:
            (v,), (ahead,) = state, scratch
            carry_on(v, momentum, g)
            np.multiply(v, momentum, out=ahead)
            np.add(g, ahead, out=g)
            np.multiply(g, lr, out=g)

        return work


@dataclass(frozen=True, slots=True)
class FedAdam(ElementWise):
    """Adam on the server, MERGE-064 (Reddi et al., ICLR 2021; Kingma and Ba, ICLR 2015).

    g = m - b; u' = beta1 * u + (1 - beta1) * g; v' = beta2 * v + (1 - beta2) * g^2;
    x = b + lr * p / (sqrt(s) + tau), where p = u' / (1 - beta1^t) and s = v' / (1 - beta2^t) are
    the two without the bias of their start from zero, and t is the new step count.
    Two state vectors: u and v; no element of v is below 0.
    lr 0.01 and tau 0.001: finite and above 0, also when rounded to the compute type. beta1 0.9 and
    beta2 0.99: at least 0 and below 1.
    Cost: 8 multiplies, 5 adds, a division and a square root an element, one block of scratch memory
    a thread, and at most 2 * t multiplies once.
    """

    lr: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 0.001

    name: ClassVar[str] = "fedadam"
    vectors: ClassVar[int] = 2
    non_negative: ClassVar[tuple[int, ...]] = (1,)
    positive: ClassVar[tuple[str, ...]] = ("lr", "tau")
    fractions: ClassVar[tuple[str, ...]] = ("beta1", "beta2")
    scratch: ClassVar[int] = 1

    def kernel(self, dtype: np.dtype[Any], steps: int) -> Work:
        """The formula above; state: (u, v)."""
        scalar = dtype.type
        lr, tau = scalar(self.lr), scalar(self.tau)
        kept1, kept2 = scalar(self.beta1), scalar(self.beta2)
        new1, new2 = scalar(1.0 - self.beta1), scalar(1.0 - self.beta2)
        unbias1 = scalar(1.0 / (1.0 - power(self.beta1, steps)))
        unbias2 = scalar(1.0 / (1.0 - power(self.beta2, steps)))

        def work(g: Vector, state: Sequence[Vector], scratch: Sequence[Vector]) -> None:
            (u, v), (spare,) = state, scratch
            np.multiply(g, new1, out=spare)
            carry_on(u, kept1, spare)
            np.multiply(g, g, out=spare)
            np.multiply(spare, new2, out=spare)
            carry_on(v, kept2, spare)
            np.multiply(v, unbias2, out=spare)
            settle(spare)
            np.sqrt(spare, out=spare)
            np.add(spare, tau, out=spare)
            np.multiply(u, unbias1, out=g)
            settle(g)
            np.divide(g, spare, out=g)
            np.multiply(g, lr, out=g)

        return work


_OPTIMISERS: Mapping[str, type[NoOptimiser | FedAvgM | Nesterov | FedAdam]] = {
    kind.name: kind for kind in (NoOptimiser, FedAvgM, Nesterov, FedAdam)
}


def power(beta: float, count: int) -> float:
    """pow(beta) of MERGE-064: the binary64 product of `count` factors beta, one after the other.

    It may stop early: once a factor changes nothing, no further one does. The rounded products of a
    beta below 1 come to that, at 0 or at a subnormal number that rounds back to itself.
    """
    product = 1.0
    for _ in range(count):
        further = product * beta
        if further == product:
            break
        product = further
    return product
