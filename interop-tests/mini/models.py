"""Layout of a model: 07-chunks.md, CHUNK-021 and CHUNK-022."""

import hashlib
import struct

import blobs
import layouts
from floats import read_vector, write_vector
from inputs import array, integer, to_bytes, u64
from optimising import state_vectors
from refusal import Refusal

LONGEST_SHOWN = 4096
MOST_STEPS = (1 << 63) - 1


def chunk_sizes(schema, optimiser):
    """CHUNK-021: both sections of an update in fp32, the state vectors, the step section."""
    sizes = layouts.chunk_sizes(schema, "fp32")
    sizes += layouts.float_sizes(schema, "fp32") * state_vectors(optimiser)
    if optimiser != "none":
        sizes.append(8)
    # CHUNK-021: such a run is refused (ROUND-064).
    if len(sizes) > blobs.MAX_CHUNKS:
        raise Refusal("REFUSED")
    return sizes


def sizes_operation(given):
    schema = layouts.own_schema(given["schema"])
    return {"sizes": layouts.in_runs(chunk_sizes(schema, given["optimiser"]))}


def statistics(schema):
    """For each element of the float section, whether it is one of running statistics."""
    return [
        tensor["stat"]
        for tensor in layouts.float_tensors(schema)
        for _ in range(layouts.elements(tensor))
    ]


class Model:
    """What a model holds; `steps` is 0 without an optimiser, which has none."""

    def __init__(self, floats, integers, state, steps):
        self.floats = floats
        self.integers = integers
        self.state = state
        self.steps = steps


# Reading a model.


def decode(schema, optimiser, rounds, chunks):
    """CHUNK-022: sizes first, then chunks in the order of their index."""
    if [len(chunk) for chunk in chunks] != chunk_sizes(schema, optimiser):
        raise Refusal("BAD_PROOF")  # CHUNK-003, by CHUNK-021
    kind, waiting = layouts.compute_type(schema), list(chunks)
    floats, integers, state = [], [], []
    for _ in layouts.float_sizes(schema, "fp32"):
        floats += layouts.decode_floats(kind, "fp32", waiting.pop(0), None)
    dtypes = layouts.dtypes_of_integers(schema)
    for k in layouts.pieces(len(dtypes)):
        here = dtypes[len(integers) : len(integers) + k]
        integers += layouts.decode_integers(here, waiting.pop(0))
    still = statistics(schema)
    for place in range(state_vectors(optimiser)):
        vector = []
        for k in layouts.pieces(len(still)):
            here = still[len(vector) : len(vector) + k]
            squares = optimiser == "fedadam" and place == 1
            vector += state_chunk(kind, here, squares, waiting.pop(0))
        state.append(vector)
    return Model(floats, integers, state, steps_of(optimiser, rounds, waiting))


def state_chunk(kind, still, squares, chunk):
    """The elements of a chunk of a state vector; `squares`: the second one of fedadam."""
    values = layouts.finite(kind.from_little_endian(chunk))
    # CHUNK-022: an element of running statistics that is not zero; -0.0 is zero.
    if any(value != 0.0 for value, stat in zip(values, still, strict=True) if stat):
        raise Refusal("MALFORMED")
    # CHUNK-022: an element below 0 (-0.0 is not).
    if squares and any(value < 0.0 for value in values):
        raise Refusal("MALFORMED")
    return values


def steps_of(optimiser, rounds, waiting):
    if optimiser == "none":
        return 0
    (steps,) = struct.unpack("<q", waiting.pop(0))
    # CHUNK-022: below 0, or above the run's `rounds`.
    if not 0 <= steps <= rounds:
        raise Refusal("MALFORMED")
    return steps


def decode_operation(given):
    chunks = [to_bytes(chunk) for chunk in array(given, "chunks")]
    schema = layouts.schema_of(given["schema"])
    model = decode(schema, given["optimiser"], integer(given, "rounds"), chunks)
    kind = layouts.compute_type(schema)
    return {
        "floats": write_vector(kind, model.floats),
        "integers": layouts.write_integers(model.integers),
        "state": [write_vector(kind, vector) for vector in model.state],
        "steps": str(model.steps),
    }


# Making a model.


def encode(schema, optimiser, rounds, model):
    kind, count = layouts.compute_type(schema), layouts.count_of_floats(schema)
    dtypes = layouts.dtypes_of_integers(schema)
    lengths = [len(vector) for vector in [model.floats, *model.state]]
    # The sections have the lengths of the schema, and there are as many as the optimiser has.
    if lengths != [count] * (1 + state_vectors(optimiser)) or len(model.integers) != len(dtypes):
        raise Refusal("REFUSED")
    # CHUNK-022: out of the range of the tensor's dtype.
    for dtype, value in zip(dtypes, model.integers, strict=True):
        low, high = layouts.RANGES[dtype]
        if not low <= value <= high:
            raise Refusal("REFUSED")
    if model.steps > (0 if optimiser == "none" else MOST_STEPS):
        raise Refusal("REFUSED")
    chunks = layouts.cut(kind.little_endian(model.floats), kind.size)
    chunks += layouts.cut(struct.pack(f"<{len(dtypes)}q", *model.integers), 8)
    for vector in model.state:
        chunks += layouts.cut(kind.little_endian(vector), kind.size)
    if optimiser != "none":
        chunks.append(struct.pack("<q", model.steps))
    try:
        decode(schema, optimiser, rounds, chunks)
    except Refusal:
        raise Refusal("REFUSED") from None
    return chunks


def shown(chunk):
    """A chunk in an output: its bytes, or a SHA-256 of more than 4,096."""
    if len(chunk) <= LONGEST_SHOWN:
        return chunk.hex()
    return {"sha256": hashlib.sha256(chunk).hexdigest(), "count": len(chunk)}


def encode_operation(given):
    schema = layouts.own_schema(given["schema"])
    kind = layouts.compute_type(schema)
    model = Model(
        read_vector(kind, given["floats"]),
        [int(value) for value in array(given, "integers")],
        [read_vector(kind, vector) for vector in array(given, "state")],
        u64(given, "steps"),
    )
    chunks = encode(schema, given["optimiser"], integer(given, "rounds"), model)
    return {"root": blobs.root(chunks).hex(), "chunks": [shown(chunk) for chunk in chunks]}


OPERATIONS = {
    "model.sizes": sizes_operation,
    "model.encode": encode_operation,
    "model.decode": decode_operation,
}
