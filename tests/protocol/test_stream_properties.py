"""What holds for every stream machine, however bytes are cut or changed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.crypto.identity import sign_envelope
from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.crypto.merkle import MerkleTree, leaf_hash
from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.protocol.getter import ChunkVerified, Getter, GetterDone
from swarmp2p.protocol.hello import HelloDone, HelloMachine, Role
from swarmp2p.protocol.provider import ChunkWanted, Provider
from swarmp2p.protocol.repeats import verify_equivocation
from swarmp2p.protocol.verdicts import Equivocation
from swarmp2p.wire.envelope import Header
from swarmp2p.wire.frames import encode_frame
from swarmp2p.wire.messages import ChunkRequest, Hello, encode_chunk_request, encode_hello
from swarmp2p.wire.registry import KIND_UPDATE_MANIFEST, Code

CHUNKS = [bytes([n]) * (7 + n) for n in range(5)]
TREE = MerkleTree([leaf_hash(n, data) for n, data in enumerate(CHUNKS)])
SIZES = [len(data) for data in CHUNKS]
HELLO = Hello(1, b"d" * 32, "swarmp2p test", (), 0)
DOMAIN = b"d" * 32


def getter(want=range(5)):
    machine = Getter(TREE.root, SIZES, want, now=0.0)
    requests = b"".join(machine.data_to_send())
    return machine, requests


def reply_bytes(requests):
    provider = Provider()
    provider.receive_data(requests, now=0.0)
    for wanted in provider.events():
        provider.send_chunk(memoryview(CHUNKS[wanted.index]), TREE.proof(wanted.index))
    return b"".join(provider.data_to_send())


def outcome(machine, pieces):
    """(events, code that ended it)."""
    try:
        for piece in pieces:
            machine.receive_data(piece, now=1.0)
    except RemoteProtocolError as error:
        return machine.events(), error.code
    return machine.events(), None


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


places = st.lists(st.integers(0, 10_000), max_size=12)
TAILS = st.sampled_from([b"", b"\x00\x00\x00\x01", b"\xff" * 8, encode_frame(b"\xc1")])


@given(places, TAILS)
def test_getter__same_events_however_replies_are_cut(where, tail):
    data = reply_bytes(getter()[1]) + tail
    whole = outcome(getter()[0], [data])
    assert whole == outcome(getter()[0], cut(data, where))
    assert [e.data for e in whole[0] if isinstance(e, ChunkVerified)] == CHUNKS
    assert whole[0][-1] == GetterDone()
    assert whole[1] is None


@given(places, TAILS)
def test_provider__same_events_however_requests_are_cut(where, tail):
    data = getter()[1] + tail
    whole = outcome(Provider(), [data])
    assert whole == outcome(Provider(), cut(data, where))
    assert whole[0] == [ChunkWanted(TREE.root, n) for n in range(5)]


@given(places, TAILS)
def test_hello__same_events_however_it_is_cut(where, tail):
    data = encode_frame(encode_hello(HELLO)) + tail
    whole = outcome(HelloMachine(Role.RESPONDER, HELLO, now=0.0), [data])
    other = outcome(HelloMachine(Role.RESPONDER, HELLO, now=0.0), cut(data, where))
    assert whole == other
    assert whole[0] == [HelloDone(HELLO)]


def test_getter__no_flipped_bit_gives_wrong_data():
    machine, requests = getter([3])
    data = reply_bytes(requests)
    for bit in range(len(data) * 8):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        events, _ = outcome(getter([3])[0], [bytes(bad)])
        assert all(e.data == CHUNKS[3] for e in events if isinstance(e, ChunkVerified)), bit
    assert outcome(machine, [data])[0][0].data == CHUNKS[3]


@given(st.binary(max_size=300), places)
def test_machines__garbage_gives_events_or_a_remote_error(data, where):
    for machine in (getter()[0], Provider(), HelloMachine(Role.INITIATOR, HELLO, now=0.0)):
        outcome(machine, cut(data, where))


@given(st.binary(max_size=300), st.sampled_from([b"\0\0\0\4", b"\xff" * 4]))
def test_responders__send_nothing_to_whom_they_refuse(data, length):
    asked = Provider()
    asked.receive_data(getter()[1], now=0.0)
    asked.refuse(Code.RETRY)  # an answer that is still waiting goes, too
    for machine in (Provider(), asked, HelloMachine(Role.RESPONDER, HELLO, now=0.0)):
        with pytest.raises(RemoteProtocolError):
            machine.receive_data(length + data, now=0.0)
        assert machine.data_to_send() == []


def test_getter__nothing_wanted_is_done_at_once():
    machine, requests = getter([])
    assert requests == b""
    assert machine.events() == [GetterDone()]
    assert machine.next_deadline() is None


@pytest.mark.parametrize(
    ("root", "want", "window"),
    [(b"short", [0], 8), (TREE.root, [0, 0], 8), (TREE.root, [5], 8), (TREE.root, [0], 17)],
    ids=["root", "twice", "outside", "window"],
)
def test_getter__refuses_what_it_could_not_ask(root, want, window):
    with pytest.raises(LocalProtocolError):
        Getter(root, SIZES, want, now=0.0, window=window)


def test_getter__empty_read_is_no_first_byte():
    machine, _ = getter()
    machine.receive_data(b"", now=1.0)
    assert machine.next_deadline() == 5.0


def test_provider__size_is_in_bytes_whatever_the_view():
    provider = Provider()
    request = ChunkRequest(TREE.root, 0)
    provider.receive_data(encode_frame(encode_chunk_request(request)), now=0.0)
    words = memoryview(bytes(16)).cast("I")
    provider.send_chunk(words, ())
    header, payload = provider.data_to_send()
    assert payload is words or payload.obj is words.obj
    machine = Getter(TREE.root, [16], [0], now=0.0)
    machine.data_to_send()
    with pytest.raises(RemoteProtocolError) as caught:
        machine.receive_data(header + bytes(16), now=0.0)
    assert caught.value.code == Code.BAD_PROOF  # its size was right, its bytes are not


def header(key, **changes):
    plain = {
        "kind": KIND_UPDATE_MANIFEST,
        "wire_version": 1,
        "key_epoch": 0,
        "round": 1,
        "attempt": 0,
        "index": 0,
        "sender": key.public,
    }
    return Header(**{**plain, **changes})


def proof_of(first, second):
    key = IdentityKey.from_seed(b"s" * 32)
    envelopes = [
        sign_envelope(key, header(key, **changes), DOMAIN, body)
        for changes, body in (first, second)
    ]
    return Equivocation(*envelopes)


def test_equivocation__another_key_epoch_opens_no_second_slot():
    proof = proof_of(({"key_epoch": 0}, b"a"), ({"key_epoch": 1}, b"b"))
    assert verify_equivocation(proof, DOMAIN).round == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (({}, b"a"), ({}, b"a")),
        (({}, b"a"), ({"round": 2}, b"b")),
        (({"kind": "chat"}, b"a"), ({"kind": "chat"}, b"b")),
    ],
)
def test_equivocation__honest_pairs_are_no_proof(first, second):
    with pytest.raises(RemoteProtocolError) as caught:
        verify_equivocation(proof_of(first, second), DOMAIN)
    assert caught.value.code == Code.MALFORMED
