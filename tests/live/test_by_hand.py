"""Three sites by hand, and what goes wrong on the way, with the example as the training program."""

import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from wait import until_now

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]
RUN = [sys.executable, "-m", "swarmp2p"]
SITES = ("a", "b", "c")


def command(*arguments, expected=0):
    result = subprocess.run(
        [*RUN, *arguments], capture_output=True, text=True, timeout=120, cwd=ROOT, check=False
    )
    assert result.returncode == expected, result.stderr
    assert "Traceback" not in result.stderr
    return result


def answer(*arguments):
    return json.loads(command(*arguments, "--json").stdout)


@pytest.fixture
def chain(tmp_path):
    """`swarmp2p ledger dev` in a process of its own; its ready line."""
    dev = [*RUN, "ledger", "dev", "--dir", str(tmp_path / "chain"), "--port", "0"]
    with subprocess.Popen(
        [*dev, "--interval", "0.2", "--json"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            assert process.wait(20) == 0


def prepare(tmp_path, chain):
    """Keys, contracts, invitations, enrolments: everything before the nodes."""
    folders = {name: tmp_path / name for name in SITES}
    first = folders["a"]
    program = ("--program", "examples/train_one_site.py:train")
    made = {"a": answer("init", str(first), "--run", "--url", chain["url"], *program)}
    deployed = answer(
        *("ledger", "deploy", "--manifest", str(first / "run.toml")),
        *("--url", chain["url"], "--owner-key", chain["owner_key"]),
    )
    text = (first / "node.toml").read_text()
    (first / "node.toml").write_text(text.replace("0x" + "00" * 20, deployed["run"]))
    for name in SITES[1:]:
        init = ("init", str(folders[name]), "--url", chain["url"])
        made[name] = answer(*init, "--run-address", deployed["run"], *program)
        (folders[name] / "run.toml").write_bytes((first / "run.toml").read_bytes())
    for name in SITES:
        command(
            *("ledger", "invite", "--run", deployed["run"], "--url", chain["url"]),
            *("--owner-key", chain["owner_key"], "--fund"),
            *("--account", made[name]["account"], "--peer", made[name]["peer"]),
        )
    return folders, deployed


def busy_port_is_named(config):
    """A node that cannot listen ends with one line; then the settings are as before."""
    text = config.read_text()
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        config.write_text(text.replace("/tcp/0", f"/tcp/{port}"))
        result = command("node", "--config", str(config), expected=1)
    config.write_text(text)
    assert str(port) in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_three_sites__run_by_hand_and_end_with_one_model(tmp_path, chain):
    folders, deployed = prepare(tmp_path, chain)
    config = {name: str(folder / "node.toml") for name, folder in folders.items()}
    stranger = command("node", "--config", config["b"], expected=1)
    assert "ledger enrol" in stranger.stderr
    indices = [answer("ledger", "enrol", "--config", config[name])["index"] for name in SITES]
    assert indices == [0, 1, 2]
    again = command("ledger", "enrol", "--config", config["a"], expected=1)
    assert "enrol" in again.stderr
    assert answer("doctor", "--config", config["c"])["ok"] is True
    busy_port_is_named(folders["c"] / "node.toml")
    with ExitStack() as stack:
        nodes = {
            name: stack.enter_context(
                subprocess.Popen(
                    [*RUN, "node", "--config", config[name]],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    cwd=ROOT,
                )
            )
            for name in SITES
        }
        try:
            until_now((folders["a"] / "state" / "control.sock").exists, "a node's socket")
            status = answer("status", "--config", config["a"])
            assert status["name"] == "a"
            assert "waiting_for_peers" in status
            second = command("node", "--config", config["a"], expected=1)
            assert str(nodes["a"].pid) in second.stderr
            outputs = {name: node.communicate(timeout=200) for name, node in nodes.items()}
        finally:
            for node in nodes.values():
                node.kill()
    finals = set()
    for name, (out, err) in outputs.items():
        assert nodes[name].returncode == 0, err
        finals.add(next(line for line in out.splitlines() if line.startswith("final")))
        assert "merged with all sites" in out
        receipt = json.loads((folders[name] / f"state/receipts/{name}-0005.json").read_text())
        assert receipt["verdict"] == "complete"
    assert len(finals) == 1
    view = answer("ledger", "status", "--run", deployed["run"], "--url", chain["url"])
    assert view["finished"] is True
    assert view["last_sealed_round"] == 5
    gone = command("status", "--config", config["a"], expected=1)
    assert "no node answers" in gone.stderr


def test_other_terms_than_the_runs__are_refused(tmp_path, chain):
    folders, _ = prepare(tmp_path, chain)
    manifest = folders["b"] / "run.toml"
    manifest.write_text(manifest.read_text().replace("rounds = 5", "rounds = 6"))
    result = command("ledger", "enrol", "--config", str(folders["b"] / "node.toml"), expected=2)
    assert "other terms" in result.stderr
