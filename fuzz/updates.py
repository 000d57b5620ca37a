"""Checks of the decoders of model parameters. MergeError stands beside RemoteProtocolError here."""

import numpy as np

from fuzz.plans import Plan
from swarmp2p.errors import MergeError, RemoteProtocolError
from swarmp2p.merge import codec as codecs
from swarmp2p.merge.layout import decode_chunks, encode_chunks, unflatten
from swarmp2p.wire.registry import DTYPE_CODES
from swarmp2p.wire.tensors import Schema, TensorSpec, chunk_sizes

REFUSALS = (RemoteProtocolError, MergeError)
SCHEMAS = (
    Schema((TensorSpec("bias", "f32", (2,)), TensorSpec("seen", "i64", ()))),
    Schema(tuple(TensorSpec(name, name, (2,)) for name in sorted(DTYPE_CODES) if name != "f64")),
    Schema(tuple(TensorSpec(name, name, ()) for name in sorted(DTYPE_CODES))),
    Schema((TensorSpec("small", "u8", (3,)), TensorSpec("truth", "bool", (2,)))),
    Schema((TensorSpec("half", "f16", (3,)), TensorSpec("brain", "bf16", (1,)))[::-1]),
)


def update(data: bytes) -> None:
    """Schema, change of the first size, then the chunks of a blob."""
    plan = Plan(data)
    schema = SCHEMAS[plan.uint() % len(SCHEMAS)]
    odd = plan.uint()
    sizes = list(chunk_sizes(schema))
    sizes[0] += (odd & 1) - (odd >> 1 & 1)
    chunks = [plan.take(size) for size in sizes]
    if rest := plan.rest():
        chunks.append(rest)
    try:
        floats, integers = decode_chunks(schema, chunks)
    except REFUSALS:
        return
    assert [bytes(chunk) for chunk in encode_chunks(schema, floats, integers)] == chunks
    unflatten(floats, integers, schema)


def codec(data: bytes) -> None:
    """Which encoding, change of the length, then encoded elements."""
    plan = Plan(data)
    which, odd, wire = plan.uint() % 3, plan.uint() % 8, plan.rest()
    blocks = -(-len(wire) // (codecs.INT8_BLOCK + 4))
    elements = max(0, len(wire) - 4 * blocks + (odd if odd < 3 else 0))
    base = np.arange(elements, dtype=np.float32) * np.float32(2.0**100 if odd & 4 else 1)
    decode = (codecs.decode_bf16, codecs.decode_fp16, lambda it: codecs.decode_int8(it, base))
    try:
        values = decode[which](wire)
    except REFUSALS:
        return
    assert np.isfinite(values).all()
    if which < 2:  # int8 has several encodings of one value
        assert (codecs.encode_bf16, codecs.encode_fp16)[which](values) == wire
