"""The rules of a round one by one, and every refusal."""

from collections.abc import Callable

import pytest
from contract_chain import Chain, Reverted, account
from contract_swarm import (
    ATTEMPT,
    COMMIT,
    GENESIS,
    OWNER,
    SEALED,
    VOID,
    ZERO,
    Swarm,
    bits,
    digest,
    settings,
)

Prepared = Callable[..., Swarm]


def refused(error: str, call: Callable[..., object], *arguments: object) -> tuple[object, ...]:
    with pytest.raises(Reverted) as caught:
        call(*arguments)
    assert caught.value.name == error
    return caught.value.arguments


def owner_sends(swarm: Swarm, function: str, *arguments: object) -> None:
    swarm.chain.transact(OWNER, swarm.run, function, *arguments)


def close_commit(swarm: Swarm) -> None:
    swarm.chain.mine(swarm.round()["commitDeadline"] + 1 - swarm.chain.block)


# -- settings and genesis


def test_settings__come_back_as_deployed(swarm_of: Prepared) -> None:
    swarm = swarm_of(2, lastRound=9)
    given = swarm.chain.call(swarm.run, "settings")
    assert bytes.fromhex(given["registry"][2:]) == swarm.registry.address
    names = ("lastRound", "minPeers", "commitBlocks", "exchangeBlocks", "postBlocks", "depth")
    assert tuple(given[n] for n in names) == (9, 0, 4, 6, 2, 1)
    assert given["manifestHash"] == digest("manifest")


@pytest.mark.parametrize(
    "change",
    [
        {"manifestHash": ZERO},
        {"minPeers": 1},
        {"minPeers": 65},
        {"commitBlocks": 0},
        {"exchangeBlocks": 0},
        {"postBlocks": 0},
    ],
)
def test_settings__are_refused_out_of_range(change: dict[str, object]) -> None:
    chain = Chain()
    registry = chain.deploy("SwarmRegistry", OWNER)
    terms = settings(registry.address, **change)
    (field,) = refused("BadSettings", chain.deploy, "SwarmRun", OWNER, terms)
    assert str(field).startswith(next(iter(change)))


def test_settings__are_refused_without_a_registry() -> None:
    terms = settings(account(1))
    refused("BadSettings", Chain().deploy, "SwarmRun", OWNER, terms)


def test_genesis__opens_round_one_once_by_the_owner_alone(swarm_of: Prepared) -> None:
    swarm = swarm_of(2, genesis=False)
    assert (swarm.round()["round"], swarm.round()["openedBlock"]) == (1, 0)
    refused("NoGenesis", swarm.send, 0, "commit", 1, 0, GENESIS, 1, ZERO)
    refused("NotAllowed", swarm.send, 0, "genesis", GENESIS)
    refused("ZeroRoot", owner_sends, swarm, "genesis", ZERO)
    swarm.chain.mine(3)
    owner_sends(swarm, "genesis", GENESIS)
    assert swarm.state()["genesisRoot"] == swarm.round()["base"] == GENESIS
    assert swarm.round()["openedBlock"] == swarm.chain.block
    refused("GenesisStands", owner_sends, swarm, "genesis", GENESIS)


def test_genesis__is_for_any_live_member_if_the_manifest_fixes_it(swarm_of: Prepared) -> None:
    swarm = swarm_of(3, genesis=False, initRoot=GENESIS)
    swarm.revoke(2)
    refused("NotEnrolled", swarm.send, 9, "genesis", GENESIS)
    refused("MemberRevoked", swarm.send, 2, "genesis", GENESIS)
    refused("WrongInitRoot", swarm.send, 0, "genesis", digest("other"))
    refused("WrongInitRoot", owner_sends, swarm, "genesis", digest("other"))
    swarm.send(1, "genesis", GENESIS)
    assert swarm.state()["lastRoot"] == GENESIS


def test_genesis__is_refused_once_the_run_was_stopped(swarm_of: Prepared) -> None:
    swarm = swarm_of(2, genesis=False)
    swarm.send(0, "voteStop")
    swarm.send(1, "voteStop")
    refused("RunIsFinished", owner_sends, swarm, "genesis", GENESIS)


# -- COMMIT


def test_commit__is_refused_unless_it_fits(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    c = digest("c")
    refused("NotEnrolled", swarm.send, 9, "commit", 1, 0, c, 1, GENESIS)
    assert refused("WrongRound", swarm.send, 0, "commit", 2, 0, c, 1, GENESIS) == (1,)
    refused("WrongAttempt", swarm.send, 0, "commit", 1, 1, c, 1, GENESIS)
    assert refused("WrongBase", swarm.send, 0, "commit", 1, 0, c, 1, digest("x")) == (GENESIS,)
    refused("ZeroCommitment", swarm.send, 0, "commit", 1, 0, ZERO, 1, GENESIS)
    refused("ZeroWeight", swarm.send, 0, "commit", 1, 0, c, 0, GENESIS)
    swarm.send(0, "commit", 1, 0, c, 2**32 - 1, GENESIS)
    refused("AlreadyCommitted", swarm.send, 0, "commit", 1, 0, c, 1, GENESIS)
    swarm.commit(1, 2, 3)
    refused("WrongPhase", swarm.send, 0, "commit", 1, 0, c, 1, GENESIS)
    assert swarm.round()["weights"] == [2**32 - 1, 11, 12, 13]


def test_commit__runs_no_deadline_before_min_peers(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1)
    swarm.chain.mine(10_000)
    assert swarm.round()["phase"] == COMMIT
    assert swarm.round()["commitDeadline"] == 0
    swarm.commit(2)
    assert swarm.round()["frozenBlock"] == swarm.chain.block
    assert swarm.round()["commitDeadline"] == swarm.chain.block + 5


def test_commit__counts_in_the_deadlines_block_and_closes_in_the_next(swarm_of: Prepared) -> None:
    swarm = swarm_of(5)
    swarm.commit(0, 1, 2, 3)
    deadline = swarm.round()["commitDeadline"]
    in_time = swarm.fork()
    in_time.chain.mine(deadline - in_time.chain.block)
    in_time.commit(4)
    assert in_time.round()["roster"] == bits(0, 1, 2, 3, 4)
    swarm.chain.mine(deadline + 1 - swarm.chain.block)
    refused("WrongPhase", swarm.commit, 4)
    assert swarm.round()["roster"] == bits(0, 1, 2, 3)


def test_views__show_a_due_close_that_the_next_transaction_writes(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2)
    deadline = swarm.round()["commitDeadline"]
    swarm.chain.mine(50)
    seen = swarm.round()
    assert (seen["phase"], seen["closedBlock"]) == (ATTEMPT, deadline + 1)
    assert seen["exchangeDeadline"] == deadline + 1 + 7
    assert swarm.send(3, "join").event_names == ["CommitClosed", "Joined"]
    assert swarm.round() == seen


def test_commit__closes_early_when_all_active_have_committed(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2)
    assert swarm.round()["phase"] == COMMIT  # before the first seal everybody is active
    swarm.chain.mine(6)
    swarm.attest(0, 1)
    swarm.commit(0, 1, 2)
    assert swarm.round()["phase"] == ATTEMPT  # peer 3 was in neither of the last two rounds


def test_commit__does_not_close_early_after_a_void_round(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2, 3)
    swarm.expire()
    swarm.next_attempt()
    assert swarm.round(1)["phase"] == VOID
    swarm.commit(0, 1, 2, 3)
    assert swarm.round()["phase"] == COMMIT
    assert swarm.round()["commitDeadline"] == swarm.chain.block + 2 * 5


def test_enrolment__after_the_freeze_waits_for_the_next_round(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2)
    newcomer = swarm.enrol()
    refused("EnrolledTooLate", swarm.commit, newcomer)
    swarm.commit(3)
    view = swarm.round()
    assert (view["phase"], view["enrolled"], view["minPeers"]) == (ATTEMPT, 4, 3)


def test_revocation__of_the_last_one_waited_for_closes_commit(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2)
    swarm.revoke(3)
    assert swarm.round()["phase"] == ATTEMPT


def test_two_of_four_dead__the_round_goes_on_in_the_revocations_block(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1)
    swarm.chain.mine(1_500)
    swarm.revoke(2)
    assert (swarm.round()["enrolled"], swarm.round()["minPeers"]) == (3, 2)
    assert swarm.round()["frozenBlock"] == swarm.chain.block
    swarm.chain.mine()
    swarm.revoke(3)
    assert swarm.round()["closedBlock"] == swarm.chain.block
    assert swarm.round()["roster"] == bits(0, 1)
    swarm.attest(0, 1)
    assert swarm.state()["lastSealedRound"] == 1


def test_owner_minimum_two__is_raised_when_a_seventh_peer_enrols(swarm_of: Prepared) -> None:
    swarm = swarm_of(6, minPeers=2)
    assert swarm.round()["minPeers"] == 2
    swarm.enrol()
    assert swarm.round()["minPeers"] == 4
    swarm.commit(0, 1)  # two liars come first
    swarm.chain.mine(100)
    assert swarm.round()["phase"] == COMMIT
    swarm.commit(2, 3)
    assert swarm.round()["frozenBlock"] == swarm.chain.block


def test_one_peer_alone__cannot_close_or_seal_round_one(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0)
    swarm.chain.mine(1_000)
    refused("WrongPhase", swarm.send, 0, "attest", 1, 0, digest("mine"), ZERO)
    refused("WrongPhase", swarm.send, 0, "nextAttempt", 1, 0)


def test_slow_newcomer__is_waited_for_after_join_until_it_committed(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.seal_round(0, 1, 2, 3)
    newcomer = swarm.enrol()
    swarm.commit(0, 1, 2, 3)
    assert swarm.round()["phase"] == ATTEMPT  # it was too slow
    swarm.send(newcomer, "join")
    assert swarm.send(newcomer, "join").events == ()
    swarm.attest(0, 1, 2)
    swarm.commit(0, 1, 2, 3)
    assert swarm.round()["phase"] == COMMIT
    swarm.commit(newcomer)
    assert swarm.round()["roster"] == bits(0, 1, 2, 3, 4)
    swarm.attest(0, 1, 2, 3)
    assert swarm.state()["joinedBits"] == 0
    assert swarm.state()["activeBits"] == bits(0, 1, 2, 3, 4)


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
    assert last_post == swarm.chain.block + 7 + 3
    for peer in range(4):
        swarm.have(peer, 0, 1, 2, 3)
    swarm.chain.mine(last_post - swarm.chain.block)
    assert refused("TooEarly", swarm.next_attempt) == (last_post,)
    swarm.chain.mine()
    refused("NotEnrolled", swarm.next_attempt, 9)
    assert swarm.next_attempt(3).event_names == ["AttemptOpened"]
    view = swarm.round()
    assert (view["attempt"], view["haveBits"]) == (1, 0)
    assert view["exchangeDeadline"] == swarm.chain.block + 2 * 7


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
    assert lengths == [7, 14, 28, 56, 112, 112]
    swarm.commit(0, 1)
    close_commit(swarm)
    swarm.attest(0, 1)
    swarm.commit(0, 1)
    assert swarm.round()["exchangeDeadline"] == swarm.chain.block + 7


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
