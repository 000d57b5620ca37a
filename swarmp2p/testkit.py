"""Checks of a merge rule, to be called from its author's tests (pytest or any other).

    from swarmp2p.testkit import check_rule

    def test_my_rule() -> None:
        check_rule(lambda: rule_named("my-package:my_rule", {"bound": 2.0}), translation=1e-4)

The rule is run as a node runs it, on made-up updates, with small blocks and segments so that short
vectors reach every edge. What cannot be seen on one machine is not checked: whether another
processor or NumPy gives the same bits. swarmp2p.merge.interface says which operations do.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swarmp2p.errors import MergeError
from swarmp2p.merge import gram, reducers
from swarmp2p.merge.own import fenced
from swarmp2p.merge.plugins import SEPARATOR, check_own_name
from swarmp2p.merge.reducers import Updates, accumulate, settle
from swarmp2p.merge.rules import MergeResult, merge, weigh
from swarmp2p.merge.streaming import StreamingMerge
from swarmp2p.merge.terms import MergeRule, Terms, Vector

__all__ = ["check_rule"]

_SEGMENT, _LANES = 64, 8  # elements; a rule's bits depend on both, so they stay for a whole check
_BLOCKS = (4, 16, 64)
_CHUNKS = (8, 64)
_SIZES = (1, 63, 64, 65, 200)
_FACTORS = (4.0, 0.25)  # powers of two, which multiply exactly
_PEERS_ABOVE = (0, 1, 4)  # rosters beside the least one


def check_rule(
    make: Callable[[], MergeRule],
    *,
    seeds: Sequence[int] = range(3),
    peers: Sequence[int] = (),
    permutation: float | None = 1e-5,
    scaling: float | None = None,
    translation: float | None = None,
) -> None:
    """Raise AssertionError with seed, roster and what is wrong, unless the rule is sound.

    `seeds=[SEED], peers=[N]` with those of the message looks at that failure alone.

    make: gives a new rule; each seed stands for one made-up merge per roster size in `peers`
    (default: the least one, that plus 1 and plus 4) and dtype.

    Always: the rule has the members of MergeRule; refuses fewer than min_peers; leaves updates,
    base and weights alone; is finite on subnormals, zeros, equal and huge updates; gives the same
    bits again, from a new instance, after other merges, in two threads at once, with one thread or
    two for any block size, for any place in memory, and streamed in any order; gives running
    statistics by the mean, and lets them change nothing else.

    permutation: how far the result may move when the roster is put in another order, weights along,
    in units of the largest magnitude; 0 for the same bits, None where the order counts. scaling:
    the same for updates and base times 4 and 1/4; translation: for updates and base plus a vector.
    """
    with _small():
        rule = _made(make)
        _check_range(rule)
        least = rule.min_peers
        for seed in seeds:
            for n in peers or [least + more for more in _PEERS_ABOVE]:
                for dtype in (np.float32, np.float64):
                    case = _case(seed, n, np.dtype(dtype))
                    check = _Check(make, case)
                    check.repeats()
                    check.blocks_and_threads()
                    check.streams()
                    check.statistics()
                    check.extremes()
                    if permutation is not None:
                        check.permutes(permutation)
                    if scaling is not None:
                        check.scales(scaling)
                    if translation is not None:
                        check.translates(translation)


@dataclass(frozen=True, slots=True)
class _Case:
    """One made-up merge."""

    seed: int
    updates: tuple[Vector, ...]
    base: Vector
    weights: tuple[int, ...]

    @property
    def rng(self) -> np.random.Generator:
        """Chance for whatever else the case needs, the same each time."""
        return np.random.default_rng([self.seed, len(self.updates), self.base.size])

    def moved(self, change: Callable[[Vector], Vector]) -> "_Case":
        """The same with every vector changed."""
        return replace(self, updates=tuple(map(change, self.updates)), base=change(self.base))

    def __str__(self) -> str:
        return (
            f"seed {self.seed}, {len(self.updates)} updates of {self.base.dtype}"
            f"[{self.base.size}], weights {list(self.weights)}"
        )


def _case(seed: int, n: int, dtype: np.dtype[Any]) -> _Case:
    """Updates around a base, some far, none symmetric."""
    rng = np.random.default_rng([seed, n, dtype.itemsize])
    size = int(rng.choice(_SIZES))
    base = rng.normal(size=size).astype(dtype)
    lengths = rng.choice([0.5, 1.0, 1.0, 3.0, 500.0], n)
    updates = tuple((base + length * rng.normal(size=size)).astype(dtype) for length in lengths)
    return _Case(seed, updates, base, tuple(int(one) for one in rng.integers(1, 1000, n)))


class _Check:
    """The checks of one case."""

    def __init__(self, make: Callable[[], MergeRule], case: _Case) -> None:
        self._make, self._case = make, case
        self._rule = _made(make)
        self._want = self._merge(case, "a first merge")

    def repeats(self) -> None:
        """The same bits again, whatever was merged before, beside it, and from where in memory."""
        case, want = self._case, self._want
        self._same(self._merge(case, "a second merge"), want, "a second merge")
        other = _case(case.seed + 1000, len(case.updates), case.base.dtype)
        self._merge(other, "a merge of other updates")
        self._same(self._merge(case, "a merge after another"), want, "a merge after another")
        anew = _merged(_made(self._make), case)
        self._same(anew, want, "a merge by a new instance")
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(_merged, self._rule, one) for one in (case, other, case)]
            for job in (jobs[0], jobs[2]):
                self._same(job.result(), want, "a merge beside another thread's")
        self._same(self._merge(case.moved(_elsewhere), "elsewhere"), want, "elsewhere in memory")

    def blocks_and_threads(self) -> None:
        """The same bits for any block size and thread count."""
        with ThreadPoolExecutor(2) as pool:
            for block in _BLOCKS:
                with _blocks_of(block):
                    for threads in (1, 2):
                        how = f"blocks of {block} elements and {threads} thread(s)"
                        got = self._merge(self._case, how, pool=pool, threads=threads)
                        self._same(got, self._want, how)

    def streams(self) -> None:
        """The same bits from chunks in any order."""
        case = self._case
        for chunk in _CHUNKS:
            how = f"streaming in chunks of {chunk} elements"
            stream = StreamingMerge(case.base, case.weights, self._rule, chunk=chunk)
            count = -(-case.base.size // chunk)
            arrivals = [(peer, at) for peer in range(len(case.updates)) for at in range(count)]
            try:
                for place in case.rng.permutation(len(arrivals)):
                    peer, at = arrivals[place]
                    part = case.updates[peer][at * chunk : (at + 1) * chunk]
                    stream.feed(peer, at, part)
                got = stream.result()
            except MergeError as error:
                raise self._failure(f"{how} was refused: {error}") from error
            self._same(got, self._want, how)

    def statistics(self) -> None:
        """Running statistics are the mean, and nothing else looks at them."""
        case = self._case
        part = slice(case.base.size // 3, case.base.size - case.base.size // 3)
        before = self._merge(case, "a merge with running statistics", stat=[part])
        mean: Vector = np.empty_like(case.base[part])
        terms = Terms(Updates(case.updates), case.base, weigh(case.weights))
        rows = [update[part] for update in case.updates]
        accumulate(rows, terms.shares, mean, np.empty_like(mean))
        settle(mean)
        self._equal(before.vector[part], mean, "running statistics are not the mean")
        far = [update.copy() for update in case.updates]
        far[-1][part] = 1e6
        changed = replace(case, updates=tuple(far))
        after = self._merge(changed, "a merge with other running statistics", stat=[part])
        message = "running statistics changed other elements"
        self._equal(np.delete(after.vector, part), np.delete(before.vector, part), message)

    def extremes(self) -> None:
        """Finite, and not refused, on values at the edges of the dtype."""
        case = self._case
        info = np.finfo(case.base.dtype)
        tiny = info.smallest_subnormal
        huge = case.base.dtype.type(2.0 ** (125 if case.base.dtype == np.float32 else 400))
        odd = np.array([0.0, -0.0, tiny, -tiny, info.tiny, 1.0, huge, -huge], case.base.dtype)
        pick = case.rng.choice
        one = case.updates[0]
        for what, some in (
            ("subnormals, zeros and huge values", case.moved(lambda row: pick(odd, row.size))),
            ("equal updates", replace(case, updates=(one,) * len(case.updates))),
            ("updates equal to the base", case.moved(lambda _: case.base)),
            ("zeros", case.moved(np.zeros_like)),
        ):
            result = self._merge(some, what)
            if not np.isfinite(result.vector).all():
                raise self._failure(f"{what}: the result is not finite")

    def permutes(self, tolerance: float) -> None:
        """Another order of the roster, weights along, gives the same."""
        case, want = self._case, self._want
        order = [int(k) for k in case.rng.permutation(len(case.updates))]
        updates = tuple(case.updates[k] for k in order)
        weights = tuple(case.weights[k] for k in order)
        how = f"the roster in the order {order}"
        got = self._merge(replace(case, updates=updates, weights=weights), how)
        self._near(got.vector, want.vector, tolerance, how)
        if sorted(order[k] for k in got.outliers) != list(want.outliers):
            raise self._failure(f"{how}: other outliers")
        if want.coefficients:
            expected = np.array([want.coefficients[k] for k in order])
            if np.abs(np.array(got.coefficients) - expected).max() > tolerance:
                raise self._failure(f"{how}: other coefficients")

    def scales(self, tolerance: float) -> None:
        """Updates and base times c give the merge times c."""
        for factor in _FACTORS:
            how = f"updates and base times {factor}"

            def times(row: Vector, factor: float = factor) -> Vector:
                return row * row.dtype.type(factor)

            got = self._merge(self._case.moved(times), how)
            self._near(got.vector, times(self._want.vector), tolerance, how)

    def translates(self, tolerance: float) -> None:
        """Updates and base plus t give the merge plus t."""
        case, how = self._case, "updates and base plus a vector"
        shift = case.rng.normal(size=case.base.size).astype(case.base.dtype)
        got = self._merge(case.moved(lambda row: row + shift), how)
        self._near(got.vector, self._want.vector + shift, tolerance, how)

    def _merge(self, case: _Case, what: str, **more: Any) -> MergeResult:
        kept = [row.tobytes() for row in (*case.updates, case.base)]
        # what the memory of the result held before must not show
        out = np.full_like(case.base, 12345.0)
        try:
            result = merge(case.updates, case.base, case.weights, self._rule, out=out, **more)
        except MergeError as error:
            raise self._failure(f"{what} was refused: {error}") from error
        if [row.tobytes() for row in (*case.updates, case.base)] != kept:
            raise self._failure(f"{what} changed an update or the base")
        return result

    def _same(self, got: MergeResult, want: MergeResult, how: str) -> None:
        self._equal(got.vector, want.vector, f"{how} gives other bits")
        if (got.coefficients, got.outliers) != (want.coefficients, want.outliers):
            raise self._failure(f"{how} gives other coefficients or outliers")

    def _equal(self, got: Vector, want: Vector, message: str) -> None:
        unsigned = f"u{got.dtype.itemsize}"
        odd = np.flatnonzero(got.view(unsigned) != want.view(unsigned))
        if odd.size:
            at = odd[0]
            raise self._failure(
                f"{message}: element {at} of the result is {got[at]!r}, not {want[at]!r} "
                f"({odd.size} of {got.size} differ)"
            )

    def _near(self, got: Vector, want: Vector, tolerance: float, how: str) -> None:
        if tolerance == 0:
            self._equal(got, want, f"{how} gives other bits")
            return
        vectors = (*self._case.updates, self._case.base)
        largest = max(float(np.abs(row).max()) for row in vectors)
        apart = np.abs(got - want)
        at = int(np.argmax(apart))
        if apart[at] > tolerance * largest:
            raise self._failure(
                f"{how} moves element {at} of the result by {apart[at]!r}; "
                f"{tolerance} of {largest} is allowed"
            )

    def _failure(self, what: str) -> AssertionError:
        return AssertionError(f"rule {self._rule.name!r}, {self._case}: {what}")


def _made(make: Callable[[], MergeRule]) -> MergeRule:
    """A rule as the engine would run it."""
    rule = make()
    name = getattr(rule, "name", "")
    if (
        isinstance(name, str)
        and SEPARATOR not in name
        and type(rule).__module__.startswith("swarmp2p.merge.")
    ):
        return rule
    try:
        check_own_name(str(name))
        return fenced(str(name), rule)
    except MergeError as error:
        raise AssertionError(f"no merge rule: {error}") from error


def _check_range(rule: MergeRule) -> None:
    """One update less than the least is refused."""
    count = rule.min_peers - 1
    rows = tuple(np.ones(4, np.float32) for _ in range(count))
    if rows:
        terms = Terms(Updates(rows), np.zeros(4, np.float32), (1,) * count)
        try:
            rule.reduce(terms, np.empty(4, np.float32))
        except MergeError:
            return
        raise AssertionError(f"rule {rule.name!r}: {count} updates are not refused")


def _merged(rule: MergeRule, case: _Case) -> MergeResult:
    return merge(case.updates, case.base, case.weights, rule)


def _elsewhere(row: Vector) -> Vector:
    """A copy that begins between two cache lines."""
    room: Vector = np.empty(row.size + 1, row.dtype)
    room[1:] = row
    return room[1:]


@contextmanager
def _small() -> Iterator[None]:
    """Segments and lanes so short that the cases have several."""
    before = gram.SEGMENT, gram.LANES, reducers.PARALLEL_FROM
    gram.SEGMENT, gram.LANES, reducers.PARALLEL_FROM = _SEGMENT, _LANES, 1
    try:
        yield
    finally:
        gram.SEGMENT, gram.LANES, reducers.PARALLEL_FROM = before


@contextmanager
def _blocks_of(elements: int) -> Iterator[None]:
    before = reducers.BLOCK, gram.LANE_BLOCK
    reducers.BLOCK, gram.LANE_BLOCK = elements, min(elements, _LANES)
    try:
        yield
    finally:
        reducers.BLOCK, gram.LANE_BLOCK = before
