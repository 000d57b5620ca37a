"""Runs a command as a runner over cases, and judges its answers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from swarmp2p.conformance import strict_json
from swarmp2p.conformance.cases import REFUSED, WORDS, Case
from swarmp2p.conformance.process import Bounds, RunnerError, RunnerProcess

_GIVE_UP = 5  # failures in a row after which the runner is taken to be broken altogether


class Outcome(Enum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Result:
    """One case's outcome. `got` is the answer without its id, None where there was none.

    `why` says in a sentence what is wrong; `said` is what the runner wrote to standard error.
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
        why = f"the runner answered {answer['error']}, which is no code"
    elif case.error is not None:
        why = f"expected {case.error}"
    elif "error" in answer:
        why = "a valid input was refused"
    else:
        why = "another output"
    return Result(case, Outcome.FAILED, answer, why, said)


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

    def left(self) -> bool:
        """Whether there are cases left to ask; a broken runner is given up."""
        if self._failures >= _GIVE_UP:
            why = f"not asked: the runner broke {_GIVE_UP} times in a row"
            for case in self.cases[self._next :]:
                self._note(Result(case, Outcome.FAILED, None, why))
            self._next = len(self.cases)
        return self._next < len(self.cases)

    def lap(self) -> None:
        """Ask one process until it breaks or nothing is left."""
        with RunnerProcess(self.command, self.bounds) as process:
            while self._next < len(self.cases):
                case = self.cases[self._next]
                self._next += 1
                if not self._ask(process, case):
                    self._failures += 1
                    return
                self._failures = 0
            self.problem = process.finish()

    def _ask(self, process: RunnerProcess, case: Case) -> bool:
        """Ask one case; False if the process is not to be asked again."""
        line = json.dumps({"id": case.id, "op": case.op, "input": case.input}).encode() + b"\n"
        try:
            answer = self._answer(process, case, process.send(line))
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
    start = value[:200] if isinstance(value, bytes) else value
    return f"{start!r:.200}"
