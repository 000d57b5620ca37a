"""The runner's answers about models and run manifests, by hand."""

from hashlib import sha256
from typing import Any

import pytest

from swarmp2p.target.runner import answer, operations
from swarmp2p.wire.tensors import Schema, TensorSpec

SMALL = Schema((TensorSpec("n", "u8", ()), TensorSpec("w", "f32", (2,)))).encode().hex()
LONG = Schema((TensorSpec("w", "f32", (1_025,)),)).encode().hex()
ONE = "3f800000"
WIRE_ONE = "0000803f"
MODEL: dict[str, Any] = {
    "schema": SMALL,
    "optimiser": "fedadam",
    "rounds": 5,
    "floats": {"bits": ONE * 2},
    "integers": ["7"],
    "state": [{"zeros": 2}, {"bits": ONE * 2}],
    "steps": "4",
}
CHUNKS = [WIRE_ONE * 2, "07" + "00" * 7, "00" * 8, WIRE_ONE * 2, "04" + "00" * 7]


def ask(op: str, given: dict[str, Any]) -> Any:
    return answer(operations(), op, given)


def test_sizes__of_a_model_stand_in_runs() -> None:
    for optimiser, sizes in (
        ("none", [[8, 2]]),
        ("fedavgm", [[8, 4]]),
        ("fedadam", [[8, 5]]),
    ):
        given = {"schema": SMALL, "optimiser": optimiser}
        assert ask("model.sizes", given) == {"output": {"sizes": sizes}}
    assert ask("model.sizes", {"schema": SMALL, "optimiser": "adam"}) == {"error": "REFUSED"}
    assert ask("model.sizes", {"schema": "00", "optimiser": "none"}) == {"error": "REFUSED"}


def test_a_model__is_encoded_and_decoded() -> None:
    assert ask("model.encode", MODEL)["output"]["chunks"] == CHUNKS
    given = {key: MODEL[key] for key in ("schema", "optimiser", "rounds")} | {"chunks": CHUNKS}
    assert ask("model.decode", given) == {
        "output": {
            "floats": {"bits": ONE * 2},
            "integers": ["7"],
            "state": [{"bits": "00" * 8}, {"bits": ONE * 2}],
            "steps": "4",
        }
    }


def test_a_long_chunk__is_told_by_its_hash() -> None:
    given = {**MODEL, "schema": LONG, "optimiser": "none", "floats": {"zeros": 1_025}}
    chunks = ask("model.encode", {**given, "integers": [], "state": [], "steps": "0"})
    digest = sha256(bytes(4_100)).hexdigest()
    assert chunks["output"]["chunks"] == [{"sha256": digest, "count": 4_100}]


@pytest.mark.parametrize(
    "changes",
    [
        {"floats": {"zeros": 3}},
        {"integers": ["256"]},
        {"integers": [str(2**64)]},
        {"state": [{"zeros": 2}]},
        {"state": [{"zeros": 2}, {"bits": "bf800000" * 2}]},
        {"steps": "6"},
        {"steps": str(2**64 - 1)},
        {"optimiser": "none"},
    ],
)
def test_a_model_that_no_decoder_takes__is_refused(changes: dict[str, Any]) -> None:
    assert ask("model.encode", MODEL | changes) == {"error": "REFUSED"}


@pytest.mark.parametrize(
    ("index", "chunk", "code"),
    [
        (0, "00" * 9, "BAD_PROOF"),
        (0, "0000c07f" * 2, "NON_FINITE"),
        (1, "ff" * 8, "MALFORMED"),
        (3, "000080bf" * 2, "MALFORMED"),
        (4, "06" + "00" * 7, "MALFORMED"),
    ],
)
def test_a_chunk_that_is_not_right__is_answered_with_its_code(
    index: int, chunk: str, code: str
) -> None:
    chunks = [*CHUNKS[:index], chunk, *CHUNKS[index + 1 :]]
    assert ask("model.decode", {**MODEL, "chunks": chunks}) == {"error": code}


def test_a_run_manifest__is_written_and_read_with_its_merge() -> None:
    given: dict[str, Any] = {
        "audit_rounds": 2,
        "checks": 2,
        "encoding": "bf16",
        "finality": "depth",
        "init": "zeros",
        "merge": {
            "integers": "base",
            "optimiser": {"name": "fedavgm", "params": {"map": [["lr", {"uint": "1"}]]}},
            "params": {"map": []},
            "rule": "mean",
        },
        "min_peers": 0,
        "name": "n",
        "options": {"map": []},
        "privacy": "robust",
        "rounds": 1,
        "schema": "00" * 32,
        "sync_every": 1,
        "topology": "mesh",
        "version": 3,
        "weights": "declared",
        "windows": {"commit": 1, "depth": 0, "exchange": 1, "hi": 1, "lo": 1},
    }
    written = ask("run_manifest.encode", given)["output"]
    read = ask("run_manifest.decode", {"data": written["data"]})["output"]
    assert read == {**given, "run_id": written["run_id"]}
    assert ask("run_manifest.encode", {**given, "version": 2}) == {"error": "REFUSED"}
    merge = {**given["merge"], "integers": "sum"}
    assert ask("run_manifest.encode", {**given, "merge": merge}) == {"error": "REFUSED"}
