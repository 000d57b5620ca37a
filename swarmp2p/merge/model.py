"""A model <-> its chunks: both sections, and the state of the run's server optimiser.

spec/07-chunks, "Layout of a model". All vectors are in the fp32 encoding whatever the run's is:
a model is what all peers must hold to the bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from swarmp2p.errors import MergeError, RemoteProtocolError
from swarmp2p.merge import codec, layout
from swarmp2p.merge.layout import Buffer, Integers
from swarmp2p.merge.terms import Vector, first_non_finite
from swarmp2p.wire.registry import ENCODING_FP32, Code
from swarmp2p.wire.tensors import Schema, model_sizes

_WHOSE = "the model"
_STEP_BYTES = 8
# what people call the state vectors of an optimiser, by how many it has
_NAMES = {1: ("momentum",), 2: ("first moment", "second moment")}


class StateShape(Protocol):
    """What a model's layout depends on of a server optimiser."""

    @property
    def vectors(self) -> int:
        """State vectors; 0: no optimiser, and no step section."""
        ...

    @property
    def non_negative(self) -> tuple[int, ...]:
        """Indices of the state vectors that must not be below 0."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What a seal names: the merged sections and the optimiser's state.

    `floats` and each vector of `state` have the schema's float elements in its compute dtype;
    `integers` are int64. `steps` counts what the optimiser has made; 0 where the run has none.
    """

    floats: Vector
    integers: Integers
    state: tuple[Vector, ...] = ()
    steps: int = 0


def encode_model(
    schema: Schema, model: Model, optimiser: StateShape, rounds: int
) -> list[memoryview]:
    """The chunks of a model, in the order of their index; `rounds` is the run's last round.

    On little-endian machines they are read-only views: leave the vectors unchanged while the chunks
    are in use. Raises MergeError for sections of a wrong length, dtype or number and for what
    decode_model refuses; LocalProtocolError for a model of more chunks than a blob may have.
    """
    model_sizes(schema, optimiser.vectors)
    layout.check_sections(model.floats, model.integers, schema)
    if len(model.state) != optimiser.vectors or (model.steps and not optimiser.vectors):
        raise MergeError(
            f"the model has {len(model.state)} state vectors and {model.steps} steps; its optimiser"
            f" has {optimiser.vectors} vectors" + ("" if optimiser.vectors else " and no steps")
        )
    judge = _Judge(schema, optimiser)
    try:
        judge.vector(model.floats, None)
        layout.check_integers(model.integers, schema, _WHOSE)
        for index, vector in enumerate(model.state):
            layout.check_float_section(judge.name(index), vector, schema)
            judge.vector(vector, index)
        _check_steps(model.steps, rounds)
    except RemoteProtocolError as error:
        raise MergeError(str(error)) from error
    chunks = [*layout.encode_section(model.floats), *layout.encode_section(model.integers)]
    for vector in model.state:
        chunks += layout.encode_section(vector)
    if optimiser.vectors:
        chunks.append(memoryview(model.steps.to_bytes(_STEP_BYTES, "little", signed=True)))
    return chunks


def decode_model(
    schema: Schema, optimiser: StateShape, rounds: int, chunks: Sequence[Buffer]
) -> Model:
    """Decode the chunks of a model; each vector is a copy, judged as it is made.

    The error names the tensor, and the state vector where it is one. Raises RemoteProtocolError:
    BAD_PROOF for a wrong number or size of chunks (CHUNK-021), NON_FINITE or MALFORMED (CHUNK-022);
    LocalProtocolError for a schema and optimiser that no run can have.
    """
    # CHUNK-021: all sizes follow from schema and optimiser; memory is set aside after they hold.
    layout.check_sizes(chunks, model_sizes(schema, optimiser.vectors))
    width = len(layout.chunk_slices(schema.float_elements))
    integers_end = width + len(layout.chunk_slices(schema.integer_elements))
    judge = _Judge(schema, optimiser)
    # CHUNK-022: chunks are judged in the order of their index.
    floats = judge.decoded(chunks[:width], None)
    integers = layout.decode_integers(schema, chunks[width:integers_end], _WHOSE)
    if not optimiser.vectors:
        return Model(floats, integers)
    starts = [integers_end + index * width for index in range(optimiser.vectors)]
    state = tuple(
        judge.decoded(chunks[start : start + width], index) for index, start in enumerate(starts)
    )
    steps = int.from_bytes(chunks[-1], "little", signed=True)
    _check_steps(steps, rounds)
    return Model(floats, integers, state, steps)


class _Judge:
    """Checks vectors of one schema and optimiser chunk by chunk, while each is in the cache."""

    def __init__(self, schema: Schema, optimiser: StateShape) -> None:
        self._schema = schema
        self._optimiser = optimiser
        self._stats = layout.stat_slices(schema)
        self._parts = layout.chunk_slices(schema.float_elements)

    def name(self, index: int) -> str:
        """What people call state vector `index`."""
        names = _NAMES.get(self._optimiser.vectors)
        return f"the optimiser's {names[index] if names else f'state vector {index}'}"

    def decoded(self, chunks: Sequence[Buffer], index: int | None) -> Vector:
        """The float section (index None) or a state vector, from its own chunks."""
        vector: Vector = np.empty(self._schema.float_elements, layout.compute_dtype(self._schema))
        for part, data in zip(self._parts, chunks, strict=True):
            codec.decode_into(vector[part], data, ENCODING_FP32)
            self._part(vector, part, index)
        return vector

    def vector(self, vector: Vector, index: int | None) -> None:
        """Raise RemoteProtocolError for the first value that CHUNK-022 refuses."""
        for part in self._parts:
            self._part(vector, part, index)

    def _part(self, vector: Vector, part: slice, index: int | None) -> None:
        values = vector[part]
        odd = first_non_finite(values)
        if odd is not None:
            self._refuse(Code.NON_FINITE, vector, part.start + odd, index, "a finite number")
        if index is None:
            return
        for stat in self._stats:
            low, high = max(stat.start, part.start), min(stat.stop, part.stop)
            if low < high and np.any(vector[low:high]):
                at = low + int(np.argmax(vector[low:high] != 0))
                expected = "0, since the tensor holds running statistics"
                self._refuse(Code.MALFORMED, vector, at, index, expected)
        if index in self._optimiser.non_negative and float(np.minimum.reduce(values)) < 0:
            at = part.start + int(np.argmax(values < 0))
            self._refuse(Code.MALFORMED, vector, at, index, "0 or more")

    def _refuse(self, code: Code, vector: Vector, at: int, index: int | None, good: str) -> None:
        where = layout.element_name(self._schema, at)
        if index is not None:
            where = f"{self.name(index)}, {where}"
        raise RemoteProtocolError(code, f"{_WHOSE}: {where} is {vector[at]}; expected {good}")


def _check_steps(steps: int, rounds: int) -> None:
    if not 0 <= steps <= rounds:
        raise RemoteProtocolError(
            Code.MALFORMED,
            f"{_WHOSE}: the optimiser has made {steps} steps; expected 0 to {rounds}, the run's"
            " last round",
        )
