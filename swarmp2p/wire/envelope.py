"""The signed envelope: a fixed header, a body kept exactly as sent, a signature. Bytes only.

Layout and preimage: spec/04-envelope. The domain is signed but not sent; each side uses its own.
"""

import struct
from dataclasses import dataclass
from hashlib import sha256

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.registry import (
    MAX_ENVELOPE_BYTES,
    MAX_KIND_BYTES,
    SLOT_KINDS,
    STREAM_KINDS,
    TAG_SIGNATURE,
    Code,
)

EVERYONE = bytes(32)
_SIGNATURE_BYTES = 64
# wire_version | key_epoch, round, attempt, index, sender, recipient, seq
_VERSION = struct.Struct(">H")
_REST = struct.Struct(">QQII32s32sQ")
_BODY_LENGTH = struct.Struct(">H")
_FIXED = _VERSION.size + _REST.size + _BODY_LENGTH.size
_KIND_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-")


@dataclass(frozen=True, slots=True)
class Header:
    """What a signature is about, apart from the body and the domain."""

    kind: str
    wire_version: int
    key_epoch: int
    round: int
    attempt: int
    index: int
    sender: bytes
    recipient: bytes = EVERYONE
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Envelope:
    """A decoded envelope; nothing is verified yet."""

    header: Header
    body: bytes
    signature: bytes


def signing_preimage(header: Header, domain: bytes, body: bytes) -> bytes:
    """The bytes that are signed (spec/04-envelope). Raises LocalProtocolError on a bad header."""
    if len(domain) != 32:
        raise LocalProtocolError(f"a domain has 32 bytes, not {len(domain)}")
    kind, version, rest = _header_parts(header)
    return b"".join((TAG_SIGNATURE, kind, version, domain, rest, sha256(body).digest()))


def encode_envelope(header: Header, body: bytes, signature: bytes) -> bytes:
    """The envelope's bytes. Raises LocalProtocolError when a part is outside its bounds."""
    kind, version, rest = _header_parts(header)
    total = len(kind) + _FIXED + len(body) + _SIGNATURE_BYTES
    if not body or total > MAX_ENVELOPE_BYTES:
        raise LocalProtocolError(
            f"an envelope of {total} bytes with a body of {len(body)}; the body may not be empty "
            f"and the whole is at most {MAX_ENVELOPE_BYTES}"
        )
    if len(signature) != _SIGNATURE_BYTES:
        raise LocalProtocolError(f"a signature has 64 bytes, not {len(signature)}")
    return b"".join((kind, version, rest, _BODY_LENGTH.pack(len(body)), body, signature))


def decode_envelope(data: bytes) -> Envelope:
    """Split an envelope. Raises RemoteProtocolError: TOO_LARGE or MALFORMED."""
    if len(data) > MAX_ENVELOPE_BYTES:
        raise RemoteProtocolError(
            Code.TOO_LARGE, f"an envelope of {len(data)} bytes; at most {MAX_ENVELOPE_BYTES}"
        )
    size = data[0] if data else 0
    kind = data[1 : 1 + size]
    # ENV-003: the kind is 1 to 31 lower-case letters, digits or hyphens.
    if not 1 <= size <= MAX_KIND_BYTES or not _KIND_LETTERS.issuperset(kind):
        raise RemoteProtocolError(Code.MALFORMED, "envelope: the kind is no short word")
    start = 1 + size
    if len(data) < start + _FIXED + 1 + _SIGNATURE_BYTES:
        raise RemoteProtocolError(Code.MALFORMED, "envelope: shorter than its fixed parts")
    (version,) = _VERSION.unpack_from(data, start)
    start += _VERSION.size
    epoch, round_number, attempt, index, sender, recipient, seq = _REST.unpack_from(data, start)
    start += _REST.size
    (length,) = _BODY_LENGTH.unpack_from(data, start)
    start += _BODY_LENGTH.size
    # ENV-004: the body fills what lies between its length and the signature: at least one byte.
    if start + length + _SIGNATURE_BYTES != len(data):
        raise RemoteProtocolError(Code.MALFORMED, f"envelope: a body length of {length} is wrong")
    header = Header(
        kind=kind.decode(),
        wire_version=version,
        key_epoch=epoch,
        round=round_number,
        attempt=attempt,
        index=index,
        sender=sender,
        recipient=recipient,
        seq=seq,
    )
    if header.kind in SLOT_KINDS and seq != 0:  # ENV-005
        raise RemoteProtocolError(Code.MALFORMED, f"envelope: seq {seq} in a slot kind; 0 expected")
    return Envelope(header, data[start : start + length], data[-_SIGNATURE_BYTES:])


def is_stream_kind(kind: str) -> bool:
    """Whether `kind` is of class stream: registered as one, or an experiment (spec/04, "Kinds")."""
    return kind in STREAM_KINDS or kind.startswith("x-")


def _header_parts(header: Header) -> tuple[bytes, bytes, bytes]:
    """(length and kind, wire version, the rest): the domain is signed between the last two."""
    kind = header.kind.encode("ascii", "replace")
    if not 1 <= len(kind) <= MAX_KIND_BYTES or not _KIND_LETTERS.issuperset(kind):
        raise LocalProtocolError(f"kind {header.kind!r}: 1 to {MAX_KIND_BYTES} of a-z, 0-9, -")
    if len(header.sender) != 32 or len(header.recipient) != 32:
        raise LocalProtocolError("sender and recipient are public keys of 32 bytes")
    if header.kind in SLOT_KINDS and header.seq != 0:
        raise LocalProtocolError(f"{header.kind} is a slot kind: seq must be 0, not {header.seq}")
    try:
        version = _VERSION.pack(header.wire_version)
        rest = _REST.pack(
            header.key_epoch,
            header.round,
            header.attempt,
            header.index,
            header.sender,
            header.recipient,
            header.seq,
        )
    except struct.error as error:
        raise LocalProtocolError(f"a number in {header!r} is out of range: {error}") from error
    return bytes([len(kind)]) + kind, version, rest
