"""Which account sends a command's transaction: a key file, a keystore, or a site's own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from swarmp2p.cli.output import path_option
from swarmp2p.cli.passphrase import PassphraseSource, passphrase_options
from swarmp2p.errors import ConfigError

if TYPE_CHECKING:
    from swarmp2p.config import SwarmConfig

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
    """Add `--owner-key` and the passphrase's options: who sends. See `take_key`."""
    key = path_option(
        "--owner-key",
        help="The owner's key: a keystore (version 3), or a bare key file of mode 0600. Without"
        " it, the account of --config sends.",
    )
    decorate: Callable[[Command], Command] = passphrase_options("the keystore")
    return key(decorate(command))


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


def take_key(
    owner_key: Path | None,
    config: Path | None,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
) -> bytes:
    """The 32-byte key of the account that sends. Raises ConfigError, UsageError."""
    from swarmp2p.ledger.accounts import load_account, read_account
    from swarmp2p.passphrase import read_passphrase

    source = PassphraseSource("--passphrase", passphrase_fd, passphrase_file)
    if owner_key is not None:
        return read_account(owner_key, lambda: source.take(str(owner_key)).reveal().decode())
    settings = read_config(config)
    if settings is None:
        raise click.UsageError("say who sends: --owner-key FILE, or --config for a site's account")
    if source.given or not settings.passphrase_file.exists():
        passphrase = source.take(str(settings.account))
    else:
        passphrase = read_passphrase(settings.passphrase_file)
    return load_account(settings.account, passphrase.reveal().decode())


def parse_peer(text: str, option: str) -> bytes:
    """A peer key: 64 lower-case hex digits. Raises ConfigError."""
    if len(text) != 64 or not all(char in "0123456789abcdef" for char in text):
        raise ConfigError(f"{option} is {text!r}; expected the 64 hex digits that `init` printed")
    return bytes.fromhex(text)
