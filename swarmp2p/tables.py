"""Reads a TOML file key by key and says, in one line, what is wrong with it."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swarmp2p.errors import ConfigError

_KINDS: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table",
    list: "a list",
}


class Table:
    """One table of a TOML file; every key is taken once, and none may be left over."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        """`where` is how messages name the table: "node.toml [ledger]"."""
        self._values = dict(values)
        self._known: list[str] = []
        self.where = where

    def take(self, key: str, kind: type, default: Any = ...) -> Any:
        """The value of `key`, of type `kind`; `default` where it is missing, if one is given."""
        self._known.append(key)
        if key not in self._values:
            if default is ...:
                raise ConfigError(f"{self.where}: {key!r} is missing; expected {_KINDS[kind]}")
            return default
        value = self._values.pop(key)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ConfigError(f"{self.where}: {key!r} is {value!r}; expected {_KINDS[kind]}")
        return value

    def number(self, key: str, low: int, high: int, default: Any = ...) -> int:
        """A whole number in [low, high]."""
        value: int = self.take(key, int, default)
        if not low <= value <= high:
            raise ConfigError(f"{self.where}: {key!r} is {value}; expected {low} to {high}")
        return value

    def words(self, key: str) -> tuple[str, ...]:
        """A string, or a list of strings; at least one."""
        self._known.append(key)
        value = self._values.pop(key, None)
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not words or not all(isinstance(w, str) for w in words):
            what = "is missing" if value is None else "is neither"
            raise ConfigError(f"{self.where}: {key!r} {what}; expected a string or a list of them")
        return tuple(words)

    def choice(self, key: str, choices: tuple[str, ...], default: Any = ...) -> str:
        """One of some words."""
        value: str = self.take(key, str, default)
        if value not in choices:
            raise ConfigError(
                f"{self.where}: {key!r} is {value!r}; expected one of {', '.join(choices)}"
            )
        return value

    def table(self, key: str, *, needed: bool = True) -> "Table":
        """A table within; an empty one where it is missing and not needed."""
        name = f"{self.where.split(' [')[0]} [{key}]"
        values = self.take(key, dict, ... if needed else {})
        return Table(values, name)

    def rest(self) -> dict[str, Any]:
        """All that was not taken: for tables whose keys are the user's."""
        left, self._values = self._values, {}
        return left

    def end(self) -> None:
        """Refuse what nobody asked for."""
        for key in self._values:
            near = difflib.get_close_matches(key, self._known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(self._known)}"
            raise ConfigError(f"{self.where}: unknown key {key!r}{hint}")


def read_table(path: Path) -> Table:
    """Open a TOML file. Raises ConfigError where it cannot be read or is no TOML."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no such file: {path}; `swarmp2p init DIR` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    return Table(values, str(path.name))
