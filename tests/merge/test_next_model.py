"""A round's merge from kept chunks: the bits of the whole-vector merge, in little memory."""

import tracemalloc
from dataclasses import replace
from functools import partial
from itertools import cycle

import numpy as np
import pytest
from kept import SCHEMA, SMALL, keep_updates, made, near, params, raw, store

from swarmp2p.crypto import merkle
from swarmp2p.errors import ConfigError, MergeError, RemoteProtocolError, StateError
from swarmp2p.merge import layout
from swarmp2p.merge.integers import INTEGER_RULES, merge_integers
from swarmp2p.merge.model import Model, decode_model, encode_model
from swarmp2p.merge.optimisers import optimiser_named, optimiser_names
from swarmp2p.merge.rules import merge, rule_named, rule_names
from swarmp2p.node.vectors import Vectors
from swarmp2p.sim.store import MemoryStore
from swarmp2p.wire.registry import CHUNK_ELEMENTS, ENCODINGS, Code
from swarmp2p.wire.tensors import Schema, TensorSpec

RULES = [*rule_names(), "nnm+mean", "nnm+cclip"]
CASES = [
    *zip(
        [rule for rule in RULES for _ in ENCODINGS],
        cycle(ENCODINGS),
        cycle([*optimiser_names(), "none"]),
        strict=False,
    ),
    *(("cclip", encoding, name) for encoding in ENCODINGS for name in optimiser_names()),
]


def whole(
    vectors: Vectors, kept: MemoryStore, base: bytes, roots: list[bytes], weights: list[int]
) -> bytes:
    """The root of the next model by rules.merge over whole vectors."""
    terms = vectors._manifest
    optimiser = optimiser_named(terms.optimiser, terms.optimiser_params)
    chunks = raw(kept, base, len(vectors.model_sizes))
    model = decode_model(vectors.schema, optimiser, terms.rounds, chunks)
    decoded = [
        layout.decode_chunks(
            vectors.schema,
            raw(kept, root, len(vectors.update_sizes)),
            vectors.encoding,
            model.floats,
        )
        for root in roots
    ]
    stat = layout.stat_slices(vectors.schema)
    result = merge(
        [floats for floats, _ in decoded],
        model.floats,
        weights,
        rule_named(terms.rule),
        stat=stat,
        uniform=terms.weights == "uniform",
    )
    integers = merge_integers(
        [integers for _, integers in decoded], terms.integers, model.integers
    )
    steps = optimiser.step(result.vector, model.floats, model.state, model.steps, stat=stat)
    merged = Model(result.vector, integers, model.state, steps)
    return merkle.blob_root(encode_model(vectors.schema, merged, optimiser, terms.rounds))


@pytest.mark.parametrize(("rule", "encoding", "optimiser"), CASES)
def test_merge__gives_the_bits_of_the_whole_vectors_merge_round_after_round(
    rule: str, encoding: str, optimiser: str
) -> None:
    vectors = made(rule=rule, encoding=encoding, optimiser=optimiser, integers="median")
    kept, begin = store(), params(1)
    blob = vectors.first_model(begin)
    blob.keep(kept)
    base = blob.root
    for number in (1, 2):  # the second from a state that is not zero
        updates = [near(vectors.load(kept, base), 10 * number + peer) for peer in range(5)]
        named = keep_updates(vectors, kept, base, updates)
        weights = [3, 1, 4, 1, 5]
        merged = vectors.merge(kept, base, named, weights)
        want = whole(vectors, kept, base, [root for _, root in named], weights)
        assert merged.blob.root == want
        assert tuple(len(chunk) for chunk in merged.blob.chunks) == vectors.model_sizes
        merged.blob.keep(kept)
        base = merged.blob.root


@pytest.mark.parametrize("rule", INTEGER_RULES)
def test_integers__are_merged_by_the_runs_rule(rule: str) -> None:
    vectors, kept = made(SMALL, integers=rule), store()
    begin = params(1, SMALL)
    begin["age"] = np.array([7, 7], np.int8)
    blob = vectors.first_model(begin)
    blob.keep(kept)
    ages = ([1, 30], [2, -3], [99, 20], [5, 5])
    updates = [{**begin, "age": np.array(age, np.int8)} for age in ages]
    named = keep_updates(vectors, kept, blob.root, updates)
    merged = vectors.merge(kept, blob.root, named, [1, 1, 1, 1])
    merged.blob.keep(kept)
    want = {"max": [99, 30], "min": [1, -3], "median": [5, 20], "base": [7, 7]}
    assert vectors.load(kept, merged.blob.root)["age"].tolist() == want[rule]


MODEL = Schema((TensorSpec("w", "f32", (10 * CHUNK_ELEMENTS,)),))


@pytest.mark.parametrize("encoding", ["fp32", "int8"])
@pytest.mark.parametrize("rule", ["mean", "cclip", "krum", "nnm+trimmed_mean", "median"])
def test_merge__needs_base_result_and_a_few_chunks_whatever_the_number_of_updates(
    rule: str, encoding: str
) -> None:
    vectors, kept = made(MODEL, rule=rule, encoding=encoding), store()
    begin = {"w": np.zeros(10 * CHUNK_ELEMENTS, np.float32)}
    blob = vectors.first_model(begin)
    blob.keep(kept)
    one = vectors.encode_update(kept, blob.root, {"w": begin["w"] + np.float32(0.5)}).blob
    one.keep(kept)
    named, base = [(f"site-{peer}", one.root) for peer in range(8)], blob.root
    del begin, blob, one
    tracemalloc.start()
    try:
        vectors.merge(kept, base, named, [1] * 8)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        vectors.verify(kept, named[0][1], base, "site-0")
        judging = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak <= 2 * 4 * 10 * CHUNK_ELEMENTS + 20_000_000
    assert judging <= 6_000_000


