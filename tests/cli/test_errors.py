"""What a user can get wrong ends with one clear line, exit 1 or 2, and nothing half-written."""

import socket

import pytest

from swarmp2p.cli.main import run
from swarmp2p.demo.hospitals import HEART_CSV


@pytest.fixture
def lines(capfd):
    """Run a command line; (exit status, the lines on stderr)."""

    def call(*arguments):
        status = run([str(argument) for argument in arguments])
        err = capfd.readouterr().err
        assert "Traceback" not in err
        return status, err.strip().splitlines()

    return call


@pytest.fixture
def site(tmp_path, lines):
    """A fresh site whose run is not deployed anywhere."""
    folder = tmp_path / "site"
    assert lines("init", folder, "--run", "--run-address", "0x" + "11" * 20)[0] == 0
    return folder


def test_a_wrong_path__is_named(lines, tmp_path):
    status, err = lines("node", "--config", tmp_path / "nothing.toml")
    assert status == 2
    assert len(err) == 1
    assert "nothing.toml" in err[0]
    assert "init" in err[0]


def test_a_node_without_a_config__is_wrong_usage(lines):
    assert lines("node")[0] == 2


def test_an_unknown_key__is_named_with_its_neighbour(lines, site):
    config = site / "node.toml"
    config.write_text(config.read_text().replace("listen =", "lisen ="))
    status, err = lines("node", "--config", config)
    assert status == 2
    assert "lisen" in err[0]
    assert "listen" in err[0]


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('url = "http://127.0.0.1:8545"', "url = 5", "a string"),
        ('run = "0x' + "11" * 20, 'run = "0x11', "40 hex digits"),
        ("poll = 0.2", "poll = 0.0", "0.01"),
        ('name = "site"', 'name = "a/b"', "letters"),
        ("[ledger]", "[ledgr]", "ledger"),
        ("[node]", "[node", "TOML"),
    ],
)
def test_a_wrong_value__says_what_is_expected(lines, site, old, new, word):
    config = site / "node.toml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    status, err = lines("node", "--config", config)
    assert status == 2
    assert word in "\n".join(err)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("rounds = 5", "rounds = 0", "1 to"),
        ('rule = "mean"', 'rule = "average"', "average"),
        ("shape = [3]", "shape = [-3]", "shape"),
        ('dtype = "f32"', 'dtype = "f31"', "f31"),
        ('weights = "declared"', 'weights = "guessed"', "uniform"),
        ("[model]", "[modell]", "model"),
    ],
)
def test_a_wrong_manifest__says_what_is_expected(lines, site, old, new, word):
    manifest = site / "run.toml"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))
    status, err = lines("ledger", "enrol", "--config", site / "node.toml")
    assert status == 2, err
    assert word in "\n".join(err)


def test_a_chain_that_is_down__is_named(lines, site):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = site / "node.toml"
    config.write_text(config.read_text().replace(":8545", f":{port}"))
    status, err = lines("node", "--config", config)
    assert status == 1
    assert len(err) == 1
    assert f"127.0.0.1:{port}" in err[0]


def test_a_chain_over_plain_http_elsewhere__is_refused(lines, site):
    config = site / "node.toml"
    config.write_text(config.read_text().replace("127.0.0.1:8545", "chain.example:8545"))
    status, err = lines("node", "--config", config)
    assert status == 2
    assert "https" in err[0]


def test_a_busy_port__is_named(lines, tmp_path):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        status, err = lines("ledger", "dev", "--dir", tmp_path / "chain", "--port", port)
    assert status == 1
    assert len(err) == 1
    assert str(port) in err[0]


def test_a_key_that_others_can_read__is_refused(lines, site):
    (site / "keys" / "identity.key").chmod(0o644)
    status, err = lines("node", "--config", site / "node.toml")
    assert status == 2
    assert "chmod 600" in err[0]


def test_init__never_overwrites(lines, site):
    before = (site / "node.toml").read_bytes()
    status, err = lines("init", site)
    assert status == 2
    assert "exists" in err[0]
    assert (site / "node.toml").read_bytes() == before


def test_a_csv_without_a_column__names_it(lines, tmp_path):
    rows = HEART_CSV.read_text().splitlines()
    (tmp_path / "rows.csv").write_text("\n".join(row.rpartition(",")[0] for row in rows))
    status, err = lines("demo", "--data", tmp_path / "rows.csv", "--out", tmp_path / "out")
    assert status == 2
    assert "num" in err[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--peers", "2"],
        ["--peers", "17"],
        ["--rounds", "0"],
        ["--merge", "best"],
        ["--optimiser", "best"],
        ["--encoding", "best"],
    ],
)
def test_demo_options_outside_their_range__leave_nothing(lines, tmp_path, options):
    status, err = lines("demo", *options, "--out", tmp_path / "out")
    assert status == 2
    assert len(err) == 1
    assert not (tmp_path / "out").exists()


def test_status_without_a_node__is_one_line(lines, site):
    status, err = lines("status", "--config", site / "node.toml")
    assert status == 1
    assert len(err) == 1
    assert "no node answers" in err[0]


def test_status__wants_exactly_one_place(lines, site):
    assert lines("status")[0] == 2
    assert lines("status", "--config", site / "node.toml", "--state", site)[0] == 2


def test_doctor__says_what_fails_and_exits_1(lines, site):
    assert lines("doctor")[0] == 0
    assert lines("doctor", "--config", site / "node.toml")[0] == 1
    assert lines("doctor", "--config", site / "other.toml")[0] == 1


def test_keys_show__prints_public_names_only(lines, site, capfd):
    status = run(["keys", "show", "--config", str(site / "node.toml"), "--json"])
    out = capfd.readouterr().out
    assert status == 0
    assert "12D3KooW" in out
    assert (site / "keys" / "passphrase").read_text().strip() not in out
