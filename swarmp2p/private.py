"""Files that only their owner may read: keys, keystores, passphrases, archives of keys."""

import errno
import os
import stat
from pathlib import Path

from swarmp2p.errors import ConfigError


def read_private(path: Path, max_bytes: int, *, through_links: bool = False) -> bytes:
    """The bytes of a regular file that is ours and no other's (0600). Raises ConfigError.

    What is checked is the file that was opened. `through_links` is for passphrase files, which
    those who mount secrets hand out as symbolic links.
    """
    return _read(path, max_bytes, private=True, through_links=through_links)


def read_sealed(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file whose contents are encrypted, whatever its mode.

    A removable disk often knows no modes. Raises ConfigError.
    """
    return _read(path, max_bytes, private=False, through_links=True)


def write_private(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 that must not exist yet, and wait for the disk.

    A file that could not be written whole is taken away again. Raises ConfigError.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise ConfigError(
            f"{path} exists already; move it away first: keys are never replaced"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error


def make_private_directory(path: Path) -> None:
    """Make a directory of mode 0700, or take one that is ours alone. Raises ConfigError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise ConfigError(f"cannot create the directory {path}: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigError(f"{path} is a symbolic link; name the directory itself")
    if status.st_uid != os.geteuid():
        raise ConfigError(f"{path} belongs to another user; name a directory of your own")
    if status.st_mode & 0o077:
        raise ConfigError(
            f"{path} is open to others (mode {stat.S_IMODE(status.st_mode):04o}); run"
            f" `chmod 700 {path}`, or name a new directory"
        )


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on disk."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read(path: Path, max_bytes: int, *, private: bool, through_links: bool) -> bytes:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags if through_links else flags | os.O_NOFOLLOW)
    except OSError as error:
        why = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        raise ConfigError(f"{path} cannot be read: {why}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path} is no regular file")
        if private:
            _check_owner(path, status)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise ConfigError(f"{path} is too long: at most {max_bytes} bytes are expected")
    return data


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} belongs to another user: it must be yours alone; take a copy of your own"
        )
    if status.st_mode & 0o077:
        raise ConfigError(
            f"{path} can be read by others (mode {stat.S_IMODE(status.st_mode):04o}): "
            f"it must be yours alone; run `chmod 600 {path}`"
        )
