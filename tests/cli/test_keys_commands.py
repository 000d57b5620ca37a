"""`swarmp2p keys` as a user meets it: where passphrases come from, and no secret."""

import json
import os
import pty
import shutil
import stat
import subprocess
import sys

import pytest

from swarmp2p.cli.main import run
from swarmp2p.config import SwarmConfig
from swarmp2p.launch import read_keys
from swarmp2p.seams import Slot
from swarmp2p.store.state import open_store

WORDS = "four hospitals, one model"


def private(path, text=WORDS):
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def outputs():
    """All that any command of the test has printed."""
    return []


@pytest.fixture
def call(capfd, outputs):
    """Run a command line; (exit status, stdout, lines of stderr)."""

    def called(*arguments):
        status = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        outputs.append(out + err)
        return status, out, err.strip().splitlines()

    return called


@pytest.fixture
def words(tmp_path):
    return private(tmp_path / "words")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A site of `init` that has signed one slot, and its archive: made once, which is slow."""
    folder = tmp_path_factory.mktemp("made")
    assert run(["init", str(folder / "site")]) == 0
    with open_store(folder / "site" / "state", b"d" * 32) as store:
        store.reserve(Slot("commit", 3, 0), b"signed")
    words = private(folder / "words")
    arguments = ["--config", str(folder / "site" / "node.toml"), "--out", str(folder / "archive")]
    assert run(["keys", "export", *arguments, "--passphrase-file", str(words)]) == 0
    return folder


@pytest.fixture
def site(made, tmp_path):
    """The node.toml of a copy of the site."""
    shutil.copytree(made / "site", tmp_path / "site")
    return tmp_path / "site" / "node.toml"


@pytest.fixture
def archive(made, tmp_path):
    """A copy of the archive; `words` opens it."""
    return shutil.copy(made / "archive", tmp_path / "site.archive")


def refused(result, *parts):
    """One line on stderr that has every part; exit 2."""
    status, out, err = result
    assert (status, out, len(err)) == (2, "", 1), err
    for part in parts:
        assert part in err[0]


def test_new__makes_both_keys_and_prints_public_names(call, tmp_path, words):
    folder = tmp_path / "keys"
    status, out, _err = call("keys", "new", "--dir", folder, "--passphrase-file", words, "--json")
    values = json.loads(out)
    assert status == 0
    assert set(values) == {"identity", "keystore", "account", "peer", "peer_id"}
    assert values["peer_id"].startswith("12D3KooW")
    assert json.loads((folder / "account.json").read_text())["version"] == 3
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    again = call("keys", "new", "--dir", folder, "--passphrase-file", words)
    refused(again, "identity.key exists already")


def test_new__of_an_identity_alone_has_no_account(call, tmp_path, words):
    arguments = ("keys", "new", "--dir", tmp_path / "keys", "--identity-only")
    status, out, _err = call(*arguments, "--passphrase-file", words, "--json")
    values = json.loads(out)
    assert (status, values["account"], values["keystore"]) == (0, None, None)
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["identity.key"]


def test_new__without_passphrase_or_terminal_says_how_and_makes_nothing(call, tmp_path):
    result = call("keys", "new", "--dir", tmp_path / "keys")
    refused(result, "no terminal", "--passphrase-file", "--passphrase-fd")
    assert not (tmp_path / "keys").exists()


def test_new__refuses_a_file_that_others_can_read(call, tmp_path, words):
    words.chmod(0o644)
    result = call("keys", "new", "--dir", tmp_path / "keys", "--passphrase-file", words)
    refused(result, f"chmod 600 {words}")
    assert not (tmp_path / "keys").exists()


def test_new__refuses_a_passphrase_that_is_soon_guessed(call, tmp_path):
    short = private(tmp_path / "short", "secret7")
    result = call("keys", "new", "--dir", tmp_path / "keys", "--passphrase-file", short)
    refused(result, "at least 8 characters")
    assert "secret7" not in result[2][0]


@pytest.mark.parametrize("options", [["--passphrase", WORDS], ["--passphrase-fd", "-1"]])
def test_new__takes_no_passphrase_as_an_argument(call, tmp_path, options):
    status, _out, err = call("keys", "new", "--dir", tmp_path / "keys", *options)
    assert status == 2
    assert WORDS not in "\n".join(err)


def test_new__takes_one_source_only(call, tmp_path, words):
    arguments = ("keys", "new", "--dir", tmp_path / "keys", "--passphrase-file", words)
    status, _out, err = call(*arguments, "--passphrase-fd", "9")
    assert status == 2
    assert "not both" in err[-1]


def test_show__takes_the_passphrase_from_a_descriptor_too(call, site, tmp_path):
    standing = site.parent / "keys" / "passphrase"
    passphrase = standing.read_bytes()
    read, write = os.pipe()
    os.write(write, passphrase)  # a line; the pipe stays open
    moved = private(tmp_path / "moved", passphrase.decode().strip())
    standing.unlink()
    try:
        first = call("keys", "show", "--config", site, "--passphrase-fd", read, "--json")
    finally:
        os.close(read)
        os.close(write)
    second = call("keys", "show", "--config", site, "--passphrase-file", moved, "--json")
    assert (first[0], first[1]) == (0, second[1])
    refused(call("keys", "show", "--config", site), "no passphrase", "site/keys")
    wrong = private(tmp_path / "wrong", "not this one")
    refused(call("keys", "show", "--config", site, "--passphrase-file", wrong), "wrong passphrase")
    closed = call("keys", "show", "--config", site, "--passphrase-fd", "987")
    refused(closed, "descriptor 987")


def test_export__takes_both_passphrases_from_one_descriptor(call, site, tmp_path):
    standing = site.parent / "keys" / "passphrase"
    read, write = os.pipe()
    os.write(write, standing.read_bytes() + WORDS.encode() + b"\n")
    standing.unlink()
    arguments = ("keys", "export", "--config", site, "--out", tmp_path / "out", "--json")
    try:
        status, out, _err = call(*arguments, "--keys-passphrase-fd", read, "--passphrase-fd", read)
    finally:
        os.close(read)
        os.close(write)
    assert status == 0
    assert json.loads(out)["guard_rows"] == 1


def test_export__is_refused_while_a_node_runs(call, site, tmp_path, words):
    arguments = ("keys", "export", "--config", site, "--out", tmp_path / "out")
    with open_store(site.parent / "state", b"d" * 32):
        status, _out, err = call(*arguments, "--passphrase-file", words)
    assert (status, len(err)) == (1, 1)
    assert "stop that node first" in err[0]
    assert not (tmp_path / "out").exists()


def test_export__of_a_node_that_never_ran_says_so(call, tmp_path, words):
    assert call("init", tmp_path / "new")[0] == 0
    arguments = ("keys", "export", "--config", tmp_path / "new" / "node.toml")
    status, out, _err = call(*arguments, "--out", tmp_path / "out", "--passphrase-file", words)
    assert status == 0
    assert "nothing was signed yet" in out


def test_import__restores_the_names_and_warns_of_what_it_cannot_know(
    call, site, archive, tmp_path, words
):
    folder = tmp_path / "elsewhere"
    arguments = ("keys", "import", archive, "--dir", folder, "--passphrase-file", words)
    status, out, _err = call(*arguments, "--json")
    values, shown = json.loads(out), json.loads(call("keys", "show", "--config", site, "--json")[1])
    assert status == 0
    assert {key: values[key] for key in shown} == shown
    assert (values["guard_rows"], values["last_round"]) == (1, 3)
    assert "after round 3" in values["warning"]
    (folder / "node.toml").write_bytes(site.read_bytes())
    private(folder / "keys" / "passphrase")
    moved = call("keys", "show", "--config", folder / "node.toml", "--json")
    assert json.loads(moved[1]) == shown
    with open_store(folder / "state", b"d" * 32) as store:
        assert store.reserve(Slot("commit", 3, 0), b"other") == b"signed"
    refused(call(*arguments), "fresh one")


def test_import__refuses_what_is_no_archive_before_it_asks(call, site, archive, tmp_path):
    blob = archive.read_bytes()
    files = {
        "identity.key": ((site.parent / "keys" / "identity.key").read_bytes(), "bare key file"),
        "account.json": ((site.parent / "keys" / "account.json").read_bytes(), "bare key file"),
        "newer": (blob.replace(b"swarmp2p/v1", b"swarmp2p/v2"), "another version"),
        "foreign": (b"age-encryption.org/v1\n", "no archive"),
        "short": (blob[:60], "cut off"),
        "empty": (b"", "no archive"),
    }
    for name, (data, complaint) in files.items():
        (tmp_path / name).write_bytes(data)
        refused(call("keys", "import", tmp_path / name, "--dir", tmp_path / "new"), complaint)
    refused(call("keys", "import", tmp_path, "--dir", tmp_path / "new"), "no regular file")
    refused(call("keys", "import", tmp_path / "x", "--dir", tmp_path / "new"), "No such file")
    assert not (tmp_path / "new").exists()


def test_import__refuses_a_damaged_archive_and_a_wrong_passphrase(call, archive, tmp_path, words):
    (tmp_path / "cut").write_bytes(archive.read_bytes()[:-5])
    wrong = private(tmp_path / "wrong", "five hospitals, one model")
    for file, passphrase in ((tmp_path / "cut", words), (archive, wrong)):
        result = call(
            "keys", "import", file, "--dir", tmp_path / "new", "--passphrase-file", passphrase
        )
        refused(result, "does not open")
    assert not (tmp_path / "new").exists()


def test_no_output__shows_a_secret(call, outputs, site, tmp_path, words):
    keys, archive = read_keys(SwarmConfig.from_toml(site)), tmp_path / "site.archive"
    call("keys", "show", "--config", site)
    for _ in range(2):
        call("keys", "export", "--config", site, "--out", archive, "--passphrase-file", words)
    new = ("keys", "import", archive, "--dir", tmp_path / "new", "--passphrase-file", words)
    call(*new)
    call(*new)
    call("keys", "import", words, "--dir", tmp_path / "other")
    call("keys", "new", "--dir", words, "--passphrase-file", words)
    call("keys", "show", "--config", words)
    call("doctor", "--config", site)
    assert len(outputs) == 9
    init_words = (site.parent / "keys" / "passphrase").read_text().strip()
    secrets = [WORDS.encode(), init_words.encode()]
    for key in (keys.identity.seed.reveal(), keys.account):
        secrets += [key, key.hex().encode(), repr(key)[2:-1].encode()]
    kept = [
        path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and path.name not in {"passphrase", "words"}
    ]
    for text in (*(output.encode() for output in outputs), *kept):
        for secret in secrets:
            assert secret not in text


def typed(lines, *arguments):
    """Run the program on a terminal of its own and type; (exit status, all that was shown)."""
    controller, terminal = pty.openpty()
    program = (
        "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        " from swarmp2p.cli.main import main; main(sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    for line in lines:
        while not shown.endswith((b"keys: ", b"archive: ", b"again: ")):
            shown += os.read(controller, 1)
        os.write(controller, line.encode() + b"\n")
        shown += b"|"
    try:
        while data := os.read(controller, 4096):
            shown += data
    except OSError:  # the terminal has no other end any more
        pass
    os.close(controller)
    return process.wait(), shown.decode()


def test_new__asks_twice_on_a_terminal_and_shows_nothing_typed(tmp_path):
    arguments = ("keys", "new", "--dir", tmp_path / "keys", "--identity-only")
    status, shown = typed([WORDS, WORDS], *arguments)
    assert status == 0, shown
    assert WORDS not in shown
    assert "The same again" in shown
    assert "12D3KooW" in shown


def test_new__makes_nothing_of_two_passphrases_that_differ(tmp_path):
    arguments = ("keys", "new", "--dir", tmp_path / "keys")
    status, shown = typed([WORDS, WORDS + "!"], *arguments)
    assert status == 2
    assert "differ" in shown
    assert WORDS not in shown
    assert not (tmp_path / "keys").exists()


def test_end_of_input_at_the_prompt__is_an_interruption(tmp_path):
    status, shown = typed(["\x04"], "keys", "new", "--dir", tmp_path / "keys")
    assert status == 130
    assert "Traceback" not in shown
    assert not (tmp_path / "keys").exists()
