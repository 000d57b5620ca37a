"""The secure sum's arithmetic against a plain reading of MERGE-070 and 071."""

import tracemalloc
from math import inf, nan

import numpy as np
import plain_optimisers as plain
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from swarmp2p.errors import MergeError
from swarmp2p.merge import reducers
from swarmp2p.merge.secure import merge_sum, quantise
from swarmp2p.merge.terms import Vector

EVERY_COUNT = range(2, 65)
BIG = float(np.finfo("f4").max)

counts = st.integers(2, 64)
clips = st.floats(1e-290, 1.7e308) | st.floats(1e-6, 1e6) | st.just(1.0)
values = st.sampled_from([0.0, -0.0, BIG, -BIG, 2.0**-149, 1.0]) | st.floats(-BIG, BIG, width=32)


def singles(*numbers: float) -> Vector:
    return np.array(numbers, np.float32)


@given(st.lists(st.tuples(values, values), max_size=6), clips, counts)
def test_quantise__gives_the_integers_of_the_specification(
    pairs: list[tuple[float, float]], clip: float, commitments: int
) -> None:
    update, base = singles(*[one[0] for one in pairs]), singles(*[one[1] for one in pairs])
    found = quantise(update, base, clip, commitments)
    assert found.dtype == np.int32
    assert found.tolist() == [
        plain.quantised(u, b, clip, commitments) for u, b in zip(update, base, strict=True)
    ]


@given(
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=64),
    values,
    clips,
    st.randoms(),
)
@example([2**31 - 1, 1], 0.0, 1.0, None)
def test_sum__gives_the_model_of_the_specification_in_any_order(
    integers: list[int], base: float, clip: float, chance: object
) -> None:
    commitments = max(2, len(integers))
    expected = plain.summed(integers, np.float32(base), clip, commitments)
    if chance is not None:
        chance.shuffle(integers)
    vectors = [np.array([one], np.int32) for one in integers]
    found = merge_sum(vectors, singles(base), clip, commitments)
    assert np.isfinite(found).all()
    assert found.view(np.uint32)[0] == expected.view(np.uint32)


@pytest.mark.parametrize("commitments", EVERY_COUNT)
def test_sum__of_as_many_extremes_as_commitments_never_wraps(commitments: int) -> None:
    base = singles(0.0, 0.0)
    for clip in (1.0, 0.1, 3.7e-5, 1e30):
        extreme = quantise(singles(BIG, -BIG), base, clip, commitments)
        top = plain.top_of(commitments)
        assert extreme.tolist() == [top, -top]
        found = merge_sum([extreme] * commitments, base, clip, commitments)
        assert found.tolist() == [float(np.float32(clip)), -float(np.float32(clip))]
    # one bit more would: the numbers are as large as they can be
    bits = 32 - (commitments - 1).bit_length()
    assert commitments * (2**bits - 1) > 2**31 - 1


@given(
    st.lists(st.lists(st.floats(-4, 4, width=32), min_size=5, max_size=5), min_size=1, max_size=64),
    st.sampled_from([0.5, 1.0, 3.7]),
    st.integers(0, 62),
)
@settings(deadline=None)
def test_sum__is_the_mean_of_the_clamped_deltas_within_half_a_unit(
    rows: list[list[float]], clip: float, spare: int
) -> None:
    commitments = min(64, max(2, len(rows)) + spare)
    base = singles(0.5, -1.0, 0.0, 3.0, -0.25)
    updates = [singles(*row) for row in rows]
    integers = [quantise(update, base, clip, commitments) for update in updates]
    found = merge_sum(integers, base, clip, commitments)
    deltas = np.stack([(update - base).astype(np.float64) for update in updates])
    mean = np.clip(deltas, -clip, clip).mean(axis=0)
    unit = clip / plain.top_of(commitments)
    rounding = 2.0**-24 * (np.abs(mean) + np.abs(base + mean) + unit)
    assert (np.abs(found - (base + mean)) <= unit / 2 * (1 + 1e-9) + rounding).all()


def test_sum__is_the_same_under_masks_that_cancel() -> None:
    base = singles(0.5, -1.0, 3.0)
    rng = np.random.default_rng(7)
    updates = [rng.normal(size=3).astype(np.float32) for _ in range(3)]
    integers = [quantise(update, base, 2.0, 4) for update in updates]
    masks = [rng.integers(0, 2**32, 3, np.uint32) for _ in range(2)]
    masks.append(-(masks[0] + masks[1]))
    masked = [
        (one.view(np.uint32) + mask).view(np.int32)
        for one, mask in zip(integers, masks, strict=True)
    ]
    assert all((one != other).all() for one, other in zip(integers, masked, strict=True))
    clear = merge_sum(integers, base, 2.0, 4)
    assert merge_sum(masked, base, 2.0, 4).tobytes() == clear.tobytes()


def test_quantise__rounds_ties_to_even_and_clamps_after_an_overflow() -> None:
    clip = float(2**30 - 1)  # with two commitments a unit is 1
    base = singles(0.0, 0.0, 0.0, 0.0, -BIG, BIG)
    update = singles(0.5, 1.5, -2.5, 0.75, BIG, -BIG)
    top = 2**30 - 1
    assert quantise(update, base, clip, 2).tolist() == [0, 2, -2, 1, top, -top]


def test_sum__clamps_a_model_beyond_the_range() -> None:
    one = np.array([2**30 - 1, 1 - 2**30], np.int32)
    found = merge_sum([one], singles(BIG, -BIG), 1e300, 2)
    assert found.tolist() == [BIG, -BIG]


def test_both__are_the_same_in_other_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    update, base = (rng.normal(size=333).astype(np.float32) for _ in range(2))
    integers = quantise(update, base, 1.5, 8)
    model = merge_sum([integers] * 3, base, 1.5, 8)
    monkeypatch.setattr(reducers, "BLOCK", 32)
    assert quantise(update, base, 1.5, 8).tolist() == integers.tolist()
    assert merge_sum([integers] * 3, base, 1.5, 8).tobytes() == model.tobytes()


def test_both__need_no_more_memory_for_more_elements() -> None:
    update, base = np.ones(6_000_000, np.float32), np.zeros(6_000_000, np.float32)
    tracemalloc.start()
    integers = quantise(update, base, 1.5, 8)
    _, first = tracemalloc.get_traced_memory()
    merge_sum([integers], base, 1.5, 8)
    _, second = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert first < base.nbytes + 7 * 2**20
    assert second < 2 * base.nbytes + 7 * 2**20


@pytest.mark.parametrize(
    ("clip", "commitments", "message"),
    [
        (1.0, 1, "commitments"),
        (1.0, 65, "commitments"),
        (1.0, 2.0, "commitments"),
        (1.0, True, "commitments"),
        (0.0, 2, "clip"),
        (-1.0, 2, "clip"),
        (inf, 2, "clip"),
        (nan, 2, "clip"),
        (1, 2, "clip"),
        (5e-324, 2, "too small"),
        (1e-300, 2, "too small"),
    ],
)
def test_both__refuse_arguments_outside_their_range(
    clip: float, commitments: int, message: str
) -> None:
    base = singles(0.0)
    with pytest.raises(MergeError, match=message):
        quantise(base, base, clip, commitments)
    with pytest.raises(MergeError, match=message):
        merge_sum([np.zeros(1, np.int32)], base, clip, commitments)


@pytest.mark.parametrize("commitments", [2, 64])
def test_both__take_the_smallest_clip_that_can_be_divided_by(commitments: int) -> None:
    # top / clip is finite from here on
    top = float(plain.top_of(commitments))
    edge = top / float(np.finfo("f8").max)
    integers = quantise(singles(1.0), singles(0.0), edge * (1 + 2.0**-40), commitments)
    assert integers.tolist() == [int(top)]
    with pytest.raises(MergeError, match="too small"):
        quantise(singles(1.0), singles(0.0), edge * (1 - 2.0**-40), commitments)


def test_quantise__refuses_vectors_that_do_not_fit() -> None:
    base = singles(0.0, 1.0)
    bad = [base[:1], base.astype(np.float64), base.reshape(1, 2), base.astype(np.int32)]
    for vector in bad:
        with pytest.raises(MergeError, match="expected"):
            quantise(vector, base, 1.0, 2)
        with pytest.raises(MergeError, match="expected"):
            quantise(base, vector, 1.0, 2)
    double = base.astype(np.float64)
    with pytest.raises(MergeError, match="float32 alone"):
        quantise(double, double, 1.0, 2)
    for odd in (nan, inf):
        with pytest.raises(MergeError, match="the update: element 1"):
            quantise(singles(0.0, odd), base, 1.0, 2)
        with pytest.raises(MergeError, match="the base: element 0"):
            quantise(base, singles(odd, 0.0), 1.0, 2)


def test_sum__refuses_vectors_that_do_not_fit() -> None:
    base, one = singles(0.0, 1.0), np.zeros(2, np.int32)
    for vector in (one[:1], one.astype(np.int64), one.view(np.uint32), one.reshape(1, 2)):
        with pytest.raises(MergeError, match="summand 1"):
            merge_sum([one, vector], base, 1.0, 2)
    for vectors in ([], [one] * 3):
        with pytest.raises(MergeError, match=f"{len(vectors)} updates to sum; 1 to 2"):
            merge_sum(vectors, base, 1.0, 2)
    with pytest.raises(MergeError, match="float32 alone"):
        merge_sum([one], base.astype(np.float64), 1.0, 2)
    with pytest.raises(MergeError, match="the base: element 1"):
        merge_sum([one], singles(0.0, nan), 1.0, 2)
