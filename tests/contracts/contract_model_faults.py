"""Objections and fault votes as the text tells them: kept one by one, looked through each time."""

from dataclasses import dataclass

from swarmp2p.wire.registry import OBJECTION_ROUNDS


@dataclass
class Objection:
    number: int  # of its round
    sender: int
    right: bool  # a right was used for it, and neither given back nor renewed
    doubts: bool = True  # counts towards mesh_until


class Objections:
    def __init__(self) -> None:
        self.made: list[Objection] = []

    def add(self, number: int, sender: int) -> bool:
        """Whether the objection uses a right."""
        spent = any(o.right and o.sender == sender for o in self._before(number))
        self.made.append(Objection(number, sender, right=not spent))
        return not spent

    def of_round(self, number: int) -> set[int]:
        return {o.sender for o in self.made if o.number == number}

    def doubters(self, number: int) -> set[int]:
        now = [o for o in self.made if o.number == number]
        return {o.sender for o in [*self._before(number), *now] if o.doubts}

    def renew(self) -> None:
        for objection in self.made:
            objection.right = objection.doubts = False

    def give_back(self, number: int) -> None:
        for objection in self.made:
            if objection.number == number:
                objection.right = False

    def _before(self, number: int) -> list[Objection]:
        return [o for o in self.made if number - OBJECTION_ROUNDS < o.number < number]


Fault = tuple[int, int, int]  # (accused, kind, round)


class FaultVotes:
    def __init__(self) -> None:
        self.votes: dict[Fault, set[int]] = {}
        self.passed: set[Fault] = set()

    def cast(self, fault: Fault, sender: int) -> set[int]:
        """Everybody who voted for the same so far."""
        self.votes.setdefault(fault, set()).add(sender)
        return self.votes[fault]
