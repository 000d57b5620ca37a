"""The numbers of 08-rounds.md, "Numbers" and "Windows"."""

MAX_VOID_DOUBLING = 16


def quorum(n):
    """q(n): 2n/3 rounded up."""
    return (2 * n + 2) // 3


def faulty(n):
    """f(n): faulty peers that are tolerated. Of nobody, nobody is."""
    return max(0, (n - 1) // 3)


def least_commits(chosen, enrolled):
    """min_peers"""
    wanted = chosen if chosen != 0 else max(2, quorum(enrolled))
    return max(wanted, 3 * faulty(enrolled) // 2 + 1)


def holders(enrolled):
    return max(2, faulty(enrolled) + 1)


def smallest_roster(min_peers, commits):
    return max(min_peers, quorum(commits))


def doubling(consecutive_voids):
    return min(2 ** min(consecutive_voids, 4), MAX_VOID_DOUBLING)


def length(average, lo, hi):
    """ROUND-061"""
    return min(hi, max(lo, 3 * average // 256))


def numbers_operation(given):
    enrolled, n = given["enrolled"], given["n"]
    min_peers = least_commits(given["chosen"], enrolled)
    return {
        "quorum": quorum(n),
        "faulty": faulty(n),
        "min_peers": min_peers,
        "holders": holders(enrolled),
        "smallest_roster": smallest_roster(min_peers, given["commits"]),
    }


OPERATIONS = {"rounds.numbers": numbers_operation}
