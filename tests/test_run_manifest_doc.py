"""docs/run-manifest.md against the program: fields, defaults and bounds of run.toml."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from swarmp2p.errors import ConfigError, MergeError
from swarmp2p.manifest import (
    RunManifest,
    example_manifest,
    format_manifest,
    format_value,
    read_manifest,
)
from swarmp2p.merge.optimisers import optimiser_named, optimiser_names

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "run-manifest.md"
# where a field of RunManifest is called otherwise in the file, or as one of another table
NAMES = {
    "schema": ("model", "tensors"),
    "rule_params": ("merge", "others"),
    "optimiser": ("optimiser", "name"),
    "optimiser_params": ("optimiser", "others"),
    "name": ("run", "name"),
}


@dataclass(frozen=True)
class Row:
    table: str
    name: str
    default: str
    bounds: str


def rows() -> Iterator[Row]:
    table = ""
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## `\[(\w+)\]`", line):
            table = heading[1]
        elif line.startswith("## "):
            table = ""
        elif table and line.startswith("| ") and not line.startswith(("| field", "| ---")):
            name, default, bounds, _ = (cell.strip() for cell in line.strip("|").split(" | "))
            yield Row(table, name.strip("`"), default.strip("`"), bounds)


ROWS = list(rows())
NUMBERS = [row for row in ROWS if re.search(r"\d+ to \d+$", row.bounds)]  # not lengths of texts
CHOICES = [row for row in ROWS if row.bounds.startswith("`")]


def written(tmp_path: Path, row: Row, value: Any) -> Path:
    """The example's run.toml with one field changed."""
    text = format_manifest(replace(example_manifest(), lo=1, hi=2**20))
    changed, count = re.subn(
        rf"(?m)^{row.name} = [^#\n]*", f"{row.name} = {format_value(value)} ", text
    )
    assert count == 1, row.name
    file = tmp_path / "run.toml"
    file.write_text(changed)
    return file


def value_of(manifest: RunManifest, row: Row) -> object:
    return getattr(manifest, row.name)


def row_of(field: str) -> Row | None:
    """The row of a field of RunManifest."""
    table, name = NAMES.get(field, (None, field))
    return next((r for r in ROWS if r.name == name and table in (None, r.table)), None)


def test_the_document__has_each_field_once_in_the_table_it_stands_in() -> None:
    documented = sorted((row.table, row.name) for row in ROWS)
    assert len(set(documented)) == len(documented)
    found = [row_of(field.name) for field in fields(RunManifest) if field.name != "options"]
    assert sorted((row.table, row.name) for row in found if row is not None) == documented
    assert "## `[options]`" in DOCUMENT.read_text(encoding="utf-8")
    example = tomllib.loads(format_manifest(example_manifest()))
    for row in ROWS:
        assert row.name in example[row.table] or row.name == "others"


@pytest.mark.parametrize("field", fields(RunManifest), ids=lambda field: field.name)
def test_a_default__is_the_documented_one(field: Any, tmp_path: Path) -> None:
    row = row_of(field.name)
    if field.default is MISSING and field.default_factory is MISSING:
        assert row is not None
        assert row.default == "-"
    elif field.default is not MISSING:
        assert row is not None
        assert row.default == format_value(field.default)
        head, found, tail = format_manifest(example_manifest()).partition(f"[{row.table}]")
        bare = head + found + re.sub(rf"(?m)^{row.name} = .*\n", "", tail, count=1)
        file = tmp_path / "run.toml"
        file.write_text(bare)
        assert getattr(read_manifest(file), field.name) == field.default


@pytest.mark.parametrize("row", NUMBERS, ids=lambda row: row.name)
def test_bounds__are_the_documented_ones(row: Row, tmp_path: Path) -> None:
    low, high = (int(n) for n in re.findall(r"\d+", row.bounds)[-2:])
    for value in (low, high):
        manifest = read_manifest(written(tmp_path, row, value))
        assert value_of(manifest, row) == value
    for value in (low - 1, high + 1, "text", 1.5, True):
        with pytest.raises(ConfigError, match=rf"run\.toml \[{row.table}\]: '{row.name}' is"):
            read_manifest(written(tmp_path, row, value))


@pytest.mark.parametrize("row", CHOICES, ids=lambda row: row.name)
def test_choices__are_the_documented_ones(row: Row, tmp_path: Path) -> None:
    words = re.findall(r"`([^`]+)`", row.bounds)
    for word in words:
        assert value_of(read_manifest(written(tmp_path, row, word)), row) == word
    with pytest.raises(ConfigError) as caught:
        read_manifest(written(tmp_path, row, "other"))
    assert f"'{row.name}' is 'other'; expected one of {', '.join(words)}" in str(caught.value)


@pytest.mark.parametrize("name", ["n", "n" * 255, "ä" * 127])
def test_a_name__has_1_to_255_bytes(name: str, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(format_manifest(replace(example_manifest(), name=name)))
    assert read_manifest(file).name == name
    for wrong in ("", "n" * 256, "ä" * 128):
        file.write_text(format_manifest(replace(example_manifest(), name=wrong)))
        with pytest.raises(ConfigError, match=r"\[run\]: 'name' has \d+ bytes; expected 1 to 255"):
            read_manifest(file)


@pytest.mark.parametrize("table", ["run", "windows", "model"])
def test_a_field_that_does_not_exist__is_refused_with_the_nearest_name(
    table: str, tmp_path: Path
) -> None:
    near = {"run": "finalty", "windows": "commit_block", "model": "initial"}[table]
    text = format_manifest(example_manifest())
    file = tmp_path / "run.toml"
    file.write_text(text.replace(f"[{table}]", f"[{table}]\n{near} = 1\n#", 1))
    with pytest.raises(ConfigError, match=rf"\[{table}\]: unknown key '{near}'"):
        read_manifest(file)


def test_finality__is_part_of_the_run_id() -> None:
    example = example_manifest()
    assert replace(example, finality="finalized").run_id != example.run_id


def test_the_constants_of_an_optimiser__are_the_documented_ones() -> None:
    lines = re.findall(r"(?m)^- `(\w+)`: (`lr = .*)$", DOCUMENT.read_text(encoding="utf-8"))
    assert sorted(["none", *(name for name, _ in lines)]) == sorted(optimiser_names())
    for name, constants in lines:
        params = {key: float(value) for key, value in re.findall(r"`(\w+) = ([\d.]+)`", constants)}
        assert optimiser_named(name, params) == optimiser_named(name)
        with pytest.raises(MergeError) as caught:
            optimiser_named(name, {"rate": 1.0})
        assert all(key in str(caught.value) for key in params)
