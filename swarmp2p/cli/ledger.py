"""`swarmp2p ledger`: the embedded chain, deployment, and who takes part."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarmp2p.cli.output import emit, json_option, path_option
from swarmp2p.errors import ConfigError

if TYPE_CHECKING:
    from swarmp2p.ledger.interface import ChainView

DEV_URL = "http://127.0.0.1:8545"
FUNDS = 10**18  # wei: one ether, for the gas of some thousand transactions

url_option = click.option("--url", default=DEV_URL, show_default=True, help="The chain's endpoint.")
run_option = click.option("--run", required=True, help="The run's address, 0x...")
owner_option = path_option("--owner-key", required=True, help="The owner's key file (mode 0600).")


@click.group()
def ledger() -> None:
    """The chain: start one, deploy a run, invite, enrol, revoke, look."""


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
@url_option
@owner_option
@click.option("--registry", help="Use a registry that is already deployed.")
@json_option
def deploy(
    *, manifest: Path, url: str, owner_key: Path, registry: str | None, as_json: bool
) -> None:
    """Deploy a run (and a registry of members) for the terms in run.toml."""
    from swarmp2p.config import run_address
    from swarmp2p.ledger import deploy as actions
    from swarmp2p.ledger.accounts import read_key_file
    from swarmp2p.manifest import read_manifest
    from swarmp2p.site import run_settings

    terms, key = read_manifest(manifest), read_key_file(owner_key)
    where = run_address(registry, "--registry") if registry else actions.deploy_registry(url, key)
    run = actions.deploy_run(url, key, run_settings(terms, where))
    values = {
        "run": "0x" + run.hex(),
        "registry": "0x" + where.hex(),
        "run_id": terms.run_id.hex(),
    }
    lines = [f"{name:9}{value}" for name, value in values.items()]
    lines.append("put the run's address into each site's node.toml: [ledger] run")
    emit(values, lines, as_json=as_json)


@ledger.command()
@run_option
@url_option
@owner_option
@click.option("--account", required=True, help="The site's account, 0x...")
@click.option("--peer", required=True, help="The site's peer key, 64 hex digits.")
@click.option("--fund", is_flag=True, help="Also send one ether for gas (development chains).")
@json_option
def invite(
    *, run: str, url: str, owner_key: Path, account: str, peer: str, fund: bool, as_json: bool
) -> None:
    """Invite a site: this account with this peer key may enrol."""
    from swarmp2p.ledger import deploy as actions
    from swarmp2p.ledger.accounts import parse_account, read_key_file
    from swarmp2p.ledger.look import read_terms

    if len(peer) != 64 or not all(char in "0123456789abcdef" for char in peer):
        raise ConfigError(f"--peer is {peer!r}; expected the 64 hex digits that `init` printed")
    invitation = actions.Invitation(parse_account(account), bytes.fromhex(peer))
    registry = read_terms(url, _run(run)).registry
    actions.invite(
        url, read_key_file(owner_key), registry, [invitation], funds=FUNDS if fund else 0
    )
    line = f"invited {account} with peer {peer[:8]}"
    emit({"account": account, "peer": peer}, [line], as_json=as_json)


@ledger.command()
@path_option("--config", required=True, help="The site's node.toml.")
@json_option
def enrol(*, config: Path, as_json: bool) -> None:
    """Enrol this site in the run that its node.toml names; it must have been invited."""
    from swarmp2p.config import SwarmConfig
    from swarmp2p.launch import open_account, read_identity
    from swarmp2p.ledger.accounts import checksum
    from swarmp2p.manifest import read_manifest
    from swarmp2p.site import enrol_site

    settings = SwarmConfig.from_toml(config)
    key, manifest = read_identity(settings), read_manifest(settings.manifest)
    with open_account(settings) as account:
        url, run = settings.ledger_url, settings.contract()
        index = enrol_site(url, run, key, account, manifest)
        address = checksum(account.account)
    values = {"name": settings.name, "account": address, "index": index}
    emit(values, [f"{settings.name} is enrolled as member {index}"], as_json=as_json)


@ledger.command()
@path_option("--config", required=True, help="The site's node.toml.")
@json_option
def release(*, config: Path, as_json: bool) -> None:
    """Let this site send again, after another process that used its account was stopped."""
    from swarmp2p.config import SwarmConfig
    from swarmp2p.launch import release_account
    from swarmp2p.ledger.accounts import checksum

    settings = SwarmConfig.from_toml(config)
    account = checksum(release_account(settings))
    emit({"account": account}, [f"{settings.name} may send for {account}"], as_json=as_json)


@ledger.command()
@run_option
@url_option
@owner_option
@click.option("--index", type=int, required=True, help="The member's index in `ledger status`.")
@json_option
def revoke(*, run: str, url: str, owner_key: Path, index: int, as_json: bool) -> None:
    """Revoke a member for good, as the owner or as the member itself."""
    from swarmp2p.ledger import deploy as actions
    from swarmp2p.ledger.accounts import read_key_file
    from swarmp2p.ledger.look import read_terms

    registry = read_terms(url, _run(run)).registry
    actions.revoke(url, read_key_file(owner_key), registry, index)
    emit({"revoked": index}, [f"member {index} is revoked"], as_json=as_json)


@ledger.command("status")
@run_option
@url_option
@json_option
def ledger_status(*, run: str, url: str, as_json: bool) -> None:
    """The run as the chain sees it: members, round, last sealed model."""
    from swarmp2p.ledger.look import read_view

    view = read_view(url, _run(run))
    emit(_view_values(view), _view_lines(view), as_json=as_json)


def _run(text: str) -> bytes:
    from swarmp2p.config import run_address

    return run_address(text, "--run")


def _view_values(view: "ChainView") -> dict[str, object]:
    return {
        "block": view.block.number,
        "round": view.round.round,
        "phase": view.round.phase.name.lower(),
        "attempt": view.round.attempt,
        "finished": view.finished,
        "stopped": view.stopped,
        "last_sealed_round": view.last_sealed_round,
        "last_root": view.last_root.hex(),
        "commit_average": view.commit_average / 256,  # blocks, as the next line
        "exchange_average": view.exchange_average / 256,
        "members": [
            {
                "index": member.index,
                "peer": member.peer.hex(),
                "account": "0x" + member.account.hex(),
                "live": member.live,
                "addresses": list(member.addresses),
            }
            for member in view.members
        ],
    }


def _view_lines(view: "ChainView") -> list[str]:
    values = _view_values(view)
    lines = [f"{key:18}{values[key]}" for key in values if key != "members"]
    for member in view.members:
        state = "live" if member.live else "revoked"
        where = ", ".join(member.addresses) or "no address yet"
        lines.append(f"member {member.index:2}  {member.peer.hex()[:16]}  {state}  {where}")
    return lines
