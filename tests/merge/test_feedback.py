"""What int8 rounds off is what is kept, and adding it later makes up for it."""

import numpy as np
import pytest
from kept import SCHEMA, SMALL, made, near, params, raw, store

from swarmp2p.errors import MergeError
from swarmp2p.merge import layout
from swarmp2p.merge.layout import Array
from swarmp2p.node.vectors import Encoded, Vectors
from swarmp2p.sim.store import MemoryStore
from swarmp2p.wire.registry import ENCODING_INT8


def decoded(vectors: Vectors, kept: MemoryStore, base: bytes, made_: Encoded) -> Array:
    floats = layout.decode_chunks(vectors.schema, raw(kept, base, 3))[0]
    chunks = [bytes(chunk) for chunk in made_.blob.chunks]
    return layout.decode_chunks(vectors.schema, chunks, ENCODING_INT8, floats)[0]


def test_what_is_lost__is_the_difference_between_what_was_wanted_and_what_is_sent() -> None:
    vectors, kept, begin = made(encoding="int8"), store(), params(1)
    base = vectors.first_model(begin)
    base.keep(kept)
    update = near(begin, 1)
    first = vectors.encode_update(kept, base.root, update)
    wanted = layout.flatten(update, SCHEMA)[0]
    sent = decoded(vectors, kept, base.root, first)
    lost = np.concatenate([np.frombuffer(chunk, "<f4") for chunk in first.lost])
    assert lost.tobytes() == (wanted - sent).tobytes()
    assert lost.any()
    second = vectors.encode_update(kept, base.root, update, first.lost)
    again = np.concatenate([np.frombuffer(chunk, "<f4") for chunk in second.lost])
    corrected = decoded(vectors, kept, base.root, second)
    assert again.tobytes() == ((wanted + lost) - corrected).tobytes()


def test_an_update_that_int8_holds_exactly__leaves_nothing() -> None:
    vectors, kept, begin = made(SMALL, encoding="int8"), store(), params(1, SMALL)
    base = vectors.first_model(begin)
    base.keep(kept)
    assert vectors.encode_update(kept, base.root, begin).lost == []


def test_with_feedback__what_was_sent_adds_up_to_what_was_meant() -> None:
    """A change too small for one level of its block, beside one that sets the scale."""
    vectors, kept = made(SMALL, encoding="int8"), store()
    begin = {name: np.zeros_like(value) for name, value in params(1, SMALL).items()}
    base = vectors.first_model(begin)
    base.keep(kept)
    update = {**begin, "weight": np.array([127, 0.1, 0, 0, 0], np.float32)}
    at = 3 + 1  # bias, mean, and the first of weight
    sums, residual = {True: 0.0, False: 0.0}, None
    for _ in range(10):
        plain = vectors.encode_update(kept, base.root, update)
        sums[False] += _sent(vectors, plain)[at]
        corrected = vectors.encode_update(kept, base.root, update, residual)
        sums[True] += _sent(vectors, corrected)[at]
        residual = corrected.lost
    assert sums == {True: 1.0, False: 0.0}


def _sent(vectors: Vectors, update: Encoded) -> Array:
    chunks = [bytes(chunk) for chunk in update.blob.chunks]
    zeros = np.zeros(vectors.schema.float_elements, np.float32)
    return layout.decode_chunks(vectors.schema, chunks, ENCODING_INT8, zeros)[0]


@pytest.mark.parametrize("residual", [3e38, np.inf])
def test_a_residual_that_overflows__is_refused_by_tensor(residual: float) -> None:
    vectors, kept, begin = made(SMALL, encoding="int8"), store(), params(1, SMALL)
    base = vectors.first_model(begin)
    base.keep(kept)
    chunk = np.zeros(8, np.float32)
    chunk[4] = residual
    with pytest.raises(MergeError, match="our own parameters: tensor 'weight', element 1"):
        vectors.encode_update(kept, base.root, begin, [chunk.tobytes()])


def test_an_update_that_rounds_beyond_the_largest__is_not_sent() -> None:
    vectors, kept = made(SMALL, encoding="int8"), store()
    largest = float(np.finfo(np.float32).max)
    begin = params(1, SMALL)
    begin["weight"] = np.array([largest, 0, 0, 0, 0], np.float32)
    base = vectors.first_model(begin)
    base.keep(kept)
    moved = {**begin, "weight": np.array([largest, 127, 0, 0, 0], np.float32)}
    vectors.encode_update(kept, base.root, moved)  # a difference of 0 is no trouble
    begin["weight"][0] = np.float32(0.9 * largest)
    base = vectors.first_model(begin)
    base.keep(kept)
    moved["weight"][1] = -0.1 * largest * 127 / 126.6  # so that element 0 is 126.6 levels away
    with pytest.raises(MergeError, match="in int8: the decoded update: tensor 'weight', element 0"):
        vectors.encode_update(kept, base.root, moved)
