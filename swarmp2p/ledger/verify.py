"""Whether the code at an address is a contract of ours.

Deployed code differs from the artifact's in its immutable values only: the constructor writes them
where the compiler left 32 zero bytes. An artifact that lists their places (`immutableReferences`,
solc's own map) has exactly those masked, and all places of one immutable must hold one value.
Without the list the places are found in the artifact itself: solc puts an immutable behind a PUSH32
and never pushes a constant zero that way (it has PUSH0), so a PUSH32 of zeros in the artifact is a
place. The mask comes from the artifact alone and never from the code under test, so what a
stranger deploys can differ from ours in those values and in nothing else.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from eth_utils.crypto import keccak

from swarmp2p.errors import LedgerUnavailableError
from swarmp2p.ledger.rpc import hexed, octets
from swarmp2p.ledger.source import Source

_PUSH1, _PUSH32 = 0x60, 0x7F
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
    for places in immutable_places(artifact):
        values = {code[start : start + _WORD] for start in places}
        if len(values) > 1 or any(ours[start : start + _WORD].strip(b"\0") for start in places):
            return False
        for start in places:
            masked[start : start + _WORD] = bytes(_WORD)
    return masked == ours


def immutable_places(artifact: Mapping[str, Any]) -> list[list[int]]:
    """Where each immutable stands in the deployed bytecode: offsets of 32-byte words."""
    listed = artifact.get("immutableReferences")
    if listed is not None:
        return [
            [int(place["start"]) for place in places if int(place["length"]) == _WORD]
            for places in listed.values()
        ]
    code = bytes.fromhex(str(artifact["deployedBytecode"]).removeprefix("0x"))
    found, place = [], 0
    while place < len(code):
        size = code[place] - _PUSH1 + 1 if _PUSH1 <= code[place] <= _PUSH32 else 0
        operand = code[place + 1 : place + 1 + size]
        if size == _WORD and not any(operand) and len(operand) == _WORD:
            found.append([place + 1])
        place += 1 + size
    return found


@cache
def _artifact(name: str) -> Mapping[str, Any]:
    path = files("swarmp2p.ledger") / "artifacts" / f"{name}.json"
    loaded: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
