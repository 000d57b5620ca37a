"""Deployed code against the artifact: only the immutables' values may differ."""

import pytest

from swarmp2p.ledger.verify import _artifact, code_matches

NAMES = ["SwarmRun", "SwarmRegistry"]


def code_of(name: str) -> bytearray:
    return bytearray.fromhex(_artifact(name)["deployedBytecode"].removeprefix("0x"))


@pytest.mark.parametrize("name", NAMES)
def test_every_byte__counts_but_those_of_immutables(name: str) -> None:
    artifact, code = _artifact(name), code_of(name)
    masked = {
        place
        for starts in artifact["immutableReferences"]
        for start in starts
        for place in range(start, start + 32)
    }
    assert code_matches(artifact, bytes(code))
    assert not code_matches(artifact, bytes(code[:-1]))
    assert not code_matches(artifact, bytes(code) + b"\0")
    assert not any(code[place] for place in masked)
    for place in {*range(0, len(code), 97), *masked, *(place - 1 for place in masked)}:
        changed = bytearray(code)
        changed[place] ^= 1
        alone = code_matches(artifact, bytes(changed))
        # All places of one immutable must agree, so that one alone is refused.
        assert alone <= (place in masked)


def test_places_of_one_immutable__must_agree_and_hold_zeros_in_the_artifact() -> None:
    code = bytes.fromhex("7f" + "00" * 32 + "7f" + "00" * 32 + "7f" + "00" * 32)
    apart = {"deployedBytecode": code.hex(), "immutableReferences": [[1], [34]]}
    together = {**apart, "immutableReferences": [[1, 34]]}
    one, two = bytearray(code), bytearray(code)
    one[20] = two[20] = two[53] = 7
    assert code_matches(apart, bytes(one))
    assert not code_matches(together, bytes(one))
    assert code_matches(together, bytes(two))
    two[80] = 7  # a zero that the list does not name is no immutable
    assert not code_matches(together, bytes(two))
    wrong = {**apart, "immutableReferences": [[0]]}  # it names an instruction
    assert not code_matches(wrong, code)


def test_code__matches_but_for_the_immutable_values() -> None:
    run = _artifact("SwarmRun")
    deployed = code_of("SwarmRun")
    filled = bytearray(deployed)
    for start in run["immutableReferences"][0]:  # one value, wherever it is used
        filled[start] = 9
    assert code_matches(run, bytes(filled))
    filled[0] ^= 1
    assert not code_matches(run, bytes(filled))
    assert not code_matches(run, bytes(deployed[:-1]))
    assert not code_matches(_artifact("SwarmRegistry"), bytes(deployed))
