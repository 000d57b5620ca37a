"""Wire encodings of the float section (spec/07-chunks, "Layout of an update").

fp32 holds the compute dtype; bf16, fp16 and int8 of the delta are smaller. Only the decoders are
normative: every rule works on decoded values and every root is over encoded bytes. Each function
takes one chunk or any other run of elements; int8 blocks are counted from its first element. All
bytes are little-endian.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from swarmp2p.errors import LocalProtocolError, MergeError, RemoteProtocolError
from swarmp2p.merge.terms import Vector, first_non_finite
from swarmp2p.wire.registry import (
    ENCODING_BF16,
    ENCODING_FP16,
    ENCODING_FP32,
    ENCODING_INT8,
    INT8_BLOCK,
    Code,
)

_STEP = 1 << 16  # elements at a time, so that temporaries stay in cache; a multiple of INT8_BLOCK
_SCALE_BYTES = 4
_STRIDE = _SCALE_BYTES + INT8_BLOCK
_LARGEST_DELTA = 2.0**126  # 127 * (d / 127) may round above d, and must stay finite

Buffer = bytes | bytearray | memoryview
Singles = npt.NDArray[np.float32]


def encode_bf16(values: Vector) -> bytes:
    """The upper 16 bits of each float32, rounded to nearest, ties to even: 2 bytes per element.

    values: 1-D float32. Raises MergeError for NaN, infinity and values that round to infinity.
    """
    _check_values(values)
    out = np.empty(values.size, "<u2")
    for start in range(0, values.size, _STEP):
        bits = values[start : start + _STEP].astype("<f4", copy=False).view("<u4")
        rounded = bits >> np.uint32(16)
        rounded &= np.uint32(1)
        rounded += np.uint32(0x7FFF)
        rounded += bits
        out[start : start + _STEP] = rounded.view("<u2")[1::2]
    _check_exponents(out, 0x7F80, "bf16")
    return out.tobytes()


def encode_fp16(values: Vector) -> bytes:
    """IEEE binary16, rounded to nearest, ties to even, subnormals kept: 2 bytes per element.

    values: 1-D float32. Raises MergeError for NaN, infinity and values that round to infinity
    (65,520 and above).
    """
    _check_values(values)
    with np.errstate(over="ignore", under="ignore"):
        out = values.astype("<f2")
    _check_exponents(out.view("<u2"), 0x7C00, "fp16")
    return out.tobytes()


def int8_bytes(elements: int) -> int:
    """Encoded length of `elements` values in int8: one byte each, 4 per started block of 4,096."""
    return elements + _SCALE_BYTES * -(-elements // INT8_BLOCK)


def encode_int8(values: Vector, base: Vector) -> bytes:
    """int8 of values - base, ARITHMETIC D14: per block a float32 scale s, then q in -127..127.

    s = max|delta| / 127, q = rint(delta / s). values, base: 1-D float32 of one length; the last
    block may be short. Raises MergeError for NaN, infinity and a delta above 2^126.
    """
    _check_values(values)
    _check_values(base)
    _check_lengths(values.size, base.size)
    out = np.empty(int8_bytes(values.size), np.uint8)
    with np.errstate(over="ignore", under="ignore"):
        for start in range(0, values.size, _STEP):
            delta: Singles = np.empty(min(_STEP, values.size - start), np.float32)
            np.subtract(values[start : start + _STEP], base[start : start + _STEP], out=delta)
            at = int8_bytes(start)
            whole = delta.size // INT8_BLOCK
            cut = whole * INT8_BLOCK
            _quantise(delta[:cut].reshape(whole, INT8_BLOCK), out[at : at + whole * _STRIDE], start)
            if cut < delta.size:
                rest = out[at + whole * _STRIDE : at + int8_bytes(delta.size)]
                _quantise(delta[cut:].reshape(1, -1), rest, start + cut)
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
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for start in range(0, base.size, _STEP):
            part = out[start : start + _STEP]
            at = int8_bytes(start)
            whole = part.size // INT8_BLOCK
            cut = whole * INT8_BLOCK
            blocks = part[:cut].reshape(whole, INT8_BLOCK)
            _expand(wire[at : at + whole * _STRIDE], blocks, first + start)
            if cut < part.size:
                rest = wire[at + whole * _STRIDE : at + int8_bytes(part.size)]
                _expand(rest, part[cut:].reshape(1, -1), first + start + cut)
            np.add(base[start : start + _STEP], part, out=part)


def _quantise(delta: Singles, out: npt.NDArray[np.uint8], first: int) -> None:
    """Encode whole blocks, one a row of `delta` (overwritten); `first` is its first element."""
    if not delta.size:
        return
    largest = np.maximum(delta.max(axis=1), -delta.min(axis=1))
    if not (largest <= _LARGEST_DELTA).all():
        raise MergeError(
            f"int8: a delta near element {first} is above 2^126; the base does not fit this update"
        )
    scale = largest / np.float32(127)
    safe = np.where(scale > 0, scale, np.float32(1))
    np.divide(delta, safe[:, None], out=delta)
    np.rint(delta, out=delta)
    np.clip(delta, -127, 127, out=delta)  # a subnormal scale is rounded coarsely
    wire = out.reshape(delta.shape[0], _SCALE_BYTES + delta.shape[1])
    wire[:, :_SCALE_BYTES] = scale.astype("<f4")[:, None].view(np.uint8)
    # one int8 pass, where a scale of 0 (all deltas 0, or below the least subnormal) makes q = 0
    np.multiply(delta, (scale > 0)[:, None], out=delta)
    wire[:, _SCALE_BYTES:] = delta.astype(np.int8).view(np.uint8)


def _expand(wire: npt.NDArray[np.uint8], out: Singles, first: int) -> None:
    """Write s * f32(q) of whole blocks, one a row of `out`."""
    if not out.size:
        return
    rows = wire.reshape(out.shape[0], _SCALE_BYTES + out.shape[1])
    scale = np.ascontiguousarray(rows[:, :_SCALE_BYTES]).view("<f4")
    # CHUNK-018: infinite scales and NaN make every element of their block non-finite.
    odd = scale < 0
    if odd.any():
        at = int(np.argmax(odd))
        raise RemoteProtocolError(
            Code.MALFORMED,
            f"int8: the scale of the block at element {first + at * INT8_BLOCK} is "
            f"{scale[at, 0]}; a number of at least 0 is expected",
        )
    levels = rows[:, _SCALE_BYTES:].view(np.int8)
    if int(levels.min()) == -128:
        at = int(np.argmin(levels))
        raise RemoteProtocolError(
            Code.MALFORMED, f"int8: element {first + at} is -128; -127 to 127 is expected"
        )
    np.multiply(levels, scale.astype(np.float32), out=out)


def _check_values(values: Vector) -> None:
    if values.ndim != 1 or values.dtype != np.float32:
        raise MergeError(
            f"this encoding holds one-dimensional float32, not {values.dtype}{list(values.shape)}; "
            "use fp32 for schemas with f64 tensors"
        )
    index = first_non_finite(values)
    if index is not None:
        raise MergeError(f"element {index} is {values[index]}; only finite values are allowed")


def _check_lengths(length: int, expected: int) -> None:
    if length != expected:
        raise MergeError(f"int8: the length is {length}; {expected} is expected")


def _check_exponents(halves: npt.NDArray[Any], mask: int, encoding: str) -> None:
    """Refuse bit patterns whose exponent is all ones: NaN and infinity."""
    for start in range(0, halves.size, _STEP):
        part = halves[start : start + _STEP] & np.uint16(mask)
        if int(part.max()) == mask:
            at = start + int(np.argmax(part))
            raise MergeError(
                f"{encoding}: element {at} is not finite, or too large for this encoding"
            )
