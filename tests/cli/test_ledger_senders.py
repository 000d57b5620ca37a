"""Whose account sends: a signer outside, a site's own; and never two processes for one account."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from cli_world import OWNER

from swarmp2p.ledger.accounts import account_address, checksum
from swarmp2p.senders import local_sender

SIGNER = Path(__file__).parents[1] / "ledger" / "signer_process.py"


@pytest.fixture(scope="module")
def signer():
    """The URL of an external signer that keeps a key, with a fault or "honest"."""
    with subprocess.Popen([sys.executable, SIGNER], stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline())

        def url(key, fault="honest"):
            return f"http://127.0.0.1:{port}/{quote(fault)}/0x{key.hex()}"

        yield url
        process.terminate()


def by(url, key):
    return "--signer", url, "--from", checksum(account_address(key))


def test_the_owner__may_sign_elsewhere(answer, world, signer):
    site = world.names("a")
    values = answer("ledger", "invite", *world.where, *by(signer(OWNER), OWNER), *site, "--fund")
    assert values["passed"] is True
    world.enrol("a")
    revoke = ("ledger", "revoke", *world.where, *by(signer(OWNER), OWNER), "--index", "0")
    assert answer(*revoke)["revoked"] == 0


@pytest.mark.parametrize(
    ("fault", "word"), [("data", "another data"), ("other key", "another key"), ("refuses", "den")]
)
def test_a_signer__that_signs_something_else_sends_nothing(command, enrolled, signer, fault, word):
    site = enrolled.names("d")
    arguments = (*enrolled.where, *by(signer(OWNER, fault), OWNER), *site)
    status, _out, err = command("ledger", "invite", *arguments)
    assert (status, len(err)) == (1, 1)
    assert word in err[0]
    assert OWNER.hex() not in err[0]


def test_a_site_with_a_signer__enrols_votes_and_rotates(answer, world, signer):
    key = world.keys["a"].account
    config = world.folder / "a/node.toml"
    text = config.read_text().replace(
        'account = "keys/account.json"',
        f'signer = "{signer(key)}"\naccount = "{checksum(account_address(key))}"',
    )
    config.write_text(text)
    (world.folder / "a/keys/account.json").unlink()
    world.invite("a")
    assert answer("ledger", "enrol", "--config", config)["index"] == 0
    assert answer("keys", "rotate", "--config", config)["epoch"] == 1
    assert answer("ledger", "revoke", "--config", config, "--index", "0")["passed"] is True


@pytest.mark.parametrize(
    "arguments",
    [
        ("--signer", "http://127.0.0.1:1"),
        ("--from", "0x" + "11" * 20),
        ("--signer", "http://127.0.0.1:1", "--from", "0x" + "11" * 20, "--owner-key", "x"),
        (),
    ],
)
def test_a_sender__is_named_in_one_way(command, enrolled, arguments):
    status, _out, err = command("ledger", "revoke", *enrolled.where, "--index", "0", *arguments)
    assert status == 2
    assert "--owner-key" in err[-1]


def test_an_account_that_a_node_uses__sends_nothing_beside_it(command, enrolled, tmp_path):
    config = enrolled.config("a")
    with local_sender(enrolled.url, enrolled.keys["a"].account, tmp_path):
        for name in (("retract", "--vote", "0x" + "11" * 32), ("revoke", "--index", "0")):
            status, _out, err = command("ledger", *name, "--config", config)
            assert (status, len(err)) == (1, 1)
            assert str(os.getpid()) in err[0]
            assert "stop it first" in err[0]


def test_finality__comes_from_run_toml_or_the_option(answer, command, world):
    assert answer("ledger", "status", *world.where, "--finality", "finalized")["round"] == 1
    file = world.folder / "a/run.toml"
    file.write_text(file.read_text().replace('finality = "depth"', 'finality = "finalised"'))
    status, _out, err = command("ledger", "status", "--config", world.config("a"))
    assert (status, "finalized" in err[0]) == (2, True)
