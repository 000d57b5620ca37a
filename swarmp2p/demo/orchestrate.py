"""The demo from end to end: a chain, the contracts, one node process per hospital, the report."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmp2p.demo.evaluate import build_metrics, evaluate_run, read_outcome
from swarmp2p.demo.hospitals import HEART_CSV, Site, choose_sites, load_patients
from swarmp2p.demo.processes import Chain, NodeProcess, start_chain
from swarmp2p.demo.progress import Progress
from swarmp2p.demo.report import write_report
from swarmp2p.demo.settings import MAX_LOCAL_STEPS, Training, training_from_options
from swarmp2p.demo.setup import deploy_and_enrol, write_folder
from swarmp2p.errors import ConfigError, RunError, StateError
from swarmp2p.manifest import AUDIT_ALL, RunManifest, check_manifest
from swarmp2p.wire.tensors import Schema, TensorSpec

MARK = ".swarmp2p-demo"
_STALL_SECONDS = 120.0
_LOOK_SECONDS = 0.25
RADIUS = 2.0


@dataclass(frozen=True)
class DemoOptions:
    """What `swarmp2p demo` takes. `block_seconds` is the embedded chain's block interval.

    `merge`, `optimiser` and `encoding` are names as run.toml has them.
    """

    peers: int = 4
    rounds: int = 10
    merge: str = "mean"
    optimiser: str = "none"
    encoding: str = "fp32"
    seed: int = 0
    out: Path = Path("swarmp2p-demo")
    data: Path = HEART_CSV
    block_seconds: float = 0.5


def demo_manifest(options: DemoOptions) -> RunManifest:
    """The demo run's terms: the heart model, all rounds auditable.

    Windows are of 12 seconds at first, then what the machine needs, between 4 seconds and a minute.
    """
    training = Training(rounds=options.rounds)
    guess = max(4, round(4 / options.block_seconds))
    manifest = RunManifest(
        name="heart",
        rounds=options.rounds,
        sync_every=MAX_LOCAL_STEPS,
        schema=Schema((TensorSpec("bias", "f32", (1,)), TensorSpec("weight", "f32", (13,)))),
        rule=options.merge,
        rule_params={"radius": RADIUS} if options.merge == "cclip" else {},
        optimiser=options.optimiser,
        encoding=options.encoding,
        commit_blocks=guess,
        exchange_blocks=guess,
        lo=guess,
        hi=15 * guess,
        audit_rounds=AUDIT_ALL,
        options=training.to_options(),
    )
    check_manifest(manifest)
    return manifest


def run_demo(options: DemoOptions, progress: Progress) -> dict[str, Any]:
    """Run the demo; return what `--json` prints. Raises SwarmError; ends every child it started."""
    sites = choose_sites(load_patients(options.data), options.peers, options.seed)
    manifest = demo_manifest(options)
    out = prepare_out(options.out)
    nodes: list[NodeProcess] = []
    with start_chain(out, options.block_seconds) as chain:
        progress.say(f"chain: {chain.url}, a block every {options.block_seconds:g} s")
        try:
            nodes = _start_nodes(sites, manifest, chain, options, progress)
            _watch(nodes, out, progress)
            chain.export(out / "ledger.jsonl")
        finally:
            _end(nodes)
    return _conclude(sites, manifest, out, progress)


def prepare_out(out: Path) -> Path:
    """An empty folder of ours; an earlier demo's is emptied, anything else is left alone."""
    out = out.absolute()
    try:
        if out.exists():
            if not out.is_dir() or (any(out.iterdir()) and not (out / MARK).exists()):
                raise ConfigError(
                    f"{out} exists and is not an earlier demo's output; name another with --out"
                )
            shutil.rmtree(out)
        (out / "receipts").mkdir(parents=True)
        (out / "nodes").mkdir()
        (out / MARK).write_text("made by `swarmp2p demo`; it may empty this folder\n")
    except OSError as error:
        raise ConfigError(f"cannot write to {out}: {error.strerror}") from None
    return out


def _start_nodes(
    sites: Sequence[Site],
    manifest: RunManifest,
    chain: Chain,
    options: DemoOptions,
    progress: Progress,
) -> list[NodeProcess]:
    keys = deploy_and_enrol(sites, manifest, chain, options.seed)
    progress.say(f"contract: 0x{chain.run.hex()}, {len(sites)} hospitals enrolled")
    out = options.out.absolute()
    nodes = []
    for site in sites:
        config = write_folder(out, site, manifest, chain, keys, seed=options.seed)
        nodes.append(NodeProcess.start(site.name, config, out / "nodes" / site.name))
    return nodes


def _watch(nodes: Sequence[NodeProcess], out: Path, progress: Progress) -> None:
    """Until every living node has left its model. Raises RunError when the run cannot go on."""
    quorum = max(2, -(-2 * len(nodes) // 3))
    last, since = -1, time.monotonic()
    with progress:
        while True:
            statuses = {node.name: node.status() for node in nodes}
            progress.show(statuses, {node.name for node in nodes if not node.alive})
            if all(node.finished or not node.alive for node in nodes):
                break
            living = [node for node in nodes if node.alive or node.finished]
            if len(living) < quorum:
                raise RunError(_lost(nodes, quorum))
            sealed = max((s.get("last_sealed_round", 0) for s in statuses.values()), default=0)
            if sealed != last:
                last, since = sealed, time.monotonic()
            if time.monotonic() - since > _STALL_SECONDS:
                raise RunError(_stalled(statuses, last, out))
            progress.wait(_LOOK_SECONDS)
    if not any(node.finished for node in nodes):
        raise RunError(_lost(nodes, quorum))


def _lost(nodes: Sequence[NodeProcess], quorum: int) -> str:
    lines = [f"{n.name}: {n.last_words()}" for n in nodes if not n.alive and not n.finished]
    return f"too few nodes are left to go on ({quorum} needed). " + "; ".join(lines)


def _stalled(statuses: Mapping[str, Mapping[str, Any]], last: int, out: Path) -> str:
    waits = {
        f"{name} waits for {s['waiting_for']} of {', '.join(s['waiting_for_peers'])}"
        for name, s in statuses.items()
        if s
    }
    return (
        f"no round sealed for {_STALL_SECONDS:.0f} s after round {last}: "
        f"{'; '.join(sorted(waits)) or 'no node answers'}; the logs are in {out / 'nodes'}"
    )


def _end(nodes: Sequence[NodeProcess]) -> None:
    for node in nodes:
        node.terminate()
    for node in nodes:
        node.wait()


def read_rounds(out: Path) -> list[dict[str, Any]]:
    """The sealed rounds from the receipts. Raises StateError where two nodes' receipts differ."""
    shared: dict[int, dict[str, Any]] = {}
    rounds: dict[int, dict[str, Any]] = {}
    for path in sorted((out / "receipts").glob("*.json")):
        receipt = json.loads(path.read_text(encoding="utf-8"))
        number = receipt["round"]
        if shared.setdefault(number, receipt["shared"]) != receipt["shared"]:
            raise StateError(f"{path.name} differs from another node's receipt of that round")
        if receipt["outcome"] == "sealed" and number not in rounds:
            rounds[number] = {
                "round": number,
                "attempt": receipt["attempt"],
                "contributors": receipt["contributors"],
                "complete": receipt["verdict"] == "complete",
                "merged_root": receipt["merged_root"],
                "seconds": receipt["local"]["seconds"],
            }
    return [rounds[number] for number in sorted(rounds)]


def _conclude(
    sites: Sequence[Site], manifest: RunManifest, out: Path, progress: Progress
) -> dict[str, Any]:
    outcomes = {site.name: read_outcome(out / "nodes" / site.name) for site in sites}
    evaluation = evaluate_run(sites, outcomes, training_from_options(manifest.options))
    metrics = build_metrics(manifest, read_rounds(out), evaluation, out)
    part = out / "metrics.json.part"
    part.write_text(json.dumps(public(metrics), indent=1) + "\n", encoding="utf-8")
    part.replace(out / "metrics.json")
    write_report(out, metrics, evaluation.curves)
    progress.result(metrics)
    return public(metrics)


def public(metrics: dict[str, Any]) -> dict[str, Any]:
    """The documented structure: what the report needs beside it is left out."""
    sites = [{k: v for k, v in site.items() if k != "cases"} for site in metrics["sites"]]
    return {**metrics, "sites": sites}
