"""Makes, exports and imports a site's keys; behind `swarmp2p keys`."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from swarmp2p.config import SwarmConfig
from swarmp2p.crypto.identity import seal_identity
from swarmp2p.crypto.keys import IdentityKey, Secret
from swarmp2p.errors import ConfigError
from swarmp2p.key_archive import MAX_BYTES, KeyArchive, check_archive, open_archive, seal_archive
from swarmp2p.ledger.accounts import save_account
from swarmp2p.private import (
    make_private_directory,
    read_sealed,
    sync_directory,
    write_private,
)
from swarmp2p.seams import Rng
from swarmp2p.site import SiteKeys
from swarmp2p.store.guards import GuardState, read_guard_state, write_guard_state

IDENTITY_FILE = "identity.key"
ACCOUNT_FILE = "account.json"
KEYS_FOLDER = "keys"
STATE_FOLDER = "state"


@dataclass(frozen=True)
class KeyFiles:
    """Where a site's two keys are to stand, or stand."""

    directory: Path

    @property
    def identity(self) -> Path:
        """The sealed identity key."""
        return self.directory / IDENTITY_FILE

    @property
    def account(self) -> Path:
        """The keystore of the account."""
        return self.directory / ACCOUNT_FILE

    def check_free(self) -> None:
        """Refuse a directory that is not ours alone or holds a key. Raises ConfigError."""
        if os.path.lexists(self.directory):
            make_private_directory(self.directory)
        for path in (self.identity, self.account):
            if os.path.lexists(path):
                raise ConfigError(f"{path} exists already; nothing was changed")

    def write(
        self,
        keys: SiteKeys,
        passphrase: Secret,
        rng: Rng,
        *,
        identity_only: bool = False,
        iterations: int | None = None,
    ) -> None:
        """Seal both keys, or the identity alone, into new files; both or none.

        `iterations` as in save_account. Raises ConfigError.
        """
        self.check_free()
        make_private_directory(self.directory)
        write_private(self.identity, seal_identity(keys.identity.seed, passphrase, rng))
        if identity_only:
            return
        words = passphrase.reveal().decode()
        try:
            save_account(self.account, keys.account, words, iterations=iterations)
        except BaseException:
            self.identity.unlink(missing_ok=True)
            raise


def export_keys(
    config: SwarmConfig, keys: SiteKeys, passphrase: Secret, out: Path, rng: Rng
) -> GuardState:
    """Write the archive of a site whose node does not run; return the rows that are in it.

    Raises StateLockedError while the node runs, StateError, or ConfigError where `out` exists.
    """
    state = read_guard_state(config.state)
    archive = KeyArchive(keys.identity.seed, Secret(keys.account), state)
    write_private(out, seal_archive(archive, passphrase, rng))
    return state


def read_archive(file: Path) -> bytes:
    """An archive's bytes, still sealed. Raises ConfigError for what is none."""
    blob = read_sealed(file, MAX_BYTES)
    try:
        check_archive(blob)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    return blob


def check_fresh(directory: Path) -> None:
    """Refuse a directory that is not new or empty. Raises ConfigError."""
    if not os.path.lexists(directory):
        return
    if directory.is_symlink() or not directory.is_dir() or any(directory.iterdir()):
        raise ConfigError(
            f"{directory} exists and is not an empty directory; import into a fresh one, so that"
            " no two states are mixed"
        )


def import_keys(
    blob: bytes,
    passphrase: Secret,
    directory: Path,
    rng: Rng,
    *,
    iterations: int | None = None,
) -> tuple[SiteKeys, GuardState]:
    """Fill a fresh `directory` with keys/ and state/ of an archive, all or nothing.

    The directory appears whole: keys never stand there without their guard rows. Both keys are
    sealed under the archive's passphrase. Raises ConfigError, StateError.
    """
    check_fresh(directory)
    archive = open_archive(blob, passphrase)
    keys = SiteKeys(IdentityKey(archive.seed), archive.account.reveal())
    parent = directory.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".swarmp2p-import-", dir=parent))
    except OSError as error:
        raise ConfigError(f"cannot write into {parent}: {error.strerror}") from None
    try:
        write_guard_state(part / STATE_FOLDER, archive.state)
        KeyFiles(part / KEYS_FOLDER).write(keys, passphrase, rng, iterations=iterations)
        sync_directory(part)
        part.rename(directory)
        sync_directory(parent)
    except OSError as error:
        raise ConfigError(f"cannot make {directory}: {error.strerror}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)  # gone already where all went well
    return keys, archive.state
