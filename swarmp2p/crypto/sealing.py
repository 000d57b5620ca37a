"""Bytes at rest under a passphrase: tag || salt || nonce || secretbox, its key by argon2id."""

from typing import Protocol

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from swarmp2p.crypto.keys import Secret
from swarmp2p.errors import ConfigError

# RFC 9106, the choice for machines with little memory to spare: 3 passes over 64 MiB.
_ARGON_PASSES = 3
_ARGON_MEMORY = 64 * 1024 * 1024
_SALT_BYTES = argon2id.SALTBYTES
SEAL_BYTES = _SALT_BYTES + SecretBox.NONCE_SIZE + SecretBox.MACBYTES
"""What sealing adds to the tag and the bytes themselves."""


class TokenSource(Protocol):
    """The part of the Rng seam that sealing needs."""

    def token(self, size: int) -> bytes:
        """`size` bytes from a cryptographic source."""
        ...


def seal(tag: bytes, data: bytes, passphrase: Secret, rng: TokenSource) -> bytes:
    """`data` under `passphrase`; `tag` (of the registry) says what it is."""
    salt = rng.token(_SALT_BYTES)
    nonce = rng.token(SecretBox.NONCE_SIZE)
    return tag + salt + bytes(_box(passphrase, salt).encrypt(data, nonce))


def open_sealed(tag: bytes, blob: bytes, passphrase: Secret, what: str) -> bytes:
    """What was sealed. `blob` begins with `tag` and has SEAL_BYTES more at least.

    Raises ConfigError where it does not open; `what` names it there.
    """
    salted = blob[len(tag) :]
    try:
        return _box(passphrase, salted[:_SALT_BYTES]).decrypt(salted[_SALT_BYTES:])
    except CryptoError:
        raise ConfigError(
            f"{what} does not open: the passphrase is wrong or the file is damaged"
        ) from None


def _box(passphrase: Secret, salt: bytes) -> SecretBox:
    return SecretBox(
        argon2id.kdf(
            SecretBox.KEY_SIZE,
            passphrase.reveal(),
            salt,
            opslimit=_ARGON_PASSES,
            memlimit=_ARGON_MEMORY,
        )
    )
