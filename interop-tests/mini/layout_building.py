"""What the cases of layout.sizes, update.encode and update.decode are made from (07-chunks.md)."""

CHUNK, BLOCK = 1 << 18, 4096
ONE, INFINITE, LARGEST = "3f800000", "7f800000", "7f7fffff"
NAMES = ["f16", "bf16", "f32", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool"]
DTYPES = dict(zip(NAMES, [*range(1, 5), *range(16, 25)], strict=True))
# CHUNK-018
RANGES = {
    "i8": (-128, 127),
    "i16": (-32768, 32767),
    "i32": (-(2**31), 2**31 - 1),
    "i64": (-(2**63), 2**63 - 1),
    "u8": (0, 255),
    "u16": (0, 65535),
    "u32": (0, 2**32 - 1),
    "u64": (0, 2**63 - 1),
    "bool": (0, 1),
}


def schema(*tensors):
    """The hex of a schema of (name, dtype, size, ...); a name that ends in ! is of statistics."""
    data = b"swarmp2p/v1/schema\0" + len(tensors).to_bytes(4, "big")
    for name, dtype, *shape in tensors:
        flags = 1 if name.endswith("!") else 0
        text = name.encode()
        data += bytes([len(text)]) + text + bytes([DTYPES[dtype], flags, len(shape)])
        data += b"".join(size.to_bytes(4, "big") for size in shape)
    return data.hex()


EXAMPLE = schema(("bias", "f32", 2), ("seen", "i64"), ("weight", "f32", 2, 3))


def floats(count, dtype="f32"):
    """The schema of one float tensor."""
    return schema(("x", dtype, count))


def little(*patterns):
    """Bit patterns, most significant byte first, as they stand on the wire."""
    return b"".join(bytes.fromhex(bits)[::-1] for bits in patterns).hex()


def block(scale, *steps):
    """A block of int8: the scale, then one signed byte per element."""
    return little(scale) + bytes(step % 256 for step in steps).hex()


def decode_case(slug, covers, text, encoding, chunks, expect=None, base=None):
    given = {"schema": text, "encoding": encoding, "base": base, "chunks": chunks}
    return "update.decode", slug, covers, given, expect
