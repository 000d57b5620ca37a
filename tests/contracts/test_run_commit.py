"""Settings, genesis and COMMIT, one rule and one refusal at a time."""

import pytest
from contract_chain import Chain, account
from contract_swarm import (
    ATTEMPT,
    COMMIT,
    GENESIS,
    OWNER,
    VOID,
    ZERO,
    Prepared,
    bits,
    close_commit,
    digest,
    owner_sends,
    refused,
    settings,
)

# -- settings and genesis


def test_settings__come_back_as_deployed(swarm_of: Prepared) -> None:
    swarm = swarm_of(2, lastRound=9, topology=2)
    given = swarm.chain.call(swarm.run, "settings")
    assert bytes.fromhex(given["registry"][2:]) == swarm.registry.address
    names = ("lastRound", "minPeers", "commitBlocks", "exchangeBlocks", "lo", "hi", "depth")
    names += ("topology",)
    assert tuple(given) == ("registry", "manifestHash", "initRoot", *names)
    assert tuple(given[n] for n in names) == (9, 0, 2, 3, 2, 40, 1, 2)
    assert given["manifestHash"] == digest("manifest")


@pytest.mark.parametrize(
    "change",
    [
        {"manifestHash": ZERO},
        {"minPeers": 1},
        {"minPeers": 65},
        {"commitBlocks": 0},
        {"exchangeBlocks": 0},
        {"lo": 0},
        {"lo": 0, "hi": 0},
        {"hi": 1},
        {"hi": 6, "lo": 7},
        {"commitBlocks": 2**20 + 1},
        {"exchangeBlocks": 2**20 + 1},
        {"hi": 2**20 + 1},
        {"hi": 2**20 + 1, "lo": 2**20 + 1},
        {"depth": 2**20 + 1},
        {"depth": 2**32 - 1},
        {"topology": 3},
        {"topology": 255},
    ],
)
def test_settings__are_refused_out_of_range(change: dict[str, object]) -> None:
    chain = Chain()
    registry = chain.deploy("SwarmRegistry", OWNER)
    terms = settings(registry.address, **change)
    (field,) = refused("BadSettings", chain.deploy, "SwarmRun", OWNER, terms)
    assert str(field).startswith(next(iter(change)))


def test_settings__at_their_limits_give_the_longest_window(swarm_of: Prepared) -> None:
    most = 2**20
    terms = {"commitBlocks": most, "exchangeBlocks": most, "hi": most, "depth": most}
    swarm = swarm_of(2, lo=most, **terms)
    for times in (1, 2, 4, 8, 16, 16):
        swarm.commit(0, 1)
        view = swarm.round()
        assert view["commitDeadline"] == swarm.chain.block + times * 2 * most
        if view["phase"] == COMMIT:
            close_commit(swarm)
        view = swarm.round()
        assert view["exchangeDeadline"] == swarm.chain.block + times * 2 * most
        assert view["lastPost"] == view["exchangeDeadline"] + 2 * most
        swarm.expire()
        swarm.next_attempt()


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
    assert swarm.round()["commitDeadline"] == swarm.chain.block + 7


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
    assert seen["exchangeDeadline"] == deadline + 1 + 10
    assert swarm.send(3, "join").event_names == ["CommitClosed", "Joined"]
    assert swarm.round() == seen


def test_commit__closes_early_when_all_active_have_committed(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2)
    assert swarm.round()["phase"] == COMMIT  # before the first seal everybody is active
    close_commit(swarm)
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
    assert swarm.round()["commitDeadline"] == swarm.chain.block + 2 * 7


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
