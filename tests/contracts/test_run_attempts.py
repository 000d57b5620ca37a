"""Attempts, seals, voids and the end of a run, one rule and one refusal at a time."""

import pytest
from contract_swarm import (
    ATTEMPT,
    COMMIT,
    GENESIS,
    SEALED,
    VOID,
    ZERO,
    Prepared,
    bits,
    close_commit,
    digest,
    refused,
)

# -- ATTEMPT


@pytest.mark.parametrize("n", range(2, 17))
def test_seal__takes_exactly_the_quorum_of_the_roster(swarm_of: Prepared, n: int) -> None:
    quorum = (0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9, 10, 10, 11)[n]
    swarm = swarm_of(n)
    swarm.commit(*range(n))
    swarm.attest(*range(quorum - 1))
    assert swarm.round()["phase"] == ATTEMPT
    receipt = swarm.attest(quorum - 1)
    assert receipt.event_names == ["Attested", "Sealed", "RoundOpened"]
    assert swarm.round(1)["phase"] == SEALED
    assert swarm.round()["base"] == swarm.state()["lastRoot"] == swarm.round(1)["sealedRoot"]


def test_attest_and_have__are_refused_unless_they_fit(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    root = digest("root")
    refused("WrongPhase", swarm.send, 0, "have", 1, 0, 1)
    swarm.commit(0, 1, 2)
    close_commit(swarm)
    for name, body in (("attest", (root, ZERO)), ("have", (1,))):
        refused("WrongRound", swarm.send, 0, name, 2, 0, *body)
        refused("WrongAttempt", swarm.send, 0, name, 1, 1, *body)
        refused("NotInRoster", swarm.send, 3, name, 1, 0, *body)
        refused("NotEnrolled", swarm.send, 8, name, 1, 0, *body)
    refused("ZeroRoot", swarm.send, 0, "attest", 1, 0, ZERO, ZERO)
    swarm.have(0, 0, 1)
    refused("AlreadyPosted", swarm.have, 0, 0, 1)
    swarm.attest(0)  # later completion is welcome
    refused("AlreadyAttested", swarm.attest, 0)
    refused("AlreadyAttested", swarm.have, 0, 0)


def test_have__keeps_only_bits_of_the_roster(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2)
    close_commit(swarm)
    swarm.send(1, "have", 1, 0, 2**256 - 1)
    assert swarm.round()["haves"] == [bits(0, 1, 2)]


def test_lying_minority__neither_seals_nor_stops_the_honest(swarm_of: Prepared) -> None:
    swarm = swarm_of(7)
    swarm.commit(*range(7))
    swarm.attest(5, 6, root="a lie")
    swarm.attest(0, 1, 2, 3)
    swarm.attest(4, aux=digest("aux"))  # another aux is another candidate
    assert swarm.round()["phase"] == ATTEMPT
    view = swarm.round()
    assert view["attestRoots"][5:] == [digest("a lie")] * 2
    assert view["attestAux"][4] == digest("aux")
    swarm.expire()
    swarm.next_attempt()
    swarm.attest(0, 1, 2, 3, 4)
    assert swarm.round(1)["sealedRoot"] == digest(f"merged 1 {bits(*range(7))}")


def test_seal__is_irrevocable_so_that_later_calls_for_its_round_fail(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.seal_round(0, 1, 2, 3)
    sealed = swarm.round(1)
    refused("WrongRound", swarm.send, 3, "attest", 1, 0, digest("other"), ZERO)
    refused("WrongRound", swarm.send, 3, "nextAttempt", 1, 0)
    swarm.chain.mine(500)
    assert swarm.round(1) == sealed


def test_late_attestations__still_seal_attempt_zero(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2, 3)
    for peer in (0, 1, 2):
        swarm.have(peer, 0, 1, 2)
    swarm.expire()
    swarm.attest(0, 1, 2)  # nobody called nextAttempt yet
    assert swarm.round(1)["attempt"] == 0
    assert swarm.round(1)["phase"] == SEALED


def test_next_attempt__waits_for_the_last_post_and_a_live_member(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2, 3)
    last_post = swarm.round()["lastPost"]
    assert last_post == swarm.chain.block + 10 + 3
    for peer in range(4):
        swarm.have(peer, 0, 1, 2, 3)
    swarm.chain.mine(last_post - swarm.chain.block)
    assert refused("TooEarly", swarm.next_attempt) == (last_post,)
    swarm.chain.mine()
    refused("NotEnrolled", swarm.next_attempt, 9)
    assert swarm.next_attempt(3).event_names == ["AttemptOpened"]
    view = swarm.round()
    assert (view["attempt"], view["haveBits"]) == (1, 0)
    assert view["exchangeDeadline"] == swarm.chain.block + 2 * 10


def test_withholder__that_serves_two_of_three_stays_and_is_relayed(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2, 3)
    swarm.attest(0, 1)  # peer 3 served these two
    swarm.have(2, 0, 1, 2)
    swarm.have(3, 3)
    swarm.expire()
    swarm.next_attempt()
    assert swarm.round()["roster"] == bits(0, 1, 2, 3)
    swarm.attest(0, 1, 2)
    assert swarm.round(1)["phase"] == SEALED


def test_next_roster__drops_the_silent_the_unheld_and_the_revoked(swarm_of: Prepared) -> None:
    swarm = swarm_of(7, minPeers=4)  # f(E) = 2: three posters must hold an update
    swarm.commit(*range(7))
    for peer in range(5):
        swarm.have(peer, 0, 1, 2, 3, 6)  # peer 6 is silent
    swarm.have(5, 4, 5)  # peer 4 is held by one, peer 5 by one
    swarm.expire()
    revoked = swarm.fork()
    swarm.next_attempt()  # 4 of 7, and ceil(14/3) = 5 are needed
    assert swarm.round(1)["phase"] == VOID
    revoked.have(6, *range(7))
    revoked.revoke(1)
    revoked.next_attempt()  # peers 0, 2, 3, 6
    assert revoked.round(1)["phase"] == VOID


def test_revoked_member__leaves_the_next_roster_and_may_not_post(swarm_of: Prepared) -> None:
    swarm = swarm_of(5)
    swarm.commit(*range(5))
    for peer in range(5):
        swarm.have(peer, *range(5))
    swarm.revoke(4)
    refused("MemberRevoked", swarm.attest, 4)
    swarm.expire()
    refused("MemberRevoked", swarm.next_attempt, 4)
    swarm.next_attempt()
    assert swarm.round()["roster"] == bits(0, 1, 2, 3)


def test_attempt_two__is_the_last_so_that_the_round_is_void(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2, 3)
    for _ in range(3):
        for peer in range(4):
            swarm.have(peer, 0, 1, 2, 3)
        swarm.expire()
        receipt = swarm.next_attempt()
    assert receipt.event_names == ["Voided", "RoundOpened"]
    assert swarm.round(1)["attempt"] == 2
    assert swarm.round()["base"] == GENESIS
    assert swarm.state()["consecutiveVoids"] == 1


def test_windows__double_per_void_round_sixteen_times_at_most(swarm_of: Prepared) -> None:
    swarm = swarm_of(2)
    lengths = []
    for _ in range(6):
        swarm.commit(0, 1)
        if swarm.round()["phase"] == COMMIT:
            close_commit(swarm)
        view = swarm.round()
        lengths.append(view["exchangeDeadline"] - view["startedBlock"])
        swarm.expire()
        swarm.next_attempt()
    assert lengths == [10, 20, 40, 80, 160, 160]  # and a void round teaches nothing
    swarm.commit(0, 1)
    close_commit(swarm)
    swarm.attest(0, 1)
    swarm.commit(0, 1)
    # sealed in the attempt's first block: 3 blocks on average become 21/8, three times that is 7
    assert swarm.round()["exchangeDeadline"] == swarm.chain.block + 1 + 7


# -- the end


def test_last_round__finishes_the_run_when_it_or_a_later_round_seals(swarm_of: Prepared) -> None:
    swarm = swarm_of(2, lastRound=2)
    swarm.seal_round(0, 1)
    swarm.commit(0, 1)
    swarm.expire()
    swarm.next_attempt()  # round 2 is void
    assert not swarm.state()["finished"]
    swarm.commit(0, 1)
    close_commit(swarm)
    assert swarm.attest(0, 1).event_names == ["Attested", "Sealed", "Finished"]
    state = swarm.state()
    assert (state["finished"], state["stopped"], state["round"]) == (True, False, 3)
    assert swarm.round()["phase"] == SEALED
    for call in (("join",), ("voteStop",), ("have", 3, 0, 1), ("nextAttempt", 3, 0)):
        refused("RunIsFinished", swarm.send, 0, *call)
    swarm.revoke(0)  # a finished run does not stand in a revocation's way


def test_stop_votes__stop_an_open_round_at_once(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.send(0, "voteStop")
    assert swarm.send(0, "voteStop").events == ()
    swarm.send(1, "voteStop")
    assert not swarm.state()["finished"]
    assert swarm.send(2, "voteStop").event_names == ["StopVoted", "Stopped", "Finished"]
    assert swarm.state()["stopped"]


def test_stop_votes__wait_for_the_rounds_end_while_a_deadline_runs(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2)
    for peer in (0, 1, 2):
        swarm.send(peer, "voteStop")
    assert not swarm.state()["finished"]
    swarm.commit(3)
    swarm.attest(0, 1)
    assert swarm.attest(2).event_names == ["Attested", "Sealed", "Stopped", "Finished"]
    assert swarm.state()["lastSealedRound"] == 1


def test_stop_votes__are_recounted_when_the_enrolled_become_fewer(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.send(0, "voteStop")
    swarm.send(1, "voteStop")
    assert swarm.revoke(3).event_names == ["Revoked", "Stopped", "Finished"]


def test_stop_votes__count_only_the_enrolled(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.send(0, "voteStop")
    swarm.send(1, "voteStop")
    swarm.revoke(0)
    assert not swarm.state()["finished"]


def test_roster_changed__is_for_the_registry_alone(swarm_of: Prepared) -> None:
    refused("OnlyRegistry", swarm_of(2).send, 0, "rosterChanged")


def test_round_view__refuses_a_round_that_was_not_opened(swarm_of: Prepared) -> None:
    swarm = swarm_of(2)
    refused("UnknownRound", swarm.round, 0)
    assert refused("UnknownRound", swarm.round, 2) == (2, 1)
