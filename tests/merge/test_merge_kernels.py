"""What blocks, circuits and late checks must not change: edges, refusals, threads, memory."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import MergeError
from swarmp2p.merge import gram, network, reducers
from swarmp2p.merge.network import clamp, clamp_tree, sort
from swarmp2p.merge.rules import merge, rule_named, rule_names
from swarmp2p.merge.terms import Vector, first_non_finite

RULES = [*rule_names(), "nnm+mean", "nnm+median", "nnm+weighted_median"]
LARGEST = float(np.finfo(np.float32).max)


def rows_of(n: int, size: int) -> list[Vector]:
    rng = np.random.default_rng([n, size])
    return [rng.normal(size=size).astype(np.float32) for _ in range(n)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", RULES)
def test_rule__sees_a_non_finite_value_in_any_row_and_block(
    name: str, bad: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reducers, "BLOCK", 8)
    monkeypatch.setattr(gram, "SEGMENT", 16)
    monkeypatch.setattr(gram, "LANES", 8)
    for n in (4, 5, 8):
        rows, base = rows_of(n, 20), np.zeros(20, np.float32)
        for k, at in product(range(n), (0, 7, 8, 19)):
            kept, rows[k][at] = rows[k][at], bad
            for stat in ([], [slice(6, 9)]):
                with pytest.raises(MergeError, match=f"index {k}: element {at} is {bad}; only"):
                    merge(rows, base, [3] * n, rule_named(name), stat=stat)
            rows[k][at] = kept


@pytest.mark.parametrize("name", ["cclip", "krum", "geometric_median"])
def test_rule__refuses_a_non_finite_base_that_it_reads(name: str) -> None:
    base = np.array([0, np.nan], np.float32)
    with pytest.raises(MergeError, match="the base: element 1 is nan"):
        merge(rows_of(4, 2), base, [1] * 4, rule_named(name))


@pytest.mark.parametrize("name", ["mean", "trimmed_mean", "weighted_trimmed_mean", "median"])
def test_rule__clamps_sums_of_finite_values_and_does_not_refuse_them(name: str) -> None:
    rows = [np.array([LARGEST, -LARGEST, 1.0], np.float32) for _ in range(8)]
    result = merge(rows, np.zeros(3, np.float32), [3, 5, 7, 3, 5, 7, 3, 5], rule_named(name))
    assert np.isfinite(result.vector).all()
    assert result.vector[2] == pytest.approx(1.0)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_rule__gives_the_same_bits_on_both_sides_of_a_block_edge(name: str, extra: int) -> None:
    size = 2 * reducers.BLOCK + extra
    rows, base = rows_of(4, size), np.full(size, 0.5, np.float32)
    whole = merge(rows, base, [3, 5, 7, 9], rule_named(name)).vector
    with ThreadPoolExecutor(2) as pool:
        out: Vector = np.empty_like(base)
        got = merge(rows, base, [3, 5, 7, 9], rule_named(name), pool=pool, threads=2, out=out)
    assert got.vector is out
    assert out.tobytes() == whole.tobytes()
    rule = rule_named(name)
    if rule.name in {"mean", "median", "weighted_median", "trimmed_mean", "weighted_trimmed_mean"}:
        edge = slice(reducers.BLOCK - 3, reducers.BLOCK + 3)
        near = merge([row[edge] for row in rows], base[edge], [3, 5, 7, 9], rule).vector
        assert near.tobytes() == whole[edge].tobytes()


@pytest.mark.parametrize("count", range(1, 14))
def test_network__brings_every_rank_and_bounds_all_inputs(count: int) -> None:
    rng = np.random.default_rng(count)
    # by the 0-1 principle a network that sorts zeros and ones sorts everything
    columns = np.array(list(product([0.0, 1.0], repeat=min(count, 10))), np.float32).T
    extra = rng.integers(0, 2, (count - len(columns), columns.shape[1])).astype(np.float32)
    block = [np.ascontiguousarray(row) for row in np.concatenate([columns, extra])]
    want = np.sort(np.array(block), axis=0)
    for first in range(count):
        for last in range(first, count):
            plan = network.network(count, first, last)
            free = [np.empty_like(block[0]) for _ in range(count + 1)]
            wires, largest = sort(block, plan, free, watch=True)
            got = np.array(wires[first : last + 1])
            got[:2].sort(axis=0)  # these two may come in either order
            assert (got == want[first : last + 1]).all()
            assert largest == 1.0


@pytest.mark.parametrize("count", range(1, 10))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_network__notices_every_non_finite_input(count: int, bad: float) -> None:
    for first in range(count):
        plan = network.network(count, first, min(first + 1, count - 1))
        for k in range(count):
            block = [np.ones(1, np.float32) for _ in range(count)]
            block[k][0] = bad
            free = [np.empty(1, np.float32) for _ in range(count + 1)]
            assert sort(block, plan, free, watch=True)[1] == np.inf


@given(
    st.lists(
        st.tuples(st.integers(-3, 3), st.one_of(st.integers(1, 5), st.integers(1, 2**32 - 1))),
        min_size=1,
        max_size=9,
    )
)
def test_clamp_tree__is_the_weighted_median(pairs: list[tuple[int, int]]) -> None:
    weights = tuple(weight for _, weight in pairs)
    block = [np.full(1, value, np.float32) for value, _ in pairs]
    levels = clamp_tree(weights)
    assert levels is not None
    widest = max(map(len, levels))
    got = clamp(block, levels, [np.empty(1, np.float32) for _ in range(2 * widest)])
    want = min(
        value
        for value, _ in pairs
        if 2 * sum(weight for other, weight in pairs if other <= value) >= sum(weights)
    )
    assert got.tolist() == [want]


def test_weighted_median__of_too_many_sums_compares_pairs_instead() -> None:
    n = 16
    weights = [2**20 + 2**k for k in range(n)]
    assert clamp_tree(tuple(weights)) is None
    rows, base = rows_of(n, 50), np.zeros(50, np.float32)
    got = merge(rows, base, weights, rule_named("weighted_median")).vector
    for at in range(50):
        column = sorted((float(row[at]), weight) for row, weight in zip(rows, weights, strict=True))
        below, best = 0, column[-1][0]
        for value, weight in column:
            below += weight
            if 2 * below >= sum(weights):
                best = value
                break
        assert got[at] == best


def test_merge__refuses_an_out_that_overlaps_or_does_not_fit() -> None:
    rows, base = rows_of(3, 10), np.zeros(10, np.float32)
    for out in (rows[1], base):
        with pytest.raises(MergeError, match="out overlaps"):
            merge(rows, base, [1] * 3, rule_named("mean"), out=out)
    with pytest.raises(MergeError, match=r"out is float32\[9\]"):
        merge(rows, base, [1] * 3, rule_named("mean"), out=np.empty(9, np.float32))


@pytest.mark.parametrize("name", RULES)
def test_merge__needs_no_more_memory_than_it_says(name: str) -> None:
    n, size = 8, 1 << 21
    rows, base, out = rows_of(n, size), np.zeros(size, np.float32), np.empty(size, np.float32)
    with ThreadPoolExecutor(2) as pool:
        for threads in (1, 2):
            tracemalloc.start()
            try:
                rule = rule_named(name)
                merge(rows, base, [3] * n, rule, pool=pool, threads=threads, out=out)
                assert tracemalloc.get_traced_memory()[1] <= threads * 17_000_000
            finally:
                tracemalloc.stop()


@given(st.lists(st.floats(width=32), max_size=6))
def test_first_non_finite__is_the_first(values: list[float]) -> None:
    want = next((k for k, value in enumerate(values) if not np.isfinite(value)), None)
    assert first_non_finite(np.array(values, np.float32)) == want
