"""Incremental length-prefixed frames, with raw payloads between them where a protocol has any.

A frame is `u32be total || body`; `total` counts its own four bytes (spec/02-encoding).
"""

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.registry import (
    FRAME_PREFIX_BYTES,
    MAX_CHUNK_BYTES,
    MAX_CONTROL_FRAME,
    Code,
)


def encode_frame(body: bytes, *, max_frame: int = MAX_CONTROL_FRAME) -> bytes:
    """The frame around `body`. Raises LocalProtocolError when it is empty or too long."""
    total = FRAME_PREFIX_BYTES + len(body)
    if not body or total > max_frame:
        raise LocalProtocolError(f"a frame of {total} bytes; 5 to {max_frame} are allowed")
    return total.to_bytes(FRAME_PREFIX_BYTES) + body


class FrameDecoder:
    """Cuts a byte stream into frame bodies and raw payloads, however the bytes arrive.

    Streams of frames only: `for body in decoder.receive_data(data)`.

    Streams where a header frame says that raw bytes follow it:

        decoder.feed(data)
        while (item := decoder.next_item()) is not None:
            if expecting_payload: ...        # item is the whole payload
            else:
                header = decode(item)
                if header.size:
                    decoder.take_raw(header.size)   # the next item is that many raw bytes

    After a RemoteProtocolError the stream has no more frames: every later call raises it again.
    """

    def __init__(self, max_frame: int = MAX_CONTROL_FRAME, max_raw: int = MAX_CHUNK_BYTES) -> None:
        self._max_frame = max_frame
        self._max_raw = max_raw
        self._buffer = bytearray()
        self._raw: int | None = None
        self._error: RemoteProtocolError | None = None

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """Take `data`; return every item that is now complete, in order.

        Raises RemoteProtocolError as next_item() does; frames before the bad one in the same
        `data` are then not returned: the stream is at its end anyway.
        """
        self.feed(data)
        items = []
        while (item := self.next_item()) is not None:
            items.append(item)
        return items

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take received bytes. Call next_item() until it returns None before feeding again."""
        self._buffer += data

    def next_item(self) -> bytes | None:
        """The next frame body, or raw payload after take_raw(); None while it is incomplete.

        Raises RemoteProtocolError(TOO_LARGE or MALFORMED) as soon as a prefix is out of bounds.
        """
        if self._raw is not None:
            if len(self._buffer) < self._raw:
                return None
            size, self._raw = self._raw, None
            return self._cut(0, size)
        total = self._frame_length()
        if total is None or len(self._buffer) < total:
            return None
        return self._cut(FRAME_PREFIX_BYTES, total)

    def take_raw(self, size: int) -> None:
        """Make the next item `size` raw bytes. Raises LocalProtocolError for a bad size."""
        if self._raw is not None:
            raise LocalProtocolError("a raw payload is already expected")
        if not 1 <= size <= self._max_raw:
            raise LocalProtocolError(f"a raw payload of {size} bytes; 1 to {self._max_raw}")
        self._raw = size

    def receive_eof(self) -> None:
        """Raise RemoteProtocolError(MALFORMED) when the stream ends inside an item."""
        if self.mid_item:
            raise RemoteProtocolError(Code.MALFORMED, "the stream ends inside a frame or payload")

    @property
    def mid_item(self) -> bool:
        """Whether part of an item has arrived, or a raw payload is still owed."""
        return bool(self._buffer) or self._raw is not None

    @property
    def buffered(self) -> int:
        """Bytes received and not yet returned."""
        return len(self._buffer)

    def _frame_length(self) -> int | None:
        if self._error is not None:
            raise self._error
        if len(self._buffer) < FRAME_PREFIX_BYTES:
            return None
        total = int.from_bytes(self._buffer[:FRAME_PREFIX_BYTES])
        # ENC-011: the length is judged before the body is waited for.
        if total > self._max_frame:
            text = f"a frame of {total} bytes; at most {self._max_frame} are allowed"
            self._error = RemoteProtocolError(Code.TOO_LARGE, text)
            raise self._error
        # ENC-012: there is no empty frame.
        if total <= FRAME_PREFIX_BYTES:
            text = f"a frame length of {total}; at least {FRAME_PREFIX_BYTES + 1} is expected"
            self._error = RemoteProtocolError(Code.MALFORMED, text)
            raise self._error
        return total

    def _cut(self, start: int, end: int) -> bytes:
        with memoryview(self._buffer) as view:
            item = bytes(view[start:end])
        del self._buffer[:end]
        return item
