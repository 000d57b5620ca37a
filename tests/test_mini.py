"""The second implementation: it knows the spec only, and makes the vectors that are committed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MINI = ROOT / "interop-tests" / "mini"
MODULES = sorted(MINI.glob("*.py"))
FOREIGN = {"cryptography", "msgpack", "numpy", "swarmp2p"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_module__imports_neither_the_package_nor_its_libraries(module: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    own = {path.stem for path in MODULES}
    assert imported <= own | {"nacl"} | set(sys.stdlib_module_names)
    assert not imported & FOREIGN


@pytest.mark.timeout(600)
def test_vectors__are_those_that_mini_makes() -> None:
    command = [sys.executable, "generate.py", "--check"]
    made = subprocess.run(command, cwd=MINI, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


def test_examples_of_the_documents__agree_with_mini() -> None:
    command = [sys.executable, "test_examples.py"]
    done = subprocess.run(command, cwd=MINI, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(600)
def test_the_suite__passes_mini_as_any_other_runner() -> None:
    runner = f"{sys.executable} {MINI / 'run.py'}"
    command = [sys.executable, "-m", "swarmp2p", "conformance", "vectors", "--runner", runner]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
