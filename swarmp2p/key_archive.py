"""The archive of a site: both keys and all that was signed with them, sealed (spec/03-identity).

Frames of canonical values: a head, the guard rows, the reserved sequence numbers. Keys without
guard rows may sign a slot twice, so an archive has no way to leave the rows out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from swarmp2p.crypto.keys import Secret
from swarmp2p.crypto.sealing import SEAL_BYTES, TokenSource, open_sealed, seal
from swarmp2p.errors import ConfigError, LocalProtocolError, RemoteProtocolError, StateError
from swarmp2p.seams import Slot
from swarmp2p.store.guards import GuardRow, GuardState, SequenceRow
from swarmp2p.wire import canonical
from swarmp2p.wire.fields import Fields
from swarmp2p.wire.frames import FrameDecoder, encode_frame
from swarmp2p.wire.registry import (
    MAX_BIN,
    MAX_CONTROL_FRAME,
    MAX_KIND_BYTES,
    TAG_KEY_ARCHIVE,
    TAG_SEALED_KEY,
)

VERSION = 1
MAX_BYTES = 1 << 27  # 128 MiB: some 100,000 rounds of guard rows; read and sealed in one piece
_MAX_ROWS = MAX_BYTES // 32  # a row has more bytes than that
_MAX_ROW = 2 * MAX_CONTROL_FRAME  # a guard row's body has up to one, and there is its key
_MAX_INTEGER = 2**63 - 1  # of a column in SQLite
_ANY_VERSION = re.compile(re.escape(TAG_KEY_ARCHIVE).replace(b"/v1/", rb"/v\d{1,9}/"))

_HEAD = ("account", "guards", "seed", "sequences", "version")
_GUARD = ("attempt", "body", "domain", "index", "kind", "recipient", "round")
_SEQUENCE = ("domain", "kind", "recipient", "reserved")


@dataclass(frozen=True)
class KeyArchive:
    """What moves a site: its identity's seed, its account's key (32 bytes each), what it signed."""

    seed: Secret
    account: Secret
    state: GuardState


def seal_archive(archive: KeyArchive, passphrase: Secret, rng: TokenSource) -> bytes:
    """The archive as a file. Raises StateError for rows that no archive holds."""
    blob = seal(TAG_KEY_ARCHIVE, encode_archive(archive), passphrase, rng)
    if len(blob) > MAX_BYTES:
        raise StateError(
            f"the guard rows make an archive of {len(blob)} bytes; at most {MAX_BYTES} are read"
            " back: move the state directory as a whole instead"
        )
    return blob


def open_archive(blob: bytes, passphrase: Secret) -> KeyArchive:
    """What `seal_archive` sealed. Raises ConfigError for any other bytes."""
    check_archive(blob)
    return decode_archive(open_sealed(TAG_KEY_ARCHIVE, blob, passphrase, "the archive"))


def check_archive(blob: bytes) -> None:
    """Refuse what can be told apart without a passphrase. Raises ConfigError."""
    if blob.startswith(TAG_KEY_ARCHIVE) and len(blob) > len(TAG_KEY_ARCHIVE) + SEAL_BYTES:
        return
    keystore = blob.lstrip().startswith(b"{") and b'"crypto"' in blob[:MAX_CONTROL_FRAME]
    if blob.startswith(TAG_SEALED_KEY) or keystore:
        raise ConfigError(
            "this is a bare key file, which does not say what was signed with it; import an"
            " archive of `swarmp2p keys export` (docs/howto/keep-keys.md)"
        )
    if _ANY_VERSION.match(blob) and not blob.startswith(TAG_KEY_ARCHIVE):
        raise ConfigError("this archive has another version than this program; use a newer one")
    raise ConfigError("this is no archive of `swarmp2p keys export`, or the file was cut off")


def encode_archive(archive: KeyArchive) -> bytes:
    """The frames, not sealed yet. Raises StateError."""
    head = {
        "version": VERSION,
        "seed": archive.seed.reveal(),
        "account": archive.account.reveal(),
        "guards": len(archive.state.guards),
        "sequences": len(archive.state.sequences),
    }
    try:
        rows = [head, *map(_guard, archive.state.guards), *map(_sequence, archive.state.sequences)]
        data = b"".join(_frame(row) for row in rows)
        readable = decode_archive(data) == archive
    except (ConfigError, LocalProtocolError, TypeError):
        readable = False
    if not readable:  # better found out now than when it is needed
        raise StateError("the state database holds a row that no node has written")
    return data


def decode_archive(data: bytes) -> KeyArchive:
    """What `encode_archive` wrote, to the byte. Raises ConfigError."""
    try:
        return _decode(data)
    except RemoteProtocolError as error:
        raise ConfigError(f"the archive is damaged: {error}") from None


def _decode(data: bytes) -> KeyArchive:
    frames = _frames(data)
    head = _value(frames)
    if type(head) is dict and head.get("version", VERSION) != VERSION:
        raise ConfigError(
            f"the archive has version {head['version']!r:.20}, this program reads {VERSION}; use"
            " the program that wrote it, or a newer one"
        )
    top = Fields(head, "head", _HEAD)
    top.uint("version", VERSION, VERSION)
    seed, account = Secret(top.hash("seed")), Secret(top.hash("account"))
    guards = [_guard_row(_value(frames)) for _ in range(top.uint("guards", 0, _MAX_ROWS))]
    sequences = [_sequence_row(_value(frames)) for _ in range(top.uint("sequences", 0, _MAX_ROWS))]
    if next(frames, None) is not None:
        raise ConfigError("the archive is damaged: rows follow the last one")
    if len({(row.domain, row.slot) for row in guards}) != len(guards):
        raise ConfigError("the archive is damaged: a slot stands there twice")
    if len({(row.domain, row.kind, row.recipient) for row in sequences}) != len(sequences):
        raise ConfigError("the archive is damaged: a sequence stands there twice")
    return KeyArchive(seed, account, GuardState(tuple(guards), tuple(sequences)))


def _frames(data: bytes) -> Iterator[bytes]:
    decoder = FrameDecoder(_MAX_ROW)
    decoder.feed(data)
    while (frame := decoder.next_item()) is not None:
        yield frame
    decoder.receive_eof()


def _value(frames: Iterator[bytes]) -> Any:
    frame = next(frames, None)
    if frame is None:
        raise ConfigError("the archive is damaged: it has fewer rows than it says")
    return canonical.decode(frame, max_bytes=_MAX_ROW)


def _frame(value: Any) -> bytes:
    return encode_frame(canonical.encode(value, max_bytes=_MAX_ROW), max_frame=_MAX_ROW)


def _guard(row: GuardRow) -> dict[str, Any]:
    slot = row.slot
    return {
        "domain": row.domain,
        "kind": slot.kind,
        "round": slot.round,
        "attempt": slot.attempt,
        "recipient": slot.recipient,
        "index": slot.index,
        "body": _parts(row.body),
    }


def _guard_row(value: Any) -> GuardRow:
    fields = Fields(value, "guard row", _GUARD)
    parts = fields.items("body", 2)
    if any(type(part) is not bytes for part in parts) or _parts(b"".join(parts)) != parts:
        raise ConfigError("the archive is damaged: a guard row's body is no bytes")
    slot = Slot(
        fields.text("kind", 1, MAX_KIND_BYTES),
        fields.uint("round", 0, _MAX_INTEGER),
        fields.uint("attempt", 0, _MAX_INTEGER),
        _bytes(fields, "recipient"),
        fields.uint("index", 0, _MAX_INTEGER),
    )
    return GuardRow(fields.hash("domain"), slot, b"".join(parts))


def _sequence(row: SequenceRow) -> dict[str, Any]:
    return {
        "domain": row.domain,
        "kind": row.kind,
        "recipient": row.recipient,
        "reserved": row.reserved,
    }


def _sequence_row(value: Any) -> SequenceRow:
    fields = Fields(value, "sequence", _SEQUENCE)
    return SequenceRow(
        fields.hash("domain"),
        fields.text("kind", 1, MAX_KIND_BYTES),
        _bytes(fields, "recipient"),
        fields.uint("reserved", 0, _MAX_INTEGER),
    )


def _parts(body: bytes) -> list[bytes]:
    """A body can be a byte longer than the longest bin."""
    return [body[start : start + MAX_BIN] for start in range(0, len(body), MAX_BIN)]


def _bytes(fields: Fields, key: str) -> bytes:
    value = fields.value(key)
    if type(value) is not bytes:
        raise ConfigError(f"the archive is damaged: {key} is no bytes")
    return value
