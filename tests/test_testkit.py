"""The kit passes every rule of ours, and names what is wrong with rules that are made to fail."""

import threading
from itertools import count
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmp2p.errors import MergeError
from swarmp2p.merge import gram, reducers
from swarmp2p.merge.interface import (
    Findings,
    Terms,
    Vector,
    each_block,
    measure,
    shifted_sum,
    weighted_sum,
)
from swarmp2p.merge.rules import rule_named, rule_names
from swarmp2p.testkit import check_rule

RULES = [*rule_names(), "nnm+mean", "nnm+cclip", "nnm+trimmed_mean"]
TO_THE_BIT = ("median", "weighted_median", "trimmed_mean")
IN_ORDER = ("krum",)  # of two updates that are each other's nearest, the first


@pytest.mark.parametrize("name", RULES)
def test_kit__passes_the_rules_of_the_house(name: str) -> None:
    permutation = 0.0 if name in TO_THE_BIT else None if name in IN_ORDER else 1e-5
    check_rule(
        lambda: rule_named(name),
        seeds=[1],
        permutation=permutation,
        scaling=0.0,
        translation=1e-5,
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 12))
def test_kit__passes_a_sound_rule_for_any_seed_and_roster(seed: int, n: int) -> None:
    check_rule(Sound, seeds=[seed], peers=[n], scaling=0.0, translation=1e-4)


def test_kit__leaves_the_engine_as_it_was() -> None:
    before = gram.SEGMENT, gram.LANES, gram.LANE_BLOCK, reducers.BLOCK, reducers.PARALLEL_FROM
    check_rule(Sound, seeds=[0])
    with pytest.raises(AssertionError):
        check_rule(PerBlock, seeds=[0])
    after = gram.SEGMENT, gram.LANES, gram.LANE_BLOCK, reducers.BLOCK, reducers.PARALLEL_FROM
    assert after == before


class Sound:
    """The mean; each fault below overrides its factors or more."""

    name: ClassVar[str] = "kit:sound"
    min_peers: ClassVar[int] = 1
    faults: ClassVar[str] = "f = 0"

    def factors(self, terms: Terms) -> list[float]:
        return list(terms.shares)

    def reduce(self, terms: Terms, out: Vector) -> Findings:
        factors = self.factors(terms)
        weighted_sum(terms, factors, out)
        return Findings(tuple(factors))


class ByChance(Sound):
    def factors(self, terms: Terms) -> list[float]:
        return list(np.random.default_rng().random(terms.rows.count))


class Remembers(Sound):
    last: float | None = None

    def factors(self, terms: Terms) -> list[float]:
        first = float(terms.rows.block(0, 1)[0][0])
        again, self.last = self.last in (None, first), first
        return [1.0 if again else 2.0] * terms.rows.count


class Counted(Sound):
    numbers = count()

    def __init__(self) -> None:
        self.number = next(self.numbers)

    def factors(self, terms: Terms) -> list[float]:
        return [float(self.number)] * terms.rows.count


class PerThread(Sound):
    def factors(self, terms: Terms) -> list[float]:
        main = threading.current_thread() is threading.main_thread()
        return [1.0 if main else 2.0] * terms.rows.count


class ByAddress(Sound):
    def factors(self, terms: Terms) -> list[float]:
        aligned = terms.rows.block(0, 1)[0].ctypes.data % 16 == 0
        return [1.0 if aligned else 2.0] * terms.rows.count


class PerBlock(Sound):
    def reduce(self, terms: Terms, out: Vector) -> Findings:
        def work(rows: Any, _base: Vector, part: Vector) -> None:
            part[:] = rows[0].max()

        each_block(terms, out, work)
        return Findings()


class ByElementNot(Sound):
    by_element: ClassVar[bool] = True

    def factors(self, terms: Terms) -> list[float]:
        return measure(terms).norms


class Overflows(Sound):
    def factors(self, terms: Terms) -> list[float]:
        rows = terms.rows.block(0, terms.rows.size)
        with np.errstate(all="ignore"):
            norms = [float(np.sqrt((row * row).sum())) for row in rows]
        return [norm / max(norms) if max(norms) else 0.0 for norm in norms]


class FirstOnly(Sound):
    def factors(self, terms: Terms) -> list[float]:
        return [1.0, *[0.0] * (terms.rows.count - 1)]


class HalfOnly(Sound):
    """Half of the mean does not move with the base."""

    def factors(self, terms: Terms) -> list[float]:
        return [0.5 * share for share in terms.shares]


class Bounded(Sound):
    def reduce(self, terms: Terms, out: Vector) -> Findings:
        norms = measure(terms).norms
        pairs = zip(terms.shares, norms, strict=True)
        shifted_sum(terms, [share / max(1.0, norm) for share, norm in pairs], out)
        return Findings()


class Writes(Sound):
    def factors(self, terms: Terms) -> list[float]:
        terms.rows.block(0, 1)[0][0] = 1.0
        return super().factors(terms)


class Gaps(Sound):
    def reduce(self, terms: Terms, out: Vector) -> Findings:
        out[: terms.rows.size - 1] = 0
        return Findings()


class Refuses(Sound):
    def factors(self, terms: Terms) -> list[float]:
        raise MergeError(f"not with {terms.rows.count}")


class LastIsBad(Sound):
    def reduce(self, terms: Terms, out: Vector) -> Findings:
        super().reduce(terms, out)
        return Findings(outliers=(terms.rows.count - 1,))


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        (ByChance, "a second merge gives other bits: element"),
        (Remembers, "a merge after another gives other bits"),
        (Counted, "a merge by a new instance gives other"),
        (PerThread, "a merge beside another thread's gives other"),
        (ByAddress, "elsewhere in memory gives other"),
        (PerBlock, r"blocks of 4 elements and 1 thread\(s\) gives other bits"),
        (ByElementNot, "streaming in chunks of 8 elements gives other"),
        (Overflows, "huge values was refused: .* coefficients .nan, nan."),
        (FirstOnly, "the roster in the order .* moves element"),
        (LastIsBad, "the roster in the order .*: other outliers"),
        (HalfOnly, "updates and base plus a vector moves element"),
        (Bounded, "updates and base times 4.0 moves element"),
        (Writes, "a first merge was refused: .* read-only"),
        (Gaps, "a first merge was refused: .* left NaN in element"),
        (Refuses, "a first merge was refused: .* not with"),
    ],
)
def test_kit__names_the_seed_and_what_is_wrong(rule: type[Sound], complaint: str) -> None:
    expected = rf"rule 'kit:sound', seed \d, \d updates of float\d\d\[\d+\], weights .*{complaint}"
    with pytest.raises(AssertionError, match=expected):
        check_rule(
            rule,
            scaling=1e-5 if rule is Bounded else None,
            translation=1e-5 if rule is HalfOnly else None,
        )


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": "sound"}, "no merge rule: .* is PACKAGE:RULE"),
        ({"name": 3}, "no merge rule: .* is PACKAGE:RULE"),
        ({"min_peers": 0}, "no merge rule: .*'min_peers' is 0"),
        ({"reduce": None}, "no merge rule: .*raised TypeError"),
    ],
)
def test_kit__refuses_what_is_no_merge_rule(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_rule(type("Odd", (Sound,), changes))


def test_kit__asks_for_a_refusal_below_the_least_roster(monkeypatch: pytest.MonkeyPatch) -> None:
    median = rule_named("median")
    monkeypatch.setattr(type(median), "min_peers", 3)
    check_rule(lambda: median, seeds=[])
    monkeypatch.setattr("swarmp2p.merge.order.require", lambda *_: None)
    with pytest.raises(AssertionError, match="2 updates are not refused"):
        check_rule(lambda: median, seeds=[])
