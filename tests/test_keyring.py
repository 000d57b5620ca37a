"""A site's keys are made, exported and imported all or nothing, and never without guard rows."""

import os
import shutil
import stat
from dataclasses import replace

import pytest

from swarmp2p.config import SwarmConfig
from swarmp2p.crypto.keys import Secret
from swarmp2p.errors import ConfigError, StateError, StateLockedError
from swarmp2p.keyring import KeyFiles, export_keys, import_keys, read_archive
from swarmp2p.launch import SystemRng, read_keys
from swarmp2p.ledger import accounts
from swarmp2p.seams import Slot
from swarmp2p.site import SiteSettings, new_keys, write_site
from swarmp2p.store.state import open_store

RNG = SystemRng()
WORDS = Secret(b"four hospitals")
WEAK = 2  # scrypt's N
DOMAIN = b"d" * 32
SLOT = Slot("commit", 3, 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A site that has signed one slot, and its archive: made once, for sealing is slow."""
    folder = tmp_path_factory.mktemp("made")
    path = write_site(folder / "site", new_keys(RNG), SiteSettings(name="site"), RNG)
    config = SwarmConfig.from_toml(path)
    with open_store(config.state, DOMAIN) as store:
        store.reserve(SLOT, b"the body that was signed")
        store.next_seq("hello", b"")
    export_keys(config, read_keys(config), WORDS, folder / "archive", RNG)
    return folder


@pytest.fixture
def config(made, tmp_path):
    shutil.copytree(made / "site", tmp_path / "site")
    return SwarmConfig.from_toml(tmp_path / "site" / "node.toml")


@pytest.fixture
def archive(made, tmp_path):
    """A copy of it, of the mode that the export gave it."""
    return shutil.copy(made / "archive", tmp_path / "site.archive")


def restore(archive, folder):
    return import_keys(read_archive(archive), WORDS, folder, RNG, iterations=WEAK)


def modes(folder):
    return {
        stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*")) if path.is_dir()
    }, {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}


def test_a_restored_site__sends_for_a_signed_slot_what_it_signed_before(config, archive, tmp_path):
    new = tmp_path / "elsewhere"
    keys, state = restore(archive, new)
    assert len(state.guards) == 1
    with open_store(new / "state", DOMAIN) as store:
        assert store.reserve(SLOT, b"another body") == b"the body that was signed"
        assert store.reserve(replace(SLOT, round=4), b"new") == b"new"
        assert store.next_seq("hello", b"") > 1
    words = tmp_path / "words"
    words.write_bytes(WORDS.reveal())
    words.chmod(0o600)
    moved = replace(
        config,
        identity=new / "keys" / "identity.key",
        account=new / "keys" / "account.json",
        passphrase_file=words,
        state=new / "state",
    )
    before, after = read_keys(config), read_keys(moved)
    assert before.identity.public == after.identity.public == keys.identity.public
    assert before.account == after.account == keys.account
    assert modes(new) == ({0o700}, {0o600})
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600


def test_an_archive_of_a_restored_site__has_the_same_rows(config, archive, tmp_path):
    _keys, state = restore(archive, tmp_path / "elsewhere")
    moved = replace(config, state=tmp_path / "elsewhere" / "state")
    assert export_keys(moved, read_keys(config), WORDS, tmp_path / "again", RNG) == state


def test_export__is_refused_while_the_node_runs(config, tmp_path):
    keys = read_keys(config)
    with (
        open_store(config.state, DOMAIN),
        pytest.raises(StateLockedError, match=f"process {os.getpid()}.*stop that node first"),
    ):
        export_keys(config, keys, WORDS, tmp_path / "out", RNG)
    assert not (tmp_path / "out").exists()


def test_export__never_overwrites(config, archive):
    before = archive.read_bytes()
    with pytest.raises(ConfigError, match="exists"):
        export_keys(config, read_keys(config), WORDS, archive, RNG)
    assert archive.read_bytes() == before


def test_import__takes_an_empty_directory_and_no_other(archive, tmp_path):
    full, link, file = tmp_path / "full", tmp_path / "link", tmp_path / "file"
    full.mkdir()
    (full / "node.toml").touch()
    (tmp_path / "empty").mkdir(mode=0o755)
    link.symlink_to(tmp_path / "empty")
    file.touch()
    for folder in (full, link, file):
        with pytest.raises(ConfigError, match="fresh one"):
            restore(archive, folder)
    restore(archive, tmp_path / "empty")
    assert modes(tmp_path / "empty") == ({0o700}, {0o600})
    with pytest.raises(ConfigError, match="fresh one"):
        restore(archive, tmp_path / "empty")
    restore(archive, tmp_path / "made" / "on the way")


def test_import__that_fails_half_way_leaves_nothing(archive, tmp_path, monkeypatch):
    def full(*_arguments, **_more):
        raise OSError(28, "No space left on device")

    before = sorted(tmp_path.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr("swarmp2p.keyring.sync_directory", full)
        with pytest.raises(ConfigError, match="No space left"):
            restore(archive, tmp_path / "new")
    with monkeypatch.context() as patch:
        patch.setattr("swarmp2p.store.state.SCHEMA_VERSION", 0)
        patch.setattr("swarmp2p.store.state._TABLES", "")
        with pytest.raises(StateError):
            restore(archive, tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot write into"):
        restore(archive, tmp_path / "file" / "new")
    (tmp_path / "file").unlink()
    with pytest.raises(ConfigError, match="does not open"):
        import_keys(read_archive(archive), Secret(b"wrong"), tmp_path / "new", RNG)
    assert sorted(tmp_path.iterdir()) == before


def test_read_archive__names_the_file(config, tmp_path):
    for file in (config.identity, config.account, tmp_path / "none", tmp_path):
        with pytest.raises(ConfigError, match=str(file)):
            read_archive(file)


def test_key_files__are_private_and_both_or_none(tmp_path, monkeypatch):
    keys, files = new_keys(RNG), KeyFiles(tmp_path / "keys")
    files.write(keys, WORDS, RNG, iterations=WEAK)
    assert modes(tmp_path / "keys") == ({0o700}, {0o600})
    with pytest.raises(ConfigError, match="exists already"):
        files.write(keys, WORDS, RNG, identity_only=True)

    def full(*_arguments):
        raise ConfigError("no room")

    monkeypatch.setattr(accounts, "write_private", full)
    with pytest.raises(ConfigError, match="no room"):
        KeyFiles(tmp_path / "other").write(keys, WORDS, RNG, iterations=WEAK)
    assert not list((tmp_path / "other").iterdir())


def test_key_files__are_not_put_where_others_can_write(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(ConfigError, match="chmod 700"):
        KeyFiles(tmp_path / "open").check_free()
    KeyFiles(tmp_path / "none").check_free()
    assert not (tmp_path / "none").exists()


def test_site_keys__do_not_show_the_account_key():
    keys = new_keys(RNG)
    assert keys.account.hex() not in repr(keys)
    assert repr(keys.account) not in repr(keys)
