"""The messages: one frozen dataclass each, with its encode_ and decode_ pair.

Every message is a closed map with one-letter keys (spec/schema/messages.cddl). Decoders raise only
RemoteProtocolError; encoders raise LocalProtocolError for whatever a decoder would refuse.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire import canonical
from swarmp2p.wire.fields import Fields
from swarmp2p.wire.registry import (
    ENCODINGS,
    MAX_AGENT_BYTES,
    MAX_CHUNK_BYTES,
    MAX_CHUNKS,
    MAX_EXTENSION_ID,
    MAX_EXTENSIONS,
    MAX_METRIC_NAME_BYTES,
    MAX_METRICS,
    MAX_PROOF_NODES,
    MAX_UINT,
    MAX_WEIGHT,
    METRIC_BIAS,
    Code,
)

_Message = TypeVar("_Message")

_MICRO = 1_000_000
_METRIC_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-")


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of each side on a connection."""

    wire_version: int
    domain: bytes  # 32 bytes
    agent: str  # program and version, printable ASCII
    extensions: tuple[int, ...]  # ids, rising
    key_epoch: int


@dataclass(frozen=True, slots=True)
class ChunkRequest:
    """Asks for chunk `index` of the blob named `root`."""

    root: bytes
    index: int


@dataclass(frozen=True, slots=True)
class ChunkReply:
    """Answers the oldest open request; `size` raw bytes follow when `code` is OK."""

    code: int
    root: bytes
    index: int
    size: int
    proof: tuple[bytes, ...]  # sibling hashes, leaf upwards


@dataclass(frozen=True, slots=True)
class UpdateManifest:
    """Reveals what a commitment on the chain binds its sender to."""

    base_digest: bytes
    schema_hash: bytes
    encoding: int
    root: bytes
    salt: bytes
    weight: int
    metrics: tuple[tuple[str, int], ...] = ()  # (name, metric_value()), names rising


def metric_value(value: float) -> int:
    """A metric as it is sent: micro-units, rounded half to even, biased by 2^63.

    Raises LocalProtocolError when `value` is not finite or beyond about 9.2e12.
    """
    try:
        biased = round(value * _MICRO) + METRIC_BIAS
    except (OverflowError, ValueError):
        biased = -1
    if not 0 <= biased <= MAX_UINT:
        raise LocalProtocolError(f"metric {value} cannot be sent: it must lie within +-9.2e12")
    return biased


def metric_float(biased: int) -> float:
    """The metric that `biased` (from the wire) stands for."""
    return (biased - METRIC_BIAS) / _MICRO


def encode_hello(message: Hello) -> bytes:
    """Canonical bytes of a Hello."""
    fields = {
        "a": message.agent,
        "d": message.domain,
        "e": list(message.extensions),
        "k": message.key_epoch,
        "v": message.wire_version,
    }
    return _encoded(message, fields, decode_hello)


def decode_hello(data: bytes) -> Hello:
    """Read a Hello. Whether version and domain suit us is judged by the hello machine."""
    fields = Fields(canonical.decode(data), "hello", "adekv")
    agent = fields.text("a", 0, MAX_AGENT_BYTES)
    if not all(" " <= letter <= "~" for letter in agent):
        raise RemoteProtocolError(Code.MALFORMED, "hello: a is not printable ASCII")
    domain = fields.hash("d")
    extensions = tuple(fields.items("e", MAX_EXTENSIONS))
    if not all(type(one) is int and one <= MAX_EXTENSION_ID for one in extensions):
        raise RemoteProtocolError(Code.MALFORMED, "hello: e holds something else than u32 ids")
    _require_rising(extensions, "hello: e")
    key_epoch = fields.uint("k", 0, MAX_UINT)
    return Hello(fields.uint("v", 0, 0xFFFF), domain, agent, extensions, key_epoch)


def encode_chunk_request(message: ChunkRequest) -> bytes:
    """Canonical bytes of a ChunkRequest."""
    return _encoded(message, {"i": message.index, "r": message.root}, decode_chunk_request)


def decode_chunk_request(data: bytes) -> ChunkRequest:
    """Read a ChunkRequest."""
    fields = Fields(canonical.decode(data), "chunk request", "ir")
    index = fields.uint("i", 0, MAX_CHUNKS - 1)
    return ChunkRequest(fields.hash("r"), index)


def encode_chunk_reply(message: ChunkReply) -> bytes:
    """Canonical bytes of a ChunkReply, without the raw bytes that follow it."""
    fields = {
        "c": int(message.code),
        "i": message.index,
        "p": list(message.proof),
        "r": message.root,
        "s": message.size,
    }
    return _encoded(message, fields, decode_chunk_reply)


def decode_chunk_reply(data: bytes) -> ChunkReply:
    """Read a ChunkReply. Only an OK reply carries a size and a proof."""
    fields = Fields(canonical.decode(data), "chunk reply", "ciprs")
    code, index = fields.uint("c", 0, 255), fields.uint("i", 0, MAX_CHUNKS - 1)
    proof = tuple(fields.items("p", MAX_PROOF_NODES))
    if not all(type(node) is bytes and len(node) == 32 for node in proof):
        raise RemoteProtocolError(Code.MALFORMED, "chunk reply: p holds something else than hashes")
    root = fields.hash("r")
    reply = ChunkReply(code, root, index, fields.uint("s", 0, MAX_CHUNK_BYTES), proof)
    # CHUNK-008: a payload comes with OK and only with OK.
    if (reply.code == Code.OK) != (reply.size > 0) or (reply.proof and reply.code != Code.OK):
        raise RemoteProtocolError(
            Code.MALFORMED,
            f"chunk reply: code {reply.code} with {reply.size} bytes, {len(proof)} proof nodes",
        )
    return reply


def encode_update_manifest(message: UpdateManifest) -> bytes:
    """Canonical bytes of an UpdateManifest, the body of an `update-manifest` envelope."""
    fields = {
        "b": message.base_digest,
        "e": message.encoding,
        "h": message.schema_hash,
        "m": dict(message.metrics),
        "r": message.root,
        "s": message.salt,
        "w": message.weight,
    }
    return _encoded(message, fields, decode_update_manifest)


def decode_update_manifest(data: bytes) -> UpdateManifest:
    """Read an UpdateManifest. Whether it matches the chain is judged by the gossip rules."""
    fields = Fields(canonical.decode(data), "update manifest", "behmrsw")
    base_digest = fields.hash("b")
    encoding = fields.uint("e", 0, 255)
    if encoding not in ENCODINGS.values():
        raise RemoteProtocolError(
            Code.MALFORMED,
            f"update manifest: encoding {encoding} is not one of {sorted(ENCODINGS.values())}",
        )
    schema_hash = fields.hash("h")
    metrics = fields.mapping("m", MAX_METRICS)
    for name, value in metrics.items():
        if not 1 <= len(name) <= MAX_METRIC_NAME_BYTES or not _METRIC_NAME.issuperset(name):
            raise RemoteProtocolError(Code.MALFORMED, f"update manifest: metric name {name!r:.80}")
        if type(value) is not int:
            raise RemoteProtocolError(Code.MALFORMED, f"update manifest: metric {name} is no u64")
    return UpdateManifest(
        base_digest=base_digest,
        schema_hash=schema_hash,
        encoding=encoding,
        root=fields.hash("r"),
        salt=fields.hash("s"),
        weight=fields.uint("w", 1, MAX_WEIGHT),
        metrics=tuple(metrics.items()),
    )


def _require_rising(values: tuple[int, ...], what: str) -> None:
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise RemoteProtocolError(Code.NOT_CANONICAL, f"{what} does not rise strictly")


def _encoded(
    message: _Message, fields: dict[str, Any], decode: Callable[[bytes], _Message]
) -> bytes:
    """Encode, then read back: nothing leaves that the other side would refuse or read otherwise."""
    data = canonical.encode(fields)
    try:
        same = decode(data) == message
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"cannot be sent: {error}") from error
    if not same:
        raise LocalProtocolError(f"cannot be sent: {message!r:.200} is not in canonical form")
    return data
