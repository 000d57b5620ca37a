"""`make demo` and `make test` name what is missing, in one line that installs it, and exit 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "prerequisites.sh"
SUDO = "" if os.geteuid() == 0 else "sudo "


class Machine:
    """A pretended machine: a PATH with these commands only, and an include directory."""

    def __init__(self, root: Path) -> None:
        self.bin = root / "bin"
        self.include = root / "include"
        self.bin.mkdir()
        self.include.mkdir()
        self.put("python3", f'exec "{sys.executable}" "$@"')
        for tool in ("make", "gcc"):
            self.put(tool, "exit 0")
        for tool, path in (("id", "/usr/bin/id"), ("basename", "/usr/bin/basename")):
            self.put(tool, f'exec {path} "$@"')
        for header in ("Python.h", "gmp.h"):
            (self.include / header).write_text("")

    def put(self, name: str, body: str) -> None:
        shim = self.bin / name
        shim.write_text(f"#!/bin/sh\n{body}\n")
        shim.chmod(0o755)

    def remove(self, name: str) -> None:
        (self.bin / name).unlink()

    def check(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", SCRIPT],
            env={"PATH": str(self.bin), "INCLUDE_DIRS": str(self.include), **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def install_line(packages: str) -> str:
    return f"{SUDO}apt-get update && {SUDO}apt-get install -y {packages}"


def assert_asks_for(done: subprocess.CompletedProcess[str], packages: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == install_line(packages)
    assert sum("apt-get" in line for line in done.stderr.splitlines()) == 1


def test_prerequisites__say_nothing_when_all_is_there(machine: Machine) -> None:
    done = machine.check()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("tool", ["gcc", "make"])
def test_prerequisites__name_the_missing_tool(machine: Machine, tool: str) -> None:
    machine.remove(tool)
    assert_asks_for(machine.check(), tool)


@pytest.mark.parametrize(
    ("header", "package"), [("Python.h", "python3-dev"), ("gmp.h", "libgmp-dev")]
)
def test_prerequisites__name_the_package_of_a_missing_header(
    machine: Machine, header: str, package: str
) -> None:
    (machine.include / header).unlink()
    assert_asks_for(machine.check(), package)


def test_prerequisites__ask_the_compiler_for_gmp_where_no_directory_is_given(
    machine: Machine,
) -> None:
    machine.put("gcc", "exit 1")
    done = subprocess.run(
        ["/bin/sh", SCRIPT],
        env={"PATH": str(machine.bin)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "libgmp-dev" in done.stderr.splitlines()[-1]


def test_prerequisites__name_everything_missing_in_one_line(machine: Machine) -> None:
    machine.remove("gcc")
    machine.remove("make")
    (machine.include / "Python.h").unlink()
    (machine.include / "gmp.h").unlink()
    assert_asks_for(machine.check(), "python3-dev make gcc libgmp-dev")


def test_prerequisites__ask_for_python_when_there_is_none(machine: Machine) -> None:
    machine.remove("python3")
    assert_asks_for(machine.check(), "python3 python3-venv python3-dev")


def test_prerequisites__ask_for_a_newer_python_when_it_is_old(machine: Machine) -> None:
    machine.put("python3", 'case "$2" in *version_info*) exit 1 ;; esac')
    done = machine.check()
    assert_asks_for(done, "python3.11 python3.11-venv python3.11-dev")
    assert "PYTHON=python3.11" in done.stderr


def test_prerequisites__ask_for_the_venv_module_when_debian_left_it_out(machine: Machine) -> None:
    machine.put("python3.11", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    assert_asks_for(machine.check(PYTHON="python3.11"), "python3.11-venv")


@pytest.mark.parametrize("target", ["demo", "test"])
def test_make__stops_before_it_builds_anything_when_a_header_is_missing(
    machine: Machine, target: str, tmp_path: Path
) -> None:
    (machine.include / "gmp.h").unlink()
    venv = tmp_path / "venv"
    done = subprocess.run(
        ["make", "-C", ROOT, target, f"VENV={venv}"],
        env={**os.environ, "INCLUDE_DIRS": str(machine.include)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert install_line("libgmp-dev") in done.stderr.splitlines()
    assert not venv.exists()
