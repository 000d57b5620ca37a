"""Which account sends a command's transaction: a key file, a keystore, or a site's own."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from swarmp2p.cli.output import path_option
from swarmp2p.cli.passphrase import PassphraseSource, passphrase_options
from swarmp2p.errors import ConfigError

if TYPE_CHECKING:
    from swarmp2p.config import SwarmConfig
    from swarmp2p.crypto.keys import Secret
    from swarmp2p.ledger.finality import Finality
    from swarmp2p.ledger.signer import Signer

DEV_URL = "http://127.0.0.1:8545"
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Place:
    """A run on a chain: the endpoint and the run contract's 20 bytes."""

    url: str
    run: bytes


def place_options(command: Command) -> Command:
    """Add `--config`, or `--run` and `--url`: where the run is. See `take_place`."""
    for option in (
        click.option("--url", help=f"The chain's endpoint.  [default: {DEV_URL}]"),
        click.option("--run", help="The run's address, 0x...; or give --config."),
        path_option("--config", help="A site's node.toml: its run, its endpoint, its names."),
    ):
        command = option(command)
    return command


def account_options(command: Command) -> Command:
    """Add `--owner-key`, the passphrase's options, `--signer` and `--from`. See `open_sender`."""
    options = (
        passphrase_options("the keystore"),
        click.option("--from", "sender", help="With --signer: the account that sends, 0x..."),
        click.option("--signer", help="URL of web3signer or clef, which keeps the account's key."),
        path_option(
            "--owner-key",
            help="The owner's key: a keystore (version 3), or a bare key file of mode 0600."
            " Without it and --signer, the account of --config sends.",
        ),
    )
    for option in options:
        command = option(command)
    return command


def finality_option(command: Command) -> Command:
    """Add `--finality`; with --config, run.toml says it."""
    return click.option(
        "--finality",
        type=click.Choice(["depth", "finalized"]),
        help="Which blocks count as final, as run.toml says; default: that of --config, or depth.",
    )(command)


def take_finality(config: Path | None, finality: str | None) -> "Finality":
    """Which blocks are final. Raises ConfigError."""
    from swarmp2p.ledger.finality import Finality
    from swarmp2p.manifest import read_manifest

    settings = read_config(config)
    if finality is None and settings is not None:
        finality = read_manifest(settings.manifest).finality
    return Finality(finality or "depth")


def read_config(config: Path | None) -> "SwarmConfig | None":
    """node.toml, if one is named."""
    from swarmp2p.config import SwarmConfig

    return None if config is None else SwarmConfig.from_toml(config)


def take_place(config: Path | None, run: str | None, url: str | None) -> Place:
    """Where the run is. Raises UsageError where nothing says it."""
    from swarmp2p.config import run_address

    settings = read_config(config)
    if settings is None and run is None:
        raise click.UsageError("give --run 0x... (as `ledger deploy` prints it), or --config")
    if settings is not None:
        contract = settings.contract() if run is None else run_address(run, "--run")
        return Place(url or settings.ledger_url, contract)
    return Place(url or DEV_URL, run_address(run or "", "--run"))


@contextmanager
def open_sender(by: Mapping[str, Any], url: str) -> "Iterator[Signer]":
    """Who sends, by the values of account_options and, if there is one, --config.

    Raises UsageError, ConfigError, AccountInUseError while another process sends for the account.
    """
    from swarmp2p.ledger.accounts import parse_account, read_account
    from swarmp2p.senders import local_sender, remote_sender, site_sender

    key, signer, account = by["owner_key"], by["signer"], by["sender"]
    source = PassphraseSource("--passphrase", by["passphrase_fd"], by["passphrase_file"])
    if (signer is None) != (account is None) or (signer and key):
        raise click.UsageError("give --signer URL with --from 0x..., and no --owner-key")
    settings = read_config(by.get("config"))
    folder = Path.cwd() if settings is None else settings.state / "accounts"
    if signer is not None:
        with remote_sender(url, signer, parse_account(account), folder) as sender:
            yield sender
    elif key is not None:
        secret = read_account(key, lambda: source.take(str(key)).reveal().decode())
        with local_sender(url, secret, key.absolute().parent) as sender:
            yield sender
    elif settings is not None:
        passphrase = None if settings.signer else site_passphrase(settings, source)
        with site_sender(settings, passphrase) as sender:
            yield sender
    else:
        raise click.UsageError("say who sends: --owner-key FILE, --signer URL, or --config")


def site_passphrase(settings: "SwarmConfig", source: PassphraseSource) -> "Secret":
    """The passphrase of a site's key files; node.toml's own file where nothing else is said."""
    from swarmp2p.passphrase import read_passphrase

    if not source.given and os.path.lexists(settings.passphrase_file):
        return read_passphrase(settings.passphrase_file)
    return source.take(f"the keys in {settings.identity.parent}")


def parse_peer(text: str, option: str) -> bytes:
    """A peer key: 64 lower-case hex digits. Raises ConfigError."""
    if len(text) != 64 or not all(char in "0123456789abcdef" for char in text):
        raise ConfigError(f"{option} is {text!r}; expected the 64 hex digits that `init` printed")
    return bytes.fromhex(text)
