"""Every rule against the plain-Python oracle, bit by bit, and its refusals."""

import ctypes
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import merge_oracle as oracle
import numpy as np
import pytest

from swarmp2p.errors import MergeError
from swarmp2p.merge import gram, reducers
from swarmp2p.merge.reducers import Updates
from swarmp2p.merge.rules import MergeResult, merge, rule_named, rule_names, weigh
from swarmp2p.merge.terms import Terms, Vector

RULES = [*rule_names(), "nnm+trimmed_mean", "nnm+cclip", "nnm+krum", "nnm+weighted_median"]
ROUND = {"f4": oracle.single, "f8": oracle.double}
ODD_SINGLES = [
    0.0,
    -0.0,
    2.0**-149,
    -(2.0**-149),
    2.0**-126,
    -3 * 2.0**-149,
    oracle.LARGEST_SINGLE,
    -oracle.LARGEST_SINGLE,
    1.0,
    -1.0,
    1.0 + 2.0**-23,
    1e-30,
]


def bits(values: Sequence[float] | Vector, dtype: str) -> list[int]:
    return [int(pattern) for pattern in np.asarray(values, dtype).view(f"u{dtype[1]}")]


def made(
    n: int, size: int, dtype: str = "f4", *, seed: int = 1, odd: bool = False
) -> tuple[list[Vector], Vector, list[int]]:
    rng = np.random.default_rng([seed, n, size])
    rows: list[Vector] = [(rng.normal(size=size) * 10.0 ** (k % 3)).astype(dtype) for k in range(n)]
    base: Vector = rng.normal(size=size).astype(dtype)
    if odd:
        for row in rows:
            row[:] = np.where(rng.random(size) < 0.6, rng.choice(ODD_SINGLES, size), row)
        # a large base would make deltas overflow: a case with a test of its own
        small = [value for value in ODD_SINGLES if abs(value) <= 2]
        base[:] = np.where(rng.random(size) < 0.6, rng.choice(small, size), base)
    return rows, base, [int(w) for w in rng.integers(1, 1000, n)]


def merged(name: str, rows: list[Vector], base: Vector, weights: list[int]) -> MergeResult:
    return merge(rows, base, weights, rule_named(name))


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reducers, "BLOCK", 4)
    monkeypatch.setattr(reducers, "PARALLEL_FROM", 1)
    monkeypatch.setattr(reducers, "SCRATCH", 16)
    monkeypatch.setattr(gram, "SEGMENT", 32)
    monkeypatch.setattr(gram, "LANES", 8)
    monkeypatch.setattr(gram, "LANE_BLOCK", 4)
    monkeypatch.setattr(gram, "ACCUMULATORS", 8 * 8 * 3)


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    ("name", "n"),
    [(name, n) for name in RULES for n in range(rule_named(name).min_peers, 10)],
)
def test_rule__agrees_with_the_oracle_to_the_bit(name: str, n: int, dtype: str) -> None:
    for size in (1, 3, 4, 5, 8, 31, 32, 33, 71):
        for odd in (False, True):
            rows, base, weights = made(n, size, dtype, odd=odd)
            got = merged(name, rows, base, weights)
            want = oracle.merge(
                name,
                [row.tolist() for row in rows],
                base.tolist(),
                weights,
                ROUND[dtype],
                segment=32,
                lanes=8,
            )
            assert bits(got.vector, dtype) == bits(want, dtype), (size, odd)


@pytest.mark.parametrize("name", RULES)
def test_rule__gives_the_same_bits_for_every_block_size_and_thread_count(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, size = 9, 5_000
    rows, base, weights = made(n, size)
    stat = [slice(3, 10), slice(2_000, 2_500)]
    monkeypatch.setattr(gram, "SEGMENT", 1 << 10)
    monkeypatch.setattr(gram, "LANES", 1 << 8)
    rule = rule_named(name)
    whole = merge(rows, base, weights, rule, stat=stat).vector
    monkeypatch.setattr(reducers, "PARALLEL_FROM", 1)
    with ThreadPoolExecutor(3) as pool:
        for block in (7, 64, 1 << 14):
            monkeypatch.setattr(reducers, "BLOCK", block)
            monkeypatch.setattr(gram, "LANE_BLOCK", min(block, 128) if block != 7 else 16)
            for threads in (1, 2, 3):
                again = merge(rows, base, weights, rule, stat=stat, pool=pool, threads=threads)
                assert bits(again.vector, "f4") == bits(whole, "f4")


def test_dot__agrees_with_the_oracle_over_the_real_lanes_and_segment_edge() -> None:
    rows, base, weights = made(2, gram.SEGMENT + gram.LANES + 5)
    got = gram.measure(Terms(Updates(tuple(rows)), base, tuple(weights))).gram
    delta = [(row - base).tolist() for row in rows]
    assert got[0][1] == oracle.dot(delta[0], delta[1], 1 << 20, 16_384)
    assert got[1][1] == oracle.dot(delta[1], delta[1], 1 << 20, 16_384)


def test_cclip__shuts_out_a_distant_update_and_says_so() -> None:
    rows, base, _ = made(5, 40)
    rows[1] = rows[1] + np.float32(1e9)
    result = merged("cclip", rows, base, [1] * 5)
    assert result.outliers == (1,)
    assert result.coefficients[1] == 0.0
    assert float(np.abs(result.vector).max()) < 1_000


def test_cclip__takes_an_update_whose_delta_overflows_for_an_outlier() -> None:
    rows, base, _ = made(5, 40)
    base[0] = -oracle.LARGEST_SINGLE
    for row in rows:
        row[0] = -oracle.LARGEST_SINGLE
    rows[2][0] = oracle.LARGEST_SINGLE
    result = merged("cclip", rows, base, [1] * 5)
    assert result.outliers == (2,)
    assert np.isfinite(result.vector).all()


def test_mean__is_the_update_of_a_lone_peer() -> None:
    rows, base, weights = made(1, 40)
    assert bits(merged("mean", rows, base, weights).vector, "f4") == bits(rows[0], "f4")


def test_mean__clamps_an_overflow_to_the_largest_finite_value() -> None:
    # three alphas of f32(1/3) add up to more than 1
    rows = [np.full(4, oracle.LARGEST_SINGLE, np.float32) for _ in range(3)]
    result = merged("mean", rows, np.zeros(4, np.float32), [1, 1, 1])
    assert result.vector.tolist() == [oracle.LARGEST_SINGLE] * 4


def test_weights__are_capped_at_twice_the_median_and_never_raised() -> None:
    assert weigh([1, 10, 10, 1000]) == (1, 10, 10, 20)
    assert weigh([5, 7], uniform=True) == (1, 1)


@pytest.mark.parametrize("weight", [0, -1, 2**32])
def test_weights__are_refused_outside_their_range(weight: int) -> None:
    with pytest.raises(MergeError, match=rf"roster index 1 is {weight}; 1 to 2\^32-1"):
        weigh([1, weight])


@pytest.mark.parametrize("name", RULES)
def test_stat_slices__merge_by_the_weighted_mean_and_are_not_measured(name: str) -> None:
    rows, base, weights = made(9, 60)
    used = weigh(weights)
    plain = [np.delete(row, slice(20, 30)) for row in rows]
    want = merged(name, plain, np.delete(base, slice(20, 30)), weights).vector
    rows[4][20:30] = 1e6
    got = merge(rows, base, weights, rule_named(name), stat=[slice(20, 30)]).vector
    average = oracle.mean([r[20:30].tolist() for r in rows], oracle.shares(used), oracle.single)
    assert bits(got[20:30], "f4") == bits(average, "f4")
    if name in {"median", "trimmed_mean", "weighted_median", "weighted_trimmed_mean", "krum"}:
        # sums over lanes shift with the deleted elements; order rules and choices do not
        assert bits(np.delete(got, slice(20, 30)), "f4") == bits(want, "f4")


@pytest.mark.parametrize("name", ["cclip", "geometric_median"])
def test_stat_slices__make_no_update_an_outlier(name: str) -> None:
    rows, base, weights = made(5, 60)
    rows[4][20:30] = 1e6
    stat = [slice(20, 30)]
    assert merged(name, rows, base, weights).outliers == (4,)
    assert merge(rows, base, weights, rule_named(name), stat=stat).outliers == ()


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("trimmed_mean", 3),
        ("weighted_trimmed_mean", 3),
        ("krum", 3),
        ("multi_krum", 3),
        ("strict", 4),
        ("nnm+median", 3),
    ],
)
def test_rule__refuses_too_few_updates_and_states_its_range(name: str, least: int) -> None:
    rows, base, weights = made(least - 1, 5)
    with pytest.raises(MergeError, match=rf"n >= {least} updates \(f .*; there are {least - 1}"):
        merged(name, rows, base, weights)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_merge__names_the_peer_and_the_element_of_a_non_finite_value(bad: float) -> None:
    rows, base, weights = made(3, 10)
    rows[2][7] = bad
    with pytest.raises(MergeError, match=f"roster index 2: element 7 is {bad}"):
        merged("mean", rows, base, weights)
    with pytest.raises(MergeError, match="roster index 2: tensor 'w', element 7"):
        merge(rows, base, weights, rule_named("mean"), name_element="tensor 'w', element {}".format)


def test_merge__refuses_vectors_that_do_not_fit() -> None:
    rows, base, weights = made(2, 10)
    rule = rule_named("mean")
    for odd in (rows[1][:9], rows[1].astype(np.float64), rows[1].reshape(2, 5)):
        with pytest.raises(MergeError, match="roster index 1"):
            merge([rows[0], odd], base, weights, rule)
    with pytest.raises(MergeError, match="base is int64"):
        merge(rows, base.astype(np.int64), weights, rule)
    with pytest.raises(MergeError, match="2 updates but 1 weights"):
        merge(rows, base, [1], rule)
    with pytest.raises(MergeError, match="there are 0"):
        merge([], base, [], rule)
    with pytest.raises(MergeError, match="stat slice"):
        merge(rows, base, weights, rule, stat=[slice(5, 11)])


@pytest.mark.parametrize("name", ["average", "nnm+strict", "nnm+", "nnm+nnm+median", "strict "])
def test_registry__refuses_an_unknown_rule(name: str) -> None:
    with pytest.raises(MergeError, match="unknown merge rule"):
        rule_named(name)


def test_registry__checks_parameters() -> None:
    assert rule_named("cclip", {"radius": 3}) == rule_named("cclip", {"radius": 3.0})
    for radius in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(MergeError, match="cclip: radius"):
            rule_named("cclip", {"radius": radius})
    with pytest.raises(MergeError, match="unknown parameter 'radius'"):
        rule_named("mean", {"radius": 2.0})


def test_arithmetic__is_checked_and_sound_here() -> None:
    reducers.check_arithmetic()


# machine: (words of glibc's fenv_t, which of them is the control register, its flushing bits)
FLUSHING = {"x86_64": (8, 7, 0x8040), "aarch64": (2, 0, 1 << 24)}  # MXCSR, FPCR


def flush_subnormals() -> None:
    """Set "flush to zero" (and "subnormals are zero") for this thread, as -ffast-math does."""
    words, control, bits = FLUSHING[platform.machine()]
    libm = ctypes.CDLL("libm.so.6")
    environment = (ctypes.c_uint32 * words)()
    libm.fegetenv(environment)
    environment[control] |= bits
    libm.fesetenv(environment)


@pytest.mark.skipif(platform.machine() not in FLUSHING, reason="sets a control register")
def test_arithmetic__that_flushes_subnormals_is_refused_in_whichever_thread() -> None:
    base = np.zeros(reducers.PARALLEL_FROM, np.float32)
    with ThreadPoolExecutor(1, initializer=flush_subnormals) as bad:
        with pytest.raises(MergeError, match="flushes subnormal numbers"):
            bad.submit(reducers.check_arithmetic).result()
        with pytest.raises(MergeError, match="flushes subnormal numbers"):
            reducers.walk(base.size, lambda _start, _stop: None, bad, 2, reducers.BLOCK)
    reducers.check_arithmetic()
