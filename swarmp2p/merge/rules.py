"""The merge itself and the registry of merge rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from swarmp2p.errors import MergeError
from swarmp2p.merge.order import Median, TrimmedMean, WeightedMedian, WeightedTrimmedMean
from swarmp2p.merge.plugins import SEPARATOR, own_rule
from swarmp2p.merge.reducers import Updates, check_arithmetic, merge_stat
from swarmp2p.merge.robust import (
    CentredClipping,
    GeometricMedian,
    Krum,
    Mean,
    MultiKrum,
    NearestNeighbourMixing,
    Strict,
)
from swarmp2p.merge.terms import MergeRule, Pool, Terms, Vector, first_non_finite, require

__all__ = ["MAX_WEIGHT", "MergeResult", "MergeRule", "merge", "rule_named", "rule_names", "weigh"]

MAX_WEIGHT = 2**32 - 1

_NNM = "nnm+"
_RULES: Mapping[str, Callable[[], MergeRule]] = {
    "mean": Mean,
    "cclip": CentredClipping,
    "strict": Strict,
    "median": Median,
    "weighted_median": WeightedMedian,
    "trimmed_mean": TrimmedMean,
    "weighted_trimmed_mean": WeightedTrimmedMean,
    "geometric_median": GeometricMedian,
    "krum": Krum,
    "multi_krum": MultiKrum,
}


@dataclass(frozen=True, slots=True)
class MergeResult:
    """A merged vector and what a receipt says about it.

    `weights_used`: the integers after D2's cap. `coefficients`: per roster index the factor of its
    update, rounded to the compute dtype; empty for rules that are no linear combination.
    `outliers`: roster indices that D13 shut out.
    """

    vector: Vector
    weights_used: tuple[int, ...]
    coefficients: tuple[float, ...]
    outliers: tuple[int, ...]


def rule_names() -> tuple[str, ...]:
    """The names that rule_named() knows; "nnm+" may stand before each but strict."""
    return tuple(_RULES)


def rule_named(name: str, params: Mapping[str, float] | None = None) -> MergeRule:
    """The rule of a run manifest, with its parameters (cclip's `radius`; no other of ours has any).

    PACKAGE:RULE is a rule of another package that is installed here (plugins.own_rule). Raises
    MergeError for an unknown name or parameter, or a value outside its range.
    """
    if SEPARATOR in name:
        return own_rule(name, params)
    if name.startswith(_NNM) and name != f"{_NNM}strict" and name[len(_NNM) :] in _RULES:
        return NearestNeighbourMixing(rule_named(name.removeprefix(_NNM), params))
    if name not in _RULES:
        raise MergeError(
            f"unknown merge rule {name!r:.80}; one of {', '.join(_RULES)} is expected, or nnm+ "
            "before one of them, or PACKAGE:RULE for one of your own"
        )
    given = dict(params or {})
    if not given:
        return _RULES[name]()
    radius = given.pop("radius", None) if name == "cclip" else None
    if given:
        known = "radius" if name == "cclip" else "it has none"
        raise MergeError(f"rule {name!r}: unknown parameter {min(given)!r}; known: {known}")
    if isinstance(radius, bool) or not isinstance(radius, int | float):
        raise MergeError(f"cclip: radius {radius!r}; a finite number above 0 is expected")
    return CentredClipping(float(radius))


def weigh(weights: Sequence[int], *, uniform: bool = False) -> tuple[int, ...]:
    """ARITHMETIC D2: cap declared weights at twice their upper median; never raise one.

    `uniform` replaces every weight by 1. Raises MergeError for weights outside 1..2^32-1.
    """
    for k, weight in enumerate(weights):
        if not 1 <= weight <= MAX_WEIGHT:
            raise MergeError(f"weight of roster index {k} is {weight}; 1 to 2^32-1 is expected")
    if uniform:
        return (1,) * len(weights)
    cap = 2 * sorted(weights)[len(weights) // 2]
    return tuple(min(int(weight), cap) for weight in weights)


def merge(
    updates: Sequence[Vector],
    base: Vector,
    weights: Sequence[int],
    rule: MergeRule,
    *,
    stat: Sequence[slice] = (),
    uniform: bool = False,
    name_element: Callable[[int], str] | None = None,
    pool: Pool | None = None,
    threads: int = 1,
    out: Vector | None = None,
) -> MergeResult:
    """Merge n updates in roster order (ascending public key) into a new vector, or into `out`.

    updates: n 1-D C-contiguous arrays, all float32 or all float64, of the length of `base`, the
    last merged vector. weights: declared, 1..2^32-1. stat: slices of the vector that always merge
    by D4. name_element: names an element in messages (layout.element_name). pool: threads to use;
    they change no bit of the result. out: like the base, and apart from base and updates; after an
    error it holds anything.
    Raises MergeError for shapes, dtypes or weights that do not fit, for NaN or infinity in an
    update (naming the roster index and the element) or in a base that the rule reads, and when n is
    outside the rule's range. Extra memory: at most 17 MB a thread for n up to 64.
    """
    terms = terms_of(
        updates,
        base,
        weights,
        rule,
        stat=stat,
        uniform=uniform,
        name_element=name_element,
        pool=pool,
        threads=threads,
    )
    return reduce(rule, terms, out)


def terms_of(
    updates: Sequence[Vector],
    base: Vector,
    weights: Sequence[int],
    rule: MergeRule,
    *,
    stat: Sequence[slice] = (),
    uniform: bool = False,
    name_element: Callable[[int], str] | None = None,
    pool: Pool | None = None,
    threads: int = 1,
) -> Terms:
    """What merge() gives to its rule, checked. Raises MergeError as it does."""
    check_arithmetic()
    count = len(updates)
    require(rule, count)
    if len(weights) != count:
        raise MergeError(f"{count} updates but {len(weights)} weights")
    check_vector("the base", base, base)
    for k, update in enumerate(updates):
        check_vector(f"the update of roster index {k}", update, base)
    used = weigh(weights, uniform=uniform)
    slices = check_stat(stat, base.size)

    @cache
    def scan() -> None:
        check_finite("the base", base, name_element)
        for k, update in enumerate(updates):
            check_finite(f"the update of roster index {k}", update, name_element)

    return Terms(Updates(tuple(updates)), base, used, slices, pool, threads, scan)


def reduce(rule: MergeRule, terms: Terms, out: Vector | None = None) -> MergeResult:
    """The merge with terms that have been checked, into a new vector or into `out`."""
    vector: Vector = np.empty_like(terms.base) if out is None else out
    _check_out(vector, terms)
    findings = rule.reduce(terms, vector)
    merge_stat(terms, vector)
    return MergeResult(vector, terms.weights, findings.coefficients, findings.outliers)


def check_vector(what: str, vector: Vector, base: Vector) -> None:
    """Raise MergeError unless `vector` is contiguous and of the base's dtype and length."""
    if vector.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise MergeError(f"{what} is {vector.dtype}; float32 or float64 is expected")
    if vector.ndim != 1 or not vector.flags.c_contiguous:
        raise MergeError(f"{what} has shape {vector.shape}; one contiguous dimension is expected")
    if vector.dtype != base.dtype or vector.size != base.size:
        raise MergeError(
            f"{what} is {vector.dtype}[{vector.size}]; like the base, {base.dtype}[{base.size}] "
            "is expected"
        )


def _check_out(out: Vector, terms: Terms) -> None:
    check_vector("out", out, terms.base)
    for vector in (terms.base, *terms.rows.block(0, terms.rows.size)):
        if np.may_share_memory(out, vector):
            raise MergeError("out overlaps the base or an update")


def check_finite(what: str, vector: Vector, name_element: Callable[[int], str] | None) -> None:
    """Raise MergeError naming the first NaN or infinity of a vector, if there is one."""
    index = first_non_finite(vector)
    if index is not None:
        element = name_element(index) if name_element else f"element {index}"
        raise MergeError(f"{what}: {element} is {vector[index]}; only finite values can be merged")


def check_stat(stat: Sequence[slice], size: int) -> tuple[slice, ...]:
    """The slices, if they are ascending, disjoint and within the vector. Raises MergeError."""
    end = 0
    for part in stat:
        if part.step not in (None, 1) or not end <= part.start <= part.stop <= size:
            raise MergeError(
                f"stat slice {part}: ascending, disjoint slices within 0..{size} are expected"
            )
        end = part.stop
    return tuple(stat)
