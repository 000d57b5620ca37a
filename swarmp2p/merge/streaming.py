"""A merge that takes chunks as they come, from any peer, and gives the bits of rules.merge().

A chunk is handed over as an array, or as a function that loads it (from the chunk store): what
cannot be worked on yet is then not in memory. Four ways, by what the rule looks at:

- `mean`: acc = acc + (alpha_k * x_k) (D4) needs roster order, so chunk i of peer k is folded once
  chunk i of all peers before k has been.
- Rules by rank merge chunk i when all n peers' chunk i is there.
- Rules that measure whole updates sum inner products (D3) segment by segment, each when all of it
  is there. With the products of the whole vectors, segments added in ascending order, chunks are
  merged like those of a rule by rank, in a pass of their own. `nnm+R` with an R that measures makes
  one more pass in between, for the products of the mixed updates.
- A rule of another package works like one by rank if it says that it works by element; else it is
  called in result(), when all chunks are there.

In memory, beside the result, the products (4 n (n+1) bytes per segment) and arrays that were handed
over: at most 32 MB whatever n is, that is 8 MiB of loaded chunks (chunks.PIECE_BYTES), a chunk
being loaded, and the scratch memory of one thread. The price is loading again. In a merging pass a
chunk is loaded once for each piece of it: once for n <= 8 (float32), 2 times for 16, 8 for 64. In a
measuring pass all that happens again for each part of the pairs that gram.ACCUMULATORS hold: 1 for
n <= 10, 3 for 16, 33 for 64.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from math import inf
from typing import Protocol

import numpy as np

from swarmp2p.errors import MergeError
from swarmp2p.merge import gram
from swarmp2p.merge.chunks import Chunks, Name, Source
from swarmp2p.merge.own import OwnRule
from swarmp2p.merge.reducers import Updates, exact, merge_stat, settle
from swarmp2p.merge.robust import Mean
from swarmp2p.merge.rules import MergeResult, check_finite, check_stat, check_vector, weigh
from swarmp2p.merge.shards import Shard, check_products
from swarmp2p.merge.stages import gram_stages, next_measured
from swarmp2p.merge.terms import Doubles, Findings, MergeRule, Terms, Vector, reach, require, within
from swarmp2p.wire.registry import CHUNK_ELEMENTS

__all__ = ["Name", "Source", "StreamingMerge"]


class StreamingMerge:
    """One merge of n updates, fed chunk by chunk in any order. After an error it is of no use.

    weights, uniform: as for rules.merge(). chunk: elements of a chunk, a divisor of the segment;
    the last one of a vector may be shorter.

    base: the last merged vector, or the elements of `shard` alone; stat and name_element count
    elements of the whole vector in both cases, feed() counts chunks of what is merged here. For a
    shard of a rule with stages (stages.gram_stages): feed everything, then for each stage give
    own_products() to the owners of the other shards and everybody's, put together by
    shards.join_products(), to add_products(); then result(). Products that are known before may be
    added before: chunks that come after the last stage are merged and forgotten at once.
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
        shard: Shard | None = None,
    ) -> None:
        count = len(weights)
        require(rule, count)
        check_vector("the base", base, base)
        where = shard or Shard.whole(int(base.size))
        where.check_size(base)
        name, start = name_element or "element {}".format, where.part.start
        self._base, self._name = base, lambda at: name(start + at)
        self._chunks = Chunks(base, chunk, count)
        self._used = weigh(weights, uniform=uniform)
        self._out: Vector = np.empty_like(base)
        slices = within(check_stat(stat, where.size), where.part)
        terms = Terms(self._chunks, base, self._used, slices, scan=cache(self._scan))
        self._where, self._alone = where, shard is None
        self._work: _Work
        if isinstance(rule, Mean):
            self._work = _Fold(self._chunks, terms, self._out, self._name)
        elif self._alone and isinstance(rule, OwnRule) and not rule.by_element:
            self._work = _AtEnd(terms, self._out, rule)
        else:
            self._work = _Staged(self._chunks, terms, self._out, rule, self._name)

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

    def stages_left(self) -> int:
        """How many stages' products are still to be added; 0 for rules without."""
        return self._work.stages_left()

    def own_products(self) -> Doubles:
        """This stage's products of what is merged here: float64 [its segments, pairs].

        Raises MergeError if chunks are missing, or no stage is left.
        """
        self._check_complete()
        if not isinstance(self._work, _Staged) or not self._work.stages_left():
            raise MergeError("no stage is left: result() needs no more products")
        return self._work.own_products()

    def add_products(self, products: Doubles) -> None:
        """The products of all segments of the whole vectors, for the first stage that is left.

        Raises MergeError if their shape does not fit, or no stage is left.
        """
        if not isinstance(self._work, _Staged) or not self._work.stages_left():
            raise MergeError("no stage is left: result() needs no more products")
        check_products(products, self._where, self._chunks.count)
        self._work.add_products(products)

    def result(self) -> MergeResult:
        """The merge, as rules.merge() gives it. Raises MergeError; also if chunks are missing."""
        self._check_complete()
        while self._work.stages_left():
            if not self._alone:
                raise MergeError(
                    f"{self._work.stages_left()} stages of inner products of all shards are to be "
                    "added before a shard can be merged"
                )
            self.add_products(self.own_products())
        found = self._work.finish()
        return MergeResult(self._out, self._used, found.coefficients, found.outliers)

    def _check_complete(self) -> None:
        gap = self.missing()
        if gap is not None:
            raise MergeError(f"chunk {gap[1]} of roster index {gap[0]} has not been fed")

    def _scan(self) -> None:
        """Name the first NaN or infinity in what is there, one chunk at a time."""
        check_finite("the base", self._base, self._name)
        for peer, index in self._chunks.held():
            start = self._chunks.part(index).start
            self._chunks.check(self._chunks.load(peer, index), peer, start, self._name)


class _Work(Protocol):
    """What a kind of rule does with a chunk that has arrived, and at the end."""

    def arrived(self, peer: int, index: int) -> None: ...

    def stages_left(self) -> int: ...

    def finish(self) -> Findings: ...


class _Fold:
    """D4 with each chunk as soon as those before it in the roster are in."""

    def __init__(self, chunks: Chunks, terms: Terms, out: Vector, name: Name) -> None:
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
            self._chunks.check(values, peer, self._chunks.part(index).start, self._name)
        with exact():
            if peer == 0:
                np.multiply(values, self._alphas[0], out=part)
            else:
                term = self._term[: part.size]
                np.multiply(values, self._alphas[peer], out=term)
                np.add(part, term, out=part)
            if peer == self._chunks.count - 1:
                settle(part)

    def stages_left(self) -> int:
        """A mean measures nothing."""
        return 0

    def finish(self) -> Findings:
        """All is folded."""
        return Findings(tuple(float(alpha) for alpha in self._alphas))


class _Staged:
    """A rule that works by element once its stages, if it has any, are measured."""

    def __init__(
        self,
        chunks: Chunks,
        terms: Terms,
        out: Vector,
        rule: MergeRule,
        name: Name,
    ) -> None:
        self._chunks, self._terms, self._out, self._rule = chunks, terms, out, rule
        self._name = name
        self._stages = gram_stages(rule, chunks.count)
        self._measured = terms  # whose products are the stage at hand
        self._own: dict[int, Doubles] = {}  # of this stage, by segment of what is merged here
        self._open = set(range(chunks.chunks))  # not merged yet
        self._findings: Findings | None = None

    def stages_left(self) -> int:
        """Stages whose products have not been added."""
        return self._stages - len(self._terms.products)

    def arrived(self, _peer: int, index: int) -> None:
        """Merge the chunk, or measure its segment, if it was the last one missing."""
        part = self._chunks.part(index)
        if not self.stages_left():
            if self._chunks.complete(part):
                self._merge(index)
            return
        segment = part.start // gram.SEGMENT
        if self._chunks.complete(self._segment(segment)):
            self._measure(segment)

    def own_products(self) -> Doubles:
        """The products of every segment for the stage at hand; all chunks are there."""
        segments = -(-self._chunks.size // gram.SEGMENT)
        rows: Doubles = np.zeros((segments, len(gram.pairs(self._chunks.count))))
        for segment in range(segments):
            if segment not in self._own:
                self._measure(segment)
            rows[segment] = self._own[segment]
        # a sum of squares is NaN or infinite if an element was
        if not np.isfinite(rows).all():
            self._terms.suspect()
        return rows

    def add_products(self, products: Doubles) -> None:
        """Go on to the next stage, or to merging."""
        known = (*self._terms.products, gram.total(products))
        self._terms = replace(self._terms, products=known)
        self._own.clear()
        if self.stages_left():
            self._measured = next_measured(self._rule, self._terms)

    def finish(self) -> Findings:
        """Merge what is left; what the rule found is the same for every chunk."""
        for index in sorted(self._open):
            self._merge(index)
        if self._findings is None:
            self._findings = self._rule.reduce(self._terms, self._out)
        return self._findings

    def _segment(self, segment: int) -> slice:
        start = segment * gram.SEGMENT
        return slice(start, min(start + gram.SEGMENT, self._chunks.size))

    def _measure(self, segment: int) -> None:
        part, terms = self._segment(segment), self._measured
        with exact():
            self._own[segment] = gram.segment_products(
                terms, terms.rows.for_thread(), part.start, part.stop, ascending=True
            )

    def _merge(self, index: int) -> None:
        for piece in self._chunks.pieces(index):
            rows = tuple(self._chunks.block(piece.start, piece.stop))
            scan = partial(self._look, rows, piece.start)
            if self._stages:
                scan()  # what has been measured is taken to be finite
            terms = replace(
                self._terms,
                rows=Updates(rows),
                base=self._terms.base[piece],
                stat=within(self._terms.stat, piece),
                scan=scan,
            )
            self._findings = self._rule.reduce(terms, self._out[piece])
            merge_stat(terms, self._out[piece])
        self._chunks.drop(index)
        self._open.remove(index)

    def _look(self, rows: Sequence[Vector], start: int) -> None:
        for peer, row in enumerate(rows):
            self._chunks.check(row, peer, start, self._name)


class _AtEnd:
    """A rule that looks at whole updates in its own way."""

    def __init__(self, terms: Terms, out: Vector, rule: MergeRule) -> None:
        self._terms, self._out, self._rule = terms, out, rule

    def arrived(self, _peer: int, _index: int) -> None:
        """Nothing to do yet."""

    def stages_left(self) -> int:
        """What it measures is its own affair."""
        return 0

    def finish(self) -> Findings:
        """All at once."""
        findings = self._rule.reduce(self._terms, self._out)
        merge_stat(self._terms, self._out)
        return findings
