"""Whether the code at an address is a contract of ours.

Deployed code differs from the artifact's in its immutable values only: the constructor writes them
where the compiler left 32 zero bytes. The artifact lists their places (`immutableReferences`, from
solc's own map): those are masked, and all places of one immutable must hold one value. The mask
never comes from the code under test, so what a stranger deploys can differ from ours in those
values and in nothing else.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from eth_utils.crypto import keccak

from swarmp2p.errors import ConfigError, LedgerUnavailableError
from swarmp2p.ledger.interface import RunTerms
from swarmp2p.ledger.rpc import hexed, octets
from swarmp2p.ledger.source import Source

_WORD = 32


def verify_code(rpc: Source, contract: bytes, name: str) -> bytes:
    """Compare deployed code with the artifact of SwarmRegistry or SwarmRun.

    Returns the keccak-256 of the code as it stands. Raises LedgerUnavailableError: another chain,
    another address, or another version.
    """
    code = octets(rpc.call("eth_getCode", hexed(contract), "latest"))
    if not code:
        raise LedgerUnavailableError(
            f"there is no contract at {hexed(contract)} on the chain at {rpc.shown}: it is another "
            "chain, a development chain that was started anew, or the address is wrong"
        )
    if not code_matches(_artifact(name), code):
        raise LedgerUnavailableError(
            f"the contract at {hexed(contract)} is not this version's {name}: deploy again, or "
            "use the version of swarmp2p that deployed it"
        )
    return bytes(keccak(code))


def code_matches(artifact: Mapping[str, Any], code: bytes) -> bool:
    """Whether `code` is the artifact's deployed bytecode with values for its immutables."""
    ours = bytes.fromhex(str(artifact["deployedBytecode"]).removeprefix("0x"))
    if len(code) != len(ours):
        return False
    masked = bytearray(code)
    for places in artifact["immutableReferences"]:
        values = {code[start : start + _WORD] for start in places}
        if len(values) > 1 or any(ours[start : start + _WORD].strip(b"\0") for start in places):
            return False
        for start in places:
            masked[start : start + _WORD] = bytes(_WORD)
    return masked == ours


def check_run(terms: RunTerms, shown: str, chain_id: int | None, manifest_hash: bytes) -> None:
    """Whether a run is the expected one. Raises LedgerUnavailableError, ConfigError."""
    if chain_id is not None and terms.chain_id != chain_id:
        raise LedgerUnavailableError(
            f"the chain at {shown} has chain id {terms.chain_id}, not {chain_id}: the URL or the "
            "configured chain id is wrong"
        )
    if terms.manifest_hash != manifest_hash:
        raise ConfigError(
            f"the run at {hexed(terms.contract)} was deployed with the manifest "
            f"{terms.manifest_hash.hex()}, and ours is {manifest_hash.hex()}: take run.toml "
            "unchanged from the run's owner, or correct the contract's address"
        )


@cache
def _artifact(name: str) -> Mapping[str, Any]:
    path = files("swarmp2p.ledger") / "artifacts" / f"{name}.json"
    loaded: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
