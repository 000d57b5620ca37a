"""How many blocks the ledger adds to an undisturbed round: node processes on a real chain.

Run: `python benchmarks/ledger_rounds.py [--rounds 50] [--peers 4] [--depth 0] [--json]`. It starts
anvil (or the embedded chain where there is none), deploys a run, starts the nodes as the demo does,
and reads afterwards from the chain in which block each round opened, closed its commits and sealed.
Nothing can take fewer than 2(1+d) blocks at finality depth d: the opening, the commits and
the attestations are each d blocks old before anyone acts on them. The target is one block more.
The demo's model is tiny, so that training and transfer take a few milliseconds of each block.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from swarmp2p.demo.hospitals import choose_sites, load_patients
from swarmp2p.demo.orchestrate import DemoOptions, demo_manifest, prepare_out
from swarmp2p.demo.processes import Chain, NodeProcess, start_chain
from swarmp2p.demo.setup import deploy_and_enrol, write_folder
from swarmp2p.errors import RunError, SwarmError
from swarmp2p.ledger.anvil import AUTO, find_anvil
from swarmp2p.ledger.interface import Phase, RoundView
from swarmp2p.ledger.rpc import RpcClient
from swarmp2p.ledger.views import RunReader
from swarmp2p.manifest import RunManifest

LOOK_SECONDS = 0.2
STALL_BLOCKS = 200  # without a seal


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; 1 where a round was disturbed, so that they say nothing."""
    options = read_options(arguments)
    try:
        with ExitStack() as stack:
            out = options.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            result = measure(options, prepare_out(out / "run"))
    except SwarmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result) if options.json else table(result))
    return 0 if result["undisturbed"] == options.rounds else 1


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--peers", type=int, default=4, choices=range(2, 5), help="2 to 4")
    parser.add_argument("--depth", type=int, default=0, help="finality depth of the run")
    parser.add_argument("--block-seconds", type=float, default=1.0)
    parser.add_argument("--anvil", default=AUTO, help="auto, never, or its path")
    parser.add_argument("--out", type=Path, help="keep the nodes' folders and logs here")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Run the rounds and read what they took."""
    manifest = replace(
        demo_manifest(DemoOptions(rounds=options.rounds, block_seconds=options.block_seconds)),
        depth=options.depth,
    )
    program = "swarmp2p" if find_anvil(options.anvil) is None else "anvil"
    say = quiet if options.json else print
    began = time.monotonic()
    with start_chain(out, options.block_seconds, anvil=options.anvil) as chain:
        say(f"{program} at {chain.url}, up in {time.monotonic() - began:.2f} s")
        nodes: list[NodeProcess] = []
        try:
            nodes = start_nodes(options, manifest, chain, out)
            wait(nodes, chain, options.block_seconds, say)
            rounds = read_rounds(chain, options.rounds)
        finally:
            for node in nodes:
                node.terminate()
            for node in nodes:
                node.wait()
    return {**summary(options, rounds), "chain": program, "cpu_seconds": cpu_seconds()}


def quiet(_line: str) -> None:
    """With --json stdout holds the result and nothing else."""


def start_nodes(
    options: argparse.Namespace, manifest: RunManifest, chain: Chain, out: Path
) -> list[NodeProcess]:
    """Deploy, enrol and start, as the demo does."""
    sites = choose_sites(load_patients(DemoOptions().data), options.peers, 0)
    keys = deploy_and_enrol(sites, manifest, chain, 0)
    configs = {s.name: write_folder(out, s, manifest, chain, keys, seed=0) for s in sites}
    return [
        NodeProcess.start(name, config, out / "nodes" / name) for name, config in configs.items()
    ]


def wait(
    nodes: Sequence[NodeProcess], chain: Chain, block_seconds: float, say: Callable[[str], None]
) -> None:
    """Until every node has its final model. Raises RunError where one ends or none goes on."""
    last, since = -1, time.monotonic()
    with RpcClient(chain.url) as rpc:
        reader = RunReader(rpc, chain.run)
        while not all(node.finished for node in nodes):
            for node in nodes:
                if not node.alive and not node.finished:
                    raise RunError(f"{node.name} ended: {node.last_words()}")
            sealed = reader.run_state(reader.head())["lastSealedRound"]
            if sealed != last:
                last, since = sealed, time.monotonic()
                if sealed and sealed % 10 == 0:
                    say(f"round {sealed} is sealed")
            elif time.monotonic() > since + STALL_BLOCKS * block_seconds:
                raise RunError(f"no round sealed in {STALL_BLOCKS} blocks after round {last}")
            time.sleep(LOOK_SECONDS)


def read_rounds(chain: Chain, count: int) -> list[RoundView]:
    """The rounds as the chain keeps them."""
    with RpcClient(chain.url) as rpc:
        reader = RunReader(rpc, chain.run)
        head = reader.head()
        return [reader.round_view(number, head) for number in range(1, count + 1)]


def summary(options: argparse.Namespace, rounds: Sequence[RoundView]) -> dict[str, Any]:
    """The figures, in blocks. The first round is apart: the nodes start and connect in it."""
    good = [r for r in rounds if (r.phase, r.attempt) == (Phase.SEALED, 0)]
    later = [r for r in good if r.round > 1] or good
    whole = [r.ended_block - r.opened_block for r in later]
    least = 2 * (1 + options.depth)
    return {
        "peers": options.peers,
        "rounds": options.rounds,
        "depth": options.depth,
        "block_seconds": options.block_seconds,
        "undisturbed": len(good),
        "least_possible": least,
        "target": least + 1,
        "first_round": rounds[0].ended_block - rounds[0].opened_block,
        "median": statistics.median(whole),
        "mean": round(statistics.fmean(whole), 3),
        "most": max(whole),
        "ratio_to_target": round(statistics.fmean(whole) / (least + 1), 3),
        "blocks": {str(n): times for n, times in sorted(Counter(whole).items())},
        "until_commits_closed": tally(r.closed_block - r.opened_block for r in later),
        "from_there_to_the_seal": tally(r.ended_block - r.closed_block for r in later),
        "over_target": [r.round for r in later if r.ended_block - r.opened_block > least + 1],
    }


def tally(values: Any) -> dict[str, int]:
    """How often each number of blocks occurred."""
    return {str(n): times for n, times in sorted(Counter(values).items())}


def cpu_seconds() -> float:
    """Of all children that have ended: nodes and chain."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(used.ru_utime + used.ru_stime, 1)


def table(result: dict[str, Any]) -> str:
    """For people."""
    lines = [
        "{peers} nodes on {chain}, a block every {block_seconds:g} s, finality depth {depth}:",
        "{undisturbed} of {rounds} rounds undisturbed; blocks from opening to seal, but for the",
        "first: median {median:g}, mean {mean:g}, most {most} (target {target},",
        "least possible {least_possible})",
        "how often: {blocks}",
        "until the commits closed: {until_commits_closed}",
        "from there to the seal: {from_there_to_the_seal}",
        "the first round, in which the nodes start and connect: {first_round}",
        "CPU of all processes: {cpu_seconds} s",
    ]
    return "\n".join(lines).format(**result)


if __name__ == "__main__":
    sys.exit(main())
