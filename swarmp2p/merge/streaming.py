"""A merge that takes chunks as they come, from any peer, and gives the bits of rules.merge().

A chunk is handed over as an array, or as a function that loads it (from the chunk store): what
cannot be worked on yet is then not in memory. Four ways, by what the rule looks at:

- `mean`: acc = acc + (alpha_k * x_k) (D4) needs roster order, so chunk i of peer k is folded once
  chunk i of all peers before k has been. In memory: the result, and one chunk.
- Rules by rank merge chunk i when all n peers' chunk i is there. In memory: the result, n chunks.
- Rules that measure whole updates sum inner products (D3) segment by segment, each when all of it
  is there; result() adds the segments in ascending order and then goes through all chunks a second
  time. In memory: the result, n chunks, the products of one segment.

- A rule of another package works like one by rank if it says that it works by element; else it is
  called in result(), when all chunks are there. In memory: the result, n chunks.

Scratch memory is that of rules.merge() for one chunk. Arrays handed over stay in memory until they
have been used for the last time: with arrays instead of loaders, count them on top.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from math import inf
from typing import Any, Protocol

import numpy as np

from swarmp2p.errors import MergeError
from swarmp2p.merge import gram
from swarmp2p.merge.order import Median, TrimmedMean, WeightedMedian, WeightedTrimmedMean
from swarmp2p.merge.own import OwnRule
from swarmp2p.merge.reducers import Updates, exact, merge_stat, settle
from swarmp2p.merge.robust import CentredClipping, Mean, Strict
from swarmp2p.merge.rules import (
    MergeResult,
    check_finite,
    check_stat,
    check_vector,
    weigh,
)
from swarmp2p.merge.terms import Findings, MergeRule, Rows, Terms, Vector, reach, require
from swarmp2p.wire.registry import CHUNK_ELEMENTS

Source = Vector | Callable[[], Vector]
Name = Callable[[int], str]


def works_by_element(rule: MergeRule, count: int) -> bool:
    """Whether each merged element depends on the same element of the updates alone."""
    if isinstance(rule, Strict):
        return count <= 7
    if isinstance(rule, CentredClipping):
        return count <= 2
    if isinstance(rule, OwnRule):
        return rule.by_element
    return isinstance(rule, Mean | Median | WeightedMedian | TrimmedMean | WeightedTrimmedMean)


class StreamingMerge:
    """One merge of n updates, fed chunk by chunk in any order. After an error it is of no use.

    base, weights, stat, uniform, name_element: as for rules.merge(). chunk: elements of a chunk, a
    divisor of the segment; the last one of a vector may be shorter.
    """

    def __init__(
        self,
        base: Vector,
        weights: Sequence[int],
        rule: MergeRule,
        *,
        stat: Sequence[slice] = (),
        uniform: bool = False,
        name_element: Name | None = None,
        chunk: int = CHUNK_ELEMENTS,
    ) -> None:
        count = len(weights)
        require(rule, count)
        check_vector("the base", base, base)
        self._base, self._name = base, name_element or "element {}".format
        self._chunks = _Chunks(base, chunk, count)
        self._used = weigh(weights, uniform=uniform)
        self._out: Vector = np.empty_like(base)
        terms = Terms(
            self._chunks, base, self._used, check_stat(stat, base.size), scan=cache(self._scan)
        )
        self._work: _Work
        if isinstance(rule, Mean):
            self._work = _Fold(self._chunks, terms, self._out, self._name)
        elif works_by_element(rule, count):
            self._work = _ByChunk(self._chunks, terms, self._out, rule, self._name)
        elif isinstance(rule, OwnRule):
            self._work = _AtEnd(terms, self._out, rule)
        else:
            self._work = _Measure(self._chunks, terms, self._out, rule)

    def feed(self, peer: int, index: int, chunk: Source) -> None:
        """Take chunk `index` of the update of roster index `peer`, and do what it allows.

        Raises MergeError for a chunk that does not exist, came already, or does not fit, and for
        NaN or infinity (at the latest in result()).
        """
        self._chunks.put(peer, index, chunk)
        self._work.arrived(peer, index)

    def missing(self) -> tuple[int, int] | None:
        """The first (roster index, chunk) that has not been fed, or None."""
        return self._chunks.missing()

    def result(self) -> MergeResult:
        """The merge, as rules.merge() gives it. Raises MergeError; also if chunks are missing."""
        gap = self.missing()
        if gap is not None:
            raise MergeError(f"chunk {gap[1]} of roster index {gap[0]} has not been fed")
        found = self._work.finish()
        return MergeResult(self._out, self._used, found.coefficients, found.outliers)

    def _scan(self) -> None:
        """Name the first NaN or infinity in what is there, one chunk at a time."""
        check_finite("the base", self._base, self._name)
        for peer, index in self._chunks.held():
            self._chunks.check(self._chunks.load(peer, index), peer, index, self._name)


class _Chunks:
    """The chunks that are there, as Rows: block() loads what it covers, one column at a time."""

    def __init__(self, base: Vector, chunk: int, count: int) -> None:
        if chunk < 1 or gram.SEGMENT % chunk:
            raise MergeError(f"chunks of {chunk} elements do not fill a segment of {gram.SEGMENT}")
        self._base, self._chunk, self.count = base, chunk, count
        self.size, self.dtype = int(base.size), base.dtype
        self.chunks = -(-self.size // chunk)
        self.seen = np.zeros((count, self.chunks), np.bool_)
        self._sources: dict[tuple[int, int], Source] = {}
        self._column: tuple[int, list[Vector]] | None = None  # the one loaded last

    @property
    def scratch(self) -> int:
        """None: what block() loads is counted apart."""
        return 0

    @property
    def longest(self) -> int:
        """Elements of the longest chunk."""
        return min(self._chunk, self.size)

    def for_thread(self) -> Rows:
        """Itself: one thread streams."""
        return self

    def part(self, index: int) -> slice:
        """Where a chunk lies in the vector."""
        return slice(index * self._chunk, min(self.size, (index + 1) * self._chunk))

    def put(self, peer: int, index: int, chunk: Source) -> None:
        """Keep a chunk until it is used."""
        if not (0 <= peer < self.count and 0 <= index < self.chunks):
            raise MergeError(
                f"chunk {index} of roster index {peer}: there are {self.count} updates of "
                f"{self.chunks} chunks"
            )
        if self.seen[peer, index]:
            raise MergeError(f"chunk {index} of roster index {peer} was fed before")
        if isinstance(chunk, np.ndarray):
            self._check(peer, index, chunk)
        self._sources[peer, index] = chunk
        self.seen[peer, index] = True

    def waits(self, peer: int, index: int) -> bool:
        """Whether a chunk is there and has not been dropped."""
        return (peer, index) in self._sources

    def held(self) -> list[tuple[int, int]]:
        """All such chunks, by peer."""
        return sorted(self._sources)

    def index(self, element: int) -> int:
        """The chunk of an element."""
        return element // self._chunk

    def missing(self) -> tuple[int, int] | None:
        """The first (peer, chunk) that is not there."""
        if self.seen.all():
            return None
        peer, index = divmod(int(np.argmin(self.seen)), self.chunks)
        return peer, index

    def load(self, peer: int, index: int) -> Vector:
        """One chunk."""
        source = self._sources[peer, index]
        if isinstance(source, np.ndarray):
            return source
        chunk = source()
        self._check(peer, index, chunk)
        return chunk

    def column(self, index: int) -> list[Vector]:
        """That chunk of every update, in roster order."""
        if self._column is None or self._column[0] != index:
            self._column = None  # free the one before first
            self._column = index, [self.load(peer, index) for peer in range(self.count)]
        return self._column[1]

    def drop(self, index: int, peers: Sequence[int] | None = None) -> None:
        """Forget a chunk that is not needed again, of all updates or of these."""
        for peer in range(self.count) if peers is None else peers:
            del self._sources[peer, index]
        self._column = None

    def check(self, chunk: Vector, peer: int, index: int, name: Name) -> None:
        """Refuse NaN and infinity in a chunk."""
        start = index * self._chunk
        what = f"the update of roster index {peer}"
        check_finite(what, chunk, lambda at: name(start + at))

    def block(self, start: int, stop: int) -> Sequence[Vector]:
        """Elements [start, stop) of every update: views if they lie in one chunk, else copies."""
        first, last = start // self._chunk, (stop - 1) // self._chunk
        if first == last:
            low = first * self._chunk
            return [chunk[start - low : stop - low] for chunk in self.column(first)]
        copies: Any = np.empty((self.count, stop - start), self.dtype)
        for index in range(first, last + 1):
            part = self.part(index)
            low, high = max(start, part.start), min(stop, part.stop)
            for row, chunk in zip(copies, self.column(index), strict=True):
                row[low - start : high - start] = chunk[low - part.start : high - part.start]
        return list(copies)

    def _check(self, peer: int, index: int, chunk: Vector) -> None:
        check_vector(f"chunk {index} of roster index {peer}", chunk, self._base[self.part(index)])


class _Work(Protocol):
    """What a kind of rule does with a chunk that has arrived, and at the end."""

    def arrived(self, peer: int, index: int) -> None: ...

    def finish(self) -> Findings: ...


class _Fold:
    """D4 with each chunk as soon as those before it in the roster are in."""

    def __init__(self, chunks: _Chunks, terms: Terms, out: Vector, name: Name) -> None:
        self._chunks, self._out, self._name = chunks, out, name
        self._alphas = [out.dtype.type(share) for share in terms.shares]
        # kept: memory fresh from the system for each chunk costs more than the sum
        self._term: Vector = np.empty(chunks.longest, out.dtype)
        self._next = [0] * chunks.chunks  # per chunk, the roster index to fold next

    def arrived(self, peer: int, index: int) -> None:
        """Fold what has become next."""
        while peer == self._next[index]:
            self._add(peer, index, self._out[self._chunks.part(index)])
            self._chunks.drop(index, [peer])
            self._next[index] = peer + 1
            if self._chunks.waits(peer + 1, index):
                peer += 1

    def _add(self, peer: int, index: int, part: Vector) -> None:
        values = self._chunks.load(peer, index)
        if reach(values) == inf:
            self._chunks.check(values, peer, index, self._name)
        with exact():
            if peer == 0:
                np.multiply(values, self._alphas[0], out=part)
            else:
                term = self._term[: part.size]
                np.multiply(values, self._alphas[peer], out=term)
                np.add(part, term, out=part)
            if peer == self._chunks.count - 1:
                settle(part)

    def finish(self) -> Findings:
        """All is folded."""
        return Findings(tuple(float(alpha) for alpha in self._alphas))


class _ByChunk:
    """A rule that works by element, on a chunk when all updates have it."""

    def __init__(
        self, chunks: _Chunks, terms: Terms, out: Vector, rule: MergeRule, name: Name
    ) -> None:
        self._chunks, self._terms, self._out, self._rule = chunks, terms, out, rule
        self._name = name
        self._findings: Findings | None = None

    def arrived(self, _peer: int, index: int) -> None:
        """Merge the chunk if it was the last one missing."""
        if not self._chunks.seen[:, index].all():
            return
        part = self._chunks.part(index)
        terms = replace(
            self._terms,
            rows=Updates(tuple(self._chunks.column(index))),
            base=self._terms.base[part],
            stat=_within(self._terms.stat, part),
            scan=lambda: self._scan(index),
        )
        self._findings = self._rule.reduce(terms, self._out[part])
        merge_stat(terms, self._out[part])
        self._chunks.drop(index)

    def _scan(self, index: int) -> None:
        for peer, chunk in enumerate(self._chunks.column(index)):
            self._chunks.check(chunk, peer, index, self._name)

    def finish(self) -> Findings:
        """What the rule found is the same for every chunk."""
        return self._findings or self._rule.reduce(self._terms, self._out)


def _within(stat: Sequence[slice], part: slice) -> tuple[slice, ...]:
    """The slices inside a part, counted from its start."""
    return tuple(
        slice(max(one.start, part.start) - part.start, min(one.stop, part.stop) - part.start)
        for one in stat
        if one.start < part.stop and one.stop > part.start
    )


class _Measure:
    """A rule that needs inner products first, and then all chunks again."""

    def __init__(self, chunks: _Chunks, terms: Terms, out: Vector, rule: MergeRule) -> None:
        self._chunks, self._out, self._rule = chunks, out, rule
        segments = -(-chunks.size // gram.SEGMENT)
        products = np.zeros((segments, len(gram.pairs(chunks.count))))
        self._products = products
        self._terms = replace(terms, products=products)

    def arrived(self, _peer: int, index: int) -> None:
        """Sum the products of the segment if the chunk was the last one missing."""
        start = self._chunks.part(index).start
        segment = start // gram.SEGMENT
        low, high = segment * gram.SEGMENT, min((segment + 1) * gram.SEGMENT, self._chunks.size)
        chunks = slice(self._chunks.index(low), self._chunks.index(high - 1) + 1)
        if self._chunks.seen[:, chunks].all():
            with exact():
                self._products[segment] = gram.segment_products(
                    self._terms, self._chunks, low, high
                )

    def finish(self) -> Findings:
        """The second pass."""
        findings = self._rule.reduce(self._terms, self._out)
        merge_stat(self._terms, self._out)
        return findings


class _AtEnd:
    """A rule that looks at whole updates in its own way."""

    def __init__(self, terms: Terms, out: Vector, rule: MergeRule) -> None:
        self._terms, self._out, self._rule = terms, out, rule

    def arrived(self, _peer: int, _index: int) -> None:
        """Nothing to do yet."""

    def finish(self) -> Findings:
        """All at once."""
        findings = self._rule.reduce(self._terms, self._out)
        merge_stat(self._terms, self._out)
        return findings
