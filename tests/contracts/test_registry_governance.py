"""Who may invite, revoke, attach and detach: the owner, then those it has handed over to."""

import pytest
from contract_chain import Receipt, account
from contract_swarm import OWNER, Prepared, Swarm, bits, digest, refused, settings
from eth_utils.crypto import keccak

KEY = digest("a new key")


class Governed:
    """A registry of four, governed by its members: q(4) = 3."""

    def __init__(self, swarm: Swarm) -> None:
        self.swarm, self.chain, self.registry = swarm, swarm.chain, swarm.registry
        receipt = self.chain.transact(OWNER, self.registry, "renounceOwnership")
        assert receipt.event_names == ["OwnershipTransferred", "HandedOver"]

    def send(self, peer: int, function: str, *arguments: object) -> Receipt:
        return self.chain.transact(account(peer), self.registry, function, *arguments)

    def invite(self, peer: int, invited: int = 9, key: bytes = KEY) -> list[str]:
        return self.send(peer, "invite", account(invited), key).event_names

    def revoke(self, peer: int, index: int) -> list[str]:
        return self.send(peer, "revoke", index).event_names

    def id(self, function: str, *arguments: object) -> bytes:
        return keccak(self.registry.interface.encode_call(function, arguments))

    def votes(self, function: str, *arguments: object) -> int:
        bitmap: int = self.chain.call(self.registry, "votes", self.id(function, *arguments))
        return bitmap

    def live(self) -> int:
        bitmap: int = self.chain.call(self.registry, "liveBits")
        return bitmap


def other_registry(swarm: Swarm) -> bytes:
    """Address of another registry on the same chain."""
    return swarm.chain.deploy("SwarmRegistry", OWNER).address


@pytest.fixture
def four(swarm_of: Prepared) -> Governed:
    return Governed(swarm_of(4))


# -- the owner


def test_owner__governs_alone_and_members_have_no_vote(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    for function, arguments in (
        ("invite", (account(9), KEY)),
        ("attachRun", (swarm.run.address,)),
        ("detachRun", (swarm.run.address,)),
        ("renounceOwnership", ()),
        ("transferOwnership", (account(1),)),
    ):
        refused(
            "OwnableUnauthorizedAccount",
            swarm.chain.transact,
            account(0),
            swarm.registry,
            function,
            *arguments,
        )
    refused("NotAllowed", swarm.chain.transact, account(0), swarm.registry, "revoke", 1)


def test_new_owner__governs_in_the_place_of_the_one_that_named_it(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.chain.transact(OWNER, swarm.registry, "transferOwnership", account(50))
    refused("NotAllowed", swarm.revoke, 1)
    swarm.chain.transact(account(50), swarm.registry, "revoke", 1)
    assert swarm.chain.call(swarm.registry, "liveBits") == bits(0, 2, 3)


def test_hand_over__takes_two_members_that_are_not_revoked(swarm_of: Prepared) -> None:
    swarm = swarm_of(3)
    swarm.revoke(0)
    just = swarm.fork()
    Governed(just)
    swarm.revoke(2)
    arguments = refused(
        "TooFewMembers", swarm.chain.transact, OWNER, swarm.registry, "renounceOwnership"
    )
    assert arguments == (1,)
    swarm.chain.transact(OWNER, swarm.registry, "invite", account(9), KEY)  # it governs still


def test_hand_over__is_for_good(four: Governed) -> None:
    assert four.chain.call(four.registry, "owner") == "0x" + "00" * 20
    for function, arguments in (
        ("transferOwnership", (OWNER,)),
        ("renounceOwnership", ()),
    ):
        for sender in (OWNER, account(0)):
            refused(
                "OwnableUnauthorizedAccount",
                four.chain.transact,
                sender,
                four.registry,
                function,
                *arguments,
            )
    refused("NotEnrolled", four.swarm.revoke, 1)
    refused("NotEnrolled", four.chain.transact, OWNER, four.registry, "invite", account(9), KEY)


# -- votes


def test_call__takes_effect_with_the_vote_that_makes_the_quorum(four: Governed) -> None:
    assert four.invite(0) == ["Voted"]
    assert four.invite(2) == ["Voted"]
    assert four.votes("invite", account(9), KEY) == bits(0, 2)
    enrol = (account(9), four.registry, "enrol", KEY, 0, bytes(64), "")
    refused("NotInvited", four.chain.transact, *enrol)
    receipt = four.send(3, "invite", account(9), KEY)
    call = four.registry.interface.encode_call("invite", (account(9), KEY))
    assert receipt.events[0] == ("Voted", {"id": keccak(call), "index": 3, "callData": call})
    assert receipt.event_names == ["Voted", "Invited"]
    assert four.votes("invite", account(9), KEY) == 0
    four.chain.transact(*enrol)
    assert four.live() == bits(0, 1, 2, 3, 4)


def test_votes__are_for_exactly_one_call(four: Governed) -> None:
    four.invite(0)
    four.invite(1)
    for near in ((8, KEY), (9, digest("another key"))):
        assert four.invite(2, *near) == ["Voted"]
        assert four.votes("invite", account(near[0]), near[1]) == bits(2)
    four.revoke(0, 1)
    four.revoke(2, 1)
    assert four.revoke(3, 0) == ["Voted"]
    assert four.live() == bits(0, 1, 2, 3)


def test_second_vote__is_taken_and_counts_once(four: Governed) -> None:
    for _ in range(4):
        assert four.invite(0) == ["Voted"]
    assert four.votes("invite", account(9), KEY) == bits(0)


def test_votes_of_revoked_members__do_not_count(four: Governed) -> None:
    four.invite(3)
    four.invite(2)
    four.revoke(3, 3)  # one's own needs no vote; q(3) = 2
    assert four.votes("invite", account(9), KEY) == bits(2, 3)
    assert four.invite(0) == ["Voted", "Invited"]


def test_second_vote__takes_effect_when_members_have_become_fewer(four: Governed) -> None:
    four.invite(0)
    four.invite(1)
    four.revoke(3, 3)
    assert four.votes("invite", account(9), KEY) == bits(0, 1)  # nothing happens by itself
    assert four.invite(1) == ["Voted", "Invited"]


def test_votes__begin_anew_after_a_call_took_effect(four: Governed) -> None:
    run = four.swarm.run.address
    for event in ("RunDetached", "RunAttached", "RunDetached"):
        function = "detachRun" if event == "RunDetached" else "attachRun"
        for peer in (0, 1):
            assert four.send(peer, function, run).event_names == ["Voted"]
        assert four.send(2, function, run).event_names == ["Voted", event]
        assert four.votes(function, run) == 0
    assert four.chain.call(four.registry, "attachedRuns") == []


def test_vote__is_refused_where_the_call_would_be(four: Governed) -> None:
    four.revoke(3, 3)
    other = four.chain.deploy("SwarmRun", OWNER, settings(other_registry(four.swarm)))
    for error, function, arguments in (
        ("EmptyInvitation", "invite", (account(9), bytes(32))),
        ("EmptyInvitation", "invite", (bytes(20), KEY)),
        ("AlreadyEnrolled", "invite", (account(3), KEY)),
        ("AlreadyEnrolled", "invite", (account(9), digest("peer 3"))),
        ("AlreadyRevoked", "revoke", (3,)),
        ("UnknownIndex", "revoke", (4,)),
        ("NotARun", "attachRun", (account(1),)),
        ("NotARun", "attachRun", (other.address,)),
        ("AlreadyAttached", "attachRun", (four.swarm.run.address,)),
        ("NotAttached", "detachRun", (other.address,)),
    ):
        refused(error, four.send, 0, function, *arguments)
        assert four.votes(function, *arguments) == 0


def test_vote__is_for_members_that_are_not_revoked(four: Governed) -> None:
    four.revoke(3, 3)
    for sender, error in ((3, "AlreadyRevoked"), (9, "NotEnrolled")):
        refused(error, four.invite, sender)
        refused(error, four.revoke, sender, 0)
        refused(error, four.send, sender, "attachRun", four.swarm.run.address)
        refused(error, four.send, sender, "detachRun", four.swarm.run.address)
        refused(error, four.send, sender, "retract", bytes(32))


def test_revoke_by_votes__tells_the_runs(four: Governed) -> None:
    four.swarm.commit(0, 1, 2)
    four.revoke(0, 3)
    four.revoke(1, 3)
    assert four.revoke(2, 3) == ["Voted", "Revoked", "CommitClosed"]
    assert four.swarm.round()["roster"] == bits(0, 1, 2)


def test_retract__takes_back_the_senders_vote_alone(four: Governed) -> None:
    id_ = four.id("invite", account(9), KEY)
    four.invite(0)
    four.invite(1)
    receipt = four.send(0, "retract", id_)
    assert receipt.events == (("Retracted", {"id": id_, "index": 0}),)
    assert four.votes("invite", account(9), KEY) == bits(1)
    assert refused("NoVote", four.send, 0, "retract", id_) == (id_,)
    assert four.invite(2) == ["Voted"]
    assert four.invite(0) == ["Voted", "Invited"]
    refused("NoVote", four.send, 1, "retract", id_)  # it took effect


def test_last_two__need_each_other_and_the_last_one_nobody(swarm_of: Prepared) -> None:
    pair = Governed(swarm_of(2))
    assert pair.invite(0) == ["Voted"]
    pair.revoke(1, 1)
    assert pair.invite(0) == ["Voted", "Invited"]
