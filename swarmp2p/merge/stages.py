"""How often a rule measures whole updates before each element can be merged by itself.

A rule that works by element needs no *stage*. `cclip`, `geometric_median` and Krum's rules need
one: the inner products of all updates (MERGE-014). `nnm+R` needs one for its neighbours, and those
of R, whose products are of the mixed updates y. With the products of all its stages every rule of
ours works by element.
"""

from swarmp2p.errors import MergeError
from swarmp2p.merge.order import Median, TrimmedMean, WeightedMedian, WeightedTrimmedMean
from swarmp2p.merge.own import OwnRule
from swarmp2p.merge.robust import (
    CentredClipping,
    GeometricMedian,
    Krum,
    Mean,
    MultiKrum,
    NearestNeighbourMixing,
    Strict,
)
from swarmp2p.merge.terms import MergeRule, Terms

_BY_ELEMENT = (Mean, Median, WeightedMedian, TrimmedMean, WeightedTrimmedMean)
_BY_DISTANCE = (GeometricMedian, Krum, MultiKrum)


def gram_stages(rule: MergeRule, count: int) -> int:
    """How many Gram matrices the rule reads for `count` updates: 0, 1 or 2.

    Raises MergeError for a rule of another package that does not say that it works by element.
    """
    if isinstance(rule, Strict):
        return gram_stages(rule.stands_for(count), count)
    if isinstance(rule, NearestNeighbourMixing):
        return 1 + gram_stages(rule.inner, count)
    if isinstance(rule, CentredClipping):
        return int(count > 2)
    if isinstance(rule, _BY_DISTANCE):
        return 1
    if isinstance(rule, _BY_ELEMENT) or (isinstance(rule, OwnRule) and rule.by_element):
        return 0
    raise MergeError(
        f"rule {rule.name!r} looks at whole updates in its own way, so no part of a model can be "
        "merged without the others; give it `by_element = True` if each merged element depends on "
        "the same element of updates and base alone, or run it with topology mesh"
    )


def next_measured(rule: MergeRule, terms: Terms) -> Terms:
    """The terms whose inner products are the next stage, after those in terms.products.

    They are `terms`, or those of the mixed updates. Call it only where a stage is left.
    """
    if isinstance(rule, Strict):
        return next_measured(rule.stands_for(terms.rows.count), terms)
    if isinstance(rule, NearestNeighbourMixing) and terms.products:
        return next_measured(rule.inner, rule.mixed(terms))
    return terms
