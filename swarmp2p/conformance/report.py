"""A report for people, as JSON and as JUnit."""

import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from rich import box
from rich.table import Table

from swarmp2p.conformance.cases import Case, Vectors
from swarmp2p.conformance.excerpt import excerpt
from swarmp2p.conformance.running import Outcome, Report, Result

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
OWN = (sys.executable, "-m", "swarmp2p.target")


def tallies(report: Report) -> dict[str, dict[Outcome, int]]:
    """How many cases of each operation had which outcome."""
    found: dict[str, dict[Outcome, int]] = {}
    for result in report.results:
        row = found.setdefault(result.case.op, dict.fromkeys(Outcome, 0))
        row[result.outcome] += 1
    return found


def result_table(report: Report) -> Table:
    """One row per operation, and their sum."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("operation", no_wrap=True)
    for outcome in Outcome:
        table.add_column(outcome.value, justify="right")
    for op, row in tallies(report).items():
        table.add_row(op, *(_figure(outcome, row[outcome]) for outcome in Outcome))
    table.add_section()
    sums = {outcome: len(report.having(outcome)) for outcome in Outcome}
    table.add_row("all", *(_figure(outcome, count) for outcome, count in sums.items()))
    return table


def _figure(outcome: Outcome, count: int) -> str:
    colours = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.UNSUPPORTED: "yellow"}
    return f"[{colours[outcome]}]{count}[/]" if count else "-"


def failure_text(result: Result, vectors: Vectors, command: tuple[str, ...]) -> str:
    """What broke which rule, and how to see it again."""
    case = result.case
    lines = [f"FAILED {case.id}: {result.why}"]
    lines += [f"  {rule}: {vectors.sentence(rule)}" for rule in case.covers]
    lines += [
        f"  expected  {shortened(case.expected)}",
        f"  got       {_got(result)}",
        f"  input     {shortened(case.input)}",
    ]
    if result.said:
        lines += ["  standard error:", *(f"    {line}" for line in result.said.splitlines()[-12:])]
    return "\n".join([*lines, f"  again     {again(case, vectors, command)}"])


def _got(result: Result) -> str:
    if result.got is None:
        return "nothing"
    return result.got if isinstance(result.got, str) else shortened(result.got)


def again(case: Case, vectors: Vectors, command: tuple[str, ...]) -> str:
    """The command line that runs this case alone."""
    own = [] if command == OWN else ["--runner", shlex.join(command)]
    parts = ["swarmp2p", "conformance", "vectors", *own, "-k", case.id]
    return shlex.join([*parts, *([] if vectors.default else ["--vectors", str(vectors.folder)])])


def explanation(case: Case, vectors: Vectors) -> str:
    """A case in full, with the sentences of its rules."""
    lines = [case.id, f"{case.document}, operation {case.op}"]
    lines += [f"{rule}: {vectors.sentence(rule)}" for rule in case.covers]
    lines += ["input", json.dumps(case.input, indent=2, ensure_ascii=False)]
    return "\n".join([*lines, "expected", json.dumps(case.expected, indent=2, ensure_ascii=False)])


def shortened(value: Any) -> str:
    """JSON in one line, its middle left out where it is long."""
    return excerpt(json.dumps(value))


def as_json(report: Report) -> dict[str, Any]:
    """Plain values for a file; inputs are left to the vectors."""
    return {
        "command": list(report.command),
        "counts": {outcome.value: len(report.having(outcome)) for outcome in Outcome},
        "problem": report.problem,
        "cases": [_case_json(result) for result in report.results],
    }


def _case_json(result: Result) -> Mapping[str, Any]:
    values = {"id": result.case.id, "outcome": result.outcome.value}
    if result.outcome is Outcome.PASSED:
        return values
    details = {"covers": list(result.case.covers), "why": result.why, "got": result.got}
    return {**values, **details, "expected": result.case.expected}


def as_junit(report: Report, vectors: Vectors) -> bytes:
    """The report as CI systems read it: a suite per operation."""
    suites = ET.Element("testsuites", name="swarmp2p vectors")
    for op, row in tallies(report).items():
        counts = {"failures": row[Outcome.FAILED], "skipped": row[Outcome.UNSUPPORTED]}
        suite = ET.SubElement(suites, "testsuite", name=op, tests=str(sum(row.values())))
        suite.attrib.update({name: str(count) for name, count in counts.items()})
        for result in _of(report, op):
            entry = ET.SubElement(suite, "testcase", classname=op, name=result.case.id)
            if result.outcome is Outcome.UNSUPPORTED:
                ET.SubElement(entry, "skipped", message="unsupported")
            elif result.outcome is Outcome.FAILED:
                failure = ET.SubElement(entry, "failure", message=_xml(result.why))
                failure.text = _xml(failure_text(result, vectors, report.command))
    if report.problem:
        suite = ET.SubElement(suites, "testsuite", name="runner", tests="1", errors="1")
        entry = ET.SubElement(suite, "testcase", classname="runner", name="its end")
        ET.SubElement(entry, "error", message=_xml(report.problem))
    text: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return text


def _of(report: Report, op: str) -> Iterator[Result]:
    return (result for result in report.results if result.case.op == op)


def _xml(text: str) -> str:
    """`text` without what XML cannot hold."""
    return _NO_XML.sub("?", text)
