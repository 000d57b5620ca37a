"""`swarmp2p conformance`: vectors against any implementation."""

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from swarmp2p.cli.output import emit, json_option, path_option
from swarmp2p.errors import ConfigError

_LONGEST_RUN = 7 * 24 * 3_600  # seconds

folder_option: Callable[[Any], Any] = path_option(
    "--vectors", "folder", help="A folder of vectors, instead of those of this version."
)


@click.group()
def conformance() -> None:
    """Hold an implementation in any language against the spec's vectors."""


@conformance.command()
@click.option("--runner", help="The command to test; default: this package itself.")
@click.option("-k", "pattern", help="Only the cases whose id fits this glob.")
@folder_option
@path_option("--json", "json_file", help="Write the results to this file.")
@path_option("--junit", "junit_file", help="The same in JUnit's XML.")
@click.option(
    "--seconds",
    type=click.IntRange(1, _LONGEST_RUN),
    default=3_600,
    show_default=True,
    help="The whole run's time; cases that were not asked by then count as failed.",
)
@click.option("--allow-unsupported", is_flag=True, help="Unsupported cases are no failure.")
def vectors(
    *,
    runner: str | None,
    pattern: str | None,
    folder: Path | None,
    json_file: Path | None,
    junit_file: Path | None,
    seconds: int,
    allow_unsupported: bool,
) -> int:
    """Start a runner, ask it every case, and tell which rules it breaks.

    Exit status: 0 all passed, 1 failed or unsupported cases, 2 wrong usage.
    """
    from rich.console import Console

    from swarmp2p.conformance import report as reports
    from swarmp2p.conformance.cases import load
    from swarmp2p.conformance.process import Bounds
    from swarmp2p.conformance.running import Outcome, run

    loaded = load(folder)
    command = _command(runner) if runner is not None else reports.OWN
    chosen = loaded.select(pattern)
    with _results_file(json_file) as as_json, _results_file(junit_file) as as_junit:
        report = run(chosen, command, bounds=Bounds(run_seconds=seconds))
        _write(as_json, json.dumps(reports.as_json(report), indent=1).encode() + b"\n")
        _write(as_junit, reports.as_junit(report, loaded))
    for result in report.having(Outcome.FAILED):
        click.echo(reports.failure_text(result, loaded, report.command) + "\n")
    for result in report.having(Outcome.UNSUPPORTED):
        click.echo(f"UNSUPPORTED {result.case.id}")
    Console(highlight=False).print(reports.result_table(report))
    if report.problem:
        click.echo(f"the end of the runner: {report.problem}")
    return 0 if report.good(allow_unsupported=allow_unsupported) else 1


def _command(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"--runner is {text!r}: {error}") from None
    if not words:
        raise ConfigError("--runner is empty; expected a command")
    return words


@contextmanager
def _results_file(path: Path | None) -> Iterator[BinaryIO | None]:
    """Open a file before the run; what it held stays until there are results to write.

    Raises ConfigError where it cannot be opened. A new file that nothing was written to goes away.
    """
    if path is None:
        yield None
        return
    new = not path.exists()
    try:
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
    try:
        with file:
            yield file
    finally:
        if new and path.is_file() and not path.stat().st_size:
            path.unlink()


def _write(file: BinaryIO | None, data: bytes) -> None:
    """Put `data` in the place of what the file held. Raises ConfigError."""
    if file is None:
        return
    left = memoryview(data)
    try:
        if Path(file.name).is_file():  # not a device, not a pipe
            file.truncate(0)
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise ConfigError(f"cannot write {file.name}: {error.strerror}") from None


@conformance.command("list")
@folder_option
@json_option
def list_operations(*, folder: Path | None, as_json: bool) -> None:
    """List the operations: how many cases are valid, how many must be refused."""
    from swarmp2p.conformance.cases import counts, load

    found = counts(load(folder).select(None))
    rows = [{"op": op, "valid": good, "invalid": bad} for op, (good, bad) in found.items()]
    lines = [f"{op:28}{good:6} valid {bad:6} refused" for op, (good, bad) in found.items()]
    emit({"operations": rows}, lines, as_json=as_json)


@conformance.command()
@click.argument("case")
@folder_option
@json_option
def explain(case: str, *, folder: Path | None, as_json: bool) -> None:
    """Show a case in full, with the sentences of the rules it tests."""
    from swarmp2p.conformance.cases import load
    from swarmp2p.conformance.report import explanation

    loaded = load(folder)
    found = loaded.case(case)
    values = {
        "id": found.id,
        "op": found.op,
        "document": found.document,
        "covers": {rule: loaded.sentence(rule) for rule in found.covers},
        "input": found.input,
        **found.expected,
    }
    emit(values, [explanation(found, loaded)], as_json=as_json)
