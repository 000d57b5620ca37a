"""Schemas: canonical bytes, bounds, layout."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.registry import (
    CHUNK_ELEMENTS,
    DTYPE_CODES,
    ENCODING_BF16,
    ENCODING_FP16,
    ENCODING_INT8,
    FLOAT_DTYPES,
    MAX_CHUNKS,
    MAX_SCHEMA_BYTES,
    Code,
)
from swarmp2p.wire.tensors import Schema, TensorSpec, chunk_sizes, decode_schema, model_sizes

BIAS = TensorSpec("layer.bias", "f32", (3,))
WEIGHT = TensorSpec("layer.weight", "f32", (3, 13))
SMALL = Schema((BIAS, WEIGHT))


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    names = draw(st.sets(st.text(min_size=1, max_size=12), min_size=1, max_size=6))
    tensors = []
    for name in sorted(names):
        dtype = draw(st.sampled_from(sorted(DTYPE_CODES)))
        shape = tuple(draw(st.lists(st.integers(1, 40), max_size=4)))
        stat = dtype in FLOAT_DTYPES and draw(st.booleans())
        tensors.append(TensorSpec(name, dtype, shape, stat=stat))
    return Schema(tuple(tensors))


def refusal(data: bytes) -> Code:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_schema(data)
    return Code(caught.value.code)


def raw(*tensors: bytes, count: int | None = None) -> bytes:
    number = len(tensors) if count is None else count
    return b"swarmp2p/v1/schema\x00" + number.to_bytes(4) + b"".join(tensors)


def raw_tensor(
    name: bytes = b"a", dtype: int = 3, flags: int = 0, shape: tuple[int, ...] = (2,)
) -> bytes:
    sizes = b"".join(size.to_bytes(4) for size in shape)
    return bytes([len(name)]) + name + bytes([dtype, flags, len(shape)]) + sizes


@given(schemas())
def test_decode__gives_back_what_was_encoded(schema: Schema) -> None:
    again = decode_schema(schema.encode())
    assert again == schema
    assert again.schema_hash == schema.schema_hash


@given(schemas(), st.data())
def test_decode__mutated_bytes_give_that_schema_or_a_refusal(
    schema: Schema, data: st.DataObject
) -> None:
    mutated = bytearray(schema.encode())
    mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_schema(bytes(mutated))
    except RemoteProtocolError:
        return
    assert decoded.encode() == bytes(mutated)


@given(st.binary(max_size=100))
def test_decode__random_bytes_after_the_tag_give_that_schema_or_a_refusal(data: bytes) -> None:
    whole = b"swarmp2p/v1/schema\x00" + data
    try:
        decoded = decode_schema(whole)
    except RemoteProtocolError:
        return
    assert decoded.encode() == whole


@given(schemas())
def test_chunks__cover_each_section_in_order(schema: Schema) -> None:
    width = 8 if schema.compute_dtype == "f64" else 4
    assert sum(chunk_sizes(schema)) == schema.float_elements * width + schema.integer_elements * 8


def test_encoding__is_written_as_the_spec_says() -> None:
    assert SMALL.encode() == raw(
        raw_tensor(b"layer.bias", 3, 0, (3,)), raw_tensor(b"layer.weight", 3, 0, (3, 13))
    )
    data = SMALL.encode()
    leaf = sha256(b"\x00" + bytes(4) + len(data).to_bytes(4) + data).digest()
    assert SMALL.schema_hash == leaf
    assert (SMALL.float_elements, SMALL.integer_elements) == (42, 0)


def test_decode__refuses_every_prefix_and_a_suffix() -> None:
    data = SMALL.encode()
    for end in range(len(data)):
        assert refusal(data[:end]) == Code.BAD_SCHEMA
    assert refusal(data + b"\x00") == Code.BAD_SCHEMA


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (raw(), Code.BAD_SCHEMA),
        (raw(count=4097), Code.TOO_MANY),
        (raw(raw_tensor(), count=4096), Code.BAD_SCHEMA),
        (raw(raw_tensor(b"")), Code.BAD_SCHEMA),
        (raw(raw_tensor(b"\xff")), Code.BAD_SCHEMA),
        (raw(raw_tensor(dtype=0)), Code.BAD_SCHEMA),
        (raw(raw_tensor(dtype=25)), Code.BAD_SCHEMA),
        (raw(raw_tensor(flags=2)), Code.BAD_SCHEMA),
        (raw(raw_tensor(dtype=19, flags=1)), Code.BAD_SCHEMA),
        (raw(raw_tensor(shape=(1,) * 9)), Code.BAD_SCHEMA),
        (raw(raw_tensor(shape=(0,))), Code.BAD_SCHEMA),
        (raw(raw_tensor(b"b"), raw_tensor(b"a")), Code.BAD_SCHEMA),
        (raw(raw_tensor(b"a"), raw_tensor(b"a")), Code.BAD_SCHEMA),
        (raw(raw_tensor(shape=(2**32 - 1,) * 8)), Code.BAD_SCHEMA),
        (bytes(MAX_SCHEMA_BYTES + 1), Code.TOO_LARGE),
    ],
)
def test_decode__names_the_fault_by_its_code(data: bytes, code: Code) -> None:
    assert refusal(data) == code


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ((), "0 tensors"),
        ((WEIGHT, BIAS), "sorted"),
        ((BIAS, BIAS), "sorted"),
        ((TensorSpec("a", "f128", (1,)),), "f128"),
        ((TensorSpec("", "f32", (1,)),), "0 bytes"),
        ((TensorSpec("é" * 128, "f32", (1,)),), "256 bytes"),
        ((TensorSpec("\ud800", "f32", (1,)),), "Unicode"),
        ((TensorSpec("a", "f32", (0,)),), "shape"),
        ((TensorSpec("a", "f32", (2**32,)),), "shape"),
        ((TensorSpec("a", "f32", (1,) * 9),), "shape"),
        ((TensorSpec("a", "i64", (1,), stat=True),), "statistics"),
        (tuple(TensorSpec(f"{n:04}", "f32", ()) for n in range(4097)), "4097 tensors"),
        (tuple(TensorSpec(f"{n:0255}", "f32", ()) for n in range(1100)), "262144 bytes"),
        ((TensorSpec("a", "f32", (8192, CHUNK_ELEMENTS)), TensorSpec("b", "i8", ())), "8193 ch"),
    ],
)
def test_schema__out_of_bounds_is_refused_here(
    tensors: tuple[TensorSpec, ...], complaint: str
) -> None:
    with pytest.raises(LocalProtocolError, match=complaint):
        Schema(tensors)


def test_schema__holds_at_its_edges() -> None:
    assert len(Schema(tuple(TensorSpec(f"{n:04}", "f32", ()) for n in range(4096))).tensors) == 4096
    assert Schema((TensorSpec("é" * 127, "f64", (1,) * 8),)).float_elements == 1
    full = Schema((TensorSpec("a", "f32", (8191, CHUNK_ELEMENTS)), TensorSpec("b", "u64", ())))
    assert len(chunk_sizes(full)) == 8192


def test_chunks__hold_2_to_the_18_elements_and_the_integer_section_starts_anew() -> None:
    schema = Schema(
        (
            TensorSpec("a", "f16", (CHUNK_ELEMENTS,)),
            TensorSpec("b", "bool", (3,)),
            TensorSpec("c", "f32", (10,)),
            TensorSpec("d", "i64", (CHUNK_ELEMENTS - 2,)),
        )
    )
    mebibyte = 1 << 20
    assert chunk_sizes(schema) == (mebibyte, 40, 2 * mebibyte, 8)


def test_chunks__of_a_model_with_one_f64_tensor_are_all_8_bytes_wide() -> None:
    schema = Schema((TensorSpec("a", "f64", ()), TensorSpec("b", "f32", (9,))))
    assert schema.compute_dtype == "f64"
    assert chunk_sizes(schema) == (80,)


def test_chunks__of_an_unknown_encoding_are_not_guessed() -> None:
    with pytest.raises(LocalProtocolError, match="encoding 5"):
        chunk_sizes(SMALL, 5)


@pytest.mark.parametrize(
    ("encoding", "sizes"),
    [
        (ENCODING_BF16, (2 * CHUNK_ELEMENTS, 2 * 4_097, 8)),
        (ENCODING_FP16, (2 * CHUNK_ELEMENTS, 2 * 4_097, 8)),
        (ENCODING_INT8, (CHUNK_ELEMENTS + 4 * 64, 4_097 + 2 * 4, 8)),
    ],
)
def test_chunks__of_smaller_encodings_hold_the_same_elements(
    encoding: int, sizes: tuple[int, ...]
) -> None:
    vector = TensorSpec("w", "f32", (CHUNK_ELEMENTS + 4_097,))
    schema = Schema((TensorSpec("n", "i64", ()), vector))
    assert chunk_sizes(schema, encoding) == sizes
    double = Schema((TensorSpec("w", "f64", (1,)),))
    with pytest.raises(LocalProtocolError, match="fp32 only"):
        chunk_sizes(double, encoding)


@given(schemas(), st.integers(0, 2))
def test_model_sizes__are_those_of_an_update_with_the_state_behind_it(
    schema: Schema, vectors: int
) -> None:
    update = chunk_sizes(schema)
    width = 8 if schema.compute_dtype == "f64" else 4
    sizes = model_sizes(schema, vectors)
    assert sizes[: len(update)] == update
    state = sizes[len(update) :]
    assert sum(state) == (vectors * schema.float_elements * width + 8 if vectors else 0)
    assert state[-1:] == ((8,) if vectors else ())


def test_model_sizes__cut_each_state_vector_like_the_float_section() -> None:
    schema = Schema((TensorSpec("n", "i64", ()), TensorSpec("w", "f32", (CHUNK_ELEMENTS + 3,))))
    whole = CHUNK_ELEMENTS * 4
    assert model_sizes(schema, 0) == (whole, 12, 8)
    assert model_sizes(schema, 1) == (whole, 12, 8, whole, 12, 8)
    assert model_sizes(schema, 2) == (whole, 12, 8, whole, 12, whole, 12, 8)


def test_model_sizes__of_no_floats_have_a_step_section_alone() -> None:
    assert model_sizes(Schema((TensorSpec("n", "i64", (2,)),)), 2) == (16, 8)


def test_model_sizes__are_refused_beyond_the_number_of_chunks_of_a_blob() -> None:
    half = Schema((TensorSpec("w", "f32", (CHUNK_ELEMENTS * (MAX_CHUNKS // 2),)),))
    less = TensorSpec("w", "f32", (CHUNK_ELEMENTS * (MAX_CHUNKS // 2 - 1),))
    fits = Schema((TensorSpec("n", "i64", ()), less))
    assert len(model_sizes(half, 0)) == MAX_CHUNKS // 2
    assert len(model_sizes(fits, 1)) == MAX_CHUNKS
    with pytest.raises(LocalProtocolError, match=r"8193 chunks, 4097 of them the state"):
        model_sizes(half, 1)


def test_model_sizes__need_a_count_of_vectors() -> None:
    with pytest.raises(LocalProtocolError, match="-1 state vectors"):
        model_sizes(SMALL, -1)
