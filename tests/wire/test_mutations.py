"""Whatever is done to encoded bytes, they become that value again or are refused."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_canonical import VALUES, depth
from test_envelope import HEADERS
from test_messages import CODECS, HELLOS, MANIFESTS, MESSAGES, REPLIES, REQUESTS
from test_run_manifest import MANIFEST as RUN_MANIFEST
from test_tensors import schemas

from swarmp2p.errors import RemoteProtocolError
from swarmp2p.wire import canonical, messages
from swarmp2p.wire.envelope import Envelope, decode_envelope, encode_envelope
from swarmp2p.wire.frames import FrameDecoder, encode_frame
from swarmp2p.wire.run_manifest import (
    decode_run_manifest,
    encode_run_manifest,
    pack_constant,
)
from swarmp2p.wire.tensors import Schema, decode_schema


class Codec(NamedTuple):
    """A pair of functions, and what they are for."""

    values: st.SearchStrategy[Any]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


CONSTANTS = st.recursive(
    st.text(max_size=5) | st.booleans() | st.integers(-9, 2**64 - 1) | st.floats(-9, 9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=4,
).map(pack_constant)
RUN_MANIFESTS = st.builds(
    replace,
    st.just(RUN_MANIFEST),
    name=st.text(min_size=1, max_size=20),
    rounds=st.integers(1, 2**32 - 1),
    options=st.dictionaries(st.text(max_size=4), CONSTANTS, max_size=3),
    integers=st.sampled_from(("max", "min", "median", "base")),
    optimiser=st.text(min_size=1, max_size=16),
    optimiser_params=st.dictionaries(
        st.text(max_size=4), st.floats(-9, 9).map(pack_constant), max_size=3
    ),
    weights=st.sampled_from(("declared", "uniform")),
).filter(lambda manifest: depth(manifest.options) < 6)
KINDS = {
    "value": Codec(VALUES, canonical.encode, canonical.decode),
    "envelope": Codec(
        st.builds(Envelope, HEADERS, st.binary(min_size=1), st.binary(min_size=64, max_size=64)),
        lambda one: encode_envelope(one.header, one.body, one.signature),
        decode_envelope,
    ),
    "hello": Codec(HELLOS, messages.encode_hello, messages.decode_hello),
    "chunk request": Codec(REQUESTS, messages.encode_chunk_request, messages.decode_chunk_request),
    "chunk reply": Codec(REPLIES, messages.encode_chunk_reply, messages.decode_chunk_reply),
    "update manifest": Codec(
        MANIFESTS, messages.encode_update_manifest, messages.decode_update_manifest
    ),
    "run manifest": Codec(RUN_MANIFESTS, encode_run_manifest, decode_run_manifest),
    "schema": Codec(schemas(), Schema.encode, decode_schema),
}

PLACES = st.integers(0, 2**16)
EDITS = st.lists(
    st.tuples(st.sampled_from(["set", "insert", "delete", "repeat", "end"]), PLACES, st.binary()),
    min_size=1,
    max_size=4,
)


def edited(data: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    for what, place, new in edits:
        at = place % (len(data) + 1)
        old = data[at : at + max(1, len(new))]
        middle = {"set": new[: len(old)], "insert": new + old, "delete": b"", "repeat": old + old}
        data = data[:at] + (b"" if what == "end" else middle[what] + data[at + len(old) :])
    return data


def check(codec: Codec, data: bytes) -> None:
    try:
        value = codec.decode(data)
    except RemoteProtocolError:
        return
    assert codec.encode(value) == data


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
def test_decode__gives_back_what_was_encoded_in_every_kind(kind: str, data: st.DataObject) -> None:
    codec = KINDS[kind]
    value = data.draw(codec.values)
    assert codec.decode(codec.encode(value)) == value


@pytest.mark.parametrize("kind", KINDS)
@given(st.data(), EDITS)
def test_decode__edited_bytes_give_a_value_with_that_encoding_or_a_refusal(
    kind: str, data: st.DataObject, edits: list[tuple[str, int, bytes]]
) -> None:
    codec = KINDS[kind]
    check(codec, edited(codec.encode(data.draw(codec.values)), edits))


@pytest.mark.parametrize("kind", KINDS)
@given(st.data(), PLACES, PLACES)
def test_decode__spliced_bytes_give_a_value_with_that_encoding_or_a_refusal(
    kind: str, data: st.DataObject, first: int, second: int
) -> None:
    codec = KINDS[kind]
    head, tail = (codec.encode(data.draw(codec.values)) for _ in range(2))
    check(codec, head[: first % (len(head) + 1)] + tail[second % (len(tail) + 1) :])


@pytest.mark.parametrize("kind", KINDS)
@given(st.binary(max_size=200))
def test_decode__any_bytes_give_a_value_with_that_encoding_or_a_refusal(
    kind: str, data: bytes
) -> None:
    check(KINDS[kind], data)


@given(MESSAGES, MESSAGES, st.data())
def test_decode__a_field_of_another_message_gives_a_value_with_that_encoding_or_a_refusal(
    message: Any, other: Any, data: st.DataObject
) -> None:
    encode, decode = CODECS[type(message)]
    fields, others = (canonical.decode(CODECS[type(one)][0](one)) for one in (message, other))
    into = data.draw(st.sampled_from(sorted(fields)))
    fields[into] = others[data.draw(st.sampled_from(sorted(others)))]
    check(Codec(MESSAGES, encode, decode), canonical.encode(fields))


def head(size: int, short: tuple[int, int] | None, *wide: int) -> list[bytes]:
    """Every head that says `size`, shortest first: (type byte, limit), type bytes with a length."""
    forms = [bytes([short[0] + size])] if short and size < short[1] else []
    widths = [(tag, 4 >> (len(wide) - 1 - n)) for n, tag in enumerate(wide)]
    return forms + [bytes([tag]) + size.to_bytes(w) for tag, w in widths if size < 256**w]


@st.composite
def loose(draw: st.DrawFn, value: Any, *, forms: bool) -> bytes:
    """`value` in msgpack: in longer `forms` too, or else with the entries of maps in any order."""

    def form(heads: list[bytes]) -> bytes:
        return draw(st.sampled_from(heads)) if forms else heads[0]

    if type(value) is int:
        heads = [bytes([value])] if value < 0x80 else []
        sizes = [1 << n for n in range(4) if value < 256 ** (1 << n)]
        return form(
            heads + [bytes([0xCB + size.bit_length()]) + value.to_bytes(size) for size in sizes]
        )
    if type(value) is str:
        text = value.encode()
        return form(head(len(text), (0xA0, 32), 0xD9, 0xDA, 0xDB)) + text
    if type(value) is bytes:
        return form(head(len(value), None, 0xC4, 0xC5, 0xC6)) + value
    if type(value) is list:
        items = [draw(loose(item, forms=forms)) for item in value]
        return form(head(len(value), (0x90, 16), 0xDC, 0xDD)) + b"".join(items)
    if type(value) is dict:
        entries = sorted(value.items())
        if not forms:
            entries = draw(st.permutations(entries)) + draw(st.sampled_from([[], entries[:1]]))
        parts = [draw(loose(part, forms=forms)) for entry in entries for part in entry]
        return form(head(len(entries), (0x80, 16), 0xDE, 0xDF)) + b"".join(parts)
    return canonical.encode(value)


SMALL = st.integers(0, 70_000) | st.binary(max_size=3) | st.text(max_size=3)


@given(
    VALUES | SMALL | st.lists(SMALL, max_size=2) | st.dictionaries(st.text(max_size=2), SMALL),
    st.booleans(),
    st.data(),
)
def test_decode__a_value_in_any_form_gives_it_in_its_only_one_or_a_refusal(
    value: Any,
    forms: bool,  # noqa: FBT001 - drawn
    data: st.DataObject,
) -> None:
    check(KINDS["value"], data.draw(loose(value, forms=forms)))


@given(MESSAGES, st.booleans(), st.data())
def test_decode__a_message_in_any_form_gives_it_in_its_only_one_or_a_refusal(
    message: Any,
    forms: bool,  # noqa: FBT001 - drawn
    data: st.DataObject,
) -> None:
    encode, decode = CODECS[type(message)]
    fields = canonical.decode(encode(message))
    check(Codec(MESSAGES, encode, decode), data.draw(loose(fields, forms=forms)))


TENSORS = st.builds(
    lambda name, head, sizes: b"".join(
        (bytes([len(name)]), name, head, bytes([len(sizes)]), *(n.to_bytes(4) for n in sizes))
    ),
    st.sampled_from([b"a", b"b", b"ab", b"\xc3\xa9"]),
    st.sampled_from([b"\x03\x00", b"\x03\x01", b"\x13\x00"]),
    st.lists(st.sampled_from([1, 2, 2**32 - 1]), max_size=1),
)


@given(st.lists(TENSORS, max_size=3))
def test_schema__of_tensors_in_any_order_has_rising_names_or_is_refused(parts: list[bytes]) -> None:
    data = b"swarmp2p/v1/schema\x00" + len(parts).to_bytes(4) + b"".join(parts)
    try:
        schema = decode_schema(data)
    except RemoteProtocolError:
        return
    assert schema.encode() == data
    assert all(one.name < two.name for one, two in pairwise(schema.tensors))


def outcome(parts: list[bytes]) -> tuple[list[bytes], list[int]]:
    """(items, codes): raw bytes follow every frame whose first byte is below 8."""
    decoder = FrameDecoder(max_frame=64)
    items: list[bytes] = []
    raw = False
    try:
        for part in parts:
            decoder.feed(part)
            while (item := decoder.next_item()) is not None:
                items.append(item)
                raw = not raw and 0 < item[0] < 8
                if raw:
                    decoder.take_raw(item[0])
        decoder.receive_eof()
    except RemoteProtocolError as error:
        return items, [error.code]
    return items, []


@given(
    st.lists(st.binary(min_size=1, max_size=20).map(encode_frame), min_size=1, max_size=5),
    EDITS,
    st.lists(st.integers(0, 200)),
)
def test_frames__of_an_edited_stream_do_not_depend_on_the_split(
    frames: list[bytes], edits: list[tuple[str, int, bytes]], cuts: list[int]
) -> None:
    stream = edited(b"".join(frames), edits)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    whole = outcome([stream])
    assert outcome([stream[start:end] for start, end in pairwise(edges)]) == whole
    assert outcome([bytes([byte]) for byte in stream]) == whole
