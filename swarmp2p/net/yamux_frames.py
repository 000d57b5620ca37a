"""Yamux frames: twelve bytes of header, and a parser that takes whatever the socket gave.

Source: hashicorp/yamux spec.md, "Framing". No I/O here.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = struct.Struct("!BBHII")
DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
INITIAL_WINDOW = 256 * 1024  # what each side may send on a new stream before any credit
NORMAL_END, PROTOCOL_ERROR = 0, 1


class YamuxError(Exception):
    """The peer broke the framing rules: the connection ends."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A header."""

    kind: int
    flags: int
    stream_id: int
    length: int


def encode_header(kind: int, flags: int, stream_id: int, length: int) -> bytes:
    """The twelve bytes of a header."""
    return HEADER.pack(0, kind, flags, stream_id, length)


class FrameParser:
    """Cuts a byte stream into headers and pieces of payload.

    `max_payload` bounds a DATA frame: no stream's window is ever larger. A payload is handed out
    in the pieces in which it came: nothing is gathered here.
    """

    def __init__(self, max_payload: int) -> None:
        self._max_payload = max_payload
        self._partial = bytearray()  # of a header
        self._payload_left = 0

    def receive_data(self, data: bytes) -> Iterator[Frame | memoryview]:
        """Headers and payload pieces, in order. Raises YamuxError."""
        view = memoryview(data)
        at = 0
        while at < len(view):
            if self._payload_left:
                piece = view[at : at + self._payload_left]
                self._payload_left -= len(piece)
                at += len(piece)
                yield piece
                continue
            missing = HEADER.size - len(self._partial)
            self._partial += view[at : at + missing]
            at += missing
            if len(self._partial) == HEADER.size:
                frame = self._header()
                self._payload_left = frame.length if frame.kind == DATA else 0
                yield frame

    def _header(self) -> Frame:
        version, kind, flags, stream_id, length = HEADER.unpack(self._partial)
        self._partial.clear()
        if version or kind > GO_AWAY or flags > SYN | ACK | FIN | RST:
            raise YamuxError(f"not a Yamux frame: version {version}, type {kind}, flags {flags}")
        if (stream_id == 0) != (kind in {PING, GO_AWAY}):
            raise YamuxError(f"a frame of type {kind} on stream {stream_id}")
        if kind == DATA and length > self._max_payload:
            raise YamuxError(f"a frame of {length} bytes; no window is larger than the limit")
        return Frame(kind, flags, stream_id, length)
