import json
import subprocess
import sys
from pathlib import Path

import pytest
from contract_gas import measure_all
from contract_swarm import Swarm, digest

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "swarmp2p" / "ledger" / "artifacts"
GAS_TARGET = 250_000  # a peer and round, 16 peers
GAS_MOST = 6_000_000  # what the adapter gives a call; a block of 30 million takes five of them


def test_gas__grows_by_a_tenth_at_most_and_keeps_the_target() -> None:
    written = json.loads((ROOT / "contracts" / "gas.json").read_text(encoding="utf-8"))
    measured = measure_all()
    for size, row in measured.items():
        assert row.keys() == written[size].keys()
        for name, gas in row.items():
            assert gas <= 1.1 * written[size][name], f"{name} at N={size}: {gas}"
            assert gas <= GAS_MOST, f"{name} at N={size}: {gas}"
    assert measured["16"]["peer_and_round"] <= GAS_TARGET


@pytest.mark.parametrize("name", ["SwarmRegistry", "SwarmRun"])
def test_artifact__is_small_enough_for_a_chain_and_names_its_compiler(name: str) -> None:
    artifact = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
    package = json.loads((ROOT / "contracts" / "package.json").read_text(encoding="utf-8"))
    assert len(artifact["deployedBytecode"]) // 2 - 1 <= 24_576
    assert artifact["contractName"] == name
    assert artifact["solc"] == package["dependencies"]["solc"]


@pytest.mark.parametrize("name", ["SwarmRegistry", "SwarmRun"])
def test_immutables__are_all_the_places_in_which_deployed_code_differs(name: str) -> None:
    artifact = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
    compiled = bytes.fromhex(artifact["deployedBytecode"][2:])
    swarm = Swarm.deploy(
        0, genesis=False, initRoot=digest("root"), topology=2, lastRound=9, minPeers=2
    )
    contract = swarm.run if name == "SwarmRun" else swarm.registry
    deployed = bytearray(swarm.chain.code(contract))
    places = artifact["immutableReferences"]
    assert (len(places) > 10) == (name == "SwarmRun")
    assert places == sorted(places)
    for start in (start for starts in places for start in starts):
        assert not any(compiled[start : start + 32])
        assert any(deployed[start : start + 32])  # no setting is zero here
        deployed[start : start + 32] = bytes(32)
    assert deployed == compiled


def test_lock_file__names_no_registry_so_that_any_mirror_serves() -> None:
    assert "resolved" not in (ROOT / "contracts" / "package-lock.json").read_text(encoding="utf-8")


@pytest.mark.skipif(
    not (ROOT / "contracts" / "node_modules" / "solc").is_dir(), reason="needs `npm ci`"
)
def test_build_check__passes_so_that_artifacts_match_the_sources() -> None:
    command = [sys.executable, str(ROOT / "contracts" / "build.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
