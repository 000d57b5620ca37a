"""JSON from strangers: what is taken, what is refused, and that no depth brings the parser down."""

import sys

import pytest

from swarmp2p.conformance.strict_json import loads


@pytest.fixture
def deep_recursion():
    """A process in which some library has raised the limit of recursion."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"1", 1),
        (b' {"a": [[], {}, {"b": [1.5, null, true]}]} ', {"a": [[], {}, {"b": [1.5, None, True]}]}),
        (rb'"[[[{ \" ]\\"', '[[[{ " ]\\'),
        (rb'["\u00e9", "]"]', ["é", "]"]),
        (b"[" * 64 + b"]" * 64, None),
    ],
    ids=str,
)
def test_json__is_read(data, value):
    found = loads(data)
    assert value is None or found == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[}",
        b'"open',
        b"NaN",
        b"[-Infinity]",
        b"\xff",
        b"[" * 200 + b"]" * 200,
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b"[" * 1_000_000 + b"]" * 1_000_000,
        b'"' + rb"\"" * (2 << 20),  # never closed: no step of it may be tried twice
        b'["' + rb"\\" * (2 << 20) + b"\\",
        b'{"a": 1, "a": 1}',
        rb'[{"b": {"a": 1, "\u0061": 2}}]',
        b"1e999",
        b"[-1e999]",
    ],
    ids=lambda data: f"{data[:12]!r}-{len(data)}",
)
def test_other_bytes__are_refused_however_deep_python_may_recurse(data, deep_recursion):
    with pytest.raises(ValueError, match=r"."):
        loads(data)
