"""The rules for integers against sorting in plain Python, and their refusals."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import MergeError
from swarmp2p.merge import reducers
from swarmp2p.merge.integers import INTEGER_RULES, merge_integers

LEAST, MOST = -(2**63), 2**63 - 1
OF_COLUMN: dict[str, Callable[[list[int]], int]] = {
    "max": max,
    "min": min,
    "median": lambda column: sorted(column)[len(column) // 2],
}

integers = st.one_of(st.sampled_from([LEAST, MOST, -1, 0, 1, 2]), st.integers(LEAST, MOST))
rows_of = st.tuples(st.integers(1, 9), st.integers(0, 6)).flatmap(
    lambda shape: st.lists(
        st.lists(integers, min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    )
)


@given(rows_of, st.data())
def test_rules__give_the_value_of_each_column_in_any_order(
    rows: list[list[int]], data: st.DataObject
) -> None:
    vectors = [np.array(row, np.int64) for row in data.draw(st.permutations(rows))]
    for rule, of_column in OF_COLUMN.items():
        expected = [of_column(list(column)) for column in zip(*rows, strict=True)]
        assert merge_integers(vectors, rule).tolist() == expected
    assert merge_integers(vectors).tolist() == merge_integers(vectors, "max").tolist()


def test_base__gives_a_copy_of_the_base_alone() -> None:
    rows, base = [np.array([5, 6], np.int64)] * 3, np.array([1, LEAST], np.int64)
    merged = merge_integers(rows, "base", base)
    assert merged.tolist() == [1, LEAST]
    assert not np.may_share_memory(merged, base)


@pytest.mark.parametrize("rule", INTEGER_RULES)
def test_rules__leave_their_inputs_alone(rule: str) -> None:
    rows = [np.array([k, -k, 0], np.int64) for k in (3, 1, 2, 4)]
    kept = [row.copy() for row in (*rows, rows[1])]
    merged = merge_integers(rows, rule, rows[1])
    assert [row.tolist() for row in (*rows, rows[1])] == [row.tolist() for row in kept]
    assert not any(np.may_share_memory(merged, row) for row in rows)


def test_median__is_the_same_with_other_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [np.random.default_rng(k).integers(-5, 5, 103) for k in range(6)]
    whole = merge_integers(rows, "median")
    monkeypatch.setattr(reducers, "BLOCK", 8)
    assert merge_integers(rows, "median").tolist() == whole.tolist()
    assert whole.tolist() == np.sort(np.stack(rows), axis=0)[3].tolist()


def test_median__needs_no_more_memory_for_more_elements() -> None:
    rows = [np.full(3_000_000, k, np.int64) for k in range(5)]
    tracemalloc.start()
    merge_integers(rows, "median")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < rows[0].nbytes + 9 * 2**20


@pytest.mark.parametrize("rule", ["mean", "sum", "", "Max"])
def test_rules__that_are_unknown_are_refused(rule: str) -> None:
    with pytest.raises(MergeError, match="unknown integer rule"):
        merge_integers([np.zeros(2, np.int64)], rule)


def test_rules__refuse_vectors_that_do_not_fit() -> None:
    row = np.zeros(2, np.int64)
    for bad in (row[:1], row.reshape(2, 1), row.astype(np.int32)):
        with pytest.raises(MergeError, match="roster index 1"):
            merge_integers([row, bad])
        for rule in INTEGER_RULES:
            with pytest.raises(MergeError, match="section of the base"):
                merge_integers([row], rule, bad)
    with pytest.raises(MergeError, match="no updates"):
        merge_integers([])
    with pytest.raises(MergeError, match="'base' without a base"):
        merge_integers([row], "base")
