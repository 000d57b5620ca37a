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
    integers="median",
    merge_rule="cclip",
    merge_params={"radius": pack_constant(2.0)},
    optimiser="fedadam",
    optimiser_params={"lr": pack_constant(0.5)},
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
MERGE = FIELDS["merge"]
OPTIMISER = MERGE["optimiser"]


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


@pytest.mark.parametrize("version", [0, 1, 2, 4, 2**64 - 1])
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
    "merge": ({**MERGE, "params": {}, "rule": "r" * 64}, {**MERGE, "rule": "r" * 65}),
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


@pytest.mark.parametrize("key", MERGE)
def test_merge__needs_every_field_and_no_other(key):
    without = {name: value for name, value in MERGE.items() if name != key}
    assert refusal(changed(merge=without)) is Code.MALFORMED
    assert refusal(changed(merge={**MERGE, key: None})) is Code.MALFORMED
    assert refusal(changed(merge={**MERGE, key + "_": 1})) is Code.UNKNOWN_FIELD


@pytest.mark.parametrize("key", OPTIMISER)
def test_optimiser__needs_every_field_and_no_other(key):
    without = {name: value for name, value in OPTIMISER.items() if name != key}
    for optimiser in (without, {**OPTIMISER, key: None}):
        assert refusal(changed(merge={**MERGE, "optimiser": optimiser})) is Code.MALFORMED
    more = {**OPTIMISER, key + "_": 1}
    assert refusal(changed(merge={**MERGE, "optimiser": more})) is Code.UNKNOWN_FIELD


@pytest.mark.parametrize("name", ["", "o" * 65, 1])
def test_optimiser__has_a_name_of_1_to_64_bytes(name):
    assert refusal(changed(merge={**MERGE, "optimiser": {"name": name, "params": {}}})) is (
        Code.MALFORMED
    )
    longest = {"name": "o" * 64, "params": {}}
    assert decode_run_manifest(changed(merge={**MERGE, "optimiser": longest})).optimiser == "o" * 64


@pytest.mark.parametrize("rule", ["max", "min", "median", "base"])
def test_integers__have_one_of_four_rules(rule):
    assert decode_run_manifest(changed(merge={**MERGE, "integers": rule})).integers == rule
    assert refusal(changed(merge={**MERGE, "integers": rule + " "})) is Code.MALFORMED
    assert refusal(changed(merge={**MERGE, "integers": "sum"})) is Code.MALFORMED


@pytest.mark.parametrize("where", ["rule", "optimiser"])
def test_params__hold_lists_as_deep_as_the_whole_manifest_may_be(where):
    def written(constant):
        if where == "rule":
            return changed(merge={**MERGE, "params": {"a": constant}})
        optimiser = {**OPTIMISER, "params": {"a": constant}}
        return changed(merge={**MERGE, "optimiser": optimiser})

    one, two = pack_constant([1]), pack_constant([[1]])
    decode_run_manifest(written(one))
    with pytest.raises(LocalProtocolError, match="nested deeper"):
        written(two)


def test_the_faults_of_a_merge__are_named_in_the_order_of_its_keys():
    optimiser = {"name": 1, "params": {}, "x": 0}
    wrong = {**MERGE, "optimiser": optimiser, "params": {"a": None}, "rule": 1}
    assert refusal(changed(merge=wrong)) is Code.UNKNOWN_FIELD
    assert refusal(changed(merge={**wrong, "integers": 1})) is Code.MALFORMED


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
def test_constants__of_no_known_form_are_refused(constant):
    value = {"a": constant}
    optimiser = {**OPTIMISER, "params": value}
    assert refusal(changed(options=value)) is Code.MALFORMED
    assert refusal(changed(merge={**MERGE, "params": value})) is Code.MALFORMED
    assert refusal(changed(merge={**MERGE, "optimiser": optimiser})) is Code.MALFORMED


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
