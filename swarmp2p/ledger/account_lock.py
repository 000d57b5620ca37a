"""One process sends for an account of a chain: a lock that all processes of a user meet at.

A copy of a key file is the same account, so the lock is not beside the key but in a directory of
the user's, under a name made of chain and account. Processes on other machines, or of other users,
are found through the outbox: see AccountInUseError.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from swarmp2p.errors import AccountInUseError, StateError
from swarmp2p.ledger.accounts import checksum


def lock_directory(environment: Mapping[str, str], otherwise: Path) -> Path:
    """Where a user's locks lie: under XDG_STATE_HOME, or HOME's .local/state.

    `otherwise` is for users who have no such directory or may not write there (in a container, with
    one node in it): only processes that share it are then kept apart.
    """
    base, home = environment.get("XDG_STATE_HOME", ""), environment.get("HOME", "")
    candidates = [Path(base)] if base else [Path(home) / ".local" / "state"] if home else []
    for candidate in candidates:
        directory = candidate / "swarmp2p" / "accounts"
        if directory.is_absolute() and _made(directory):
            return directory
    return otherwise


def _made(directory: Path) -> bool:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK | os.X_OK)


@contextmanager
def account_lock(directory: Path, chain_id: int, genesis: bytes, account: bytes) -> Iterator[None]:
    """Hold the lock of an account on the chain with this id and this hash of block 0.

    The kernel lets go of it when the process ends, however it ends. Raises AccountInUseError while
    another process holds it, StateError where the directory cannot be used.
    """
    path = directory / f"{chain_id}-{genesis.hex()[:16]}-{account.hex()}.lock"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = _locked(path, account)
    except OSError as error:
        raise StateError(
            f"the lock of account {checksum(account)} cannot be made in {directory}: "
            f"{error.strerror}; set XDG_STATE_HOME to a directory that can be written"
        ) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: see _locked
        os.close(descriptor)


def _locked(path: Path, account: bytes) -> int:
    """The descriptor of the locked file that lies under `path` now."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder before may have taken its file away between our two calls.
            if os.path.lexists(path) and os.path.samestat(os.fstat(descriptor), path.lstat()):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                return descriptor
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise AccountInUseError(
                f"process {holder or 'unknown'} of this machine already sends for account "
                f"{checksum(account)}: stop it first; two senders of one account would replace "
                "each other's transactions"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
