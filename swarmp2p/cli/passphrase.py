"""How a command comes to a passphrase: descriptor, file, or a terminal that does not echo."""

import getpass
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from swarmp2p.cli.output import path_option
from swarmp2p.errors import ConfigError

if TYPE_CHECKING:
    from swarmp2p.crypto.keys import Secret

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class PassphraseSource:
    """Where the user says that a passphrase is. `option` begins the options' names."""

    option: str
    descriptor: int | None
    file: Path | None

    @property
    def given(self) -> bool:
        """Whether the user has said where."""
        return self.descriptor is not None or self.file is not None

    def take(self, what: str, *, new: bool = False) -> "Secret":
        """The passphrase of `what`; a new one is asked for twice. Raises ConfigError."""
        from swarmp2p.passphrase import (
            check_new_passphrase,
            read_passphrase,
            read_passphrase_descriptor,
        )

        if self.descriptor is not None and self.file is not None:
            raise click.UsageError(f"give {self.option}-fd or {self.option}-file, not both")
        if self.descriptor is not None:
            passphrase = read_passphrase_descriptor(self.descriptor)
        elif self.file is not None:
            passphrase = read_passphrase(self.file)
        else:
            return self._ask(what, new=new)
        return check_new_passphrase(passphrase) if new else passphrase

    def _ask(self, what: str, *, new: bool) -> "Secret":
        from swarmp2p.passphrase import check_new_passphrase

        if not sys.stdin.isatty():
            raise ConfigError(
                f"no passphrase for {what}, and no terminal to ask on; give {self.option}-file"
                f" FILE (mode 0600) or {self.option}-fd N"
            )
        passphrase = _typed(f"{'New passphrase' if new else 'Passphrase'} for {what}: ")
        if not new:
            return passphrase
        check_new_passphrase(passphrase)
        if _typed("The same again: ") != passphrase:
            raise ConfigError("the two passphrases differ; nothing was changed")
        return passphrase


def _typed(prompt: str) -> "Secret":
    from swarmp2p.passphrase import parse_passphrase

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            text = getpass.getpass(prompt)
        return parse_passphrase(text.encode("utf-8", "surrogateescape"), "the terminal")
    except getpass.GetPassWarning:
        raise ConfigError("this terminal cannot hide what is typed; give a file") from None
    except UnicodeError:
        raise ConfigError("the passphrase from the terminal is not UTF-8 text") from None
    except EOFError:
        raise click.Abort from None


def passphrase_options(what: str, *, prefix: str = "") -> Callable[[Command], Command]:
    """Add `--passphrase-fd` and `--passphrase-file`; `what` is opened or sealed by them.

    The command gets `passphrase_fd` and `passphrase_file`, each after the prefix.
    """
    option = f"--{prefix}passphrase"
    descriptor: Callable[[Command], Command] = click.option(
        f"{option}-fd",
        type=click.IntRange(min=0),
        metavar="N",
        help=f"Read the passphrase of {what} from the open descriptor N: one line.",
    )
    file: Callable[[Command], Command] = path_option(
        f"{option}-file", help=f"... from a file of mode 0600, for {what}."
    )

    def decorate(command: Command) -> Command:
        return descriptor(file(command))

    return decorate
