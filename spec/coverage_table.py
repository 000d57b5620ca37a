"""What shows each rule of spec/*.md: vectors, or a line of coverage.toml that says why none.

`python spec/generate.py` writes the table into spec/README.md; it fails when a rule has neither,
when a line of coverage.toml names no rule or one that vectors cover already, or a test that is not
there. Tests are named as pytest names them, `path::test_function` or `path::Class::test_function`;
the files are parsed, not imported.
"""

import ast
import json
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

SPEC = Path(__file__).resolve().parent
ROOT = SPEC.parent
VECTORS = SPEC / "vectors"
STATED = SPEC / "coverage.toml"


def by_vectors() -> dict[str, Counter[str]]:
    """For each rule id that a vector covers: how many cases of which operation."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for path in sorted(VECTORS.glob("*/*.json")):
        file = json.loads(path.read_text(encoding="utf-8"))
        for case in file["cases"]:
            for rule in case["covers"]:
                found[rule][file["op"]] += 1
    return found


def stated() -> dict[str, str]:
    """For each rule id of coverage.toml: where it is shown instead, and why not by a vector."""
    lines: dict[str, str] = {}
    for row in tomllib.loads(STATED.read_text(encoding="utf-8"))["rule"]:
        for test in row.get("tests", ()):
            path, _, name = test.partition("::")
            if name not in tests_in(path):
                raise ValueError(f"coverage.toml: {test} of {row['ids'][0]} is not there")
        shown = [*(f"`{test}`" for test in row.get("tests", ())), row["why"]]
        for rule in row["ids"]:
            if rule in lines:
                raise ValueError(f"coverage.toml: {rule} stands there twice")
            lines[rule] = "; ".join(shown)
    return lines


@cache
def tests_in(path: str) -> frozenset[str]:
    """The tests of a file, those of a class as `Class::test`; none where there is no file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    return frozenset(_tests(ast.parse(file.read_text(encoding="utf-8")).body, ""))


def _tests(body: Iterable[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.ClassDef):
            yield from _tests(node.body, f"{prefix}{node.name}::")
        elif node.name.startswith("test_"):
            yield prefix + node.name


def rows(rules: Iterable[str]) -> list[tuple[str, str]]:
    """(rule, what shows it) for every rule. Raises ValueError naming the rules nothing shows."""
    known, vectors, lines = list(rules), by_vectors(), stated()
    _refuse("no vector and no line of coverage.toml", [*known], {**vectors, **lines})
    _refuse("covered by vectors or coverage.toml, but no rule", [*vectors, *lines], known)
    twice = sorted(set(vectors) & set(lines))
    if twice:
        raise ValueError(f"coverage.toml: {', '.join(twice)} have vectors; drop their lines")
    return [(rule, _cases(vectors[rule]) if rule in vectors else lines[rule]) for rule in known]


def _cases(counts: Mapping[str, int]) -> str:
    """How many vectors, of which operations; the largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number} {op}" for op, number in ordered)


def _refuse(what: str, wanted: list[str], there: Iterable[str]) -> None:
    missing = sorted(set(wanted) - set(there))
    if missing:
        raise ValueError(f"{what}: {', '.join(missing)}")
