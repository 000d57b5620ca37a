"""Models to chunks and back, and every refusal by name."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import LocalProtocolError, MergeError, RemoteProtocolError
from swarmp2p.merge.layout import compute_dtype, encode_chunks
from swarmp2p.merge.model import Model, decode_model, encode_model
from swarmp2p.wire.registry import CHUNK_ELEMENTS, MAX_CHUNKS, Code
from swarmp2p.wire.tensors import Schema, TensorSpec, model_sizes


@dataclass(frozen=True)
class Shape:
    """As much of an optimiser as a model's layout depends on."""

    vectors: int
    non_negative: tuple[int, ...] = ()


NONE, MOMENTUM, ADAM = Shape(0), Shape(1), Shape(2, (1,))
ROUNDS = 9
SCHEMA = Schema(
    (
        TensorSpec("b", "f32", (2,)),
        TensorSpec("mean", "f32", (2,), stat=True),
        TensorSpec("small", "u8", (2,)),
        TensorSpec("w", "bf16", (3,)),
    )
)


def model(shape: Shape, schema: Schema = SCHEMA, **changes: Any) -> Model:
    dtype = compute_dtype(schema)
    size = schema.float_elements
    state = []
    for index in range(shape.vectors):
        vector = np.linspace(0.5, 2 + index, size, dtype=dtype)
        at = 0
        for tensor in schema.tensors:
            if tensor.is_float:
                vector[at : at + tensor.elements] *= not tensor.stat
                at += tensor.elements
        state.append(vector)
    values: dict[str, Any] = {
        "floats": np.linspace(-1, 1, size, dtype=dtype),
        "integers": np.arange(schema.integer_elements, dtype=np.int64),
        "state": tuple(state),
        "steps": 3 if shape.vectors else 0,
    }
    return Model(**values | changes)


def encoded(shape: Shape, schema: Schema = SCHEMA, **changes: Any) -> list[bytes]:
    return [
        bytes(chunk) for chunk in encode_model(schema, model(shape, schema, **changes), shape, 9)
    ]


def same(one: Model, two: Model) -> bool:
    vectors = [(one.floats, two.floats), (one.integers, two.integers)]
    vectors += list(zip(one.state, two.state, strict=True))
    return one.steps == two.steps and all(
        left.dtype == right.dtype and left.tobytes() == right.tobytes() for left, right in vectors
    )


def with_value(vector: Any, at: int, value: float) -> Any:
    changed = vector.copy()
    changed[at] = value
    return changed


def refusal(shape: Shape, chunks: list[bytes], rounds: int = ROUNDS) -> tuple[Code, str]:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_model(SCHEMA, shape, rounds, chunks)
    return Code(caught.value.code), str(caught.value)


@pytest.mark.parametrize("shape", [NONE, MOMENTUM, ADAM], ids=["none", "momentum", "adam"])
@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA,
        Schema((TensorSpec("n", "i64", (2,)),)),
        Schema((TensorSpec("w", "f32", (CHUNK_ELEMENTS + 1,)),)),
        Schema((TensorSpec("d", "f64", (3,)), TensorSpec("n", "bool", (2,)))),
    ],
    ids=["small", "no floats", "two chunks", "f64"],
)
def test_a_model__is_read_back_as_it_was(schema: Schema, shape: Shape) -> None:
    chunks = encoded(shape, schema)
    assert tuple(map(len, chunks)) == model_sizes(schema, shape.vectors)
    again = decode_model(schema, shape, ROUNDS, chunks)
    assert same(again, model(shape, schema))
    assert [bytes(chunk) for chunk in encode_model(schema, again, shape, ROUNDS)] == chunks


def test_a_model_without_an_optimiser__is_laid_out_like_an_update() -> None:
    one = model(NONE)
    assert encoded(NONE) == [bytes(c) for c in encode_chunks(SCHEMA, one.floats, one.integers)]


def test_the_state__follows_in_its_order_and_the_step_count_is_last() -> None:
    one, update = model(ADAM), encoded(NONE)
    state = [vector.astype("<f4").tobytes() for vector in one.state]
    assert encoded(ADAM) == [*update, *state, (3).to_bytes(8, "little")]


@given(st.integers(0, 7), st.integers(-1, 1))
def test_sizes__are_judged_before_any_value(at: int, change: int) -> None:
    chunks = encoded(ADAM)
    chunks[0] = b"\xff" * len(chunks[0])  # NaN
    if at < len(chunks) and change:
        chunks[at] = chunks[at][:-1] if change < 0 else chunks[at] + b"\x00"
    else:
        chunks = chunks[:-1] if change < 0 else [*chunks, b"\x00"]
    assert refusal(ADAM, chunks)[0] is Code.BAD_PROOF


def test_a_model__is_refused_under_an_optimiser_with_another_state() -> None:
    for shape, other in ((NONE, MOMENTUM), (MOMENTUM, ADAM), (ADAM, MOMENTUM), (ADAM, NONE)):
        code, text = refusal(other, encoded(shape))
        assert code is Code.BAD_PROOF
        assert "chunks" in text


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
@pytest.mark.parametrize(
    ("section", "names"),
    [
        (0, "the model: tensor 'w', element 1 is"),
        (2, "the model: the optimiser's first moment, tensor 'w', element 1 is"),
        (3, "the model: the optimiser's second moment, tensor 'w', element 1 is"),
    ],
)
def test_a_value_that_is_not_finite__is_refused_by_name(
    section: int, names: str, value: float
) -> None:
    chunks = encoded(ADAM)
    vector = np.frombuffer(chunks[section], "<f4")
    chunks[section] = with_value(vector, 5, value).tobytes()
    code, text = refusal(ADAM, chunks)
    assert code is Code.NON_FINITE
    assert names in text


def test_an_integer_outside_its_dtype__is_refused_by_name() -> None:
    chunks = encoded(MOMENTUM)
    chunks[1] = np.array([0, 256], "<i8").tobytes()
    assert refusal(MOMENTUM, chunks) == (
        Code.MALFORMED,
        "the model: tensor 'small', element 1 is 256; u8 holds 0 to 255",
    )


def test_the_state_of_running_statistics__is_zero() -> None:
    first = encoded(MOMENTUM)
    vector = np.frombuffer(first[2], "<f4")
    first[2] = with_value(vector, 3, 2.0**-149).tobytes()
    code, text = refusal(MOMENTUM, first)
    assert code is Code.MALFORMED
    assert "the optimiser's momentum, tensor 'mean', element 1 is 1.40" in text
    assert text.endswith("expected 0, since the tensor holds running statistics")
    first[2] = with_value(vector, 3, -0.0).tobytes()
    assert np.signbit(decode_model(SCHEMA, MOMENTUM, ROUNDS, first).state[0][3])


def test_a_second_moment_below_zero__is_refused_and_minus_zero_is_not() -> None:
    chunks = encoded(ADAM)
    first, second = (np.frombuffer(chunks[at], "<f4") for at in (2, 3))
    chunks[2] = with_value(first, 0, -1.0).tobytes()  # the first moment may be
    chunks[3] = with_value(second, 4, -0.0).tobytes()
    decode_model(SCHEMA, ADAM, ROUNDS, chunks)
    chunks[3] = with_value(second, 4, -(2.0**-149)).tobytes()
    code, text = refusal(ADAM, chunks)
    assert code is Code.MALFORMED
    assert (
        "the optimiser's second moment, tensor 'w', element 0 is -1.401298464324817e-45; " in text
    )


@pytest.mark.parametrize("steps", [-1, 10, -(2**63), 2**63 - 1])
def test_a_step_count__is_0_to_the_rounds_of_the_run(steps: int) -> None:
    chunks = encoded(ADAM)
    for good in (0, 9):
        chunks[-1] = good.to_bytes(8, "little")
        assert decode_model(SCHEMA, ADAM, ROUNDS, chunks).steps == good
    chunks[-1] = steps.to_bytes(8, "little", signed=True)
    code, text = refusal(ADAM, chunks)
    assert code is Code.MALFORMED
    assert f"has made {steps} steps; expected 0 to 9" in text


def test_chunks__are_judged_in_the_order_of_their_index() -> None:
    schema = Schema(
        (
            TensorSpec("mean", "f32", (), stat=True),
            TensorSpec("w", "f32", (CHUNK_ELEMENTS,)),
        )
    )
    chunks = encoded(ADAM, schema)
    chunks[2] = np.float32(1).tobytes() + chunks[2][4:]  # statistics, in the first chunk of state
    chunks[3] = b"\xff" * 4  # NaN in its second
    with pytest.raises(RemoteProtocolError, match="'mean', element 0") as caught:
        decode_model(schema, ADAM, ROUNDS, chunks)
    assert caught.value.code == Code.MALFORMED
    chunks[2] = bytes(4) + chunks[2][4:]
    with pytest.raises(RemoteProtocolError, match=f"'w', element {CHUNK_ELEMENTS - 1} is nan"):
        decode_model(schema, ADAM, ROUNDS, chunks)


ZEROS = np.zeros(7, np.float32)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"floats": np.zeros(6, np.float32)}, "the float section is float32\\[6\\]"),
        ({"floats": np.zeros(7)}, "the float section is float64\\[7\\]"),
        ({"integers": np.zeros(2, np.int32)}, "the integer section is int32\\[2\\]"),
        ({"integers": np.array([0, -1])}, "tensor 'small', element 1 is -1; u8 holds"),
        ({"floats": np.full(7, NAN, np.float32)}, "tensor 'b', element 0 is nan"),
        ({"state": (ZEROS,)}, "has 1 state vectors and 3 steps; its optimiser"),
        (
            {"state": (ZEROS, np.zeros(8, np.float32))},
            "the optimiser's second moment is float32\\[8\\]",
        ),
        (
            {"state": (ZEROS, with_value(ZEROS, 6, -1))},
            "second moment, tensor 'w', element 2 is -1.0; expected 0 or more",
        ),
        ({"state": (np.ones(7, np.float32),) * 2}, "first moment, tensor 'mean', element 0 is 1.0"),
        ({"steps": 10}, "has made 10 steps; expected 0 to 9"),
        ({"steps": -1}, "has made -1 steps; expected 0 to 9"),
    ],
)
def test_an_encoder__refuses_what_a_decoder_would(changes: dict[str, Any], problem: str) -> None:
    state = {"state": tuple(ZEROS for _ in range(2))}
    with pytest.raises(MergeError, match=problem):
        encoded(ADAM, **state | changes)


def test_a_model_without_an_optimiser__has_no_steps() -> None:
    with pytest.raises(MergeError, match="0 vectors and no steps"):
        encoded(NONE, steps=1)


def test_a_model_of_too_many_chunks__is_refused_before_anything_is_looked_at() -> None:
    schema = Schema((TensorSpec("w", "f32", (CHUNK_ELEMENTS * MAX_CHUNKS,)),))
    with pytest.raises(LocalProtocolError, match="at most 8192"):
        decode_model(schema, MOMENTUM, ROUNDS, [])


@given(st.data())
def test_changed_bytes__become_that_model_or_a_refusal(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from((NONE, MOMENTUM, ADAM)))
    chunks = encoded(shape)
    index = data.draw(st.integers(0, len(chunks) - 1))
    at = data.draw(st.integers(0, len(chunks[index]) - 4))
    new = data.draw(st.binary(min_size=4, max_size=4))
    chunks[index] = chunks[index][:at] + new + chunks[index][at + 4 :]
    try:
        again = decode_model(SCHEMA, shape, ROUNDS, chunks)
    except RemoteProtocolError as error:
        assert error.code in (Code.NON_FINITE, Code.MALFORMED)  # noqa: PT017 - one of two
        return
    assert [bytes(chunk) for chunk in encode_model(SCHEMA, again, shape, ROUNDS)] == chunks
