"""Fault votes (08-rounds.md, ROUND-047 to 049): who accused whom, and what was decided."""

import rounds

EQUIVOCATION, FALSE_SHARD = 1, 2


class Faults:
    def __init__(self):
        self.votes = {}  # (index, kind, round) -> who voted
        self.passed = set()
        self.excluded = set()
        self.barred = set()

    def add(self, voter, accusation, live):
        """Counts with each vote; says whether q(E) is reached, for the first time (ROUND-048)."""
        votes = self.votes.setdefault(accusation, set())
        votes.add(voter)
        if accusation in self.passed or len(votes & live) < rounds.quorum(len(live)):
            return False
        self.passed.add(accusation)
        index, kind, _ = accusation
        (self.excluded if kind == EQUIVOCATION else self.barred).add(index)
        return True
