"""The house's structure: import contracts of .importlinter, and rules that no linter expresses."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "swarmp2p"
HEAVY = ("torch", "web3", "libp2p", "matplotlib", "rich")
MAX_LINES = 700

MODULES = sorted(PACKAGE.rglob("*.py"))
SUB_PACKAGES = sorted(path for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_modules(path: Path) -> Iterator[str]:
    """Every absolute module name that the file imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            yield node.module or ""


def test_import_contracts__hold_because_arrows_point_down() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_import_contracts__fail_on_a_planted_upward_import(tmp_path: Path) -> None:
    planted = tmp_path / "swarmp2p"
    lower = ("wire", "protocol", "crypto", "merge", "node", "net", "ledger", "store", "sim")
    for layer in (*lower, "train", "demo", "conformance", "target", "cli"):
        (planted / layer).mkdir(parents=True)
        (planted / layer / "__init__.py").write_text("")
    for name in ("__init__", "errors", "seams", "config", "manifest", "launch", "audit"):
        (planted / f"{name}.py").write_text("")
    for name in ("accounts", "anvil", "deploy", "devchain", "ethereum"):
        (planted / "ledger" / f"{name}.py").write_text("")
    (planted / "wire" / "frames.py").write_text("import swarmp2p.node\nimport time\n")
    (planted / "node" / "pump.py").write_text("import numpy\nimport msgpack\nimport web3\n")
    (planted / "conformance" / "cases.py").write_text("import swarmp2p.wire.frames\n")
    (tmp_path / ".importlinter").write_text((ROOT / ".importlinter").read_text())
    program = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports; "
    done = subprocess.run(
        [sys.executable, "-c", program + "sys.exit(lint_imports(no_cache=True))"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    broken = {
        line.removesuffix("BROKEN").strip() for line in done.stdout.splitlines() if "BROKEN" in line
    }
    assert broken == {
        "Arrows point down only",
        "The node knows the world only through its seams",
        "Bytes, keys, machines and arithmetic do no I/O and read neither clock nor chance",
        "The conformance suite shares no code with what it judges",
        "NumPy stays where arrays are: merge, train, sim, demo, bench",
        "msgpack has one importer",
        "Ethereum's libraries are imported by ledger alone",
    }


def test_import_of_the_package__loads_nothing_heavy() -> None:
    program = f"import sys, swarmp2p; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_import_of_the_command_line__loads_nothing_heavy() -> None:
    program = f"import sys, swarmp2p.cli.main; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SUB_PACKAGES, ids=name_of)
def test_sub_package__holds_a_docstring_only(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)
    assert isinstance(body[0].value, ast.Constant)
    assert isinstance(body[0].value.value, str)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module__imports_the_root_package_never(path: Path) -> None:
    assert "swarmp2p" not in set(imported_modules(path))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module__unpickles_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) != ("torch", "load")
    assert not {"pickle", "_pickle", "cloudpickle", "dill"} & set(imported_modules(path))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module__fits_in_seven_hundred_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
