"""Circuits of minimum and maximum that find ranks in whole blocks at once.

A sorting network (Batcher's merge exchange, Knuth 5.2.2 M) loses every comparator that the wanted
ranks do not need; a weighted median is a tree of clamps. Both choose among the given values and
round nothing. Which of +0.0 and -0.0 comes out first is left open, and made irrelevant by D5.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import NamedTuple

import numpy as np

from swarmp2p.merge.terms import Vector, reach

# distinct sums of weights that a clamp tree may look at: more would make it larger than the
# comparison of all pairs
_MOST_SUMS = 1 << 10


class Comparator(NamedTuple):
    """Sorts two wires: the minimum goes to `low`, the maximum to `high`, if they are needed.

    `watch_low`, `watch_high`: whether to look at the extreme of the result; see Plan.
    """

    low: int
    high: int
    need_low: bool
    need_high: bool
    watch_low: bool = False
    watch_high: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A pruned sorting network, and where it must be watched to see every input's range.

    A minimum is at most as large as each value that went into it, and NaN passes through both
    operations: so the least values of a few minima and the greatest of a few maxima bound all
    inputs, for less than a look at each of them. `unwatched` inputs must be looked at themselves.
    """

    comparators: tuple[Comparator, ...]
    unwatched: tuple[int, ...]


@lru_cache(maxsize=64)
def network(count: int, first: int, last: int) -> Plan:
    """Bring ranks first..last (inclusive) of `count` values to those wires.

    The two lowest of them may come in either order: their sum is the same.
    """
    comparators = _merge_exchange(count)
    live = set(range(first, last + 1))
    pair = {first, first + 1} & live
    kept: list[Comparator] = []
    for low, high in reversed(comparators):
        if {low, high} == pair:
            continue  # nothing after it looks at the order of the two
        if low in live or high in live:
            kept.append(Comparator(low, high, low in live, high in live))
            pair -= {low, high}
            live |= {low, high}
    return _watched(count, kept[::-1])


def _merge_exchange(count: int) -> list[tuple[int, int]]:
    comparators: list[tuple[int, int]] = []
    top = 1 << max(count - 1, 1).bit_length() - 1
    p = top
    while p:
        q, r, d = top, 0, p
        while True:
            comparators += [(i, i + d) for i in range(count - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return comparators


def _watched(count: int, comparators: Sequence[Comparator]) -> Plan:
    """Choose a few minima that together are below all inputs, and maxima above all."""
    below = [frozenset([k]) for k in range(count)]
    above = list(below)
    minima: dict[int, frozenset[int]] = {}
    maxima: dict[int, frozenset[int]] = {}
    for at, (low, high, *_) in enumerate(comparators):
        minima[at] = below[low] | below[high]
        maxima[at] = above[low] | above[high]
        below[low], below[high] = minima[at], below[low] & below[high]
        above[low], above[high] = above[low] & above[high], maxima[at]
    lows, low_rest = _cover(count, {at: s for at, s in minima.items() if comparators[at].need_low})
    highs, high_rest = _cover(
        count, {at: s for at, s in maxima.items() if comparators[at].need_high}
    )
    marked = tuple(
        one._replace(watch_low=at in lows, watch_high=at in highs)
        for at, one in enumerate(comparators)
    )
    return Plan(marked, tuple(sorted(low_rest | high_rest)))


def _cover(count: int, sets: dict[int, frozenset[int]]) -> tuple[set[int], set[int]]:
    """Comparators whose sets cover the inputs, the largest first, and the inputs in none."""
    rest, chosen = set(range(count)), set[int]()
    while rest and sets:
        best = max(sets, key=lambda at: len(sets[at] & rest))
        if not sets[best] & rest:
            break
        chosen.add(best)
        rest -= sets[best]
    return chosen, rest


def sort(
    block: Sequence[Vector], plan: Plan, free: list[Vector], *, watch: bool
) -> tuple[list[Vector], float]:
    """Run the network; also the reach of all inputs, if `watch`, else infinity.

    `free`: n + 1 scratch rows; the inputs are only read.
    """
    wires, owned = list(block), [False] * len(block)
    reaches = [reach(block[k]) for k in plan.unwatched] if watch else [inf]
    for one in plan.comparators:
        x, y = wires[one.low], wires[one.high]
        spare = [row for row, own in ((x, owned[one.low]), (y, owned[one.high])) if own]
        if one.need_low:
            # a result replaces one of its operands as soon as the other result is not waiting
            low = free.pop() if one.need_high or not spare else spare.pop()
            wires[one.low] = np.minimum(x, y, out=low)
        if one.need_high:
            wires[one.high] = np.maximum(x, y, out=spare.pop() if spare else free.pop())
        free += spare
        owned[one.low], owned[one.high] = one.need_low, one.need_high
        if watch and one.watch_low:
            reaches.append(min(inf, -float(np.minimum.reduce(wires[one.low]))))
        if watch and one.watch_high:
            reaches.append(min(inf, float(np.maximum.reduce(wires[one.high]))))
    return wires, max(reaches, default=0.0)


class Clamp(NamedTuple):
    """min(max(x_row, above), below) with values of the next level; None leaves one out."""

    row: int
    above: int | None
    below: int | None


@lru_cache(maxsize=64)
def clamp_tree(weights: tuple[int, ...]) -> tuple[tuple[Clamp, ...], ...] | None:
    """Levels of clamps, the last first, that find the weighted median of D7; None if too many.

    The median is the least v such that the rows up to v have half of the weight: the minimum, over
    all sets of rows with that much weight, of their maximum. With g(i, r) for rows i.. and a weight
    of at least r: g(i, r) = min(max(x_i, g(i+1, r - W_i)), g(i+1, r)). Thresholds between the same
    two sums of weights are one.
    """
    # the heaviest first: large weights leave few different thresholds
    rows = sorted(range(len(weights)), key=lambda k: -weights[k])
    sums = [[0]]  # of every subset of the rows after i, ascending, the last row's first
    for k in reversed(rows):
        sums.append(sorted({total + part for total in sums[-1] for part in (0, weights[k])}))
        if len(sums[-1]) > _MOST_SUMS:
            return None
    wanted = [-(-sum(weights) // 2)]
    levels: list[tuple[Clamp, ...]] = []
    for k, below in zip(rows, reversed(sums[:-1]), strict=True):
        needed: dict[int, int] = {}
        levels.append(
            tuple(
                Clamp(
                    k,
                    _node(threshold - weights[k], below, needed),
                    _node(threshold, below, needed),
                )
                for threshold in wanted
            )
        )
        wanted = list(needed)
        if not wanted:
            break
    return tuple(reversed(levels))


def _node(threshold: int, sums: Sequence[int], needed: dict[int, int]) -> int | None:
    """Where the next level has this threshold; None if all or no sets of its rows reach it."""
    if threshold <= 0 or threshold > sums[-1]:
        return None
    least = sums[bisect_left(sums, threshold)]
    return needed.setdefault(least, len(needed))


def clamp(block: Sequence[Vector], levels: Sequence[Sequence[Clamp]], free: list[Vector]) -> Vector:
    """Run the tree. `free`: twice as many scratch rows as its widest level has clamps."""
    values: list[Vector] = []
    owned: list[Vector] = []
    for level in levels:
        following: list[Vector] = []
        rows: list[Vector] = []
        for one in level:
            value = block[one.row]
            if one.above is not None:
                rows.append(free.pop())
                value = np.maximum(value, values[one.above], out=rows[-1])
            if one.below is not None:
                if value is block[one.row]:
                    rows.append(free.pop())
                value = np.minimum(value, values[one.below], out=rows[-1])
            following.append(value)
        free += owned
        values, owned = following, rows
    return values[0]
