"""Ed25519 acceptance: 04-envelope.md, ENV-007 to ENV-009. The curve is that of RFC 8032."""

import hashlib

import inputs
import nacl.signing
from refusal import Refusal

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ORDER_8 = [
    int.from_bytes(bytes.fromhex(y), "little")
    for y in (
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
]
SMALL_ORDER = [0, 1, P - 1] + ORDER_8


def add(first, second):
    """Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z (RFC 8032, 5.1.4)."""
    a = (first[1] - first[0]) * (second[1] - second[0]) % P
    b = (first[1] + first[0]) * (second[1] + second[0]) % P
    c = 2 * first[3] * second[3] * D % P
    d = 2 * first[2] * second[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def recover_x(y, sign):
    """x of the point with this y and this lowest bit of x, or None if there is none (5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        return None
    if x == 0 and sign:
        return None
    return P - x if x & 1 != sign else x


def unpack(data):
    number = int.from_bytes(data, "little")
    return number & (2**255 - 1), number >> 255


def pack(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def verify(key, message, signature):
    if len(signature) != 64 or len(key) != 32:  # ENV-007
        raise Refusal("BAD_SIGNATURE")
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if s >= L:  # ENV-007
        raise Refusal("BAD_SIGNATURE")
    for encoded in (key, r):
        y, _ = unpack(encoded)
        if y >= P or y in SMALL_ORDER:  # ENV-008
            raise Refusal("BAD_SIGNATURE")
    y, sign = unpack(key)
    x = recover_x(y, sign)
    if x is None:  # ENV-009: A is a point
        raise Refusal("BAD_SIGNATURE")
    h = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    minus_a = (P - x, y, 1, (P - x) * y % P)
    if pack(add(multiply(s, BASE), multiply(h, minus_a))) != r:  # ENV-009
        raise Refusal("BAD_SIGNATURE")


def sign(seed, message):
    return nacl.signing.SigningKey(seed).sign(message).signature


def public(seed):
    return nacl.signing.SigningKey(seed).verify_key.encode()


def op_verify(given):
    key, message = inputs.get_bytes(given, "key"), inputs.get_bytes(given, "message")
    verify(key, message, inputs.get_bytes(given, "signature"))
    return {}


OPERATIONS = {"signature.verify": op_verify}
