"""Wire encodings of the float section (spec/07-chunks, "Layout of an update").

fp32 holds the compute dtype; bf16, fp16 and int8 of the delta are smaller. Only the decoders are
normative: every rule works on decoded values and every root is over encoded bytes. Each function
takes one chunk or any other run of elements; int8 blocks are counted from its first element. All
bytes are little-endian.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from swarmp2p.errors import LocalProtocolError, MergeError, RemoteProtocolError
from swarmp2p.merge.terms import Vector, first_non_finite, reach
from swarmp2p.wire.registry import (
    CHUNK_ELEMENTS,
    ENCODING_BF16,
    ENCODING_FP16,
    ENCODING_FP32,
    ENCODING_INT8,
    INT8_BLOCK,
    Code,
)

# elements at a time, so that temporaries stay in cache: a chunk, a multiple of INT8_BLOCK
_STEP = CHUNK_ELEMENTS
_SCALE_BYTES = 4
_STRIDE = _SCALE_BYTES + INT8_BLOCK
_LARGEST_BF16 = float.fromhex("0x1.fefffep127")  # the next float32 rounds to infinity
_LARGEST_FP16 = float.fromhex("0x1.ffdffep15")  # likewise: 65,520 does
_LEAST_NORMAL = np.float32(2.0**-126)
_LARGEST_DELTA = 2.0**126  # 127 * (d / 127) may round above d, and must stay finite

Buffer = bytes | bytearray | memoryview
Singles = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


def encode_bf16(values: Vector) -> bytes:
    """The upper 16 bits of each float32, rounded to nearest, ties to even: 2 bytes per element.

    values: 1-D float32. Raises MergeError for NaN, infinity and values that round to infinity.
    """
    _check_type(values)
    out = np.empty(values.size, "<u2")
    scratch = np.empty(min(_STEP, values.size), np.uint32)
    for start in range(0, values.size, _STEP):
        part = values[start : start + _STEP]
        _check_reach(values, part, start, _LARGEST_BF16, "bf16")
        bits, rounded = part.view(np.uint32), scratch[: part.size]
        np.right_shift(bits, np.uint32(16), out=rounded)
        np.bitwise_and(rounded, np.uint32(1), out=rounded)
        np.add(rounded, bits, out=rounded)
        np.add(rounded, np.uint32(0x7FFF), out=rounded)
        # shifting and narrowing costs a third of a copy of every second half
        np.right_shift(rounded, np.uint32(16), out=rounded)
        np.copyto(out[start : start + _STEP], rounded, casting="unsafe")
    return out.tobytes()


def encode_fp16(values: Vector) -> bytes:
    """IEEE binary16, rounded to nearest, ties to even, subnormals kept: 2 bytes per element.

    values: 1-D float32. Raises MergeError for NaN, infinity and values that round to infinity
    (65,520 and above).
    """
    _check_type(values)
    out = np.empty(values.size, "<f2")
    with np.errstate(under="ignore"):
        for start in range(0, values.size, _STEP):
            part = values[start : start + _STEP]
            _check_reach(values, part, start, _LARGEST_FP16, "fp16")
            out[start : start + _STEP] = part
    return out.tobytes()


def int8_bytes(elements: int) -> int:
    """Encoded length of `elements` values in int8: one byte each, 4 per started block of 4,096."""
    return elements + _SCALE_BYTES * -(-elements // INT8_BLOCK)


def encode_int8(values: Vector, base: Vector) -> bytes:
    """int8 of values - base, ARITHMETIC D14: per block a float32 scale s, then q in -127..127.

    s = max|delta| / 127, q = rint(delta / s). values, base: 1-D float32 of one length; the last
    block may be short. Raises MergeError for NaN, infinity and a delta above 2^126.
    """
    _check_type(values)
    _check_type(base)
    _check_lengths(values.size, base.size)
    out = np.empty(int8_bytes(values.size), np.uint8)
    scratch: Singles = np.empty(min(_STEP, values.size), np.float32)
    with _scaling():
        for start in range(0, values.size, _STEP):
            delta = scratch[: values.size - start]
            np.subtract(values[start : start + _STEP], base[start : start + _STEP], out=delta)
            at = int8_bytes(start)
            for blocks, wire, first in _blocks(delta, out[at : at + int8_bytes(delta.size)]):
                if not _quantise(blocks, wire):
                    _check_values(values)
                    _check_values(base)
                    raise MergeError(
                        f"int8: a delta near element {start + first} is above 2^126; the base "
                        "does not fit this update"
                    )
    return out.tobytes()


def decode_into(
    out: Vector, data: Buffer, encoding: int, base: Vector | None = None, *, first: int = 0
) -> None:
    """Decode one chunk to `out`: 1-D, the compute dtype, as long as the chunk has elements.

    `base` are the same elements of the round's base (int8 only); `first` is the chunk's first
    element, for messages. Non-finite values come out as such: the caller refuses them (CHUNK-004).
    Raises RemoteProtocolError(BAD_PROOF) for a wrong length, MALFORMED for what int8 cannot be
    (CHUNK-018); LocalProtocolError for doubles or a missing base.
    """
    expected = _chunk_bytes(out, encoding)
    if len(data) != expected:
        raise RemoteProtocolError(Code.BAD_PROOF, f"{len(data)} bytes; {expected} are expected")
    if encoding == ENCODING_FP32:
        out[:] = np.frombuffer(data, out.dtype.newbyteorder("<"))
    elif encoding == ENCODING_BF16:
        _widen_bf16(np.frombuffer(data, "<u2"), out.view(np.uint32))
    elif encoding == ENCODING_FP16:
        out[:] = np.frombuffer(data, "<f2")
    else:
        if base is None or base.dtype != np.float32 or base.shape != out.shape:
            raise LocalProtocolError("int8 is decoded onto the same elements of the base, float32")
        _decode_int8(np.frombuffer(data, np.uint8), base, out, first)


def _chunk_bytes(out: Vector, encoding: int) -> int:
    """Bytes of a chunk that decodes to `out`."""
    if encoding == ENCODING_FP32:
        return out.nbytes
    if out.dtype != np.float32:  # CHUNK-019
        raise LocalProtocolError(f"this encoding holds float32, not {out.dtype}")
    return int8_bytes(out.size) if encoding == ENCODING_INT8 else 2 * out.size


def _widen_bf16(halves: npt.NDArray[np.uint16], bits: npt.NDArray[np.uint32]) -> None:
    """The upper 16 bits of each binary32."""
    for start in range(0, halves.size, _STEP):
        part = bits[start : start + _STEP]
        part[:] = halves[start : start + _STEP]
        np.left_shift(part, np.uint32(16), out=part)


def _decode_int8(wire: npt.NDArray[np.uint8], base: Vector, out: Vector, first: int) -> None:
    """X = b + (s * F(q)) in binary32, each operation rounded once (spec/07-chunks)."""
    # deltas grow in memory that stays in the cache: `out` is written once, and not read
    scratch: Singles = np.empty(min(_STEP, base.size), np.float32)
    with _scaling():
        for start in range(0, base.size, _STEP):
            delta = scratch[: base.size - start]
            at = int8_bytes(start)
            for blocks, rows, at_block in _blocks(delta, wire[at : at + int8_bytes(delta.size)]):
                _expand(rows, blocks, first + start + at_block)
            np.add(base[start : start + _STEP], delta, out=out[start : start + _STEP])


@contextmanager
def _scaling() -> Iterator[None]:
    """Overflow is found by other means; and blocks times their scales are not buffered.

    NumPy copies what it broadcasts if a row is shorter than its buffer, and is then 2.5 times
    slower.
    """
    before = np.setbufsize(INT8_BLOCK)
    try:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            yield
    finally:
        np.setbufsize(before)


def _blocks(part: Singles, wire: Bytes) -> Iterator[tuple[Singles, Bytes, int]]:
    """Whole blocks, one a row, then a short one: (elements, their bytes, first element)."""
    whole = part.size // INT8_BLOCK
    cut = whole * INT8_BLOCK
    if whole:
        rows = wire[: whole * _STRIDE].reshape(whole, _STRIDE)
        yield part[:cut].reshape(whole, INT8_BLOCK), rows, 0
    if cut < part.size:
        yield part[cut:].reshape(1, -1), wire[whole * _STRIDE :].reshape(1, -1), cut


def _quantise(delta: Singles, wire: Bytes) -> bool:
    """Encode blocks, one a row of `delta` (overwritten); False if one is above 2^126 or NaN."""
    largest = np.maximum(delta.max(axis=1), -delta.min(axis=1))
    if not (largest <= _LARGEST_DELTA).all():
        return False
    scale = largest / np.float32(127)
    # of a scale of 0 all deltas are below 2^-143: any divisor rounds them to 0
    np.divide(delta, np.where(scale > 0, scale, np.float32(1))[:, None], out=delta)
    np.rint(delta, out=delta)
    if bool((scale < _LEAST_NORMAL).any()):
        np.clip(delta, -127, 127, out=delta)  # a subnormal scale is rounded coarsely
    wire[:, :_SCALE_BYTES] = scale.astype("<f4")[:, None].view(np.uint8)
    np.copyto(wire[:, _SCALE_BYTES:].view(np.int8), delta, casting="unsafe")
    return True


def _expand(rows: Bytes, out: Singles, first: int) -> None:
    """Write s * f32(q) of blocks, one a row of `out`."""
    scale = np.ascontiguousarray(rows[:, :_SCALE_BYTES]).view("<f4")
    # CHUNK-018: infinite scales and NaN (which fmin skips) make their whole block non-finite.
    if np.fmin.reduce(scale, axis=None) < 0:
        at = int(np.argmax(scale < 0))
        raise RemoteProtocolError(
            Code.MALFORMED,
            f"int8: the scale of the block at element {first + at * INT8_BLOCK} is "
            f"{scale[at, 0]}; a number of at least 0 is expected",
        )
    levels = rows[:, _SCALE_BYTES:].view(np.int8)
    np.copyto(out, levels)  # widened first: a product of two types goes through a buffer
    if np.minimum.reduce(levels, axis=None) == -128:
        at = int(np.argmin(levels))
        raise RemoteProtocolError(
            Code.MALFORMED, f"int8: element {first + at} is -128; -127 to 127 is expected"
        )
    np.multiply(out, scale.astype(np.float32, copy=False), out=out)


def _check_type(values: Vector) -> None:
    if values.ndim != 1 or values.dtype != np.float32:
        raise MergeError(
            f"this encoding holds one-dimensional float32, not {values.dtype}{list(values.shape)}; "
            "use fp32 for schemas with f64 tensors"
        )


def _check_values(values: Vector) -> None:
    """A block looked odd: refuse the first NaN or infinity of the vector."""
    index = first_non_finite(values)
    if index is not None:
        raise MergeError(f"element {index} is {values[index]}; only finite values are allowed")


def _check_reach(values: Vector, part: Vector, start: int, largest: float, encoding: str) -> None:
    """Refuse values that are not finite, and what is too large, in the part that starts there."""
    if reach(part) > largest:
        _check_values(values)
        at = start + int(np.argmax(np.abs(part) > largest))
        raise MergeError(f"{encoding}: element {at} is too large for this encoding")


def _check_lengths(length: int, expected: int) -> None:
    if length != expected:
        raise MergeError(f"int8: the length is {length}; {expected} is expected")
