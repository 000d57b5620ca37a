"""Runs a command as a runner over cases, and judges its answers."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from swarmp2p.conformance import strict_json
from swarmp2p.conformance.cases import REFUSED, WORDS, Case
from swarmp2p.conformance.excerpt import LONGEST, excerpt
from swarmp2p.conformance.process import Bounds, RunnerError, RunnerProcess

_GIVE_UP = 5  # failures in a row after which the runner is taken to be broken altogether
_SHORT = 200  # characters of what a runner wrote, within a sentence
# An answer is so much longer than the expected one only where it is wrong or padded; as values it
# takes up to 25 times the memory of its text.
_ANSWER_RATIO = 16
_ANSWER_FLOOR = 1 << 20


class Outcome(Enum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Result:
    """One case's outcome.

    `got` is the answer without its id, None where there was none; of one that is wrong and long it
    is a text, its JSON without the middle. `why` says in a sentence what is wrong; `said` is what
    the runner wrote to standard error. These texts are fit to be printed.
    """

    case: Case
    outcome: Outcome
    got: Any = None
    why: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All results, in the order of the cases; `problem`: how the runner's own end went wrong."""

    command: tuple[str, ...]
    results: tuple[Result, ...]
    problem: str | None

    def having(self, outcome: Outcome) -> tuple[Result, ...]:
        """The results with this outcome."""
        return tuple(result for result in self.results if result.outcome is outcome)

    def good(self, *, allow_unsupported: bool = False) -> bool:
        """Whether everything passed."""
        missing = () if allow_unsupported else self.having(Outcome.UNSUPPORTED)
        return not (self.having(Outcome.FAILED) or missing or self.problem)


class _AnswerError(Exception):
    """An answer in a wrong form."""


def run(
    cases: Sequence[Case],
    command: Sequence[str],
    *,
    bounds: Bounds | None = None,
) -> Report:
    """Ask the runner every case. Raises ConfigError where it cannot be started.

    A runner that breaks in a case fails that case and is started again for the next one.
    """
    course = _Course(tuple(cases), tuple(command), bounds or Bounds())
    while course.left():
        course.lap()
    results = tuple(course.results[case.id] for case in cases)
    return Report(course.command, results, course.problem)


def judge(case: Case, answer: Any, said: str = "") -> Result:
    """Compare a well-formed answer, without its id, with what the case demands."""
    if answer == {"unsupported": True}:
        return Result(case, Outcome.UNSUPPORTED, answer)
    if same(answer, case.expected):
        return Result(case, Outcome.PASSED, answer)
    if answer.get("error", REFUSED) not in WORDS:
        why = f"the runner answered {excerpt(answer['error'], _SHORT)}, which is no code"
    elif case.error is not None:
        why = f"expected {case.error}"
    elif "error" in answer:
        why = "a valid input was refused"
    else:
        why = "another output"
    return Result(case, Outcome.FAILED, _kept(answer), why, said)


def answer_bytes(case: Case, bounds: Bounds) -> int:
    """How long a line may be that answers `case`."""
    expected = json.dumps({"id": case.id, **case.expected})
    return min(max(_ANSWER_RATIO * len(expected), _ANSWER_FLOOR), bounds.line_bytes)


def _kept(answer: Any) -> Any:
    """A wrong answer as the report keeps it: thousands of them have room."""
    text = json.dumps(answer)
    return answer if len(text) <= LONGEST else excerpt(text)


def same(one: Any, other: Any) -> bool:
    """Equality of JSON: numbers by value, true and false are none."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


@dataclass
class _Course:
    """The way through all cases, over as many processes as it takes."""

    cases: tuple[Case, ...]
    command: tuple[str, ...]
    bounds: Bounds
    results: dict[str, Result] = field(default_factory=dict)
    problem: str | None = None
    _next: int = 0
    _failures: int = 0
    _until: float = field(init=False)

    def __post_init__(self) -> None:
        self._until = time.monotonic() + self.bounds.run_seconds

    def left(self) -> bool:
        """Whether there are cases left to ask; a broken runner is given up."""
        if self._failures >= _GIVE_UP:
            self._leave_out(f"the runner broke {_GIVE_UP} times in a row")
        elif self._over():
            self._leave_out(f"the {self.bounds.run_seconds:,g} s of the whole run were over")
        return self._next < len(self.cases)

    def lap(self) -> None:
        """Ask one process until it breaks, the time is over or nothing is left."""
        with RunnerProcess(self.command, self.bounds, self._until) as process:
            self._ask_all(process)
        if process.lives is not None:
            self.problem = f"process {process.lives} cannot be killed and lives on"

    def _ask_all(self, process: RunnerProcess) -> None:
        while self._next < len(self.cases):
            if self._over():
                return
            case = self.cases[self._next]
            self._next += 1
            if not self._ask(process, case):
                self._failures += 1
                return
            self._failures = 0
        self.problem = process.finish() or self.problem

    def _over(self) -> bool:
        return time.monotonic() >= self._until

    def _leave_out(self, why: str) -> None:
        for case in self.cases[self._next :]:
            self._note(Result(case, Outcome.FAILED, None, f"not asked: {why}"))
        self._next = len(self.cases)

    def _ask(self, process: RunnerProcess, case: Case) -> bool:
        """Ask one case; False if the process is not to be asked again."""
        line = json.dumps({"id": case.id, "op": case.op, "input": case.input}).encode() + b"\n"
        try:
            deadline = process.send(line, answer_bytes(case, self.bounds))
            answer = self._answer(process, case, deadline)
            said = process.said if answer != case.expected else ""
            self._note(judge(case, answer, said))
            more = self._next < len(self.cases) and process.wrote_more()
        except (RunnerError, _AnswerError) as error:
            self._note(Result(case, Outcome.FAILED, None, str(error), process.said))
            return False
        if more:
            self._spoil(case.id, "the runner wrote more than one line")
        return not more

    def _answer(self, process: RunnerProcess, case: Case, deadline: float) -> Any:
        """The answer to `case`, without its id; a second answer to an earlier case spoils that."""
        while True:
            answer = _parsed(process.read_line(deadline))
            name = answer.pop("id")
            if name == case.id:
                return answer
            if not isinstance(name, str) or name not in self.results:
                raise _AnswerError(f"the answer is to {_short(name)}")
            self._spoil(name, "the runner answered twice")

    def _spoil(self, name: str, why: str) -> None:
        self.results[name] = replace(self.results[name], outcome=Outcome.FAILED, why=why)

    def _note(self, result: Result) -> None:
        self.results[result.case.id] = result


def _parsed(line: bytes) -> dict[str, Any]:
    """An answer in its form: an id and one more key. Raises _AnswerError."""
    try:
        answer = strict_json.loads(line)
    except UnicodeDecodeError:
        raise _AnswerError(f"the answer is not UTF-8: {_short(line)}") from None
    except ValueError as error:
        raise _AnswerError(f"the answer is no JSON: {error}: {_short(line)}") from None
    if not isinstance(answer, dict) or "id" not in answer or len(answer) != 2:
        raise _AnswerError(f"the answer is no object with id and one more key: {_short(line)}")
    (key,) = answer.keys() - {"id"}
    wrong = key not in {"output", "error", "unsupported"}
    wrong = wrong or (key == "error" and not isinstance(answer[key], str))
    if wrong or (key == "unsupported" and answer[key] is not True):
        raise _AnswerError(f"the answer has neither output, error nor unsupported: {_short(line)}")
    return answer


def _short(value: object) -> str:
    start = value[:_SHORT] if isinstance(value, bytes) else value
    return f"{start!r:.{_SHORT}}"
