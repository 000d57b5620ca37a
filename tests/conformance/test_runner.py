"""The suite tested: a sound runner passes everything, each planted defect fails its case alone."""

import json
import os
import select
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from swarmp2p.conformance.cases import load
from swarmp2p.conformance.process import Bounds
from swarmp2p.conformance.report import as_json, as_junit, failure_text
from swarmp2p.conformance.running import Outcome, answer_bytes, run, same
from swarmp2p.errors import ConfigError

SHORT = Bounds(answer_seconds=4.0, end_seconds=2.0, line_bytes=1 << 20, total_bytes=1 << 24)
VALID = "toy.length/one"
INVALID = "toy.length/half"


@pytest.fixture
def report(toys, toy_command):
    """The report on the toy runner with a defect."""

    def ask(*arguments, bounds=SHORT):
        return run(load(toys).cases, toy_command(*arguments), bounds=bounds)

    return ask


def test_a_sound_runner__passes_everything(report):
    found = report()
    assert found.good()
    assert len(found.having(Outcome.PASSED)) == 4


@pytest.mark.parametrize(
    ("defect", "where", "words"),
    [
        ("wrong-code", INVALID, "expected MALFORMED"),
        ("accepts", INVALID, "expected MALFORMED"),
        ("no-code", INVALID, "OOPS, which is no code"),
        ("refuses", VALID, "a valid input was refused"),
        ("wrong-output", VALID, "another output"),
        ("true-for-1", VALID, "another output"),
        ("more-output", VALID, "another output"),
        ("crash", VALID, "ended with status 1"),
        ("hang", VALID, "no answer within 4 s"),
        ("exit", VALID, "ended with status 0"),
        ("exit", "toy.length/two", "ended with status 0"),
        ("exit-3", VALID, "ended with status 3"),
        ("killed", VALID, "killed by SIGSEGV"),
        ("killed-40", VALID, "killed by signal 40"),
        ("closes-output", VALID, "closed its output"),
        ("rubbish", VALID, "no JSON"),
        ("no-json-number", VALID, "no JSON"),
        ("not-utf8", VALID, "not UTF-8"),
        ("too-deep", VALID, "no JSON"),
        ("deep", VALID, "too many levels"),
        ("other-id", VALID, "the answer is to 'toy.length/elsewhere'"),
        ("id-is-a-list", VALID, "the answer is to ["),
        ("no-id", VALID, "no object with id"),
        ("two-keys", VALID, "no object with id"),
        ("error-is-null", VALID, "neither output, error nor unsupported"),
        ("unsupported-is-1", VALID, "neither output, error nor unsupported"),
        ("half-a-line", VALID, "ended with status 0"),
        ("extra", VALID, "more than one line"),
        ("twice", VALID, "more than one line"),
        ("endless", VALID, "an answer of more than 1,048,576 bytes"),
        ("key-twice", VALID, "a key twice"),
    ],
)
def test_a_defect__fails_its_case_alone(report, defect, where, words):
    found = report(defect, where)
    (failed,) = found.having(Outcome.FAILED)
    assert failed.case.id == where
    assert words in failed.why
    assert len(found.having(Outcome.PASSED)) == 3
    assert found.problem is None
    assert not found.good()


def test_an_unsupported_case__is_no_pass_unless_it_is_allowed(report):
    found = report("unsupported", VALID)
    (result,) = found.having(Outcome.UNSUPPORTED)
    assert result.case.id == VALID
    assert not found.good()
    assert found.good(allow_unsupported=True)


def test_text_for_people__disturbs_nothing(report):
    assert report("talkative", VALID).good()


def test_a_crash__shows_the_end_of_standard_error(report):
    (failed,) = report("crash", VALID).having(Outcome.FAILED)
    assert "ZeroDivisionError: planted" in failed.said


@pytest.mark.parametrize(
    ("defect", "words"),
    [
        ("end-status", "ended with status 3"),
        ("end-late", "did not end within 2 s"),
        ("end-talk", "wrote 4 bytes after its last answer"),
    ],
)
def test_a_bad_end__is_told_though_all_cases_pass(report, defect, words):
    found = report(defect)
    assert len(found.having(Outcome.PASSED)) == 4
    assert words in found.problem
    assert not found.good()


def test_a_runner_that_never_answers__fails_every_case_and_is_given_up(toys, toy_command):
    cases = load(toys).cases * 3
    found = run(cases, toy_command("never"), bounds=SHORT)
    assert len(found.having(Outcome.FAILED)) == 12


def test_output_in_all__is_bounded(report):
    bounds = Bounds(answer_seconds=4.0, end_seconds=2.0, total_bytes=100)
    found = report(bounds=bounds)
    assert "more than 100 bytes of output in all" in found.having(Outcome.FAILED)[0].why


def test_a_long_line__passes_both_ways(toys, toy_command):
    (case, *_) = load(toys).cases
    size = 3 << 20
    expected = {"size": size, "empty": False}
    big = replace(case, input={"data": "00" * size}, output=expected)
    assert run([big], toy_command(), bounds=SHORT).good()


def test_an_answer__may_be_many_times_as_long_as_what_is_expected(toys, toy_command):
    (case, *_) = load(toys).cases
    big = replace(case, output=["abc"] * 50_000)
    padded = toy_command("long-output", f"{case.id}")
    assert run([big], padded).good()
    assert answer_bytes(big, Bounds()) == 16 * len(json.dumps({"id": big.id, "output": big.output}))
    assert answer_bytes(case, Bounds()) == 1 << 20
    assert answer_bytes(big, Bounds(line_bytes=2 << 20)) == 2 << 20


def test_an_answer_of_many_values__is_not_even_parsed(report):
    (failed,) = report("many-values", VALID, bounds=Bounds()).having(Outcome.FAILED)
    assert "an answer of more than 1,048,576 bytes" in failed.why


def test_a_flood_of_lines_while_a_case_is_sent__is_bounded_as_an_answer_is(toys, toy_command):
    (case, *_) = load(toys).cases
    big = replace(case, input={"data": "00" * (1 << 20)})
    (failed,) = run([big], toy_command("blank-lines"), bounds=SHORT).having(Outcome.FAILED)
    assert "an answer of more than 1,048,576 bytes" in failed.why


def test_a_long_wrong_answer__is_kept_by_its_two_ends(report):
    (failed,) = report("long-output", VALID).having(Outcome.FAILED)
    assert failed.why == "another output"
    assert failed.got.startswith('{"output": ["abc", "abc", ')
    assert failed.got.endswith('"abc"]}')
    assert len(failed.got) < 1_000


@pytest.mark.parametrize(
    "defect", ["nasty-code", "nasty-output", "nasty-id", "nasty-line", "nasty-crash"]
)
def test_what_a_runner_writes__is_printed_short_and_without_controls(toys, report, defect):
    found = report(defect, VALID)
    (failed,) = found.having(Outcome.FAILED)
    text = failure_text(failed, load(toys), found.command)
    assert text.replace("\n", "").isprintable()
    assert len(text) < 8_000
    assert r"\x1b" in text or r"\u001b" in text
    assert text.replace("\n", " ").encode()
    assert failed.why.isprintable()
    assert len(failed.why) < 700
    ET.fromstring(as_junit(found, load(toys)))  # noqa: S314 - written by ourselves
    json.dumps(as_json(found), allow_nan=False).encode()


def test_the_time_of_a_whole_run__is_bounded_and_what_was_not_asked_fails(toys, toy_command):
    bounds = Bounds(run_seconds=4.0)
    found = run(load(toys).cases, toy_command("hang", VALID), bounds=bounds)
    whys = [result.why for result in found.results]
    assert whys[0] == ""
    assert whys[1] == "no answer before the 4 s of the whole run were over"
    assert whys[2:] == ["not asked: the 4 s of the whole run were over"] * 2
    assert not found.good()


@pytest.mark.timeout(20)
def test_a_runner_that_reads_nothing__is_left_in_time(toys, toy_command):
    (case, *_) = load(toys).cases
    big = replace(case, input={"data": "00" * (1 << 20)})
    found = run([big], toy_command("deaf"), bounds=Bounds(answer_seconds=0.3))
    assert "no answer within 0.3 s" in found.having(Outcome.FAILED)[0].why


def test_the_end__kills_what_the_runner_has_started(report, toys):
    mark = toys / "pid"
    report("child", mark)
    with suppress(ProcessLookupError):  # it is gone already
        ended = os.pidfd_open(int(mark.read_text()))
        assert select.select([ended], [], [], 5)[0], "the runner's child lives on"


@pytest.fixture
def killed_later(toys):
    """A file for the id of a process that the suite cannot kill; it is killed here."""
    mark = toys / "pid"
    yield mark
    os.kill(int(mark.read_text()), signal.SIGKILL)


def test_a_process_in_a_session_of_its_own__is_out_of_reach_and_not_waited_for(
    report, killed_later
):
    found = report("detached", killed_later)
    assert len(found.having(Outcome.PASSED)) == 4
    os.kill(int(killed_later.read_text()), 0)


@pytest.mark.timeout(40)
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_runner_that_may_not_be_killed__is_told_and_not_waited_for(
    report, killed_later, monkeypatch
):
    def refused(*_):
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", refused)
        patch.setattr(os, "kill", refused)
        found = report("end-never", killed_later)
    assert "cannot be killed" in found.problem
    assert killed_later.read_text() in found.problem
    assert not found.good()


@pytest.mark.timeout(40)
def test_a_group_that_may_not_be_killed__does_not_keep_its_first_process(report, toys, monkeypatch):
    def refused(*_):
        raise PermissionError

    mark = toys / "pid"
    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", refused)
        report("end-never", mark)
    assert not Path(f"/proc/{mark.read_text()}").exists()


def test_a_command_that_does_not_exist__is_a_wrong_setting(toys):
    with pytest.raises(ConfigError, match=r"cannot start the runner \./no-such-runner"):
        run(load(toys).cases, ["./no-such-runner"])


def test_same__is_equality_of_json():
    assert same({"a": [1, None, "x"]}, {"a": [1.0, None, "x"]})
    for one, other in ((1, True), (0, False), ([], {}), ([1], [1, 2]), ({"a": 1}, {}), ("1", 1)):
        assert not same(one, other)
        assert not same(other, one)
