"""Deployed code against the artifact: only the immutables' values may differ."""

import pytest

from swarmp2p.ledger.verify import _artifact, code_matches, immutable_places

NAMES = ["SwarmRun", "SwarmRegistry"]


def code_of(name: str) -> bytearray:
    return bytearray.fromhex(_artifact(name)["deployedBytecode"].removeprefix("0x"))


def listed(places: list[list[int]]) -> dict[str, object]:
    """As solc writes it."""
    return {
        str(number): [{"start": start, "length": 32} for start in starts]
        for number, starts in enumerate(places)
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_byte__counts_but_those_of_immutables(name: str) -> None:
    artifact, code = _artifact(name), code_of(name)
    masked = {
        place
        for starts in immutable_places(artifact)
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
        # With solc's map all places of one immutable must agree, so that one alone is refused.
        assert alone <= (place in masked)


def test_solcs_map__is_what_is_masked_and_its_places_must_agree() -> None:
    code = bytes.fromhex("7f" + "00" * 32 + "7f" + "00" * 32 + "7f" + "00" * 32)
    plain = {"deployedBytecode": code.hex()}
    assert immutable_places(plain) == [[1], [34], [67]]
    mapped = {**plain, "immutableReferences": listed([[1, 34]])}
    one, two = bytearray(code), bytearray(code)
    one[20] = two[20] = two[53] = 7
    assert code_matches(plain, bytes(one))
    assert not code_matches(mapped, bytes(one))
    assert code_matches(mapped, bytes(two))
    two[80] = 7  # a zero that the map does not name is no immutable
    assert not code_matches(mapped, bytes(two))
    wrong = {**plain, "immutableReferences": listed([[0]])}  # it names an instruction
    assert not code_matches(wrong, code)


def test_without_a_map__zeros_in_an_operand_are_no_push() -> None:
    """0x7f inside the operand of another push is data."""
    code = bytes.fromhex("617f00" + "00" * 40)
    assert immutable_places({"deployedBytecode": code.hex()}) == []
    assert immutable_places({"deployedBytecode": "7f" + "00" * 31}) == []
