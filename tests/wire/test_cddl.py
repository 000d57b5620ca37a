"""spec/schema/*.cddl accepts every valid vector of a message, and no unknown or missing field.

pycddl takes CBOR, so values are written in it. It cannot match the keys of a map by a regexp, nor a
map as one of several types, and takes some values of another type than a size is given for: bounds
and constants are the vectors' own matter.
"""

from pathlib import Path

import cbor2
import pycddl
import pytest
from test_run_manifest import FIELDS, MERGE, OPTIMISER

from swarmp2p.conformance.cases import Case, load
from swarmp2p.target.notation import data_of
from swarmp2p.wire import canonical
from swarmp2p.wire.registry import MAX_RUN_MANIFEST_BYTES

SPEC = Path(__file__).resolve().parents[2] / "spec"
MESSAGES = {
    "hello.decode": ("messages.cddl", "hello"),
    "chunk_request.decode": ("messages.cddl", "chunk-request"),
    "chunk_reply.decode": ("messages.cddl", "chunk-reply"),
    "update_manifest.decode": ("messages.cddl", "update-manifest"),
    "run_manifest.decode": ("run-manifest.cddl", "run-manifest"),
}
CASES = [case for case in load(SPEC / "vectors").cases if case.op in MESSAGES]
NESTED = ("option-map", "param-map", "options-deepest")  # maps among other types
VALID = [
    case for case in CASES if case.error is None and not case.id.split("/")[1].startswith(NESTED)
]
UNKNOWN = [case for case in CASES if case.error == "UNKNOWN_FIELD"]


def schema(op: str) -> pycddl.Schema:
    name, rule = MESSAGES[op]
    text = (SPEC / "schema" / name).read_text(encoding="utf-8")
    text = text.replace('metric-name = tstr .regexp "[A-Za-z0-9_./-]{1,32}"', "metric-name = tstr")
    return pycddl.Schema(f"root = {rule}\n{text}")


def value_of(case: Case) -> dict[str, object]:
    value = canonical.decode(data_of(case.input["data"]), max_bytes=MAX_RUN_MANIFEST_BYTES)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.id)
def test_schema__accepts_what_is_valid(case: Case) -> None:
    schema(case.op).validate_cbor(cbor2.dumps(value_of(case)))


@pytest.mark.parametrize("case", UNKNOWN, ids=lambda case: case.id)
def test_schema__refuses_an_unknown_field(case: Case) -> None:
    with pytest.raises(pycddl.ValidationError):
        schema(case.op).validate_cbor(cbor2.dumps(value_of(case)))


@pytest.mark.parametrize("op", MESSAGES)
def test_schema__refuses_a_missing_field(op: str) -> None:
    value = value_of(next(case for case in VALID if case.op == op))
    for key in value:
        without = {name: content for name, content in value.items() if name != key}
        with pytest.raises(pycddl.ValidationError):
            schema(op).validate_cbor(cbor2.dumps(without))


def test_schema_of_a_run_manifest__takes_an_optimiser_and_refuses_other_merges() -> None:
    ours = schema("run_manifest.decode")
    ours.validate_cbor(cbor2.dumps(FIELDS))
    for wrong in (
        {**FIELDS, "version": 2},
        {**FIELDS, "merge": {**MERGE, "integers": "sum"}},
        {**FIELDS, "merge": {**MERGE, "x": 1}},
        {**FIELDS, "merge": {**MERGE, "optimiser": {**OPTIMISER, "x": 1}}},
        {**FIELDS, "merge": {**MERGE, "optimiser": {"name": "none"}}},
        {**FIELDS, "merge": {**MERGE, "optimiser": {"name": "", "params": {}}}},
    ):
        with pytest.raises(pycddl.ValidationError):
            ours.validate_cbor(cbor2.dumps(wrong))
