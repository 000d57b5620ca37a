"""examples/own_rule is installed as a user would install it, and passes its own tests there."""

import os
import shutil
import subprocess
import sys
from importlib import invalidate_caches
from pathlib import Path

import numpy as np
import pytest

from swarmp2p.merge.rules import merge, rule_named

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the package in it."""
    folder = tmp_path_factory.mktemp("own_rule")
    shutil.copytree(ROOT / "examples" / "own_rule", folder / "source")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    command = [*pip, *offline, "--target", str(folder / "site"), str(folder / "source")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder / "site"


def test_example__passes_its_own_tests_once_it_is_installed(site):
    source = site.parent / "source"
    path = os.pathsep.join([str(site), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(source)],
        cwd=source,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_example__bounds_what_one_update_moves(site, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    invalidate_caches()
    rule = rule_named("own-rule:bounded_mean", {"bound": 2.0})
    base = np.ones(100, np.float32)
    rows = [base + np.float32(0.1), base - np.float32(0.1), base + np.float32(1e6)]
    result = merge(rows, base, [1, 1, 1], rule)
    assert float(np.linalg.norm(result.vector - base)) == pytest.approx(2.0 / 3)
    assert result.coefficients[:2] == (float(np.float32(1 / 3)),) * 2
