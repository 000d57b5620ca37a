"""`swarmp2p demo`."""

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import click

from swarmp2p.cli.output import emit, json_option


@click.command()
@click.option("--peers", type=int, default=4, show_default=True, help="Sites, 3 to 16.")
@click.option("--rounds", type=int, default=10, show_default=True, help="Merges.")
@click.option(
    "--merge",
    type=click.Choice(["mean", "cclip"]),
    default="mean",
    show_default=True,
    help="How updates are merged; cclip is the default of runs.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes splits and identities.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("swarmp2p-demo"),
    show_default=True,
    help="Report, receipts, ledger and each node's folder go here.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="A CSV with the same columns, in place of the four hospitals.",
)
@json_option
def demo(*, as_json: bool, data: Path | None, **options: Any) -> None:
    """Four real hospitals train one model: chain, nodes and report, on this machine."""
    from swarmp2p.demo.orchestrate import DemoOptions, run_demo  # noqa: PLC0415 - heavy
    from swarmp2p.demo.progress import Progress  # noqa: PLC0415 - loads rich

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # A terminated demo must end its children too; the way out is that of Ctrl-C.
    signal.signal(signal.SIGTERM, interrupt)
    if data is not None:
        options["data"] = data
    metrics = run_demo(DemoOptions(**options), Progress(quiet=as_json))
    if as_json:
        emit(metrics, (), as_json=True)
