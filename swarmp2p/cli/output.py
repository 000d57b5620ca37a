"""What every command prints: one JSON object, or lines for people."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add `--json` to a command, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")(command)


def emit(values: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print `values` as one line of JSON, or `lines`; at once, also into a pipe."""
    text = json.dumps(values) if as_json else "\n".join(lines)
    click.echo(text)
    click.get_text_stream("stdout").flush()


def pairs(values: Mapping[str, Any]) -> list[str]:
    """One aligned line a key, for people."""
    width = max(map(len, values), default=0)
    return [f"{key.replace('_', ' '):<{width}}  {_show(value)}" for key, value in values.items()]


def _show(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_show(part)}" for key, part in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, float):
        return f"{value:g}"
    return "-" if value in {None, ""} else str(value)
