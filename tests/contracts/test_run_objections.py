"""Optimistic rounds and objections: who may, what counts, when the run is a mesh again."""

import pytest
from contract_swarm import (
    ATTEMPT,
    COMMIT,
    SEALED,
    VOID,
    Prepared,
    Swarm,
    bits,
    close_commit,
    refused,
)

SEVEN = range(7)  # f = 2: three objections are enough without a right


def commit(swarm: Swarm, *absent: int) -> int:
    """Everybody else commits, and COMMIT closes; returns the round's number."""
    swarm.commit(*(peer for peer in range(swarm.enrolled) if peer not in absent))
    if swarm.round()["phase"] == COMMIT:
        close_commit(swarm)
    return int(swarm.round()["round"])


def seal(swarm: Swarm) -> None:
    number = swarm.round()["round"]
    for peer in range(swarm.enrolled):
        if swarm.round()["round"] == number:
            swarm.attest(peer)
    assert swarm.round(number)["phase"] == SEALED


def objecting_round(swarm: Swarm, *peers: int) -> None:
    """A round with objections of these, which seals."""
    commit(swarm)
    for peer in peers:
        swarm.object(peer)
    seal(swarm)


def pass_rounds(swarm: Swarm, rounds: int) -> None:
    for _ in range(rounds):
        commit(swarm)
        seal(swarm)


# -- ROUND-044


@pytest.mark.parametrize("topology", [0, 1, 2])
def test_round__is_optimistic_from_its_close_unless_the_run_is_a_mesh(
    swarm_of: Prepared, topology: int
) -> None:
    swarm = swarm_of(4, topology=topology)
    swarm.commit(0, 1, 2)
    assert not swarm.round()["optimistic"]
    deadline = swarm.round()["commitDeadline"]
    swarm.chain.mine(deadline - swarm.chain.block)
    assert not swarm.round()["optimistic"]
    swarm.chain.mine()
    seen = swarm.round()  # the close is due and not yet written
    assert (seen["phase"], seen["optimistic"]) == (ATTEMPT, topology > 0)
    swarm.send(3, "join")
    assert swarm.round() == seen


def test_close_that_is_due__comes_before_the_vote_that_makes_a_mesh(swarm_of: Prepared) -> None:
    swarm = swarm_of(4, topology=1)
    swarm.commit(0, 1, 2)
    swarm.vote_fault(3, 0, 1, kind=2)
    in_commit = swarm.fork()
    in_commit.vote_fault(3, 2, kind=2)
    close_commit(in_commit)
    assert not in_commit.round()["optimistic"]
    close_commit(swarm)
    swarm.vote_fault(3, 2, kind=2)
    assert swarm.state()["meshUntil"] == 12
    assert swarm.round()["optimistic"]
    swarm.object(0)


def test_mesh__takes_no_objection(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    commit(swarm)
    refused("NotOptimistic", swarm.object, 0)


# -- ROUND-045


def test_objection__opens_attempt_one_at_once_with_the_same_roster(swarm_of: Prepared) -> None:
    swarm = swarm_of(5, topology=1)
    commit(swarm, 4)
    swarm.attest(0)
    swarm.have(1, 0, 1)
    swarm.revoke(3)  # it leaves with the next attempt that silence brings, not with this one
    swarm.chain.mine(2)
    receipt = swarm.object(0)  # though it attested
    assert receipt.events == (
        ("Objected", {"round": 1, "index": 0, "counts": True}),
        ("AttemptOpened", {"round": 1, "attempt": 1, "roster": bits(0, 1, 2, 3)}),
    )
    view = swarm.round()
    assert (view["attempt"], view["optimistic"], view["roster"]) == (1, True, bits(0, 1, 2, 3))
    assert (view["attestBits"], view["haveBits"], view["objectBits"]) == (0, 0, bits(0))
    assert view["startedBlock"] == swarm.chain.block
    assert view["exchangeDeadline"] == swarm.chain.block + 2 * 10
    refused("NotOptimistic", swarm.object, 1)
    swarm.attest(0, 1, 2)
    assert swarm.round(1)["phase"] == SEALED


def test_object__is_refused_unless_it_fits(swarm_of: Prepared) -> None:
    swarm = swarm_of(7, topology=2)
    refused("WrongPhase", swarm.object, 0)
    commit(swarm, 6)
    refused("NotInRoster", swarm.object, 6)
    refused("WrongRound", swarm.send, 0, "object", 2, 0)
    refused("WrongAttempt", swarm.send, 0, "object", 1, 1)
    refused("NotEnrolled", swarm.object, 9)
    swarm.revoke(5)
    refused("MemberRevoked", swarm.object, 5)
    swarm.object(0)
    seal(swarm)
    commit(swarm, 6, 5)
    swarm.object(0)
    assert refused("AlreadyObjected", swarm.object, 0) == ()


def test_right__is_used_once_in_ten_rounds(swarm_of: Prepared) -> None:
    swarm = swarm_of(7, topology=1)
    objecting_round(swarm, 0)
    for number in range(2, 11):
        assert commit(swarm) == number
        without = swarm.fork()
        assert without.object(0).events == (
            ("Objected", {"round": number, "index": 0, "counts": False}),
        )
        assert without.round()["attempt"] == 0
        assert without.round()["objectBits"] == bits(0)
        seal(swarm)
    assert commit(swarm) == 11
    swarm.object(0)
    assert swarm.round()["attempt"] == 1


def test_objection_without_a_right__uses_none(swarm_of: Prepared) -> None:
    swarm = swarm_of(7, topology=1)
    objecting_round(swarm, 0)
    pass_rounds(swarm, 7)
    objecting_round(swarm, 0)  # round 9, without
    pass_rounds(swarm, 1)
    commit(swarm)  # round 11: only round 1's counted, and that is ten rounds ago
    swarm.object(0)
    assert swarm.round()["attempt"] == 1


def test_objections_without_a_right__count_when_one_of_them_is_honest(swarm_of: Prepared) -> None:
    swarm = swarm_of(7, topology=1)
    for peer in (0, 1):
        objecting_round(swarm, peer)
    commit(swarm)
    swarm.object(0)
    swarm.object(1)
    assert swarm.round()["attempt"] == 0
    seal(swarm)
    assert swarm.state()["meshUntil"] == 0  # two members, however often they object
    commit(swarm)
    swarm.object(0)
    swarm.object(1)
    swarm.object(2)
    assert swarm.round()["attempt"] == 1
    assert swarm.state()["meshUntil"] == 4 + 11


def test_objections_of_a_round_with_fewer_enrolled__are_held_against_its_own_e(
    swarm_of: Prepared,
) -> None:
    swarm = swarm_of(7, topology=1)
    objecting_round(swarm, 0)
    swarm.revoke(6)  # E = 6, f = 1
    swarm.commit(*range(6))
    swarm.object(1)
    assert swarm.round()["attempt"] == 1
    assert swarm.state()["meshUntil"] == 2 + 11


# -- ROUND-046


def test_mesh__lasts_ten_rounds_and_rights_are_new_after_it(swarm_of: Prepared) -> None:
    swarm = swarm_of(4, topology=1)  # f = 1
    objecting_round(swarm, 0)
    objecting_round(swarm, 1)
    assert swarm.state()["meshUntil"] == 2 + 11
    for number in range(3, 13):
        assert commit(swarm) == number
        assert not swarm.round()["optimistic"]
        refused("NotOptimistic", swarm.object, 0)
        seal(swarm)
    commit(swarm)
    assert swarm.round()["optimistic"]
    swarm.object(0)
    assert swarm.state()["meshUntil"] == 13  # one member, for those before the renewal are out
    seal(swarm)
    commit(swarm)
    assert swarm.object(1).event_names == ["Objected", "AttemptOpened", "MeshUntil"]
    assert swarm.state()["meshUntil"] == 14 + 11


def test_doubt__is_forgotten_after_ten_rounds(swarm_of: Prepared) -> None:
    swarm = swarm_of(4, topology=1)
    objecting_round(swarm, 0)
    for number in range(2, 12):
        assert commit(swarm) == number
        second = swarm.fork()
        second.object(1)
        assert second.state()["meshUntil"] == (number + 11 if number <= 10 else 0)
        seal(swarm)


def test_doubt__is_counted_with_every_objection_whether_it_counts_or_not(
    swarm_of: Prepared,
) -> None:
    swarm = swarm_of(7, topology=1)  # f = 2
    objecting_round(swarm, 0)
    objecting_round(swarm, 1)
    commit(swarm)
    for peer in (0, 1):  # both without a right, and no third has doubted
        swarm.object(peer)
        assert (swarm.round()["attempt"], swarm.state()["meshUntil"]) == (0, 0)
    swarm.object(2)
    assert (swarm.round()["attempt"], swarm.state()["meshUntil"]) == (1, 3 + 11)


def test_renewal__gives_rights_to_those_who_object_later_in_the_round(swarm_of: Prepared) -> None:
    swarm = swarm_of(10, topology=1)  # f = 3: four make a mesh
    for peer in (0, 1, 2):
        objecting_round(swarm, peer)
    for leaver in (9, 8, 7):
        swarm.revoke(leaver)  # E = 7, f = 2: three make a mesh, and they are there
    commit(swarm, 7, 8, 9)
    assert swarm.object(0).event_names == ["Objected", "MeshUntil"]
    assert (swarm.round()["attempt"], swarm.state()["meshUntil"]) == (0, 4 + 11)
    assert swarm.object(1).event_names == ["Objected", "AttemptOpened"]  # by its new right
    assert swarm.state()["meshUntil"] == 4 + 11


# -- what follows in the round


def test_silence_in_an_optimistic_attempt__drops_the_silent_and_nobody_else(
    swarm_of: Prepared,
) -> None:
    swarm = swarm_of(5, topology=1)
    commit(swarm)
    for peer in range(4):
        swarm.have(peer, peer)  # in a mesh, nobody's update would be held by two
    mesh = swarm_of(5)
    commit(mesh)
    for peer in range(4):
        mesh.have(peer, peer)
    for each in (swarm, mesh):
        each.expire()
        each.next_attempt()
    assert mesh.round(1)["phase"] == VOID
    assert (swarm.round()["attempt"], swarm.round()["roster"]) == (1, bits(0, 1, 2, 3))
    for peer in range(4):
        swarm.have(peer, peer)
    swarm.expire()
    swarm.next_attempt()  # attempt 1 is a mesh
    assert swarm.round(1)["phase"] == VOID


def test_optimistic_attempt__seals_with_a_quorum_like_any_other(swarm_of: Prepared) -> None:
    swarm = swarm_of(4, topology=2)
    commit(swarm)
    aux = b"\x05" * 32
    swarm.attest(0, 1, 2, aux=aux)
    view = swarm.round(1)
    assert (view["phase"], view["optimistic"], view["sealedAux"]) == (SEALED, True, aux)
