"""What hostile bytes can cost: under 1 MiB for a control frame, 8 MiB for a schema."""

import gc
import tracemalloc
from collections.abc import Callable
from hashlib import shake_256
from typing import Any

import pytest
from test_run_manifest import MANIFEST as RUN_MANIFEST

from swarmp2p.errors import RemoteProtocolError
from swarmp2p.wire import canonical
from swarmp2p.wire.envelope import EVERYONE, Header, decode_envelope, encode_envelope
from swarmp2p.wire.messages import (
    ChunkReply,
    ChunkRequest,
    Hello,
    UpdateManifest,
    decode_chunk_reply,
    decode_chunk_request,
    decode_hello,
    decode_update_manifest,
    encode_chunk_reply,
    encode_chunk_request,
    encode_hello,
    encode_update_manifest,
)
from swarmp2p.wire.registry import (
    MAX_CONTROL_FRAME,
    MAX_ENVELOPE_BYTES,
    MAX_ITEMS,
    MAX_SCHEMA_BYTES,
    MAX_TENSORS,
)
from swarmp2p.wire.run_manifest import decode_run_manifest, encode_run_manifest
from swarmp2p.wire.tensors import decode_schema

MIB = 1 << 20
SIZE = MAX_CONTROL_FRAME
# Four bytes a letter in memory, for this one and for every other letter of its string.
WIDE = "\U0001f600"
MAP_OF_SIX = b"\x86" + b"".join(b"\xa1" + bytes([65 + n]) + b"\xc0" for n in range(6))
HASH = bytes(32)


def text(value: str) -> bytes:
    data = value.encode()
    return (bytes([0xA0 + len(data)]) if len(data) < 32 else b"\xd9" + bytes([len(data)])) + data


def array(items: list[bytes]) -> bytes:
    return b"\xdc" + len(items).to_bytes(2) + b"".join(items)


def repeated(item: bytes, size: int, values: int = 1) -> bytes:
    """As many items as fit into `size` bytes and, in a message, into MAX_ITEMS values."""
    return array([item] * min((MAX_ITEMS - 32) // values, (size - 3) // len(item)))


def wide_maps(size: int) -> bytes:
    """Maps of one entry; every key and text is long, wide and different."""
    entries = [
        b"\x81" + text(f"{WIDE}{n:018}") + text(f"{WIDE}{n:017}")
        for n in range(min((MAX_ITEMS - 32) // 3, (size - 3) // 46))
    ]
    return array(entries)


def hostile(size: int) -> dict[str, bytes]:
    """Values of at most `size` bytes."""
    return {
        "nested arrays": b"\x91" * size,
        "arrays nested as deep as allowed": repeated(b"\x91" * 3 + b"\x90", size, 4),
        "empty maps": repeated(b"\x80", size),
        "too many empty maps": array([b"\x80"] * (size - 3)),
        "empty maps in several arrays": array([array([b"\x80"] * 4_000)] * (size // 4_010)),
        "maps of six nils": repeated(MAP_OF_SIX, size, 13),
        "nils": repeated(b"\xc0", size),
        "strings of one byte": repeated(b"\xa1\x01", size),
        "strings of one wide letter": repeated(text(WIDE), size),
        "wide strings whose repr is wider": repeated(text(WIDE + "\x01" * 11), size),
        "long wide strings": repeated(text(WIDE + "\x01" * 250), size),
        "wide maps": wide_maps(size),
        "large integers": repeated(b"\xcf" + b"\xff" * 8, size),
        "one long bin": b"\xc5" + (size - 3).to_bytes(2) + bytes(size - 3),
        "random": shake_256(b"frame").digest(size),
        "random items": array([bytes([byte % 0x80]) for byte in shake_256(b"i").digest(4_000)]),
    }


def peak(decode: Callable[[bytes], Any], data: bytes, bound: int = MIB) -> int:
    """The most memory that decode(data) takes, in bytes.

    Near the bound it is the least of three measurements, since the interpreter's own table of
    interned strings may grow during one.
    """
    peaks: list[int] = []
    while len(peaks) < 3 and (not peaks or min(peaks) > bound * 7 // 8):
        gc.collect(0)
        tracemalloc.start()
        kept: Any = None
        try:
            kept = decode(data)
        except RemoteProtocolError as error:
            kept = error
        finally:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert kept is not None
    return min(peaks)


@pytest.mark.parametrize("name", hostile(SIZE))
def test_decode__of_a_hostile_frame_stays_under_a_mebibyte(name: str) -> None:
    data = hostile(SIZE)[name]
    assert len(data) <= SIZE
    assert peak(canonical.decode, data) < MIB


def test_decode__of_the_largest_legal_value_stays_under_a_mebibyte() -> None:
    largest = array([b"\xce\xff\xff\xff\xff"] * (MAX_ITEMS - 1))
    assert len(canonical.decode(largest)) == MAX_ITEMS - 1
    assert peak(canonical.decode, largest) < MIB


CODECS: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "hello": (decode_hello, encode_hello(Hello(1, HASH, "a", tuple(range(32)), 0))),
    "chunk request": (decode_chunk_request, encode_chunk_request(ChunkRequest(HASH, 0))),
    "chunk reply": (
        decode_chunk_reply,
        encode_chunk_reply(ChunkReply(0, HASH, 0, 1, (HASH,) * 13)),
    ),
    "run manifest": (decode_run_manifest, encode_run_manifest(RUN_MANIFEST)),
    "update manifest": (
        decode_update_manifest,
        encode_update_manifest(
            UpdateManifest(HASH, HASH, 1, HASH, HASH, 1, tuple((f"m{n:031}", n) for n in range(10)))
        ),
    ),
}


@pytest.mark.parametrize("name", hostile(SIZE))
@pytest.mark.parametrize("codec", CODECS)
def test_message__with_a_hostile_field_stays_under_a_mebibyte(codec: str, name: str) -> None:
    decode, example = CODECS[codec]
    fields = {key: canonical.encode(value) for key, value in canonical.decode(example).items()}
    value = hostile(SIZE - len(example) - 8)[name]
    for key in fields:
        data = written(fields | {key: value})
        assert len(data) <= SIZE
        assert peak(decode, data) < MIB, key


def written(fields: dict[str, bytes]) -> bytes:
    """The map of these encoded values."""
    head = bytes([0x80 + len(fields)]) if len(fields) < 16 else b"\xde" + len(fields).to_bytes(2)
    return head + b"".join(text(key) + fields[key] for key in sorted(fields))


@pytest.mark.parametrize("name", hostile(SIZE))
def test_run_manifest__with_a_hostile_constant_stays_under_a_mebibyte(name: str) -> None:
    decode, example = CODECS["run manifest"]
    fields = {key: canonical.encode(value) for key, value in canonical.decode(example).items()}
    options = written({"x": hostile(SIZE - len(example) - 8)[name]})
    assert peak(decode, written(fields | {"options": options})) < MIB


@pytest.mark.parametrize("codec", CODECS)
def test_message__that_is_legal_stays_under_a_mebibyte(codec: str) -> None:
    decode, example = CODECS[codec]
    assert peak(decode, example) < MIB


def test_envelope__of_the_largest_size_stays_under_a_mebibyte() -> None:
    header = Header("x" * 31, 1, 0, 0, 0, 0, HASH, EVERYONE, 1)
    room = MAX_ENVELOPE_BYTES - len(encode_envelope(header, b"x", bytes(64))) + 1
    data = encode_envelope(header, bytes(room), bytes(64))
    assert len(data) == MAX_ENVELOPE_BYTES
    assert peak(decode_envelope, data) < MIB


def tensors(name: str, rank: int, size: int, count: int = MAX_TENSORS) -> bytes:
    """An encoded schema of `count` tensors whose names begin with `name`."""
    parts = [b"swarmp2p/v1/schema\x00", count.to_bytes(4)]
    for n in range(count):
        whole = f"{name}{n:023}".encode()
        parts += [bytes([len(whole)]), whole, bytes([3, 0, rank]), size.to_bytes(4) * rank]
    return b"".join(parts)


SCHEMAS = {
    "legal, wide names, rank 8": tensors(WIDE, 8, 1),
    "legal, scalars": tensors("", 0, 1),
    "legal, long names": tensors("n" * 230, 0, 1, 1_000),
    "too many elements": tensors(WIDE, 8, 2**32 - 1),
    "broken in its last tensor": tensors(WIDE, 8, 1)[:-1],
    "promises tensors": tensors("", 0, 1, 0)[:-4] + MAX_TENSORS.to_bytes(4),
    "random": tensors("", 0, 1, 0)[:-4] + b"\x00\x00\x10\x00" + shake_256(b"s").digest(250_000),
    "too long": bytes(MAX_SCHEMA_BYTES + 1),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema__of_any_256_kib_stays_under_eight_mebibytes(name: str) -> None:
    """Its own bound: 4,096 names and shapes as objects. A node decodes one schema, its run's."""
    assert peak(decode_schema, SCHEMAS[name], 8 * MIB) < 8 * MIB
