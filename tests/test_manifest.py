"""run.toml: integers, optimiser and encoding; what is refused, and in which words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarmp2p.crypto.merkle import blob_root
from swarmp2p.errors import ConfigError
from swarmp2p.manifest import (
    RunManifest,
    check_manifest,
    example_manifest,
    format_manifest,
    read_manifest,
)
from swarmp2p.merge.integers import INTEGER_RULES
from swarmp2p.merge.model import Model, encode_model
from swarmp2p.merge.optimisers import optimiser_named, optimiser_names
from swarmp2p.run_terms import every_term
from swarmp2p.wire.registry import CHUNK_ELEMENTS, ENCODINGS, MAX_CHUNKS
from swarmp2p.wire.run_manifest import INTEGERS, decode_run_manifest, unpack_constant
from swarmp2p.wire.tensors import Schema, TensorSpec

EXAMPLE = example_manifest()
ADAM = replace(
    EXAMPLE,
    integers="median",
    optimiser="fedadam",
    optimiser_params={"lr": 0.5, "beta1": 0.0},
    encoding="int8",
    options={"a key": 1, "lr": 0.3},
)


def read(tmp_path: Path, text: str) -> RunManifest:
    file = tmp_path / "run.toml"
    file.write_text(text)
    return read_manifest(file)


def test_the_new_terms__are_written_read_and_hashed(tmp_path: Path) -> None:
    assert read(tmp_path, format_manifest(ADAM)) == ADAM
    wire = decode_run_manifest(ADAM.encode())
    assert (wire.integers, wire.optimiser, wire.encoding) == ("median", "fedadam", "int8")
    assert unpack_constant(wire.optimiser_params) == {"lr": 0.5, "beta1": 0.0}
    changes: list[dict[str, Any]] = [
        {"integers": "min"},
        {"optimiser": "nesterov", "optimiser_params": {}},
        {"optimiser_params": {"lr": 0.25}},
        {"encoding": "bf16"},
    ]
    ids = {replace(ADAM, **change).run_id for change in changes}
    assert len(ids | {ADAM.run_id}) == 5


def test_the_rules_for_integers__are_those_of_the_merge_engine() -> None:
    assert INTEGERS == INTEGER_RULES


def test_a_file_without_them__means_none_and_max_and_fp32(tmp_path: Path) -> None:
    text = format_manifest(EXAMPLE)
    head, tail = text.split("[optimiser]")
    text = head + "[windows]" + tail.split("[windows]")[1]
    for line in ('integers = "max"', 'encoding = "fp32"'):
        text = text.replace(line, "")
    assert read(tmp_path, text) == EXAMPLE


@pytest.mark.parametrize("name", optimiser_names())
def test_a_run_from_zeros__begins_with_the_zero_model_and_a_zero_state(name: str) -> None:
    manifest = replace(EXAMPLE, optimiser=name)
    optimiser = optimiser_named(name)
    zeros = np.zeros(EXAMPLE.schema.float_elements, np.float32)
    model = Model(zeros, np.zeros(0, np.int64), (zeros,) * optimiser.vectors)
    chunks = encode_model(EXAMPLE.schema, model, optimiser, EXAMPLE.rounds)
    assert manifest.init_root == blob_root(chunks)
    assert replace(manifest, encoding="int8").init_root == manifest.init_root
    assert replace(manifest, init="genesis").init_root == bytes(32)


@pytest.mark.parametrize(
    ("optimiser", "params", "words"),
    [
        ("adam", {}, ["[optimiser]", "'adam'", "fedadam", "nesterov", "none"]),
        ("none", {"lr": 1.0}, ["[optimiser]", "'lr'"]),
        ("fedavgm", {"beta1": 0.5}, ["[optimiser]", "'beta1'", "momentum"]),
        ("fedavgm", {"lr": 0.0}, ["[optimiser]", "lr", "0.0"]),
        ("fedavgm", {"momentum": 1.0}, ["[optimiser]", "momentum", "1.0"]),
        ("fedadam", {"tau": float("inf")}, ["[optimiser]", "tau", "inf"]),
        ("fedadam", {"lr": float("nan")}, ["[optimiser]", "lr", "nan"]),
    ],
)
def test_an_optimiser_that_no_node_has__is_refused(
    tmp_path: Path, optimiser: str, params: dict[str, float], words: list[str]
) -> None:
    text = format_manifest(replace(EXAMPLE, optimiser=optimiser, optimiser_params=params))
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


def test_a_constant__is_judged_in_the_type_that_the_run_computes_in() -> None:
    wide = Schema((TensorSpec("w", "f64", (2,)),))
    tiny = replace(EXAMPLE, optimiser="fedadam", optimiser_params={"tau": 1e-60})
    check_manifest(replace(tiny, schema=wide))
    with pytest.raises(ConfigError, match=r"run\.toml \[optimiser\]: .*tau"):
        check_manifest(tiny)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('lr = "fast"', r"\[optimiser\]: 'lr' is 'fast'; expected a number"),
        ("lr = true", r"\[optimiser\]: 'lr' is True; expected a number"),
        (f"lr = 1{'0' * 400}", r"\[optimiser\]: 'lr' is beyond every binary64; expected a number"),
    ],
)
def test_a_constant_that_is_no_number__is_refused(tmp_path: Path, line: str, words: str) -> None:
    text = format_manifest(EXAMPLE).replace('name = "none"', f'name = "fedavgm"\n{line}')
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, text)


def test_a_whole_number__is_a_constant_too(tmp_path: Path) -> None:
    text = format_manifest(EXAMPLE).replace('name = "none"', 'name = "fedavgm"\nlr = 2')
    assert read(tmp_path, text).optimiser_params == {"lr": 2.0}


def test_a_rule_that_no_node_has__is_refused_with_its_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^run\.toml \[merge\]: unknown merge rule 'best'"):
        read(tmp_path, format_manifest(replace(EXAMPLE, rule="best")))


@pytest.mark.parametrize("encoding", sorted(set(ENCODINGS) - {"fp32"}))
def test_an_f64_tensor__needs_fp32_and_the_message_says_what_to_do(encoding: str) -> None:
    schema = Schema((TensorSpec("a", "f32", ()), TensorSpec("wide", "f64", (2,))))
    check_manifest(replace(EXAMPLE, schema=schema))
    with pytest.raises(ConfigError) as caught:
        check_manifest(replace(EXAMPLE, schema=schema, encoding=encoding))
    message = str(caught.value)
    assert f"'encoding' is '{encoding}', which cannot hold tensor 'wide' of dtype f64" in message
    assert message.endswith("expected fp32, or f32 as the dtype of every such tensor")


def test_a_model_whose_state_takes_too_many_chunks__is_refused() -> None:
    elements = CHUNK_ELEMENTS * (MAX_CHUNKS // 2)
    large = replace(EXAMPLE, schema=Schema((TensorSpec("w", "f32", (elements,)),)))
    check_manifest(large)
    with pytest.raises(ConfigError, match=r"a model of 8193 chunks.*take an optimiser with fewer"):
        check_manifest(replace(large, optimiser="fedavgm"))
    smaller = Schema((TensorSpec("w", "f32", (elements - CHUNK_ELEMENTS,)),))
    check_manifest(replace(large, optimiser="fedavgm", schema=smaller))
    with pytest.raises(ConfigError, match="a model of 12286 chunks"):
        check_manifest(replace(large, optimiser="fedadam", schema=smaller))


def test_every_term__names_the_new_ones_for_the_owner() -> None:
    terms = every_term(ADAM)
    assert terms["integers"] == "median"
    assert terms["optimiser"] == "fedadam"
    assert terms["optimiser_params"] == {"lr": 0.5, "beta1": 0.0}
    assert terms["encoding"] == "int8"
