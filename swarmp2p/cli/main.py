"""The command `swarmp2p`: its groups, and how every failure ends in one line and an exit status.

0 good, 1 failed, 2 usage or settings, 130 interrupted. Commands import what they need when they
run, so that `--help` is quick and a missing extra is told by the command that needs it.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from swarmp2p.cli.bench import bench
from swarmp2p.cli.conformance import conformance
from swarmp2p.cli.keys import keys
from swarmp2p.cli.ledger import ledger
from swarmp2p.cli.run import audit, demo, doctor, node, status
from swarmp2p.cli.sites import init
from swarmp2p.errors import ConfigError, SwarmError

TRACEBACK = "SWARMP2P_TRACEBACK"
_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="swarmp2p")
def cli() -> None:
    """Swarm learning: sites train at home, exchange parameters from peer to peer, merge them.

    Every command takes --json. Exit status: 0 good, 1 failed, 2 wrong usage or settings.
    """


for command in (demo, init, keys, ledger, node, status, audit, doctor, bench, conformance):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit status of a command line; no traceback is shown unless it is asked for."""
    try:
        result = cli.main(args=arguments, prog_name="swarmp2p", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone, as in `swarmp2p status | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except BaseException as error:  # noqa: BLE001 - the border of the program
        return report(error)
    return result if isinstance(result, int) else 0


def report(error: BaseException) -> int:
    """Say what went wrong in one line on stderr; return the exit status."""
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    error = _first(error)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, KeyboardInterrupt | click.Abort):
        _say("interrupted")
        return _INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, SwarmError):
        _say(f"error: {error}")
        return 2 if isinstance(error, ConfigError) else 1
    if isinstance(error, ImportError):
        _say(f"error: {error}; install what is missing with `pip install 'swarmp2p[demo]'`")
        return 1
    place = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(place[-1].filename).name}:{place[-1].lineno})" if place else ""
    name = type(error).__name__
    _say(f"error: {name}: {error}{where}; set {TRACEBACK}=1 to see how it came to this")
    return 1


def _first(error: BaseException) -> BaseException:
    """The first error in a group, an error of ours before others: the rest follow from it."""
    while isinstance(error, BaseExceptionGroup):
        ours = error.subgroup(SwarmError)
        error = (error if ours is None else ours).exceptions[0]
    return error


def _say(line: str) -> None:
    click.echo("swarmp2p: " + " ".join(line.split()), err=True)
