"""The wheel holds all it needs: it is installed outside the checkout and runs the demo there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder outside the checkout with the wheel installed, and the environment to use it."""
    folder = tmp_path_factory.mktemp("elsewhere")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=100)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    install = [*pip, "install", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=100)
    return folder, {**os.environ, "PYTHONPATH": str(site)}


@pytest.fixture(scope="module")
def run(elsewhere):
    """Run Python there."""
    folder, environment = elsewhere

    def python(*arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    return python


def test_the_wheel__holds_the_vectors_of_the_spec(elsewhere, run):
    vectors, bundled = ROOT / "spec" / "vectors", "site/swarmp2p/conformance/vectors"
    names = sorted(path.relative_to(vectors) for path in vectors.rglob("*.json"))
    there = elsewhere[0] / bundled
    assert sorted(path.relative_to(there) for path in there.rglob("*.json")) == names
    assert all((there / name).read_bytes() == (vectors / name).read_bytes() for name in names)
    listed = run("-m", "swarmp2p", "conformance", "list", "--json")
    ours = run("-m", "swarmp2p", "conformance", "list", "--json", "--vectors", str(vectors))
    assert (listed.returncode, listed.stdout) == (ours.returncode, ours.stdout)


def test_the_wheel__runs_the_demo_outside_the_checkout(elsewhere, run):
    folder, _ = elsewhere
    where = run("-c", "import swarmp2p; print(swarmp2p.__file__)")
    assert where.stdout.startswith(str(folder))
    result = run("-m", "swarmp2p", "demo", "--rounds", "2", "--json")
    assert result.returncode == 0, result.stderr
    metrics = json.loads(result.stdout)
    assert len(metrics["rounds"]) == 2
    assert len(set(metrics["parameters_sha256"].values())) == 1
