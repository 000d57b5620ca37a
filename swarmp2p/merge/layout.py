"""Named tensors <-> the flat layout that is merged, hashed and sent (ARITHMETIC D1).

The float section holds all float tensors in name order, each in C order, as one vector of the
schema's compute dtype: float64 if any tensor is f64, else float32. The integer section holds the
others as int64. A chunk of the blob is CHUNK_ELEMENTS elements of one section, little-endian.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmp2p.errors import MergeError, RemoteProtocolError
from swarmp2p.merge import codec
from swarmp2p.merge.stored import Buffer, StoredChunks
from swarmp2p.merge.terms import Vector, first_non_finite
from swarmp2p.wire.registry import CHUNK_ELEMENTS, ENCODING_FP32, Code
from swarmp2p.wire.tensors import Schema, TensorSpec, chunk_sizes

Integers = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

# What the training side hands in and gets back. NumPy has no bfloat16: such a tensor comes as
# float32 and goes back as float32 whose values bfloat16 can hold.
_NUMPY_DTYPES: Mapping[str, np.dtype[Any]] = {
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(np.float32),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "i8": np.dtype(np.int8),
    "i16": np.dtype(np.int16),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
    "u8": np.dtype(np.uint8),
    "u16": np.dtype(np.uint16),
    "u32": np.dtype(np.uint32),
    "u64": np.dtype(np.uint64),
    "bool": np.dtype(np.bool_),
}
_MAX_I64 = 2**63 - 1
_MAX_BF16 = float.fromhex("0x1.fep127")


def compute_dtype(schema: Schema) -> np.dtype[Any]:
    """The dtype of the float section: float64 if any tensor is f64, else float32."""
    return np.dtype(np.float64 if schema.compute_dtype == "f64" else np.float32)


def flatten(params: Mapping[str, Array], schema: Schema) -> tuple[Vector, Integers]:
    """Copy named tensors into (float section, integer section).

    Every tensor of `schema` must be there with its shape and dtype (bf16: float32), and no other.
    f16 and f32 values widen exactly. Raises MergeError, naming the tensor, for a missing or unknown
    name, a wrong shape or dtype, NaN or infinity, and u64 values above 2^63-1.
    """
    _check_names(params, schema)
    floats: Vector = np.empty(schema.float_elements, compute_dtype(schema))
    integers: Integers = np.empty(schema.integer_elements, np.int64)
    for tensor, part in _parts(schema):
        values = _checked(tensor, np.asarray(params[tensor.name])).reshape(-1)
        if tensor.is_float:
            floats[part] = values
        else:
            if tensor.dtype == "u64" and bool((values > _MAX_I64).any()):
                raise MergeError(
                    f"tensor {tensor.name!r}: a u64 value above 2^63-1; the integer section "
                    "holds signed 64-bit numbers, so store it as f64 or split it"
                )
            integers[part] = values.astype(np.int64)
    check_finite(floats, schema, "our own parameters")
    return floats, integers


def unflatten(floats: Vector, integers: Integers, schema: Schema) -> dict[str, Array]:
    """Copy the sections back into named tensors of the schema's dtypes and shapes.

    This is the training door: here, and only here, merged f16 and bf16 tensors are rounded to their
    own precision (to nearest even; beyond the largest finite value, to that value). Raises
    MergeError for sections of a wrong length or dtype and for integers outside a tensor's dtype.
    """
    check_sections(floats, integers, schema)
    params: dict[str, Array] = {}
    for tensor, part in _parts(schema):
        if tensor.is_float:
            values = _narrow(floats[part], tensor.dtype)
        else:
            problem = _range_problem(integers[part], tensor)
            if problem is not None:
                raise MergeError(problem)
            values = integers[part].astype(_NUMPY_DTYPES[tensor.dtype])
        params[tensor.name] = values.reshape(tensor.shape)
    return params


def encode_chunks(
    schema: Schema,
    floats: Vector,
    integers: Integers,
    encoding: int = ENCODING_FP32,
    base: Vector | None = None,
) -> list[Buffer]:
    """The chunks of an update in `encoding`; `base` is the base's float section (int8 only).

    fp32 is exact (binary64 elements if any tensor is f64), and on little-endian machines its chunks
    are read-only views of the sections, not copies: leave the sections unchanged while the chunks
    are in use. Raises MergeError for sections of a wrong length or dtype, and, naming the tensor,
    for NaN, infinity and what the encoding cannot hold; LocalProtocolError for an encoding the
    schema cannot have.
    """
    chunk_sizes(schema, encoding)  # CHUNK-019
    check_sections(floats, integers, schema)
    check_finite(floats, schema, "our own parameters")
    if encoding == ENCODING_FP32:
        return [*encode_section(floats), *encode_section(integers)]
    chunks: list[Buffer] = []
    for index, part in enumerate(chunk_slices(floats.size)):
        near = None if base is None else base[part]
        chunks.append(encode_float_chunk(schema, index, floats[part], encoding, near))
    return [*chunks, *encode_section(integers)]


def encode_float_chunk(
    schema: Schema, index: int, values: Vector, encoding: int, base: Vector | None = None
) -> bytes:
    """Chunk `index` of our own float section in one of the smaller encodings.

    `base` are the same elements of the base (int8 only). Raises MergeError naming the tensor.
    """
    start = index * CHUNK_ELEMENTS

    def name(at: int) -> str:
        return f"our own parameters: {element_name(schema, start + at)}"

    return codec.encode_chunk(values, encoding, base, name=name)


def encode_section(section: Vector | Integers) -> list[memoryview]:
    """The chunks of one section, views of it on little-endian machines; none if it is empty."""
    wire: Array = np.ascontiguousarray(section, section.dtype.newbyteorder("<"))
    data = wire.data.cast("B").toreadonly() if wire.size else memoryview(b"")
    size = CHUNK_ELEMENTS * section.itemsize
    return [data[start : start + size] for start in range(0, len(data), size)]


def decode_chunks(
    schema: Schema,
    chunks: Sequence[Buffer],
    encoding: int = ENCODING_FP32,
    base: Vector | None = None,
) -> tuple[Vector, Integers]:
    """Decode the chunks of an update into (float section, integer section), both copies.

    `base` is the float section of the round's base, which int8 is the difference to. The error
    names the tensor. Raises RemoteProtocolError: BAD_PROOF for a wrong number or size of chunks
    (CHUNK-003), NON_FINITE (CHUNK-004), MALFORMED (CHUNK-018); LocalProtocolError for an encoding
    the schema cannot have.
    """
    check_sizes(chunks, chunk_sizes(schema, encoding))
    floats: Vector = np.empty(schema.float_elements, compute_dtype(schema))
    parts = chunk_slices(floats.size)
    for index, part in enumerate(parts):
        near = None if base is None else base[part]
        decode_float_chunk(schema, index, chunks[index], encoding, near, out=floats[part])
    return floats, decode_integers(schema, chunks[len(parts) :], "the decoded update")


def decode_float_chunk(
    schema: Schema,
    index: int,
    data: Buffer,
    encoding: int = ENCODING_FP32,
    base: Vector | None = None,
    *,
    whose: str = "the decoded update",
    out: Vector | None = None,
) -> Vector:
    """Chunk `index` of the float section, decoded into `out` or into a new array.

    `base` are the same elements of the base (int8 only). Without `out` the array is read-only where
    the bytes are the elements. Raises RemoteProtocolError as decode_chunks does, naming the tensor
    after `whose`.
    """
    start = index * CHUNK_ELEMENTS
    elements = max(0, min(CHUNK_ELEMENTS, schema.float_elements - start))

    def name(at: int) -> str:
        return element_name(schema, at)

    if out is None and encoding == ENCODING_FP32:
        check_size(index, data, elements * compute_dtype(schema).itemsize)
        values: Vector = np.frombuffer(data, compute_dtype(schema).newbyteorder("<"))
        values = values.astype(compute_dtype(schema), copy=False)
    else:
        values = np.empty(elements, compute_dtype(schema)) if out is None else out
        try:
            codec.decode_into(values, data, encoding, base, first=start, name=name)
        except RemoteProtocolError as error:
            raise RemoteProtocolError(error.code, f"{whose}: {error}") from None
    odd = first_non_finite(values)
    if odd is not None:  # CHUNK-004
        raise RemoteProtocolError(
            Code.NON_FINITE,
            f"{whose}: {name(start + odd)} is {values[odd]}; only finite values can be merged",
        )
    return values


def decode_integer_chunk(schema: Schema, index: int, data: Buffer, whose: str) -> Integers:
    """Chunk `index` (from 0) of the integer section, a copy.

    Raises RemoteProtocolError: BAD_PROOF for a wrong size, MALFORMED for a value outside its
    tensor's dtype, naming the tensor after `whose`.
    """
    start = index * CHUNK_ELEMENTS
    elements = max(0, min(CHUNK_ELEMENTS, schema.integer_elements - start))
    check_size(index, data, elements * np.dtype(np.int64).itemsize)
    values: Integers = np.frombuffer(data, "<i8").astype(np.int64)
    _check_ranges(values, start, schema, whose)
    return values


def check_sizes(chunks: Sequence[Buffer], sizes: Sequence[int]) -> None:
    """Raise RemoteProtocolError(BAD_PROOF) unless the chunks have these numbers of bytes.

    Stored ones were measured before they were kept, and are measured again when each is decoded.
    """
    # CHUNK-003: the schema fixes all sizes; no byte is decoded before they are right.
    if len(chunks) != len(sizes):
        raise RemoteProtocolError(
            Code.BAD_PROOF, f"the blob has {len(chunks)} chunks; its schema makes {len(sizes)}"
        )
    if isinstance(chunks, StoredChunks):
        return
    for index, (data, size) in enumerate(zip(chunks, sizes, strict=True)):
        check_size(index, data, size)


def check_size(index: int, data: Buffer, size: int) -> None:
    """Raise RemoteProtocolError(BAD_PROOF) unless chunk `index` has so many bytes."""
    if len(data) != size:
        raise RemoteProtocolError(
            Code.BAD_PROOF, f"chunk {index} has {len(data)} bytes; its schema makes {size}"
        )


def decode_integers(schema: Schema, chunks: Sequence[Buffer], whose: str) -> Integers:
    """The integer section, a copy; `chunks` are its own.

    Raises RemoteProtocolError as decode_integer_chunk does, after `whose`.
    """
    integers: Integers = np.empty(schema.integer_elements, np.int64)
    for index, part in enumerate(chunk_slices(integers.size)):
        integers[part] = decode_integer_chunk(schema, index, chunks[index], whose)
    return integers


def check_integers(integers: Integers, schema: Schema, whose: str) -> None:
    """Raise RemoteProtocolError(MALFORMED), naming the tensor, for a value outside its dtype."""
    _check_ranges(integers, 0, schema, whose)


def _check_ranges(values: Integers, start: int, schema: Schema, whose: str) -> None:
    """check_integers for the elements of the section from `start` on."""
    for tensor, part in _parts(schema):
        low, high = max(part.start, start), min(part.stop, start + values.size)
        if tensor.is_float or low >= high:
            continue
        problem = _range_problem(values[low - start : high - start], tensor, low - part.start)
        if problem is not None:  # CHUNK-018
            raise RemoteProtocolError(Code.MALFORMED, f"{whose}: {problem}")


def chunk_slices(elements: int) -> list[slice]:
    """Where each chunk of a section of so many elements lies in it."""
    return [
        slice(at, min(at + CHUNK_ELEMENTS, elements)) for at in range(0, elements, CHUNK_ELEMENTS)
    ]


def stat_slices(schema: Schema) -> tuple[slice, ...]:
    """Where the running statistics lie in the float section, ascending."""
    return tuple(part for tensor, part in _parts(schema) if tensor.stat)


def element_name(schema: Schema, index: int, *, integer: bool = False) -> str:
    """What element `index` of a section is, for messages: "tensor 'name', element 3"."""
    tensors = [tensor for tensor in schema.tensors if tensor.is_float is not integer]
    ends = list(accumulate(tensor.elements for tensor in tensors))
    tensor = bisect_right(ends, index)
    within = index - (ends[tensor - 1] if tensor else 0)
    return f"tensor {tensors[tensor].name!r}, element {within}"


def check_finite(floats: Vector, schema: Schema, whose: str) -> None:
    """Raise MergeError if the float section holds NaN or infinity, naming the tensor."""
    index = first_non_finite(floats)
    if index is not None:
        raise MergeError(
            f"{whose}: {element_name(schema, index)} is {floats[index]}; only finite values can "
            "be merged"
        )


def _parts(schema: Schema) -> Iterator[tuple[TensorSpec, slice]]:
    """Each tensor with its place in its section."""
    ends = {True: 0, False: 0}
    for tensor in schema.tensors:
        start = ends[tensor.is_float]
        ends[tensor.is_float] = start + tensor.elements
        yield tensor, slice(start, start + tensor.elements)


def _check_names(params: Mapping[str, Array], schema: Schema) -> None:
    names = {tensor.name for tensor in schema.tensors}
    for kind, odd in (("missing", names - set(params)), ("unknown", set(params) - names)):
        if odd:
            raise MergeError(
                f"{kind} tensor {min(odd)!r} ({len(odd)} in all); the parameters must have "
                "exactly the names of the run's schema"
            )


def _checked(tensor: TensorSpec, values: Array) -> Array:
    expected = _NUMPY_DTYPES[tensor.dtype]
    if values.shape != tensor.shape:
        raise MergeError(
            f"tensor {tensor.name!r}: shape {values.shape}; the schema says {tensor.shape}"
        )
    if values.dtype != expected:
        raise MergeError(
            f"tensor {tensor.name!r}: dtype {values.dtype}; the schema says {tensor.dtype}, "
            f"handed over as {expected}: convert it with .astype({expected.name!r})"
        )
    return values


def check_sections(floats: Vector, integers: Integers, schema: Schema) -> None:
    """Raise MergeError unless the sections have the schema's lengths and dtypes."""
    check_float_section("the float section", floats, schema)
    size = schema.integer_elements
    _check_section("the integer section", integers, size, np.dtype(np.int64))


def check_float_section(what: str, section: Vector, schema: Schema) -> None:
    """Raise MergeError unless `section` is like the float section of the schema."""
    _check_section(what, section, schema.float_elements, compute_dtype(schema))


def _check_section(what: str, section: Array, size: int, dtype: np.dtype[Any]) -> None:
    if section.shape != (size,) or section.dtype != dtype:
        raise MergeError(
            f"{what} is {section.dtype}{list(section.shape)}; the schema says {dtype}[{size}]"
        )


def _range_problem(values: Integers, tensor: TensorSpec, first: int = 0) -> str | None:
    """The first value that the tensor's dtype cannot hold, in words, or None.

    `values` are the tensor's elements from `first` on.
    """
    dtype = _NUMPY_DTYPES[tensor.dtype]
    low, high = 0, 1
    if tensor.dtype != "bool":
        low, high = int(np.iinfo(dtype).min), min(int(np.iinfo(dtype).max), _MAX_I64)
    odd = (values < low) | (values > high)
    if odd.any():
        at = int(np.argmax(odd))
        return (
            f"tensor {tensor.name!r}, element {first + at} is {values[at]}; {tensor.dtype} holds "
            f"{low} to {high}"
        )
    return None


def _narrow(values: Vector, dtype: str) -> Array:
    """A copy in the tensor's own precision, to nearest even, saturating."""
    if dtype == "f16":
        return _clamped(values, float(np.finfo(np.float16).max)).astype(np.float16)
    if dtype == "bf16":
        single = _clamped(values, _MAX_BF16).astype(np.float32)
        bits = single.view(np.uint32)
        bits += np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
        bits &= np.uint32(0xFFFF0000)
        return single
    if dtype == "f32":
        return _clamped(values, float(np.finfo(np.float32).max)).astype(np.float32)
    return values.copy()


def _clamped(values: Vector, largest: float) -> Vector:
    """A copy within +-largest, which the vector's own type holds exactly."""
    # as a scalar of that type: for a plain float as large as this NumPy 1.x would make float64
    limit = values.dtype.type(largest)
    clamped: Vector = np.clip(values, -limit, limit)
    return clamped
