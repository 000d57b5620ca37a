from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import RemoteProtocolError
from swarmp2p.protocol.hello import HelloDone, HelloMachine, Role, State
from swarmp2p.protocol.machine import diagram
from swarmp2p.protocol.rounds import TABLE
from swarmp2p.protocol.rounds import State as RoundState
from swarmp2p.wire.messages import Hello
from swarmp2p.wire.registry import FIRST_BYTE_SECONDS, HANDSHAKE_SECONDS, WIRE_VERSION, Code

OURS = Hello(WIRE_VERSION, bytes(32), "swarmp2p a", (), 0)
THEIRS = replace(OURS, agent="swarmp2p b")


def pair(theirs=THEIRS):
    return HelloMachine(Role.INITIATOR, OURS, now=0.0), HelloMachine(
        Role.RESPONDER, theirs, now=0.0
    )


def test_two_sides__learn_each_other():
    first, second = pair()
    second.receive_data(b"".join(first.data_to_send()), now=0.1)
    first.receive_data(b"".join(second.data_to_send()), now=0.2)
    assert first.events() == [HelloDone(THEIRS)]
    assert second.events() == [HelloDone(OURS)]
    assert first.state is State.DONE
    assert first.next_deadline() is None
    first.handle_timer(now=99.0)
    first.receive_eof(now=0.3)


def test_the_responder__says_nothing_before_the_initiator():
    _, second = pair()
    assert second.data_to_send() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [({"wire_version": 2}, Code.WRONG_VERSION), ({"domain": bytes([1]) * 32}, Code.WRONG_DOMAIN)],
)
def test_a_mismatch__ends_the_stream_and_nothing_is_answered(change, code):
    first, _ = pair()
    second = HelloMachine(Role.RESPONDER, replace(THEIRS, **change), now=0.0)
    with pytest.raises(RemoteProtocolError) as caught:
        second.receive_data(b"".join(first.data_to_send()), now=0.1)
    assert caught.value.code == code
    assert second.data_to_send() == []
    assert second.state is State.FAILED
    second.receive_data(b"more", now=0.2)
    assert second.events() == []


def test_a_second_hello__is_unexpected():
    first, second = pair()
    sent = b"".join(first.data_to_send())
    second.receive_data(sent, now=0.1)
    with pytest.raises(RemoteProtocolError) as caught:
        second.receive_data(sent, now=0.1)
    assert caught.value.code == Code.UNEXPECTED


def test_an_early_end__is_the_peers_fault():
    first, _ = pair()
    with pytest.raises(RemoteProtocolError):
        first.receive_eof(now=0.1)


def test_deadlines__are_first_byte_then_handshake():
    first, second = pair()
    assert first.next_deadline() == FIRST_BYTE_SECONDS
    second.receive_data(b"".join(first.data_to_send())[:3], now=1.0)
    assert second.next_deadline() == HANDSHAKE_SECONDS
    second.handle_timer(now=HANDSHAKE_SECONDS - 0.1)
    with pytest.raises(RemoteProtocolError) as caught:
        second.handle_timer(now=HANDSHAKE_SECONDS)
    assert caught.value.code == Code.TIMEOUT


@given(st.binary(max_size=200))
def test_random_bytes__give_a_hello_or_a_remote_error(data):
    _, second = pair()
    try:
        second.receive_data(data, now=0.1)
    except RemoteProtocolError:
        assert second.state is State.FAILED
    assert second.events() == []


def test_the_diagram__has_a_line_for_each_transition():
    picture = diagram(TABLE, RoundState.TRAINING)
    assert picture.count("-->") == len(TABLE) + 1
    assert "TRAINING --> READY: update handed in" in picture
