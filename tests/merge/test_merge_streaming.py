"""Chunks in any order give the bits of rules.merge(), in bounded memory."""

import random  # noqa: TID251 - hypothesis hands in a seeded one
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarmp2p.errors import MergeError
from swarmp2p.merge import chunks as chunks_module
from swarmp2p.merge import gram, reducers
from swarmp2p.merge.rules import MergeResult, merge, rule_named, rule_names
from swarmp2p.merge.streaming import Source, StreamingMerge
from swarmp2p.merge.terms import Vector

RULES = [*rule_names(), "nnm+mean", "nnm+cclip", "nnm+trimmed_mean"]
CHUNK = 16


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reducers, "BLOCK", CHUNK)
    monkeypatch.setattr(gram, "SEGMENT", 4 * CHUNK)
    monkeypatch.setattr(gram, "LANES", 8)
    monkeypatch.setattr(gram, "LANE_BLOCK", 4)
    monkeypatch.setattr(gram, "ACCUMULATORS", 5 * 8 * 8)  # five pairs
    monkeypatch.setattr(chunks_module, "PIECE_BYTES", 6 * 4 * CHUNK)  # a chunk of six updates


def made(n: int, size: int, dtype: type = np.float32) -> tuple[list[Vector], Vector, list[int]]:
    rng = np.random.default_rng([n, size])
    rows: list[Vector] = [rng.normal(size=size).astype(dtype) for _ in range(n)]
    return rows, rng.normal(size=size).astype(dtype), [int(w) for w in rng.integers(1, 90, n)]


def same(got: MergeResult, want: MergeResult) -> bool:
    return (
        got.vector.tobytes() == want.vector.tobytes()
        and got.weights_used == want.weights_used
        and got.coefficients == want.coefficients
        and got.outliers == want.outliers
    )


def chunks_of(rows: list[Vector], chunk: int) -> Iterator[tuple[int, int, Vector]]:
    for peer, row in enumerate(rows):
        for index in range(-(-row.size // chunk)):
            yield peer, index, row[index * chunk : (index + 1) * chunk]


def loader(chunk: Vector) -> Callable[[], Vector]:
    return chunk.copy


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", RULES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    n=st.integers(4, 9),
    size=st.sampled_from([0, 1, 15, 16, 17, 64, 65, 150]),
    dtype=st.sampled_from([np.float32, np.float64]),
    loads=st.booleans(),
    uniform=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_stream__gives_the_bits_of_merge_in_any_order(
    name: str,
    *,
    n: int,
    size: int,
    dtype: type,
    loads: bool,
    uniform: bool,
    order: random.Random,
) -> None:
    rows, base, weights = made(n, size, dtype)
    rows[1][: size // 2] *= 1e6  # an outlier for the rules that know such
    stat = [slice(3, 7), slice(14, 40)] if size > 40 else []
    rule = rule_named(name)
    stream = StreamingMerge(base, weights, rule, stat=stat, uniform=uniform, chunk=CHUNK)
    arrivals = list(chunks_of(rows, CHUNK))
    order.shuffle(arrivals)
    for peer, index, chunk in arrivals:
        source: Source = loader(chunk) if loads else chunk
        stream.feed(peer, index, source)
    assert same(stream.result(), merge(rows, base, weights, rule, stat=stat, uniform=uniform))


@pytest.mark.parametrize("name", ["mean", "cclip", "median", "geometric_median"])
@pytest.mark.parametrize("n", [1, 2])
def test_stream__takes_small_rosters(name: str, n: int) -> None:
    rows, base, weights = made(n, 40)
    stream = StreamingMerge(base, weights, rule_named(name), chunk=CHUNK)
    for peer, index, chunk in reversed(list(chunks_of(rows, CHUNK))):
        stream.feed(peer, index, chunk)
    assert same(stream.result(), merge(rows, base, weights, rule_named(name)))


@pytest.mark.parametrize("name", ["mean", "trimmed_mean", "cclip", "nnm+median"])
def test_stream__gives_the_same_bits_with_real_chunks_and_segments(name: str) -> None:
    size = gram.SEGMENT + 2 * reducers.BLOCK + 77
    rows, base, weights = made(4, size)
    stream = StreamingMerge(base, weights, rule_named(name), stat=[slice(1_000, 400_000)])
    arrivals = list(chunks_of(rows, reducers.BLOCK))
    for peer, index, chunk in arrivals[::2] + arrivals[1::2][::-1]:
        stream.feed(peer, index, chunk)
    want = merge(rows, base, weights, rule_named(name), stat=[slice(1_000, 400_000)])
    assert same(stream.result(), want)


EXTRA = 32_000_000  # bytes, whatever the roster and the rule


@pytest.mark.parametrize("n", [4, 8, 16])
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(("dtype", "backwards"), [(np.float32, True), (np.float64, False)])
def test_stream__needs_the_result_and_32_megabytes(
    name: str, n: int, dtype: type, *, backwards: bool
) -> None:
    chunks = 5
    base = np.zeros((chunks - 1) * reducers.BLOCK + 77, dtype)

    def load(peer: int, index: int) -> Vector:
        size = min(reducers.BLOCK, base.size - index * reducers.BLOCK)
        return np.full(size, peer * 0.5 + index, dtype)

    def deferred(peer: int, index: int) -> Callable[[], Vector]:
        return lambda: load(peer, index)

    arrivals = list(product(range(n), range(chunks)))
    tracemalloc.start()
    try:
        stream = StreamingMerge(base, [1 + k % 3 for k in range(n)], rule_named(name))
        for peer, index in reversed(arrivals) if backwards else arrivals:
            stream.feed(peer, index, deferred(peer, index))
        stream.result()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= base.nbytes + EXTRA


@pytest.mark.parametrize(
    ("name", "passes"), [("mean", 1), ("median", 1), ("cclip", 2), ("nnm+cclip", 3)]
)
def test_stream__loads_a_chunk_once_for_each_pass_and_piece(
    name: str, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, base, weights = made(4, 3 * CHUNK)
    for pieces in (1, 2, 4):
        monkeypatch.setattr(chunks_module, "PIECE_BYTES", 4 * 4 * CHUNK // pieces)
        loads = []

        def load(chunk: Vector, loads: list[int] = loads) -> Vector:
            loads.append(1)
            return chunk

        stream = StreamingMerge(base, weights, rule_named(name), chunk=CHUNK)
        for peer, index, chunk in chunks_of(rows, CHUNK):
            stream.feed(peer, index, partial(load, chunk))
        assert same(stream.result(), merge(rows, base, weights, rule_named(name)))
        assert len(loads) == 4 * 3 * (1 if name == "mean" else passes * pieces)


def test_stream__folds_a_mean_as_it_comes_and_holds_what_is_early() -> None:
    rows, base, weights = made(3, 2 * CHUNK)
    stream = StreamingMerge(base, weights, rule_named("mean"), chunk=CHUNK)
    loaded: list[int] = []

    def load(peer: int) -> Vector:
        loaded.append(peer)
        return rows[peer][:CHUNK]

    stream.feed(2, 0, lambda: load(2))
    assert loaded == []
    stream.feed(0, 0, lambda: load(0))
    assert loaded == [0]
    stream.feed(1, 0, lambda: load(1))
    assert loaded == [0, 1, 2]
    assert stream.missing() == (0, 1)
    with pytest.raises(MergeError, match="chunk 1 of roster index 0 has not been fed"):
        stream.result()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("at", [0, 15, 70])
def test_stream__names_the_peer_and_the_element_of_a_non_finite_value(name: str, at: int) -> None:
    rows, base, weights = made(5, 71)
    rows[3][at] = np.inf
    stream = StreamingMerge(
        base, weights, rule_named(name), chunk=CHUNK, name_element="tensor 'w', element {}".format
    )

    def run() -> None:
        for peer, index, chunk in chunks_of(rows, CHUNK):
            stream.feed(peer, index, chunk)
        stream.result()

    with pytest.raises(MergeError, match=f"roster index 3: tensor 'w', element {at} is inf"):
        run()


def test_stream__sees_a_bad_chunk_after_one_that_only_overflowed() -> None:
    largest = np.finfo(np.float32).max
    rows = [np.full(2 * CHUNK, largest, np.float32) for _ in range(8)]
    rows[5][CHUNK] = np.nan
    stream = StreamingMerge(
        np.zeros(2 * CHUNK, np.float32), [1] * 8, rule_named("trimmed_mean"), chunk=CHUNK
    )
    arrivals = sorted(chunks_of(rows, CHUNK), key=lambda one: one[1])
    for peer, index, chunk in arrivals[:-1]:
        stream.feed(peer, index, chunk)
    with pytest.raises(MergeError, match="roster index 5: element 16 is nan"):
        stream.feed(*arrivals[-1])


def test_stream__refuses_chunks_that_do_not_fit() -> None:
    rows, base, weights = made(3, 40)
    stream = StreamingMerge(base, weights, rule_named("median"), chunk=CHUNK)
    stream.feed(0, 0, rows[0][:CHUNK])
    with pytest.raises(MergeError, match="chunk 0 of roster index 0 was fed before"):
        stream.feed(0, 0, rows[0][:CHUNK])
    for peer, index in ((3, 0), (0, 3), (-1, 0), (0, -1)):
        with pytest.raises(MergeError, match="there are 3 updates of 3 chunks"):
            stream.feed(peer, index, rows[0][:CHUNK])
    with pytest.raises(MergeError, match=r"chunk 2 of roster index 1 is float32\[16\]"):
        stream.feed(1, 2, rows[1][:CHUNK])
    stream.feed(1, 0, rows[1][:CHUNK])
    with pytest.raises(MergeError, match=r"chunk 0 of roster index 2 is float64\[16\]"):
        stream.feed(2, 0, lambda: np.zeros(CHUNK))
    with pytest.raises(MergeError, match="do not fill a segment"):
        StreamingMerge(base, weights, rule_named("mean"), chunk=3)
