"""Every vector of spec/vectors, made by another implementation, against this package."""

import re

import pytest
from vector_cases import CASES, FOLDER, OPERATIONS, ask

from swarmp2p.conformance.cases import Case
from swarmp2p.conformance.running import Outcome, judge

NAMED = set(
    re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
)


def test_vectors__are_there_because_nothing_is_proven_without_them() -> None:
    assert CASES, f"{FOLDER} holds no vectors; `make vectors` makes them"


def test_operations__are_those_that_the_vectors_document_names() -> None:
    assert set(OPERATIONS) == NAMED


def test_every_operation__has_vectors() -> None:
    assert {case.op for case in CASES} == NAMED


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_vector__is_answered_as_the_rules_demand(case: Case) -> None:
    result = judge(case, ask(case.op, dict(case.input)))
    assert result.outcome is Outcome.PASSED, (result.why, result.got, case.expected, case.covers)
