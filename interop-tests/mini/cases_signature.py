"""Cases of 04-envelope.md: acceptance of signatures (ENV-007 to ENV-009)."""

import hashlib

import signatures
from samples import short
from signatures import L, P

RFC = [
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", ""),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "af82"),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        hashlib.sha512(b"abc").hexdigest(),
    ),
]
RFC_SIGNATURES = [
    (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    ),
    (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    ),
    (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    ),
    (
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"
    ),
]
# of keys that no seed gives
SECRET = 0x1234567890ABCDEF1234567890ABCDEF1234567890ABCDEF1234567890AB
R_SCALAR = 987654321987654321987654321


def verify(slug, rule, key, message, signature, expect="BAD_SIGNATURE"):
    return (
        "signature.verify",
        slug,
        [rule],
        {"key": key.hex(), "message": short(message), "signature": signature.hex()},
        expect,
    )


def number(value, sign=0):
    return (value | sign << 255).to_bytes(32, "little")


def point(data):
    y, sign = signatures.unpack(data)
    x = signatures.recover_x(y, sign)
    return (x, y, 1, x * y % P)


def challenge(r, key, message):
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L


def small_order():
    """Encodings that a careless decoder takes for a point of order 1, 2, 4 or 8: (name, bytes)."""
    names = [
        ("one", 1),
        ("minus-one", P - 1),
        ("zero", 0),
        ("order-8-a", signatures.ORDER_8[0]),
        ("order-8-b", signatures.ORDER_8[1]),
        ("p", P),
        ("p-plus-1", P + 1),
    ]
    for name, y in names:
        for sign in (0, 1):
            yield f"{name}-sign-{sign}", number(y, sign)


def small_key(key):
    """A message and a signature that hold for a key of small order, if nobody forbids it."""
    s = SECRET % L
    r = signatures.pack(signatures.multiply(s, signatures.BASE))
    for counter in range(1000):
        message = b"small order %d" % counter
        if challenge(r, key, message) % 8 == 0:
            return message, r + number(s)
    raise AssertionError("no message found")


def torsion_of(order):
    """A point of this order: 2, 4 or 8."""
    return signatures.multiply(8 // order, point(number(signatures.ORDER_8[0])))


def mixed(scalar, torsion):
    """The encoding of a point of the main subgroup plus one of small order."""
    return signatures.pack(signatures.add(signatures.multiply(scalar, signatures.BASE), torsion))


def mixed_case(slug, order, key, r, remainder, expect):
    """A signature whose challenge has this remainder by the order; S is that of the main subgroup.

    So the equation with a cofactor always holds. The one without it holds if the parts of small
    order cancel out.
    """
    message = next(
        text
        for text in (b"mixed %d" % counter for counter in range(1000))
        if challenge(r, key, text) % order == remainder
    )
    s = (R_SCALAR + challenge(r, key, message) * SECRET) % L
    return verify(slug, "ENV-009", key, message, r + number(s), expect)


def mixed_cases():
    plain_key = signatures.pack(signatures.multiply(SECRET, signatures.BASE))
    plain_r = signatures.pack(signatures.multiply(R_SCALAR, signatures.BASE))
    for order in (2, 4, 8):
        torsion = torsion_of(order)
        key, r = mixed(SECRET, torsion), mixed(R_SCALAR, torsion)
        for remainder in (0, 1, order // 2) if order > 2 else (0, 1):
            slug = f"key-mixed-order-{order}-h-{remainder}"
            wanted = None if remainder == 0 else "BAD_SIGNATURE"
            yield mixed_case(slug, order, key, plain_r, remainder, wanted)
        yield mixed_case(f"r-mixed-order-{order}", order, plain_key, r, 1, "BAD_SIGNATURE")
        both = f"both-mixed-order-{order}-h"
        yield mixed_case(f"{both}-{order - 1}", order, key, r, order - 1, None)
        yield mixed_case(f"{both}-0", order, key, r, 0, "BAD_SIGNATURE")


def small_r_cases():
    """R of small order: [S]B = R + [h]A holds with S = h a where a part of A makes up for R."""
    plain = signatures.pack(signatures.multiply(SECRET, signatures.BASE))
    torsion = point(number(signatures.ORDER_8[0]))
    odd = mixed(SECRET, torsion)
    for name, r in small_order():
        y, sign = signatures.unpack(r)
        x = signatures.recover_x(y % P, sign if y % P not in (1, P - 1) else 0)
        wanted = signatures.pack((x, y % P, 1, x * y % P))
        for counter in range(200):
            message = b"small R %d" % counter
            h = challenge(r, odd, message)
            left = signatures.multiply(8 - h % 8, torsion)
            if signatures.pack(left) == wanted:
                yield verify(
                    f"r-small-order-{name}", "ENV-008", odd, message, r + number(h * SECRET % L)
                )
                break
        else:
            raise AssertionError(name)
    h = challenge(number(1), plain, b"R is nothing")
    yield verify(
        "r-small-order-identity-plain-key",
        "ENV-008",
        plain,
        b"R is nothing",
        number(1) + number(h * SECRET % L),
    )


def scalar_cases():
    seed, message = bytes.fromhex(RFC[2][0]), bytes.fromhex(RFC[2][1])
    key, signature = signatures.public(seed), bytes.fromhex(RFC_SIGNATURES[2])
    s = int.from_bytes(signature[32:], "little")
    for times in range(1, 16):
        if s + times * L < 2**256:
            yield verify(
                f"s-plus-{times}-l",
                "ENV-007",
                key,
                message,
                signature[:32] + number(s + times * L),
            )
    for name, value in [
        ("l", L),
        ("l-plus-1", L + 1),
        ("all-ones", 2**256 - 1),
        ("two-255", 2**255),
    ]:
        yield verify(
            f"s-is-{name}", "ENV-007", key, message, signature[:32] + value.to_bytes(32, "little")
        )
    for name, value in [("zero", 0), ("l-minus-1", L - 1), ("minus-s", L - s)]:
        yield verify(f"s-is-{name}", "ENV-009", key, message, signature[:32] + number(value))
    for length in (0, 1, 32, 63):
        yield verify(f"signature-of-{length}", "ENV-007", key, message, signature[:length])
    yield verify("signature-of-65", "ENV-007", key, message, signature + b"\0")
    yield verify("signature-of-128", "ENV-007", key, message, signature * 2)
    for bit in range(0, 512, 17):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        yield verify(f"bit-{bit}-of-signature", "ENV-009", key, message, bytes(changed))
    for bit in range(0, 256, 37):
        changed = bytearray(key)
        changed[bit // 8] ^= 1 << bit % 8
        yield verify(f"bit-{bit}-of-key", "ENV-009", bytes(changed), message, signature)
    yield verify("sign-of-key", "ENV-009", key[:31] + bytes([key[31] ^ 128]), message, signature)
    yield verify(
        "sign-of-r",
        "ENV-009",
        key,
        message,
        signature[:31] + bytes([signature[31] ^ 128]) + signature[32:],
    )
    yield verify("message-changed", "ENV-009", key, message + b"\0", signature)
    yield verify("message-empty", "ENV-009", key, b"", signature)
    yield verify("s-r-swapped", "ENV-009", key, message, signature[32:] + signature[:32])


def good_cases():
    for index, ((seed, message), wanted) in enumerate(zip(RFC, RFC_SIGNATURES)):
        seed, message, signature = (
            bytes.fromhex(seed),
            bytes.fromhex(message),
            bytes.fromhex(wanted),
        )
        assert signatures.sign(seed, message) == signature
        name = f"rfc8032-{index + 1}" if index < 3 else "rfc8032-sha-abc"
        yield verify(name, "ENV-009", signatures.public(seed), message, signature, None)
    for counter in range(6):
        seed = hashlib.sha256(b"signature %d" % counter).digest()
        message = hashlib.sha256(seed).digest() * (counter * 5)
        signature = signatures.sign(seed, message)
        yield verify(
            f"good-{counter}", "ENV-009", signatures.public(seed), message, signature, None
        )


def encoding_cases():
    """Encodings that are not canonical or of no point, as A and as R."""
    key, good = signatures.public(bytes.fromhex(RFC[0][0])), bytes.fromhex(RFC_SIGNATURES[0])
    for extra in range(2, 19):
        for sign in (0, 1):
            encoded, name = number(P + extra, sign), f"p-plus-{extra}-sign-{sign}"
            yield verify(f"key-{name}", "ENV-008", encoded, b"", good)
            yield verify(f"r-{name}", "ENV-008", key, b"", encoded + good[32:])
    off = [y for y in range(2, 40) if signatures.recover_x(y, 0) is None]
    for y in off[:6]:
        yield verify(f"key-off-curve-{y}", "ENV-009", number(y), b"", good)
        yield verify(f"r-off-curve-{y}", "ENV-009", key, b"", number(y) + good[32:])


def cases():
    yield from good_cases()
    yield from scalar_cases()
    for name, key in small_order():
        yield verify(f"key-small-order-{name}", "ENV-008", key, *small_key(key))
    yield from small_r_cases()
    yield from mixed_cases()
    yield from encoding_cases()
