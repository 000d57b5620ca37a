"""What members hold against others: objections to a round, and votes on a member's fault.

Bookkeeping of ROUND-045 to ROUND-049 only; `contract.py` carries out what follows from it.
"""

from dataclasses import dataclass, field

from swarmp2p.wire.registry import OBJECTION_ROUNDS


@dataclass
class Objections:
    """Who objected in which round, and whose right is used."""

    mesh_until: int = 0
    by_round: dict[int, set[int]] = field(default_factory=dict)
    renewed: int = 0  # objections up to this round count no more
    used: dict[int, int] = field(default_factory=dict)  # the round in which a right was used last

    def of(self, number: int) -> frozenset[int]:
        """Who objected in round `number`."""
        return frozenset(self.by_round.get(number, ()))

    def take(self, who: int, number: int, needed: int) -> bool:
        """One objection; whether it counts. `needed` is f(E) + 1."""
        here = self.by_round.setdefault(number, set())
        here.add(who)
        # ROUND-045: a right is used once in OBJECTION_ROUNDS rounds.
        last = self.used.get(who, 0)
        has_right = last <= max(self.renewed, number - OBJECTION_ROUNDS)
        if has_right:
            self.used[who] = number
        counts = has_right or len(here) >= needed
        # ROUND-046: so many different objectors renew all rights, after this one was judged.
        oldest = max(self.renewed, number - OBJECTION_ROUNDS) + 1
        lately: set[int] = set()
        for one in range(oldest, number + 1):
            lately |= self.by_round.get(one, set())
        if len(lately) >= needed:
            self.renewed = number
            self.mesh_until = number + OBJECTION_ROUNDS + 1
        return counts

    def barred(self, current: int, named: int) -> None:
        """ROUND-049: a reducer is barred in round `current` for what it did in round `named`."""
        self.mesh_until = max(self.mesh_until, current + OBJECTION_ROUNDS + 1)
        self.used = {who: last for who, last in self.used.items() if last != named}


@dataclass
class FaultVotes:
    """Votes by (index, kind, round), and which of them have passed."""

    votes: dict[tuple[int, int, int], set[int]] = field(default_factory=dict)
    passed: set[tuple[int, int, int]] = field(default_factory=set)

    def take(self, who: int, charge: tuple[int, int, int], live: set[int], needed: int) -> bool:
        """One vote; whether `needed` live ones stand behind the charge for the first time."""
        voters = self.votes.setdefault(charge, set())
        voters.add(who)
        if charge in self.passed or len(voters & live) < needed:
            return False
        self.passed.add(charge)
        return True
