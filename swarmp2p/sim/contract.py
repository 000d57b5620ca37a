"""The run contract's rules in Python (spec/08-rounds.md): the ledger of simulated worlds.

It does what contracts/SwarmRun.sol does, block by block; tests hold the two against each other.
Peers are enrolment indices here, as on the chain.
"""

import copy
from dataclasses import dataclass, field

from swarmp2p.errors import TransactionRevertedError
from swarmp2p.ledger.interface import Attestation, Commit, FaultKind, Phase, RoundView
from swarmp2p.sim.doubts import FaultVotes, Objections
from swarmp2p.sim.numbers import (
    ZERO,
    ContractTerms,
    faulty,
    holders,
    minimum,
    quorum,
    smallest_roster,
)

_MOST_DOUBLINGS = 4
UNITS = 256  # averages count in 1/256 block
_FAULTS = frozenset(FaultKind)


@dataclass
class Round:
    """The current round; block numbers are 0 until the event."""

    number: int
    opened: int
    phase: Phase = Phase.COMMIT
    attempt: int = 0
    optimistic: bool = False
    frozen_block: int = 0
    frozen: frozenset[int] = frozenset()
    min_peers: int = 0
    commit_deadline: int = 0
    closed: int = 0
    started: int = 0
    exchange_deadline: int = 0
    last_post: int = 0
    ended: int = 0
    roster: frozenset[int] = frozenset()
    committers: int = 0
    commits: dict[int, Commit] = field(default_factory=dict)
    attests: dict[int, Attestation] = field(default_factory=dict)
    haves: dict[int, int] = field(default_factory=dict)
    sealed_root: bytes = ZERO
    sealed_aux: bytes = ZERO


class RunContract:
    """The contract's state. `tick` is a new block; the other calls are transactions in it."""

    def __init__(self, terms: ContractTerms, live: set[int]) -> None:
        """`live` are the indices enrolled at the start; the set is the registry's own."""
        self.terms = terms
        self.registered = live
        self.known = set(live)  # revoked ones too
        self.excluded: set[int] = set()
        self.barred: set[int] = set()
        self.objections = Objections()
        self.faults = FaultVotes()
        self.block = 0
        self.genesis_root = ZERO
        self.last_root = ZERO
        self.last_sealed_round = 0
        self.finished = False
        self.stopped = False
        self.voids = 0
        self.commit_average = UNITS * terms.commit_blocks
        self.exchange_average = UNITS * terms.exchange_blocks
        self.recent: list[set[int]] = [set(), set()]
        self.joined: set[int] = set()
        self.stop_votes: set[int] = set()
        self.rounds: dict[int, RoundView] = {}
        self.now = Round(1, 0)

    # -- quantities

    @property
    def live(self) -> set[int]:
        """In the registry, and not excluded from this run."""
        return self.registered - self.excluded

    def enrolled(self) -> int:
        """E: as it stands, or as the freezing block had it."""
        return len(self.now.frozen) if self.now.frozen_block else len(self.live)

    def min_peers(self) -> int:
        """min_peers for that E."""
        return self.now.min_peers or minimum(self.terms, self.enrolled())

    def active(self) -> set[int]:
        """Whom COMMIT waits for."""
        may = self.live & self.now.frozen if self.now.frozen_block else self.live
        if not self.last_sealed_round:
            return may
        return (self.recent[0] | self.recent[1] | self.joined) & may

    def window(self, average: int, attempt: int) -> int:
        """A phase's length in blocks: doubled for attempts 1 and 2 and per void round before."""
        length = min(self.terms.hi, max(self.terms.lo, 3 * average // UNITS))
        doublings = min(self.voids, _MOST_DOUBLINGS)
        return int((self.terms.depth + length) * (2 if attempt else 1) * 2**doublings)

    # -- blocks

    def tick(self) -> None:
        """A new block begins: what was due happens first."""
        self.block += 1
        if self.finished or self.now.phase is not Phase.COMMIT:
            return
        if self.now.commit_deadline and self.block > self.now.commit_deadline:
            self._close()

    def roster_changed(self) -> None:
        """Enrolment, revocation or exclusion: an open round without a deadline counts again."""
        self.known |= self.registered
        if self.finished or self.now.phase is not Phase.COMMIT:
            return
        if not self.now.frozen_block:
            if self._count_stop_votes():
                return
            self._count_commits()
        self._maybe_close()

    # -- transactions

    def genesis(self, root: bytes, *, owner: bool, who: int = -1) -> None:
        """The initial model's root, once: by the owner, or by member `who` if it is fixed."""
        self._require(not self.finished, "RunIsFinished")
        self._require(self.genesis_root == ZERO, "GenesisStands")
        self._require(root != ZERO, "ZeroRoot")
        self._require(owner or (self.terms.init_root != ZERO and who in self.live), "NotAllowed")
        self._require(self.terms.init_root in (ZERO, root), "WrongInitRoot")
        self.genesis_root = self.last_root = root
        self.now.opened = self.block

    def join(self, who: int) -> None:
        """Ask to be waited for."""
        self._require_open(who)
        self.joined.add(who)

    def vote_stop(self, who: int) -> None:
        """A sticky vote."""
        self._require_open(who)
        self.stop_votes.add(who)
        if self.now.phase is Phase.COMMIT and not self.now.frozen_block:
            self._count_stop_votes()

    def commit(
        self,
        who: int,
        number: int,
        commitment: bytes,
        weight: int,
        base: bytes,
        *,
        attempt: int = 0,
    ) -> None:
        """Commit to the current round."""
        self._require_open(who)
        self._require(self.genesis_root != ZERO, "NoGenesis")
        self._require(number == self.now.number, "WrongRound")
        self._require(attempt == 0, "WrongAttempt")
        self._require(self.now.phase is Phase.COMMIT, "WrongPhase")
        self._require(base == self.last_root, "WrongBase")
        self._require(commitment != ZERO, "ZeroCommitment")
        self._require(weight > 0, "ZeroWeight")
        self._require(who not in self.now.commits, "AlreadyCommitted")
        allowed = self.now.frozen if self.now.frozen_block else self.live
        self._require(who in allowed, "MayNotCommit")
        self.now.commits[who] = Commit(commitment, weight)
        self._count_commits()
        self._maybe_close()

    def have(self, who: int, number: int, attempt: int, bitmap: int) -> None:
        """Say what is held."""
        self._require_attempt(who, number, attempt)
        self._require(who not in self.now.attests, "AlreadyAttested")
        self._require(who not in self.now.haves, "AlreadyPosted")
        self.now.haves[who] = bitmap & sum(1 << peer for peer in self.now.roster)

    def attest(self, who: int, number: int, attempt: int, root: bytes, aux: bytes) -> None:
        """Attest; the first (root, aux) to reach q(n) seals the round."""
        self._require_attempt(who, number, attempt)
        self._require(root != ZERO, "ZeroRoot")
        self._require(who not in self.now.attests, "AlreadyAttested")
        mine = self.now.attests[who] = Attestation(root, aux)
        same = sum(1 for other in self.now.attests.values() if other == mine)
        if same >= quorum(len(self.now.roster)):
            self._end(Phase.SEALED, root, aux)

    def next_attempt(self, who: int, number: int, attempt: int) -> None:
        """Open the next attempt once the last post has passed."""
        self._require_open(who)
        here = self.now
        self._require(here.phase is Phase.ATTEMPT, "WrongPhase")
        self._require((number, attempt) == (here.number, here.attempt), "WrongRound")
        self._require(self.block > here.last_post, "TooEarly")
        roster = self._stayers()
        least = smallest_roster(self.min_peers(), here.committers)
        if len(roster) < least or here.attempt == 2:
            self._end(Phase.VOID, ZERO, ZERO)
        else:
            self._start(here.attempt + 1, roster)

    def object_to(self, who: int, number: int, attempt: int) -> None:
        """Object to attempt 0 of an optimistic round; if it counts, attempt 1 opens at once."""
        self._require_attempt(who, number, attempt)
        here = self.now
        self._require(here.optimistic and attempt == 0, "NotOptimistic")
        self._require(who not in self.objections.of(number), "AlreadyObjected")
        if self.objections.take(who, number, faulty(self.enrolled()) + 1):
            self._start(1, here.roster)

    def vote_fault(self, who: int, index: int, kind: int, number: int, evidence: bytes) -> None:
        """Vote that member `index` broke the protocol; q(E) votes exclude it, or bar it."""
        self._require_open(who)
        self._require(index in self.known | self.registered, "UnknownIndex")
        self._require(who != index, "NotAllowed")
        self._require(kind in _FAULTS, "UnknownFault")
        self._require(1 <= number <= self.now.number, "WrongRound")
        self._require(evidence != ZERO, "NoEvidence")
        live = self.live
        if not self.faults.take(who, (index, kind, number), live, quorum(len(live))):
            return
        if kind == FaultKind.FALSE_SHARD:
            self.barred.add(index)
            self.objections.barred(self.now.number, number)
        elif index not in self.excluded:
            self.excluded.add(index)
            self.roster_changed()

    # -- within

    def _stayers(self) -> frozenset[int]:
        """ROUND-041: the roster of the next attempt."""
        here = self.now
        posted = here.roster & self.live & (set(here.haves) | set(here.attests))
        if here.optimistic and here.attempt == 0:
            return frozenset(posted)  # nobody need hold every update
        whole = sum(1 << peer for peer in here.roster)
        claims = {**here.haves, **dict.fromkeys(here.attests, whole)}
        needed = holders(self.enrolled())
        return frozenset(
            peer
            for peer in posted
            if sum(1 for claim in claims.values() if claim >> peer & 1) >= needed
        )

    def _require(self, held: object, reason: str) -> None:
        if not held:
            raise TransactionRevertedError(reason, f"the contract refused: {reason}")

    def _require_open(self, who: int) -> None:
        self._require(who in self.live, "NotEnrolled")
        self._require(not self.finished, "RunFinished")

    def _require_attempt(self, who: int, number: int, attempt: int) -> None:
        self._require_open(who)
        here = self.now
        self._require(here.phase is Phase.ATTEMPT, "WrongPhase")
        self._require((number, attempt) == (here.number, here.attempt), "WrongRound")
        self._require(who in here.roster, "NotInRoster")

    def _count_commits(self) -> None:
        here = self.now
        if not here.frozen_block and len(here.commits) >= self.min_peers():
            here.min_peers = self.min_peers()
            here.frozen = frozenset(self.live)
            here.frozen_block = self.block
            here.commit_deadline = self.block + self.window(self.commit_average, 0)

    def _maybe_close(self) -> None:
        here, active = self.now, self.active()
        everyone = bool(active) and active <= set(here.commits)
        if everyone and len(here.commits) >= self.min_peers() and not self.voids:
            self._close()

    def _close(self) -> None:
        here = self.now
        here.closed = self.block
        # ROUND-044: decided in the block in which COMMIT closes.
        here.optimistic = self.terms.topology != 0 and here.number >= self.objections.mesh_until
        here.committers = len(here.commits)
        if here.committers < self.min_peers():
            self._end(Phase.VOID, ZERO, ZERO)
        else:
            self._start(0, frozenset(here.commits))

    def _start(self, attempt: int, roster: frozenset[int]) -> None:
        here = self.now
        here.phase, here.attempt, here.roster = Phase.ATTEMPT, attempt, roster
        here.started = self.block
        here.exchange_deadline = self.block + self.window(self.exchange_average, attempt)
        here.last_post = here.exchange_deadline + self.terms.depth + self.terms.lo
        here.attests, here.haves = {}, {}

    def _end(self, phase: Phase, root: bytes, aux: bytes) -> None:
        here = self.now
        here.phase, here.ended = phase, self.block
        here.sealed_root, here.sealed_aux = root, aux
        self.rounds[here.number] = self.view()
        self.recent = [self.recent[1], set(here.commits)]
        self.joined -= set(here.commits)
        if phase is Phase.SEALED:
            self._learn()
            self.last_root, self.last_sealed_round, self.voids = root, here.number, 0
        else:
            self.voids += 1
        if phase is Phase.SEALED and 0 < self.terms.last_round <= here.number:
            self.finished = True
        elif not self._count_stop_votes():
            self.now = Round(here.number + 1, self.block)

    def _learn(self) -> None:
        """The sealed round moves both averages by an eighth.

        Attempt 0 of a round after a sealed one only lowers, and so does the attempt 1 that an
        objection opened: a peer that serves just before the deadline must not drive the window up.
        """
        here = self.now
        used = UNITS * (self.block - here.started)
        objected = here.attempt == 1 and self.objections.of(here.number)
        if (here.attempt == 0 or objected) and not self.voids:
            used = min(used, self.exchange_average)
        self.exchange_average = (7 * self.exchange_average + used) // 8
        used = UNITS * (here.frozen_block - here.opened)
        self.commit_average = (7 * self.commit_average + used) // 8

    def _count_stop_votes(self) -> bool:
        votes = len(self.stop_votes & self.live)
        if self.live and votes >= quorum(len(self.live)):
            self.finished = self.stopped = True
        return self.finished

    # -- views

    def view(self) -> RoundView:
        """The current round."""
        here = self.now
        base = self.rounds[here.number].base if here.number in self.rounds else self.last_root
        return RoundView(
            round=here.number,
            phase=here.phase,
            attempt=here.attempt,
            opened_block=here.opened,
            frozen_block=here.frozen_block,
            commit_deadline=here.commit_deadline,
            closed_block=here.closed,
            started_block=here.started,
            exchange_deadline=here.exchange_deadline,
            last_post=here.last_post,
            ended_block=here.ended,
            enrolled=self.enrolled(),
            min_peers=self.min_peers(),
            base=base,
            sealed_root=here.sealed_root,
            sealed_aux=here.sealed_aux,
            roster=here.roster,
            commits=dict(here.commits),
            attests=dict(here.attests),
            haves=dict(here.haves),
            optimistic=here.optimistic,
            objected=self.objections.of(here.number),
        )

    def copy(self) -> "RunContract":
        """A snapshot."""
        return copy.deepcopy(self)
