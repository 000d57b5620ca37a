"""Floating point of 09-merge.md and the float vectors of vectors/README.md.

A vector is a list of Python floats. Python computes in binary64; a value of binary32 is rounded by
`struct` after every single operation.

Why rounding twice (to binary64, then to binary32) is harmless. A sum or difference of two binary32
is rounded to 53 bits first, and 53 >= 2 * 24 + 2: by Figueroa's theorem the second rounding gives
what one rounding would have given; the same holds for / and square root. A product of two binary32
has at most 48 bits and an exponent that binary64 has, so it is exact before it is rounded once.
Sums with a subnormal result are exact; a quotient with a subnormal result is never so near to the
middle of two neighbours that 53 bits could not tell (it differs from it by a relative 2^-49 at
least, or not at all). Where a result lies beyond the largest finite binary32, `struct` raises
OverflowError; IEEE 754 (MERGE-001) wants an infinity of the same sign.
"""

import hashlib
import math
import struct

INFINITY = math.inf


class Type:
    """A compute type F: binary32 or binary64."""

    def __init__(self, name, letter, size, largest_bits):
        self.name = name
        self.letter = letter
        self.size = size
        self.largest = self.value(largest_bits)

    # One value.

    def round(self, value):
        """F(value): MERGE-001, to nearest, ties to even; overflow is an infinity."""
        if self.letter == "d":
            return value
        try:
            return struct.unpack("<f", struct.pack("<f", value))[0]
        except OverflowError:
            return math.copysign(INFINITY, value)

    def bits(self, value):
        """The bit pattern in hex, most significant byte first."""
        return struct.pack(">" + self.letter, value).hex()

    def value(self, bits):
        """The value of a bit pattern in hex."""
        data = bytes.fromhex(bits)
        if len(data) != self.size:
            raise ValueError("a pattern of another length")
        return struct.unpack(">" + self.letter, data)[0]

    # Vectors, element by element, each operation rounded once.

    def round_all(self, values):
        if self.letter == "d":
            return values
        form = f"<{len(values)}f"
        try:
            return list(struct.unpack(form, struct.pack(form, *values)))
        except OverflowError:
            return [self.round(value) for value in values]

    def add(self, u, v):
        return self.round_all([x + y for x, y in zip(u, v, strict=True)])

    def subtract(self, u, v):
        return self.round_all([x - y for x, y in zip(u, v, strict=True)])

    def multiply(self, factor, v):
        """One value of F times each element."""
        return self.round_all([factor * x for x in v])

    def zeros(self, count):
        return [0.0] * count

    def little_endian(self, values):
        return struct.pack(f"<{len(values)}{self.letter}", *values)

    def big_endian(self, values):
        return struct.pack(f">{len(values)}{self.letter}", *values)

    def from_little_endian(self, data):
        return list(struct.unpack(f"<{len(data) // self.size}{self.letter}", data))

    def from_big_endian(self, data):
        return list(struct.unpack(f">{len(data) // self.size}{self.letter}", data))


F32 = Type("f32", "f", 4, "7f7fffff")
F64 = Type("f64", "d", 8, "7fefffffffffffff")
TYPES = {"f32": F32, "f64": F64}


def divide(x, y):
    """x / y in binary64 by IEEE 754, where Python would raise."""
    if y != 0.0:
        return x / y
    if x == 0.0 or math.isnan(x):
        return math.nan
    return math.copysign(INFINITY, x) * math.copysign(1.0, y)


def square_root(x):
    return math.nan if x < 0.0 else math.sqrt(x)


# The exponent fields of the generator, 120 + e and 1016 + e with e below 8, are a fixed beginning
# and the last three bits of the word's own field. So only the bytes with that beginning change.
F32_BYTE_0 = bytes((b & 0x83) | 0x3C for b in range(256))
F64_BYTE_0 = bytes((b & 0x80) | 0x3F for b in range(256))
F64_BYTE_1 = bytes(b | 0x80 for b in range(256))
# Bytes of long vectors, each as long as it was ever asked for: many cases use the same ones.
KEPT, MOST_KEPT = {}, 8


def generated(kind, seed, count):
    """The generator of vectors/README.md: normal numbers from 2^-7 to below 2 in magnitude."""
    data = bytearray(bytes_of_seed(seed, count * kind.size))
    if kind is F32:
        data[0::4] = data[0::4].translate(F32_BYTE_0)
    else:
        data[0::8] = data[0::8].translate(F64_BYTE_0)
        data[1::8] = data[1::8].translate(F64_BYTE_1)
    return kind.from_big_endian(data)


def bytes_of_seed(seed, count):
    """`seeded` of inputs.py; the longest of each seed is kept, whole blocks, and made longer."""
    data = KEPT.pop(seed, b"")
    if len(data) < count:
        data += blocks(seed, len(data) // 32, (count + 31) // 32)
    if len(data) > 4096:
        KEPT[seed] = data
    if len(KEPT) > MOST_KEPT:
        del KEPT[next(iter(KEPT))]  # the one that was used least lately
    return data[:count]


def blocks(seed, first, end):
    """Blocks of the generator: SHA256(seed || u32be j)."""
    text, sha256 = seed.encode(), hashlib.sha256
    return b"".join([sha256(text + j.to_bytes(4, "big")).digest() for j in range(first, end)])


def read_vector(kind, form):
    """A float vector in one of the forms of vectors/README.md."""
    if "bits" in form:
        return kind.from_big_endian(bytes.fromhex(form["bits"]))
    if "zeros" in form:
        return kind.zeros(form["zeros"])
    if "seed" in form:
        return generated(kind, form["seed"], form["count"])
    if "plus" in form:
        vector, bits = form["plus"]
        added = kind.value(bits)
        return kind.round_all([x + added for x in read_vector(kind, vector)])
    if "times" in form:
        vector, bits = form["times"]
        return kind.multiply(kind.value(bits), read_vector(kind, vector))
    if "set" in form:
        vector, elements = form["set"]
        values = list(read_vector(kind, vector))
        for index, bits in elements.items():
            values[int(index)] = kind.value(bits)
        return values
    raise ValueError("no float vector")


def write_vector(kind, values):
    """Bits up to 4,096 elements, above that a SHA-256 over the little-endian bytes."""
    if len(values) <= 4096:
        return {"bits": kind.big_endian(values).hex()}
    return {"sha256": hashlib.sha256(kind.little_endian(values)).hexdigest(), "count": len(values)}
