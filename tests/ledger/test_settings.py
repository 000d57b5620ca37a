"""What node.toml says of the chain, and the commands that follow it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from ledger_site import SiteMaker

from swarmp2p.cli.ledger import ledger
from swarmp2p.cli.run import _status_lines
from swarmp2p.config import SwarmConfig
from swarmp2p.errors import ConfigError, StateLockedError
from swarmp2p.launch import open_account, read_keys
from swarmp2p.ledger.endpoint import EndpointHealth
from swarmp2p.ledger.signer import RemoteSigner
from swarmp2p.seams import KeptTransaction
from swarmp2p.store.state import open_store

RUN = "0x" + "11" * 20
ACCOUNT = bytes.fromhex("22" * 20)


def settings(folder: Path, url: str, keys: str) -> Path:
    file = folder / "node.toml"
    ledger = f'[ledger]\nurl = {url}\nrun = "{RUN}"\n'
    file.write_text(f'[node]\nname = "a"\n[keys]\n{keys}\n{ledger}')
    return file


def test_url__is_a_string_or_a_list(tmp_path: Path) -> None:
    one = SwarmConfig.from_toml(settings(tmp_path, '"https://a.example"', ""))
    assert one.ledger_urls == ("https://a.example",)
    two = SwarmConfig.from_toml(
        settings(tmp_path, '["https://a.example", "https://b.example"]', "")
    )
    assert two.ledger_urls == ("https://a.example", "https://b.example")
    for wrong in ("7", "[]", "[7]"):
        with pytest.raises(ConfigError, match="'url' is neither; expected a string or a list"):
            SwarmConfig.from_toml(settings(tmp_path, wrong, ""))


def test_signer__takes_an_address_in_place_of_a_keystore(tmp_path: Path) -> None:
    signer = 'signer = "http://127.0.0.1:9000"\n'
    file = settings(tmp_path, '"https://a.example"', f'{signer}account = "0x{ACCOUNT.hex()}"')
    config = SwarmConfig.from_toml(file)
    with open_account(config) as account:
        assert isinstance(account, RemoteSigner)
        assert account.account == ACCOUNT
    with pytest.raises(ConfigError, match="kept by its signer"):
        read_keys(config)
    with pytest.raises(ConfigError, match=r"'account' is 'keys/a\.json'; expected the signer's"):
        SwarmConfig.from_toml(
            settings(tmp_path, '"https://a.example"', f'{signer}account = "keys/a.json"')
        )
    with pytest.raises(ConfigError, match="'account' is missing"):
        SwarmConfig.from_toml(settings(tmp_path, '"https://a.example"', signer))


def test_release__lets_the_account_be_used_again(make_site: SiteMaker, tmp_path: Path) -> None:
    site = make_site(2)
    keys = f'signer = "http://127.0.0.1:9000"\naccount = "0x{ACCOUNT.hex()}"'
    file = settings(tmp_path, f'"{site.url}"', keys)
    number = site.chain.chain_id
    row = KeptTransaction(number, ACCOUNT, 3, bytes(32), b"raw", bytes(20), b"", 21_000, 1, None)
    with open_store(tmp_path / "state", bytes(32)) as store:
        store.transactions().keep(row)
        store.transactions().mark(row, "foreign")
        running = CliRunner().invoke(ledger, ["release", "--config", str(file)])
        assert isinstance(running.exception, StateLockedError)
    done = CliRunner().invoke(ledger, ["release", "--config", str(file), "--json"])
    assert json.loads(done.output)["account"].lower() == "0x" + ACCOUNT.hex()
    with open_store(tmp_path / "state", bytes(32)) as store:
        assert store.transactions().rows(number, ACCOUNT) == [replace(row, state="replaced")]


def test_status__shows_each_endpoint() -> None:
    reply = {
        **dict.fromkeys(
            ("name", "pid", "phase", "round", "rounds", "attempt", "last_sealed_round", "block"), 1
        ),
        "waiting_for": "",
        "waiting_for_peers": [],
        "connected": [],
        "bytes_in": 0,
        "bytes_out": 0,
        "ledger": "ok",
        "refused": {},
        "endpoints": [EndpointHealth("https://a.example", "behind", 7, 9, 0, 2).as_json()],
    }
    assert "endpoint   https://a.example: behind, head 7, 9 calls, 2 failed" in _status_lines(reply)
