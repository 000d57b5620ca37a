"""Writes swarmp2p/wire/registry.py and the tables and diagrams of spec/*.md.

    python spec/generate.py            write what differs
    python spec/generate.py --check    write nothing; exit 1 and name the files that differ

Generated text stands between `<!-- generated: NAME -->` and `<!-- end -->`. From registry.toml:
`codes`, `kinds`, `tags`, `protocols`, `dtypes`, `encodings`, `limits DOC`, `limits all`. From the
rules of the documents: `answers` (which rules give which code), `requirements` (how many rules each
document has). From the machines of swarmp2p.protocol: `diagram getter`, `diagram hello`,
`diagram provider`, `diagram round`. From the compiled contracts: `abi registry`, `abi run`.
"""

import importlib
import json
import re
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

SPEC = Path(__file__).resolve().parent
ROOT = SPEC.parent
REGISTRY = ROOT / "swarmp2p" / "wire" / "registry.py"
ARTIFACTS = ROOT / "swarmp2p" / "ledger" / "artifacts"
MARKED = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
CODE_CLASSES = ((0, 0), (1, 63), (64, 95), (96, 127))
# A rule: its id, and its text up to the next rule or an empty line.
RULE = re.compile(r"^- \*\*([A-Z]+-\d{3})\*\* (.*?)(?=^- |^$|\Z)", re.MULTILINE | re.DOTALL)
# A machine of swarmp2p.protocol, with the state it begins in.
MACHINES = {
    "getter": ("getter", "WAITING"),
    "hello": ("hello", "WAITING"),
    "provider": ("provider", "OPEN"),
    "round": ("rounds", "TRAINING"),
}
CONTRACTS = {"registry": "SwarmRegistry", "run": "SwarmRun"}

Registry = dict[str, Any]


def load(path: Path = SPEC / "registry.toml") -> Registry:
    """The registry, checked: names and numbers are unique within their list.

    Raises ValueError that names the row.
    """
    registry = tomllib.loads(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for section in ("protocol", "tag", "kind", "code", "dtype", "encoding", "limit"):
        values: set[object] = set()
        for row in registry[section]:
            value = row.get("value", row.get("text"))
            if row["name"] in names or (section != "limit" and value in values):
                raise ValueError(f"registry.toml: {section} {row['name']} stands there twice")
            names.add(row["name"])
            values.add(value)
    for row in registry["code"]:
        if not any(low <= row["value"] <= high for low, high in CODE_CLASSES):
            raise ValueError(f"registry.toml: code {row['name']} is outside 0..127")
    for row in registry["limit"]:
        if not row.get("reason"):
            raise ValueError(f"registry.toml: limit {row['name']} gives no reason")
    return registry


def python_module(registry: Registry) -> str:
    """The text of swarmp2p/wire/registry.py."""
    lines = [
        '"""Code points and limits of the wire protocol.',
        "",
        "GENERATED from spec/registry.toml by `python spec/generate.py`; do not edit.",
        '"""',
        "",
        "from collections.abc import Mapping",
        "from enum import IntEnum",
        "from types import MappingProxyType",
        "from typing import Final",
        "",
    ]
    lines += [f"{name}: Final = {value}" for name, value in registry["versions"].items()]
    lines += _python_strings(registry)
    lines += ["", "", "class Code(IntEnum):"]
    lines += [
        '    """Answer codes: 1-63 refused, 64-95 the responder\'s fault, 96-127 limits."""',
        "",
    ]
    for row in registry["code"]:
        lines += [f"    {row['name']} = {row['value']}  # {row['about']}"]
    lines += ["", ""]
    lines += _python_types(registry)
    for row in registry["limit"]:
        lines += ["", *_comment(f"{row['unit']}: {row['reason']}")]
        lines += [f"{row['name']}: Final = {_number(row['value'])}"]
    return "\n".join(lines) + "\n"


def _python_strings(registry: Registry) -> list[str]:
    lines = [""]
    for row in registry["protocol"]:
        lines += [f"# {row['about']}", f'{row["name"]}: Final = "{row["value"]}"']
    lines.append("")
    for row in registry["tag"]:
        lines += [f"# {row['about']}", f'{row["name"]}: Final = b"{row["text"]}\\x00"']
    lines.append("")
    for row in registry["kind"]:
        lines += [f"# {row['about']} ({row['carrier']})"]
        lines += [f'{row["name"]}: Final = "{row["value"]}"']
    for name in ("slot", "stream"):
        members = ", ".join(row["name"] for row in registry["kind"] if row["class"] == name)
        value = f"frozenset({{{members}}})" if members else "frozenset()"
        lines.append(f"{name.upper()}_KINDS: Final[frozenset[str]] = {value}")
    return lines


def _python_types(registry: Registry) -> list[str]:
    pairs = [f'        "{row["name"]}": {row["value"]},' for row in registry["dtype"]]
    floats = ", ".join(f'"{row["name"]}"' for row in registry["dtype"] if row["section"] == "float")
    lines = [
        "DTYPE_CODES: Final[Mapping[str, int]] = MappingProxyType(",
        "    {",
        *pairs,
        "    }",
        ")",
    ]
    lines += [f"FLOAT_DTYPES: Final[frozenset[str]] = frozenset({{{floats}}})"]
    for row in registry["encoding"]:
        lines += ["", *_comment(row["about"]), f"{row['name']}: Final = {row['value']}"]
    pairs = [f'        "{row["manifest"]}": {row["name"]},' for row in registry["encoding"]]
    return [
        *lines,
        "",
        "# by their names in a run manifest",
        "ENCODINGS: Final[Mapping[str, int]] = MappingProxyType(",
        "    {",
        *pairs,
        "    }",
        ")",
    ]


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, width=98, initial_indent="# ", subsequent_indent="# ")


def _number(value: int) -> str:
    return f"{value:_}"


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *([str(cell) for cell in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _limits(registry: Registry, doc: str) -> str:
    rows = [row for row in registry["limit"] if doc in {row["doc"], "all"}]
    if not rows:
        raise ValueError(f"registry.toml has no limit with doc = {doc!r}")
    return _table(
        ("name", "value", "unit", "why"),
        ((f"`{row['name']}`", f"{row['value']:,}", row["unit"], row["reason"]) for row in rows),
    )


def _rows(registry: Registry, section: str, *columns: str) -> str:
    rows = registry[section]
    return _table(columns, ([f"{row[column]}" for column in columns] for row in rows))


def rules(text: str) -> list[tuple[str, str]]:
    """(id, text) of every rule of a document, in order."""
    return [(match[1], " ".join(match[2].split())) for match in RULE.finditer(text)]


def _documents() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for path in sorted(SPEC.glob("[0-9]*.md")):
        yield path.name, rules(path.read_text(encoding="utf-8"))


def _answers(registry: Registry) -> str:
    """Which rules name which code."""
    everything = [rule for _, document in _documents() for rule in document]
    rows = []
    for code in registry["code"]:
        named = re.compile(rf"\b{code['name']}\b")
        ids = [name for name, text in everything if named.search(text)]
        rows.append((code["value"], code["name"], code["about"], ", ".join(ids) or "none yet"))
    return _table(("value", "name", "about", "rules"), rows)


def _requirements() -> str:
    """How many rules stand in each document."""
    rows = [
        (f"`{name}`", f"{document[0][0]} to {document[-1][0]}", len(document))
        for name, document in _documents()
        if document
    ]
    return _table(("document", "rules", "how many"), rows)


def _diagram(name: str) -> str:
    """The transitions of a machine, as Mermaid."""
    if name not in MACHINES:
        raise ValueError(f"no machine is called {name!r}; there are {sorted(MACHINES)}")
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    module, start = MACHINES[name]
    machine = importlib.import_module(f"swarmp2p.protocol.{module}")
    draw = importlib.import_module("swarmp2p.protocol.machine").diagram
    return f"```mermaid\n{draw(machine.TABLE, machine.State[start])}```\n"


def _abi(name: str) -> str:
    """The functions, events and errors of a contract."""
    if name not in CONTRACTS:
        raise ValueError(f"no contract is called {name!r}; there are {sorted(CONTRACTS)}")
    artifact = json.loads((ARTIFACTS / f"{CONTRACTS[name]}.json").read_text(encoding="utf-8"))
    entries = [item for item in artifact["abi"] if item["type"] in {"function", "event", "error"}]
    order = ("function", "event", "error")
    rows = [
        (item["type"], f"`{item['name']}({_inputs(item)})`", item.get("stateMutability", ""))
        for item in sorted(entries, key=lambda item: (order.index(item["type"]), item["name"]))
    ]
    return _table(("kind", "signature", "mutability"), rows)


def _inputs(item: dict[str, Any]) -> str:
    indexed = (
        f"{each['type']}{' indexed' if each.get('indexed') else ''} {each['name']}".strip()
        for each in item["inputs"]
    )
    return ", ".join(indexed)


def table(registry: Registry, name: str) -> str:
    """The generated text called `name`. Raises ValueError for an unknown name."""
    prefix, _, rest = name.partition(" ")
    if prefix == "limits":
        return _limits(registry, rest)
    if prefix == "diagram":
        return _diagram(rest)
    if prefix == "abi":
        return _abi(rest)
    tables: dict[str, Callable[[], str]] = {
        "codes": lambda: _rows(registry, "code", "value", "name", "about"),
        "kinds": lambda: _rows(registry, "kind", "value", "class", "carrier", "about"),
        "protocols": lambda: _rows(registry, "protocol", "name", "value", "about"),
        "dtypes": lambda: _rows(registry, "dtype", "value", "name", "section"),
        "encodings": lambda: _rows(registry, "encoding", "value", "name", "manifest", "about"),
        "answers": lambda: _answers(registry),
        "requirements": _requirements,
        "tags": lambda: _table(
            ("name", "bytes", "use"),
            ((f"`{r['name']}`", f'`"{r["text"]}" 00`', r["about"]) for r in registry["tag"]),
        ),
    }
    if name not in tables:
        raise ValueError(
            f"no table is called {name!r}; there are {sorted(tables)} and limits DOC, "
            "diagram MACHINE, abi CONTRACT"
        )
    return tables[name]()


def outputs(registry: Registry) -> Iterator[tuple[Path, str]]:
    """Every generated file and its text; first registry.py, which the machines import."""
    yield REGISTRY, python_module(registry)
    for path in sorted(SPEC.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        yield path, MARKED.sub(lambda m: m[1] + table(registry, m[2]) + m[3], text)


def main(arguments: list[str]) -> int:
    """Write, or with --check only compare. 0: nothing differed or all is written."""
    if arguments not in ([], ["--check"]):
        print("usage: python spec/generate.py [--check]", file=sys.stderr)
        return 2
    differing = 0
    for path, text in outputs(load()):
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        differing += 1
        print(("differs: " if arguments else "writes: ") + str(path.relative_to(SPEC.parent)))
        if not arguments:
            path.write_text(text, encoding="utf-8")
    if arguments and differing:
        print("run `python spec/generate.py`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
