"""Frames come out the same however the bytes are split; lengths are judged before bodies."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.frames import FrameDecoder, encode_frame
from swarmp2p.wire.registry import MAX_CHUNK_BYTES, MAX_CONTROL_FRAME, Code


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(0, 400)))
def test_frames__do_not_depend_on_the_split(bodies: list[bytes], cuts: list[int]) -> None:
    decoder = FrameDecoder()
    stream = b"".join(map(encode_frame, bodies))
    received = [body for piece in pieces(stream, cuts) for body in decoder.receive_data(piece)]
    assert received == bodies
    decoder.receive_eof()
    assert decoder.buffered == 0


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=9), st.binary(max_size=50)), max_size=6),
    st.lists(st.integers(0, 400)),
)
def test_raw_payloads__do_not_depend_on_the_split(
    pairs: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    """Each frame's body says, in its first byte, how many raw bytes follow."""
    stream = b"".join(encode_frame(bytes([len(raw)]) + head) + raw for head, raw in pairs)
    decoder = FrameDecoder()
    received: list[tuple[bytes, bytes]] = []
    head: bytes | None = None
    for piece in pieces(stream, cuts):
        decoder.feed(piece)
        while (item := decoder.next_item()) is not None:
            if head is not None:
                received.append((head, item))
                head = None
            elif item[0]:
                head = item[1:]
                decoder.take_raw(item[0])
            else:
                received.append((item[1:], b""))
    assert received == pairs
    decoder.receive_eof()


@given(st.lists(st.binary(max_size=30), max_size=6))
def test_random_bytes__give_frames_or_one_lasting_refusal(parts: list[bytes]) -> None:
    decoder = FrameDecoder(max_frame=64)
    codes: list[int] = []
    for part in parts:
        try:
            frames = decoder.receive_data(part)
        except RemoteProtocolError as error:
            codes.append(error.code)
        else:
            assert not codes
            assert all(1 <= len(frame) <= 60 for frame in frames)
    assert len(set(codes)) <= 1


def test_length__holds_at_its_edge_and_refuses_beyond() -> None:
    largest = bytes(MAX_CONTROL_FRAME - 4)
    assert FrameDecoder().receive_data(encode_frame(largest)) == [largest]
    with pytest.raises(LocalProtocolError):
        encode_frame(largest + b"x")
    with pytest.raises(RemoteProtocolError) as caught:
        FrameDecoder().receive_data((MAX_CONTROL_FRAME + 1).to_bytes(4))
    assert caught.value.code == Code.TOO_LARGE


@pytest.mark.parametrize("total", range(5))
def test_length__below_five_is_malformed(total: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        FrameDecoder().receive_data(total.to_bytes(4) + b"abcd")
    assert caught.value.code == Code.MALFORMED


def test_empty_body__cannot_be_sent() -> None:
    with pytest.raises(LocalProtocolError):
        encode_frame(b"")


def test_frames_before_a_bad_length__are_not_lost_to_a_stepwise_reader() -> None:
    decoder = FrameDecoder()
    decoder.feed(encode_frame(b"one") + bytes(4))
    assert decoder.next_item() == b"one"
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            decoder.next_item()


@pytest.mark.parametrize("part", [b"\x00", encode_frame(b"body")[:-1]])
def test_eof__inside_a_frame_is_malformed(part: bytes) -> None:
    decoder = FrameDecoder()
    assert decoder.receive_data(part) == []
    assert decoder.mid_item
    with pytest.raises(RemoteProtocolError) as caught:
        decoder.receive_eof()
    assert caught.value.code == Code.MALFORMED


def test_eof__while_a_payload_is_owed_is_malformed() -> None:
    decoder = FrameDecoder()
    assert decoder.receive_data(encode_frame(b"head")) == [b"head"]
    decoder.take_raw(3)
    with pytest.raises(RemoteProtocolError):
        decoder.receive_eof()
    assert decoder.receive_data(memoryview(b"ra")) == []
    assert decoder.receive_data(bytearray(b"w")) == [b"raw"]
    assert not decoder.mid_item


@pytest.mark.parametrize("size", [0, -1, MAX_CHUNK_BYTES + 1])
def test_take_raw__refuses_a_size_out_of_bounds(size: int) -> None:
    with pytest.raises(LocalProtocolError):
        FrameDecoder().take_raw(size)


def test_take_raw__refuses_a_second_payload_before_the_first() -> None:
    decoder = FrameDecoder()
    decoder.take_raw(MAX_CHUNK_BYTES)
    with pytest.raises(LocalProtocolError):
        decoder.take_raw(1)
    assert decoder.receive_data(bytes(MAX_CHUNK_BYTES)) == [bytes(MAX_CHUNK_BYTES)]
