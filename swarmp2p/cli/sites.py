"""`swarmp2p init`: a site's keys and settings."""

from pathlib import Path

import click

from swarmp2p.cli.output import emit, json_option
from swarmp2p.errors import ConfigError


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", help="How logs and receipts call the site; default: the folder's name.")
@click.option("--listen", default="/ip4/127.0.0.1/tcp/0", show_default=True, help="Multiaddr.")
@click.option("--url", default="http://127.0.0.1:8545", show_default=True, help="The chain.")
@click.option("--run-address", help="The run's contract, as `ledger deploy` prints it.")
@click.option("--program", default="", help="module:function or FILE.py:function to train with.")
@click.option("--run", "with_run", is_flag=True, help="Write a commented run.toml, too.")
@json_option
def init(
    folder: Path,
    *,
    name: str | None,
    listen: str,
    url: str,
    run_address: str | None,
    program: str,
    with_run: bool,
    as_json: bool,
) -> None:
    """Make a site: new keys and a commented node.toml in FOLDER.

    Prints the account and the peer key to hand to the run's owner, who invites them.
    """
    from swarmp2p.launch import SystemRng
    from swarmp2p.manifest import example_manifest, format_manifest
    from swarmp2p.site import NO_RUN, SiteSettings, new_keys, write_site

    manifest = folder / "run.toml"
    if with_run and manifest.exists():
        raise ConfigError(f"{manifest} exists already; nothing was changed")
    settings = SiteSettings(
        name=name or folder.absolute().name,
        listen=listen,
        ledger_url=url,
        run=run_address or NO_RUN,
        program=_absolute(program),
    )
    rng = SystemRng()
    site = new_keys(rng)
    config = write_site(folder, site, settings, rng)
    if with_run:
        manifest.write_text(format_manifest(example_manifest()), encoding="utf-8")
    values = {
        "config": str(config),
        "account": site.address,
        "peer": site.identity.public.hex(),
        "manifest": str(manifest) if with_run else None,
    }
    lines = [
        f"wrote {config} and {folder / 'keys'}",
        *([f"wrote {manifest}"] if with_run else []),
        f"account {site.address}",
        f"peer    {site.identity.public.hex()}",
        "hand these two to the run's owner: swarmp2p ledger invite --account ... --peer ...",
    ]
    emit(values, lines, as_json=as_json)


def _absolute(program: str) -> str:
    """A file's path as it shall stand in node.toml, which may lie in another folder."""
    path, colon, function = program.rpartition(":")
    return f"{Path(path).absolute()}{colon}{function}" if path.endswith(".py") else program
