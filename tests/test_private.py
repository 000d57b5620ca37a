"""Private files are ours alone, new, and no links; a passphrase is one line of text."""

import os
import pty
import stat
from pathlib import Path

import pytest

from swarmp2p.crypto.keys import Secret
from swarmp2p.errors import ConfigError
from swarmp2p.passphrase import (
    MAX_BYTES,
    check_new_passphrase,
    parse_passphrase,
    read_passphrase,
    read_passphrase_descriptor,
)
from swarmp2p.private import make_private_directory, read_private, read_sealed, write_private

WORDS = "correct horse battery"


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "passphrase"
    write_private(path, WORDS.encode() + b"\n")
    return path


def descriptor_of(data):
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    return read


def test_private_file__is_new_and_ours_alone(secret_file):
    assert stat.S_IMODE(secret_file.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="never replaced"):
        write_private(secret_file, b"other")
    link = secret_file.with_name("dangling")
    link.symlink_to(secret_file.with_name("elsewhere"))
    with pytest.raises(ConfigError):
        write_private(link, b"other")
    assert not secret_file.with_name("elsewhere").exists()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o610])
def test_private_file__that_others_can_open_is_refused_with_what_to_do(secret_file, mode):
    secret_file.chmod(mode)
    for read in (read_passphrase, lambda path: read_private(path, 99)):
        with pytest.raises(ConfigError, match=r"chmod 600 .*passphrase"):
            read(secret_file)


def test_private_file__of_another_owner_is_refused(secret_file, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigError, match="another user"):
        read_passphrase(secret_file)
    with pytest.raises(ConfigError, match="another user"):
        make_private_directory(secret_file.parent)


def test_private_file__behind_a_link_is_read_for_passphrases_only(secret_file):
    link = secret_file.with_name("link")
    link.symlink_to(secret_file)
    assert read_passphrase(link).reveal() == WORDS.encode()
    with pytest.raises(ConfigError, match="symbolic link"):
        read_private(link, 99)


def test_private_file__is_bounded_and_regular(secret_file, tmp_path):
    with pytest.raises(ConfigError, match="too long"):
        read_private(secret_file, 4)
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path, tmp_path / "fifo"):
        with pytest.raises(ConfigError, match="no regular file"):
            read_private(path, 99)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_private(tmp_path / "nothing", 99)
    with pytest.raises(ConfigError, match="--passphrase-fd"):
        read_passphrase(tmp_path / "fifo")


def test_sealed_file__may_have_any_mode(secret_file):
    secret_file.chmod(0o644)
    assert read_sealed(secret_file, 99) == WORDS.encode() + b"\n"


def test_private_directory__is_made_0700_and_taken_only_so(tmp_path):
    made = tmp_path / "a" / "b"
    make_private_directory(made)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    make_private_directory(made)
    (tmp_path / "link").symlink_to(made)
    with pytest.raises(ConfigError, match="symbolic link"):
        make_private_directory(tmp_path / "link")
    made.chmod(0o750)
    with pytest.raises(ConfigError, match=r"mode 0750.*chmod 700"):
        make_private_directory(made)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot create"):
        make_private_directory(tmp_path / "file")


def test_passphrase__loses_what_surrounds_it():
    assert parse_passphrase(b" two words \r\n", "a file") == Secret(b"two words")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"x" * (MAX_BYTES + 1), "longer than"),
        (b"one\ntwo", "more than one line"),
        (b"one\0two", "more than one line"),
        (b"secret\xff", "not UTF-8"),
    ],
)
def test_passphrase__that_nobody_could_type_is_refused_unquoted(data, complaint):
    with pytest.raises(ConfigError, match=complaint) as caught:
        parse_passphrase(data, "descriptor 3")
    assert "descriptor 3" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_descriptor__gives_a_line_and_leaves_the_next():
    descriptor = descriptor_of(b"first line\nsecond line\n")
    try:
        assert read_passphrase_descriptor(descriptor) == Secret(b"first line")
        assert read_passphrase_descriptor(descriptor) == Secret(b"second line")
        with pytest.raises(ConfigError, match="is empty"):
            read_passphrase_descriptor(descriptor)
    finally:
        os.close(descriptor)
    with pytest.raises(ConfigError, match=f"{descriptor}< FILE"):
        read_passphrase_descriptor(descriptor)


def test_descriptor__of_a_terminal_is_refused_because_it_echoes():
    controller, terminal = pty.openpty()
    try:
        with pytest.raises(ConfigError, match="is a terminal"):
            read_passphrase_descriptor(terminal)
    finally:
        os.close(controller)
        os.close(terminal)


def test_new_passphrase__has_eight_characters():
    assert check_new_passphrase(Secret("äöüßäöüß".encode())) is not None
    with pytest.raises(ConfigError, match="at least 8 characters"):
        check_new_passphrase(Secret("äöüßäöü".encode()))


def test_write__that_finds_no_room_leaves_nothing(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        write_private(tmp_path / "key", b"x")
    assert not list(Path(tmp_path).iterdir())
