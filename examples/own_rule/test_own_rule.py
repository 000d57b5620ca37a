"""The rule as it is installed, held to what every rule must keep, and to what this one promises."""

import pytest

from swarmp2p.errors import MergeError
from swarmp2p.merge.rules import rule_named
from swarmp2p.testkit import check_rule


@pytest.mark.parametrize("bound", [0.5, 20.0])
def test_bounded_mean__is_a_sound_rule_that_moves_with_the_base(bound: float) -> None:
    """It does not scale: the bound stays where it is."""
    check_rule(lambda: rule_named("own-rule:bounded_mean", {"bound": bound}), translation=1e-5)


@pytest.mark.parametrize("bound", [0.0, -1.0, float("inf"), float("nan")])
def test_bounded_mean__refuses_a_bound_that_is_none(bound: float) -> None:
    """Before a run, not during it."""
    with pytest.raises(MergeError, match="a finite number above 0 is expected"):
        rule_named("own-rule:bounded_mean", {"bound": bound})
