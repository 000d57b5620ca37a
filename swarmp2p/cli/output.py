"""What every command prints: one JSON object, or lines for people."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add `--json` to a command, as the argument `as_json`."""
    text = "One JSON object on stdout."
    decorate: Callable[[Command], Command] = click.option(
        "--json", "as_json", is_flag=True, help=text
    )
    return decorate(command)


def path_option(*names: str, **more: Any) -> Callable[[Command], Command]:
    """An option that takes a path; whether it exists is checked where it is used."""
    return click.option(*names, type=click.Path(path_type=Path), **more)


def emit(values: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print `values` as one line of JSON, or `lines`; click flushes, also into a pipe."""
    click.echo(json.dumps(values) if as_json else "\n".join(lines))
