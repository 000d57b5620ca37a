"""Figures of a binary classifier, each None where a class it needs is missing."""

from dataclasses import asdict, dataclass

import numpy as np

from swarmp2p.demo.features import FloatArray
from swarmp2p.demo.model import Parameters, probabilities

Figures = dict[str, float | None]
THRESHOLD = 0.5  # a patient at or above it is called a case


@dataclass(frozen=True, slots=True)
class Scores:
    """All figures lie in [0, 1]."""

    auc: float | None
    accuracy: float | None
    sensitivity: float | None
    specificity: float | None

    def to_json(self) -> Figures:
        """The four figures by name."""
        return asdict(self)


def area_under_curve(chance: FloatArray, y: FloatArray) -> float | None:
    """The probability that a random case is ranked above a random control, ties counting half.

    Exact, by mid-ranks (Mann-Whitney U). None unless both classes are present.
    """
    cases = int(y.sum())
    controls = len(y) - cases
    if not cases or not controls:
        return None
    _, place, counts = np.unique(chance, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(counts) - (counts - 1) / 2  # 1-based, ties share their mean
    above = float((mid_rank[place] * y).sum()) - cases * (cases + 1) / 2
    return above / (cases * controls)


def judge_chances(chance: FloatArray, y: FloatArray) -> Scores:
    """The four figures for probabilities `chance` and truths `y` (1.0 or 0.0), both of length n."""
    called, case = chance >= THRESHOLD, y > 0
    return Scores(
        auc=area_under_curve(chance, y),
        accuracy=_share(called == case),
        sensitivity=_share(called[case]),
        specificity=_share(~called[~case]),
    )


def judge(params: Parameters, x: FloatArray, y: FloatArray) -> Scores:
    """The four figures of a model on the patients (x, y)."""
    return judge_chances(probabilities(params, x), y)


def _share(hits: np.ndarray) -> float | None:
    return float(hits.sum() / len(hits)) if len(hits) else None
