import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire import canonical
from swarmp2p.wire.registry import Code
from swarmp2p.wire.run_manifest import (
    Windows,
    WireRunManifest,
    decode_run_manifest,
    encode_run_manifest,
    pack_constant,
    unpack_constant,
)

MANIFEST = WireRunManifest(
    audit_rounds=2,
    checks=2,
    encoding="fp32",
    finality="depth",
    init="zeros",
    merge_rule="cclip",
    merge_params={"radius": pack_constant(2.0)},
    min_peers=0,
    name="four hospitals",
    options={"lr": pack_constant(0.3), "scales": pack_constant([1.5, -2, "a", True, {"b": 1}])},
    privacy="robust",
    rounds=10,
    schema=bytes(range(32)),
    sync_every=10,
    topology="mesh",
    weights="declared",
    windows=Windows(commit=20, depth=0, exchange=20, hi=1200, lo=4),
)
FIELDS = canonical.decode(encode_run_manifest(MANIFEST))


def changed(**changes):
    return canonical.encode({**FIELDS, **changes})


def refusal(data):
    with pytest.raises(RemoteProtocolError) as refused:
        decode_run_manifest(data)
    return Code(refused.value.code)


def test_a_manifest__is_read_back_as_it_was():
    data = encode_run_manifest(MANIFEST)
    assert decode_run_manifest(data) == MANIFEST
    assert encode_run_manifest(decode_run_manifest(data)) == data


@pytest.mark.parametrize("key", FIELDS)
def test_a_manifest__needs_every_field_and_no_other(key):
    without = {name: value for name, value in FIELDS.items() if name != key}
    assert refusal(canonical.encode(without)) is Code.MALFORMED
    assert refusal(changed(**{key: None})) is Code.MALFORMED
    assert refusal(changed(**{key + "_": 1})) is Code.UNKNOWN_FIELD


@pytest.mark.parametrize("version", [0, 1, 3, 2**64 - 1])
def test_another_version__is_named_before_any_other_fault(version):
    assert refusal(changed(version=version, later=1)) is Code.WRONG_VERSION


EDGES = {
    "audit_rounds": (2**32 - 1, 2**32),
    "checks": (64, 65),
    "min_peers": (64, 65),
    "rounds": (2**32 - 1, 2**32),
    "sync_every": (2**32 - 1, 0),
    "name": ("n" * 255, ""),
    "encoding": ("int8", "fp8"),
    "finality": ("finalized", "latest"),
    "init": ("genesis", "ones"),
    "privacy": ("robust", "private"),
    "topology": ("mesh", "leader"),
    "weights": ("uniform", "equal"),
    "merge": ({"params": {}, "rule": "r" * 64}, {"params": {}, "rule": "r" * 65}),
    "windows": (
        {"commit": 1 << 20, "depth": 1 << 20, "exchange": 1 << 20, "hi": 1 << 20, "lo": 1 << 20},
        {"commit": (1 << 20) + 1, "depth": 0, "exchange": 1, "hi": 1, "lo": 1},
    ),
}


@pytest.mark.parametrize("key", EDGES)
def test_bounds__hold_at_their_edge_and_refuse_beyond(key):
    inside, beyond = EDGES[key]
    decode_run_manifest(changed(**{key: inside}))
    assert refusal(changed(**{key: beyond})) is Code.MALFORMED


def test_min_peers__is_never_one():
    assert refusal(changed(min_peers=1)) is Code.MALFORMED


def test_windows__have_lo_at_most_hi():
    windows = {**FIELDS["windows"], "lo": 9, "hi": 8}
    assert refusal(changed(windows=windows)) is Code.MALFORMED


@pytest.mark.parametrize(
    "constant",
    [
        None,
        b"bytes",
        [],
        ["f64"],
        ["f64", 0x7FF0000000000000],
        ["f64", 0xFFF8000000000000],
        ["f64", "1"],
        ["neg", 0],
        ["neg", True],
        ["list", 1],
        ["list", [None]],
        ["list", [], []],
        ["set", []],
        {"a": None},
    ],
)
@pytest.mark.parametrize("where", ["options", "merge"])
def test_constants__of_no_known_form_are_refused(constant, where):
    value = {"a": constant}
    if where == "merge":
        value = {"params": value, "rule": "cclip"}
    assert refusal(changed(**{where: value})) is Code.MALFORMED


constants = st.recursive(
    st.one_of(
        st.text(max_size=20),
        st.booleans(),
        st.integers(-(2**64) + 1, 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=5), constants, max_size=4))
def test_constants__come_back_as_they_were(options):
    manifest = replace(MANIFEST, options=pack_constant(options))
    try:
        data = encode_run_manifest(manifest)
    except LocalProtocolError as error:
        assert "nested deeper" in str(error)  # noqa: PT017 - lists cost two levels each
        return
    back = unpack_constant(decode_run_manifest(data).options)
    # As text: True is not 1, and -0.0 is not 0.0.
    assert json.dumps(back, sort_keys=True) == json.dumps(options, sort_keys=True)


def test_an_encoder__refuses_what_a_decoder_would():
    with pytest.raises(LocalProtocolError, match="min_peers is 1"):
        encode_run_manifest(replace(MANIFEST, min_peers=1))
    with pytest.raises(LocalProtocolError, match="rounds must be an integer"):
        encode_run_manifest(replace(MANIFEST, rounds=0))
