"""The numbers of 08-rounds.md, and one switch for each rule that a mutant breaks."""

from dataclasses import dataclass

UNITS = 256  # averages count in 1/256 block, ROUND-061


@dataclass(frozen=True)
class Rules:
    """The text as it stands. Each switch turned off is one broken rule."""

    # rules of the contract
    quorum_rounds_up: bool = True  # q(n) = 2n/3 rounded up, ROUND-033
    holders_are_f_plus_one: bool = True  # and not q(n), ROUND-041
    tally_by_root_and_aux: bool = True  # ROUND-033
    early_close_needs_min_peers: bool = True  # and all are active before a seal, ROUND-016
    joiners_are_waited_for: bool = True  # ROUND-015, ROUND-016
    stop_votes_over_enrolled: bool = True  # and not over the active, ROUND-050
    votes_of_revoked_lapse: bool = True  # ROUND-050
    windows_include_depth: bool = True  # the timers of 08-rounds.md
    only_seals_teach: bool = True  # ROUND-062
    attempt_zero_only_lowers: bool = True  # ROUND-062
    doubling_is_capped: bool = True  # the timers of 08-rounds.md
    posts_have_time: bool = True  # last_post is after the exchange deadline, ROUND-040
    round_is_frozen: bool = True  # E, min_peers and who may commit, ROUND-014
    minimum_is_raised: bool = True  # min_peers is at least 3 f(E) / 2 + 1
    open_round_recounts: bool = True  # ROUND-013, ROUND-050
    no_idle_void: bool = True  # no deadline runs before min_peers, ROUND-013
    # rules of peers
    commit_after_opening_final: bool = True  # ROUND-010


TEXT = Rules()


def quorum(n: int, rules: Rules = TEXT) -> int:
    """q(n)."""
    return (2 * n + 2) // 3 if rules.quorum_rounds_up else max(1, 2 * n // 3)


def faulty_bound(n: int) -> int:
    """f(n)."""
    return max(0, (n - 1) // 3)


def least_commits(enrolled: int, chosen: int, rules: Rules = TEXT) -> int:
    """min_peers for E; `chosen` is the owner's number, 0 for the default."""
    wanted = chosen or max(2, -(-2 * enrolled // 3))
    raised = 3 * faulty_bound(enrolled) // 2 + 1
    return max(wanted, raised) if rules.minimum_is_raised else wanted


def holders(enrolled: int, roster: int, rules: Rules = TEXT) -> int:
    """How many posts must name an update so that it stays, ROUND-041."""
    if rules.holders_are_f_plus_one:
        return max(2, faulty_bound(enrolled) + 1)
    return quorum(roster, rules)


def smallest_roster(min_peers: int, commits: int) -> int:
    """The least roster of attempts 1 and 2, ROUND-042."""
    return max(min_peers, -(-2 * commits // 3))


def check_arithmetic(most: int = 64) -> None:
    """Raises ArithmeticError unless, for up to `most` peers, the numbers are what Security claims.

    The honest alone reach min_peers and every quorum; the faulty alone reach no quorum of any
    roster that the rules allow, whatever the owner chose.
    """
    for enrolled in range(2, most + 1):
        bound = faulty_bound(enrolled)
        if enrolled - bound < least_commits(enrolled, 0):
            raise ArithmeticError(f"of {enrolled}, the honest alone miss the default min_peers")
        for n in range(2, enrolled + 1):
            if n - faulty_bound(n) < quorum(n):
                raise ArithmeticError(f"of a roster of {n}, the honest alone miss the quorum")
            least = least_commits(enrolled, n)
            if any(quorum(roster) <= bound for roster in range(least, enrolled + 1)):
                raise ArithmeticError(f"{bound} faulty of {enrolled} seal alone, chosen: {n}")
