"""Checks of the decoders of model parameters. MergeError stands beside RemoteProtocolError here."""

import numpy as np

from fuzz.plans import Plan
from swarmp2p.errors import MergeError, RemoteProtocolError
from swarmp2p.merge.codec import decode_into, encode_bf16, encode_fp16
from swarmp2p.merge.layout import decode_chunks, encode_chunks, stat_slices, unflatten
from swarmp2p.merge.model import decode_model, encode_model
from swarmp2p.merge.optimisers import optimiser_named, optimiser_names
from swarmp2p.wire.registry import (
    DTYPE_CODES,
    ENCODING_BF16,
    ENCODING_FP16,
    ENCODING_FP32,
    ENCODING_INT8,
    INT8_BLOCK,
)
from swarmp2p.wire.tensors import Schema, TensorSpec, chunk_sizes, model_sizes

REFUSALS = (RemoteProtocolError, MergeError)
SCHEMAS = (
    Schema((TensorSpec("bias", "f32", (2,)), TensorSpec("seen", "i64", ()))),
    Schema(tuple(TensorSpec(name, name, (2,)) for name in sorted(DTYPE_CODES) if name != "f64")),
    Schema(tuple(TensorSpec(name, name, ()) for name in sorted(DTYPE_CODES))),
    Schema((TensorSpec("small", "u8", (3,)), TensorSpec("truth", "bool", (2,)))),
    Schema((TensorSpec("half", "f16", (3,)), TensorSpec("brain", "bf16", (1,)))[::-1]),
)

OPTIMISERS = tuple(optimiser_named(name) for name in optimiser_names())
ROUNDS = 200
MODELS = (
    *SCHEMAS,
    Schema((TensorSpec("mean", "f32", (2,), stat=True), TensorSpec("weight", "f32", (2,)))),
)
SMALLER = {ENCODING_BF16: encode_bf16, ENCODING_FP16: encode_fp16}  # the reversible ones


def update(data: bytes) -> None:
    """Schema, encoding, change of the first size, then the chunks of a blob."""
    plan = Plan(data)
    schema = SCHEMAS[plan.uint() % len(SCHEMAS)]
    encoding, odd = plan.uint() % 4 + 1, plan.uint()
    if schema.compute_dtype == "f64":
        encoding = ENCODING_FP32
    base = np.linspace(-1, 1, schema.float_elements, dtype=np.float32)
    sizes = list(chunk_sizes(schema, encoding))
    sizes[0] += (odd & 1) - (odd >> 1 & 1)
    chunks = [plan.take(size) for size in sizes]
    if rest := plan.rest():
        chunks.append(rest)
    try:
        floats, integers = decode_chunks(schema, chunks, encoding, base)
    except REFUSALS:
        return
    assert np.isfinite(floats).all()
    if encoding == ENCODING_FP32:
        assert [bytes(chunk) for chunk in encode_chunks(schema, floats, integers)] == chunks
    elif encoding in SMALLER and floats.size:
        assert SMALLER[encoding](floats) == chunks[0]
    unflatten(floats, integers, schema)


def model(data: bytes) -> None:
    """Schema, optimiser, change of the last size, then the chunks of a model."""
    plan = Plan(data)
    schema = MODELS[plan.uint() % len(MODELS)]
    optimiser, odd = OPTIMISERS[plan.uint() % len(OPTIMISERS)], plan.uint()
    sizes = list(model_sizes(schema, optimiser.vectors))
    sizes[-1] += (odd & 1) - (odd >> 1 & 1)
    chunks = [plan.take(size) for size in sizes]
    if rest := plan.rest():
        chunks.append(rest)
    try:
        decoded = decode_model(schema, optimiser, ROUNDS, chunks)
    except RemoteProtocolError:
        return
    again = encode_model(schema, decoded, optimiser, ROUNDS)
    assert [bytes(chunk) for chunk in again] == chunks
    assert 0 <= decoded.steps <= ROUNDS
    assert all(np.isfinite(vector).all() for vector in (decoded.floats, *decoded.state))
    assert all((decoded.state[index] >= 0).all() for index in optimiser.non_negative)
    assert not any(vector[part].any() for vector in decoded.state for part in stat_slices(schema))
    unflatten(decoded.floats, decoded.integers, schema)


def codec(data: bytes) -> None:
    """Encoding, change of the length, then one chunk's elements."""
    plan = Plan(data)
    encoding, odd, wire = plan.uint() % 4 + 1, plan.uint() % 8, plan.rest()
    blocks = -(-len(wire) // (INT8_BLOCK + 4))
    elements = {ENCODING_FP32: len(wire) // 4, ENCODING_INT8: len(wire) - 4 * blocks}
    size = max(0, elements.get(encoding, len(wire) // 2) + (odd if odd < 3 else 0))
    step = 2.0**114 if odd & 4 else 1.0  # near the largest float32, which the sum may pass
    base = np.arange(size, dtype=np.float32) * np.float32(step)
    values = np.empty(size, np.float32)
    try:
        decode_into(values, wire, encoding, base)
    except REFUSALS:
        return
    if encoding in SMALLER and np.isfinite(values).all():
        assert SMALLER[encoding](values) == wire
