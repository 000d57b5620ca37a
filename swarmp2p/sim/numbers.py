"""What a run's contract is built with, and the numbers that follow from it (spec/08-rounds.md)."""

from dataclasses import dataclass

ZERO = bytes(32)


@dataclass(frozen=True)
class ContractTerms:
    """What the contract is built with; blocks and peers. A `last_round` of 0: there is none.

    `commit_blocks` and `exchange_blocks` are first guesses, `lo` and `hi` bound a window.
    `topology` is 0 for mesh, 1 for sharded, 2 for leader.
    """

    last_round: int = 10
    min_peers: int = 0
    commit_blocks: int = 20
    exchange_blocks: int = 20
    lo: int = 4
    hi: int = 1200
    depth: int = 0
    init_root: bytes = ZERO
    topology: int = 0


def quorum(n: int) -> int:
    """q(n) = ceil(2n/3)."""
    return (2 * n + 2) // 3


def faulty(n: int) -> int:
    """f(n) = (n-1)//3, 0 for no peers."""
    return max(0, (n - 1) // 3)


def minimum(terms: ContractTerms, enrolled: int) -> int:
    """min_peers over E: the owner's or two thirds, never one that the faulty could fill."""
    wanted = terms.min_peers or max(2, quorum(enrolled))
    return max(wanted, 3 * faulty(enrolled) // 2 + 1)


def holders(enrolled: int) -> int:
    """How many posts must name an update so that it stays."""
    return max(2, faulty(enrolled) + 1)


def smallest_roster(min_peers: int, commits: int) -> int:
    """The least roster of attempts 1 and 2."""
    return max(min_peers, quorum(commits))
