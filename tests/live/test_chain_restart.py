"""The embedded chain is killed in the middle of a run and started again: the nodes go on."""

import json
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest
from wait import until_now

from swarmp2p.demo.hospitals import choose_sites, load_patients
from swarmp2p.demo.orchestrate import DemoOptions, demo_manifest, prepare_out
from swarmp2p.demo.processes import Chain, NodeProcess
from swarmp2p.demo.setup import deploy_and_enrol, write_folder
from swarmp2p.ledger.accounts import read_key_file
from swarmp2p.ledger.rpc import RpcClient
from swarmp2p.ledger.views import RunReader, read_block

pytestmark = pytest.mark.live
ROUNDS = 4


@contextmanager
def chain_process(folder, port):
    """The chain that `folder` keeps; killed at the end, as a power cut would."""
    command = [sys.executable, "-m", "swarmp2p.ledger.devchain", "--port", str(port)]
    command += ["--interval", "0.2", "--dir", str(folder)]
    command += ["--owner-key-file", str(folder / "owner.key")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def node_processes(out, chain):
    options = DemoOptions(rounds=ROUNDS, block_seconds=0.2)
    manifest = demo_manifest(options)
    sites = choose_sites(load_patients(options.data), 3, 0)
    keys = deploy_and_enrol(sites, manifest, chain, 0)
    configs = {s.name: write_folder(out, s, manifest, chain, keys, seed=0) for s in sites}
    nodes = [NodeProcess.start(name, at, out / "nodes" / name) for name, at in configs.items()]
    try:
        yield nodes
    finally:
        for node in nodes:
            node.terminate()
        for node in nodes:
            node.wait()


def test_nodes__go_on_when_the_chain_is_killed_and_started_again(tmp_path):
    out, folder = prepare_out(tmp_path / "run"), tmp_path / "chain"
    folder.mkdir()
    with ExitStack() as stack:
        with chain_process(folder, 0) as ready:
            chain = Chain(ready["url"], read_key_file(folder / "owner.key"), ready["chain_id"])
            nodes = stack.enter_context(node_processes(out, chain))
            until_now(lambda: list((out / "receipts").glob("*-0001.json")), "the first round")
            with RpcClient(chain.url) as rpc:
                seen = read_block(rpc, RunReader(rpc, chain.run).head())
        stack.enter_context(chain_process(folder, urlsplit(chain.url).port))
        with RpcClient(chain.url) as rpc:
            assert read_block(rpc, seen.number) == seen
        until_now(lambda: all(n.finished or not n.alive for n in nodes), "the end of the run")
        assert [node.last_words() for node in nodes if not node.finished] == []
        with RpcClient(chain.url) as rpc:
            reader = RunReader(rpc, chain.run)
            assert reader.run_state(reader.head())["lastSealedRound"] == ROUNDS
    roots = {json.loads(path.read_text())["merged_root"] for path in last_receipts(out)}
    assert len(last_receipts(out)) == 3
    assert len(roots) == 1


def last_receipts(out):
    return sorted((out / "receipts").glob(f"*-{ROUNDS:04d}.json"))
