"""Ed25519 identity keys, signatures under the spec's own acceptance rules, and hidden secrets."""

import hmac

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.registry import Code

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_Y_BITS = 2**255 - 1
# y of the eight points of order 1, 2, 4 and 8; each stands for both signs of x. A test derives
# the list from the curve.
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _ORDER_8, _P - _ORDER_8})


class Secret:
    """Secret bytes that no repr, log line or pickle shows. `reveal()` hands them out."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret(<{len(self._value)} bytes>)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a hash would leak equality into dict order

    def __reduce__(self) -> str:
        raise LocalProtocolError("a Secret is not serialised; seal it with crypto.identity")


class IdentityKey:
    """A peer's signing key."""

    __slots__ = ("_key", "public")

    public: bytes
    """The 32-byte public key: the peer's name."""

    def __init__(self, seed: Secret) -> None:
        if len(seed.reveal()) != 32:
            raise LocalProtocolError(f"an identity seed has 32 bytes, not {len(seed.reveal())}")
        self._key = SigningKey(seed.reveal())
        self.public = bytes(self._key.verify_key)

    @classmethod
    def from_seed(cls, seed: bytes) -> "IdentityKey":
        """The key of a 32-byte seed. Raises LocalProtocolError for another length."""
        return cls(Secret(seed))

    @property
    def seed(self) -> Secret:
        """The seed, for sealing it and for the transport's handshake."""
        return Secret(bytes(self._key))

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of RFC 8032 over `message`."""
        return self._key.sign(message).signature

    def __repr__(self) -> str:
        return f"IdentityKey(public={self.public.hex()})"


def verify_signature(public: bytes, message: bytes, signature: bytes) -> None:
    """Raise RemoteProtocolError(BAD_SIGNATURE) unless the signature is valid (spec/04-envelope).

    Libraries differ on odd keys and encodings, so those are refused here before one is asked:
    |signature| = 64, S < L, A and R canonical and not of small order. The equation is cofactorless.
    """
    if len(signature) != 64:
        raise _bad_signature(f"it has {len(signature)} bytes; 64 are expected")
    if int.from_bytes(signature[32:], "little") >= _L:
        raise _bad_signature("S is not below the group order")
    _require_good_point(public, "the public key")
    _require_good_point(signature[:32], "R")
    try:
        VerifyKey(public).verify(message, signature)
    except CryptoError:
        raise _bad_signature("the equation does not hold") from None


def _require_good_point(encoded: bytes, what: str) -> None:
    """Canonical: y < p. The only other loose encodings, x = 0 with a sign, have small order."""
    if len(encoded) != 32:
        raise _bad_signature(f"{what} has {len(encoded)} bytes; 32 are expected")
    y = int.from_bytes(encoded, "little") & _Y_BITS
    if y >= _P:
        raise _bad_signature(f"{what} is not in canonical form")
    if y in _SMALL_ORDER_Y:
        raise _bad_signature(f"{what} is a point of small order")


def _bad_signature(why: str) -> RemoteProtocolError:
    return RemoteProtocolError(Code.BAD_SIGNATURE, f"the signature is refused: {why}")
