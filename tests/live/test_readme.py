"""The README's consortium, line by line in a shell, with a free port and faster blocks."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
SECTION = "## From nothing to a running consortium\n"


def readme_lines():
    """The section's commands, comments at their ends taken away."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition(SECTION)[2]
    blocks = re.findall(r"```sh\n(.*?)```", text.partition("\n## ")[0], re.DOTALL)
    return [re.sub(r"\s+# .*", "", line) for block in blocks for line in block.splitlines()]


def here(line, port):
    """The same command for a chain at another port than everybody's default."""
    url = f" --url http://127.0.0.1:{port}"
    if line.startswith("swarmp2p ledger dev"):
        return line.replace(" &", f" --port {port} --interval 0.2 > ready &")
    if line.startswith(("swarmp2p init", "swarmp2p ledger deploy")):
        return line + url
    return line


@pytest.fixture
def folder(tmp_path):
    """Where the shell runs: the examples, and a `swarmp2p` that is this one."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    program = tmp_path / "bin" / "swarmp2p"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m swarmp2p "$@"\n')
    program.chmod(0o755)
    return tmp_path


def test_the_readmes_commands__make_a_consortium(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = [here(line, port) for line in readme_lines()]
    assert len(lines) > 22
    os.mkfifo(folder / "ready")
    ready = "read -r line < ready"  # the chain's first line: it answers
    script = "\n".join(
        ["set -e", lines[0], ready, *(f"echo '+ {one}'\n{one}" for one in lines[1:])]
    )
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    log = folder / "shell.log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as shell,
    ):
        try:
            shell.wait(timeout=280)
        finally:
            os.killpg(shell.pid, signal.SIGTERM)  # the chain, which would go on
    out = log.read_text()
    assert shell.returncode == 0, out
    assert "Traceback" not in out
    assert out.count("merged with all sites") >= 3
    assert "DIFFERS" not in out
    assert "a vote: 1 of 2 needed" in out
    assert "member 2 is revoked" in out
    assert re.search(r"member  1 .* epoch 1  live", out)
    watched = (folder / "watch.log").read_text()
    for words in ("sealed", "round 5", "finished"):
        assert words in watched
