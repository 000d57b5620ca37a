"""scripts/other_numpy.sh and scripts/arm_vectors.sh: what they say where they cannot run."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "scripts"


class Machine:
    """A pretended machine: a PATH with these commands only."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder
        for tool in ("bash", "dirname", "sed"):
            (folder / tool).symlink_to(f"/usr/bin/{tool}")

    def put(self, name: str, body: str) -> None:
        shim = self.bin / name
        shim.write_text(f"#!/bin/sh\n{body}\n")
        shim.chmod(0o755)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/usr/bin/bash", SCRIPTS / script],
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_arm_vectors__without_qemu_say_what_to_install(machine: Machine) -> None:
    machine.put("uname", "echo x86_64")
    done = machine.run("arm_vectors.sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert "left out" in done.stdout
    assert "apt-get install -y qemu-user-static" in done.stdout


def test_arm_vectors__on_arm_point_to_the_suite(machine: Machine) -> None:
    machine.put("uname", "echo aarch64")
    done = machine.run("arm_vectors.sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert "make test" in done.stdout


def test_other_numpy__is_left_out_where_python_is_too_new_for_its_wheels(machine: Machine) -> None:
    machine.put("python3", '[ "$1" != -V ] || echo Python 3.13.0')
    done = machine.run("other_numpy.sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("NumPy 1.26.0 left out: it has no wheel for Python 3.13.0;")


def test_constraints_oldest__name_the_numpy_that_the_project_promises() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (least,) = (one for one in project["dependencies"] if one.startswith("numpy"))
    pinned = re.findall(
        r"^numpy==(.*)$", (ROOT / "constraints-oldest.txt").read_text(), re.MULTILINE
    )
    assert [f"numpy>={version.removesuffix('.0')}" for version in pinned] == [least]
