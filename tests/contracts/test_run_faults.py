"""Fault votes: how they are counted, and what an exclusion and a bar bring about."""

import pytest
from contract_swarm import ATTEMPT, COMMIT, SEALED, Prepared, Swarm, bits, digest, refused

EVIDENCE = digest("proof")


def votes(swarm: Swarm, index: int, kind: int = 1, number: int = 1) -> tuple[int, bool]:
    bitmap, passed = swarm.chain.call(swarm.run, "faultVotes", index, kind, number)
    return bitmap, passed


def test_vote__is_refused_unless_it_fits(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)

    def vote(peer: int, *body: object) -> None:
        swarm.send(peer, "voteFault", *body)

    refused("NotEnrolled", vote, 9, 1, 1, 1, EVIDENCE)
    refused("OwnFault", vote, 1, 1, 1, 1, EVIDENCE)
    assert refused("UnknownIndex", vote, 0, 4, 1, 1, EVIDENCE) == (4,)
    refused("UnknownIndex", vote, 0, 2**255, 1, 1, EVIDENCE)
    for kind in (0, 3, 255):
        assert refused("UnknownFault", vote, 0, 1, kind, 1, EVIDENCE) == (kind,)
    for number in (0, 2, 2**64 - 1):
        assert refused("UnknownRound", vote, 0, 1, 1, number, EVIDENCE) == (number, 1)
    refused("ZeroEvidence", vote, 0, 1, 1, 1, bytes(32))
    swarm.revoke(3)
    refused("MemberRevoked", vote, 3, 1, 1, 1, EVIDENCE)
    vote(0, 3, 1, 1, EVIDENCE)  # the revoked may be accused
    assert votes(swarm, 3) == (bits(0), False)


def test_vote__is_kept_and_its_evidence_is_only_shown(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    receipt = swarm.send(2, "voteFault", 1, 2, 1, EVIDENCE)
    shown = {"accused": 1, "index": 2, "kind": 2, "round": 1, "evidence": EVIDENCE}
    assert receipt.events == (("FaultVoted", shown),)
    assert votes(swarm, 1, 2) == (bits(2), False)
    assert votes(swarm, 1, 1) == votes(swarm, 2, 2) == votes(swarm, 1, 2, 9) == (0, False)


def test_votes__count_for_the_same_accusation_alone(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.seal_round(0, 1, 2, 3)
    swarm.vote_fault(3, 0, 1)
    swarm.vote_fault(3, 2, kind=2)
    swarm.vote_fault(3, 2, number=2)
    swarm.vote_fault(2, 3, 1)
    state = swarm.state()
    assert (state["excludedBits"], state["barredBits"]) == (0, 0)
    assert swarm.vote_fault(3, 2).event_names == ["FaultVoted", "Excluded"]
    assert swarm.state()["excludedBits"] == bits(3)
    assert votes(swarm, 3) == (bits(0, 1, 2), True)


def test_second_vote__changes_nothing_but_counts_again(swarm_of: Prepared) -> None:
    swarm = swarm_of(5)  # q = 4
    for _ in range(3):
        swarm.vote_fault(4, 0)
    assert votes(swarm, 4) == (bits(0), False)
    swarm.vote_fault(4, 1, 2)
    swarm.revoke(3)  # now q = 3, and no vote has been counted since
    assert votes(swarm, 4) == (bits(0, 1, 2), False)
    assert swarm.vote_fault(4, 1).event_names == ["FaultVoted", "Excluded"]
    assert swarm.vote_fault(4, 1).event_names == ["FaultVoted"]


def test_votes_of_those_no_longer_live__do_not_count(swarm_of: Prepared) -> None:
    swarm = swarm_of(5)
    swarm.vote_fault(4, 0, 1)
    swarm.revoke(0)
    swarm.vote_fault(1, 2, 3, 4)  # q(4) = 3: excluded
    assert swarm.state()["excludedBits"] == bits(1)
    swarm.vote_fault(4, 2)  # q(3) = 2, and of three votes one counts
    assert votes(swarm, 4) == (bits(0, 1, 2), False)
    swarm.vote_fault(4, 3)
    assert votes(swarm, 4) == (bits(0, 1, 2, 3), True)


def test_e__includes_the_accused_if_it_is_live(swarm_of: Prepared) -> None:
    swarm = swarm_of(5)
    gone = swarm.fork()
    gone.revoke(4)
    for each, enough in ((swarm, 4), (gone, 3)):
        each.vote_fault(4, *range(enough - 1))
        assert not votes(each, 4)[1]
        each.vote_fault(4, enough - 1)
        assert votes(each, 4)[1]


# -- exclusion


def test_excluded_member__may_send_the_run_nothing_and_stays_enrolled(swarm_of: Prepared) -> None:
    swarm = swarm_of(4, genesis=False, initRoot=digest("genesis"))
    swarm.vote_fault(3, 0, 1, 2)
    for call in (
        ("genesis", digest("genesis")),
        ("join",),
        ("voteStop",),
        ("commit", 1, 0, EVIDENCE, 1, EVIDENCE),
        ("have", 1, 0, 1),
        ("attest", 1, 0, EVIDENCE, EVIDENCE),
        ("nextAttempt", 1, 0),
        ("object", 1, 0),
        ("voteFault", 0, 1, 1, EVIDENCE),
    ):
        assert refused("MemberExcluded", swarm.send, 3, *call) == (3,)
    state = swarm.state()
    assert (state["liveBits"], state["excludedBits"]) == (bits(0, 1, 2), bits(3))
    assert (state["activeBits"], state["memberCount"]) == (bits(0, 1, 2), 4)
    assert swarm.chain.call(swarm.registry, "liveBits") == bits(0, 1, 2, 3)
    swarm.rotate(3, 1)
    swarm.enrol()
    assert swarm.state()["liveBits"] == bits(0, 1, 2, 4)


def test_exclusion__recounts_commits_and_starts_the_clock(swarm_of: Prepared) -> None:
    swarm = swarm_of(5)  # min_peers 4; of four 3
    swarm.commit(0, 1, 2)
    swarm.chain.mine(30)
    swarm.vote_fault(4, 0, 1, 2)
    assert swarm.round()["commitDeadline"] == 0
    swarm.vote_fault(4, 3)
    view = swarm.round()
    assert (view["phase"], view["enrolled"], view["minPeers"]) == (COMMIT, 4, 3)
    assert view["frozenBlock"] == swarm.chain.block
    refused("MemberExcluded", swarm.commit, 4)


def test_exclusion__of_the_last_one_waited_for_closes_commit(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2)
    receipt = swarm.vote_fault(3, 0, 1, 2)
    assert receipt.event_names == ["FaultVoted", "Excluded", "CommitClosed"]
    view = swarm.round()
    assert (view["phase"], view["roster"], view["enrolled"]) == (ATTEMPT, bits(0, 1, 2), 4)


def test_exclusion__counts_stop_votes_first_while_no_deadline_runs(swarm_of: Prepared) -> None:
    swarm = swarm_of(5)
    for peer in (0, 1, 2):
        swarm.send(peer, "voteStop")  # q(5) = 4, q(4) = 3
    swarm.commit(0, 1, 2)
    receipt = swarm.vote_fault(4, 0, 1, 2, 3)
    assert receipt.event_names == ["FaultVoted", "Excluded", "Stopped", "Finished"]
    assert swarm.round()["frozenBlock"] == 0
    refused("RunIsFinished", swarm.vote_fault, 1, 0)


def test_stop_vote_of_the_excluded__does_not_count(swarm_of: Prepared) -> None:
    swarm = swarm_of(5)
    for peer in (4, 0, 1):
        swarm.send(peer, "voteStop")
    swarm.vote_fault(4, 0, 1, 2, 3)
    assert not swarm.state()["finished"]
    swarm.send(2, "voteStop")
    assert swarm.state()["stopped"]


def test_exclusion__while_a_close_is_due_comes_after_it(swarm_of: Prepared) -> None:
    swarm = swarm_of(5)
    swarm.commit(0, 1, 2, 3)
    deadline = swarm.round()["commitDeadline"]
    swarm.vote_fault(3, 0, 1, 2)
    swarm.chain.mine(deadline + 5 - swarm.chain.block)
    assert swarm.vote_fault(3, 4).event_names == ["CommitClosed", "FaultVoted", "Excluded"]
    assert swarm.round()["closedBlock"] == deadline + 1
    assert swarm.round()["roster"] == bits(0, 1, 2, 3)


def test_excluded_member_of_a_roster__leaves_with_the_next_attempt(swarm_of: Prepared) -> None:
    swarm = swarm_of(5)
    swarm.commit(*range(5))
    for peer in range(5):
        swarm.have(peer, *range(5))
    swarm.vote_fault(4, 0, 1, 2, 3)
    assert swarm.round()["roster"] == bits(*range(5))
    refused("MemberExcluded", swarm.attest, 4)
    swarm.expire()
    swarm.next_attempt()
    assert swarm.round()["roster"] == bits(0, 1, 2, 3)


def test_second_exclusion__changes_nothing(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.seal_round(0, 1, 2, 3)
    swarm.vote_fault(3, 0, 1, 2)
    before = swarm.chain.call(swarm.run, "snapshot")
    receipt = swarm.vote_fault(3, 0, 1, number=2)  # q(3) = 2
    assert receipt.event_names == ["FaultVoted"]
    assert votes(swarm, 3, 1, 2) == (bits(0, 1), True)
    assert swarm.chain.call(swarm.run, "snapshot") == before


def test_roster_changes__and_revocations_leave_the_excluded_out(swarm_of: Prepared) -> None:
    swarm = swarm_of(6)
    swarm.vote_fault(5, 0, 1, 2, 3)
    swarm.commit(0, 1, 2)  # E = 5: four are needed
    swarm.revoke(4)  # E = 4: three
    view = swarm.round()
    assert (view["enrolled"], view["minPeers"]) == (4, 3)
    assert view["frozenBlock"] == swarm.chain.block


# -- bars


def test_bar__makes_meshes_of_the_coming_rounds_and_takes_nothing_else(swarm_of: Prepared) -> None:
    swarm = swarm_of(4, topology=1)
    swarm.seal_round(0, 1, 2, 3)
    swarm.vote_fault(3, 0, 1, kind=2)
    assert swarm.vote_fault(3, 2, kind=2).event_names == ["FaultVoted", "Barred", "MeshUntil"]
    state = swarm.state()
    assert (state["barredBits"], state["excludedBits"]) == (bits(3), 0)
    assert (state["liveBits"], state["meshUntil"]) == (bits(0, 1, 2, 3), 2 + 11)
    swarm.seal_round(0, 1, 2, 3)
    view = swarm.round(2)
    assert (view["phase"], view["optimistic"], view["roster"]) == (SEALED, False, bits(0, 1, 2, 3))


def test_second_bar__moves_mesh_until_by_the_round_of_the_vote(swarm_of: Prepared) -> None:
    swarm = swarm_of(4, topology=1)
    swarm.vote_fault(3, 0, 1, 2, kind=2)
    assert swarm.state()["meshUntil"] == 12
    for _ in range(3):
        swarm.seal_round(0, 1, 2, 3)
    receipt = swarm.vote_fault(3, 0, 1, 2, kind=2, number=2)
    assert receipt.event_names == ["FaultVoted", "MeshUntil"]
    assert (swarm.state()["barredBits"], swarm.state()["meshUntil"]) == (bits(3), 4 + 11)
    swarm.vote_fault(2, 0, 1, 3, kind=2)  # in the same round: mesh_until stays
    assert (swarm.state()["barredBits"], swarm.state()["meshUntil"]) == (bits(2, 3), 4 + 11)


@pytest.mark.parametrize(("named", "attempt"), [(2, 1), (1, 0), (3, 0)])
def test_bar__gives_back_rights_of_the_round_the_votes_name(
    swarm_of: Prepared, named: int, attempt: int
) -> None:
    swarm = swarm_of(7, topology=1)
    swarm.seal_round(*range(7))
    swarm.commit(*range(7))
    swarm.object(0)  # round 2
    swarm.attest(0, 1, 2, 3, 4)
    swarm.commit(*range(7))  # round 3 is optimistic already, and stays so
    swarm.vote_fault(6, 1, 2, 3, 4, 5, kind=2, number=named)
    assert swarm.round()["optimistic"]
    swarm.object(0)
    assert swarm.round()["attempt"] == attempt
    assert swarm.round(2)["objectBits"] == bits(0)  # what was said stays said


def test_bar__gives_back_no_right_that_is_used_after_it(swarm_of: Prepared) -> None:
    swarm = swarm_of(7, topology=1)
    swarm.commit(*range(7))
    swarm.vote_fault(6, 1, 2, 3, 4, 5, kind=2)
    swarm.object(0)  # round 1, which the votes named
    assert swarm.round()["attempt"] == 1
    refused("NotOptimistic", swarm.object, 0)


def test_bar__leaves_who_doubted_counted(swarm_of: Prepared) -> None:
    swarm = swarm_of(7, topology=1)  # f = 2
    for peer in (0, 1):
        swarm.commit(*range(7))
        swarm.object(peer)
        swarm.attest(0, 1, 2, 3, 4)
    swarm.commit(*range(7))
    swarm.vote_fault(6, 1, 2, 3, 4, 5, kind=2)  # gives back peer 0's right
    assert swarm.state()["meshUntil"] == 3 + 11
    assert swarm.object(0).event_names == ["Objected", "AttemptOpened"]
    assert swarm.state()["meshUntil"] == 3 + 11


# -- the view


def test_views__have_their_fields_in_the_specs_order(swarm_of: Prepared) -> None:
    swarm = swarm_of(2)
    state, view = swarm.chain.call(swarm.run, "snapshot")
    assert " ".join(state) == (
        "genesisRoot round finished stopped lastSealedRound lastRoot consecutiveVoids activeBits "
        "joinedBits stopBits liveBits excludedBits barredBits memberCount commitAverage "
        "exchangeAverage meshUntil"
    )
    assert " ".join(view) == (
        "round phase attempt optimistic openedBlock frozenBlock commitDeadline closedBlock "
        "startedBlock exchangeDeadline lastPost endedBlock enrolled minPeers commitBits roster "
        "attestBits haveBits objectBits base sealedRoot sealedAux commitments weights "
        "attestRoots attestAux haves"
    )
