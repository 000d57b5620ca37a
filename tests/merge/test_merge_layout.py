"""Named tensors to sections to chunks and back, and every refusal by name."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import MergeError, RemoteProtocolError
from swarmp2p.merge.layout import (
    Array,
    decode_chunks,
    element_name,
    encode_chunks,
    flatten,
    stat_slices,
    unflatten,
)
from swarmp2p.wire.registry import CHUNK_ELEMENTS, Code
from swarmp2p.wire.tensors import Schema, TensorSpec, chunk_sizes

MODEL = Schema(
    (
        TensorSpec("bias", "f32", ()),
        TensorSpec("brain", "bf16", (2,)),
        TensorSpec("count", "i64", (2,)),
        TensorSpec("flags", "bool", (3,)),
        TensorSpec("half", "f16", (2,)),
        TensorSpec("mean", "f32", (2, 2), stat=True),
        TensorSpec("small", "i8", (1,)),
        TensorSpec("step", "u64", ()),
    )
)


def params(**changes: Any) -> dict[str, Array]:
    values: dict[str, Array] = {
        "bias": np.array(-0.0, np.float32),
        "brain": np.array([1.5, -2.0], np.float32),
        "count": np.array([-(2**63), 7]),
        "flags": np.array([True, False, True]),
        "half": np.array([2.0**-24, 65_504], np.float16),
        "mean": np.array([[1, 2], [3, 2.0**-149]], np.float32),
        "small": np.array([-128], np.int8),
        "step": np.array(2**63 - 1, np.uint64),
    }
    return values | changes


def test_layout__puts_float_tensors_first_in_name_order() -> None:
    floats, integers = flatten(params(), MODEL)
    assert floats.dtype == np.float32
    assert floats.tolist() == [0, 1.5, -2, 2.0**-24, 65_504, 1, 2, 3, 2.0**-149]
    assert math.copysign(1, floats[0]) == -1
    assert integers.tolist() == [-(2**63), 7, 1, 0, 1, -128, 2**63 - 1]
    assert stat_slices(MODEL) == (slice(5, 9),)
    assert element_name(MODEL, 4) == "tensor 'half', element 1"
    assert element_name(MODEL, 0) == "tensor 'bias', element 0"
    assert element_name(MODEL, 6, integer=True) == "tensor 'step', element 0"


def test_layout__returns_through_chunks_unchanged() -> None:
    floats, integers = flatten(params(), MODEL)
    chunks = [bytes(chunk) for chunk in encode_chunks(MODEL, floats, integers)]
    assert tuple(map(len, chunks)) == chunk_sizes(MODEL)
    back = unflatten(*decode_chunks(MODEL, chunks), MODEL)
    for name, value in params().items():
        assert back[name].dtype == value.dtype
        assert back[name].shape == value.shape
        assert back[name].tobytes() == value.tobytes()


def test_layout__is_double_when_any_tensor_is() -> None:
    schema = Schema((TensorSpec("a", "f32", (2,)), TensorSpec("b", "f64", (1,))))
    values = {"a": np.array([0.1, 2], np.float32), "b": np.array([0.1])}
    floats, integers = flatten(values, schema)
    assert floats.tolist() == [float(np.float32(0.1)), 2, 0.1]
    chunks = encode_chunks(schema, floats, integers)
    assert bytes(chunks[0]) == floats.astype("<f8").tobytes()
    assert unflatten(floats, integers, schema)["a"].tobytes() == values["a"].tobytes()


def test_chunks__hold_2_to_the_18_elements_and_are_views() -> None:
    schema = Schema((TensorSpec("w", "f32", (CHUNK_ELEMENTS + 1,)), TensorSpec("x", "i8", (1,))))
    floats = np.arange(CHUNK_ELEMENTS + 1, dtype=np.float32)
    chunks = encode_chunks(schema, floats, np.array([5]))
    assert tuple(map(len, chunks)) == chunk_sizes(schema) == (4 * CHUNK_ELEMENTS, 4, 8)
    assert chunks[0].readonly
    assert np.shares_memory(np.frombuffer(chunks[0], np.float32), floats)
    back, integers = decode_chunks(schema, chunks)
    assert (back == floats).all()
    assert integers.tolist() == [5]


@given(st.integers(0, 8), st.floats(width=32, allow_nan=True, allow_infinity=True))
def test_decode__names_the_tensor_of_a_non_finite_value(index: int, value: float) -> None:
    floats, integers = flatten(params(), MODEL)
    chunks = [bytes(chunk) for chunk in encode_chunks(MODEL, floats, integers)]
    floats[index] = value
    chunks[0] = floats.tobytes()
    if math.isfinite(value):
        assert decode_chunks(MODEL, chunks)[0].tobytes() == floats.tobytes()
    else:
        with pytest.raises(
            RemoteProtocolError, match=f"update: {element_name(MODEL, index)} is"
        ) as refused:
            decode_chunks(MODEL, chunks)
        assert refused.value.code == Code.NON_FINITE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bias": np.zeros(1, np.float32)}, r"'bias': shape \(1,\); the schema says \(\)"),
        ({"bias": np.array(0.0)}, "'bias': dtype float64; the schema says f32"),
        ({"half": np.zeros(2, np.float32)}, "'half': dtype float32; the schema says f16"),
        ({"mean": np.full((2, 2), np.nan, np.float32)}, "'mean', element 0 is nan"),
        ({"half": np.full(2, np.inf, np.float16)}, "'half', element 0 is inf"),
        ({"step": np.array(2**63, np.uint64)}, r"'step': a u64 value above 2\^63-1"),
        ({"extra": np.zeros(1)}, "unknown tensor 'extra'"),
    ],
)
def test_flatten__refuses_and_names_the_tensor(changes: dict[str, Array], message: str) -> None:
    with pytest.raises(MergeError, match=message):
        flatten(params(**changes), MODEL)


def test_flatten__refuses_a_missing_tensor() -> None:
    values = params()
    del values["count"]
    with pytest.raises(MergeError, match="missing tensor 'count'"):
        flatten(values, MODEL)


@pytest.mark.parametrize(("at", "value"), [(2, 2), (2, -1), (5, 128), (5, -129), (6, -1)])
def test_integers__outside_their_tensor_are_refused_on_both_ways(at: int, value: int) -> None:
    floats, integers = flatten(params(), MODEL)
    integers[at] = value
    name = element_name(MODEL, at, integer=True)
    with pytest.raises(MergeError, match=f"{name} is {value}; "):
        unflatten(floats, integers, MODEL)
    with pytest.raises(RemoteProtocolError, match=f"{name} is {value}; ") as refused:
        decode_chunks(MODEL, encode_chunks(MODEL, floats, integers))
    assert refused.value.code == Code.MALFORMED


def test_decode__refuses_wrong_chunks() -> None:
    chunks = encode_chunks(MODEL, *flatten(params(), MODEL))
    with pytest.raises(RemoteProtocolError, match="the blob has 1 chunks; its schema makes 2"):
        decode_chunks(MODEL, chunks[:1])
    with pytest.raises(
        RemoteProtocolError, match="chunk 1 has 48 bytes; its schema makes 56"
    ) as bad:
        decode_chunks(MODEL, [chunks[0], chunks[1][:48]])
    assert bad.value.code == Code.BAD_PROOF


def test_sections__of_a_wrong_size_or_dtype_are_refused() -> None:
    floats, integers = flatten(params(), MODEL)
    with pytest.raises(MergeError, match=r"float section is float32\[8\]"):
        unflatten(floats[:8], integers, MODEL)
    with pytest.raises(MergeError, match=r"float section is float64\[9\]"):
        encode_chunks(MODEL, floats.astype(np.float64), integers)


def test_unflatten__rounds_to_the_tensors_own_precision_and_saturates() -> None:
    floats, integers = flatten(params(), MODEL)
    floats[1:3] = [
        1 + 2.0**-8,
        float.fromhex("0x1.fffffep127"),
    ]  # a tie; too large
    floats[3:5] = [1 + 3 * 2.0**-11, -1e9]
    back = unflatten(floats, integers, MODEL)
    assert back["brain"].tolist() == [1.0, float.fromhex("0x1.fep127")]
    assert back["half"].tolist() == [1 + 2.0**-9, -65_504]
