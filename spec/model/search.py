"""Every move an adversary has in attempts 0 to 2 after COMMIT, for rosters of two to five.

Peers 0 to honest - 1 are honest, the rest faulty; a crash is a faulty peer that goes silent. After
healing every honest peer gets, before the exchange deadline, each update that some honest peer
held when the attempt began (ROUND-024). The adversary chooses whom each faulty peer serves (never,
early, late), what it posts (nothing, any bitmap, the right root, a wrong root, a wrong aux), and up
to `censored` honest transactions. Before healing any set of transfers and transactions is lost.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, permutations, product
from typing import NamedTuple

from model.rules import Rules, faulty_bound, holders, quorum, smallest_roster

ATTEMPTS = 3
# What a peer posts, and the bitmap that it amounts to.
Post = tuple[str, int]
Trace = tuple[str, ...]


class Case(NamedTuple):
    """One roster of attempt 0: how many committed, and of what run."""

    commits: int
    faulty: int
    enrolled: int
    min_peers: int
    censored: int = 0  # honest transactions that an attempt may lose after healing
    unhealed: int = 0  # attempts before healing

    @property
    def honest(self) -> int:
        """Peers that committed and are honest."""
        return self.commits - self.faulty


class State(NamedTuple):
    """Before an attempt: the roster, and what each honest peer holds, as bitmaps."""

    attempt: int
    roster: int
    holds: tuple[int, ...]


class Row(NamedTuple):
    """One honest peer in one attempt: what it holds at the deadline, and at the end."""

    claim: int
    held: int


@dataclass
class Found:
    """What a search saw."""

    states: int = 0
    transitions: int = 0
    sealed: Counter[int] = field(default_factory=Counter)  # by attempt
    voids: int = 0
    violations: dict[str, Trace] = field(default_factory=dict)  # the shortest trace of each


@dataclass(frozen=True)
class Move:
    """One choice of the adversary in one attempt, and what honest peers post under it."""

    state: State
    members: tuple[int, ...]  # honest and in the roster
    rows: tuple[Row, ...]  # of the members
    lost: frozenset[int]  # members whose transactions do not land
    posts: tuple[tuple[int, Post], ...]  # of the faulty in the roster

    def honest_claims(self) -> list[tuple[int, int]]:
        """(peer, bitmap) of the honest posts that land."""
        both = zip(self.members, self.rows, strict=True)
        return [(peer, row.claim) for peer, row in both if peer not in self.lost]

    def count(self, kind: str) -> int:
        """Faulty posts of one kind."""
        return sum(post[0] == kind for _, post in self.posts)

    def words(self, result: str) -> str:
        """The move and its result, for a trace."""
        claims = [f"{peer} has {names(claim)}" for peer, claim in self.honest_claims()]
        line = f"attempt {self.state.attempt}, roster {names(self.state.roster)}: honest claims "
        line += "; ".join(claims) or "none"
        if self.lost:
            line += f"; lost: {sorted(self.lost)}"
        for peer, (kind, claim) in self.posts:
            line += f"; faulty {peer} posts {kind}" + (f" {names(claim)}" if kind == "have" else "")
        return f"{line} -> {result}"


def names(mask: int) -> str:
    """A bitmap as the set of its peers."""
    return "{" + ", ".join(str(i) for i in range(mask.bit_length()) if mask >> i & 1) + "}"


class Search:
    """One case under some rules; `run` fills `found`."""

    def __init__(self, case: Case, rules: Rules) -> None:
        self.case, self.rules, self.found = case, rules, Found()
        self.floor = smallest_roster(case.min_peers, case.commits)
        self.bound = faulty_bound(case.enrolled)

    def run(self) -> Found:
        """Breadth first, attempt by attempt; honest peers are interchangeable."""
        everyone = (1 << self.case.commits) - 1
        first = State(0, everyone, tuple(1 << i for i in range(self.case.honest)))
        frontier: dict[State, Trace] = {first: ()}
        for _ in range(ATTEMPTS):
            following: dict[State, Trace] = {}
            for state, trace in frontier.items():
                self.found.states += 1
                for after, words in self._expand(state, trace).items():
                    following.setdefault(self._canonical(after), (*trace, words))
            frontier = following
        return self.found

    def _canonical(self, state: State) -> State:
        """The least of the states that are equal but for the honest peers' numbers."""

        def moved(mask: int, place: dict[int, int]) -> int:
            peers = (i for i in range(self.case.commits) if mask >> i & 1)
            return sum(1 << place.get(i, i) for i in peers)

        candidates = []
        for order in permutations(range(self.case.honest)):
            place = {old: new for new, old in enumerate(order)}
            holds = tuple(moved(state.holds[old], place) for old in order)
            candidates.append(State(state.attempt, moved(state.roster, place), holds))
        return min(candidates)

    # -- the adversary's choices

    def _moves(self, state: State) -> Iterator[Move]:
        case, roster = self.case, state.roster
        members = tuple(i for i in range(case.honest) if roster >> i & 1)
        faulty = [w for w in range(case.honest, case.commits) if roster >> w & 1]
        healed = state.attempt >= case.unhealed
        rows = self._healed(state, members, faulty) if healed else self._unhealed(state, members)
        most = case.censored if healed else len(members)
        lost = [frozenset(c) for k in range(most + 1) for c in combinations(members, k)]
        posts = [
            tuple(zip(faulty, chosen, strict=True))
            for chosen in product(list(faulty_posts(roster)), repeat=len(faulty))
        ]
        for chosen_rows in product(*rows):
            for chosen_lost in lost:
                for chosen_posts in posts:
                    yield Move(state, members, chosen_rows, chosen_lost, chosen_posts)

    def _healed(self, state: State, members: tuple[int, ...], faulty: list[int]) -> list[list[Row]]:
        """For each member what may become of its holdings after healing."""
        known = 0
        for i in members:
            known |= state.holds[i] | 1 << i
        choices = []
        for i in members:
            start = (state.holds[i] | known) & state.roster
            rows = set()
            for served in product(("never", "early", "late"), repeat=len(faulty)):
                both = list(zip(faulty, served, strict=True))
                early = start | sum(1 << w for w, when in both if when == "early")
                late = early | sum(1 << w for w, when in both if when == "late")
                # who completes in the end attests, ROUND-031
                rows.add(Row(state.roster if late == state.roster else early, late))
            choices.append(sorted(rows))
        return choices

    def _unhealed(self, state: State, members: tuple[int, ...]) -> list[list[Row]]:
        choices = []
        for i in members:
            missing = [
                j
                for j in range(self.case.commits)
                if state.roster >> j & 1 and not state.holds[i] >> j & 1
            ]
            rows = set()
            for size in range(len(missing) + 1):
                for extra in combinations(missing, size):
                    got = state.holds[i] & state.roster | sum(1 << j for j in extra)
                    rows.add(Row(got, got))
            choices.append(sorted(rows))
        return choices

    # -- what follows

    def _expand(self, state: State, trace: Trace) -> dict[State, str]:
        """The states that an attempt without a seal leads to, each with one way there."""
        after: dict[State, str] = {}
        for move in self._moves(state):
            self.found.transitions += 1
            if self._seals(move, trace):
                continue
            roster = self._next_roster(move)
            self._look_for_expelled(move, roster, trace)
            small = roster.bit_count() < self.floor
            if small or state.attempt == ATTEMPTS - 1:
                self.found.voids += 1
                self._look_at_void(move, roster, trace)
                continue
            if self._promised(state) and state.attempt > self.case.unhealed:
                self._note("not sealed one attempt after healing", trace, move, "goes on")
            holds = list(state.holds)
            for peer, row in zip(move.members, move.rows, strict=True):
                holds[peer] = row.held
            new = State(state.attempt + 1, roster, tuple(holds))
            if new not in after:
                after[new] = move.words(f"new roster {names(roster)}")
        return after

    def _note(self, kind: str, trace: Trace, move: Move, result: str) -> None:
        old = self.found.violations.get(kind)
        if old is None or len(trace) + 1 < len(old):
            self.found.violations[kind] = (*trace, move.words(result))

    def _seals(self, move: Move, trace: Trace) -> bool:
        """Whether somebody reaches q(n), ROUND-033, and whether it may."""
        need = quorum(move.state.roster.bit_count(), self.rules)
        honest = sum(claim == move.state.roster for _, claim in move.honest_claims())
        right, wrong = honest + move.count("right"), move.count("wrong root")
        aux = move.count("wrong aux")
        mixed = 0 if self.rules.tally_by_root_and_aux or not aux else right + aux
        if wrong >= need:
            self._note("a wrong root was sealed", trace, move, "sealed")
        elif aux >= need or mixed >= need:
            self._note("an aux was sealed that no honest peer computed", trace, move, "sealed")
        elif right >= need:
            self.found.sealed[move.state.attempt] += 1
            if not honest:
                kind = "a root was sealed that no honest full holder computed"
                self._note(kind, trace, move, "sealed")
        return max(wrong, aux, mixed, right) >= need

    def _next_roster(self, move: Move) -> int:
        """ROUND-041."""
        posted = [(w, claim) for w, (kind, claim) in move.posts if kind != "silent"]
        claims = dict(move.honest_claims() + posted)
        need = holders(self.case.enrolled, move.state.roster.bit_count(), self.rules)
        return sum(
            1 << peer
            for peer in claims
            if sum(claim >> peer & 1 for claim in claims.values()) >= need
        )

    def _look_for_expelled(self, move: Move, roster: int, trace: Trace) -> None:
        healed = move.state.attempt >= self.case.unhealed
        vouching = len(move.members) - len(move.lost)  # each holds every honest update then
        if not healed or vouching <= self.bound:
            return
        for peer in move.members:
            if peer not in move.lost and not roster >> peer & 1:
                kind = "an honest peer was expelled though f(E)+1 honest posts name its update"
                self._note(kind, trace, move, f"{peer} leaves")

    def _promised(self, state: State) -> bool:
        """Whether the round must seal by the attempt after this one."""
        few = self.case.faulty <= faulty_bound(self.case.commits)
        return state.attempt >= self.case.unhealed and not self.case.censored and few

    def _look_at_void(self, move: Move, roster: int, trace: Trace) -> None:
        """With every honest peer in the roster and f(n0) faulty, a healed round is not void."""
        whole = self.case.honest >= self.case.enrolled - self.case.faulty
        if self._promised(move.state) and not self.case.unhealed and whole:
            kind = "void after healing with at most f(n0) faulty"
            self._note(kind, trace, move, f"void, new roster {names(roster)}")


def faulty_posts(roster: int) -> Iterator[Post]:
    """Everything that one faulty peer can post."""
    yield from (("silent", 0), ("right", roster), ("wrong root", roster), ("wrong aux", roster))
    claim = roster
    while claim:
        yield ("have", claim)
        claim = (claim - 1) & roster
    yield ("have", 0)
