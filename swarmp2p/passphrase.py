"""Where a passphrase comes from when nobody types it: a file of ours, or an open descriptor.

Never the command line, which other users of a machine can read.
"""

import os
from pathlib import Path

from swarmp2p.crypto.keys import Secret
from swarmp2p.errors import ConfigError
from swarmp2p.private import read_private

MAX_BYTES = 1024  # of a passphrase; whoever has more means another file
MIN_NEW = 8  # characters of a new one: argon2id slows guessing down, but not enough below that


def read_passphrase(path: Path) -> Secret:
    """The passphrase in a file of mode 0600. Raises ConfigError."""
    if path.is_fifo():
        raise ConfigError(f"{path} is a pipe, no file; give its descriptor: --passphrase-fd N")
    return parse_passphrase(read_private(path, MAX_BYTES, through_links=True), str(path))


def read_passphrase_descriptor(descriptor: int) -> Secret:
    """One line, or all there is, from an open descriptor. Raises ConfigError.

    Reads byte by byte: what follows the line is left to whoever reads next.
    """
    where = f"descriptor {descriptor}"
    data = bytearray()
    try:
        if os.isatty(descriptor):
            raise ConfigError(f"{where} is a terminal, which shows what is typed; leave it out")
        while len(data) <= MAX_BYTES and (byte := os.read(descriptor, 1)) not in {b"", b"\n"}:
            data += byte
    except OSError as error:
        raise ConfigError(
            f"cannot read the passphrase from {where}: {error.strerror}; open it in the shell,"
            f" as in `{descriptor}< FILE`"
        ) from None
    return parse_passphrase(bytes(data), where)


def parse_passphrase(data: bytes, where: str) -> Secret:
    """What was read, without spaces and line ends around it. Raises ConfigError.

    The message never quotes it.
    """
    text = data.strip()
    if not text:
        raise ConfigError(f"the passphrase from {where} is empty")
    if len(data) > MAX_BYTES:
        raise ConfigError(f"the passphrase from {where} is longer than {MAX_BYTES} bytes")
    if b"\n" in text or b"\0" in text:
        raise ConfigError(f"the passphrase from {where} has more than one line; put one there")
    try:
        text.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"the passphrase from {where} is not UTF-8 text") from None
    return Secret(text)


def check_new_passphrase(passphrase: Secret) -> Secret:
    """A passphrase that shall seal something new. Raises ConfigError where it is too short."""
    if len(passphrase.reveal().decode()) < MIN_NEW:
        raise ConfigError(
            f"the passphrase is too short: at least {MIN_NEW} characters are needed; a few"
            " random words are better"
        )
    return passphrase
