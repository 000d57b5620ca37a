"""Six rules against byzfl, an implementation by others (tests/data/README.md), on 1,000 matrices.

How byzfl was asked for what ours defines is told in make_byzfl_oracle.py. In float64 every
coordinate agrees to 1e-6 of its own value; where large values cancel, to 1e-13 of the largest.
"""

from pathlib import Path

import numpy as np
import pytest
from byzfl_matrices import Case, cases, digest, krum_faults

from swarmp2p.merge import gram, robust
from swarmp2p.merge.reducers import Updates
from swarmp2p.merge.rules import merge, rule_named
from swarmp2p.merge.terms import Terms, Vector

ORACLE = Path(__file__).parent.parent / "data" / "byzfl_oracle.npz"
CLOSE, CANCELLED = 1e-6, 1e-13
# our compute type is float32 in most runs: its own rounding, over K additions of such terms
CLOSE_SINGLE = 2.0**-20


@pytest.fixture(scope="module")
def oracle() -> dict[str, np.ndarray]:
    with np.load(ORACLE) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="module")
def matrices() -> list[Case]:
    return list(cases())


def updates(one: Case, dtype: str) -> list[Vector]:
    return [row.astype(dtype) for row in one.rows]


def terms(one: Case) -> Terms:
    count = len(one.rows)
    return Terms(Updates(tuple(updates(one, "f8"))), one.base, (1,) * count)


def merged(one: Case, rule: str, dtype: str = "f8", **params: float) -> Vector:
    base = one.base.astype(dtype)
    ones = [1] * len(one.rows)
    return merge(updates(one, dtype), base, ones, rule_named(rule, params)).vector


def answers(stored: np.ndarray, matrices: list[Case]) -> list[np.ndarray]:
    """The rule's vectors, one for each matrix."""
    ends = np.cumsum([one.base.size for one in matrices])
    assert ends[-1] == stored.size
    return np.split(stored, ends[:-1])


def largest(one: Case) -> float:
    return float(max(np.abs(one.rows).max(), np.abs(one.base).max()))


def close(got: np.ndarray, want: np.ndarray, one: Case) -> bool:
    return bool((np.abs(got - want) <= CLOSE * np.abs(want) + CANCELLED * largest(one)).all())


def close_single(got: np.ndarray, want: np.ndarray, one: Case) -> bool:
    return bool((np.abs(got - want) <= CLOSE_SINGLE * largest(one)).all())


def test_matrices__are_those_that_byzfl_saw(oracle: dict[str, np.ndarray]) -> None:
    assert str(oracle["matrices"]) == digest()


def test_matrices__cover_every_size_and_kind(matrices: list[Case]) -> None:
    assert len(matrices) == 1_000
    assert {len(one.rows) for one in matrices} == set(range(3, 17))
    sizes = {one.base.size for one in matrices}
    assert min(sizes) == 1
    assert max(sizes) == 200
    far = [one for one in matrices if gram.measure(terms(one)).outliers()]
    assert 100 <= len(far) <= 200
    assert {one.kind for one in far} == {"wild"}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_median__is_byzfls_exactly(
    oracle: dict[str, np.ndarray], matrices: list[Case], dtype: str
) -> None:
    for one, want in zip(matrices, answers(oracle["median"], matrices), strict=True):
        assert (merged(one, "median", dtype) == want).all(), one.index


def test_trimmed_mean__is_byzfls_up_to_the_last_bit(
    oracle: dict[str, np.ndarray], matrices: list[Case]
) -> None:
    # byzfl divides by n - 2t, MERGE-032 multiplies by the rounded 1/(n - 2t)
    for one, want in zip(matrices, answers(oracle["trimmed_mean"], matrices), strict=True):
        got = merged(one, "trimmed_mean")
        assert (np.abs(got.astype("f4") - want) <= np.spacing(np.abs(want))).all(), one.index
        assert close_single(merged(one, "trimmed_mean", "f4"), want, one)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_krum__picks_what_byzfl_picks(
    oracle: dict[str, np.ndarray], matrices: list[Case], dtype: str
) -> None:
    for one, pick in zip(matrices, oracle["krum"], strict=True):
        assert (merged(one, "krum", dtype) == one.rows[pick].astype(dtype)).all(), one.index


def test_multi_krum__ranks_as_byzfl_does(
    oracle: dict[str, np.ndarray], matrices: list[Case]
) -> None:
    # byzfl averages the n-f-1 best by the same scores, ours the n-f best: so byzfl vouches for the
    # first n-f-1 of our ranking, and the merged vector is the mean of those and the next
    for one, want in zip(matrices, answers(oracle["multi_krum"], matrices), strict=True):
        count = len(one.rows)
        ranked = gram.measure(terms(one))
        most = count - krum_faults(count) - 1
        first = robust._least(ranked, most)
        assert close(one.rows[first].mean(axis=0), want, one), one.index
        picks = robust._least(ranked, most + 1)
        assert set(first) < set(picks)
        assert close(merged(one, "multi_krum"), one.rows[picks].mean(axis=0), one), one.index


def test_geometric_median__is_byzfls(oracle: dict[str, np.ndarray], matrices: list[Case]) -> None:
    for one, want in zip(matrices, answers(oracle["geometric_median"], matrices), strict=True):
        distances = gram.measure(terms(one))
        shares = [1 / len(one.rows)] * len(one.rows)
        point = gram.weiszfeld(distances, shares)
        check_centre(one, point, merged(one, "geometric_median"), want)
        if not distances.outliers():
            single = merged(one, "geometric_median", "f4")
            assert close_single(single, want, one), one.index


def test_centred_clipping__is_byzfls(oracle: dict[str, np.ndarray], matrices: list[Case]) -> None:
    for one, want in zip(matrices, answers(oracle["centred_clipping"], matrices), strict=True):
        distances = gram.measure(terms(one))
        shares = [1 / len(one.rows)] * len(one.rows)
        point = gram.clip_centre(distances, shares, one.radius)
        check_centre(one, point, merged(one, "cclip", radius=one.radius), want)
        if not distances.outliers():
            single = merged(one, "cclip", "f4", radius=one.radius)
            assert close_single(single, want, one), one.index


def check_centre(one: Case, point: list[float], got: Vector, want: np.ndarray) -> None:
    # byzfl knows no MERGE-016: the point is compared before outliers lose their part, and the
    # merged vector to the point without them
    delta = one.rows - one.base
    assert close(one.base + np.array(point) @ delta, want, one), one.index
    outliers = list(gram.measure(terms(one)).outliers())
    kept = np.array(point)
    kept[outliers] = 0
    assert close(got, one.base + kept @ delta, one), one.index
    if not outliers:
        assert close(got, want, one), one.index
