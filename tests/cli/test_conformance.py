"""`swarmp2p conformance`: exit statuses, files, and what a failure says."""

import json
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from swarmp2p.cli.main import run

TOY = Path(__file__).parents[1] / "conformance" / "toy_runner.py"
SENTENCE = "The input MUST be whole bytes. REJECT MALFORMED."
CASES = [
    {"id": "toy.length/one", "output": {"size": 1, "empty": False}, "input": {"data": "00"}},
    {"id": "toy.length/half", "error": "MALFORMED", "input": {"data": "0"}},
]


@pytest.fixture
def toys(tmp_path):
    (tmp_path / "toy").mkdir()
    cases = [{**case, "covers": ["ENC-002"]} for case in CASES]
    content = {"op": "toy.length", "document": "02-encoding.md", "cases": cases}
    (tmp_path / "toy" / "toy.length.json").write_text(json.dumps(content))
    (tmp_path / "rules.json").write_text(json.dumps({"ENC-002": SENTENCE}))
    return tmp_path


@pytest.fixture
def call(toys, capfd):
    """Run `swarmp2p conformance`; (exit status, stdout, stderr)."""

    def ask(*arguments):
        status = run(["conformance", *map(str, arguments), "--vectors", str(toys)])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return status, out, err

    return ask


def toy(*arguments):
    return shlex.join([sys.executable, "-I", str(TOY), *arguments])


def test_vectors_of_a_sound_runner__end_with_0(call):
    status, out, _ = call("vectors", "--runner", toy())
    assert status == 0
    assert "FAILED" not in out
    assert out.split()[-4:] == ["all", "2", "-", "-"]


def test_a_failure__tells_the_rule_its_sentence_and_how_to_see_it_again(call, toys):
    runner = toy("wrong-code", "toy.length/half")
    status, out, _ = call("vectors", "--runner", runner)
    assert status == 1
    assert f"ENC-002: {SENTENCE}" in out
    assert '{"error": "MALFORMED"}' in out
    assert '{"error": "TOO_LARGE"}' in out
    assert '{"data": "0"}' in out
    (line,) = [line for line in out.splitlines() if "again" in line]
    again = shlex.split(line.partition("again")[2])
    assert again[:3] == ["swarmp2p", "conformance", "vectors"]
    assert run(again[1:]) == 1


def test_k__runs_no_other_case(call):
    status, out, _ = call("vectors", "--runner", toy("crash", "toy.length/half"), "-k", "*/one")
    assert status == 0
    assert out.split()[-4:] == ["all", "1", "-", "-"]


def test_unsupported_cases__are_listed_and_fail_unless_allowed(call):
    # The package itself knows no toys.
    status, out, _ = call("vectors")
    assert status == 1
    assert "UNSUPPORTED toy.length/one" in out
    assert call("vectors", "--allow-unsupported")[0] == 0


def test_results__are_written_as_json_and_as_junit(call, tmp_path):
    runner = toy("wrong-output", "toy.length/one")
    files = tmp_path / "results.json", tmp_path / "results.xml"
    assert call("vectors", "--runner", runner, "--json", files[0], "--junit", files[1])[0] == 1
    results = json.loads(files[0].read_text())
    assert results["counts"] == {"passed": 1, "failed": 1, "unsupported": 0}
    assert [case["outcome"] for case in results["cases"]] == ["failed", "passed"]
    assert results["cases"][0]["got"] == {"output": {"size": 7, "empty": False}}
    (suite,) = ET.parse(files[1]).getroot()  # noqa: S314 - written by ourselves
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert SENTENCE in suite[0][0].text


def test_a_bad_end_of_the_runner__ends_with_1(call, tmp_path):
    file = tmp_path / "results.xml"
    status, out, _ = call("vectors", "--runner", toy("end-status"), "--junit", file)
    assert status == 1
    assert "ended with status 3" in out
    assert ET.parse(file).getroot()[1].get("errors") == "1"  # noqa: S314


@pytest.mark.parametrize("option", ["--json", "--junit"])
def test_a_file_that_cannot_be_written__is_told_before_the_run(call, tmp_path, option):
    mark = tmp_path / "started"
    runner = shlex.join(["touch", str(mark)])
    status, _, err = call("vectors", "--runner", runner, option, tmp_path)
    assert status == 2
    assert f"cannot write {tmp_path}" in err
    assert not mark.exists()


def test_a_run_that_is_broken_off__leaves_files_as_they_were(call, tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.xml"
    old.write_text("of the last run")
    arguments = ["--runner", "./no-such-runner", "--json", old, "--junit", new]
    assert call("vectors", *arguments)[0] == 2
    assert old.read_text() == "of the last run"
    assert not new.exists()


def test_results__replace_older_and_longer_ones_and_go_into_devices(call, tmp_path):
    file = tmp_path / "results.json"
    file.write_text("x" * 100_000)
    assert call("vectors", "--runner", toy(), "--json", file, "--junit", "/dev/null")[0] == 0
    assert json.loads(file.read_text())["counts"]["passed"] == 2


def test_seconds__bound_the_run_and_what_was_not_asked_fails(call, tmp_path):
    file = tmp_path / "results.json"
    arguments = ["--runner", toy("deaf"), "--seconds", 1, "--json", file]
    status, out, _ = call("vectors", *arguments)
    assert status == 1
    assert "not asked: the 1 s of the whole run were over" in out
    assert json.loads(file.read_text())["counts"]["failed"] == 2


@pytest.mark.parametrize(
    "defect", ["nasty-code", "nasty-output", "nasty-id", "nasty-line", "nasty-crash"]
)
def test_what_a_runner_writes__cannot_move_the_terminal(call, tmp_path, defect):
    file = tmp_path / "results.xml"
    status, out, err = call("vectors", "--runner", toy(defect, "toy.length/one"), "--junit", file)
    assert status == 1
    assert "FAILED toy.length/one" in out
    assert (out + err).replace("\n", "").isprintable()
    ET.parse(file)  # noqa: S314 - written by ourselves


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--runner", "./no-such-runner"], "cannot start the runner"),
        (["--runner", ""], "expected a command"),
        (["--runner", "'open"], "No closing quotation"),
        (["-k", "nothing*"], "fits 'nothing*'"),
        (["--json", "/no/such/folder/file"], "cannot write"),
        (["--json", "/dev/full"], "cannot write /dev/full: No space left"),
        (["--surely-not"], "No such option"),
        (["--seconds", "0"], "--seconds"),
        (["--seconds", "nan"], "--seconds"),
    ],
)
def test_wrong_usage__ends_with_2_and_one_line(call, arguments, words):
    status, _, err = call("vectors", *arguments)
    assert status == 2
    assert words in err


def test_a_damaged_vector_file__ends_with_2_and_its_name(call, toys):
    (toys / "toy" / "toy.length.json").write_text("{")
    status, _, err = call("vectors")
    assert status == 2
    assert "toy.length.json: no JSON" in err


def test_list__counts_valid_and_refused_cases(call):
    assert "toy.length" in call("list")[1]
    values = json.loads(call("list", "--json")[1])
    assert values == {"operations": [{"op": "toy.length", "valid": 1, "invalid": 1}]}


def test_explain__shows_a_case_in_full(call):
    status, out, _ = call("explain", "toy.length/half")
    assert status == 0
    assert f"ENC-002: {SENTENCE}" in out
    assert '"error": "MALFORMED"' in out
    values = json.loads(call("explain", "toy.length/half", "--json")[1])
    assert values["covers"] == {"ENC-002": SENTENCE}
    assert call("explain", "toy.length/third")[0] == 2
