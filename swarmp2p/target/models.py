"""Models: sizes, sections and an optimiser's state to chunks and back (07)."""

from collections.abc import Mapping
from hashlib import sha256
from itertools import groupby
from typing import Any

from swarmp2p.crypto.merkle import blob_root
from swarmp2p.merge import model as models
from swarmp2p.merge.optimisers import optimiser_named
from swarmp2p.target.arrays import (
    integers_of,
    notation_of_integers,
    notation_of_vector,
    vector_of,
    vectors_of,
)
from swarmp2p.target.blobs import own_schema
from swarmp2p.target.notation import Input, Operation, Output, data_of
from swarmp2p.wire.tensors import model_sizes as sizes_of_model

_LONGEST_CHUNK = 4_096  # bytes: longer chunks are told by their SHA-256


def model_sizes(given: Input) -> Output:
    """Answer `model.sizes`."""
    sizes = sizes_of_model(own_schema(given), optimiser_named(given["optimiser"]).vectors)
    return {"sizes": [[size, len(list(equal))] for size, equal in groupby(sizes)]}


def encode_model(given: Input) -> Output:
    """Answer `model.encode`."""
    schema = own_schema(given)
    model = models.Model(
        vector_of(given["floats"], schema.compute_dtype),
        integers_of(given["integers"]),
        tuple(vectors_of(given["state"], schema.compute_dtype)),
        int(given["steps"]),
    )
    optimiser = optimiser_named(given["optimiser"])
    chunks = models.encode_model(schema, model, optimiser, given["rounds"])
    return {"root": blob_root(chunks).hex(), "chunks": [_chunk(chunk) for chunk in chunks]}


def _chunk(chunk: memoryview) -> Any:
    if len(chunk) > _LONGEST_CHUNK:
        return {"sha256": sha256(chunk).hexdigest(), "count": len(chunk)}
    return chunk.hex()


def decode_model(given: Input) -> Output:
    """Answer `model.decode`."""
    model = models.decode_model(
        own_schema(given),
        optimiser_named(given["optimiser"]),
        given["rounds"],
        [data_of(chunk) for chunk in given["chunks"]],
    )
    return {
        "floats": notation_of_vector(model.floats),
        "integers": notation_of_integers(model.integers),
        "state": [notation_of_vector(vector) for vector in model.state],
        "steps": str(model.steps),
    }


OPERATIONS: Mapping[str, Operation] = {
    "model.sizes": model_sizes,
    "model.encode": encode_model,
    "model.decode": decode_model,
}
