"""Messages of streams and gossip, one decode and one encode each (05, 07, 08)."""

from collections.abc import Mapping
from typing import Any

from swarmp2p.target.notation import Input, Operation, Output, data_of
from swarmp2p.wire import messages as wire


def hello_of(fields: Input) -> wire.Hello:
    """A hello from its fields."""
    return wire.Hello(
        wire_version=fields["wire_version"],
        domain=data_of(fields["domain"]),
        agent=fields["agent"],
        extensions=tuple(fields["extensions"]),
        key_epoch=int(fields["key_epoch"]),
    )


def decode_hello(given: Input) -> Output:
    """Answer `hello.decode`."""
    hello = wire.decode_hello(data_of(given["data"]))
    return {
        "agent": hello.agent,
        "domain": hello.domain.hex(),
        "extensions": list(hello.extensions),
        "key_epoch": str(hello.key_epoch),
        "wire_version": hello.wire_version,
    }


def encode_hello(given: Input) -> Output:
    """Answer `hello.encode`."""
    return {"data": wire.encode_hello(hello_of(given)).hex()}


def decode_chunk_request(given: Input) -> Output:
    """Answer `chunk_request.decode`."""
    request = wire.decode_chunk_request(data_of(given["data"]))
    return {"index": request.index, "root": request.root.hex()}


def encode_chunk_request(given: Input) -> Output:
    """Answer `chunk_request.encode`."""
    request = wire.ChunkRequest(data_of(given["root"]), given["index"])
    return {"data": wire.encode_chunk_request(request).hex()}


def decode_chunk_reply(given: Input) -> Output:
    """Answer `chunk_reply.decode`."""
    reply = wire.decode_chunk_reply(data_of(given["data"]))
    return {
        "code": reply.code,
        "index": reply.index,
        "proof": [node.hex() for node in reply.proof],
        "root": reply.root.hex(),
        "size": reply.size,
    }


def encode_chunk_reply(given: Input) -> Output:
    """Answer `chunk_reply.encode`."""
    reply = wire.ChunkReply(
        code=given["code"],
        root=data_of(given["root"]),
        index=given["index"],
        size=given["size"],
        proof=tuple(data_of(node) for node in given["proof"]),
    )
    return {"data": wire.encode_chunk_reply(reply).hex()}


def decode_update_manifest(given: Input) -> Output:
    """Answer `update_manifest.decode`."""
    manifest = wire.decode_update_manifest(data_of(given["data"]))
    return {
        "base_digest": manifest.base_digest.hex(),
        "encoding": manifest.encoding,
        "schema_hash": manifest.schema_hash.hex(),
        "metrics": {name: str(value) for name, value in manifest.metrics},
        "root": manifest.root.hex(),
        "salt": manifest.salt.hex(),
        "weight": manifest.weight,
    }


def encode_update_manifest(given: Input) -> Output:
    """Answer `update_manifest.encode`."""
    manifest = wire.UpdateManifest(
        base_digest=data_of(given["base_digest"]),
        schema_hash=data_of(given["schema_hash"]),
        encoding=given["encoding"],
        root=data_of(given["root"]),
        salt=data_of(given["salt"]),
        weight=given["weight"],
        # An object of JSON has no order; the message's is that of the names' bytes.
        metrics=tuple(sorted(_metrics(given["metrics"]))),
    )
    return {"data": wire.encode_update_manifest(manifest).hex()}


def _metrics(given: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [(name, int(value)) for name, value in given.items()]


OPERATIONS: Mapping[str, Operation] = {
    "hello.decode": decode_hello,
    "hello.encode": encode_hello,
    "chunk_request.decode": decode_chunk_request,
    "chunk_request.encode": encode_chunk_request,
    "chunk_reply.decode": decode_chunk_reply,
    "chunk_reply.encode": encode_chunk_reply,
    "update_manifest.decode": decode_update_manifest,
    "update_manifest.encode": encode_update_manifest,
}
