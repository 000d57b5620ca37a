"""The whole way through: real processes, real libp2p, a real EVM, real patients."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from wait import until_now

pytestmark = pytest.mark.live
RUN = [sys.executable, "-m", "swarmp2p"]


def demo(out, *options, timeout=150, **more):
    command = [*RUN, "demo", "--json", "--out", str(out), *options]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=False, **more
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One whole demo, shared by the tests that only read it."""
    out = tmp_path_factory.mktemp("demo") / "out"
    result = demo(out, "--rounds", "3", "--seed", "1")
    assert result.returncode == 0, result.stderr
    return out, json.loads(result.stdout)


def test_the_demo__ends_with_identical_parameters_in_all_processes(finished):
    _, metrics = finished
    hashes = metrics["parameters_sha256"]
    assert len(hashes) == 4
    assert len(set(hashes.values())) == 1


def test_its_json__has_the_documented_shape(finished):
    out, metrics = finished
    assert set(metrics) == {
        "run_id",
        "terms",
        "rounds",
        "sites",
        "central",
        "parameters_sha256",
        "out",
    }
    assert metrics["out"] == str(out)
    assert metrics["terms"] == {"merge": "mean", "optimiser": "none", "encoding": "fp32"}
    assert [one["round"] for one in metrics["rounds"]] == [1, 2, 3]
    for one in metrics["rounds"]:
        assert one["complete"] is True
        assert len(one["contributors"]) == 4
        assert len(one["merged_root"]) == 64
    for site in metrics["sites"]:
        assert set(site) == {"site", "train", "test", "alone", "swarm", "own"}
        for side in ("alone", "swarm"):
            assert set(site[side]) == {"auc", "accuracy", "sensitivity", "specificity"}
    switzerland = next(site for site in metrics["sites"] if site["site"] == "switzerland")
    assert switzerland["train"] + switzerland["test"] == 46


def test_its_folder__holds_what_an_audit_needs(finished):
    out, metrics = finished
    assert (out / "report.html").stat().st_size > 10_000
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((out / "metrics.json").read_text()) == metrics
    receipts = sorted(path.name for path in (out / "receipts").iterdir())
    assert len(receipts) == 12
    assert "va-0003.json" in receipts
    lines = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    assert len(lines) >= 3 + 4
    for site in metrics["sites"]:
        chunks = out / "nodes" / site["site"] / "state" / "chunks"
        roots = {path.name for path in chunks.iterdir()}
        assert {one["merged_root"] for one in metrics["rounds"]} <= roots


def audit(out, expected):
    command = [*RUN, "audit", str(out), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == expected, result.stderr
    return json.loads(result.stdout)["rounds"]


def test_its_folder__is_enough_to_recompute_every_round(finished):
    out, metrics = finished
    rounds = audit(out, expected=0)
    assert [one["ok"] for one in rounds] == [True] * 3
    roots = [one["merged_root"] for one in metrics["rounds"]]
    assert [one["recomputed_root"] for one in rounds] == roots


def test_a_demo_with_an_optimiser_and_another_encoding__is_recomputed_in_every_round(tmp_path):
    out = tmp_path / "out"
    result = demo(out, "--rounds", "3", "--optimiser", "fedadam", "--encoding", "int8")
    assert result.returncode == 0, result.stderr
    metrics = json.loads(result.stdout)
    assert metrics["terms"] == {"merge": "mean", "optimiser": "fedadam", "encoding": "int8"}
    rounds = audit(out, expected=0)
    assert [one["ok"] for one in rounds] == [True] * 3
    assert [one["recomputed_root"] for one in rounds] == [
        one["merged_root"] for one in metrics["rounds"]
    ]


def test_an_audit__finds_what_was_changed_and_claims_nothing_of_what_is_gone(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished[0], copy, ignore=shutil.ignore_patterns("*.sock"))
    lines = (copy / "ledger.jsonl").read_text().splitlines()
    rounds = [json.loads(line) for line in lines]
    first = next(row for row in rounds if row["type"] == "round")
    first["commits"][0]["weight"] += 100  # the chain's word, so the merge comes out otherwise
    (copy / "ledger.jsonl").write_text("\n".join(json.dumps(row) for row in rounds) + "\n")
    receipt = json.loads((copy / "receipts" / "va-0002.json").read_text())
    gone = next(iter(receipt["merge"]["updates"].values()))["root"]
    for node in (copy / "nodes").iterdir():
        shutil.rmtree(node / "state" / "chunks" / gone)
    forged = copy / "receipts" / "va-0003.json"
    text = forged.read_text()
    forged.write_text(
        text.replace('"outcome": "sealed",\n  "base"', '"outcome": "void",\n  "base"')
    )
    assert forged.read_text() != text
    assert [one["ok"] for one in audit(copy, expected=1)] == [False, None, False]


def test_no_site__holds_rows_of_another(finished):
    out, metrics = finished
    rows = {}
    for site in metrics["sites"]:
        folder = out / "nodes" / site["site"]
        with (folder / "rows.csv").open() as file:
            rows[site["site"]] = [tuple(row.values()) for row in csv.DictReader(file)]
        assert len(rows[site["site"]]) == site["train"]
        assert {row[0] for row in rows[site["site"]]} == {site["site"]}
    for name, own in rows.items():
        lines = {",".join(row[1:]) for row in own}
        for path in (out / "nodes").glob("*/*.csv"):
            if path.parent.name != name:
                others = {line.partition(",")[2] for line in path.read_text().splitlines()[1:]}
                assert not lines & others


def test_every_chunk__crosses_the_network_once_per_peer(finished):
    """Bytes in = N-1 models a round: 14 float32 each."""
    out, metrics = finished
    model = 14 * 4
    for site in metrics["sites"]:
        receipt = json.loads((out / "receipts" / f"{site['site']}-0003.json").read_text())
        assert receipt["local"]["bytes_in"] == 3 * 3 * model


def test_no_secret__stands_in_a_log(finished):
    out, metrics = finished
    logs = b"".join(path.read_bytes() for path in out.rglob("*.log"))
    for site in metrics["sites"]:
        keys = out / "nodes" / site["site"] / "keys"
        assert (keys.stat().st_mode & 0o777) == 0o700
        for path in keys.iterdir():
            assert (path.stat().st_mode & 0o777) == 0o600
        assert (keys / "passphrase").read_bytes().strip() not in logs


def test_the_same_seed__gives_the_same_roots_again(finished, tmp_path):
    _, metrics = finished
    again = demo(tmp_path / "out", "--rounds", "3", "--seed", "1")
    assert again.returncode == 0, again.stderr
    roots = [one["merged_root"] for one in json.loads(again.stdout)["rounds"]]
    assert roots == [one["merged_root"] for one in metrics["rounds"]]


def test_a_node_killed_after_round_one__is_named_and_the_others_finish(tmp_path):
    out = tmp_path / "out"
    command = [*RUN, "demo", "--json", "--rounds", "8", "--out", str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            until_now((out / "receipts" / "va-0001.json").exists, "the first round", 90)
            os.kill(int((out / "nodes" / "va" / "pid").read_text()), signal.SIGKILL)
            stdout, stderr = process.communicate(timeout=150)
        finally:
            process.kill()
    assert process.returncode == 0, stderr
    metrics = json.loads(stdout)
    assert set(metrics["parameters_sha256"]) == {"cleveland", "hungarian", "switzerland"}
    assert len(set(metrics["parameters_sha256"].values())) == 1
    last = json.loads((out / "receipts" / "cleveland-0008.json").read_text())
    assert last["verdict"] == "partial"
    assert last["missing"] == ["va"]
    assert metrics["rounds"][-1]["complete"] is False


def test_ctrl_c__ends_every_child(tmp_path):
    out = tmp_path / "out"
    command = [*RUN, "demo", "--rounds", "50", "--out", str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            until_now((out / "receipts" / "va-0001.json").exists, "the first round", 90)
            pids = [int(path.read_text()) for path in out.glob("nodes/*/pid")]
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert len(pids) == 4
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists()


def test_a_folder_that_is_not_ours__is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("keep")
    result = demo(tmp_path)
    assert result.returncode == 2
    assert "--out" in result.stderr
    assert (tmp_path / "precious.txt").read_text() == "keep"
