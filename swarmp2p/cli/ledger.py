"""`swarmp2p ledger`: the embedded chain and deployment; the other commands are added to it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarmp2p.cli.account import DEV_URL, account_options, open_sender
from swarmp2p.cli.ledger_look import ledger_status, verify
from swarmp2p.cli.ledger_members import (
    attach,
    enrol,
    hand_over,
    invite,
    release,
    retract,
    revoke,
)
from swarmp2p.cli.ledger_watch import watch
from swarmp2p.cli.output import emit, json_option, path_option
from swarmp2p.cli.rotate import ledger_rotate
from swarmp2p.errors import ConfigError

if TYPE_CHECKING:
    from swarmp2p.manifest import RunManifest


@click.group()
def ledger() -> None:
    """The chain: start one, deploy a run, say who takes part, look, compare."""


for command in (
    invite,
    enrol,
    revoke,
    ledger_rotate,
    attach,
    hand_over,
    retract,
    release,
    ledger_status,
    watch,
    verify,
):
    ledger.add_command(command)


@ledger.command()
@path_option(
    "--dir", "folder", default="chain", show_default=True, help="The owner's key and the chain."
)
@click.option("--port", type=int, default=8545, show_default=True, help="0: any free one.")
@click.option("--interval", type=float, default=1.0, show_default=True, help="Seconds per block.")
@click.option(
    "--anvil",
    default="auto",
    show_default=True,
    metavar="auto|never|PATH",
    help="Run Foundry's anvil instead of the built-in chain.",
)
@click.option("--fresh", is_flag=True, help="Forget the chain that --dir keeps.")
@json_option
def dev(
    *, folder: Path, port: int, interval: float, anvil: str, fresh: bool, as_json: bool
) -> None:
    """Run a development chain on loopback until Ctrl-C; started again, it goes on."""
    from swarmp2p.ledger.anvil import AnvilChain
    from swarmp2p.ledger.devchain import CHAIN_ID, open_chain, owner_account, serve

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot create {folder}: {error.strerror}") from None
    key_file = folder / "owner.key"
    owner = owner_account(key_file)
    chain = open_chain(owner, anvil=anvil, folder=folder, fresh=fresh, port=port, interval=interval)
    program = "anvil" if isinstance(chain, AnvilChain) else "swarmp2p"

    def ready(url: str) -> None:
        values = {
            "url": url,
            "chain_id": CHAIN_ID,
            "owner": "0x" + owner.hex(),
            "owner_key": str(key_file),
            "program": program,
        }
        pace = f"a block every {interval:g} s" if interval else "blocks on request"
        line = f"chain {CHAIN_ID} at {url} ({program}), {pace}; owner's key: {key_file}"
        emit(values, [line], as_json=as_json)

    serve(chain, ready=ready)


@ledger.command()
@path_option("--manifest", required=True, help="run.toml: the run's terms.")
@click.option("--url", default=DEV_URL, show_default=True, help="The chain's endpoint.")
@account_options
@click.option("--registry", help="Use a registry that is already deployed.")
@path_option(
    "--write",
    "configs",
    multiple=True,
    help="Put the run's address into this node.toml, which names none yet. Repeatable.",
)
@json_option
def deploy(
    *,
    manifest: Path,
    url: str,
    registry: str | None,
    configs: tuple[Path, ...],
    as_json: bool,
    **by: Any,
) -> None:
    """Deploy a run (and a registry of members) for the terms in run.toml.

    Checks the terms first, and prints each. docs/run-manifest.md says what they mean.
    """
    from swarmp2p.config import run_address
    from swarmp2p.ledger import deploy as actions
    from swarmp2p.ledger.refusals import explaining
    from swarmp2p.manifest import read_manifest
    from swarmp2p.run_terms import check_fit
    from swarmp2p.site import check_no_run, run_settings, set_run

    terms = read_manifest(manifest)
    check_fit(terms)
    for config in configs:
        check_no_run(config)
    where = run_address(registry, "--registry") if registry else None
    with open_sender(by, url) as sender, explaining():
        where = where or actions.deploy_registry(url, sender)
        run = actions.deploy_run(url, sender, run_settings(terms, where))
    for config in configs:
        set_run(config, run)
    values = {
        "run": "0x" + run.hex(),
        "registry": "0x" + where.hex(),
        "run_id": terms.run_id.hex(),
        "terms": _terms(terms),
    }
    lines = [f"{name:16} {value}" for name, value in values.items() if name != "terms"]
    lines += [f"{name:16} {value}" for name, value in _terms(terms).items()]
    lines.append("each site needs run.toml, and the run's address in node.toml: [ledger] run")
    emit(values, lines, as_json=as_json)


def _terms(terms: "RunManifest") -> dict[str, Any]:
    from swarmp2p.run_terms import every_term

    return every_term(terms)
