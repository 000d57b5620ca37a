from dataclasses import replace

import pytest

from swarmp2p.crypto.identity import sign_envelope
from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.errors import RemoteProtocolError
from swarmp2p.protocol.repeats import (
    Repeats,
    decode_equivocation,
    encode_equivocation,
    verify_equivocation,
)
from swarmp2p.protocol.verdicts import Equivocation, Judgement
from swarmp2p.wire.envelope import Header
from swarmp2p.wire.registry import (
    MAX_CONTROL_FRAME,
    MAX_ENVELOPE_BYTES,
    MAX_STREAMS_REMEMBERED,
    WIRE_VERSION,
    Code,
)

D = bytes([1]) * 32
KEY, OTHER = (IdentityKey.from_seed(bytes([n]) * 32) for n in (7, 8))
SLOT = Header("update-manifest", WIRE_VERSION, 0, 3, 0, 0, KEY.public)
STREAM = Header("x-test", WIRE_VERSION, 0, 3, 0, 0, KEY.public, seq=1)


def signed(header, body=b"\x01", key=KEY, domain=D):
    return sign_envelope(key, header, domain, body)


def outcomes(*envelopes):
    repeats = Repeats(D)
    return [(v.outcome, v.code) for v in map(repeats.judge, envelopes)]


ACCEPT = (Judgement.ACCEPT, Code.OK)
REPLAY = (Judgement.IGNORE, Code.REPLAY)


def test_a_slot__is_taken_once_and_a_second_body_is_an_equivocation():
    first, second = signed(SLOT), signed(SLOT, b"\x02")
    assert outcomes(first, first, second, first) == [
        ACCEPT,
        REPLAY,
        (Judgement.REJECT, Code.EQUIVOCATION),
        REPLAY,
    ]


@pytest.mark.parametrize(
    "change", [{"round": 4}, {"attempt": 1}, {"index": 1}, {"recipient": OTHER.public}]
)
def test_a_slot__is_another_one_when_any_part_of_it_differs(change):
    assert outcomes(signed(SLOT), signed(replace(SLOT, **change), b"\x02")) == [ACCEPT, ACCEPT]


def test_a_slot__is_not_opened_again_by_a_new_key_epoch():
    again = signed(replace(SLOT, key_epoch=1), b"\x02")
    assert outcomes(signed(SLOT), again)[1] == (Judgement.REJECT, Code.EQUIVOCATION)


def test_a_stream__takes_only_numbers_that_rise():
    numbers = (0, 1, 1, 5, 4, 2**64 - 1, 2**64 - 1)
    judged = outcomes(*(signed(replace(STREAM, seq=seq)) for seq in numbers))
    assert judged == [REPLAY, ACCEPT, REPLAY, ACCEPT, REPLAY, ACCEPT, REPLAY]


@pytest.mark.parametrize("change", [{"kind": "x-other"}, {"recipient": OTHER.public}])
def test_a_stream__counts_by_kind_and_recipient(change):
    assert outcomes(signed(STREAM), signed(replace(STREAM, **change))) == [ACCEPT, ACCEPT]


def test_a_stream__is_not_moved_by_a_forged_envelope():
    forged = signed(replace(STREAM, seq=9), domain=bytes(32))
    assert outcomes(forged, signed(STREAM)) == [(Judgement.REJECT, Code.BAD_SIGNATURE), ACCEPT]


def test_a_sender__cannot_open_more_streams_than_are_remembered():
    kinds = [signed(replace(STREAM, kind=f"x-{n}")) for n in range(MAX_STREAMS_REMEMBERED + 1)]
    other = signed(replace(STREAM, sender=OTHER.public), key=OTHER)
    judged = outcomes(*kinds, signed(replace(STREAM, kind="x-0", seq=2)), other)
    assert judged[-3:] == [(Judgement.IGNORE, Code.TOO_MANY), ACCEPT, ACCEPT]
    assert judged[:-3] == [ACCEPT] * MAX_STREAMS_REMEMBERED


def test_unknown_kinds_and_versions__are_ignored():
    assert outcomes(
        signed(replace(SLOT, kind="attest")),
        signed(replace(SLOT, kind="later")),
        signed(replace(SLOT, wire_version=2)),
    ) == [
        (Judgement.IGNORE, Code.UNEXPECTED),
        (Judgement.IGNORE, Code.UNEXPECTED),
        (Judgement.IGNORE, Code.WRONG_VERSION),
    ]


def test_slots_of_rounds_that_are_over__are_dropped():
    repeats = Repeats(D)
    old, new = signed(SLOT), signed(replace(SLOT, round=4))
    repeats.judge(old)
    repeats.judge(new)
    repeats.drop_before(4)
    assert [repeats.judge(data).outcome for data in (old, new)] == [
        Judgement.ACCEPT,
        Judgement.IGNORE,
    ]


def test_garbage__is_a_verdict():
    assert (
        outcomes(b"", bytes(300), b"\x01a" + bytes(200)) == [(Judgement.REJECT, Code.MALFORMED)] * 3
    )


def test_a_proof__is_two_frames_in_one_order_whoever_saw_which_first():
    first, second = signed(SLOT), signed(SLOT, b"\x02")
    kept = encode_equivocation(Equivocation(first, second))
    assert kept == encode_equivocation(Equivocation(second, first))
    lesser, greater = sorted((first, second))
    size = (4 + len(lesser)).to_bytes(4)
    assert kept == size + lesser + (4 + len(greater)).to_bytes(4) + greater
    assert verify_equivocation(decode_equivocation(kept), D) == SLOT


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\0\0\0\5a", b"\0\0\0\5a" * 3, b"\0\0\0\5a" * 2 + b"\0", b"\xff" * 9]
)
def test_a_proof_that_is_not_two_frames__is_refused(data):
    with pytest.raises(RemoteProtocolError) as caught:
        decode_equivocation(data)
    assert caught.value.code in {Code.MALFORMED, Code.TOO_LARGE}


def test_a_proof_of_the_longest_envelopes__has_room():
    assert MAX_ENVELOPE_BYTES + 4 <= MAX_CONTROL_FRAME
    longest = Equivocation(b"a" * MAX_ENVELOPE_BYTES, b"b" * MAX_ENVELOPE_BYTES)
    assert decode_equivocation(encode_equivocation(longest)) == longest
