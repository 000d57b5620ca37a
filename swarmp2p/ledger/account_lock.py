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


def lock_directory(environment: Mapping[str, str]) -> Path | None:
    """Where a user's locks lie: under XDG_STATE_HOME, or HOME's .local/state; None without both."""
    base = environment.get("XDG_STATE_HOME") or ""
    home = environment.get("HOME") or ""
    if not os.path.isabs(base):  # noqa: PTH117 - text from outside that may be empty
        base = str(Path(home) / ".local" / "state") if os.path.isabs(home) else ""  # noqa: PTH117 - as above
    return Path(base) / "swarmp2p" / "accounts" if base else None


@contextmanager
def account_lock(directory: Path, chain_id: int, genesis: bytes, account: bytes) -> Iterator[None]:
    """Hold the lock of an account on the chain with this id and this hash of block 0.

    The kernel lets go of it when the process ends, however it ends. Raises AccountInUseError while
    another process holds it, StateError where the directory cannot be used.
    """
    name = f"{chain_id}-{genesis.hex()[:16]}-{account.hex()}.lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / name, flags, 0o600)
    except OSError as error:
        raise StateError(
            f"the lock of account {checksum(account)} cannot be made in {directory}: "
            f"{error.strerror}; set XDG_STATE_HOME to a directory that can be written"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            raise AccountInUseError(
                f"process {holder or 'unknown'} of this machine already sends for account "
                f"{checksum(account)}: stop it first; two senders of one account would replace "
                "each other's transactions"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
