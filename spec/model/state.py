"""What the model's contract keeps: transactions, terms, one round, and a round that is over."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

COMMIT, ATTEMPT, SEALED, VOID = range(4)
OWNER = -1
GENESIS = "genesis"
LAST_ATTEMPT = 2
MAX_DOUBLINGS = 4  # to sixteen times
Body = tuple[str, str]  # (root, aux)


class Tx(NamedTuple):
    """A transaction; fields that its kind does not use keep their defaults."""

    kind: str
    sender: int
    round: int = 0
    attempt: int = 0
    base: str = ""
    body: Body = ("", "")
    held: frozenset[int] = frozenset()
    target: int = 0  # of a revocation


@dataclass(frozen=True)
class Terms:
    """What a run is deployed with: blocks and peers, 0 for none."""

    depth: int = 1
    lo: int = 8
    hi: int = 60
    first_guess: int = 4  # of both averages
    chosen_minimum: int = 0
    last_round: int = 0
    idle_blocks: int = 60  # of the mutant that voids idle rounds


@dataclass
class Round:
    """The current round; block numbers are 0 until the event."""

    number: int
    opened: int
    base: str
    phase: int = COMMIT
    attempt: int = 0
    frozen_block: int = 0
    electorate: frozenset[int] = frozenset()
    enrolled: int = 0
    min_peers: int = 0
    deadline: int = 0
    closed: int = 0
    started: int = 0
    exchange_deadline: int = 0
    last_post: int = 0
    ended: int = 0
    commits: frozenset[int] = frozenset()
    roster: tuple[int, ...] = ()
    attests: dict[int, Body] = field(default_factory=dict)
    haves: dict[int, frozenset[int]] = field(default_factory=dict)
    sealed: Body | None = None

    def clone(self) -> Self:
        """An independent copy."""
        return replace(self, attests=dict(self.attests), haves=dict(self.haves))


class Ended(NamedTuple):
    """One round that is over; `body` is None if it is void."""

    round: int
    body: Body | None
    attempt: int
    roster: tuple[int, ...]
    base: str
    block: int
