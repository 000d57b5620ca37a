"""The files for a consortium's chain: parsed, and held against what the contracts need."""

import json
import re
import runpy
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest

from swarmp2p.ledger import deploy, ethereum
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.rpc import check_url

ROOT = Path(__file__).parents[1]
FILES = ROOT / "examples" / "consortium"
DOCUMENT = (ROOT / "docs/howto/consortium-chain.md").read_text(encoding="utf-8")
GENESIS = json.loads((FILES / "genesis.json").read_text())
VALIDATORS = [f"0x{number:040x}" for number in (4, 1, 3, 2)]


def test_genesis__has_room_for_the_dearest_transactions_and_the_largest_contract():
    limit = int(GENESIS["gasLimit"], 16)
    gas = json.loads((ROOT / "contracts/gas.json").read_text())
    largest = max(gas, key=lambda size: int(size) if size.isdigit() else 0)
    assert limit >= 2 * max(deploy.DEPLOY_GAS, ethereum.GAS["nextAttempt"])
    assert ethereum.GAS["nextAttempt"] >= 2 * gas[largest]["next_attempt"]
    assert limit >= int(largest) * gas[largest]["commit_most"]
    for name in ("SwarmRun", "SwarmRegistry"):
        assert len(contract_abi(name).deployed) <= GENESIS["config"]["contractSizeLimit"]


def test_genesis__is_free_of_charge_and_makes_blocks_while_idle():
    config, qbft = GENESIS["config"], GENESIS["config"]["qbft"]
    assert (config["zeroBaseFee"], config["londonBlock"]) == (True, 0)
    assert config["chainId"] not in {0, 1, 1337, 20256}
    assert str(config["chainId"]) in DOCUMENT
    assert qbft["blockperiodseconds"] < qbft["requesttimeoutseconds"]
    assert not any("emptyblock" in key.lower() for key in qbft)
    assert not GENESIS["alloc"]


def fill(tmp_path, *validators, fund=()):
    file = tmp_path / "genesis.json"
    file.write_text((FILES / "genesis.json").read_text())
    options = [word for one in validators for word in ("--validator", one)]
    options += [word for one in fund for word in ("--fund", one)]
    program = [sys.executable, FILES / "fill_genesis.py", file, *options]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(file.read_text()), done


def test_fill_genesis__writes_the_validators_whatever_their_order(tmp_path):
    filled, done = fill(tmp_path, *VALIDATORS, fund=["0x" + "ab" * 20])
    assert "4 validators, 1 of which may fail" in done.stdout
    ordered = "".join("94" + one[2:] for one in sorted(VALIDATORS))
    assert filled["extraData"] == "0xf87aa0" + "00" * 32 + "f854" + ordered + "c080c0"
    assert filled["alloc"]["0x" + "ab" * 20]["balance"] == hex(10**24)
    again, _ = fill(tmp_path, *reversed(VALIDATORS), fund=["0x" + "ab" * 20])
    assert again == filled
    assert {**filled, "alloc": {}, "extraData": GENESIS["extraData"]} == GENESIS


def test_fill_genesis__of_one_validator_warns_and_of_none_is_the_template(tmp_path):
    one, done = fill(tmp_path, VALIDATORS[0])
    assert one["extraData"] == "0xf83aa0" + "00" * 32 + "d594" + VALIDATORS[0][2:] + "c080c0"
    assert "fewer than 4" in done.stderr
    program = runpy.run_path(str(FILES / "fill_genesis.py"))
    assert "0x" + program["extra_data"]([]).hex() == GENESIS["extraData"]


def test_config__keeps_the_endpoint_on_loopback_and_the_price_at_zero():
    config = tomllib.loads((FILES / "config.toml").read_text())
    check_url(f"http://{config['rpc-http-host']}:{config['rpc-http-port']}")
    assert set(config["rpc-http-api"]) == {"ETH", "NET", "WEB3", "QBFT"}
    assert (config["min-gas-price"], config["rpc-ws-enabled"]) == (0, False)
    assert config["discovery-enabled"] is False
    assert json.loads((FILES / Path(config["static-nodes-file"]).name).read_text()) == []
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read(FILES / "besu.service")
    assert "/etc/besu/config.toml" in unit["Service"]["ExecStart"]
    assert config["data-path"].endswith("/" + unit["Service"]["StateDirectory"])


def test_the_table_of_costs__is_that_of_gas_json():
    program = runpy.run_path(str(ROOT / "contracts/cost.py"))
    gas = json.loads((ROOT / "contracts/gas.json").read_text())
    table = program["table"](gas, program["GWEI"], program["COIN"])
    assert program["inserted"](DOCUMENT, table) == DOCUMENT, "python contracts/cost.py --write"
    used = gas["4"]["peer_and_round"]
    assert f"| 4 | undisturbed | {used:,} | 0.00 | {used * 3e-4:,.2f} |" in table


@pytest.mark.parametrize("count", [3, 4, 6, 7, 9, 10])
def test_the_table_of_failing_validators__is_a_third(count):
    head, _, row = DOCUMENT.partition("| validators |")[2].splitlines()[:3]
    columns = [cell.strip() for cell in head.strip("| ").split("|")]
    failing = [cell.strip() for cell in row.strip("| ").split("|")][1:]
    ranges = [cell.split(" to ") for cell in columns]
    (place,) = [at for at, ends in enumerate(ranges) if int(ends[0]) <= count <= int(ends[-1])]
    assert int(failing[place]) == (count - 1) // 3


def test_the_document__links_only_what_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", DOCUMENT):
        if not target.startswith("http"):
            assert (ROOT / "docs/howto" / target).exists(), target
