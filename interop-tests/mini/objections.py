"""Who may object, and what objections bring about (08-rounds.md, Objections: ROUND-044 to 046)."""

OBJECTION_ROUNDS = 10
MESH = 0


class Objections:
    """The book of a run. It is told the round; it knows neither roster nor phase."""

    def __init__(self, topology):
        self.topology = topology
        self.mesh_until = 0
        self.by_round = {}  # round -> who objected in it, with a right or without
        self.used = set()  # (index, round) of rights used and not given back
        self.renewed = 0  # the round of the last renewal

    def optimistic(self, round_number):
        """ROUND-044, for a round whose COMMIT closes now."""
        return self.topology != MESH and round_number >= self.mesh_until

    def objected(self, round_number):
        return self.by_round.get(round_number, set())

    def has_right(self, index, round_number):
        """ROUND-045: none used in the rounds before this one that still count."""
        first = max(round_number - (OBJECTION_ROUNDS - 1), self.renewed + 1)
        return all((index, n) not in self.used for n in range(first, round_number))

    def add(self, index, round_number, needed):
        """One objection of `needed` = f(E) + 1; says whether it counts (ROUND-045, ROUND-046)."""
        right = self.has_right(index, round_number)
        if right:
            self.used.add((index, round_number))
        self.by_round.setdefault(round_number, set()).add(index)
        counts = right or len(self.objected(round_number)) >= needed
        if len(self.lately(round_number)) >= needed:
            self.mesh_from(round_number)
            self.renewed = round_number
        return counts

    def lately(self, round_number):
        """ROUND-046: who objected in this round and those before it, after the last renewal."""
        first = max(round_number - (OBJECTION_ROUNDS - 1), self.renewed + 1)
        return set().union(*(self.objected(n) for n in range(first, round_number + 1)))

    def mesh_from(self, round_number):
        """ROUND-046, ROUND-049: the rounds after this one are mesh, as many as OBJECTION_ROUNDS."""
        self.mesh_until = max(self.mesh_until, round_number + OBJECTION_ROUNDS + 1)

    def give_back(self, round_number):
        """ROUND-049"""
        self.used = {(index, n) for index, n in self.used if n != round_number}
