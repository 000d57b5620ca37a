"""Provider and getter against each other, and against hostile bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.crypto.merkle import MerkleTree, leaf_hash
from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.protocol.getter import ChunkRefused, ChunkVerified, Getter, GetterDone
from swarmp2p.protocol.provider import ChunkWanted, Provider
from swarmp2p.wire.frames import encode_frame
from swarmp2p.wire.messages import (
    ChunkReply,
    ChunkRequest,
    encode_chunk_reply,
    encode_chunk_request,
)
from swarmp2p.wire.registry import CHUNK_SECONDS, FIRST_BYTE_SECONDS, MAX_CHUNKS_IN_FLIGHT, Code

CHUNKS = [bytes([n]) * (40 + n) for n in range(5)]
SIZES = [len(chunk) for chunk in CHUNKS]
TREE = MerkleTree([leaf_hash(index, chunk) for index, chunk in enumerate(CHUNKS)])
ROOT = TREE.root


def getter(want=range(5), **options):
    return Getter(ROOT, SIZES, want, now=0.0, **options)


def joined(buffers):
    return b"".join(bytes(buffer) for buffer in buffers)


def answers(provider):
    """Serve whatever is wanted; the bytes to send."""
    for event in provider.events():
        assert event.root == ROOT
        provider.send_chunk(CHUNKS[event.index], TREE.proof(event.index))
    return joined(provider.data_to_send())


def whole_reply():
    """All bytes that a provider sends for all chunks."""
    fetching, provider = getter(), Provider()
    provider.receive_data(joined(fetching.data_to_send()), now=0.0)
    return answers(provider)


def test_a_blob__comes_whole_and_in_order():
    fetching, provider = getter(window=2), Provider()
    events = []
    while not any(isinstance(event, GetterDone) for event in events):
        provider.receive_data(joined(fetching.data_to_send()), now=0.0)
        fetching.receive_data(answers(provider), now=0.0)
        events += fetching.events()
    chunks = [event for event in events if isinstance(event, ChunkVerified)]
    assert [event.data for event in chunks] == CHUNKS
    assert fetching.next_deadline() is None
    fetching.receive_eof(now=1.0)
    fetching.receive_data(b"more", now=1.0)  # after its work it listens no more
    assert fetching.events() == []


def test_only_the_wanted_chunks__are_asked_for():
    fetching, provider = getter(want=[3, 1]), Provider()
    provider.receive_data(joined(fetching.data_to_send()), now=0.0)
    assert [event.index for event in provider.events()] == [3, 1]


def test_nothing_wanted__is_done_at_once():
    fetching = getter(want=[])
    assert fetching.data_to_send() == []
    assert fetching.events() == [GetterDone()]


def test_a_refusal__is_an_event_with_its_code():
    fetching, provider = getter(want=[2]), Provider()
    provider.receive_data(joined(fetching.data_to_send()), now=0.0)
    assert provider.events() == [ChunkWanted(ROOT, 2)]
    provider.refuse(Code.RETRY)
    fetching.receive_data(joined(provider.data_to_send()), now=0.0)
    assert fetching.events() == [ChunkRefused(2, Code.RETRY), GetterDone()]


@given(st.lists(st.integers(1, 400), max_size=40))
def test_any_split_of_the_replies__gives_the_same_events(cuts):
    data, fetching = whole_reply(), getter()
    fetching.data_to_send()
    start = 0
    for cut in [*cuts, len(data)]:
        fetching.receive_data(data[start : start + cut], now=0.0)
        start += cut
    fetching.receive_data(data[start:], now=0.0)
    assert [type(event) for event in fetching.events()] == [ChunkVerified] * 5 + [GetterDone]


def test_any_flipped_byte_of_a_reply__never_verifies_other_data():
    data = whole_reply()
    for place in range(len(data)):
        fetching = getter()
        fetching.data_to_send()
        flipped = data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :]
        try:
            fetching.receive_data(flipped, now=0.0)
        except RemoteProtocolError:
            pass
        else:
            assert not any(isinstance(event, GetterDone) for event in fetching.events())
            continue
        for event in fetching.events():
            if isinstance(event, ChunkVerified):
                assert event.data == CHUNKS[event.index]


@given(st.binary(max_size=300))
def test_random_bytes__give_a_value_or_a_remote_error(data):
    for machine in (getter(), Provider()):
        machine.data_to_send()
        try:
            machine.receive_data(data, now=0.0)
            machine.receive_eof(now=0.0)
        except RemoteProtocolError:
            machine.receive_data(b"x", now=0.0)  # dead, not broken
        assert not any(isinstance(event, ChunkVerified) for event in machine.events())


def reply(**changes):
    fields = {"code": Code.OK, "root": ROOT, "index": 0, "size": SIZES[0], "proof": TREE.proof(0)}
    return encode_frame(encode_chunk_reply(ChunkReply(**{**fields, **changes})))


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (reply(index=1, size=SIZES[1], proof=TREE.proof(1)), Code.UNEXPECTED),
        (reply(root=bytes(32)), Code.UNEXPECTED),
        (reply(size=SIZES[0] + 1), Code.BAD_PROOF),
        (reply(proof=()) + CHUNKS[0], Code.BAD_PROOF),
        (reply() + CHUNKS[1][: SIZES[0]], Code.BAD_PROOF),
    ],
)
def test_a_wrong_reply__ends_the_getter_with_its_code(frame, code):
    fetching = getter(want=[0])
    fetching.data_to_send()
    with pytest.raises(RemoteProtocolError) as caught:
        fetching.receive_data(frame, now=0.0)
    assert caught.value.code == code


def test_a_reply_to_nothing__is_refused():
    fetching = getter(want=[0])
    with pytest.raises(RemoteProtocolError) as caught:
        fetching.receive_data(reply(), now=0.0)
    assert caught.value.code == Code.UNEXPECTED


def test_an_end_with_chunks_owed__is_the_peers_fault():
    fetching = getter()
    fetching.data_to_send()
    with pytest.raises(RemoteProtocolError):
        fetching.receive_eof(now=0.0)


def test_deadlines__are_first_byte_then_chunk():
    fetching = getter(window=1)
    assert fetching.next_deadline() is None
    fetching.data_to_send()
    assert fetching.next_deadline() == FIRST_BYTE_SECONDS
    fetching.handle_timer(now=FIRST_BYTE_SECONDS - 0.1)
    fetching.receive_data(reply() + CHUNKS[0], now=3.0)
    fetching.data_to_send()
    assert fetching.next_deadline() == 3.0 + CHUNK_SECONDS
    with pytest.raises(RemoteProtocolError) as caught:
        fetching.handle_timer(now=3.0 + CHUNK_SECONDS)
    assert caught.value.code == Code.TIMEOUT


@pytest.mark.parametrize("options", [{"want": [5]}, {"want": [-1]}, {"window": 0}, {"window": 17}])
def test_a_getter_outside_its_bounds__is_our_own_error(options):
    with pytest.raises(LocalProtocolError):
        getter(**options)


def test_too_many_requests__end_the_stream():
    provider = Provider()
    ask = encode_frame(encode_chunk_request(ChunkRequest(ROOT, 0)))
    provider.receive_data(ask * MAX_CHUNKS_IN_FLIGHT, now=0.0)
    with pytest.raises(RemoteProtocolError) as caught:
        provider.receive_data(ask, now=0.0)
    assert caught.value.code == Code.TOO_MANY
    provider.receive_data(ask, now=0.0)
    provider.receive_eof(now=0.0)
    assert len(provider.events()) == MAX_CHUNKS_IN_FLIGHT


def test_an_answer_without_a_request__is_our_own_error_and_sends_nothing():
    provider = Provider()
    with pytest.raises(LocalProtocolError):
        provider.send_chunk(CHUNKS[0], ())
    with pytest.raises(LocalProtocolError):
        provider.refuse(Code.NOT_FOUND)
    assert provider.data_to_send() == []
    assert provider.next_deadline() is None
    provider.handle_timer(now=9.0)


def test_the_payload__is_handed_on_without_a_copy():
    provider = Provider()
    ask = encode_frame(encode_chunk_request(ChunkRequest(ROOT, 0)))
    provider.receive_data(ask, now=0.0)
    payload = memoryview(CHUNKS[0])
    provider.send_chunk(payload, TREE.proof(0))
    assert provider.data_to_send()[1] is payload
