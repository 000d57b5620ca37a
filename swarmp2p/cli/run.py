"""`swarmp2p demo`, `node`, `status` and `doctor`."""

import json
import os
import signal
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import click

from swarmp2p.cli.output import emit, json_option, path_option
from swarmp2p.errors import StateError

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@click.command()
@click.option("--peers", type=int, default=4, show_default=True, help="Sites, 3 to 16.")
@click.option("--rounds", type=int, default=10, show_default=True, help="Merges.")
@click.option("--merge", default="mean", show_default=True, help="Merge rule: mean, cclip, ...")
@click.option(
    "--optimiser", default="none", show_default=True, help="Server optimiser: fedadam, ..."
)
@click.option("--encoding", default="fp32", show_default=True, help="Of updates: bf16, int8, ...")
@click.option("--seed", type=int, default=0, show_default=True, help="Splits and identities.")
@path_option("--out", default="swarmp2p-demo", show_default=True, help="Where to write.")
@path_option("--data", help="A CSV with the columns of the built-in one.")
@json_option
def demo(
    *,
    peers: int,
    rounds: int,
    merge: str,
    optimiser: str,
    encoding: str,
    seed: int,
    out: Path,
    data: Path | None,
    as_json: bool,
) -> int:
    """Four real hospitals train one model with no centre, on this machine.

    Starts an embedded chain and a node process per hospital; writes a report to --out.
    """
    from swarmp2p.demo.hospitals import HEART_CSV
    from swarmp2p.demo.orchestrate import DemoOptions, run_demo
    from swarmp2p.demo.progress import Progress

    options = DemoOptions(
        peers=peers,
        rounds=rounds,
        merge=merge,
        optimiser=optimiser,
        encoding=encoding,
        seed=seed,
        out=out,
        data=data or HEART_CSV,
    )
    # A terminated demo must end its children too; the way out is that of Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    metrics = run_demo(options, Progress(quiet=as_json))
    if as_json:
        click.echo(json.dumps(metrics))
    return 0 if len(set(metrics["parameters_sha256"].values())) == 1 else 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@click.command()
@path_option("--config", required=True, help="node.toml")
@json_option
def node(*, config: Path, as_json: bool) -> None:
    """Run this site's node and the training program that node.toml names.

    Ends when the program ends (and `linger` has passed), or on SIGTERM. With no program it relays
    and serves.
    """
    # Before NumPy loads: bits must not depend on the number of cores.
    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")
    from swarmp2p.config import SwarmConfig
    from swarmp2p.train.program import run_program

    settings = SwarmConfig.from_toml(config)
    run_program(settings)
    emit({"name": settings.name, "ended": True}, [f"{settings.name}: ended"], as_json=as_json)


@click.command()
@path_option("--config", help="node.toml")
@path_option("--state", help="The state directory, instead of --config.")
@json_option
def status(*, config: Path | None, state: Path | None, as_json: bool) -> None:
    """Ask a running node where it stands and whom it waits for (default: ./node.toml)."""
    from swarmp2p.config import SwarmConfig
    from swarmp2p.control import ask

    if config is not None and state is not None:
        raise click.UsageError("give --config or --state, not both")
    folder = state or SwarmConfig.from_toml(config or Path("node.toml")).state
    reply = ask(folder, {"cmd": "status"})
    if "error" in reply:
        raise StateError(str(reply["error"]))
    emit(reply, _status_lines(reply), as_json=as_json)


def _status_lines(reply: dict[str, Any]) -> list[str]:
    waits = ", ".join(reply["waiting_for_peers"])
    return [
        f"{reply['name']} (pid {reply['pid']}): {reply['phase']}",
        f"round      {reply['round']} of {reply['rounds']}, attempt {reply['attempt']}",
        f"sealed     {reply['last_sealed_round']}, as of block {reply['block']}",
        f"waits for  {reply['waiting_for']}{': ' + waits if waits else ''}",
        f"connected  {', '.join(reply['connected']) or 'nobody'}",
        f"traffic    {reply['bytes_in']} bytes in, {reply['bytes_out']} bytes out",
        f"ledger     {reply['ledger']}",
        *(
            f"endpoint   {one['shown']}: {one['state']}, head {one['head']}, {one['calls']} calls,"
            f" {one['failures']} failed"
            for one in reply.get("endpoints", [])
        ),
        *(
            f"refused    {event}, {peer}: {', '.join(f'{n} {code}' for code, n in codes.items())}"
            for event, peers in reply["refused"].items()
            for peer, codes in peers.items()
        ),
    ]


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@json_option
def audit(*, out: Path, as_json: bool) -> int:
    """Recompute every sealed round of a demo from its folder OUT, and compare the roots.

    Exit status 1 on a mismatch. A round whose inputs are gone is "not available", never "ok".
    """
    from swarmp2p.audit import audit_folder

    rounds = audit_folder(out)
    rows = [asdict(one) for one in rounds]
    words = {True: "ok", False: "MISMATCH", None: "not available"}
    lines = [f"round {one.round}: {words[one.ok]}: {one.checked}" for one in rounds]
    emit({"rounds": rows}, lines or ["no round was sealed"], as_json=as_json)
    return 1 if any(one.ok is False for one in rounds) else 0


@click.command()
@path_option("--config", help="Also check this node.toml: keys, manifest, chain, enrolment.")
@json_option
def doctor(*, config: Path | None, as_json: bool) -> int:
    """Check what a node needs, and say what to do about what is missing."""
    from swarmp2p.doctor import examine

    found = examine(config)
    rows = [{"check": f.check, "ok": f.ok, "detail": f.detail} for f in found]
    lines = [f"{'ok  ' if f.ok else 'FAIL'}  {f.check}: {f.detail}" for f in found]
    good = all(f.ok for f in found)
    emit({"ok": good, "checks": rows}, lines, as_json=as_json)
    return 0 if good else 1
