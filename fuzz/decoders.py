"""Checks of the decoders that turn one byte string, or a stream of frames, into values."""

from collections.abc import Callable
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fuzz.plans import Plan, splits
from swarmp2p.crypto.keys import verify_signature
from swarmp2p.crypto.merkle import MerkleTree, leaf_hash, verify_chunk
from swarmp2p.errors import RemoteProtocolError
from swarmp2p.wire import canonical, messages
from swarmp2p.wire.envelope import decode_envelope, encode_envelope, signing_preimage
from swarmp2p.wire.frames import FrameDecoder, encode_frame
from swarmp2p.wire.registry import MAX_CHUNK_BYTES, MAX_CHUNKS, Code
from swarmp2p.wire.run_manifest import (
    decode_run_manifest,
    encode_run_manifest,
    pack_constant,
    unpack_constant,
)
from swarmp2p.wire.tensors import Schema, chunk_sizes, decode_schema

_Value = TypeVar("_Value")

MAX_BLOB = 33  # chunks; trees of every shape up to six levels
BLOB = [bytes([n]) * (n % 7 + 1) for n in range(MAX_BLOB)]
_LEAVES = [leaf_hash(index, data) for index, data in enumerate(BLOB)]
TREES = [MerkleTree(_LEAVES[:count]) for count in range(1, MAX_BLOB + 1)]


def _round_trip(
    decode: Callable[[bytes], _Value], encode: Callable[[_Value], bytes], data: bytes
) -> _Value | None:
    """What `data` decodes to, or None where it is refused."""
    try:
        decoded = decode(data)
    except RemoteProtocolError:
        return None
    assert encode(decoded) == data, "an accepted value has another encoding"
    return decoded


def value(data: bytes) -> None:
    """Any value of the wire profile."""
    _round_trip(canonical.decode, canonical.encode, data)


def hello(data: bytes) -> None:
    """A Hello."""
    _round_trip(messages.decode_hello, messages.encode_hello, data)


def chunk_request(data: bytes) -> None:
    """A ChunkRequest."""
    _round_trip(messages.decode_chunk_request, messages.encode_chunk_request, data)


def chunk_reply(data: bytes) -> None:
    """A ChunkReply."""
    _round_trip(messages.decode_chunk_reply, messages.encode_chunk_reply, data)


def update_manifest(data: bytes) -> None:
    """An UpdateManifest; its metrics have a value."""
    manifest = _round_trip(messages.decode_update_manifest, messages.encode_update_manifest, data)
    for _, metric in manifest.metrics if manifest else ():
        messages.metric_float(metric)


def run_manifest(data: bytes) -> None:
    """A run manifest; its constants become Python's and are written back as they were."""
    manifest = _round_trip(decode_run_manifest, encode_run_manifest, data)
    if manifest is not None:
        for part in (manifest.merge_params, manifest.optimiser_params, manifest.options):
            assert pack_constant(unpack_constant(part)) == part


def schema(data: bytes) -> None:
    """A schema; the sizes of its chunks are within bounds."""
    decoded = _round_trip(decode_schema, Schema.encode, data)
    if decoded is not None:
        sizes = chunk_sizes(decoded)
        assert 1 <= len(sizes) <= MAX_CHUNKS
        assert all(1 <= size <= MAX_CHUNK_BYTES for size in sizes)


def envelope(data: bytes) -> None:
    """An envelope; whatever is accepted has a preimage."""
    try:
        decoded = decode_envelope(data)
    except RemoteProtocolError:
        return
    assert encode_envelope(decoded.header, decoded.body, decoded.signature) == data
    signing_preimage(decoded.header, bytes(32), decoded.body)


def signature(data: bytes) -> None:
    """Public key, signature, message. What we accept, an independent library accepts."""
    plan = Plan(data)
    public, signed, message = plan.take(32), plan.take(64), plan.rest()
    try:
        verify_signature(public, message, signed)
    except RemoteProtocolError as error:
        assert error.code == Code.BAD_SIGNATURE
        return
    Ed25519PublicKey.from_public_bytes(public).verify(signed, message)


def proof(data: bytes) -> None:
    """Number of chunks, index, proof, chunk: accepted only as the blob has them."""
    plan = Plan(data)
    count, index = plan.uint() % MAX_BLOB + 1, plan.uint(2)
    nodes = tuple(plan.take(32) for _ in range(plan.uint() % 16))
    chunk = plan.rest()
    tree = TREES[count - 1]
    try:
        verify_chunk(tree.root, count, index, chunk, nodes)
    except RemoteProtocolError as error:
        assert error.code == Code.BAD_PROOF
        return
    assert (chunk, nodes) == (BLOB[index], tree.proof(index)), "a forged chunk"


def frames(data: bytes) -> None:
    """Cuts, then a stream: frames whose first byte, if below 64, announces raw bytes."""
    plan = Plan(data)
    cuts, stream = plan.cuts(), plan.rest()
    whole, cut = (_frames_of(way) for way in splits(stream, cuts))
    assert whole == cut, "the split shows"
    written = b"".join(raw if is_raw else encode_frame(raw) for is_raw, raw in whole[0])
    assert stream.startswith(written)


def _frames_of(parts: list[bytes]) -> tuple[list[tuple[bool, bytes]], list[int]]:
    """(items, each with whether it is raw; codes of the errors)."""
    decoder = FrameDecoder()
    items: list[tuple[bool, bytes]] = []
    codes: list[int] = []
    raw = False
    try:
        for part in parts:
            decoder.feed(part)
            while (item := decoder.next_item()) is not None:
                items.append((raw, item))
                raw = not raw and 0 < item[0] < 0x40
                if raw:
                    decoder.take_raw(item[0])
        decoder.receive_eof()
    except RemoteProtocolError as error:
        codes.append(error.code)
    return items, codes
