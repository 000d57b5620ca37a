"""The vectors of spec/vectors, and this package's answers to them, in this process."""

from pathlib import Path
from typing import Any

from swarmp2p.conformance.cases import Case, load
from swarmp2p.target.runner import answer, operations

FOLDER = Path(__file__).resolve().parent.parent / "spec" / "vectors"
CASES = load(FOLDER).cases
OPERATIONS = operations()


def ask(op: str, given: dict[str, Any]) -> dict[str, Any]:
    """The answer of the runner `python -m swarmp2p.target`."""
    return answer(OPERATIONS, op, given)


def valid(op: str) -> list[Case]:
    """The cases of an operation that demand an output."""
    return [case for case in CASES if case.op == op and case.error is None]
