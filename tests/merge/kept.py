"""A run's updates and models in a store, for tests of what a node merges."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from swarmp2p.manifest import RunManifest
from swarmp2p.merge.layout import Array
from swarmp2p.node.vectors import Encoded, Vectors
from swarmp2p.sim.store import MemoryDisk, MemoryStore
from swarmp2p.wire.registry import CHUNK_ELEMENTS
from swarmp2p.wire.tensors import Schema, TensorSpec

# two chunks of floats, the second short; statistics across their border; integers of two types
SCHEMA = Schema(
    (
        TensorSpec("age", "i8", (2,)),
        TensorSpec("average", "f32", (40,), stat=True),
        TensorSpec("body", "f32", (CHUNK_ELEMENTS - 60,)),
        TensorSpec("count", "u64", ()),
        TensorSpec("drift", "f32", (80,), stat=True),
        TensorSpec("weight", "bf16", (4_099,)),
    )
)
SMALL = Schema(
    (
        TensorSpec("age", "i8", (2,)),
        TensorSpec("bias", "f32", (1,)),
        TensorSpec("mean", "f32", (2,), stat=True),
        TensorSpec("weight", "f32", (5,)),
    )
)


def made(schema: Schema = SCHEMA, **terms: Any) -> Vectors:
    given: dict[str, Any] = {"rounds": 9, "sync_every": 1, "rule": "mean", **terms}
    return Vectors(RunManifest(name="kept", schema=schema, **given))


def store() -> MemoryStore:
    return MemoryStore(MemoryDisk(), bytes(32))


def params(seed: int, schema: Schema = SCHEMA, scale: float = 1.0) -> dict[str, Array]:
    """Parameters that differ from seed to seed."""
    rng = np.random.default_rng(seed)
    values: dict[str, Array] = {}
    for tensor in schema.tensors:
        if tensor.is_float:
            drawn = rng.normal(size=tensor.shape, scale=scale).astype(np.float32)
            if tensor.dtype == "bf16":
                drawn = (drawn.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
            values[tensor.name] = np.abs(drawn) if tensor.stat else drawn
        else:
            dtype = {"i8": np.int8, "u64": np.uint64}[tensor.dtype]
            values[tensor.name] = rng.integers(0, 100, tensor.shape).astype(dtype)
    return values


def near(base: dict[str, Array], seed: int, scale: float = 0.01) -> dict[str, Array]:
    """What training a little from the base gives."""
    rng = np.random.default_rng([seed, 7])
    moved: dict[str, Array] = {}
    for name, value in base.items():
        if value.dtype.kind == "f":
            step = rng.normal(size=value.shape, scale=scale)
            moved[name] = (value + step).astype(np.float32)
        else:
            moved[name] = (value + rng.integers(0, 9, value.shape)).astype(value.dtype)
    return moved


def keep_updates(
    vectors: Vectors, kept: MemoryStore, base: bytes, updates: Sequence[dict[str, Array]]
) -> list[tuple[str, bytes]]:
    """Encode and keep them; (whose, root) of each."""
    found = []
    for number, update in enumerate(updates):
        encoded: Encoded = vectors.encode_update(kept, base, update)
        encoded.blob.keep(kept)
        found.append((f"site-{number}", encoded.blob.root))
    return found


def raw(kept: MemoryStore, root: bytes, count: int) -> list[bytes]:
    """The chunks of a blob."""
    chunks = [kept.get_chunk(root, index) for index in range(count)]
    return [chunk[0] for chunk in chunks if chunk is not None]
