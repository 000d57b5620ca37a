"""JSON from strangers: UTF-8, no constants beyond the standard's, nesting that no parser dies of.

No key twice in an object, and no number that only infinity could stand for: of both, two readers
make two things.

The depth is judged before the parser recurses: how deep that may go is a setting of the process,
and some libraries raise it beyond what its stack holds.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

# Each pass takes away one level or more: enough for 64 levels, and never more than 128 are left.
_PASSES = 64
# Possessive, and the last quote may be missing: an open string is read once and not again from
# each quote in it.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def loads(data: bytes) -> Any:
    """The value. Raises ValueError (UnicodeDecodeError for what is not UTF-8)."""
    text = data.decode()
    if not _shallow(data):
        raise ValueError("brackets that do not match, or too many levels of them")
    return json.loads(
        text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unambiguous
    )


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


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits:.40} is beyond every binary64")
    return number


def _unambiguous(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("an object has a key twice")
    return values
