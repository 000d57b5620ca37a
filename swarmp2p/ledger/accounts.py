"""Ethereum accounts: keys, keystore files, and the plain key files of development chains.

A key is 32 bytes, an account its 20-byte address.
"""

import json
from collections.abc import Callable
from pathlib import Path

from eth_account import Account
from eth_utils.address import to_checksum_address

from swarmp2p.errors import ConfigError
from swarmp2p.private import read_private, write_private

MAX_KEYSTORE = 16 * 1024  # bytes; a keystore v3 file has about 500
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1


def new_account(token: Callable[[int], bytes]) -> bytes:
    """A new key. `token(32)` draws bytes from a cryptographic source."""
    while True:
        key = token(32)
        if 0 < int.from_bytes(key, "big") < _ORDER:
            return key


def account_address(key: bytes) -> bytes:
    """The account of a key. Raises ConfigError for bytes that are no key."""
    if len(key) != 32 or not 0 < int.from_bytes(key, "big") < _ORDER:
        raise ConfigError("not an Ethereum key: expected 32 bytes in the range of secp256k1")
    return bytes.fromhex(Account.from_key(key).address[2:])


def checksum(account: bytes) -> str:
    """An account as people write it (EIP-55)."""
    return str(to_checksum_address(account))


def parse_account(text: str) -> bytes:
    """The account in a string such as 0x52908400098527886E0F7030069857D2E4169EE7.

    Raises ConfigError; mixed case must be the EIP-55 checksum.
    """
    digits = text.removeprefix("0x")
    try:
        account = bytes.fromhex(digits)
    except ValueError:
        account = b""
    if len(account) != 20 or not digits.isalnum():
        raise ConfigError(f"{text!r} is no Ethereum account: expected 0x and 40 hexadecimal digits")
    if digits not in {digits.lower(), digits.upper()} and checksum(account) != "0x" + digits:
        raise ConfigError(f"{text!r} is mistyped: its capital letters are no EIP-55 checksum")
    return account


def save_account(path: Path, key: bytes, passphrase: str, *, iterations: int | None = None) -> None:
    """Write a keystore v3 file, mode 0600, that must not exist yet. Raises ConfigError.

    `iterations` is scrypt's N (a power of two); None takes the standard 2^18, about a second.
    """
    account_address(key)
    keystore = Account.encrypt(key, passphrase, kdf="scrypt", iterations=iterations)
    write_private(path, json.dumps(keystore, indent=2).encode() + b"\n")


def load_account(path: Path, passphrase: str) -> bytes:
    """The key in a keystore v3 file. Raises ConfigError."""
    data = read_private(path, MAX_KEYSTORE)
    try:
        keystore = json.loads(data)
        version, crypto = keystore["version"], keystore["crypto"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ConfigError(
            f"{path} is no keystore v3 file; restore it, or make a new account"
        ) from None
    if version != 3 or not isinstance(crypto, dict):
        raise ConfigError(f"{path} has keystore version {version!r}; only version 3 is read")
    try:
        key = bytes(Account.decrypt(keystore, passphrase))
    except Exception as error:  # eth-keyfile raises ValueError, TypeError, KeyError, MemoryError
        if "MAC" in str(error):
            raise ConfigError(f"wrong passphrase for {path}") from None
        raise ConfigError(f"{path} cannot be decrypted: {error}") from error
    account_address(key)
    return key


def write_key_file(path: Path, key: bytes) -> None:
    """Write a bare key in hexadecimal, mode 0600: for development chains only."""
    account_address(key)
    write_private(path, b"0x" + key.hex().encode() + b"\n")


def read_key_file(path: Path) -> bytes:
    """The key in a file that write_key_file wrote. Raises ConfigError."""
    text = read_private(path, MAX_KEYSTORE).decode("ascii", "replace").strip()
    try:
        key = bytes.fromhex(text.removeprefix("0x"))
        account_address(key)
    except (ValueError, ConfigError):
        raise ConfigError(
            f"{path} holds no Ethereum key: expected 0x and 64 hexadecimal digits"
        ) from None
    return key


def read_account(path: Path, passphrase: Callable[[], str]) -> bytes:
    """The key in a keystore v3 file or in a bare key file, whichever it is. Raises ConfigError.

    `passphrase` is asked for a keystore only.
    """
    if read_private(path, MAX_KEYSTORE).lstrip().startswith(b"{"):
        return load_account(path, passphrase())
    return read_key_file(path)
