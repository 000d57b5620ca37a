"""The rules of one round after another, as plainly as can be, for comparison with the EVM.

Blocks are stepped one by one, so that phases change when they fall due and not, as in the
contract, when somebody next calls. Peers are numbers. A refused call returns the error's name.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from contract_model_faults import Fault, FaultVotes, Objections

from swarmp2p.wire.registry import OBJECTION_ROUNDS

COMMIT, ATTEMPT, SEALED, VOID = range(4)
Body = tuple[bytes, bytes]  # (root, aux)


def quorum(n: int) -> int:
    return -(-2 * n // 3)


def faulty_bound(n: int) -> int:
    return max(0, (n - 1) // 3)


def least_commits(enrolled: int, owner_minimum: int) -> int:
    """min_peers for E: the default or the owner's, raised until the faulty cannot seal alone."""
    minimum = owner_minimum or max(2, quorum(enrolled))
    while quorum(minimum) <= faulty_bound(enrolled):
        minimum += 1
    return minimum


@dataclass
class Average:
    """How long something takes, in 1/256 block, learned from what it took."""

    value: int

    def learn(self, blocks: int, *, only_lower: bool = False) -> None:
        taken = blocks * 256
        if only_lower and taken > self.value:
            taken = self.value
        self.value = (self.value * 7 + taken) // 8


@dataclass
class ModelTerms:
    commit_blocks: int
    exchange_blocks: int
    lo: int
    hi: int
    depth: int
    owner_minimum: int
    last_round: int
    topology: int = 0


@dataclass
class ModelRound:
    number: int
    opened: int
    base: bytes
    phase: int = COMMIT
    attempt: int = 0
    optimistic: bool = False
    frozen: frozenset[int] | None = None
    frozen_block: int = 0
    enrolled: int = 0
    minimum: int = 0
    deadline: int = 0
    closed: int = 0
    started: int = 0
    exchange_deadline: int = 0
    last_post: int = 0
    ended: int = 0
    commits: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    roster: set[int] = field(default_factory=set)
    attests: dict[int, Body] = field(default_factory=dict)
    haves: dict[int, set[int]] = field(default_factory=dict)
    sealed: Body = (bytes(32), bytes(32))


class ModelRun:
    """A run whose genesis is posted in the current block."""

    def __init__(self, terms: ModelTerms, enrolled: int, block: int, genesis: bytes) -> None:
        self.terms, self.block, self.base = terms, block, genesis
        self.enrolled, self.revoked = set(range(enrolled)), set[int]()
        self.excluded, self.barred, self.mesh_until = set[int](), set[int](), 0
        self.objections, self.faults = Objections(), FaultVotes()
        self.joined, self.stop_votes = set[int](), set[int]()
        self.committers: list[set[int]] = [set(), set()]  # of the last round, of the one before
        self.last_sealed = self.voids = 0
        self.to_commits = Average(256 * terms.commit_blocks)
        self.to_seal = Average(256 * terms.exchange_blocks)
        self.finished = self.stopped = False
        self.past: list[ModelRound] = []
        self.round = ModelRound(1, block, genesis)

    # -- quantities
    def live(self) -> set[int]:
        return self.enrolled - self.revoked - self.excluded

    def active(self) -> set[int]:
        may_commit = self.live()
        if self.round.frozen is not None:
            may_commit &= self.round.frozen
        if self.last_sealed == 0:
            return may_commit
        return (self.committers[0] | self.committers[1] | self.joined) & may_commit

    def window(self, average: Average, attempt: int) -> int:
        doubled = 2 if attempt else 1
        expected = average.value * 3 // 256
        length = sorted((self.terms.lo, expected, self.terms.hi))[1]
        return (self.terms.depth + length) * doubled << min(self.voids, 4)

    # -- blocks
    def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            self.block += 1
            r = self.round
            if r.phase == COMMIT and r.deadline and self.block > r.deadline and not self.finished:
                self.close_commit()

    def recount(self) -> None:
        """An enrolment, a revocation or an exclusion happened."""
        if self.finished or self.round.phase != COMMIT:
            return
        if not self.round.deadline:
            self.count_stop_votes()
            if self.finished:
                return
            self.count_commits()
        self.close_early()

    # -- phases
    def count_commits(self) -> None:
        r = self.round
        minimum = least_commits(len(self.live()), self.terms.owner_minimum)
        if r.frozen is None and len(r.commits) >= minimum:
            r.frozen, r.frozen_block = frozenset(self.live()), self.block
            r.enrolled, r.minimum = len(self.live()), minimum
            r.deadline = self.block + self.window(self.to_commits, 0)

    def close_early(self) -> None:
        everyone = bool(self.active()) and self.active() <= set(self.round.commits)
        if everyone and self.round.frozen is not None and not self.voids:
            self.close_commit()

    def close_commit(self) -> None:
        self.round.phase, self.round.closed = ATTEMPT, self.block
        self.round.optimistic = self.terms.topology > 0 and self.round.number >= self.mesh_until
        self.start_attempt(0, set(self.round.commits))

    def start_attempt(self, attempt: int, roster: set[int]) -> None:
        r = self.round
        r.attempt, r.roster, r.started = attempt, roster, self.block
        r.exchange_deadline = self.block + self.window(self.to_seal, attempt)
        r.last_post = r.exchange_deadline + self.terms.depth + self.terms.lo
        r.attests, r.haves = {}, {}

    def end(self, phase: int) -> None:
        r = self.round
        r.phase, r.ended = phase, self.block
        self.committers = [set(r.commits), self.committers[0]]
        self.joined -= set(r.commits)
        if phase == SEALED:
            self.to_commits.learn(r.frozen_block - r.opened)
            early = r.attempt == 0 or (r.attempt == 1 and self.objections.of_round(r.number))
            lower = bool(early) and self.voids == 0
            self.to_seal.learn(self.block - r.started, only_lower=lower)
            self.base, self.last_sealed, self.voids = r.sealed[0], r.number, 0
            self.finished = 0 < self.terms.last_round <= r.number
        else:
            self.voids += 1
        if not self.finished:
            self.count_stop_votes()
        if not self.finished:
            self.past.append(r)
            self.round = ModelRound(r.number + 1, self.block, self.base)

    def count_stop_votes(self) -> None:
        votes = self.stop_votes & self.live()
        if votes and len(votes) >= quorum(len(self.live())):
            self.finished = self.stopped = True

    # -- calls: the name of the error, or None if the call took effect
    def refused(self, sender: int) -> str | None:
        if self.finished:
            return "RunIsFinished"
        if sender not in self.enrolled:
            return "NotEnrolled"
        if sender in self.revoked:
            return "MemberRevoked"
        return "MemberExcluded" if sender in self.excluded else None

    def misplaced(self, sender: int, number: int, attempt: int, phase: int) -> str | None:
        r = self.round
        if refusal := self.refused(sender):
            return refusal
        if number != r.number:
            return "WrongRound"
        if r.phase != phase:
            return "WrongPhase"
        return "WrongAttempt" if attempt != r.attempt else None

    def enrol(self, peer: int) -> None:
        self.enrolled.add(peer)
        self.recount()

    def revoke(self, peer: int) -> str | None:
        if peer in self.revoked:
            return "AlreadyRevoked"
        self.revoked.add(peer)
        self.recount()
        return None

    def join(self, sender: int) -> str | None:
        refusal = self.refused(sender)
        if refusal is None:
            self.joined.add(sender)
        return refusal

    def vote_stop(self, sender: int) -> str | None:
        refusal = self.refused(sender)
        if refusal is None:
            self.stop_votes.add(sender)
            if self.round.phase == COMMIT and not self.round.deadline:
                self.count_stop_votes()
        return refusal

    def commit(
        self, sender: int, number: int, commitment: bytes, weight: int, base: bytes
    ) -> str | None:
        r = self.round
        if refusal := self.misplaced(sender, number, 0, COMMIT):
            return refusal
        if base != self.base:
            return "WrongBase"
        if sender in r.commits:
            return "AlreadyCommitted"
        if r.frozen is not None and sender not in r.frozen:
            return "EnrolledTooLate"
        r.commits[sender] = (commitment, weight)
        self.count_commits()
        self.close_early()
        return None

    def have(self, sender: int, number: int, attempt: int, held: set[int]) -> str | None:
        r = self.round
        if refusal := self.misplaced(sender, number, attempt, ATTEMPT):
            return refusal
        if sender not in r.roster:
            return "NotInRoster"
        if sender in r.attests:
            return "AlreadyAttested"
        if sender in r.haves:
            return "AlreadyPosted"
        r.haves[sender] = held & r.roster
        return None

    def attest(self, sender: int, number: int, attempt: int, body: Body) -> str | None:
        r = self.round
        if refusal := self.misplaced(sender, number, attempt, ATTEMPT):
            return refusal
        if sender not in r.roster:
            return "NotInRoster"
        if sender in r.attests:
            return "AlreadyAttested"
        r.attests[sender] = body
        if list(r.attests.values()).count(body) >= quorum(len(r.roster)):
            r.sealed = body
            self.end(SEALED)
        return None

    def next_attempt(self, sender: int, number: int, attempt: int) -> str | None:
        r = self.round
        if refusal := self.misplaced(sender, number, attempt, ATTEMPT):
            return refusal
        if self.block <= r.last_post:
            return "TooEarly"
        claims = {**r.haves, **dict.fromkeys(r.attests, r.roster)}
        need = max(2, faulty_bound(r.enrolled) + 1)
        roster = {
            j
            for j in self.live() & set(claims)
            if (r.optimistic and attempt == 0) or sum(j in c for c in claims.values()) >= need
        }
        if attempt == 2 or len(roster) < max(r.minimum, quorum(len(r.commits))):
            self.end(VOID)
        else:
            self.start_attempt(attempt + 1, roster)
        return None

    def objection(self, sender: int, number: int, attempt: int) -> str | None:
        r = self.round
        if refusal := self.misplaced(sender, number, attempt, ATTEMPT):
            return refusal
        if attempt or not r.optimistic:
            return "NotOptimistic"
        if sender not in r.roster:
            return "NotInRoster"
        if sender in self.objections.of_round(number):
            return "AlreadyObjected"
        enough = faulty_bound(r.enrolled) + 1
        right = self.objections.add(number, sender)
        if right or len(self.objections.of_round(number)) >= enough:
            self.start_attempt(1, r.roster)
        if len(self.objections.doubters(number)) >= enough:
            self.mesh_until = number + OBJECTION_ROUNDS + 1
            self.objections.renew()
        return None

    def vote_fault(self, sender: int, fault: Fault) -> str | None:
        accused, kind, number = fault
        if refusal := self.refused(sender):
            return refusal
        if accused not in self.enrolled:
            return "UnknownIndex"
        if accused == sender:
            return "OwnFault"
        if kind not in {1, 2}:
            return "UnknownFault"
        if not 1 <= number <= self.round.number:
            return "UnknownRound"
        votes = self.faults.cast(fault, sender) & self.live()
        if fault not in self.faults.passed and len(votes) >= quorum(len(self.live())):
            self.faults.passed.add(fault)
            if kind == 1:
                self.excluded.add(accused)
                self.recount()
            else:
                self.barred.add(accused)
                self.objections.give_back(number)
                self.mesh_until = max(self.mesh_until, self.round.number + OBJECTION_ROUNDS + 1)
        return None

    # -- views, in the contract's words
    def state_view(self, genesis: bytes) -> dict[str, object]:
        return {
            "genesisRoot": genesis,
            "round": self.round.number,
            "finished": self.finished,
            "stopped": self.stopped,
            "lastSealedRound": self.last_sealed,
            "lastRoot": self.base,
            "consecutiveVoids": self.voids,
            "activeBits": bitmap(self.active()),
            "joinedBits": bitmap(self.joined),
            "stopBits": bitmap(self.stop_votes),
            "liveBits": bitmap(self.live()),
            "excludedBits": bitmap(self.excluded),
            "barredBits": bitmap(self.barred),
            "memberCount": len(self.enrolled),
            "commitAverage": self.to_commits.value,
            "exchangeAverage": self.to_seal.value,
            "meshUntil": self.mesh_until,
        }

    def round_view(self, r: ModelRound) -> dict[str, object]:
        frozen = r.frozen is not None
        enrolled = r.enrolled if frozen else len(self.live())
        return {
            "round": r.number,
            "phase": r.phase,
            "attempt": r.attempt,
            "optimistic": r.optimistic,
            "openedBlock": r.opened,
            "frozenBlock": r.frozen_block,
            "commitDeadline": r.deadline,
            "closedBlock": r.closed,
            "startedBlock": r.started,
            "exchangeDeadline": r.exchange_deadline,
            "lastPost": r.last_post,
            "endedBlock": r.ended,
            "enrolled": enrolled,
            "minPeers": r.minimum or least_commits(enrolled, self.terms.owner_minimum),
            "commitBits": bitmap(r.commits),
            "roster": bitmap(r.roster),
            "attestBits": bitmap(r.attests),
            "haveBits": bitmap(r.haves),
            "objectBits": bitmap(self.objections.of_round(r.number)),
            "base": r.base,
            "sealedRoot": r.sealed[0],
            "sealedAux": r.sealed[1],
            "commitments": [r.commits[i][0] for i in sorted(r.commits)],
            "weights": [r.commits[i][1] for i in sorted(r.commits)],
            "attestRoots": [r.attests[i][0] for i in sorted(r.attests)],
            "attestAux": [r.attests[i][1] for i in sorted(r.attests)],
            "haves": [bitmap(r.haves[i]) for i in sorted(r.haves)],
        }


def bitmap(peers: Iterable[int]) -> int:
    return sum(1 << i for i in peers)
