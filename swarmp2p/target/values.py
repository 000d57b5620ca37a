"""Values and frames (02-encoding)."""

from collections.abc import Mapping

from swarmp2p.errors import RemoteProtocolError
from swarmp2p.target.notation import (
    Input,
    Operation,
    Output,
    code_name,
    data_of,
    notation_of,
    value_of,
)
from swarmp2p.wire import canonical
from swarmp2p.wire.frames import FrameDecoder, encode_frame
from swarmp2p.wire.registry import MAX_CONTROL_FRAME


def decode_value(given: Input) -> Output:
    """Answer `value.decode`."""
    bound = given.get("bound", MAX_CONTROL_FRAME)
    return {"value": notation_of(canonical.decode(data_of(given["data"]), max_bytes=bound))}


def encode_value(given: Input) -> Output:
    """Answer `value.encode`."""
    return {"data": canonical.encode(value_of(given["value"])).hex()}


class _Cutter:
    """A frame decoder that is told how many raw bytes follow each frame."""

    def __init__(self, sizes: list[int]) -> None:
        self.decoder = FrameDecoder()
        self.items: list[str] = []
        self._sizes = iter(sizes)
        self._raw_next = False

    def receive(self, data: bytes) -> None:
        self.decoder.feed(data)
        while (item := self.decoder.next_item()) is not None:
            self.items.append(item.hex())
            size = 0 if self._raw_next else next(self._sizes, 0)
            self._raw_next = size > 0
            if self._raw_next:
                self.decoder.take_raw(size)


def decode_frames(given: Input) -> Output:
    """Answer `frames.decode`."""
    cutter = _Cutter(given["raw"])
    end = "OPEN"
    try:
        for part in given["parts"]:
            cutter.receive(data_of(part))
        if given["eof"]:
            cutter.decoder.receive_eof()
            end = "END"
    except RemoteProtocolError as error:
        end = code_name(error.code)
    return {"items": cutter.items, "end": end}


def encode_one_frame(given: Input) -> Output:
    """Answer `frames.encode`."""
    return {"data": encode_frame(data_of(given["body"])).hex()}


OPERATIONS: Mapping[str, Operation] = {
    "value.decode": decode_value,
    "value.encode": encode_value,
    "frames.decode": decode_frames,
    "frames.encode": encode_one_frame,
}
