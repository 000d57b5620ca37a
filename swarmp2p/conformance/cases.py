"""The vectors: files of JSON under spec/vectors, loaded and checked before anything is run."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from swarmp2p.conformance import strict_json
from swarmp2p.errors import ConfigError
from swarmp2p.wire.registry import Code

REFUSED = "REFUSED"
_HERE = Path(__file__).resolve().parent
_BUNDLED = _HERE / "vectors"  # in a wheel
_CHECKOUT = _HERE.parent.parent / "spec" / "vectors"
_RULES = "rules.json"
WORDS = frozenset({REFUSED, *(code.name for code in Code)})
_OP = re.compile(r"[a-z_0-9]+\.[a-z_0-9]+")
_SLUG = "[a-z0-9.-]+"


@dataclass(frozen=True, slots=True)
class Case:
    """One vector. It demands an `output`, or where `error` is not None that word."""

    id: str
    op: str
    document: str
    covers: tuple[str, ...]
    input: Mapping[str, Any]
    output: Any
    error: str | None

    @property
    def expected(self) -> dict[str, Any]:
        """What the answer must hold beside its id."""
        return {"output": self.output} if self.error is None else {"error": self.error}


@dataclass(frozen=True, slots=True)
class Vectors:
    """All cases of a folder in the order of their files, and the sentences of the rules."""

    folder: Path
    cases: tuple[Case, ...]
    rules: Mapping[str, str]

    @property
    def default(self) -> bool:
        """Whether these are the vectors that are used where no folder is named."""
        return self.folder == default_folder()

    def select(self, pattern: str | None) -> tuple[Case, ...]:
        """The cases whose id fits a glob. Raises ConfigError when there are none."""
        chosen = tuple(
            case for case in self.cases if pattern is None or fnmatchcase(case.id, pattern)
        )
        if not chosen:
            what = f"no case of {self.folder} fits {pattern!r}" if self.cases else _empty(self)
            raise ConfigError(what)
        return chosen

    def case(self, name: str) -> Case:
        """The case of this id. Raises ConfigError with ids that are near."""
        for case in self.cases:
            if case.id == name:
                return case
        near = [case.id for case in self.cases if name in case.id][:5]
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise ConfigError(f"there is no case {name!r} in {self.folder}{hint}")

    def sentence(self, rule: str) -> str:
        """The text of a rule, or a word that it is not known here."""
        return self.rules.get(rule, "(its text is not in rules.json)")


def _empty(vectors: Vectors) -> str:
    return f"{vectors.folder} holds no vectors; `make vectors` in a checkout makes them"


def default_folder() -> Path:
    """The vectors in the wheel, or those of the checkout that this file lies in."""
    return _BUNDLED if _BUNDLED.is_dir() else _CHECKOUT


def load(folder: Path | None = None) -> Vectors:
    """Read and check every vector file of `folder`. Raises ConfigError naming file and case."""
    folder = default_folder() if folder is None else folder
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; expected one with vectors")
    rules = _rules(folder / _RULES)
    cases: list[Case] = []
    seen: dict[str, Path] = {}
    for path in sorted(folder.glob("*/*.json")):
        for case in _file(path):
            if case.id in seen:
                raise ConfigError(f"{path}: {case.id} stands in {seen[case.id]}, too")
            unknown = set(case.covers) - rules.keys() if rules else set()
            if unknown:
                raise ConfigError(f"{path}: {case.id} covers {min(unknown)}; there is no such rule")
            seen[case.id] = path
            cases.append(case)
    return Vectors(folder, tuple(cases), rules)


def _rules(path: Path) -> Mapping[str, str]:
    if not path.exists():
        return {}
    rules = _json(path)
    if not isinstance(rules, dict) or not all(isinstance(text, str) for text in rules.values()):
        raise ConfigError(f"{path}: expected an object of rules and their text")
    return rules


def _json(path: Path) -> Any:
    try:
        return strict_json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: no JSON: {error}") from None


def _file(path: Path) -> Iterator[Case]:
    content = _json(path)
    problem = _head_problem(content)
    if problem is not None:
        raise ConfigError(f"{path}: {problem}")
    for place, entry in enumerate(content["cases"]):
        problem = _case_problem(content["op"], entry)
        if problem is not None:
            name = entry.get("id", "") if isinstance(entry, dict) else ""
            raise ConfigError(f"{path}: case {place} {name!s:.80}: {problem}")
        yield Case(
            id=entry["id"],
            op=content["op"],
            document=content["document"],
            covers=tuple(entry["covers"]),
            input=entry["input"],
            output=entry.get("output"),
            error=entry.get("error"),
        )


def _head_problem(content: Any) -> str | None:
    if not isinstance(content, dict) or content.keys() != {"op", "document", "cases"}:
        return "expected an object with op, document and cases"
    if not isinstance(content["op"], str) or not _OP.fullmatch(content["op"]):
        return f"op is {content['op']!r:.80}; expected group.operation"
    if not isinstance(content["document"], str):
        return "document is no text"
    if not isinstance(content["cases"], list) or not content["cases"]:
        return "cases is no list, or an empty one"
    return None


def _case_problem(op: str, entry: Any) -> str | None:
    keys = entry.keys() - {"output", "error"} if isinstance(entry, dict) else set()
    if keys != {"id", "covers", "input"} or len(entry) != 4:
        return "expected an object with id, covers, input, and either output or error"
    name, covers = entry["id"], entry["covers"]
    if not isinstance(name, str) or not re.fullmatch(f"{re.escape(op)}/{_SLUG}", name):
        return f"the id is not {op}/ and a slug of a-z, 0-9, hyphens and dots"
    if not isinstance(covers, list) or not covers or not all(isinstance(c, str) for c in covers):
        return "covers is no list of rules, or an empty one"
    if not isinstance(entry["input"], dict):
        return "input is no object"
    if "error" in entry and entry["error"] not in WORDS:
        return f"error is {entry['error']!r:.80}; expected a code of 11-errors.md or {REFUSED}"
    return None


def counts(cases: Iterable[Case]) -> dict[str, tuple[int, int]]:
    """(cases with an output, cases with an error) of each operation, in the order of the files."""
    found: dict[str, tuple[int, int]] = {}
    for case in cases:
        valid, invalid = found.get(case.op, (0, 0))
        bad = case.error is not None
        found[case.op] = (valid + (not bad), invalid + bad)
    return found
