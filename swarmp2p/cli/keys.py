"""`swarmp2p keys`: makes, shows, exports, imports a site's keys. No secret is ever printed."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarmp2p.cli.account import site_passphrase
from swarmp2p.cli.output import emit, json_option, path_option
from swarmp2p.cli.passphrase import PassphraseSource, passphrase_options
from swarmp2p.cli.rotate import keys_rotate
from swarmp2p.errors import ConfigError

if TYPE_CHECKING:
    from swarmp2p.site import SiteKeys
    from swarmp2p.store.guards import GuardState

_KEYS = "the keys"
_ARCHIVE = "the archive"
config_option = path_option("--config", required=True, help="node.toml")


@click.group()
def keys() -> None:
    """A site's keys: make, show, rotate, export and import them."""


keys.add_command(keys_rotate)


@keys.command("new")
@path_option("--dir", "folder", required=True, help="Where the key files go; made with mode 0700.")
@click.option("--identity-only", is_flag=True, help="No Ethereum account.")
@passphrase_options(_KEYS)
@json_option
def new_keys_command(
    *,
    folder: Path,
    identity_only: bool,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make an identity key and an Ethereum account, sealed under a passphrase.

    Never overwrites. The passphrase is asked for twice, or read from a file or a descriptor.
    """
    from swarmp2p.keyring import KeyFiles
    from swarmp2p.site import new_keys

    files = KeyFiles(folder)
    files.check_free()
    source = PassphraseSource("--passphrase", passphrase_fd, passphrase_file)
    passphrase = source.take(_KEYS, new=True)

    from swarmp2p.launch import SystemRng  # a second; the user has answered

    rng = SystemRng()
    site = new_keys(rng)
    files.write(site, passphrase, rng, identity_only=identity_only)
    values: dict[str, Any] = {
        "identity": str(files.identity),
        "keystore": None if identity_only else str(files.account),
        **_names(site),
    }
    if identity_only:
        values["account"] = None
    advice = (
        "name the files in node.toml's [keys], with a passphrase_file of mode 0600; hand account"
        " and peer to the run's owner: swarmp2p ledger invite --account ... --peer ..."
    )
    emit(values, [*_lines(values), f"next: {advice}"], as_json=as_json)


@keys.command("show")
@config_option
@passphrase_options(_KEYS)
@json_option
def show_keys(
    *, config: Path, passphrase_fd: int | None, passphrase_file: Path | None, as_json: bool
) -> None:
    """Print a site's public names: its account, its peer key and its libp2p peer id.

    The passphrase is that of node.toml's passphrase_file where no option gives one.
    """
    from swarmp2p.config import SwarmConfig
    from swarmp2p.launch import read_keys

    settings = SwarmConfig.from_toml(config)
    source = PassphraseSource("--passphrase", passphrase_fd, passphrase_file)
    values = _names(read_keys(settings, site_passphrase(settings, source)))
    emit(values, _lines(values), as_json=as_json)


@keys.command("export")
@config_option
@path_option("--out", required=True, help="The archive: a new file.")
@passphrase_options(_ARCHIVE)
@passphrase_options(_KEYS, prefix="keys-")
@json_option
def export_command(
    *,
    config: Path,
    out: Path,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    keys_passphrase_fd: int | None,
    keys_passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Write one sealed archive of a site: identity, account, and all that was signed with them.

    Only while the node does not run. Whoever has the archive and its passphrase is the site. The
    keys open with node.toml's passphrase_file where no --keys-passphrase option is given.
    """
    from swarmp2p.config import SwarmConfig
    from swarmp2p.keyring import export_keys
    from swarmp2p.launch import SystemRng, read_keys

    settings = SwarmConfig.from_toml(config)
    if os.path.lexists(out):
        raise ConfigError(f"{out} exists already; nothing was changed")
    own = PassphraseSource("--keys-passphrase", keys_passphrase_fd, keys_passphrase_file)
    site = read_keys(settings, site_passphrase(settings, own))
    source = PassphraseSource("--passphrase", passphrase_fd, passphrase_file)
    passphrase = source.take(_ARCHIVE, new=True)
    state = export_keys(settings, site, passphrase, out, SystemRng())
    warning = (
        "if this node runs again, this archive is out of date: export anew, and never restore"
        " this one"
    )
    if not state.guards:
        warning = f"nothing was signed yet in {settings.state}; {warning}"
    values = {"archive": str(out), **_names(site), **_counts(state), "warning": warning}
    emit(values, _lines(values), as_json=as_json)


@keys.command("import")
@click.argument("archive", type=click.Path(path_type=Path))
@path_option("--dir", "folder", required=True, help="A new directory: gets keys/ and state/.")
@passphrase_options(_ARCHIVE)
@json_option
def import_command(
    *,
    archive: Path,
    folder: Path,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Restore a site from an archive into a fresh directory.

    The key files are sealed under the archive's passphrase. The node then signs nothing anew in
    slots that were signed before the export.
    """
    from swarmp2p.keyring import (
        KEYS_FOLDER,
        STATE_FOLDER,
        KeyFiles,
        check_fresh,
        import_keys,
        read_archive,
    )
    from swarmp2p.launch import SystemRng

    blob = read_archive(archive)
    check_fresh(folder)
    source = PassphraseSource("--passphrase", passphrase_fd, passphrase_file)
    site, state = import_keys(blob, source.take(_ARCHIVE), folder, SystemRng())
    files = KeyFiles(folder / KEYS_FOLDER)
    values = {
        "identity": str(files.identity),
        "keystore": str(files.account),
        "state": str(folder / STATE_FOLDER),
        **_names(site),
        **_counts(state),
        "warning": _stale(state),
    }
    advice = (
        "put node.toml and run.toml there, and the archive's passphrase into the file that"
        " [keys] passphrase_file names (mode 0600); then `swarmp2p doctor`"
    )
    emit(values, [*_lines(values), f"next: {advice}"], as_json=as_json)


def _stale(state: "GuardState") -> str:
    """What an archive cannot know."""
    if state.guards:
        known = f"what was signed after round {state.last_round} is not in this archive"
    else:
        known = "this archive holds no guard rows, for nothing was signed when it was made"
    return (
        f"{known}; if the node ran after the export, enrol a new key instead, and never let two"
        " nodes run with this one"
    )


def _names(site: "SiteKeys") -> dict[str, Any]:
    from swarmp2p.net.peers import peer_id_text

    peer = site.identity.public
    return {"account": site.address, "peer": peer.hex(), "peer_id": peer_id_text(peer)}


def _counts(state: "GuardState") -> dict[str, Any]:
    return {
        "guard_rows": len(state.guards),
        "sequences": len(state.sequences),
        "last_round": state.last_round,
    }


def _lines(values: dict[str, Any]) -> list[str]:
    width = max(map(len, values)) + 1
    return [f"{key:{width}}{value}" for key, value in values.items() if value is not None]
