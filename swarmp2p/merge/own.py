"""A user's own rule as the engine runs it: fenced in, so that its author has little to get wrong.

What it can do wrong is found here, at every site alike, and ends as MergeError with the rule's
name: nobody attests, the attempt passes unsealed, and the node goes on (MERGE-005).
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, nan
from typing import Any

import numpy as np

from swarmp2p.errors import MergeError, SwarmError
from swarmp2p.merge.reducers import BLOCK, exact, settle
from swarmp2p.merge.terms import Findings, MergeRule, Rows, Terms, Vector, first_non_finite, require
from swarmp2p.wire.registry import MAX_PEERS

_SHOWN = 300  # characters of another's message that ours quotes


@dataclass(frozen=True, slots=True)
class OwnRule:
    """A rule from another package, held to what the interface promises both ways.

    To the rule: every value is finite; rows and base are read-only; running statistics look equal
    to the base. From the rule: every element of `out` is written and no NaN; Findings that fit the
    roster. MERGE-012 is done here: the rule may leave -0.0 and infinities. An empty float section
    is merged without it.
    """

    inner: MergeRule
    name: str
    min_peers: int
    faults: str
    by_element: bool

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        """Write the merged vector to `out`. Raises MergeError for whatever the rule raises."""
        require(self, terms.rows.count)
        if not out.size:
            return Findings()
        terms.suspect()
        out[:] = nan  # what the rule leaves out is found, and is not what memory held before
        rows = _Shown(terms.rows, terms.base, terms.stat)
        shown = replace(terms, rows=rows, base=_read_only(terms.base), scan=None)
        try:
            with exact():
                findings = _checked(self.inner.reduce(shown, out), rows.count, out.dtype.type)
        except (Exception, SystemExit) as error:
            if error in rows.failures:
                raise  # a chunk that could not be loaded is not the rule's fault
            raise refusal(self.name, error) from error
        for part in terms.stat:
            out[part] = 0
        self._settle(out)
        return findings

    def _settle(self, out: Vector) -> None:
        for start in range(0, out.size, BLOCK):
            block = out[start : start + BLOCK]
            with exact():
                if settle(block):
                    continue
            odd = first_non_finite(block)
            if odd is not None:
                raise MergeError(
                    f"rule {self.name!r} left NaN in element {start + odd}, or did not write it"
                )


@dataclass(frozen=True, slots=True)
class _Shown:
    """The rows as an own rule sees them: read-only, running statistics equal to the base."""

    rows: Rows
    base: Vector
    stat: tuple[slice, ...]
    failures: list[SwarmError] = field(default_factory=list)
    """What loading a block raised, in any thread."""

    @property
    def count(self) -> int:
        """Number of vectors."""
        return self.rows.count

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
        """A copy of each row, where there are running statistics."""
        return self.rows.scratch + (self.count if self.stat else 0)

    def block(self, start: int, stop: int) -> Sequence[Vector]:
        """Views, or copies where there are running statistics."""
        try:
            rows = self.rows.block(start, stop)
        except SwarmError as error:
            self.failures.append(error)
            raise
        within = [part for part in self.stat if part.start < stop and part.stop > start]
        if within:
            rows = [row.copy() for row in rows]
        for part in within:
            low, high = max(part.start, start), min(part.stop, stop)
            for row in rows:
                row[low - start : high - start] = self.base[low:high]
        return [_read_only(row) for row in rows]

    def for_thread(self) -> Rows:
        """The same with scratch memory of its own."""
        return _Shown(self.rows.for_thread(), self.base, self.stat, self.failures)


def fenced(name: str, rule: Any) -> OwnRule:
    """`rule`, which the manifest calls `name`, as the engine runs it.

    Raises MergeError with what is wrong if it is no MergeRule.
    """
    if isinstance(rule, OwnRule):
        rule = rule.inner
    try:
        own, least, faults = rule.name, rule.min_peers, rule.faults
        by_element = getattr(rule, "by_element", False)
        inspect.signature(rule.reduce).bind(None, None)
    except (Exception, SystemExit) as error:
        raise refusal(name, error) from error
    if own != name:
        raise MergeError(f"rule {name!r}: its 'name' is {own!r}; the manifest's is expected")
    if type(least) is not int or not 1 <= least <= MAX_PEERS:
        raise MergeError(f"rule {name!r}: 'min_peers' is {least!r}; 1 to {MAX_PEERS} is expected")
    if not isinstance(faults, str) or not faults:
        raise MergeError(f"rule {name!r}: 'faults' is {faults!r}; words are expected")
    if not isinstance(by_element, bool):
        raise MergeError(f"rule {name!r}: 'by_element' is {by_element!r}; a bool is expected")
    return OwnRule(rule, name, least, faults, by_element)


def refusal(name: str, error: BaseException) -> MergeError:
    """What another package's code raised, as MergeError with the rule's name."""
    if isinstance(error, MergeError):
        return MergeError(f"rule {name!r}: {error}")
    return MergeError(f"rule {name!r} raised {type(error).__name__}: {error!s:.{_SHOWN}}")


def _read_only(vector: Vector) -> Vector:
    view = vector.view()
    view.flags.writeable = False
    return view


def _checked(findings: Any, count: int, scalar: type[np.floating[Any]]) -> Findings:
    """The findings in the engine's form. Raises MergeError, and what odd values raise."""
    if not isinstance(findings, Findings):
        raise MergeError(f"reduce() returned {findings!r:.80}; Findings are expected")
    coefficients = tuple(float(scalar(one)) for one in findings.coefficients)
    if len(coefficients) not in (0, count) or not all(map(isfinite, coefficients)):
        raise MergeError(f"coefficients {coefficients}; none, or {count} finite ones are expected")
    outliers = tuple(int(one) for one in findings.outliers)
    if list(outliers) != sorted(set(outliers) & set(range(count))):
        raise MergeError(f"outliers {outliers}; roster indices, ascending, are expected")
    return Findings(coefficients, outliers)
