"""PeerIds of libp2p <-> the 32-byte Ed25519 public keys that name peers everywhere else.

A PeerId of an Ed25519 key is the identity multihash of libp2p's protobuf public key: a fixed
prefix of six bytes and the key itself. Other key types have no place in a run.
"""

from swarmp2p.errors import RemoteProtocolError
from swarmp2p.wire.registry import Code

# multihash: identity (0x00), 36 bytes; protobuf: field 1 Type = Ed25519 (1), field 2 Data, 32 bytes
_PREFIX = bytes.fromhex("002408011220")
_KEY_BYTES = 32
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_MAX_TEXT = 64  # an Ed25519 PeerId has 52 characters; longer text is refused before any arithmetic


def encode_peer_id(public: bytes) -> bytes:
    """The 38 bytes of the PeerId of a 32-byte Ed25519 public key."""
    if len(public) != _KEY_BYTES:
        raise ValueError(f"an Ed25519 public key has 32 bytes, not {len(public)}")
    return _PREFIX + public


def decode_peer_id(peer_id: bytes) -> bytes:
    """The public key inside a PeerId. Raises RemoteProtocolError unless it is an Ed25519 one."""
    if len(peer_id) != len(_PREFIX) + _KEY_BYTES or not peer_id.startswith(_PREFIX):
        raise RemoteProtocolError(
            Code.MALFORMED, f"not the PeerId of an Ed25519 key: {peer_id[:64].hex()}"
        )
    return peer_id[len(_PREFIX) :]


def peer_id_text(public: bytes) -> str:
    """The PeerId of a public key as people write it (`12D3KooW...`)."""
    raw = encode_peer_id(public)
    number = int.from_bytes(raw, "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_BASE58[digit])
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    return _BASE58[0] * zeros + "".join(reversed(digits))


def parse_peer_id(text: str) -> bytes:
    """The public key of a PeerId in base58. Raises RemoteProtocolError."""
    number = 0
    for character in text[: _MAX_TEXT + 1]:
        digit = _BASE58.find(character)
        if digit < 0 or len(text) > _MAX_TEXT:
            raise RemoteProtocolError(Code.MALFORMED, f"not a base58 PeerId: {text[:_MAX_TEXT]!r}")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip(_BASE58[0]))
    return decode_peer_id(bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big"))
