"""The msgpack profile: one encoding per value, bounded before anything is allocated."""

import gc
import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.canonical import decode, encode
from swarmp2p.wire.registry import MAX_CONTROL_FRAME, Code

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(0, 2**64 - 1)
    | st.text(max_size=60)
    | st.binary(max_size=300)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=12), inner, max_size=20)
    ),
    max_leaves=25,
).filter(lambda value: depth(value) <= 6)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def refusal(data: bytes, **options: int) -> Code:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(data, **options)
    return Code(caught.value.code)


@given(VALUES)
def test_decode__gives_back_what_was_encoded(value: Any) -> None:
    assert decode(encode(value)) == value


@given(st.dictionaries(st.text(max_size=8), st.integers(0, 9), max_size=20))
def test_encode__does_not_depend_on_the_order_of_a_map(value: dict[str, int]) -> None:
    backwards = dict(reversed(value.items()))
    assert encode(value) == encode(backwards)


@given(st.binary(max_size=200))
def test_decode__random_bytes_give_a_value_with_that_encoding_or_a_refusal(data: bytes) -> None:
    try:
        value = decode(data)
    except RemoteProtocolError:
        return
    assert encode(value) == data


@given(VALUES, st.data())
def test_decode__mutated_bytes_give_a_value_with_that_encoding_or_a_refusal(
    value: Any, data: st.DataObject
) -> None:
    mutated = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode(bytes(mutated))
    except RemoteProtocolError:
        return
    assert encode(decoded) == bytes(mutated)


@given(VALUES)
def test_decode__refuses_every_proper_prefix_and_any_suffix(value: Any) -> None:
    data = encode(value)
    for end in range(min(len(data), 64)):
        refusal(data[:end])
    assert refusal(data + b"\x00") == Code.MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        "ff",  # negative fixint
        "d0ff",  # int8
        "d1ffff",
        "d2ffffffff",
        "d3ffffffffffffffff",
        "ca00000000",  # float32
        "cb0000000000000000",  # float64
        "c1",  # never used
        "c70000",  # ext8
        "d400ff",  # fixext1
        "c600000000",  # bin32
        "da0020" + "41" * 32,  # str16
        "db00000000",  # str32
        "dd00000000",  # array32
        "df00000000",  # map32
        "81c000",  # nil as a key
        "8101c0",  # an integer as a key
        "81c4010000",  # bin as a key
        "a2c328",  # not UTF-8
        "a3eda080",  # a surrogate in UTF-8
        "81a1ff00",  # a key that is not UTF-8
        "",
        "cd01",
        "c402ff",
        "d9",
        "92c0",
        "9fc0",  # more items than bytes
        "dc0fff",
    ],
)
def test_decode__refuses_what_is_not_in_the_grammar(data: str) -> None:
    assert refusal(bytes.fromhex(data)) == Code.MALFORMED


@pytest.mark.parametrize(
    "data",
    [
        "cc7f",
        "cd00ff",
        "ce0000ffff",
        "cf00000000ffffffff",
        "d91f" + "41" * 31,
        "c500ff" + "00" * 255,
        "dc000f" + "c0" * 15,
        "de0000",
        "de000f",
        "82a16201a16102",  # b before a
        "82a16101a16101",  # a twice
        "82a2616102a16101",  # aa before a
    ],
)
def test_decode__refuses_a_second_form_of_a_value(data: str) -> None:
    assert refusal(bytes.fromhex(data)) == Code.NOT_CANONICAL


def nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


LIMITS: list[tuple[Any, Any]] = [
    (nested(6), nested(7)),
    ({"a": nested(5)}, {"a": nested(6)}),
    ([0] * 4095, [0] * 4096),
    ([{"a": 0}] * 1365, [{"a": 0}] * 1366),
    ({f"{n:02}": 0 for n in range(32)}, {f"{n:02}": 0 for n in range(33)}),
    ("a" * 255, "a" * 256),
    ("é" * 127, "é" * 128),
    (bytes(65_530), bytes(65_536)),
    (2**64 - 1, 2**64),
    (0, -1),
]


@pytest.mark.parametrize(("inside", "beyond"), LIMITS)
def test_limits__hold_at_their_edge_and_refuse_beyond(inside: Any, beyond: Any) -> None:
    assert decode(encode(inside)) == inside
    with pytest.raises(LocalProtocolError):
        encode(beyond)
    if beyond != 2**64:  # msgpack itself cannot write that one
        foreign = msgpack.packb(beyond)
        with pytest.raises(RemoteProtocolError):
            decode(foreign)


def test_bin__holds_65535_bytes_where_the_frame_is_large_enough() -> None:
    value = bytes(65_535)
    data = encode(value, max_bytes=70_000)
    assert decode(data, max_bytes=70_000) == value
    assert refusal(data) == Code.TOO_LARGE


def test_max_bytes__holds_at_its_edge_and_refuses_beyond() -> None:
    data = encode(bytes(100))
    assert decode(data, max_bytes=len(data)) == bytes(100)
    assert refusal(data, max_bytes=len(data) - 1) == Code.TOO_LARGE
    with pytest.raises(LocalProtocolError, match="at most 101"):
        encode(bytes(100), max_bytes=101)


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        -1,
        bytearray(b"x"),
        {1: 2},
        {b"a": 1},
        {"a": {2: 3}},
        {None: 1},
        object(),
        "\ud800",
        {"\udfff": 1},
        [1, (2, 2.5)],
        {"a"},
    ],
)
def test_encode__refuses_values_outside_the_profile(value: Any) -> None:
    with pytest.raises(LocalProtocolError, match="cannot be sent"):
        encode(value)


def test_encode__refuses_a_value_that_holds_itself() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(LocalProtocolError, match="nested deeper"):
        encode(loop)


def test_encode__writes_enum_members_and_tuples_plainly() -> None:
    assert encode((Code.RETRY, True)) == b"\x92\x01\xc3"
    assert decode(b"\x92\x01\xc3") == [1, True]


def hostile_frames() -> dict[str, bytes]:
    size = MAX_CONTROL_FRAME
    return {
        "empty maps": b"\xdc\x0f\xfe" + b"\x80" * 4094,
        "empty arrays in the largest array": b"\xdc\x0f\xff" + b"\x90" * 4095,
        "too many empty maps": b"\xdc\xff\xfc" + b"\x80" * (size - 4),
        "arrays within arrays": b"\x91" * size,
        "arrays that promise 65,535": b"\xdc\xff\xff" * (size // 3),
        "maps of short keys": b"\xdc\x00\x3c"
        + (b"\xde\x00\x20" + b"".join(b"\xa1" + bytes([65 + n]) + b"\xc0" for n in range(32))) * 60,
        "long integers": b"\xdc\x0f\xff" + (b"\xcf" + b"\xff" * 8) * 4095,
        "one large bin": b"\xc5\xff\xfc" + bytes(size - 4),
    }


@pytest.mark.parametrize("name", hostile_frames())
def test_decode__hostile_frame_stays_under_a_mebibyte(name: str) -> None:
    data = hostile_frames()[name]
    assert len(data) <= MAX_CONTROL_FRAME
    gc.collect()
    tracemalloc.start()
    try:
        value = None
        try:
            value = decode(data)
        except RemoteProtocolError:
            value = "refused"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert value is not None
    assert peak < 1 << 20
