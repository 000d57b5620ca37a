"""Updates: named tensors to chunks, chunks to sections (07)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmp2p.crypto.merkle import blob_root
from swarmp2p.merge.layout import decode_chunks, encode_chunks, flatten
from swarmp2p.target.arrays import notation_of_integers, notation_of_vector, vector_of
from swarmp2p.target.blobs import own_schema
from swarmp2p.target.notation import Input, Operation, Output, data_of
from swarmp2p.wire.registry import ENCODINGS
from swarmp2p.wire.tensors import TensorSpec, decode_schema

_FLOATS = {"f16": ("u2", "f2"), "bf16": ("u2", "f4"), "f32": ("u4", "f4"), "f64": ("u8", "f8")}


def encode_update(given: Input) -> Output:
    """Answer `update.encode`."""
    schema = own_schema(given)
    specs = {tensor.name: tensor for tensor in schema.tensors}
    params = {
        name: _tensor(elements, specs.get(name)) for name, elements in given["tensors"].items()
    }
    chunks = encode_chunks(schema, *flatten(params, schema))
    return {"chunks": [bytes(chunk).hex() for chunk in chunks], "root": blob_root(chunks).hex()}


def _tensor(elements: Sequence[Any], spec: TensorSpec | None) -> npt.NDArray[Any]:
    """An array as training would hand it in, whether it suits the schema or not."""
    if spec is None:
        return np.zeros(len(elements))
    values = _floats(elements, spec.dtype) if spec.is_float else _integers(elements, spec.dtype)
    return values.reshape(spec.shape) if values.size == spec.elements else values


def _floats(elements: Sequence[str], dtype: str) -> npt.NDArray[Any]:
    word, name = _FLOATS[dtype]
    if any(len(bits) != 2 * np.dtype(word).itemsize for bits in elements):
        return np.array(elements, object)  # bits of another type
    words = np.array([int(bits, 16) for bits in elements], word)
    if dtype == "bf16":  # handed in as the binary32 of the same value
        words = words.astype(np.uint32) << np.uint32(16)
    return words.view(name)


def _integers(elements: Sequence[Any], dtype: str) -> npt.NDArray[Any]:
    values = [int(element) for element in elements]
    kind: np.dtype[Any] = np.dtype(np.bool_)
    low, high = 0, 1
    if dtype != "bool":
        kind = np.dtype(f"{dtype[0]}{int(dtype[1:]) // 8}")
        low, high = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    # No array of the tensor's type holds what does not fit: it comes as another type.
    fits = all(low <= value <= high for value in values)
    return np.array(values, kind if fits else object)


def decode_update(given: Input) -> Output:
    """Answer `update.decode`."""
    schema = decode_schema(data_of(given["schema"]))
    base = None if given["base"] is None else vector_of(given["base"], schema.compute_dtype)
    floats, integers = decode_chunks(
        schema,
        [data_of(chunk) for chunk in given["chunks"]],
        encoding=ENCODINGS[given["encoding"]],
        base=base,
    )
    return {
        "floats": notation_of_vector(floats),
        "integers": notation_of_integers(integers),
    }


OPERATIONS: Mapping[str, Operation] = {
    "update.encode": encode_update,
    "update.decode": decode_update,
}
