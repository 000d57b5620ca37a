"""Ed25519 under the spec's acceptance rules, whatever a library thinks of odd points."""

import copy

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmp2p.crypto import keys
from swarmp2p.crypto.keys import IdentityKey, Secret, verify_signature
from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.registry import Code

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
KEY = IdentityKey.from_seed(bytes(range(32)))
MESSAGE = b"message"
SIGNATURE = KEY.sign(MESSAGE)


def point_add(one: tuple[int, int], two: tuple[int, int]) -> tuple[int, int]:
    """Addition on the twisted Edwards curve -x^2 + y^2 = 1 + d x^2 y^2."""
    (x1, y1), (x2, y2) = one, two
    product = D * x1 * x2 * y1 * y2
    x3 = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
    y3 = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P)
    return x3 % P, y3 % P


def point_times(factor: int, point: tuple[int, int]) -> tuple[int, int]:
    total = (0, 1)
    while factor:
        if factor & 1:
            total = point_add(total, point)
        point = point_add(point, point)
        factor >>= 1
    return total


def decompress(y: int) -> tuple[int, int] | None:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    if root * root % P != square:
        root = root * pow(2, (P - 1) // 4, P) % P
    return (root, y) if root * root % P == square else None


def torsion_points() -> set[tuple[int, int]]:
    """The eight points whose order divides 8: L times any point lies among them."""
    found: set[tuple[int, int]] = set()
    for y in range(2, 200):
        point = decompress(y)
        if point is not None:
            generator = point_times(L, point)
            found |= {point_times(factor, generator) for factor in range(8)}
        if len(found) == 8:
            break
    return found


def encodings(y: int) -> list[bytes]:
    return [(y | sign << 255).to_bytes(32, "little") for sign in (0, 1)]


SMALL = [encoded for y in sorted(keys._SMALL_ORDER_Y) for encoded in encodings(y)]
LOOSE = [encoded for y in range(P, 2**255) for encoded in encodings(y)]


def refuse(public: bytes, message: bytes, signature: bytes) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        verify_signature(public, message, signature)
    assert caught.value.code == Code.BAD_SIGNATURE
    return str(caught.value)


def test_signature__is_that_of_rfc_8032() -> None:
    """Section 7.1, tests 1 and 2."""
    first = IdentityKey.from_seed(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    assert first.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert first.sign(b"") == signature
    verify_signature(first.public, b"", signature)
    verify_signature(
        bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
        b"\x72",
        bytes.fromhex(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    )


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100))
def test_signature__of_any_key_and_message_verifies(seed: bytes, message: bytes) -> None:
    key = IdentityKey.from_seed(seed)
    verify_signature(key.public, message, key.sign(message))


def test_signature__with_any_bit_flipped_is_refused() -> None:
    for bit in range(512):
        flipped = bytearray(SIGNATURE)
        flipped[bit // 8] ^= 1 << bit % 8
        refuse(KEY.public, MESSAGE, bytes(flipped))


def test_public_key_or_message__with_a_bit_flipped_is_refused() -> None:
    for bit in range(256):
        flipped = bytearray(KEY.public)
        flipped[bit // 8] ^= 1 << bit % 8
        refuse(bytes(flipped), MESSAGE, SIGNATURE)
    refuse(KEY.public, MESSAGE + b"\x00", SIGNATURE)


def test_signature__with_s_not_below_the_group_order_is_refused() -> None:
    s = int.from_bytes(SIGNATURE[32:], "little")
    for high in (s + L, s + 8 * L, L, 2**256 - 1):
        text = refuse(KEY.public, MESSAGE, SIGNATURE[:32] + high.to_bytes(32, "little"))
        assert "group order" in text
    text = refuse(KEY.public, MESSAGE, SIGNATURE[:32] + (L - 1).to_bytes(32, "little"))
    assert "equation" in text


@pytest.mark.parametrize("size", [0, 63, 65])
def test_signature__of_another_length_is_refused(size: int) -> None:
    assert "64" in refuse(KEY.public, MESSAGE, (SIGNATURE * 2)[:size])


@pytest.mark.parametrize("size", [0, 31, 33])
def test_public_key__of_another_length_is_refused(size: int) -> None:
    assert "32" in refuse((KEY.public * 2)[:size], MESSAGE, SIGNATURE)


def test_small_order_list__is_the_torsion_subgroup() -> None:
    points = torsion_points()
    assert len(points) == 8
    assert {y for _, y in points} == keys._SMALL_ORDER_Y


@pytest.mark.parametrize("point", SMALL)
def test_small_order__is_refused_as_key_and_as_r(point: bytes) -> None:
    """With A = R = a small-order point and S = 0 the equation can hold for chosen messages."""
    assert "small order" in refuse(point, MESSAGE, SIGNATURE)
    assert "small order" in refuse(KEY.public, MESSAGE, point + SIGNATURE[32:])
    refuse(point, MESSAGE, point + bytes(32))


@pytest.mark.parametrize("point", LOOSE)
def test_encodings_not_below_p__are_refused_as_key_and_as_r(point: bytes) -> None:
    assert "canonical" in refuse(point, MESSAGE, SIGNATURE)
    assert "canonical" in refuse(KEY.public, MESSAGE, point + SIGNATURE[32:])


def test_small_order_key__that_another_library_accepts_is_refused_here() -> None:
    """The reason for checks of our own: OpenSSL takes the neutral element as a key."""
    neutral = (1).to_bytes(32, "little")
    loose = Ed25519PublicKey.from_public_bytes(neutral)
    accepted = True
    try:
        loose.verify(neutral + bytes(32), MESSAGE)  # R = A = neutral, S = 0: 0 = 0 + h * 0
    except InvalidSignature:
        accepted = False
    assert accepted
    refuse(neutral, MESSAGE, neutral + bytes(32))


def test_a_key_that_is_no_point__is_refused() -> None:
    off_curve = next(y for y in range(2, 50) if decompress(y) is None)
    refuse(off_curve.to_bytes(32, "little"), MESSAGE, SIGNATURE)


def test_secret__is_not_shown_hashed_or_serialised() -> None:
    secret = Secret(b"hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == b"hunter2"
    assert secret == Secret(b"hunter2")
    assert secret != Secret(b"hunter3")
    assert secret != b"hunter2"
    with pytest.raises(TypeError):
        hash(secret)
    with pytest.raises(LocalProtocolError):
        copy.copy(secret)


def test_identity_key__shows_its_public_half_only() -> None:
    assert KEY.seed.reveal() == bytes(range(32))
    assert KEY.public.hex() in repr(KEY)
    assert bytes(range(32)).hex() not in repr(KEY)
    assert IdentityKey(KEY.seed).public == KEY.public


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_identity_key__of_a_seed_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(LocalProtocolError, match="32 bytes"):
        IdentityKey.from_seed(bytes(size))
