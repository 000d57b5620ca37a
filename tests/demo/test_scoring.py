import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]  # it ships no types

from swarmp2p.demo.scoring import Scores, area_under_curve, judge_chances


def test_auc__counts_pairs_with_ties_as_half() -> None:
    chance = np.array([0.9, 0.5, 0.5, 0.1])
    y = np.array([1.0, 1.0, 0.0, 0.0])
    assert area_under_curve(chance, y) == 3.5 / 4  # 3 pairs won, 1 tied


def test_auc__is_none_where_a_class_is_missing() -> None:
    assert area_under_curve(np.array([0.2, 0.8]), np.ones(2)) is None
    assert area_under_curve(np.array([0.2, 0.8]), np.zeros(2)) is None


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.booleans()),
        min_size=2,
        max_size=30,
    ).filter(lambda pairs: len({y for _, y in pairs}) == 2)
)
def test_auc__agrees_with_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    chance = np.array([chance for chance, _ in pairs])
    y = np.array([float(case) for _, case in pairs])
    assert area_under_curve(chance, y) == pytest.approx(roc_auc_score(y, chance), abs=1e-12)


def test_judge__counts_by_hand_with_one_half_called_a_case() -> None:
    chance = np.array([0.9, 0.5, 0.4, 0.6, 0.1])
    y = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    assert judge_chances(chance, y) == Scores(
        auc=4 / 6, accuracy=3 / 5, sensitivity=2 / 3, specificity=1 / 2
    )


def test_judge__leaves_out_only_what_the_missing_class_defines() -> None:
    assert judge_chances(np.array([0.9, 0.2]), np.ones(2)) == Scores(None, 0.5, 0.5, None)
    assert judge_chances(np.array([]), np.array([])) == Scores(None, None, None, None)
