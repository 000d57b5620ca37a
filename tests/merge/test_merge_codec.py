"""The smaller encodings against plain Python, and what they refuse."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from merge_oracle import single

from swarmp2p.errors import LocalProtocolError, MergeError, RemoteProtocolError
from swarmp2p.merge import codec
from swarmp2p.merge.codec import (
    decode_into,
    encode_bf16,
    encode_fp16,
    encode_int8,
    int8_bytes,
)
from swarmp2p.merge.layout import decode_chunks
from swarmp2p.wire.registry import ENCODING_BF16, ENCODING_FP16, ENCODING_INT8, Code
from swarmp2p.wire.tensors import Schema, TensorSpec

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def decoded(encoding: int, data: bytes, base: np.ndarray | None = None) -> np.ndarray:
    out = np.empty(len(data) // 2 if base is None else base.size, np.float32)
    decode_into(out, data, encoding, base)
    return out


def nearest_bf16(value: float) -> int:
    bits = int.from_bytes(struct.pack(">f", value))
    low = bits & 0xFFFF
    up = low > 0x8000 or (low == 0x8000 and (bits >> 16) % 2 == 1)
    return (bits >> 16) + up


@given(st.lists(finite, max_size=20))
def test_bf16__rounds_to_nearest_even(values: list[float]) -> None:
    want = [nearest_bf16(value) for value in values]
    row = np.array(values, np.float32)
    if any(code & 0x7F80 == 0x7F80 for code in want):
        with pytest.raises(MergeError, match="bf16: element"):
            encode_bf16(row)
        return
    data = encode_bf16(row)
    assert data == struct.pack(f"<{len(want)}H", *want)
    back = struct.pack(f"<{len(want)}I", *(code << 16 for code in want))
    assert decoded(ENCODING_BF16, data).tobytes() == back


def test_bf16__rounds_ties_to_even() -> None:
    ties = np.array([0x3F808000, 0x3F818000, 0xBF808000, 0x00008000], np.uint32)
    assert encode_bf16(ties.view(np.float32)) == struct.pack("<4H", 0x3F80, 0x3F82, 0xBF80, 0)


@given(st.lists(st.floats(-65_504, 65_504, width=32), max_size=20))
def test_fp16__rounds_to_nearest_even(values: list[float]) -> None:
    data = encode_fp16(np.array(values, np.float32))
    assert data == struct.pack(f"<{len(values)}e", *values)
    back = struct.unpack(f"<{len(values)}e", data)
    assert decoded(ENCODING_FP16, data).tobytes() == struct.pack(f"<{len(values)}f", *back)


def test_half_encodings__work_over_their_step() -> None:
    row = np.random.default_rng(3).normal(size=codec._STEP + 3).astype(np.float32)
    again = decoded(ENCODING_BF16, encode_bf16(row))
    assert encode_bf16(row[-5:]) == encode_bf16(row)[-10:]
    assert encode_bf16(again) == encode_bf16(row)
    assert float(np.abs(again / row - 1).max()) <= 2.0**-8


@pytest.mark.parametrize(
    ("encoding", "code"),
    [
        *((ENCODING_BF16, code) for code in (0x7F80, 0xFF80, 0x7FC0)),
        *((ENCODING_FP16, code) for code in (0x7C00, 0xFC00, 0x7E00)),
    ],
)
def test_half_encodings__refuse_non_finite_data_and_name_the_tensor(
    encoding: int, code: int
) -> None:
    schema = Schema((TensorSpec("w", "f32", (2,)),))
    with pytest.raises(RemoteProtocolError, match="tensor 'w', element 1 is") as refused:
        decode_chunks(schema, [struct.pack("<2H", 0, code)], encoding)
    assert refused.value.code == Code.NON_FINITE


@pytest.mark.parametrize("sign", [1, -1])
def test_half_encodings__take_the_largest_value_that_does_not_round_to_infinity(sign: int) -> None:
    for encode, bits, last in (
        (encode_bf16, 0x7F7F7FFF, 0x7F7F),
        (encode_fp16, 0x477FEFFF, 0x7BFF),
    ):
        row = np.array([bits], np.uint32).view(np.float32) * np.float32(sign)
        assert encode(row) == struct.pack("<H", last | (0x8000 if sign < 0 else 0))
        with pytest.raises(MergeError, match="element 1 is too large"):
            encode(np.concatenate([row, np.nextafter(row, np.float32(sign * np.inf))]))


def test_int8__leaves_numpys_settings_alone() -> None:
    before = np.getbufsize(), np.geterr()
    encode_int8(np.ones(3, np.float32), np.zeros(3, np.float32))
    with pytest.raises(MergeError, match="element 0 is inf"):
        encode_int8(np.full(3, np.inf, np.float32), np.zeros(3, np.float32))
    assert (np.getbufsize(), np.geterr()) == before


@pytest.mark.parametrize("row", [0, 1, 2])
def test_int8__rounds_subnormal_scales_and_zero_deltas_as_it_did(row: int) -> None:
    # blocks of: a scale of 0, a subnormal scale, all zeros
    values = np.zeros(3 * 4_096, np.float32)
    values[:4_096:7] = 2.0**-149
    values[4_096:8_192:5] = 200 * 2.0**-149
    data = encode_int8(values, np.zeros_like(values))
    at = row * 4_100
    (scale,) = struct.unpack_from("<f", data, at)
    levels = np.frombuffer(data, np.int8, 4_096, at + 4)
    delta = values[row * 4_096 : (row + 1) * 4_096].astype(np.float64)
    assert scale == single(float(delta.max()) / 127)
    want = np.clip(np.rint(delta / scale), -127, 127) if scale else np.zeros(4_096)
    assert (levels == want).all()


def test_fp16__refuses_values_that_round_to_infinity() -> None:
    with pytest.raises(MergeError, match="fp16: element 1"):
        encode_fp16(np.array([1, 65_520], np.float32))


@pytest.mark.parametrize("size", [0, 1, 4_095, 4_096, 4_097, codec._STEP + 4_100])
def test_int8__decodes_as_plain_python_does(size: int) -> None:
    rng = np.random.default_rng(size)
    base = rng.normal(size=size).astype(np.float32)
    values = (base + rng.normal(size=size) * 0.01).astype(np.float32)
    data = encode_int8(values, base)
    assert len(data) == int8_bytes(size)
    got = decoded(ENCODING_INT8, data, base)
    want = []
    for start in range(0, size, 4_096):
        at = start + 4 * (start // 4_096)
        part = min(4_096, size - start)
        (scale,) = struct.unpack_from("<f", data, at)
        levels = struct.unpack_from(f"<{part}b", data, at + 4)
        for b, q in zip(base[start : start + part].tolist(), levels, strict=True):
            want.append(single(b + single(scale * q)))
        error = np.abs(got[start : start + part] - values[start : start + part])
        assert float(error.max()) <= 0.51 * scale
    assert got.tobytes() == struct.pack(f"<{size}f", *want)


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=8))
def test_int8__never_uses_minus_128_and_refuses_what_does_not_fit(
    pairs: list[tuple[float, float]],
) -> None:
    values = np.array([x for x, _ in pairs], np.float32)
    base = np.array([b for _, b in pairs], np.float32)
    with np.errstate(over="ignore"):
        fits = bool((np.abs(values - base) <= 2.0**126).all())
    if not fits:
        with pytest.raises(MergeError, match=r"above 2\^126"):
            encode_int8(values, base)
        return
    data = encode_int8(values, base)
    assert min(struct.unpack_from(f"<{len(pairs)}b", data, 4)) >= -127


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (struct.pack("<fbb", -1.0, 0, 0), "scale of the block at tensor 'w', element 0 is -1.0"),
        (struct.pack("<fbb", float("nan"), 0, 0), "element 0 is nan"),
        (struct.pack("<fbb", float("inf"), 0, 0), "element 0 is nan"),
        (struct.pack("<fbb", 1.0, 0, -128), "element 1 is -128"),
        (struct.pack("<fbb", 1e38, 0, 127), "element 1 is inf"),
        (struct.pack("<fb", 1.0, 0), "chunk 0 has 5 bytes; its schema makes 6"),
    ],
)
def test_int8__refuses_bad_data(data: bytes, message: str) -> None:
    schema = Schema((TensorSpec("w", "f32", (2,)),))
    with pytest.raises(RemoteProtocolError, match=message):
        decode_chunks(schema, [data], ENCODING_INT8, np.zeros(2, np.float32))


@pytest.mark.parametrize("size", [4 * 4_096, 3 * 4_096 + 7])
@pytest.mark.parametrize("block", [0, 2, 3])
def test_int8__names_the_block_and_the_element_that_it_refuses(size: int, block: int) -> None:
    base, out = np.zeros(size, np.float32), np.empty(size, np.float32)
    good = encode_int8(np.ones(size, np.float32), base)
    at = block * 4_100
    # a scale that is not a number does not hide one below 0
    other = (block + 1) % 4 * 4_100
    scales = bytearray(good)
    struct.pack_into("<f", scales, other, float("nan"))
    decode_into(out, scales, ENCODING_INT8, base)
    assert np.isnan(out[other // 4_100 * 4_096])
    struct.pack_into("<f", scales, at, -1.0)
    # 2^18 elements to a chunk: the message counts from the start of the vector
    with pytest.raises(RemoteProtocolError, match=f"block at element {2**18 + block * 4_096} is"):
        decode_into(out, scales, ENCODING_INT8, base, first=2**18)
    levels = bytearray(good)
    struct.pack_into("<b", levels, at + 4 + 5, -128)
    with pytest.raises(RemoteProtocolError, match=f"element {block * 4_096 + 5} is -128"):
        decode_into(out, levels, ENCODING_INT8, base)


def test_encoders__refuse_non_finite_values_and_doubles() -> None:
    bad = np.array([0, np.nan], np.float32)
    for encode in (encode_bf16, encode_fp16):
        with pytest.raises(MergeError, match="element 1 is nan"):
            encode(bad)
    with pytest.raises(MergeError, match="element 1 is nan"):
        encode_int8(bad, np.zeros(2, np.float32))
    with pytest.raises(MergeError, match="float32, not float64"):
        encode_bf16(np.zeros(1))
    for encoding in (ENCODING_BF16, ENCODING_FP16):
        with pytest.raises(RemoteProtocolError, match="3 bytes; 4 are expected"):
            decode_into(np.empty(2, np.float32), bytes(3), encoding)
        with pytest.raises(LocalProtocolError, match="float32, not float64"):
            decode_into(np.empty(2), bytes(4), encoding)
    with pytest.raises(LocalProtocolError, match="same elements of the base"):
        decode_into(np.empty(1, np.float32), bytes(5), ENCODING_INT8)
