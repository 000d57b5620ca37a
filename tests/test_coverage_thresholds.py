"""The coverage gate of `make test` bites."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "coverage_thresholds.py"
LAYERS = ("wire", "crypto", "protocol", "merge")


def summary(*, lines: int, branches: int) -> dict[str, Any]:
    """Of 100 lines and 100 branches, so many are covered."""
    return {
        "summary": {
            "num_statements": 100,
            "covered_lines": lines,
            "num_branches": 100,
            "covered_branches": branches,
        }
    }


def check(files: dict[str, Any]) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, SCRIPT],
        input=json.dumps({"files": files}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, [line for line in done.stdout.splitlines() if "TOO LOW" in line]


@pytest.fixture
def files() -> dict[str, Any]:
    return {f"swarmp2p/{layer}/a.py": summary(lines=90, branches=90) for layer in LAYERS}


def test_thresholds__pass_at_their_very_values(files: dict[str, Any]) -> None:
    assert check(files) == (0, [])


@pytest.mark.parametrize("layer", LAYERS)
def test_thresholds__fail_a_layer_by_its_branches(files: dict[str, Any], layer: str) -> None:
    files[f"swarmp2p/{layer}/a.py"] = summary(lines=100, branches=89)
    status, low = check(files)
    assert status == 1
    assert [line.split(":")[0] for line in low] == [f"coverage of branches of {layer}"]


def test_thresholds__fail_a_layer_that_nothing_measured(files: dict[str, Any]) -> None:
    del files["swarmp2p/wire/a.py"]
    assert check(files)[0] == 1


def test_thresholds__fail_the_whole_by_lines_and_branches(files: dict[str, Any]) -> None:
    for name in "abcde":
        files[f"swarmp2p/net/{name}.py"] = summary(lines=70, branches=70)
    status, low = check(files)
    assert status == 1
    assert [line.split(":")[0] for line in low] == ["coverage of everything"]


def test_thresholds__leave_out_copies_installed_elsewhere(files: dict[str, Any]) -> None:
    files["/tmp/venv/site-packages/swarmp2p/net/a.py"] = summary(lines=0, branches=0)  # noqa: S108 - a name only
    assert check(files) == (0, [])
