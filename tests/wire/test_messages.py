"""Messages: closed maps, every field with its bounds, the same rules in both directions."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire import canonical
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
    metric_float,
    metric_value,
)
from swarmp2p.wire.registry import METRIC_BIAS, Code

ONE, TWO, THREE, FOUR = (bytes([n]) * 32 for n in (1, 2, 3, 4))
HASH = st.binary(min_size=32, max_size=32)
U64 = st.integers(0, 2**64 - 1)

HELLO = Hello(1, ONE, "swarmp2p/0.1.0", (5, 0x200000), 0)
REQUEST = ChunkRequest(ONE, 7)
REPLY = ChunkReply(Code.OK, ONE, 7, 1 << 20, (TWO, THREE))
REFUSAL = ChunkReply(Code.NOT_FOUND, ONE, 7, 0, ())
MANIFEST = UpdateManifest(ONE, TWO, 1, THREE, FOUR, 303, (("auc", metric_value(0.91)),))

CODECS: dict[type, tuple[Any, Any]] = {
    Hello: (encode_hello, decode_hello),
    ChunkRequest: (encode_chunk_request, decode_chunk_request),
    ChunkReply: (encode_chunk_reply, decode_chunk_reply),
    UpdateManifest: (encode_update_manifest, decode_update_manifest),
}
EXAMPLES = [HELLO, REQUEST, REPLY, REFUSAL, MANIFEST]
DECODERS = [codec[1] for codec in CODECS.values()]

AGENT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=64)
HELLOS = st.builds(
    Hello,
    wire_version=st.integers(0, 0xFFFF),
    domain=HASH,
    agent=AGENT,
    extensions=st.sets(st.integers(0, 2**32 - 1), max_size=32).map(sorted).map(tuple),
    key_epoch=U64,
)
REPLIES = st.builds(
    ChunkReply,
    code=st.just(0),
    root=HASH,
    index=st.integers(0, 8191),
    size=st.integers(1, 2 << 20),
    proof=st.lists(HASH, max_size=13).map(tuple),
) | st.builds(
    ChunkReply,
    code=st.integers(1, 255),
    root=HASH,
    index=st.integers(0, 8191),
    size=st.just(0),
    proof=st.just(()),
)
METRICS = st.dictionaries(st.from_regex(r"[a-zA-Z0-9_./-]{1,32}", fullmatch=True), U64, max_size=16)
MANIFESTS = st.builds(
    UpdateManifest,
    base_digest=HASH,
    schema_hash=HASH,
    encoding=st.sampled_from((1, 2, 3, 4)),
    root=HASH,
    salt=HASH,
    weight=st.integers(1, 2**32 - 1),
    metrics=METRICS.map(lambda metrics: tuple(sorted(metrics.items()))),
)
REQUESTS = st.builds(ChunkRequest, root=HASH, index=st.integers(0, 8191))
MESSAGES = HELLOS | REQUESTS | REPLIES | MANIFESTS


def refusal(decode: Any, data: bytes) -> Code:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(data)
    return Code(caught.value.code)


@given(MESSAGES)
def test_decode__gives_back_what_was_encoded(message: Any) -> None:
    encode, decode = CODECS[type(message)]
    assert decode(encode(message)) == message


@given(MESSAGES, st.data())
def test_decode__mutated_bytes_give_that_message_or_a_refusal(
    message: Any, data: st.DataObject
) -> None:
    encode, decode = CODECS[type(message)]
    mutated = bytearray(encode(message))
    mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode(bytes(mutated))
    except RemoteProtocolError:
        return
    assert encode(decoded) == bytes(mutated)


@given(st.binary(max_size=120), st.sampled_from(DECODERS))
def test_decode__random_bytes_are_refused(data: bytes, decode: Any) -> None:
    refusal(decode, data)


@given(
    st.dictionaries(
        st.sampled_from("abcdehikmprsvw"),
        st.none() | st.booleans() | U64 | st.text(max_size=3) | HASH | st.lists(U64, max_size=3),
        max_size=8,
    ),
    st.sampled_from(DECODERS),
)
def test_decode__maps_with_any_fields_give_a_value_or_a_refusal(
    fields: dict[str, Any], decode: Any
) -> None:
    try:
        decode(canonical.encode(fields))
    except RemoteProtocolError:
        return


@pytest.mark.parametrize("message", EXAMPLES)
def test_every_field__is_required_and_no_other_is_known(message: Any) -> None:
    encode, decode = CODECS[type(message)]
    fields = canonical.decode(encode(message))
    for key in fields:
        less = {name: value for name, value in fields.items() if name != key}
        assert refusal(decode, canonical.encode(less)) == Code.MALFORMED
    assert refusal(decode, canonical.encode(fields | {"z": 1})) == Code.UNKNOWN_FIELD


@pytest.mark.parametrize("message", EXAMPLES)
def test_every_field__refuses_another_type(message: Any) -> None:
    encode, decode = CODECS[type(message)]
    fields = canonical.decode(encode(message))
    for key, right in fields.items():
        others: tuple[Any, ...] = (None, True, 3, "x", b"x", [], [[]], {}, {"a": None})
        for wrong in others:
            if type(wrong) is type(right):
                continue
            assert refusal(decode, canonical.encode(fields | {key: wrong})) == Code.MALFORMED


@pytest.mark.parametrize("data", [b"\x90", b"\x01", b"\xa1a"])
@pytest.mark.parametrize("decode", DECODERS)
def test_a_value_that_is_no_map__is_malformed(decode: Any, data: bytes) -> None:
    assert refusal(decode, data) == Code.MALFORMED


def with_proof(count: int) -> ChunkReply:
    return replace(REPLY, proof=(TWO,) * count)


def with_metrics(count: int) -> UpdateManifest:
    return replace(MANIFEST, metrics=tuple((f"m{n:02}", n) for n in range(count)))


EDGES: list[tuple[Any, Any]] = [
    (replace(HELLO, wire_version=65_535), replace(HELLO, wire_version=65_536)),
    (replace(HELLO, agent="a" * 64), replace(HELLO, agent="a" * 65)),
    (replace(HELLO, agent=" ~"), replace(HELLO, agent="\x1f")),
    (replace(HELLO, agent=""), replace(HELLO, agent="é")),
    (replace(HELLO, extensions=(2**32 - 1,)), replace(HELLO, extensions=(2**32,))),
    (
        replace(HELLO, extensions=tuple(range(32))),
        replace(HELLO, extensions=tuple(range(33))),
    ),
    (replace(HELLO, extensions=(1, 2)), replace(HELLO, extensions=(2, 1))),
    (replace(HELLO, extensions=()), replace(HELLO, extensions=(1, 1))),
    (replace(HELLO, key_epoch=2**64 - 1), replace(HELLO, key_epoch=2**64)),
    (HELLO, replace(HELLO, domain=bytes(31))),
    (HELLO, replace(HELLO, domain=bytes(33))),
    (replace(REQUEST, index=8191), replace(REQUEST, index=8192)),
    (REQUEST, replace(REQUEST, root=b"")),
    (replace(REPLY, index=8191), replace(REPLY, index=8192)),
    (replace(REPLY, size=2 << 20), replace(REPLY, size=(2 << 20) + 1)),
    (replace(REPLY, size=1), replace(REPLY, size=0)),
    (with_proof(13), with_proof(14)),
    (with_proof(0), replace(REPLY, proof=(bytes(31),))),
    (REFUSAL, replace(REFUSAL, size=1)),
    (replace(REFUSAL, code=255), replace(REFUSAL, code=256)),
    (REFUSAL, replace(REFUSAL, proof=(TWO,))),
    (replace(MANIFEST, weight=1), replace(MANIFEST, weight=0)),
    (replace(MANIFEST, weight=2**32 - 1), replace(MANIFEST, weight=2**32)),
    (with_metrics(16), with_metrics(17)),
    (with_metrics(0), replace(MANIFEST, metrics=(("", 1),))),
    (
        replace(MANIFEST, metrics=(("a" * 32, 1),)),
        replace(MANIFEST, metrics=(("a" * 33, 1),)),
    ),
    (replace(MANIFEST, encoding=1), replace(MANIFEST, encoding=0)),
    (replace(MANIFEST, encoding=4), replace(MANIFEST, encoding=5)),
    (MANIFEST, replace(MANIFEST, metrics=(("two words", 1),))),
    (MANIFEST, replace(MANIFEST, metrics=(("b", 1), ("a", 1)))),
    (MANIFEST, replace(MANIFEST, metrics=(("a", 1), ("a", 2)))),
    (
        replace(MANIFEST, metrics=(("a", 2**64 - 1),)),
        replace(MANIFEST, metrics=(("a", 2**64),)),
    ),
    (MANIFEST, replace(MANIFEST, metrics=(("a", True),))),
    (MANIFEST, replace(MANIFEST, salt=bytes(31))),
]


@pytest.mark.parametrize(("inside", "beyond"), EDGES)
def test_bounds__hold_at_their_edge_and_refuse_beyond(inside: Any, beyond: Any) -> None:
    encode, decode = CODECS[type(inside)]
    assert decode(encode(inside)) == inside
    with pytest.raises(LocalProtocolError, match="cannot be sent"):
        encode(beyond)


@pytest.mark.parametrize(
    ("message", "fields", "code"),
    [
        (HELLO, {"e": list(range(33))}, Code.TOO_MANY),
        (HELLO, {"e": [2, 1]}, Code.NOT_CANONICAL),
        (HELLO, {"e": [True]}, Code.MALFORMED),
        (HELLO, {"a": "a\n"}, Code.MALFORMED),
        (REPLY, {"p": [TWO] * 14}, Code.TOO_MANY),
        (REPLY, {"p": ["x" * 32]}, Code.MALFORMED),
        (REPLY, {"c": 2}, Code.MALFORMED),
        (MANIFEST, {"m": {f"{n:02}": n for n in range(17)}}, Code.TOO_MANY),
        (MANIFEST, {"m": {"a": True}}, Code.MALFORMED),
        (MANIFEST, {"m": {"a b": 1}}, Code.MALFORMED),
        (MANIFEST, {"e": 9}, Code.MALFORMED),
        (MANIFEST, {"w": 0}, Code.MALFORMED),
    ],
)
def test_decode__names_the_fault_by_its_code(message: Any, fields: Any, code: Code) -> None:
    encode, decode = CODECS[type(message)]
    whole = canonical.decode(encode(message)) | fields
    assert refusal(decode, canonical.encode(whole)) == code


def test_encode__refuses_a_message_that_would_be_read_otherwise() -> None:
    with pytest.raises(LocalProtocolError, match="canonical form"):
        encode_hello(replace(HELLO, extensions=[1, 2]))  # type: ignore[arg-type]  # the point


@pytest.mark.parametrize("value", [0.0, 0.912345, -1.5, 1e12, -9.2e12, 3])
def test_metric__comes_back_within_half_a_micro_unit(value: float) -> None:
    assert abs(metric_float(metric_value(value)) - value) <= 0.5e-6 + abs(value) * 2**-52


def test_metric__zero_is_the_bias() -> None:
    assert metric_value(0) == METRIC_BIAS == 2**63
    assert metric_value(-1e-6) == METRIC_BIAS - 1


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), float("-inf"), 9.3e12, -9.3e12, 1e300]
)
def test_metric__that_cannot_be_sent_is_refused_here(value: float) -> None:
    with pytest.raises(LocalProtocolError):
        metric_value(value)
