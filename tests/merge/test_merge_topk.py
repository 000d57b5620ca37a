"""The top-k experiment: exact, sized by length and share alone, closed to hostile bytes."""

import ast
import struct
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import swarmp2p
from swarmp2p.errors import MergeError, RemoteProtocolError
from swarmp2p.merge import topk
from swarmp2p.merge.topk import (
    TOP_K_BLOCK,
    ErrorFeedback,
    decode_top_k,
    encode_top_k,
    kept,
    top_k_bytes,
)
from swarmp2p.wire.registry import Code

SIZES = (1, 7, TOP_K_BLOCK - 1, TOP_K_BLOCK, TOP_K_BLOCK + 1, 2 * TOP_K_BLOCK + 100)
LARGEST = float(np.finfo(np.float32).max)


def drawn(size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([size, seed])
    base = rng.normal(size=size).astype(np.float32)
    return base + rng.normal(size=size).astype(np.float32), base


def entry(place: int, difference: float) -> bytes:
    return struct.pack("<Hf", place, difference)


def refusal(data: bytes, base: np.ndarray, share: float) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_top_k(data, base, share)
    return caught.value


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [1e-6, 0.01, 0.5, 1.0])
def test_round_trip__keeps_the_largest_and_leaves_the_base(size: int, share: float) -> None:
    values, base = drawn(size)
    data = encode_top_k(values, base, share)
    arrived = decode_top_k(data, base, share)
    delta = values - base
    for start in range(0, size, TOP_K_BLOCK):
        part = range(start, min(start + TOP_K_BLOCK, size))
        count = ceil(share * len(part))
        best = set(sorted(part, key=lambda i: (-abs(delta[i]), i))[:count])
        for i in part:
            want = base[i] + delta[i] if i in best else base[i]
            assert arrived[i].tobytes() == np.float32(want).tobytes()


@pytest.mark.parametrize("size", SIZES)
def test_sizes__follow_from_length_and_share_alone(size: int) -> None:
    values, base = drawn(size)
    for share in (0.001, 0.01, 0.37, 1.0):
        blocks, rest = divmod(size, TOP_K_BLOCK)
        entries = blocks * ceil(share * TOP_K_BLOCK) + ceil(share * rest)
        assert top_k_bytes(size, share) == 6 * entries
        assert len(encode_top_k(values, base, share)) == 6 * entries
        assert len(encode_top_k(base, base, share)) == 6 * entries


def test_ties__go_to_the_lower_place_in_every_block() -> None:
    base = np.zeros(2 * TOP_K_BLOCK, np.float32)
    values = np.where(np.arange(base.size) % 2, 1, -1).astype(np.float32)
    values[5] = 3
    share = 3 / TOP_K_BLOCK
    first = entry(0, -1) + entry(1, 1) + entry(5, 3)
    second = entry(0, -1) + entry(1, 1) + entry(2, -1)
    assert encode_top_k(values, base, share) == first + second


def test_example__is_written_out() -> None:
    base = np.float32([1, 1, 1, 1, 1])
    values = np.float32([1.5, 1, -3, 1, 1.25])
    data = encode_top_k(values, base, 0.4)
    assert data.hex() == "00000000003f" + "0200000080c0"
    assert decode_top_k(data, base, 0.4).tolist() == [1.5, 1, -3, 1, 1]


@pytest.mark.parametrize("length", [0, 6, 11, 13, 18])
def test_decode__refuses_another_length(length: int) -> None:
    error = refusal(bytes(length), np.zeros(5, np.float32), 0.4)
    assert error.code == Code.BAD_PROOF
    assert str(error) == f"{length} bytes; 12 are expected"


@pytest.mark.parametrize(
    "places", [(1, 0), (2, 2), (0, 5), (0, 65535)], ids=["unsorted", "twice", "outside", "far"]
)
def test_decode__refuses_places_that_no_encoder_writes(places: tuple[int, int]) -> None:
    data = b"".join(entry(place, 1) for place in places)
    assert refusal(data, np.zeros(5, np.float32), 0.4).code == Code.MALFORMED


def test_decode__judges_each_block_by_its_own_length() -> None:
    base = np.zeros(TOP_K_BLOCK + 3, np.float32)
    share = 1 / TOP_K_BLOCK
    arrived = decode_top_k(entry(TOP_K_BLOCK - 1, 1) + entry(2, 2), base, share)
    assert np.flatnonzero(arrived).tolist() == [TOP_K_BLOCK - 1, TOP_K_BLOCK + 2]
    error = refusal(entry(0, 1) + entry(3, 2), base, share)
    assert error.code == Code.MALFORMED
    assert "the block at element 4096" in str(error)


@pytest.mark.parametrize("difference", [np.nan, np.inf, -np.inf, LARGEST])
def test_decode__refuses_what_is_not_finite(difference: float) -> None:
    base = np.full(5, LARGEST, np.float32)
    error = refusal(entry(1, 0) + entry(3, difference), base, 0.4)
    assert error.code == Code.NON_FINITE
    assert "element 3 is" in str(error)


@given(
    size=st.sampled_from([1, 3, 40, TOP_K_BLOCK, TOP_K_BLOCK + 2]),
    share=st.floats(0, 1, exclude_min=True),
    data=st.data(),
)
def test_hostile_bytes__decode_to_a_finite_update_or_are_refused(
    size: int, share: float, data: st.DataObject
) -> None:
    right = top_k_bytes(size, share)
    length = data.draw(st.sampled_from([right, right, right, right + 6, max(0, right - 1)]))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    raw = bytearray(encode_top_k(*drawn(size, 1), share)[:length].ljust(length, b"\0"))
    for at in data.draw(st.lists(st.integers(0, max(0, length - 1)), max_size=4)):
        raw[at : at + 1] = random.bytes(1)
    raw = raw[:length]
    base = drawn(size, 1)[1]
    before = base.copy()
    try:
        arrived = decode_top_k(bytes(raw), base, share)
    except RemoteProtocolError as error:
        wrong_length = error.code == Code.BAD_PROOF
        arrived = base
    else:
        wrong_length = False
    assert wrong_length is (len(raw) != right)
    assert np.isfinite(arrived).all()
    assert np.count_nonzero(arrived != base) <= right // 6
    assert (base == before).all()


@given(st.binary(max_size=64), st.integers(1, 20), st.floats(0, 1, exclude_min=True))
def test_any_bytes__are_refused_by_a_code_or_are_an_update(
    raw: bytes, size: int, share: float
) -> None:
    try:
        arrived = decode_top_k(raw, np.zeros(size, np.float32), share)
    except RemoteProtocolError:
        return
    assert len(raw) == 6 * kept(size, share)
    assert np.isfinite(arrived).all()


@pytest.mark.parametrize("share", [0.0, -0.1, 1.0001, np.nan, np.inf])
def test_share__is_above_0_and_at_most_1(share: float) -> None:
    values, base = drawn(4)
    for call in (
        lambda: encode_top_k(values, base, share),
        lambda: decode_top_k(bytes(6), base, share),
        lambda: top_k_bytes(4, share),
    ):
        with pytest.raises(MergeError, match="above 0 and at most 1"):
            call()


def test_encode__refuses_what_cannot_be_sent() -> None:
    values, base = drawn(4)
    with pytest.raises(MergeError, match="float32, not float64"):
        encode_top_k(values.astype(np.float64), base, 0.5)
    with pytest.raises(MergeError, match="4 elements and a base of 3"):
        encode_top_k(values, base[:3], 0.5)
    values[2] = np.nan
    with pytest.raises(MergeError, match="element 2 is nan"):
        encode_top_k(values, base, 0.5)
    values[2], base[2] = LARGEST, -LARGEST
    with pytest.raises(MergeError, match="a finite difference"):
        encode_top_k(values, base, 0.5)


def test_feedback__sends_in_the_end_what_each_round_left_out() -> None:
    step = np.linspace(0.1, 1, 20).astype(np.float32)
    base, feedback = np.zeros(20, np.float32), ErrorFeedback(np.zeros(20, np.float32))
    total, without = np.zeros(20, np.float32), np.zeros(20, np.float32)

    def carry(values: np.ndarray) -> np.ndarray:
        return decode_top_k(encode_top_k(values, base, 0.1), base, 0.1)

    for _ in range(200):
        total += feedback.send(step, carry)
        without += carry(step)
    np.testing.assert_allclose(total + feedback.left, 200 * step, rtol=1e-4)
    np.testing.assert_allclose(total, 200 * step, atol=11)
    assert np.count_nonzero(without) == 2


def test_node__never_imports_the_experiment() -> None:
    package = Path(swarmp2p.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{one.name}" for one in node.names]
                assert node.module != topk.__name__, path
                assert topk.__name__ not in names, path
            elif isinstance(node, ast.Import):
                assert topk.__name__ not in [one.name for one in node.names], path
    assert "EXPERIMENT" in str(topk.__doc__)
