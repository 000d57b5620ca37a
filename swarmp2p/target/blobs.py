"""Schemas, sizes of chunks, roots and proofs (07)."""

from collections.abc import Mapping
from itertools import groupby

from swarmp2p.crypto.merkle import MerkleTree, leaf_hash, verify_chunk
from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.target.notation import Input, Operation, Output, data_of
from swarmp2p.wire.registry import ENCODINGS
from swarmp2p.wire.tensors import Schema, TensorSpec, chunk_sizes
from swarmp2p.wire.tensors import decode_schema as schema_from

_UNKNOWN = 0  # no encoding has this number


def decode_schema(given: Input) -> Output:
    """Answer `schema.decode`."""
    schema = schema_from(data_of(given["data"]))
    tensors = [
        {"name": one.name, "dtype": one.dtype, "shape": list(one.shape), "stat": one.stat}
        for one in schema.tensors
    ]
    return {"tensors": tensors, "hash": schema.schema_hash.hex()}


def encode_schema(given: Input) -> Output:
    """Answer `schema.encode`."""
    tensors = (
        TensorSpec(one["name"], one["dtype"], tuple(one["shape"]), stat=one["stat"])
        for one in given["tensors"]
    )
    schema = Schema(tuple(tensors))
    return {"data": schema.encode().hex(), "hash": schema.schema_hash.hex()}


def own_schema(given: Input) -> Schema:
    """The run's own schema. Raises LocalProtocolError: no peer is to blame for a bad one."""
    try:
        return schema_from(data_of(given["schema"]))
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"our own schema: {error}") from error


def layout_sizes(given: Input) -> Output:
    """Answer `layout.sizes`."""
    sizes = chunk_sizes(own_schema(given), ENCODINGS.get(given["encoding"], _UNKNOWN))
    return {"sizes": [[size, len(list(equal))] for size, equal in groupby(sizes)]}


def blob_root(given: Input) -> Output:
    """Answer `blob.root`."""
    chunks = (data_of(chunk) for chunk in given["chunks"])
    tree = MerkleTree([leaf_hash(index, chunk) for index, chunk in enumerate(chunks)])
    proofs = [[node.hex() for node in tree.proof(index)] for index in range(len(tree))]
    return {"root": tree.root.hex(), "proofs": proofs}


def verify_one_chunk(given: Input) -> Output:
    """Answer `chunk.verify`."""
    verify_chunk(
        data_of(given["root"]),
        given["count"],
        given["index"],
        data_of(given["data"]),
        [data_of(node) for node in given["proof"]],
    )
    return {}


OPERATIONS: Mapping[str, Operation] = {
    "schema.decode": decode_schema,
    "schema.encode": encode_schema,
    "layout.sizes": layout_sizes,
    "blob.root": blob_root,
    "chunk.verify": verify_one_chunk,
}
