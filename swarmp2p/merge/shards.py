"""Merging a model in shards, each by its owner, with the bits of rules.merge() on the whole.

A shard is a run of whole segments. Its owner has the elements of the shard of all n updates and of
the base, and nothing else. A rule that works by element is merged at once. For one that measures,
the owners first do this once for each of its stages (0 to 2, stages.gram_stages):

    merge.add_products(join_products(everybody's shards, everybody's merge.own_products()))

What is added is then the same at all of them, so every shard is merged with the same coefficients;
weights_used, coefficients and outliers come out equal in every shard. Own products travel as Gram
blobs (gram_blob.py). Whoever doubts a shard recomputes segments of it: check_shard_segment().
StreamingMerge(shard=...) does the same with chunks as they come.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from swarmp2p.errors import MergeError
from swarmp2p.merge import gram
from swarmp2p.merge.gram_blob import words_of
from swarmp2p.merge.rules import MergeResult, check_stat, check_vector, reduce, terms_of
from swarmp2p.merge.stages import gram_stages, next_measured
from swarmp2p.merge.terms import Doubles, MergeRule, Pool, Vector, within


@dataclass(frozen=True, slots=True)
class Shard:
    """Segments [first, last) of a float section of `size` elements; empty if first == last.

    Raises MergeError if the section does not have them.
    """

    size: int
    first: int
    last: int

    def __post_init__(self) -> None:
        if not (self.size >= 0 and 0 <= self.first <= self.last <= self.segments):
            raise MergeError(
                f"segments {self.first} to {self.last} of a vector of {self.size} elements; it has "
                f"{self.segments}"
            )

    @classmethod
    def whole(cls, size: int) -> "Shard":
        """The one shard that is everything."""
        return cls(size, 0, -(-size // gram.SEGMENT))

    @property
    def segments(self) -> int:
        """How many segments the whole vector has."""
        return -(-self.size // gram.SEGMENT)

    @property
    def part(self) -> slice:
        """Its elements."""
        ends = (min(self.size, segment * gram.SEGMENT) for segment in (self.first, self.last))
        return slice(*ends)

    def single(self) -> "list[Shard]":
        """Each of its segments as a shard of its own."""
        return [Shard(self.size, one, one + 1) for one in range(self.first, self.last)]

    def check_size(self, base: Vector) -> None:
        """Raise MergeError unless `base` has the shard's length."""
        expected = self.part.stop - self.part.start
        if base.size != expected:
            raise MergeError(
                f"a base of {base.size} elements for segments {self.first} to {self.last}; they "
                f"have {expected}"
            )


def cut(size: int, shards: int) -> tuple[Shard, ...]:
    """`size` elements as so many shards, ascending, whose segments differ by one at most.

    Shard i of m has segments i*S//m to (i+1)*S//m of S; with more shards than segments some are
    empty. Raises MergeError for less than one shard.
    """
    if shards < 1:
        raise MergeError(f"{shards} shards; at least 1 is expected")
    segments = Shard.whole(size).segments
    ends = [segments * index // shards for index in range(shards + 1)]
    return tuple(Shard(size, ends[index], ends[index + 1]) for index in range(shards))


def join_products(shards: Sequence[Shard], products: Sequence[Doubles], count: int) -> Doubles:
    """The rows of all segments, ascending, from those of each shard: float64 [segments, pairs].

    shards: in any order; together they are the whole vector, each segment once. products: of one
    stage, in the order of the shards. Raises MergeError if something is missing or does not fit.
    """
    ordered = sorted(
        zip(shards, products, strict=True), key=lambda one: (one[0].first, one[0].last)
    )
    end = 0
    for shard, rows in ordered:
        if shard.first != end or shard.size != ordered[0][0].size:
            raise MergeError(
                f"a shard of segments {shard.first} to {shard.last}; one that begins with {end} is "
                "expected: shards are cuts of one vector and leave nothing out"
            )
        _check_rows(rows, shard.last - shard.first, count)
        end = shard.last
    if not ordered or end != ordered[0][0].segments:
        raise MergeError(f"the last shards are missing: there are products of {end} segments")
    return np.concatenate([rows for _, rows in ordered])


def check_products(products: Doubles, shard: Shard, count: int) -> None:
    """Raise MergeError unless these are a stage's rows of all segments of the whole vector."""
    _check_rows(products, shard.segments, count)


def _check_rows(products: Doubles, segments: int, count: int) -> None:
    expected = segments, len(gram.pairs(count))
    if products.dtype != np.float64 or products.shape != expected:
        raise MergeError(
            f"products are {products.dtype}{list(products.shape)}; float64{list(expected)}, a row "
            f"for each segment, are expected of {count} updates"
        )


class ShardMerge:
    """One shard of a merge, by its owner. Every method raises MergeError as rules.merge() does.

    updates, base: 1-D arrays of the shard's elements, all float32 or all float64. weights, uniform,
    pool, threads: as for rules.merge(). stat, name_element: count elements of the whole vector.
    Refuses a rule of another package that does not say that it works by element. Extra memory: as
    rules.merge(), and the products, 4 n (n+1) bytes per segment of the whole; nothing is stacked.
    """

    def __init__(
        self,
        shard: Shard,
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
    ) -> None:
        shard.check_size(base)
        name, start = name_element or "element {}".format, shard.part.start
        self._terms = terms_of(
            updates,
            base,
            weights,
            rule,
            stat=within(check_stat(stat, shard.size), shard.part),
            uniform=uniform,
            name_element=lambda at: name(start + at),
            pool=pool,
            threads=threads,
        )
        self._shard, self._rule = shard, rule
        self._stages = gram_stages(rule, len(updates))

    def stages_left(self) -> int:
        """How many stages' products are still to be added; 0 for rules that work by element."""
        return self._stages - len(self._terms.products)

    def own_products(self) -> Doubles:
        """This shard's rows of the stage at hand: float64 [its segments, n(n+1)/2].

        Pairs (k, j) with j >= k, ascending by k, then j. Cost: n(n+1)/2 multiplies and adds in
        float64 per element; in a second stage n(n-f) more in the compute dtype. Raises MergeError
        also if no stage is left.
        """
        self._check_stage()
        rows = gram.all_products(next_measured(self._rule, self._terms))
        # a sum of squares is NaN or infinite if an element was
        if not np.isfinite(rows).all():
            self._terms.suspect()
        return rows

    def add_products(self, products: Doubles) -> None:
        """The stage's rows of all segments of the whole vector, as join_products() makes them."""
        self._check_stage()
        check_products(products, self._shard, self._terms.rows.count)
        known = (*self._terms.products, gram.total(products))
        self._terms = replace(self._terms, products=known)

    def result(self, out: Vector | None = None) -> MergeResult:
        """The merged shard, in a new vector or in `out` (as for rules.merge())."""
        if self.stages_left():
            raise MergeError(
                f"{self.stages_left()} stages of inner products of all shards are to be added "
                "before a shard can be merged"
            )
        if self._stages:
            self._terms.suspect()  # what has been measured is taken to be finite
        return reduce(self._rule, self._terms, out)

    def _check_stage(self) -> None:
        if not self.stages_left():
            raise MergeError(
                f"rule {self._rule.name!r} has {self._stages} stages for {self._terms.rows.count} "
                "updates, and their products have been added: nothing is left to measure"
            )


@dataclass(frozen=True, slots=True)
class WrongSegment:
    """What check_shard_segment() found, the first of it.

    stage: 0 or 1 for a wrong inner product, that of the updates `pair`; None for a wrong element of
    the merged vector, `element` of the whole one.
    """

    segment: int
    stage: int | None
    pair: tuple[int, int] | None
    element: int | None
    claimed: float
    right: float


def check_shard_segment(
    segment: Shard,
    updates: Sequence[Vector],
    base: Vector,
    weights: Sequence[int],
    rule: MergeRule,
    *,
    merged: Vector,
    products: Sequence[Doubles] = (),
    stat: Sequence[slice] = (),
    uniform: bool = False,
) -> WrongSegment | None:
    """Recompute one segment and compare it, to the bit, with what its owner published; None: right.

    segment: a Shard of one segment. updates, base: its elements only. merged: what the owner says
    they become, like the base. products: of every stage of the rule, all segments of the whole
    vector, as they were published. The other segments' products are taken as they stand, right or
    wrong: nobody is blamed for what another did. Any NaN product equals any other.
    Cost: the rule's, of one segment. Raises MergeError as ShardMerge does.
    """
    if segment.last != segment.first + 1:
        raise MergeError(f"segments {segment.first} to {segment.last}; one segment is expected")
    check_vector("the merged segment", merged, base)
    merge = ShardMerge(segment, updates, base, weights, rule, stat=stat, uniform=uniform)
    if len(products) != merge.stages_left():
        raise MergeError(
            f"products of {len(products)} stages; rule {rule.name!r} has {merge.stages_left()} for "
            f"{len(updates)} updates"
        )
    for stage, claimed in enumerate(products):
        check_products(claimed, segment, len(updates))
        at = segment.first
        own = merge.own_products()[0]
        place = _first(words_of(claimed[at]) != words_of(own))
        if place is not None:
            pair = gram.pairs(len(updates))[place]
            return WrongSegment(at, stage, pair, None, float(claimed[at, place]), float(own[place]))
        merge.add_products(claimed)
    right = merge.result().vector
    place = _first(_bits(merged) != _bits(right))
    if place is None:
        return None
    element = segment.part.start + place
    return WrongSegment(
        segment.first, None, None, element, float(merged[place]), float(right[place])
    )


def _bits(vector: Vector) -> npt.NDArray[np.unsignedinteger]:
    return vector.view(np.uint32 if vector.itemsize == 4 else np.uint64)


def _first(wrong: npt.NDArray[np.bool_]) -> int | None:
    return int(np.argmax(wrong)) if wrong.any() else None
