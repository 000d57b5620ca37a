"""`swarmp2p node` and `swarmp2p status`."""

import os
from pathlib import Path

import click

from swarmp2p.cli.output import emit, json_option, pairs
from swarmp2p.errors import StateError

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), required=True, help="The site's node.toml."
)
@json_option
def node(config: Path, *, as_json: bool) -> None:
    """Run a node: it joins its run, trains with the program that node.toml names, and serves."""
    # Before NumPy loads: bits must not depend on the number of cores.
    for name in BLAS_THREADS:
        os.environ.setdefault(name, "1")
    from swarmp2p.config import SwarmConfig  # noqa: PLC0415 - after the line above
    from swarmp2p.train.program import run_program  # noqa: PLC0415 - loads libp2p

    settings = SwarmConfig.from_toml(config)
    begun = {"node": settings.name, "event": "starting", "state": str(settings.state)}
    emit(
        begun,
        [
            f"node {settings.name}: starting; log: {settings.state / 'node.log'};"
            f" ask it with `swarmp2p status --config {config}`"
        ],
        as_json=as_json,
    )
    run_program(settings)
    ended = {"node": settings.name, "event": "ended", "receipts": str(settings.receipts)}
    emit(ended, [f"node {settings.name}: ended; receipts: {settings.receipts}"], as_json=as_json)


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="The site's node.toml.")
@click.option("--state", type=click.Path(path_type=Path), help="Or the node's state directory.")
@json_option
def status(config: Path | None, state: Path | None, *, as_json: bool) -> None:
    """Ask a running node how it stands (default: the node of ./node.toml)."""
    from swarmp2p.config import SwarmConfig  # noqa: PLC0415 - no file is read for --help
    from swarmp2p.control import ask  # noqa: PLC0415 - loads trio

    if config is not None and state is not None:
        raise click.UsageError("give --config or --state, not both")
    if state is None:
        state = SwarmConfig.from_toml(config or Path("node.toml")).state
    reply = ask(state, {"cmd": "status"})
    if "error" in reply:
        raise StateError(f"the node on {state} refused: {reply['error']}")
    emit(reply, pairs(reply), as_json=as_json)
