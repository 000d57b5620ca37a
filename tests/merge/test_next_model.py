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
    integers = merge_integers([integers for _, integers in decoded], terms.integers, model.integers)
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


def spoilt(vectors: Vectors, kept: MemoryStore, chunks: list[bytes]) -> bytes:
    """The root of an update of these chunks, kept as if it had come from a peer."""
    tree = merkle.MerkleTree([merkle.leaf_hash(index, data) for index, data in enumerate(chunks)])
    for index, data in enumerate(chunks):
        kept.put_chunk(tree.root, index, data, tree.proof(index))
    assert tuple(map(len, chunks)) == vectors.update_sizes
    return tree.root


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


NAN = np.float32(np.nan).tobytes()
MINUS = np.float32(-1).tobytes()
# In the second chunk 'weight' comes after 60 elements of 'drift'.
FAULTS = [
    ("fp32", 1, 4 * 61, NAN, Code.NON_FINITE, "tensor 'weight', element 1 is nan"),
    ("bf16", 1, 2 * 61, b"\x80\x7f", Code.NON_FINITE, "tensor 'weight', element 1 is inf"),
    ("fp16", 0, 2 * 39, b"\x01\xfc", Code.NON_FINITE, "tensor 'average', element 39 is nan"),
    ("int8", 0, 0, MINUS, Code.MALFORMED, "the block at tensor 'average', element 0 is -1.0"),
    ("int8", 1, 4 + 61, b"\x80", Code.MALFORMED, "tensor 'weight', element 1 is -128"),
    ("int8", 1, 4100, NAN, Code.NON_FINITE, "tensor 'weight', element 4036 is nan"),
    ("fp32", 2, 8, b"\xc8\0", Code.MALFORMED, "tensor 'age', element 1 is 200; i8 holds"),
]


@pytest.mark.parametrize(("encoding", "chunk", "at", "new", "code", "message"), FAULTS)
def test_an_unusable_update__is_refused_by_name_when_it_comes_and_when_it_is_merged(  # noqa: PLR0917 - one per column of the table
    encoding: str, chunk: int, at: int, new: bytes, code: Code, message: str
) -> None:
    vectors, kept = made(encoding=encoding), store()
    begin = params(1)
    blob = vectors.first_model(begin)
    blob.keep(kept)
    good = vectors.encode_update(kept, blob.root, near(begin, 1)).blob
    good.keep(kept)
    vectors.verify(kept, good.root, blob.root, "site-0")
    chunks = raw(kept, good.root, len(vectors.update_sizes))
    chunks[chunk] = patched(chunks[chunk], at, new)
    bad = spoilt(vectors, kept, chunks)
    named = [("site-0", good.root), ("site-1", bad)]
    for refused in (
        partial(vectors.verify, kept, bad, blob.root, "site-1"),
        partial(vectors.merge, kept, blob.root, named, [1, 1]),
    ):
        with pytest.raises(RemoteProtocolError, match=message) as caught:
            refused()
        assert caught.value.code == code
        assert str(caught.value).startswith("the update of site-1: ")


@pytest.mark.parametrize("rule", ["cclip", "geometric_median", "krum", "nnm+krum"])
def test_a_merge_that_cannot_measure__names_who_is_too_far_and_where(rule: str) -> None:
    vectors, kept = made(SMALL, rule=rule), store()
    begin = params(1, SMALL)
    blob = vectors.first_model({**begin, "weight": np.full(5, -3e38, np.float32)})
    blob.keep(kept)
    far = np.array([0, 0, 3e38, 0, 0], np.float32)
    updates = [{**begin, "weight": far * factor} for factor in map(np.float32, (0, 1, 1, 1, 0))]
    # statistics count for no distance
    updates[0]["mean"] = np.full(2, 3e38, np.float32)
    named = keep_updates(vectors, kept, blob.root, updates)
    where = r"\(tensor 'weight', element 2 is 3[\d.]+e\+38, the base's is -3[\d.]+e\+38\)"
    want = rf"that of site-1 {where}, that of site-2 {where}, that of site-3 {where}$"
    with pytest.raises(MergeError, match=want):
        vectors.merge(kept, blob.root, named, [1] * 5)


def test_a_merge_refused_for_another_reason__blames_nobody() -> None:
    vectors, kept = made(SMALL, rule="krum"), store()
    blob = vectors.first_model(params(1, SMALL))
    blob.keep(kept)
    named = keep_updates(vectors, kept, blob.root, [params(2, SMALL)])
    with pytest.raises(MergeError, match=r"there are 1$"):
        vectors.merge(kept, blob.root, named, [1])


@pytest.mark.parametrize(
    ("encoding", "value", "message"),
    [
        ("fp16", 70_000.0, "fp16: our own parameters: tensor 'weight', element 2 is too large"),
        ("bf16", 3.4e38, "bf16: our own parameters: tensor 'weight', element 2 is too large"),
        ("int8", 2e38, "int8: our own parameters: tensor 'weight', element 2 is 1.9"),
        ("int8", np.inf, "our own parameters: tensor 'weight', element 2 is inf"),
    ],
)
def test_parameters_that_an_encoding_cannot_hold__are_refused_by_tensor_with_what_to_do(
    encoding: str, value: float, message: str
) -> None:
    vectors, kept = made(SMALL, encoding=encoding), store()
    begin = params(1, SMALL)
    blob = vectors.first_model(begin)
    blob.keep(kept)
    begin["weight"][2] = value
    with pytest.raises(MergeError, match=message) as refused:
        vectors.encode_update(kept, blob.root, begin)
    assert np.isinf(value) or "encoding fp32" in str(refused.value)


def test_a_chunk_that_is_gone__is_no_fault_of_the_updates_owner() -> None:
    vectors, kept = made(SMALL, encoding="int8"), store()
    begin = params(1, SMALL)
    blob = vectors.first_model(begin)
    blob.keep(kept)
    named = keep_updates(vectors, kept, blob.root, [begin])
    assert vectors.can_verify(kept, blob.root)
    kept.drop_blob(blob.root)
    assert not vectors.can_verify(kept, blob.root)
    for gone in (
        partial(vectors.verify, kept, named[0][1], blob.root, "site-0"),
        partial(vectors.encode_update, kept, blob.root, begin),
        partial(vectors.merge, kept, blob.root, named, [1]),
        partial(vectors.load, kept, blob.root),
    ):
        with pytest.raises(StateError, match=f"chunk 0 of blob {blob.root.hex()[:16]} is gone"):
            gone()


@pytest.mark.parametrize("change", ["steps", "state", "minus zero", "negative"])
def test_a_genesis_model__whose_optimiser_has_begun_is_refused(change: str) -> None:
    vectors, kept = made(SMALL, optimiser="fedadam"), store()
    first = vectors.first_model(params(1, SMALL))
    first.keep(kept)
    vectors.refuse_used(kept, first.root)
    optimiser = optimiser_named("fedadam")
    model = decode_model(SMALL, optimiser, 9, [bytes(chunk) for chunk in first.chunks])
    if change == "steps":
        model = replace(model, steps=1)
    else:
        model.state[1][0] = -0.0 if change == "minus zero" else 1e-45
    chunks = [bytes(chunk) for chunk in encode_model(SMALL, model, optimiser, 9)]
    if change == "negative":
        chunks[3] = patched(chunks[3], 0, MINUS)
    tree = merkle.MerkleTree([merkle.leaf_hash(index, data) for index, data in enumerate(chunks)])
    for index, data in enumerate(chunks):
        kept.put_chunk(tree.root, index, data, tree.proof(index))
    said = {"steps": "1 steps with no state", "negative": "-1.0"}
    with pytest.raises(ConfigError, match=said.get(change, "0 steps with a state")) as refused:
        vectors.refuse_used(kept, tree.root)
    assert tree.root.hex() in str(refused.value)


def test_zeros__are_the_model_whose_root_the_manifest_names() -> None:
    for optimiser in optimiser_names():
        vectors = made(SCHEMA, optimiser=optimiser, encoding="int8")
        assert vectors.zeros().root == vectors._manifest.init_root
