"""Checks of the sessions below the protocols: Yamux frames and connections, Noise records.

Their errors end the connection: YamuxError, and of libp2p DecryptionFailedException and
ConnectionClosedError.
"""

from collections.abc import Coroutine
from typing import Any, TypeVar

import trio
from libp2p.exceptions import BaseLibp2pError
from libp2p.io.exceptions import DecryptionFailedException

from fuzz.plans import Plan, pieces, splits
from swarmp2p.net.noise import LENGTH_BYTES, TAG_BYTES, NoiseSession, _Cipher
from swarmp2p.net.yamux import MAX_INBOUND, MAX_QUEUED_HEADERS, YamuxConn
from swarmp2p.net.yamux_frames import DATA, Frame, FrameParser, YamuxError
from swarmp2p.net.yamux_frames import encode_header as yamux_header
from swarmp2p.net.yamux_stream import RECEIVE_WINDOW

_Result = TypeVar("_Result")
MAX_PAYLOAD = 1_000  # small, so that inputs reach it
KEY = bytes(range(32))
NONCE = 5


def yamux(data: bytes) -> None:
    """Cuts, then a stream of Yamux frames."""
    plan = Plan(data)
    cuts, stream = plan.cuts(), plan.rest()
    whole, cut = (_yamux_parts(way) for way in splits(stream, cuts))
    assert whole == cut, "the split shows"
    assert stream.startswith(whole[0])


def _yamux_parts(parts: list[bytes]) -> tuple[bytes, int, bool]:
    """(what was understood, as bytes; number of headers; whether it ended in an error)."""
    parser = FrameParser(MAX_PAYLOAD)
    understood = bytearray()
    headers = 0
    try:
        for part in parts:
            for item in parser.receive_data(part):
                if isinstance(item, Frame):
                    assert item.kind != DATA or item.length <= MAX_PAYLOAD
                    headers += 1
                    understood += yamux_header(item.kind, item.flags, item.stream_id, item.length)
                else:
                    understood += item
    except YamuxError:
        return bytes(understood), headers, True
    return bytes(understood), headers, False


class _Conn(YamuxConn):
    """Only the reading task, which needs no loop: saying goodbye would."""

    refused = False

    async def _refuse(self) -> None:
        self.refused = True


class _Secured:
    """A secured connection that gives these pieces, then is lost."""

    def __init__(self, initiator: bool, parts: list[bytes]) -> None:  # noqa: FBT001 - a record
        self.is_initiator = initiator
        self._parts = parts[::-1]

    async def read(self, _size: None) -> bytes:
        if not self._parts:
            raise trio.BrokenResourceError
        return self._parts.pop()


def yamux_conn(data: bytes) -> None:
    """Role, cuts, then a stream of Yamux frames, read by a connection."""
    plan = Plan(data)
    initiator, cuts, stream = bool(plan.uint() & 1), plan.cuts(), plan.rest()
    whole, cut = (_yamux_streams(_Secured(initiator, way)) for way in splits(stream, cuts))
    assert whole == cut, "the split shows"


def _yamux_streams(secured: _Secured) -> tuple[Any, ...]:
    """(state of every stream, headers to send, whether the peer broke the rules)."""
    conn = _Conn(secured, None)  # type: ignore[arg-type]  # the part of it that is used
    _run(conn._read_loop())
    assert len(conn._streams) <= MAX_INBOUND
    assert len(conn._headers) <= MAX_QUEUED_HEADERS
    states = []
    for number, stream in conn._streams.items():
        received = b"".join(bytes(chunk) for chunk in stream._chunks)
        assert len(received) <= RECEIVE_WINDOW
        states.append((number, received, stream._send_window, stream._got_fin, stream._fault))
    return states, list(conn._headers), conn.refused


class _Pieces:
    """A raw connection that gives these pieces, then its end."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = [part for part in parts if part]

    async def read(self, _size: int) -> bytes:
        return self._parts.pop(0) if self._parts else b""


def noise(data: bytes) -> None:
    """Flags, cuts, then records: as they are, or plaintexts that are sealed here first."""
    plan = Plan(data)
    flags, cuts, stream = plan.uint(), plan.cuts(), plan.rest()
    texts: list[bytes] = []
    if flags & 1:
        texts = pieces(stream, cuts)
        sealer = _Cipher(KEY, NONCE)
        stream = b"".join(bytes(sealer.seal(text)) for text in texts)
        if flags & 2 and stream:
            at = flags * 7 % len(stream)
            stream = stream[:at] + bytes([stream[at] ^ 1]) + stream[at + 1 :]
    (whole, end), (opened, other_end) = (_noise_text(way) for way in splits(stream, cuts))
    # What came in one read with a broken record may be lost with it; nothing else may.
    broken = end == DecryptionFailedException.__name__
    assert end == other_end
    assert whole == opened or (broken and opened.startswith(whole)), "the split shows"
    assert not opened or (flags & 1 and b"".join(texts).startswith(opened)), "a forged record"
    assert len(opened) <= max(0, len(stream) - LENGTH_BYTES - TAG_BYTES)


def _noise_text(parts: list[bytes]) -> tuple[bytes, str]:
    """(plaintext, name of the error at the end)."""
    session = object.__new__(NoiseSession)
    session._raw = _Pieces(parts)  # type: ignore[assignment]
    session._unseal = _Cipher(KEY, NONCE)
    session._sealed, session._ready = bytearray(), bytearray()
    text = bytearray()
    while True:
        try:
            text += _run(session.read(None))
        except BaseLibp2pError as error:
            return bytes(text), type(error).__name__


def _run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: _Result = stop.value
        return result
    raise AssertionError("it waited")
