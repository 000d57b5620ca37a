"""`swarmp2p bench`: figures of this machine, each against a baseline timed in the same run."""

import json
import os

import click

from swarmp2p.cli.output import json_option
from swarmp2p.cli.run import BLAS_THREADS
from swarmp2p.errors import ConfigError


@click.group()
def bench() -> None:
    """Measure this machine: CPU time against a memcpy or a plain way to do the same."""


@bench.command("merge")
@click.option("--params", type=int, default=25_000_000, show_default=True, help="Elements.")
@click.option("--peers", default="4,8", show_default=True, help="Numbers of updates.")
@click.option("--repeat", type=int, default=5, show_default=True, help="Medians of so many runs.")
@click.option("--rules", default="", help="Rows to measure, commas between: mean,encode bf16")
@json_option
def bench_merge(*, params: int, peers: str, repeat: int, rules: str, as_json: bool) -> None:
    """Merge rules and encodings, as multiples of a memcpy of one vector.

    "x naive" is how many times as much CPU the plain NumPy way takes, "2 thr." the wall time with
    two threads. CPU is the figure to trust: wall times are what other programs leave.
    """
    for name in BLAS_THREADS:  # before NumPy loads: the plain ways shall count one thread
        os.environ.setdefault(name, "1")
    from rich.console import Console

    from swarmp2p.bench.merge import MergeBench, measure, table, to_json

    try:
        counts = tuple(int(part) for part in peers.split(","))
    except ValueError:
        raise ConfigError(
            f"--peers is {peers!r}; expected numbers with commas between them, as in 4,8"
        ) from None
    names = tuple(part.strip() for part in rules.split(",") if part.strip())
    options = MergeBench(params, counts, repeat, names)
    rows = []
    console = Console(stderr=True, quiet=as_json)
    with console.status("measuring") as status:
        for row in measure(options):
            rows.append(row)
            status.update(f"{len(rows)} rows, {row.rule} with {row.peers} done")
    if as_json:
        click.echo(json.dumps(to_json(rows)))
    else:
        Console().print(table(options, rows))
