"""New keys for enrolled members: what is kept, what is refused, and what stays as it was."""

from typing import Any

import pytest
from contract_chain import Receipt, account
from contract_swarm import OWNER, Prepared, Swarm, bits, digest, refused

from swarmp2p.wire.registry import (
    MAX_ADDRESSES_BYTES,
    MAX_ATTACHED_RUNS,
    MAX_MEMBER_KEYS,
    MAX_PEERS,
)

KEY = digest("a new key")
PROOF = b"\x09" * 64


def rotate(
    swarm: Swarm, peer: int, key: bytes = KEY, epoch: int = 1, proof: bytes = PROOF
) -> Receipt:
    return swarm.chain.transact(account(peer), swarm.registry, "rotate", key, epoch, proof)


def keys(swarm: Swarm, peer: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = swarm.chain.call(swarm.registry, "members")[peer]["keys"]
    return found


def test_rotate__adds_a_key_and_leaves_all_else(swarm_of: Prepared) -> None:
    swarm = swarm_of(3)
    before = swarm.chain.call(swarm.registry, "members")
    since = before[1]["keys"][0]["sinceBlock"]
    swarm.chain.mine(7)
    receipt = rotate(swarm, 1, epoch=5)
    assert receipt.events == (
        ("Rotated", {"index": 1, "peerPk": KEY, "keyEpoch": 5, "proof": PROOF}),
    )
    after = swarm.chain.call(swarm.registry, "members")
    assert [key["sinceBlock"] for key in after[1]["keys"]] == [since, swarm.chain.block]
    new = {"peerPk": KEY, "keyEpoch": 5, "sinceBlock": swarm.chain.block, "proof": PROOF}
    before[1]["keys"].append(new)
    assert after == before
    assert swarm.chain.call(swarm.registry, "indexOf", account(1)) == 1


def test_rotate__is_refused_for_a_key_of_any_enrolment(swarm_of: Prepared) -> None:
    swarm = swarm_of(3)
    rotate(swarm, 1)
    swarm.revoke(2)
    for key in (digest("peer 0"), digest("peer 1"), digest("peer 2"), KEY):
        refused("AlreadyEnrolled", rotate, swarm, 1, key, 2)  # its own former key too
        refused("AlreadyEnrolled", rotate, swarm, 0, key, 2)
    refused(
        "AlreadyEnrolled",
        lambda: swarm.chain.transact(OWNER, swarm.registry, "invite", account(9), digest("peer 1")),
    )


def test_rotate__wants_a_higher_epoch_each_time(swarm_of: Prepared) -> None:
    swarm = swarm_of(2)
    assert refused("EpochTooLow", rotate, swarm, 0, KEY, 0) == (0,)
    rotate(swarm, 0, KEY, 7)
    assert refused("EpochTooLow", rotate, swarm, 0, digest("k"), 7) == (7,)
    refused("EpochTooLow", rotate, swarm, 0, digest("k"), 6)
    rotate(swarm, 0, digest("k"), 2**64 - 1)
    assert [key["keyEpoch"] for key in keys(swarm, 0)] == [0, 7, 2**64 - 1]


@pytest.mark.parametrize("length", [0, 63, 65])
def test_rotate__wants_a_proof_of_sixty_four_bytes(swarm_of: Prepared, length: int) -> None:
    assert refused("BadProofLength", rotate, swarm_of(2), 0, KEY, 1, bytes(length)) == (length, 64)


def test_rotate__is_for_members_that_are_not_revoked(swarm_of: Prepared) -> None:
    swarm = swarm_of(2)
    refused("NotEnrolled", rotate, swarm, 5)
    refused("ZeroKey", rotate, swarm, 0, bytes(32))
    swarm.revoke(0)
    refused("AlreadyRevoked", rotate, swarm, 0)


def test_rotate__stops_at_the_most_keys_and_all_are_shown(swarm_of: Prepared) -> None:
    swarm = swarm_of(2)
    given = [digest("peer 0"), *(swarm.rotate(0, epoch) for epoch in range(1, 16))]
    assert refused("TooManyKeys", swarm.rotate, 0, 16) == (16,)
    assert [key["peerPk"] for key in keys(swarm, 0)] == given
    assert len(keys(swarm, 1)) == 1


def test_open_invitation__hinders_no_rotation_and_cannot_be_taken_up(swarm_of: Prepared) -> None:
    swarm = swarm_of(2)
    swarm.chain.transact(OWNER, swarm.registry, "invite", account(8), KEY)
    rotate(swarm, 0)
    refused(
        "AlreadyEnrolled",
        lambda: swarm.chain.transact(account(8), swarm.registry, "enrol", KEY, 0, PROOF, ""),
    )


def test_runs__are_not_told_of_a_rotation(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2)
    before = swarm.chain.call(swarm.run, "snapshot")
    rotate(swarm, 3)
    assert swarm.chain.call(swarm.run, "snapshot") == before
    swarm.commit(3)
    assert swarm.round()["roster"] == bits(0, 1, 2, 3)


def test_limits__are_the_specs(swarm_of: Prepared) -> None:
    swarm = swarm_of(2)
    for name, limit in (
        ("MAX_KEYS", MAX_MEMBER_KEYS),
        ("MAX_MEMBERS", MAX_PEERS),
        ("MAX_RUNS", MAX_ATTACHED_RUNS),
        ("MAX_ADDRESSES", MAX_ADDRESSES_BYTES),
    ):
        assert swarm.chain.call(swarm.registry, name) == limit
