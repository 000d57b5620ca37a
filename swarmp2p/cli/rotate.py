"""`swarmp2p keys rotate` and `ledger rotate`: another identity key for an enrolled site."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarmp2p.cli.account import site_passphrase
from swarmp2p.cli.output import emit, json_option, path_option
from swarmp2p.cli.passphrase import PassphraseSource, passphrase_options
from swarmp2p.errors import ConfigError

if TYPE_CHECKING:
    from swarmp2p.config import SwarmConfig
    from swarmp2p.crypto.keys import Secret
    from swarmp2p.rotation import Rotation


@click.command("rotate")
@path_option("--config", required=True, help="node.toml")
@click.option(
    "--prepare",
    is_flag=True,
    help="Make the new identity and print the transaction for the site's account to send"
    " elsewhere; once it is mined, the same command without --prepare finishes.",
)
@passphrase_options("the keys")
@json_option
def keys_rotate(
    *,
    config: Path,
    prepare: bool,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Replace the identity key of an enrolled site; account, index and state stay.

    Stop the node first. Cut off anywhere, it is simply given again: the old key file goes only
    when a final block has the new key, and stays beside it under its epoch's name.
    """
    from swarmp2p.config import SwarmConfig

    settings = SwarmConfig.from_toml(config)
    source = PassphraseSource("--passphrase", passphrase_fd, passphrase_file)
    passphrase = site_passphrase(settings, source)
    if prepare:
        _prepare(settings, passphrase, as_json=as_json)
    else:
        _rotate(settings, passphrase, as_json=as_json)


@click.command("rotate")
@path_option("--config", required=True, help="node.toml")
@passphrase_options("the keys")
@json_option
def ledger_rotate(
    *, config: Path, passphrase_fd: int | None, passphrase_file: Path | None, as_json: bool
) -> None:
    """Send the rotation that `keys rotate --prepare` has prepared, and swap the key files."""
    from swarmp2p.config import SwarmConfig
    from swarmp2p.rotation import KeyPlaces

    settings = SwarmConfig.from_toml(config)
    prepared = KeyPlaces(settings.identity).next
    if not os.path.lexists(prepared):
        raise ConfigError(
            f"{prepared} does not exist, so nothing is prepared: `swarmp2p keys rotate` does it"
            " all, `swarmp2p keys rotate --prepare` prepares"
        )
    source = PassphraseSource("--passphrase", passphrase_fd, passphrase_file)
    _rotate(settings, site_passphrase(settings, source), as_json=as_json)


def _prepare(settings: "SwarmConfig", passphrase: "Secret", *, as_json: bool) -> None:
    from swarmp2p.launch import SystemRng
    from swarmp2p.ledger.rpc import RpcClient
    from swarmp2p.ledger.views import RunReader
    from swarmp2p.rotation import KeyPlaces, prepare

    with RpcClient(settings.ledger_url) as rpc:
        reader = RunReader(rpc, settings.contract())
        view = reader.chain_view(reader.block(reader.head()))
        rotation = prepare(settings, passphrase, SystemRng(), reader.terms, view)
    values = {**_names(rotation), "prepared": str(KeyPlaces(settings.identity).next)}
    values["transaction"] = {
        "chainId": rotation.chain_id,
        "from": "0x" + rotation.account.hex(),
        "to": "0x" + rotation.registry.hex(),
        "value": 0,
        "data": "0x" + rotation.call.hex(),
    }
    advice = "have the account send this, then: swarmp2p keys rotate --config ..."
    lines = [
        *(f"{key:12}{value}" for key, value in values.items() if key != "transaction"),
        *(f"{key:12}{value}" for key, value in values["transaction"].items()),
        f"next: {advice}",
    ]
    emit(values, lines, as_json=as_json)


def _rotate(settings: "SwarmConfig", passphrase: "Secret", *, as_json: bool) -> None:
    from swarmp2p.launch import SystemRng
    from swarmp2p.ledger.finality import Finality
    from swarmp2p.ledger.rpc import RpcClient
    from swarmp2p.ledger.views import RunReader
    from swarmp2p.manifest import read_manifest
    from swarmp2p.rotation import finish, prepare, send, standing_view, stopped_node
    from swarmp2p.senders import site_sender

    finality = Finality(read_manifest(settings.manifest).finality)
    with stopped_node(settings), RpcClient(settings.ledger_url) as rpc:
        reader = RunReader(rpc, settings.contract(), finality)
        newest = reader.chain_view(reader.block(reader.head()))
        rotation = prepare(settings, passphrase, SystemRng(), reader.terms, newest)
        if not rotation.stands:
            with site_sender(settings, passphrase) as sender:
                send(settings.ledger_url, sender, rotation)
        view = standing_view(
            lambda: reader.chain_view(reader.block(reader.final_number())), rotation
        )
        old = finish(settings, passphrase, view)
    values = {**_names(rotation), "identity": str(settings.identity), "old_identity": str(old)}
    values["round"] = view.round.round
    advice = (
        "start the node; it sits out a round whose deadline ran already. Archives of the old key"
        " are out of date: `swarmp2p keys export` anew, then the old file can be deleted"
    )
    lines = [f"{key:14}{value}" for key, value in values.items()]
    emit(values, [*lines, f"next: {advice}"], as_json=as_json)


def _names(rotation: "Rotation") -> dict[str, Any]:
    from swarmp2p.net.peers import peer_id_text

    return {
        "index": rotation.index,
        "peer": rotation.peer.hex(),
        "peer_id": peer_id_text(rotation.peer),
        "epoch": rotation.epoch,
        "old_peer": rotation.old_peer.hex(),
    }
