"""Windows follow what rounds took: exact block numbers on a real EVM, one rule at a time."""

import pytest
from contract_swarm import ATTEMPT, COMMIT, SEALED, VOID, Prepared, Swarm, close_commit

EVERYBODY = (0, 1, 2, 3)


def averages(swarm: Swarm) -> tuple[int, int]:
    state = swarm.state()
    return state["commitAverage"], state["exchangeAverage"]


def windows(swarm: Swarm) -> tuple[int, int]:
    """Lengths of COMMIT and of the current attempt's EXCHANGE, in blocks."""
    view = swarm.round()
    commit = view["commitDeadline"] - view["frozenBlock"]
    return commit, view["exchangeDeadline"] - view["startedBlock"]


def go_to(swarm: Swarm, block: int) -> None:
    assert block >= swarm.chain.block
    swarm.chain.mine(block - swarm.chain.block)


def all_have(swarm: Swarm) -> None:
    for peer in EVERYBODY:
        swarm.have(peer, *EVERYBODY)


def fail_attempt(swarm: Swarm) -> None:
    """The next attempt opens with the same roster; after the last one the round is void."""
    all_have(swarm)
    swarm.expire()
    swarm.next_attempt()


def void_round(swarm: Swarm) -> None:
    """Everybody commits and nobody posts."""
    number = swarm.round()["round"]
    swarm.commit(*EVERYBODY)
    if swarm.round()["phase"] == COMMIT:
        close_commit(swarm)
    swarm.expire()
    swarm.next_attempt()
    assert swarm.round(number)["phase"] == VOID


def seal_after(swarm: Swarm, *, commits: int = 0, exchange: int = 0) -> tuple[int, int]:
    """Seal a round with so many blocks to the commits and so many more to the seal; its windows."""
    number = swarm.round()["round"]
    go_to(swarm, swarm.round()["openedBlock"] + commits)
    swarm.commit(*EVERYBODY)
    if swarm.round()["phase"] == COMMIT:
        close_commit(swarm)
    lengths = windows(swarm)
    go_to(swarm, swarm.round()["startedBlock"] + exchange)
    swarm.attest(0, 1, 2)
    assert swarm.round(number)["phase"] == SEALED
    return lengths


def test_first_windows__are_three_times_the_guess_and_the_depth(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    assert averages(swarm) == (2 * 256, 3 * 256)
    swarm.commit(*EVERYBODY)
    assert windows(swarm) == (1 + 6, 1 + 9)
    assert swarm.round()["lastPost"] == swarm.round()["exchangeDeadline"] + 1 + 2


def test_windows__fall_by_an_eighth_of_the_difference_with_every_seal(swarm_of: Prepared) -> None:
    swarm = swarm_of(4, commitBlocks=20, exchangeBlocks=20, lo=4, hi=100)
    seen = [(averages(swarm), seal_after(swarm, commits=5, exchange=2)) for _ in range(4)]
    assert seen == [
        ((5120, 5120), (1 + 60, 1 + 60)),
        ((4640, 4544), (1 + 54, 1 + 53)),
        ((4220, 4040), (1 + 49, 1 + 47)),
        ((3852, 3599), (1 + 45, 1 + 42)),
    ]
    assert averages(swarm) == (3530, 3213)


def test_late_server__does_not_drive_the_window_up(swarm_of: Prepared) -> None:
    # Peer 3 serves its update in the deadline's block, so nobody can seal before. Were that
    # learned, each window would be a quarter longer than the one before: in twelve rounds the
    # peer would have made every round wait for hi.
    swarm = swarm_of(4, hi=1000)
    for _ in range(12):
        length = seal_after(swarm, exchange=10)[1]
        assert length == 10
    assert averages(swarm)[1] == 3 * 256


def test_attestations__after_the_deadline_teach_no_more_than_at_it(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    seal_after(swarm, exchange=300)
    assert averages(swarm)[1] == 3 * 256


def test_late_committer__does_not_drive_the_window_up(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    seen = []
    for _ in range(3):
        swarm.commit(0, 1, 2)
        go_to(swarm, swarm.round()["commitDeadline"])
        swarm.commit(3)
        seen.append(windows(swarm)[0])
        swarm.attest(0, 1, 2)
    assert seen == [1 + 6, 1 + 5, 1 + 4]  # the third commit came at once


def test_slow_training__raises_the_commit_window_at_once(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    assert seal_after(swarm, commits=10) == (1 + 6, 1 + 9)
    assert averages(swarm)[0] == 3 * 256
    assert seal_after(swarm, commits=10_000)[0] == 1 + 9
    assert averages(swarm)[0] == (7 * 768 + 256 * 10_000) // 8
    assert seal_after(swarm)[0] == 1 + 40  # hi


def test_seal_of_attempt_one__raises_the_window(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(*EVERYBODY)
    fail_attempt(swarm)
    assert (swarm.round()["attempt"], averages(swarm)) == (1, (512, 768))
    assert windows(swarm)[1] == 2 * 10
    swarm.chain.mine(12)
    swarm.attest(0, 1, 2)
    assert averages(swarm)[1] == (7 * 768 + 12 * 256) // 8 == 1056
    assert seal_after(swarm)[1] == 1 + 12


def test_attempt_two__counts_from_its_own_first_block(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.commit(*EVERYBODY)
    fail_attempt(swarm)
    fail_attempt(swarm)
    assert (swarm.round()["attempt"], windows(swarm)[1]) == (2, 2 * 10)
    swarm.attest(0, 1, 2)
    assert averages(swarm)[1] == 7 * 768 // 8


def test_failed_attempts_and_void_rounds__teach_nothing(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    swarm.chain.mine(50)
    swarm.commit(*EVERYBODY)
    for attempt in range(3):
        assert swarm.round()["attempt"] == attempt
        fail_attempt(swarm)
        assert averages(swarm) == (512, 768)
    assert swarm.round(1)["phase"] == VOID
    void_round(swarm)
    assert averages(swarm) == (512, 768)


def test_seal_after_a_void_round__raises_the_window(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    void_round(swarm)
    assert seal_after(swarm, exchange=12) == (2 * 7, 2 * 10)
    assert averages(swarm)[1] == (7 * 768 + 12 * 256) // 8 == 1056
    assert seal_after(swarm, exchange=13)[1] == 1 + 12
    assert averages(swarm)[1] == 1056  # the round before was sealed again


def test_windows__double_per_void_round_and_again_in_later_attempts(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    for voids in range(6):
        swarm.commit(*EVERYBODY)
        if swarm.round()["phase"] == COMMIT:
            close_commit(swarm)
        times = 2 ** min(voids, 4)
        assert windows(swarm) == (times * 7, times * 10)
        assert swarm.round()["lastPost"] == swarm.round()["exchangeDeadline"] + 3
        for _ in range(2):
            fail_attempt(swarm)
            assert windows(swarm)[1] == 2 * times * 10
        fail_attempt(swarm)
    assert swarm.state()["consecutiveVoids"] == 6


@pytest.mark.parametrize(
    ("changes", "lengths"),
    [
        ({"lo": 12}, (1 + 12, 1 + 12)),
        ({"lo": 7}, (1 + 7, 1 + 9)),
        ({"hi": 8}, (1 + 6, 1 + 8)),
        ({"hi": 5}, (1 + 5, 1 + 5)),
        ({"lo": 4, "hi": 4, "depth": 0}, (4, 4)),
    ],
)
def test_windows__stay_within_lo_and_hi(
    swarm_of: Prepared, changes: dict[str, int], lengths: tuple[int, int]
) -> None:
    swarm = swarm_of(4, **changes)
    assert seal_after(swarm, commits=2, exchange=3) == lengths
    assert averages(swarm) == (512, 768)  # bounds are the windows', not the averages'


def test_windows__fall_to_lo_and_no_further(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    for _ in range(20):
        lengths = seal_after(swarm)
    assert lengths == (1 + 2, 1 + 2)
    assert averages(swarm)[1] < 2 * 256 // 3


def test_last_seal__teaches_too_so_that_the_views_are_of_all_rounds(swarm_of: Prepared) -> None:
    swarm = swarm_of(4, lastRound=1)
    seal_after(swarm, commits=1, exchange=1)
    assert swarm.state()["finished"]
    assert averages(swarm) == ((7 * 512 + 256) // 8, (7 * 768 + 256) // 8)


def test_views__show_the_window_of_a_due_close_with_the_average_of_now(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)
    seal_after(swarm, exchange=0)
    swarm.commit(0, 1, 2)
    deadline = swarm.round()["commitDeadline"]
    swarm.chain.mine(99)
    seen = swarm.round()
    assert (seen["phase"], seen["startedBlock"]) == (ATTEMPT, deadline + 1)
    assert seen["exchangeDeadline"] == deadline + 1 + 1 + 3 * 672 // 256
    swarm.send(3, "join")
    assert swarm.round() == seen
