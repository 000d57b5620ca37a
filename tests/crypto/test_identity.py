"""Preimages to the byte, signed envelopes, sealed identity files."""

import struct
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from swarmp2p.crypto.identity import (
    commitment,
    domain,
    enrol_preimage,
    open_identity,
    run_id,
    seal_identity,
    sign_envelope,
    verify_envelope,
    verify_envelope_signature,
)
from swarmp2p.crypto.keys import IdentityKey, Secret, verify_signature
from swarmp2p.crypto.merkle import leaf_hash
from swarmp2p.errors import ConfigError, LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.envelope import Header, decode_envelope
from swarmp2p.wire.registry import Code

KEY = IdentityKey.from_seed(bytes(range(32)))
CONTRACT = bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
DOMAIN = domain(31337, CONTRACT, sha256(b"demo").digest())
HEADER = Header("update-manifest", 1, 3, 17, 0, 0, KEY.public)
BODY = b"\x81\xa1v\x01"
SIGNATURE = (
    "1dfdd4f97e58299667e8309367a1c75a77633d850bb5aa3331ed29a7c256915f"
    "23020b1be6f142d942b9bbe0cee69238b5c562e40392e88a23336b29decdaf01"
)
A, B, C, E, F = (bytes([n]) * 32 for n in range(1, 6))


class FixedTokens:
    """Numbers instead of chance."""

    def __init__(self) -> None:
        self._next = 0

    def token(self, size: int) -> bytes:
        self._next += 1
        return bytes([self._next]) * size


def test_domain__is_the_vector_of_the_spec() -> None:
    by_hand = sha256(
        b"swarmp2p/v1/domain\x00" + struct.pack(">Q", 31337) + CONTRACT + sha256(b"demo").digest()
    ).digest()
    assert by_hand == DOMAIN
    assert DOMAIN.hex() == "6b9766cf18278ff7ac71a06ba4c64464d79f07aa59b276560fc6ff589e24b993"


def test_enrol_preimage__is_written_as_the_spec_says() -> None:
    account = bytes(range(20))
    assert enrol_preimage(1, CONTRACT, account, KEY.public, 7) == (
        b"swarmp2p/v1/enrol\x00"
        + struct.pack(">Q", 1)
        + CONTRACT
        + account
        + KEY.public
        + struct.pack(">Q", 7)
    )


def test_commitment__is_written_as_the_spec_says() -> None:
    by_hand = sha256(
        b"swarmp2p/v1/commit\x00" + DOMAIN + struct.pack(">QI", 9, 2) + A + B + C + E + F
    ).digest()
    assert commitment(DOMAIN, 9, 2, A, B, C, E, F) == by_hand


@pytest.mark.parametrize("position", range(8))
def test_commitment__binds_every_part(position: int) -> None:
    parts: list[Any] = [DOMAIN, 9, 2, A, B, C, E, F]
    other = list(parts)
    other[position] = other[position] + 1 if position in {1, 2} else bytes(32)
    assert commitment(*parts) != commitment(*other)


def test_run_id__is_the_root_of_a_blob_of_one_chunk() -> None:
    assert run_id(b"manifest") == leaf_hash(0, b"manifest")
    assert run_id(bytes(65_536)) == leaf_hash(0, bytes(65_536))


@pytest.mark.parametrize(
    "call",
    [
        lambda: run_id(b""),
        lambda: run_id(bytes(65_537)),
        lambda: domain(-1, CONTRACT, A),
        lambda: domain(2**64, CONTRACT, A),
        lambda: domain(1, CONTRACT[1:], A),
        lambda: domain(1, CONTRACT, A[1:]),
        lambda: enrol_preimage(1, A, CONTRACT, A, 0),
        lambda: enrol_preimage(1, CONTRACT, A, A, 0),
        lambda: enrol_preimage(1, CONTRACT, CONTRACT, CONTRACT, 0),
        lambda: enrol_preimage(1, CONTRACT, CONTRACT, A, 2**64),
        lambda: commitment(DOMAIN, 2**64, 0, A, B, C, E, F),
        lambda: commitment(DOMAIN, 1, 2**32, A, B, C, E, F),
        lambda: commitment(DOMAIN, 1, -1, A, B, C, E, F),
        lambda: commitment(DOMAIN, 1, 0, A, B, C, E, F + b"x"),
    ],
)
def test_preimages__refuse_parts_of_another_size(call: Any) -> None:
    with pytest.raises(LocalProtocolError):
        call()


def test_envelope__is_signed_as_the_vector_of_the_spec() -> None:
    data = sign_envelope(KEY, HEADER, DOMAIN, BODY)
    assert data[-64:].hex() == SIGNATURE
    envelope = verify_envelope(data, DOMAIN)
    assert (envelope.header, envelope.body) == (HEADER, BODY)
    verify_envelope_signature(envelope, DOMAIN)


def test_envelope__with_any_byte_flipped_is_refused() -> None:
    data = sign_envelope(KEY, HEADER, DOMAIN, BODY)
    for at in range(len(data)):
        for bit in (1, 128):
            flipped = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
            with pytest.raises(RemoteProtocolError) as caught:
                verify_envelope(flipped, DOMAIN)
            assert caught.value.code in {Code.MALFORMED, Code.BAD_SIGNATURE}


def test_envelope__of_another_domain_is_refused() -> None:
    data = sign_envelope(KEY, HEADER, DOMAIN, BODY)
    with pytest.raises(RemoteProtocolError) as caught:
        verify_envelope(data, domain(31338, CONTRACT, sha256(b"demo").digest()))
    assert caught.value.code == Code.BAD_SIGNATURE


def test_envelope__in_the_name_of_another_is_neither_signed_nor_accepted() -> None:
    header = replace(HEADER, sender=IdentityKey.from_seed(bytes(32)).public)
    with pytest.raises(LocalProtocolError, match="another sender"):
        sign_envelope(KEY, header, DOMAIN, BODY)
    data = bytearray(sign_envelope(KEY, HEADER, DOMAIN, BODY))
    at = data.index(KEY.public)
    data[at : at + 32] = header.sender
    assert decode_envelope(bytes(data)).header == header
    with pytest.raises(RemoteProtocolError):
        verify_envelope(bytes(data), DOMAIN)


def test_enrolment_proof__is_a_signature_like_any_other() -> None:
    preimage = enrol_preimage(1, CONTRACT, CONTRACT, KEY.public, 0)
    verify_signature(KEY.public, preimage, KEY.sign(preimage))


def test_sealed_identity__opens_with_its_passphrase_only() -> None:
    blob = seal_identity(KEY.seed, Secret(b"correct horse"), FixedTokens())
    assert KEY.seed.reveal() not in blob
    assert open_identity(blob, Secret(b"correct horse")) == KEY.seed
    with pytest.raises(ConfigError, match="passphrase is wrong or the file is damaged"):
        open_identity(blob, Secret(b"correct house"))


@pytest.mark.parametrize("at", [23, 39, 63, 110])
def test_sealed_identity__that_is_damaged_does_not_open(at: int) -> None:
    """A byte of the salt, the nonce, the authenticator, the seed."""
    blob = seal_identity(KEY.seed, Secret(b""), FixedTokens())
    damaged = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
    with pytest.raises(ConfigError):
        open_identity(damaged, Secret(b""))


def test_sealed_identity__that_is_another_file_is_named_so() -> None:
    blob = seal_identity(KEY.seed, Secret(b""), FixedTokens())
    for other in (b"", blob[:-1], blob + b"\x00", b"x" + blob[1:]):
        with pytest.raises(ConfigError, match="no identity file"):
            open_identity(other, Secret(b""))


def test_sealing__a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        seal_identity(Secret(b"short"), Secret(b""), FixedTokens())
