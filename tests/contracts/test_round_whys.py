"""Each *why* of the round rules on the real contract: where it is shown, and those shown here.

In test_run_attempts.py:
- a withholder that serves two of three stays and is relayed:
  `test_withholder__that_serves_two_of_three_stays_and_is_relayed`
- late attestations of attempt 0 seal: `test_late_attestations__still_seal_attempt_zero`
- a lying minority: `test_lying_minority__neither_seals_nor_stops_the_honest`
- q for n = 2 to 16, n peers really attesting: `test_seal__takes_exactly_the_quorum_of_the_roster`

In test_run_commit.py:
- one peer alone in round 1: `test_one_peer_alone__cannot_close_or_seal_round_one`
- two of four dead: `test_two_of_four_dead__the_round_goes_on_in_the_revocations_block`
- slow newcomers: `test_slow_newcomer__is_waited_for_after_join_until_it_committed`
- a seventh peer enrols: `test_owner_minimum_two__is_raised_when_a_seventh_peer_enrols`

In test_run_windows.py:
- a late server: `test_late_server__does_not_drive_the_window_up`

Here: a seventh peer that enrols in the middle of a round, no idle timer, a censored honest post, a
reorganisation between void and seal (with peers: test_model_replay.py), and q for n = 1.
"""

import re
from pathlib import Path

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
    digest,
    refused,
)

HERE = Path(__file__).parent


def test_list__names_tests_that_exist() -> None:
    sections = re.findall(r"In (\w+\.py):\n((?:[- ] .*\n)+)", __doc__ or "")
    named = [(file, test) for file, text in sections for test in re.findall(r"`(test_\w+)`", text)]
    assert len(named) == 9
    for file, test in named:
        assert f"def {test}(" in (HERE / file).read_text("utf-8")


def test_seventh_peer__that_enrols_in_a_round_changes_no_number_of_it(swarm_of: Prepared) -> None:
    swarm = swarm_of(6)
    swarm.commit(0, 1, 2, 3)  # min_peers: E = 6 and f = 1 are fixed here
    swarm.enrol()
    refused("EnrolledTooLate", swarm.commit, 6)
    swarm.commit(4, 5)
    view = swarm.round()
    assert (view["phase"], view["enrolled"], view["minPeers"]) == (ATTEMPT, 6, 4)
    for peer in range(5):  # peer 5 is silent
        swarm.have(peer, *range(5))
    swarm.expire()
    swarm.next_attempt()
    assert swarm.round()["roster"] == bits(*range(5))
    assert swarm.round()["minPeers"] == 4
    swarm.attest(0, 1, 2, 3)
    assert swarm.round(1)["phase"] == SEALED
    assert swarm.round()["minPeers"] == 5  # the next round counts seven


def test_update__that_two_hold_stays_though_a_seventh_peer_has_enrolled(swarm_of: Prepared) -> None:
    swarm = swarm_of(6)
    swarm.commit(*range(6))
    swarm.enrol()  # f(7) + 1 = 3 holders, f(6) + 1 = 2
    for peer in range(5):
        swarm.have(peer, 0, 1, 2, 3, 4)
    swarm.have(5, 5, *range(1))
    late = swarm.fork()
    swarm.expire()
    swarm.next_attempt()
    assert swarm.round()["roster"] == bits(0, 1, 2, 3, 4)  # update 5: its own post alone
    late.attest(0)  # and now a second one holds update 5
    late.expire()
    late.next_attempt()
    assert late.round()["roster"] == bits(*range(6))


def test_slow_training__cannot_be_voided_by_anybody(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(3)
    swarm.chain.mine(100_000)
    for peer in range(4):
        refused("WrongPhase", swarm.send, peer, "nextAttempt", 1, 0)
    assert swarm.round()["phase"] == COMMIT
    swarm.commit(0, 1, 2)
    assert swarm.round()["phase"] == ATTEMPT


def test_censored_post__lets_a_liar_expel_no_honest_peer_that_posts(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2, 3)
    swarm.attest(0)  # peer 3 served this one alone
    swarm.have(1, 0, 1, 2)
    swarm.have(3, 3)  # and names itself alone; the post of peer 2 is kept out
    swarm.expire()
    swarm.next_attempt()
    assert swarm.round()["roster"] == bits(0, 1, 3)  # held by two each; were it q, nobody stayed
    swarm.attest(0, 1)
    assert swarm.round(1)["phase"] == SEALED


def test_reorganisation__turns_a_void_round_into_a_sealed_one(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(0, 1, 2, 3)
    swarm.attest(0, 1)
    swarm.expire()
    other = swarm.fork()  # the branch on which the censored attest lands first
    swarm.next_attempt()
    assert swarm.round(1)["phase"] == VOID
    assert swarm.round()["base"] == GENESIS
    other.attest(2)
    refused("WrongRound", other.send, 3, "nextAttempt", 1, 0)
    assert other.round(1)["phase"] == SEALED
    # whoever committed to round 2 on the first branch, before it was final, named another base
    commitment = digest("commitment")
    assert refused("WrongBase", other.send, 0, "commit", 2, 0, commitment, 1, GENESIS) == (
        other.round()["base"],
    )
    swarm.send(0, "commit", 2, 0, commitment, 1, GENESIS)
    assert other.round()["base"] == other.round(1)["sealedRoot"] != GENESIS


@pytest.mark.parametrize("enrolled", [1, 2])
def test_one_peer__is_no_run(swarm_of: Prepared, enrolled: int) -> None:
    """q(1) is 1, and no roster has one member: min_peers is at least 2."""
    swarm = swarm_of(enrolled)
    swarm.commit(0)
    swarm.chain.mine(1_000)
    assert (swarm.round()["phase"], swarm.round()["minPeers"]) == (COMMIT, 2)
    refused("WrongPhase", swarm.send, 0, "attest", 1, 0, digest("mine"), ZERO)
