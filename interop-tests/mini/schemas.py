"""Model schemas: 07-chunks.md, "Schemas"."""

import blobs
import inputs
from refusal import Refusal

TAG_SCHEMA = b"swarmp2p/v1/schema\0"
MAX_SCHEMA_BYTES = 262144
MAX_TENSORS = 4096
MAX_RANK = 8
MAX_CHUNKS = 8192
CHUNK_ELEMENTS = 262144
DTYPES = {
    1: "f16",
    2: "bf16",
    3: "f32",
    4: "f64",
    16: "i8",
    17: "i16",
    18: "i32",
    19: "i64",
    20: "u8",
    21: "u16",
    22: "u32",
    23: "u64",
    24: "bool",
}
FLOATS = ["f16", "bf16", "f32", "f64"]


def decode(data):
    if len(data) > MAX_SCHEMA_BYTES:  # CHUNK-001
        raise Refusal("TOO_LARGE")
    if data[: len(TAG_SCHEMA)] != TAG_SCHEMA:  # CHUNK-002: begins with the tag
        raise Refusal("BAD_SCHEMA")
    state = {"data": data, "at": len(TAG_SCHEMA)}
    count = int.from_bytes(take(state, 4), "big")
    if count > MAX_TENSORS:  # CHUNK-001
        raise Refusal("TOO_MANY")
    if count < 1:  # CHUNK-002: at least one tensor
        raise Refusal("BAD_SCHEMA")
    tensors, last = [], b""
    for _ in range(count):
        tensor = read_tensor(state)
        name = tensor["name"].encode()
        if name <= last:  # CHUNK-002: names rise strictly as bytes
            raise Refusal("BAD_SCHEMA")
        last = name
        tensors.append(tensor)
    if state["at"] != len(data):  # CHUNK-002: ends where its last tensor ends
        raise Refusal("BAD_SCHEMA")
    if chunk_count(tensors) > MAX_CHUNKS:  # CHUNK-002
        raise Refusal("BAD_SCHEMA")
    return tensors


def take(state, count):
    end = state["at"] + count
    if end > len(state["data"]):  # CHUNK-002
        raise Refusal("BAD_SCHEMA")
    piece = state["data"][state["at"] : end]
    state["at"] = end
    return piece


def read_tensor(state):
    length = take(state, 1)[0]
    if length < 1:  # CHUNK-002: names of 1 byte or more
        raise Refusal("BAD_SCHEMA")
    try:
        name = take(state, length).decode("utf-8")
    except UnicodeDecodeError:  # CHUNK-002: UTF-8
        raise Refusal("BAD_SCHEMA") from None
    dtype, flags, rank = take(state, 3)
    if dtype not in DTYPES:  # CHUNK-002
        raise Refusal("BAD_SCHEMA")
    if flags not in (0, 1) or (flags == 1 and DTYPES[dtype] not in FLOATS):  # CHUNK-002
        raise Refusal("BAD_SCHEMA")
    if rank > MAX_RANK:  # CHUNK-002
        raise Refusal("BAD_SCHEMA")
    shape = [int.from_bytes(take(state, 4), "big") for _ in range(rank)]
    if 0 in shape:  # CHUNK-002: sizes of at least 1
        raise Refusal("BAD_SCHEMA")
    return {"name": name, "dtype": DTYPES[dtype], "shape": shape, "stat": flags == 1}


def elements(tensor):
    product = 1
    for size in tensor["shape"]:
        product *= size
    return product


def chunk_count(tensors):
    """Chunks of both sections ("Layout of an update")."""
    floats = sum(elements(tensor) for tensor in tensors if tensor["dtype"] in FLOATS)
    integers = sum(elements(tensor) for tensor in tensors if tensor["dtype"] not in FLOATS)
    return -(-floats // CHUNK_ELEMENTS) + -(-integers // CHUNK_ELEMENTS)


def encode(tensors):
    """In the order given: what a decoder would refuse is REFUSED."""
    numbers = {name: number for number, name in DTYPES.items()}
    data = TAG_SCHEMA + len(tensors).to_bytes(4, "big")
    for tensor in tensors:
        name, shape = tensor["name"].encode(), tensor["shape"]
        if len(name) > 255 or len(shape) > 255 or tensor["dtype"] not in numbers:
            raise Refusal("REFUSED")
        if any(not 0 <= size < 2**32 for size in shape):
            raise Refusal("REFUSED")
        head = bytes([numbers[tensor["dtype"]], int(tensor["stat"]), len(shape)])
        data += bytes([len(name)]) + name + head
        data += b"".join(size.to_bytes(4, "big") for size in shape)
    try:
        decode(data)
    except Refusal:
        raise Refusal("REFUSED") from None
    return data


def schema_hash(data):
    return blobs.root([data])


def from_json(given):
    tensor = {
        "name": inputs.text(given, "name"),
        "dtype": inputs.text(given, "dtype"),
        "shape": [inputs.to_int(size) for size in inputs.array(given, "shape")],
        "stat": inputs.get(given, "stat"),
    }
    if not isinstance(tensor["stat"], bool):
        raise Refusal("REFUSED")
    return tensor


def op_decode(given):
    data = inputs.get_bytes(given, "data")
    return {"tensors": decode(data), "hash": schema_hash(data).hex()}


def op_encode(given):
    data = encode([from_json(tensor) for tensor in inputs.array(given, "tensors")])
    return {"data": data.hex(), "hash": schema_hash(data).hex()}


OPERATIONS = {"schema.decode": op_decode, "schema.encode": op_encode}
