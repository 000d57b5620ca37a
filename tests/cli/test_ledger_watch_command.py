"""`swarmp2p ledger watch` as a process: a line for each change, until the run or the user ends."""

import json
import signal
import subprocess
import sys

import pytest

from swarmp2p.ledger.deploy import open_desk
from swarmp2p.manifest import example_manifest

COMMAND = [sys.executable, "-m", "swarmp2p", "ledger", "watch", "--poll", "0.05"]


@pytest.fixture
def running(world):
    """A run with a, b and c, of which b is named in a's node.toml, and its genesis posted."""
    world.invite("a", "b", "c")
    world.enrol("a", "b", "c")
    config = world.folder / "a/node.toml"
    with config.open("a") as file:
        file.write(f'hospital-b = "{world.keys["b"].identity.public.hex()}"\n')
    send(world, "a", "genesis", example_manifest().init_root)
    return world


def send(world, name, function, *arguments):
    with open_desk(world.url, world.keys[name].account) as desk:
        desk.call("SwarmRun", world.run, function, *arguments)


def start(world, *more):
    return subprocess.Popen(
        [*COMMAND, "--config", world.config("a"), *more], stdout=subprocess.PIPE, text=True
    )


def test_watch__ends_with_the_run_and_exit_0(running):
    with start(running, "--json") as process:
        stands = json.loads(process.stdout.readline())
        waits = json.loads(process.stdout.readline())
        for name in ("a", "b"):
            send(running, name, "voteStop")
        rest = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert (stands["event"], stands["round"], stands["finished"]) == ("stands", 1, False)
    assert (waits["event"], waits["step"], waits["needed"]) == ("waits", "commit", 2)
    assert [member["index"] for member in waits["members"]] == [0, 1, 2]
    assert waits["members"][1]["name"] == "hospital-b"
    assert [row["event"] for row in rest] == ["stop_vote", "stop_vote", "stopped", "finished"]


def test_watch__names_whom_the_run_waits_for_and_ends_at_ctrl_c(running):
    with start(running) as process:
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        lines += process.stdout.readlines()
    assert process.returncode == 0
    assert "3 live members" in lines[0]
    assert "waits for 2 more commit out of member 0 (" in lines[1]
    assert "hospital-b 1 (" in lines[1]
    assert len(lines) == 2


def test_watch_once__says_where_the_run_stands(running, command):
    status, out, _err = command("ledger", "watch", "--config", running.config("a"), "--once")
    assert (status, len(out.splitlines())) == (0, 2)
    _status, _out, err = command("ledger", "watch", *running.where, "--poll", "0")
    assert "--poll" in err[0]
