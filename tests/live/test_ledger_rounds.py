"""The benchmark of the ledger's blocks, cut short: whole processes, round after round."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from swarmp2p.ledger.anvil import find_anvil

pytestmark = pytest.mark.live
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "ledger_rounds.py"


@pytest.mark.parametrize("depth", [1])
def test_rounds__follow_each_other_on_anvil_undisturbed(depth, tmp_path):
    command = [sys.executable, str(SCRIPT), "--rounds", "3", "--block-seconds", "0.2", "--json"]
    command += ["--depth", str(depth), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["chain"] == ("swarmp2p" if find_anvil() is None else "anvil")
    assert (result["rounds"], result["undisturbed"]) == (3, 3)
    assert (result["least_possible"], result["target"]) == (2 * (1 + depth), 2 * (1 + depth) + 1)
    assert sum(result["blocks"].values()) == 2  # the first round is apart
    assert min(map(int, result["blocks"])) >= result["least_possible"]
    receipts = sorted(path.name for path in (tmp_path / "run" / "receipts").iterdir())
    assert len(receipts) == 4 * 3


def test_benchmark__says_what_went_wrong(tmp_path):
    command = [sys.executable, str(SCRIPT), "--anvil", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "there is no anvil at" in done.stderr
    assert done.stdout == ""
