"""The layout of an update (07-chunks.md): sizes of chunks, updates made and read, encodings."""

import hashlib
import math
import struct

import blobs
import schemas
from floats import F32, F64, read_vector, write_vector
from inputs import to_bytes
from refusal import Refusal

CHUNK_ELEMENTS = 262_144
INT8_BLOCK = 4_096
ENCODINGS = ("fp32", "bf16", "fp16", "int8")
FLOATS = ("f16", "bf16", "f32", "f64")
# CHUNK-018: the ranges; u64 above 2^63-1 cannot be sent.
RANGES = {
    "i8": (-(1 << 7), (1 << 7) - 1),
    "i16": (-(1 << 15), (1 << 15) - 1),
    "i32": (-(1 << 31), (1 << 31) - 1),
    "i64": (-(1 << 63), (1 << 63) - 1),
    "u8": (0, (1 << 8) - 1),
    "u16": (0, (1 << 16) - 1),
    "u32": (0, (1 << 32) - 1),
    "u64": (0, (1 << 63) - 1),
    "bool": (0, 1),
}


def elements(tensor):
    return math.prod(tensor["shape"])


def float_tensors(schema):
    return [tensor for tensor in schema if tensor["dtype"] in FLOATS]


def integer_tensors(schema):
    return [tensor for tensor in schema if tensor["dtype"] not in FLOATS]


def compute_type(schema):
    """F of 09-merge.md: binary64 if any tensor of the schema is f64."""
    return F64 if any(tensor["dtype"] == "f64" for tensor in schema) else F32


def pieces(count):
    """How many elements each chunk of a section holds."""
    while count > 0:
        yield min(count, CHUNK_ELEMENTS)
        count -= CHUNK_ELEMENTS


def float_chunk_bytes(schema, encoding, k):
    """The size of a chunk of k elements of the float section."""
    if encoding == "fp32":
        return k * compute_type(schema).size
    if encoding == "int8":
        return k + 4 * ((k + INT8_BLOCK - 1) // INT8_BLOCK)
    return 2 * k


def chunk_sizes(schema, encoding):
    """CHUNK-003: the sizes of all chunks follow from schema and encoding."""
    if encoding not in ENCODINGS:
        raise Refusal("REFUSED")
    # CHUNK-019: an f64 tensor allows fp32 only.
    if encoding != "fp32" and compute_type(schema) is F64:
        raise Refusal("REFUSED")
    integer_count = sum(elements(tensor) for tensor in integer_tensors(schema))
    return float_sizes(schema, encoding) + [8 * k for k in pieces(integer_count)]


def float_sizes(schema, encoding):
    """Those of the float section alone."""
    return [float_chunk_bytes(schema, encoding, k) for k in pieces(count_of_floats(schema))]


def count_of_floats(schema):
    return sum(elements(tensor) for tensor in float_tensors(schema))


def dtypes_of_integers(schema):
    """The dtype of each element of the integer section."""
    return [tensor["dtype"] for tensor in integer_tensors(schema) for _ in range(elements(tensor))]


def sizes_operation(given):
    schema = own_schema(given["schema"])
    return {"sizes": in_runs(chunk_sizes(schema, given["encoding"]))}


def in_runs(sizes):
    """Sizes as [bytes, how many chunks in a row have as many]."""
    runs = []
    for size in sizes:
        if runs and runs[-1][0] == size:
            runs[-1][1] += 1
        else:
            runs.append([size, 1])
    return runs


def schema_of(form):
    return schemas.decode(to_bytes(form))


def own_schema(form):
    """vectors/README.md names no code but REFUSED where nothing crosses the wire."""
    try:
        return schema_of(form)
    except Refusal:
        raise Refusal("REFUSED") from None


# Making an update.


def float_element(dtype, bits):
    """The value of an element by the bits of its tensor's own type, widened exactly (MERGE-004)."""
    data = bytes.fromhex(bits)
    if len(data) != {"f16": 2, "bf16": 2, "f32": 4, "f64": 8}[dtype]:
        raise Refusal("REFUSED")
    if dtype == "bf16":
        dtype, data = "f32", data + b"\0\0"
    value = struct.unpack({"f16": ">e", "f32": ">f", "f64": ">d"}[dtype], data)[0]
    # CHUNK-004: NaN or infinity would make the update unusable.
    if not math.isfinite(value):
        raise Refusal("REFUSED")
    return value


def integer_element(dtype, text):
    low, high = RANGES[dtype]
    # CHUNK-018: out of the range of the tensor's dtype.
    if not low <= int(text) <= high:
        raise Refusal("REFUSED")
    return int(text)


def encode_update(schema, tensors):
    """All chunks in ENCODING_FP32."""
    if set(tensors) != {tensor["name"] for tensor in schema}:
        raise Refusal("REFUSED")
    for tensor in schema:
        if len(tensors[tensor["name"]]) != elements(tensor):
            raise Refusal("REFUSED")
    kind = compute_type(schema)
    floats = [
        float_element(t["dtype"], bits)
        for t in float_tensors(schema)
        for bits in tensors[t["name"]]
    ]
    integers = [
        integer_element(t["dtype"], text)
        for t in integer_tensors(schema)
        for text in tensors[t["name"]]
    ]
    return cut(kind.little_endian(floats), kind.size) + cut(
        struct.pack(f"<{len(integers)}q", *integers), 8
    )


def cut(section, width):
    """A section as chunks of CHUNK_ELEMENTS elements; one without elements has none."""
    step = CHUNK_ELEMENTS * width
    return [section[start : start + step] for start in range(0, len(section), step)]


def encode_operation(given):
    chunks = encode_update(own_schema(given["schema"]), given["tensors"])
    return {"chunks": [chunk.hex() for chunk in chunks], "root": blobs.root(chunks).hex()}


# Reading an update.


def finite(values):
    # CHUNK-004: NaN, infinity; in int8 a product or sum beyond the largest finite binary32.
    if not all(map(math.isfinite, values)):
        raise Refusal("NON_FINITE")
    return values


def decode_floats(kind, encoding, chunk, base):
    """The elements of a chunk of the float section; base: those of the base in its place."""
    if encoding == "fp32":
        return finite(kind.from_little_endian(chunk))
    if encoding == "int8":
        return decode_int8(chunk, base)
    count = len(chunk) // 2
    if encoding == "fp16":
        return finite(list(struct.unpack(f"<{count}e", chunk)))
    upper = struct.unpack(f"<{count}H", chunk)
    return finite(
        list(
            struct.unpack(f"<{count}f", struct.pack(f"<{count}I", *[bits << 16 for bits in upper]))
        )
    )


def decode_int8(chunk, base):
    result = []
    while chunk:
        k = min(INT8_BLOCK, len(base) - len(result))
        block, chunk = chunk[: 4 + k], chunk[4 + k :]
        (scale,) = struct.unpack("<f", block[:4])
        steps = struct.unpack(f"<{k}b", block[4:])
        # CHUNK-004: NaN or infinity as a scale.
        finite([scale])
        # CHUNK-018: a scale below zero (-0.0 is not), a q of -128.
        if scale < 0.0 or -128 in steps:
            raise Refusal("MALFORMED")
        # x_i = b_i + (s * F(q_i)), in binary32, each operation rounded once.
        products = F32.multiply(scale, [float(q) for q in steps])
        result += finite(F32.add(base[len(result) : len(result) + k], products))
    return result


def decode_integers(dtypes, chunk):
    values = struct.unpack(f"<{len(chunk) // 8}q", chunk)
    for dtype, value in zip(dtypes, values, strict=True):
        low, high = RANGES[dtype]
        # CHUNK-018: out of the range of the tensor's dtype.
        if not low <= value <= high:
            raise Refusal("MALFORMED")
    return list(values)


def decode_update(schema, encoding, base, chunks):
    """Chunks are judged in the order of their index, all sizes first."""
    # CHUNK-003: the number of chunks, and each size.
    if [len(chunk) for chunk in chunks] != chunk_sizes(schema, encoding):
        raise Refusal("BAD_PROOF")
    kind = compute_type(schema)
    dtypes = dtypes_of_integers(schema)
    floats, integers = [], []
    waiting = list(chunks)
    for k in pieces(count_of_floats(schema)):
        here = base[len(floats) : len(floats) + k] if encoding == "int8" else None
        floats += decode_floats(kind, encoding, waiting.pop(0), here)
    for k in pieces(len(dtypes)):
        integers += decode_integers(dtypes[len(integers) : len(integers) + k], waiting.pop(0))
    return kind, floats, integers


def decode_operation(given):
    base = None if given["base"] is None else read_vector(F32, given["base"])
    chunks = [to_bytes(chunk) for chunk in given["chunks"]]
    kind, floats, integers = decode_update(
        schema_of(given["schema"]), given["encoding"], base, chunks
    )
    return {"floats": write_vector(kind, floats), "integers": write_integers(integers)}


def write_integers(values):
    """Decimal text up to 4,096 elements, above that a SHA-256 over 8 little-endian bytes each."""
    if len(values) <= 4096:
        return [str(value) for value in values]
    data = struct.pack(f"<{len(values)}q", *values)
    return {"sha256": hashlib.sha256(data).hexdigest(), "count": len(values)}


OPERATIONS = {
    "layout.sizes": sizes_operation,
    "update.encode": encode_operation,
    "update.decode": decode_operation,
}
