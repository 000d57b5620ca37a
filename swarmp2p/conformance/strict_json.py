"""JSON from strangers: UTF-8, no constants beyond the standard's, nesting that no parser dies of.

The depth is judged before the parser recurses: how deep that may go is a setting of the process,
and some libraries raise it beyond what its stack holds.
"""

import json
import re
from typing import Any

# Each pass takes away one level or more: enough for 64 levels, and never more than 128 are left.
_PASSES = 64
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def loads(data: bytes) -> Any:
    """The value. Raises ValueError (UnicodeDecodeError for what is not UTF-8)."""
    text = data.decode()
    if not _shallow(data):
        raise ValueError("brackets that do not match, or too many levels of them")
    return json.loads(text, parse_constant=_no_constant)


def _shallow(data: bytes) -> bool:
    """Whether the brackets outside strings are pairs, not too deep in one another."""
    brackets = _STRING.sub(b"", data).translate(None, _NO_BRACKETS)
    for _ in range(_PASSES):
        if not brackets:
            return True
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return not brackets


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
