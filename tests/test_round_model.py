"""The model of the rounds in spec/model: it cites rules that exist, and breaks when a rule does."""

import re
from pathlib import Path

import pytest
from model import cases, mutants, simulate
from model.rules import TEXT, check_arithmetic
from model.scenarios import SCENARIOS
from model.search import Case

SPEC = Path(__file__).resolve().parents[1] / "spec"
MODEL = SPEC / "model"
ID = re.compile(r"ROUND-\d{3}")


def cited() -> set[str]:
    return {found for path in MODEL.glob("*.py") for found in ID.findall(path.read_text("utf-8"))}


def listed_as_not_modelled() -> set[str]:
    text = (MODEL / "README.md").read_text("utf-8")
    section = text.partition("## Not modelled")[2].partition("##")[0]
    return set(ID.findall(section))


def test_model__cites_every_rule_of_rounds_or_says_why_not() -> None:
    document = (SPEC / "08-rounds.md").read_text("utf-8")
    rules = set(re.findall(r"^- \*\*(ROUND-\d{3})\*\*", document, re.MULTILINE))
    assert cited() - rules == set(), "no such rule"
    assert rules - cited() - listed_as_not_modelled() == set(), "neither modelled nor listed"
    assert cited() & listed_as_not_modelled() == set(), "modelled after all"


def test_numbers__keep_what_the_document_claims_up_to_64_peers() -> None:
    check_arithmetic()


def test_search__finds_no_violation_in_small_cases(capsys: pytest.CaptureFixture[str]) -> None:
    small = [case for case in cases.CASES if case.faulty < 2 and not case.unhealed]
    assert Case(3, 1, 4, 2) in small
    assert cases.report(small, TEXT) == 0
    assert "0 violations" in capsys.readouterr().out


def test_random_worlds__keep_every_promise() -> None:
    totals = simulate.random_worlds(TEXT, 60)
    assert totals.broken == {}
    assert totals.seals > 2 * totals.runs


@pytest.mark.parametrize("name", SCENARIOS)
def test_story__keeps_every_promise(name: str) -> None:
    assert simulate.story(name, TEXT, 3).broken == {}


@pytest.mark.parametrize("name", mutants.MUTANTS)
def test_mutant__is_caught(name: str) -> None:
    assert mutants.caught(mutants.MUTANTS[name]) is not None
