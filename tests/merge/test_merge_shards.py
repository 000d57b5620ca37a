"""Shards merged by owners who see no more than theirs have the bits of rules.merge()."""

import random  # noqa: TID251 - hypothesis hands in a seeded one
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import own_rules
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarmp2p.errors import MergeError
from swarmp2p.merge import chunks, gram, reducers
from swarmp2p.merge.gram_blob import decode_gram, encode_gram
from swarmp2p.merge.rules import MergeResult, merge, rule_named, rule_names
from swarmp2p.merge.shards import Shard, ShardMerge, cut, join_products
from swarmp2p.merge.stages import gram_stages
from swarmp2p.merge.streaming import StreamingMerge
from swarmp2p.merge.terms import MergeRule, Vector

RULES = [*rule_names(), *(f"nnm+{name}" for name in rule_names() if name != "strict")]
CHUNK, SEGMENT, LANES = 8, 32, 8
HUGE = 3e38  # in float32, two such values of unlike sign are infinitely far apart

Merge = ShardMerge | StreamingMerge


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reducers, "BLOCK", CHUNK)
    monkeypatch.setattr(gram, "SEGMENT", SEGMENT)
    monkeypatch.setattr(gram, "LANES", LANES)
    monkeypatch.setattr(chunks, "PIECE_BYTES", 6 * 4 * CHUNK)  # a chunk of six updates


def made(n: int, size: int, dtype: type = np.float32) -> tuple[list[Vector], Vector, list[int]]:
    rng = np.random.default_rng([n, size])
    rows: list[Vector] = [rng.normal(size=size).astype(dtype) for _ in range(n)]
    return rows, rng.normal(size=size).astype(dtype), [int(w) for w in rng.integers(1, 90, n)]


def cuts(order: random.Random, size: int, shards: int) -> list[Shard]:
    """Random cuts, some of them empty, in random order."""
    segments = -(-size // SEGMENT)
    ends = [0, *sorted(order.randint(0, segments) for _ in range(shards - 1)), segments]
    made = [Shard(size, first, last) for first, last in pairwise(ends)]
    order.shuffle(made)
    return made


def exchange(merges: Sequence[Merge], shards: Sequence[Shard], count: int) -> None:
    """Every stage: blobs of own products to everybody, who decode and join them."""
    while merges[0].stages_left():
        blobs = [encode_gram(one.own_products()) for one in merges]
        rows = [
            decode_gram(blob, shard.last - shard.first, count)
            for blob, shard in zip(blobs, shards, strict=True)
        ]
        for one in merges:
            one.add_products(join_products(shards, rows, count))


def assert_whole(merges: Sequence[Merge], shards: Sequence[Shard], want: MergeResult) -> None:
    whole = np.full_like(want.vector, np.nan)
    for one, shard in zip(merges, shards, strict=True):
        got = one.result()
        whole[shard.part] = got.vector
        assert got.weights_used == want.weights_used
        assert got.coefficients == want.coefficients
        assert got.outliers == want.outliers
    assert whole.tobytes() == want.vector.tobytes()


def refusal(run: Callable[[], object]) -> str | None:
    try:
        run()
    except MergeError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", RULES)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    n=st.integers(4, 9),
    size=st.sampled_from([0, 1, 31, 32, 33, 64, 65, 150]),
    dtype=st.sampled_from([np.float32, np.float64]),
    shards=st.integers(1, 8),
    odd=st.sampled_from(["", "outlier", "unmeasured", "two unmeasured", "half unmeasured"]),
    stat=st.booleans(),
    uniform=st.booleans(),
    streams=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_shards__give_the_bits_of_the_whole_merge(
    name: str,
    *,
    n: int,
    size: int,
    dtype: type,
    shards: int,
    odd: str,
    stat: bool,
    uniform: bool,
    streams: bool,
    order: random.Random,
) -> None:
    rows, base, weights = made(n, size, dtype)
    huge = HUGE if dtype is np.float32 else 1e308
    far = {"unmeasured": 1, "two unmeasured": 2, "half unmeasured": -(-n // 2)}.get(odd, 0)
    if far:
        base[size // 3 :: 40] = -huge
    for k, row in enumerate(rows if far else ()):
        row[size // 3 :: 40] = huge if k < far else -huge
    if odd == "outlier":
        rows[1][: size // 2] *= 1e6
    slices = [slice(3, 7), slice(14, 40), slice(60, 65)] if stat and size > 65 else []
    rule = rule_named(name)
    owners = cuts(order, size, shards)

    def whole() -> MergeResult:
        return merge(rows, base, weights, rule, stat=slices, uniform=uniform)

    def merges() -> list[Merge]:
        if streams:
            return [streamed(one, slices, order) for one in owners]
        return [
            ShardMerge(
                one,
                [row[one.part] for row in rows],
                base[one.part],
                weights,
                rule,
                stat=slices,
                uniform=uniform,
            )
            for one in owners
        ]

    def streamed(shard: Shard, stat: list[slice], order: random.Random) -> StreamingMerge:
        part = base[shard.part]
        stream = StreamingMerge(
            part, weights, rule, stat=stat, uniform=uniform, chunk=CHUNK, shard=shard
        )
        arrivals = [(peer, at) for peer in range(n) for at in range(-(-part.size // CHUNK))]
        order.shuffle(arrivals)
        for peer, at in arrivals:
            chunk = rows[peer][shard.part][at * CHUNK : (at + 1) * CHUNK]
            stream.feed(peer, at, chunk if order.random() < 0.5 else chunk.copy)
        return stream

    refused = refusal(whole)
    parts = merges()
    exchange(parts, owners, n)
    if refused is not None:  # more unmeasured updates than the rule stands: every owner says so
        assert [refusal(one.result) for one in parts] == [refused] * len(parts)
        return
    assert_whole(parts, owners, whole())


@pytest.mark.parametrize("name", ["mean", "median", "cclip", "geometric_median"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_shards__take_small_rosters(name: str, n: int) -> None:
    rows, base, weights = made(n, 100)
    owners = cut(100, 3)
    rule = rule_named(name)
    parts = [
        ShardMerge(one, [row[one.part] for row in rows], base[one.part], weights, rule)
        for one in owners
    ]
    exchange(parts, owners, n)
    assert_whole(parts, owners, merge(rows, base, weights, rule))


@pytest.mark.parametrize("name", ["trimmed_mean", "cclip", "nnm+cclip"])
def test_shards__give_the_same_bits_with_real_segments_and_threads(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    size = 2 * gram.SEGMENT + reducers.BLOCK + 77
    rows, base, weights = made(4, size)
    owners = cut(size, 2)
    assert [(one.first, one.last) for one in owners] == [(0, 1), (1, 3)]
    stat, rule = [slice(gram.SEGMENT - 9, gram.SEGMENT + 400_000)], rule_named(name)
    with ThreadPoolExecutor(2) as pool:
        parts = [
            ShardMerge(
                one,
                [row[one.part] for row in rows],
                base[one.part],
                weights,
                rule,
                stat=stat,
                pool=pool,
                threads=2,
            )
            for one in owners
        ]
        exchange(parts, owners, 4)
        assert_whole(parts, owners, merge(rows, base, weights, rule, stat=stat))


def test_stages__are_as_many_as_a_rule_measures() -> None:
    stages = {(name, n): gram_stages(rule_named(name), n) for name in RULES for n in (4, 7, 8, 9)}
    for n in (4, 7, 8, 9):
        for name in ("mean", "median", "weighted_median", "trimmed_mean", "weighted_trimmed_mean"):
            assert (stages[name, n], stages[f"nnm+{name}", n]) == (0, 1)
        for name in ("cclip", "geometric_median", "krum", "multi_krum"):
            assert (stages[name, n], stages[f"nnm+{name}", n]) == (1, 2)
        assert stages["strict", n] == (n >= 8)
    assert [gram_stages(rule_named("cclip"), n) for n in (1, 2, 3)] == [0, 0, 1]


def test_stream__merges_and_forgets_chunks_at_once_when_products_are_known() -> None:
    rows, base, weights = made(5, 3 * CHUNK)
    rule, shard = rule_named("nnm+cclip"), Shard.whole(3 * CHUNK)
    known = ShardMerge(shard, rows, base, weights, rule)
    stream = StreamingMerge(base, weights, rule, chunk=CHUNK, shard=shard)
    while known.stages_left():
        own = known.own_products()
        known.add_products(own)
        stream.add_products(own)
    loads: list[tuple[int, int]] = []

    def load(peer: int, at: int) -> Vector:
        loads.append((peer, at))
        return rows[peer][at * CHUNK : (at + 1) * CHUNK]

    def deferred(peer: int, at: int) -> Callable[[], Vector]:
        return lambda: load(peer, at)

    for at in (2, 0, 1):
        for peer in (4, 1, 0, 2, 3):
            stream.feed(peer, at, deferred(peer, at))
        assert loads == [(peer, at) for peer in range(5)]
        loads.clear()
    assert_whole([stream], [shard], known.result())
    assert loads == []


def test_merge__waits_for_the_products_of_all_shards() -> None:
    rows, base, weights = made(4, 100)
    shard, rule = Shard(100, 1, 2), rule_named("nnm+krum")
    parts = [row[shard.part] for row in rows]
    merges: list[Merge] = [ShardMerge(shard, parts, base[shard.part], weights, rule)]
    stream = StreamingMerge(base[shard.part], weights, rule, chunk=SEGMENT, shard=shard)
    merges.append(stream)
    with pytest.raises(MergeError, match="chunk 0 of roster index 0 has not been fed"):
        stream.own_products()
    for peer, part in enumerate(parts):
        stream.feed(peer, 0, part)
    for one in merges:
        with pytest.raises(MergeError, match="2 stages of inner products of all shards"):
            one.result()
        own = one.own_products()
        for wrong in (own, np.zeros((4, 9)), np.zeros((4, 10), np.float32), np.zeros(40)):
            with pytest.raises(MergeError, match=r"float64\[4, 10\], a row for each segment"):
                one.add_products(wrong)
        one.add_products(np.zeros((4, 10)))
        with pytest.raises(MergeError, match="1 stages"):
            one.result()
        one.add_products(np.zeros((4, 10)))
        one.result()
        for more in (one.own_products, lambda one=one: one.add_products(np.zeros((4, 10)))):
            with pytest.raises(MergeError, match="left"):
                more()


@pytest.mark.parametrize("name", ["mean", "median"])
def test_merge__of_a_rule_by_element_has_no_products(name: str) -> None:
    rows, base, weights = made(3, CHUNK)
    stream = StreamingMerge(base, weights, rule_named(name), chunk=CHUNK)
    for peer, row in enumerate(rows):
        stream.feed(peer, 0, row)
    merges: list[Merge] = [
        stream,
        ShardMerge(Shard.whole(CHUNK), rows, base, weights, rule_named(name)),
    ]
    for one in merges:
        assert one.stages_left() == 0
        with pytest.raises(MergeError, match="left"):
            one.own_products()
        with pytest.raises(MergeError, match="left"):
            one.add_products(np.zeros((1, 6)))


@pytest.mark.parametrize("name", ["mean", "median", "cclip", "nnm+trimmed_mean"])
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("stat", [False, True])
def test_shard__names_peer_and_element_of_the_whole_vector(
    name: str, *, streams: bool, stat: bool
) -> None:
    rows, base, weights = made(5, 100)
    shard, rule = Shard(100, 2, 4), rule_named(name)
    rows[3][70] = np.nan
    slices = [slice(60, 80)] if stat else []
    parts = [row[shard.part] for row in rows]

    def run() -> None:
        one: Merge
        if streams:
            one = StreamingMerge(
                base[shard.part],
                weights,
                rule,
                stat=slices,
                name_element="tensor 'w', element {}".format,
                chunk=SEGMENT,
                shard=shard,
            )
            for peer, part in enumerate(parts):
                one.feed(peer, 1, part[SEGMENT:])
                one.feed(peer, 0, part[:SEGMENT])
        else:
            one = ShardMerge(
                shard,
                parts,
                base[shard.part],
                weights,
                rule,
                stat=slices,
                name_element="tensor 'w', element {}".format,
            )
        while one.stages_left():  # as products from before the element went bad
            one.add_products(np.ones((4, 15)))
        one.result()

    with pytest.raises(MergeError, match="roster index 3: tensor 'w', element 70 is nan"):
        run()


def test_shard__owner_measures_no_update_with_nan() -> None:
    rows, base, weights = made(4, 64)
    rows[2][40] = np.nan
    one = ShardMerge(Shard.whole(64), rows, base, weights, rule_named("nnm+krum"))
    with pytest.raises(MergeError, match="roster index 2: element 40 is nan"):
        one.own_products()
    stream = StreamingMerge(base, weights, rule_named("nnm+krum"), chunk=CHUNK)
    for peer, row in enumerate(rows):
        for at in range(8):
            stream.feed(peer, at, row[at * CHUNK : (at + 1) * CHUNK])
    with pytest.raises(MergeError, match="roster index 2: element 40 is nan"):
        stream.own_products()


def test_own_rule__is_merged_in_shards_only_if_it_works_by_element(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
class Apart(Base):
    name = "their-rules:Apart"
    by_element = True
    def reduce(self, terms, out):
        each_block(terms, out, lambda rows, base, part: np.maximum(rows[0], base, out=part))
        return Findings()

class Whole(Base):
    name = "their-rules:Whole"
    def reduce(self, terms, out):
        weighted_sum(terms, terms.shares, out)
        return Findings()
"""
    own_rules.install(tmp_path / "site", monkeypatch, source)
    rows, base, weights = made(3, 100)
    owners, stat = cut(100, 2), [slice(10, 70)]

    def parts(rule: MergeRule) -> list[ShardMerge]:
        return [
            ShardMerge(o, [row[o.part] for row in rows], base[o.part], weights, rule, stat=stat)
            for o in owners
        ]

    apart, whole = rule_named("their-rules:Apart"), rule_named("their-rules:Whole")
    assert_whole(parts(apart), owners, merge(rows, base, weights, apart, stat=stat))
    with pytest.raises(MergeError, match=r"'their-rules:Whole' looks at whole updates"):
        parts(whole)
    with pytest.raises(MergeError, match=r"give it `by_element = True`"):
        StreamingMerge(base[:SEGMENT], weights, whole, chunk=CHUNK, shard=Shard(100, 0, 1))
