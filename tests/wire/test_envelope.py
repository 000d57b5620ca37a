"""Envelopes: the layout and the signing preimage to the byte."""

import struct
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.envelope import (
    EVERYONE,
    Envelope,
    Header,
    decode_envelope,
    encode_envelope,
    signing_preimage,
)
from swarmp2p.wire.registry import MAX_ENVELOPE_BYTES, Code

KEY = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
DOMAIN = bytes.fromhex("6b9766cf18278ff7ac71a06ba4c64464d79f07aa59b276560fc6ff589e24b993")
HEADER = Header("update-manifest", 1, 3, 17, 0, 0, KEY)
BODY = b"\x81\xa1v\x01"
SIGNATURE = bytes(range(64))
U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
KEYS = st.binary(min_size=32, max_size=32)
HEADERS = st.builds(
    Header,
    kind=st.from_regex(r"x[a-z0-9-]{0,30}", fullmatch=True),
    wire_version=st.integers(0, 65_535),
    key_epoch=U64,
    round=U64,
    attempt=U32,
    index=U32,
    sender=KEYS,
    recipient=KEYS,
    seq=U64,
)
BODIES = st.binary(min_size=1, max_size=200)


def refusal(data: bytes) -> Code:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_envelope(data)
    return Code(caught.value.code)


def test_preimage__is_the_vector_of_the_spec() -> None:
    """Built again field by field, as spec/04-envelope writes it."""
    by_hand = (
        b"swarmp2p-sig-v1\x00\x0fupdate-manifest"
        + struct.pack(">H", 1)
        + DOMAIN
        + struct.pack(">QQII", 3, 17, 0, 0)
        + KEY
        + bytes(32)
        + struct.pack(">Q", 0)
        + sha256(BODY).digest()
    )
    preimage = signing_preimage(HEADER, DOMAIN, BODY)
    assert preimage == by_hand
    assert preimage.hex() == (
        "737761726d7032702d7369672d763100"
        "0f7570646174652d6d616e69666573740001"
        "6b9766cf18278ff7ac71a06ba4c64464d79f07aa59b276560fc6ff589e24b993"
        "00000000000000030000000000000011"
        "0000000000000000"
        "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
        "0000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000"
        "48da60cb929ddb1569879aeb7a5ed73fbb3741dbea03d91a8239dd2f3b470923"
    )


@given(HEADERS, HEADERS, BODIES, BODIES, KEYS, KEYS)
def test_preimage__differs_when_anything_differs(  # noqa: PLR0917 - three pairs
    one: Header, two: Header, body: bytes, other_body: bytes, domain: bytes, other_domain: bytes
) -> None:
    same = (one, domain, body) == (two, other_domain, other_body)
    first = signing_preimage(one, domain, body)
    assert (first == signing_preimage(two, other_domain, other_body)) is same


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "update-manifesu"},
        {"wire_version": 2},
        {"key_epoch": 4},
        {"round": 18},
        {"attempt": 1},
        {"index": 1},
        {"sender": bytes(32)},
        {"recipient": KEY},
        {"kind": "update-manifesu", "seq": 1},
    ],
)
def test_preimage__covers_every_field_of_the_header(change: dict[str, object]) -> None:
    changed = replace(HEADER, **change)  # type: ignore[arg-type]  # fields of several types
    assert signing_preimage(changed, DOMAIN, BODY) != signing_preimage(HEADER, DOMAIN, BODY)


@given(HEADERS, BODIES, st.binary(min_size=64, max_size=64))
def test_decode__gives_back_what_was_encoded(header: Header, body: bytes, signature: bytes) -> None:
    data = encode_envelope(header, body, signature)
    assert decode_envelope(data) == Envelope(header, body, signature)


@given(st.binary(max_size=300))
def test_decode__random_bytes_give_that_envelope_or_a_refusal(data: bytes) -> None:
    try:
        envelope = decode_envelope(data)
    except RemoteProtocolError:
        return
    assert encode_envelope(envelope.header, envelope.body, envelope.signature) == data


@given(HEADERS, BODIES, st.data())
def test_decode__mutated_bytes_give_that_envelope_or_a_refusal(
    header: Header, body: bytes, data: st.DataObject
) -> None:
    mutated = bytearray(encode_envelope(header, body, SIGNATURE))
    mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    try:
        envelope = decode_envelope(bytes(mutated))
    except RemoteProtocolError:
        return
    assert encode_envelope(envelope.header, envelope.body, envelope.signature) == bytes(mutated)


def test_decode__refuses_every_prefix_and_a_suffix() -> None:
    data = encode_envelope(HEADER, BODY, SIGNATURE)
    assert decode_envelope(data).header == HEADER
    for end in range(len(data)):
        assert refusal(data[:end]) == Code.MALFORMED
    assert refusal(data + b"\x00") == Code.MALFORMED


@pytest.mark.parametrize("kind", [b"", b"a" * 32, b"Upper", b"sp ace", b"nul\x00", b"\xc3\xa9"])
def test_decode__refuses_a_kind_that_is_no_short_word(kind: bytes) -> None:
    data = encode_envelope(HEADER, BODY, SIGNATURE)
    assert refusal(bytes([len(kind)]) + kind + data[16:]) == Code.MALFORMED


def test_decode__refuses_a_sequence_number_in_a_slot_kind() -> None:
    data = bytearray(encode_envelope(HEADER, BODY, SIGNATURE))
    at = len(data) - 64 - len(BODY) - 2 - 1
    assert data[at] == 0
    data[at] = 1
    assert refusal(bytes(data)) == Code.MALFORMED
    with pytest.raises(LocalProtocolError, match="slot"):
        encode_envelope(replace(HEADER, seq=1), BODY, SIGNATURE)


def test_size__holds_at_its_edge_and_refuses_beyond() -> None:
    overhead = len(encode_envelope(HEADER, b"x", SIGNATURE)) - 1
    largest = bytes(MAX_ENVELOPE_BYTES - overhead)
    data = encode_envelope(HEADER, largest, SIGNATURE)
    assert decode_envelope(data).body == largest
    assert refusal(data + b"x") == Code.TOO_LARGE
    with pytest.raises(LocalProtocolError):
        encode_envelope(HEADER, largest + b"x", SIGNATURE)


def test_an_empty_body__is_refused_both_ways() -> None:
    with pytest.raises(LocalProtocolError):
        encode_envelope(HEADER, b"", SIGNATURE)
    data = encode_envelope(HEADER, b"x", SIGNATURE)
    assert refusal(data[:-67] + b"\x00\x00" + data[-64:]) == Code.MALFORMED
    assert refusal(data[:-67] + b"\x00\x00x" + data[-64:]) == Code.MALFORMED


@pytest.mark.parametrize(
    "change",
    [
        {"kind": ""},
        {"kind": "a" * 32},
        {"kind": "é"},
        {"sender": bytes(31)},
        {"recipient": bytes(33)},
        {"wire_version": 65_536},
        {"key_epoch": 2**64},
        {"round": -1},
        {"attempt": 2**32},
        {"index": 2**32},
        {"kind": "x", "seq": 2**64},
    ],
)
def test_encode__refuses_a_header_out_of_bounds(change: dict[str, object]) -> None:
    bad = replace(HEADER, **change)  # type: ignore[arg-type]  # fields of several types
    with pytest.raises(LocalProtocolError):
        encode_envelope(bad, BODY, SIGNATURE)
    with pytest.raises(LocalProtocolError):
        signing_preimage(bad, DOMAIN, BODY)


def test_encode__refuses_a_signature_or_domain_of_another_length() -> None:
    with pytest.raises(LocalProtocolError):
        encode_envelope(HEADER, BODY, SIGNATURE[:-1])
    with pytest.raises(LocalProtocolError):
        signing_preimage(HEADER, DOMAIN[:-1], BODY)


def test_recipient__is_everyone_unless_named() -> None:
    assert HEADER.recipient == EVERYONE == bytes(32)
