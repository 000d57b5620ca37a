"""Every custom error of both contracts, and one way to meet it: none stands there in vain."""

import json
from collections.abc import Callable

import pytest
from contract_chain import ARTIFACTS, account
from contract_swarm import (
    GENESIS,
    OWNER,
    ZERO,
    Prepared,
    Swarm,
    close_commit,
    digest,
    owner_sends,
    refused,
    settings,
)

Way = Callable[[Swarm], object]
KEY, ROOT, PROOF = digest("a new key"), digest("root"), bytes(64)


def to_registry(sender: bytes, function: str, *arguments: object) -> Way:
    return lambda swarm: swarm.chain.transact(sender, swarm.registry, function, *arguments)


def to_run(peer: int, function: str, *arguments: object) -> Way:
    return lambda swarm: swarm.send(peer, function, *arguments)


def enrol(key: bytes, proof: bytes = PROOF, addresses: str = "") -> Way:
    return to_registry(account(70), "enrol", key, 0, proof, addresses)


def after(*ways: Way) -> Way:
    """The last way, once the others have been gone."""

    def go(swarm: Swarm) -> None:
        for way in ways:
            way(swarm)

    return go


def own(function: str, *ahead: Way) -> Way:
    """The owner's call about this swarm's run, after others."""
    last: Way = lambda s: s.chain.transact(OWNER, s.registry, function, s.run.address)  # noqa: E731 (one line)
    return after(*ahead, last)


def attach_more(swarm: Swarm) -> None:
    for _ in range(8):
        run = swarm.chain.deploy("SwarmRun", OWNER, settings(swarm.registry.address))
        swarm.chain.transact(OWNER, swarm.registry, "attachRun", run.address)


def commits(*peers: int) -> Way:
    return lambda swarm: swarm.commit(*peers)


def fill(swarm: Swarm) -> None:
    while swarm.enrolled < 64:
        swarm.enrol()


def rotations(swarm: Swarm) -> None:
    for epoch in range(1, 16):
        swarm.rotate(0, epoch)


invite_70 = to_registry(OWNER, "invite", account(70), KEY)
revoke_3 = to_registry(OWNER, "revoke", 3)
detach = own("detachRun")
objection: Way = lambda swarm: swarm.object(0)  # noqa: E731 (one line)
attempt_0 = after(commits(0, 1, 2), close_commit)

REGISTRY: dict[str, Way] = {
    "AddressesTooLong": to_registry(account(0), "setAddresses", "a" * 513),
    "AlreadyAttached": own("attachRun"),
    "AlreadyEnrolled": to_registry(OWNER, "invite", account(0), KEY),
    "AlreadyRevoked": after(revoke_3, revoke_3),
    "BadProofLength": after(invite_70, enrol(KEY, bytes(65))),
    "EmptyInvitation": to_registry(OWNER, "invite", bytes(20), KEY),
    "EpochTooLow": to_registry(account(0), "rotate", KEY, 0, PROOF),
    "NoVote": to_registry(account(0), "retract", ZERO),
    "NotARun": to_registry(OWNER, "attachRun", account(3)),
    "NotAllowed": to_registry(account(0), "revoke", 1),
    "NotAttached": after(detach, detach),
    "NotEnrolled": to_registry(account(70), "setAddresses", ""),
    "NotInvited": enrol(KEY),
    "OwnableInvalidOwner": to_registry(OWNER, "transferOwnership", bytes(20)),
    "OwnableUnauthorizedAccount": to_registry(account(0), "renounceOwnership"),
    "TooFewMembers": after(
        *(to_registry(OWNER, "revoke", index) for index in (1, 2, 3)),
        to_registry(OWNER, "renounceOwnership"),
    ),
    "TooManyKeys": after(rotations, to_registry(account(0), "rotate", KEY, 16, PROOF)),
    "TooManyMembers": after(fill, invite_70, enrol(KEY)),
    "TooManyRuns": after(detach, attach_more, own("attachRun")),
    "UnknownIndex": to_registry(OWNER, "revoke", 4),
    "ZeroKey": to_registry(account(0), "rotate", ZERO, 1, PROOF),
}
RUN: dict[str, Way] = {
    "AlreadyAttested": after(attempt_0, lambda s: s.attest(0), lambda s: s.attest(0)),
    "AlreadyCommitted": commits(0, 0),
    "AlreadyObjected": after(
        after(attempt_0, objection, lambda s: s.attest(0, 1)),  # in round 1 by right
        after(commits(0, 1, 2), objection, objection),
    ),
    "AlreadyPosted": after(attempt_0, lambda s: s.have(0), lambda s: s.have(0)),
    "BadSettings": lambda s: s.chain.deploy("SwarmRun", OWNER, settings(OWNER)),
    "EnrolledTooLate": after(commits(0, 1, 2), Swarm.enrol, commits(4)),
    "GenesisStands": lambda s: owner_sends(s, "genesis", ROOT),
    "MemberExcluded": after(lambda s: s.vote_fault(0, 1, 2, 3), to_run(0, "join")),
    "MemberRevoked": after(revoke_3, to_run(3, "join")),
    "NoGenesis": to_run(0, "commit", 1, 0, ROOT, 1, ZERO),
    "NotAllowed": to_run(0, "genesis", ROOT),
    "NotInRoster": after(attempt_0, to_run(3, "object", 1, 0)),
    "NotOptimistic": after(attempt_0, lambda s: s.object(0), lambda s: s.object(1)),
    "OnlyRegistry": to_run(0, "rosterChanged"),
    "OwnFault": to_run(0, "voteFault", 0, 1, 1, ROOT),
    "OwnableInvalidOwner": lambda s: owner_sends(s, "transferOwnership", bytes(20)),
    "OwnableUnauthorizedAccount": to_run(0, "renounceOwnership"),
    "RunIsFinished": after(*(to_run(peer, "voteStop") for peer in range(4))),
    "TooEarly": after(attempt_0, Swarm.next_attempt),
    "UnknownFault": to_run(0, "voteFault", 1, 3, 1, ROOT),
    "UnknownIndex": to_run(0, "voteFault", 4, 1, 1, ROOT),
    "UnknownRound": to_run(0, "voteFault", 1, 1, 2, ROOT),
    "WrongAttempt": after(attempt_0, to_run(0, "object", 1, 1)),
    "WrongBase": to_run(0, "commit", 1, 0, ROOT, 1, ROOT),
    "WrongInitRoot": lambda s: owner_sends(s, "genesis", ROOT),
    "WrongPhase": to_run(0, "object", 1, 0),
    "WrongRound": to_run(0, "object", 2, 0),
    "ZeroCommitment": to_run(0, "commit", 1, 0, ZERO, 1, GENESIS),
    "ZeroEvidence": to_run(0, "voteFault", 1, 1, 1, ZERO),
    "ZeroRoot": after(attempt_0, to_run(0, "attest", 1, 0, ZERO, ZERO)),
    "ZeroWeight": to_run(0, "commit", 1, 0, ROOT, 0, GENESIS),
}
# what a swarm must be for these, other than four peers in round 1
STARTS: dict[str, dict[str, object]] = {
    "NoGenesis": {"genesis": False},
    "NotAllowed": {"genesis": False},
    "WrongInitRoot": {"genesis": False, "initRoot": GENESIS},
}


@pytest.mark.parametrize(
    ("contract", "ways"),
    [("SwarmRegistry", REGISTRY), ("SwarmRun", RUN)],
    ids=lambda v: str(v)[:12],
)
def test_table__has_every_error_of_the_interface(contract: str, ways: dict[str, Way]) -> None:
    artifact = json.loads((ARTIFACTS / f"{contract}.json").read_text(encoding="utf-8"))
    assert {e["name"] for e in artifact["abi"] if e["type"] == "error"} == ways.keys()


@pytest.mark.parametrize(("error", "way"), REGISTRY.items(), ids=REGISTRY)
def test_registry__refuses_with_each_of_its_errors(
    swarm_of: Prepared, error: str, way: Way
) -> None:
    refused(error, way, swarm_of(4))


@pytest.mark.parametrize(("error", "way"), RUN.items(), ids=RUN)
def test_run__refuses_with_each_of_its_errors(swarm_of: Prepared, error: str, way: Way) -> None:
    refused(error, way, swarm_of(4, topology=1, **STARTS.get(error, {})))
