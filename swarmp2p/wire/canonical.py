"""The wire profile of msgpack: one byte string per value, one value per byte string.

Values are None, bool, int (0 .. 2^64-1), str, bytes, list and dict with str keys. There are no
floats, negative integers, extensions or 32-bit containers (spec/02-encoding). A scan of the bytes
bounds everything before msgpack allocates anything.
"""

from typing import Any

import msgpack

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.registry import (
    MAX_BIN,
    MAX_CONTROL_FRAME,
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_MAP,
    MAX_STR,
    MAX_UINT,
    Code,
)

_MAX_U16 = 0xFFFF


def encode(value: Any, *, max_bytes: int = MAX_CONTROL_FRAME) -> bytes:
    """The canonical bytes of `value`; maps are sorted here, tuples count as lists.

    Raises LocalProtocolError when the profile cannot express the value.
    """
    data: bytes = msgpack.packb(_ordered(value, MAX_DEPTH), use_bin_type=True)
    try:
        _scan(data, max_bytes)
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"cannot be sent: {error}") from error
    return data


def decode(data: bytes, *, max_bytes: int = MAX_CONTROL_FRAME) -> Any:
    """The value whose canonical encoding is `data`, so that encode(decode(data)) == data.

    Raises RemoteProtocolError: TOO_LARGE, TOO_MANY, NOT_CANONICAL or MALFORMED.
    """
    _scan(data, max_bytes)
    return msgpack.unpackb(data, raw=False, strict_map_key=True)


def _ordered(value: Any, depth: int) -> Any:
    """`value` with every map in key order. Raises LocalProtocolError for a foreign type."""
    kind = type(value)
    if kind in (bool, bytes) or value is None:
        return value
    if kind is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise LocalProtocolError("cannot be sent: a str is not Unicode text") from None
        return value
    if isinstance(value, int) and 0 <= value <= MAX_UINT:
        return int(value)
    if kind not in (list, tuple, dict):
        raise LocalProtocolError(
            f"cannot be sent: {kind.__name__} {value!r:.40} is outside the wire profile "
            "(None, bool, int 0..2^64-1, str, bytes, list, dict)"
        )
    if depth == 0:
        raise LocalProtocolError(f"cannot be sent: nested deeper than {MAX_DEPTH} containers")
    if kind is not dict:
        return [_ordered(item, depth - 1) for item in value]
    if any(type(key) is not str for key in value):
        raise LocalProtocolError("cannot be sent: a map's key is not a str")
    # Code point order is the byte order of UTF-8.
    return {_ordered(key, depth): _ordered(value[key], depth - 1) for key in sorted(value)}


def _scan(data: bytes, max_bytes: int) -> None:
    """Raise RemoteProtocolError unless `data` is one canonical value within all limits."""
    if len(data) > max_bytes:
        raise RemoteProtocolError(
            Code.TOO_LARGE, f"a message of {len(data)} bytes; at most {max_bytes} are allowed"
        )
    scanner = _Scanner(data)
    scanner.value(MAX_DEPTH)
    if scanner.position != len(data):
        raise RemoteProtocolError(
            Code.MALFORMED, f"{len(data) - scanner.position} bytes follow the end of the value"
        )


class _Scanner:
    """One pass over the bytes; allocates nothing but the text of one string at a time."""

    __slots__ = ("data", "items", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.items = 0

    def value(self, depth: int) -> None:
        """Pass one value in which `depth` more containers may be nested."""
        self.count()
        tag = self.take(1)[0]
        if tag < 0x80 or tag in (0xC0, 0xC2, 0xC3):
            return
        if 0xA0 <= tag <= 0xBF or tag == 0xD9:
            self.text(tag)
        elif tag in (0xC4, 0xC5):
            self.take(self.length(tag - 0xC4, 0x00, MAX_BIN, "bin"))
        elif 0xCC <= tag <= 0xCF:
            self.uint(tag)
        elif 0x90 <= tag <= 0x9F or tag == 0xDC:
            self.array(tag, depth)
        elif 0x80 <= tag <= 0x8F or tag == 0xDE:
            self.map(tag, depth)
        else:  # ENC-004: floats, negative integers, ext and 32-bit forms are not in the grammar.
            raise RemoteProtocolError(Code.MALFORMED, f"type byte 0x{tag:02x} is not allowed")

    def count(self) -> None:
        self.items += 1
        if self.items > MAX_ITEMS:
            raise RemoteProtocolError(Code.TOO_MANY, f"more than {MAX_ITEMS} items")

    def take(self, size: int) -> bytes:
        start = self.position
        end = start + size
        if end > len(self.data):
            raise RemoteProtocolError(Code.MALFORMED, "the message ends inside a value")
        self.position = end
        return self.data[start:end]

    def length(self, width_log2: int, minimum: int, maximum: int, what: str) -> int:
        """A big-endian length of 2**width_log2 bytes, in its shortest form, within bounds."""
        length = int.from_bytes(self.take(1 << width_log2))
        # ENC-005: the shortest form; one byte would do for a bin below 256.
        if length < (256 if what == "bin" and width_log2 else minimum):
            raise RemoteProtocolError(Code.NOT_CANONICAL, f"length {length} of a {what} is padded")
        if length > maximum:
            raise RemoteProtocolError(Code.TOO_MANY, f"a {what} of {length}; at most {maximum}")
        return length

    def text(self, tag: int) -> bytes:
        """Pass a str and return its bytes."""
        size = tag & 0x1F if tag != 0xD9 else self.length(0, 32, MAX_STR, "str")
        text = self.take(size)
        try:
            text.decode()
        except UnicodeDecodeError:
            raise RemoteProtocolError(Code.MALFORMED, "a str is not UTF-8") from None
        return text

    def uint(self, tag: int) -> None:
        width = 1 << (tag - 0xCC)
        value = int.from_bytes(self.take(width))
        # ENC-005: the form one step shorter holds values below this.
        if value < (0x80, 0x100, 0x10000, 0x100000000)[tag - 0xCC]:
            raise RemoteProtocolError(Code.NOT_CANONICAL, f"integer {value} is padded")

    def enter(self, depth: int, entries: int) -> None:
        """Refuse what is nested too deep, or promises more values than there are bytes left."""
        if depth == 0:
            raise RemoteProtocolError(Code.TOO_MANY, f"more than {MAX_DEPTH} nested containers")
        # ENC-008: refused at its head.
        if entries > len(self.data) - self.position:
            raise RemoteProtocolError(Code.MALFORMED, "a container is longer than the message")

    def array(self, tag: int, depth: int) -> None:
        # An array has no limit of its own: its entries count towards MAX_ITEMS as they are passed.
        size = tag & 0x0F if tag != 0xDC else self.length(1, 16, _MAX_U16, "array")
        self.enter(depth, size)
        for _ in range(size):
            self.value(depth - 1)

    def map(self, tag: int, depth: int) -> None:
        size = tag & 0x0F if tag != 0xDE else self.length(1, 16, MAX_MAP, "map")
        self.enter(depth, 2 * size)
        last: bytes | None = None
        for _ in range(size):
            key = self.key()
            # ENC-006: keys rise strictly by their bytes.
            if last is not None and key <= last:
                raise RemoteProtocolError(Code.NOT_CANONICAL, "map keys do not rise strictly")
            last = key
            self.value(depth - 1)

    def key(self) -> bytes:
        self.count()
        tag = self.take(1)[0]
        if not (0xA0 <= tag <= 0xBF or tag == 0xD9):
            raise RemoteProtocolError(Code.MALFORMED, "a map's key is not a str")
        return self.text(tag)
