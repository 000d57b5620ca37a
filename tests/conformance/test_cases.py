"""Vector files are checked before anything is run; a damaged one is named."""

import json
from pathlib import Path

import pytest
from toy_vectors import toy_case, toy_file

from swarmp2p.conformance import cases
from swarmp2p.errors import ConfigError


def damaged(folder, content):
    path = folder / "toy" / "toy.length.json"
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        cases.load(folder)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_cases__come_in_the_order_of_the_file_with_what_they_demand(toys):
    loaded = cases.load(toys)
    assert [case.id.partition("/")[2] for case in loaded.cases] == ["empty", "one", "half", "two"]
    assert loaded.cases[1].expected == {"output": {"size": 1, "empty": False}}
    assert loaded.cases[2].expected == {"error": "MALFORMED"}
    assert cases.counts(loaded.cases) == {"toy.length": (3, 1)}


def test_select__takes_a_glob_and_refuses_to_run_nothing(toys):
    loaded = cases.load(toys)
    assert len(loaded.select("toy.*/*o*")) == 2
    with pytest.raises(ConfigError, match="fits 'tay"):
        loaded.select("tay*")


def test_a_folder_without_vectors__says_how_they_are_made(tmp_path):
    with pytest.raises(ConfigError, match="make vectors"):
        cases.load(tmp_path).select(None)
    with pytest.raises(ConfigError, match="is no folder"):
        cases.load(tmp_path / "nowhere")


def test_an_unknown_case__is_told_with_those_near_it(toys):
    with pytest.raises(ConfigError, match=r"near it: toy\.length/one"):
        cases.load(toys).case("one")


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff\xfe", "[" * 100_000, '{"op": 1, "op": 2}'],
    ids=lambda content: f"{content[:9]!r}",
)
def test_a_file_that_is_no_json__is_named(toys, content):
    assert "no JSON" in damaged(toys, content)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"op": "toylength"}, "expected group.operation"),
        ({"op": 7}, "expected group.operation"),
        ({"document": None}, "document is no text"),
        ({"cases": []}, "cases is no list"),
        ({"cases": {}}, "cases is no list"),
        ({"more": 1}, "an object with op, document and cases"),
    ],
)
def test_a_damaged_head__is_named(toys, change, words):
    assert words in damaged(toys, {**toy_file(), **change})


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (7, "expected an object with id"),
        (toy_case("a", ""), "either output or error"),
        (toy_case("a", "", output={}, error="MALFORMED"), "either output or error"),
        (toy_case("a", "", output={}, note=""), "either output or error"),
        (toy_case("a", "", error="WRONG"), "expected a code"),
        (toy_case("a", "", error=3), "expected a code"),
        (toy_case("A b", "", output={}), "a slug"),
        ({**toy_case("a", "", output={}), "id": "other.op/a"}, "the id is not toy.length/"),
        ({**toy_case("a", "", output={}), "covers": []}, "covers is no list"),
        ({**toy_case("a", "", output={}), "covers": [1]}, "covers is no list"),
        ({**toy_case("a", "", output={}), "covers": ["ENC-999"]}, "there is no such rule"),
        ({**toy_case("a", "", output={}), "input": []}, "input is no object"),
        (toy_case("one", "", output={}), "stands in"),
    ],
)
def test_a_damaged_case__is_named(toys, case, words):
    content = toy_file()
    content["cases"].append(case)
    assert words in damaged(toys, content)


def test_damaged_sentences__are_named(toys):
    (toys / "rules.json").write_text('{"ENC-002": 3}')
    with pytest.raises(ConfigError, match=r"rules\.json"):
        cases.load(toys)


def test_bundled_vectors__come_before_those_of_a_checkout(tmp_path, monkeypatch):
    assert cases.default_folder() == Path(cases.__file__).parents[2] / "spec" / "vectors"
    monkeypatch.setattr(cases, "_BUNDLED", tmp_path)
    assert cases.default_folder() == tmp_path
