"""`swarmp2p init` and `swarmp2p keys`: a site's folder and its keys."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarmp2p.cli.output import emit, json_option
from swarmp2p.errors import ConfigError

if TYPE_CHECKING:
    from swarmp2p.site import SiteKeys

DEFAULT_URL = "http://127.0.0.1:8545"


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", help="The site's name; the folder's by default.")
@click.option("--listen", default="/ip4/127.0.0.1/tcp/0", show_default=True, help="Multiaddr.")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The chain's JSON-RPC.")
@click.option("--contract", help="The run's address, once `ledger deploy` has printed it.")
@click.option("--manifest", default="run.toml", show_default=True, help="Path, from DIR.")
@click.option("--program", default="", help="What trains: package.module:function.")
@click.option(
    "--option", "pairs", multiple=True, metavar="KEY=VALUE", help="For [train.options]; repeatable."
)
@click.option("--run", "with_run", is_flag=True, help="Also write the heart demo's run.toml.")
@json_option
def init(  # noqa: PLR0917 - click passes by name
    folder: Path,
    name: str | None,
    listen: str,
    url: str,
    contract: str | None,
    manifest: str,
    program: str,
    pairs: tuple[str, ...],
    *,
    with_run: bool,
    as_json: bool,
) -> None:
    """Make a site's folder: two keys and a commented node.toml."""
    from swarmp2p import site  # noqa: PLC0415 - loads keys' libraries
    from swarmp2p.config import run_address  # noqa: PLC0415
    from swarmp2p.launch import SystemRng  # noqa: PLC0415

    del site, run_address, SystemRng, name, listen, url, contract, manifest, program, pairs
    del with_run, as_json, folder
