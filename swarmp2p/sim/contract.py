"""The run contract's rules in Python (spec/08-rounds.md): the ledger of simulated worlds.

It does what contracts/SwarmRun.sol does, block by block; tests hold the two against each other.
Peers are enrolment indices here, as on the chain.
"""

import copy
from dataclasses import dataclass, field

from swarmp2p.errors import TransactionRevertedError
from swarmp2p.ledger.interface import Attestation, Commit, Phase, RoundView

ZERO = bytes(32)
_MOST_DOUBLINGS = 4
UNITS = 256  # averages count in 1/256 block


@dataclass(frozen=True)
class ContractTerms:
    """What the contract is built with; blocks and peers.

    `commit_blocks` and `exchange_blocks` are first guesses, `lo` and `hi` bound a window.
    """

    last_round: int = 10
    min_peers: int = 0
    commit_blocks: int = 20
    exchange_blocks: int = 20
    lo: int = 4
    hi: int = 1200
    depth: int = 0
    init_root: bytes = ZERO


def quorum(n: int) -> int:
    """q(n) = ceil(2n/3)."""
    return (2 * n + 2) // 3


def faulty(n: int) -> int:
    """f(n) = (n-1)//3, 0 for no peers."""
    return max(0, (n - 1) // 3)


def minimum(terms: ContractTerms, enrolled: int) -> int:
    """min_peers over E: the owner's or two thirds, never one that the faulty could fill."""
    wanted = terms.min_peers or max(2, -(-2 * enrolled // 3))
    return max(wanted, 3 * faulty(enrolled) // 2 + 1)


@dataclass
class Round:
    """The current round; block numbers are 0 until the event."""

    number: int
    opened: int
    phase: Phase = Phase.COMMIT
    attempt: int = 0
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
        self.live = live
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

    def enrolled(self) -> int:
        """E: as it stands, or as the freezing block had it."""
        return len(self.now.frozen) if self.now.frozen_block else len(self.live)

    def min_peers(self) -> int:
        """min_peers for that E."""
        return self.now.min_peers or minimum(self.terms, self.enrolled())

    def active(self) -> set[int]:
        """Whom COMMIT waits for."""
        may = self.live & self.now.frozen if self.now.frozen_block else set(self.live)
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
        """An enrolment or a revocation: an open round without a deadline counts again."""
        if self.finished or self.now.phase is not Phase.COMMIT:
            return
        if not self.now.frozen_block:
            if self._count_stop_votes():
                return
            self._count_commits()
        self._maybe_close()

    # -- transactions

    def genesis(self, root: bytes, *, owner: bool) -> None:
        """The initial model's root, once."""
        self._require(self.genesis_root == ZERO, "GenesisAlreadySet")
        self._require(owner or root == self.terms.init_root != ZERO, "NotAllowed")
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

    def commit(self, who: int, number: int, commitment: bytes, weight: int, base: bytes) -> None:
        """Commit to the current round."""
        self._require_open(who)
        self._require(self.genesis_root != ZERO, "NoGenesis")
        self._require(number == self.now.number, "WrongRound")
        self._require(self.now.phase is Phase.COMMIT, "WrongPhase")
        self._require(base == self.last_root, "WrongBase")
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
        self.now.haves[who] = bitmap

    def attest(self, who: int, number: int, attempt: int, root: bytes, aux: bytes) -> None:
        """Attest; the first (root, aux) to reach q(n) seals the round."""
        self._require_attempt(who, number, attempt)
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
        claims = {peer: here.haves.get(peer, 0) for peer in here.haves}
        whole = sum(1 << peer for peer in here.roster)
        claims.update(dict.fromkeys(here.attests, whole))
        needed = max(2, faulty(self.enrolled()) + 1)
        roster = frozenset(
            peer
            for peer in here.roster
            if peer in claims
            and peer in self.live
            and sum(1 for claim in claims.values() if claim >> peer & 1) >= needed
        )
        floor = max(self.min_peers(), -(-2 * here.committers // 3))
        if len(roster) < floor or here.attempt == 2:
            self._end(Phase.VOID, ZERO, ZERO)
        else:
            self._start(here.attempt + 1, roster)

    # -- within

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
        if phase is Phase.SEALED and here.number >= self.terms.last_round:
            self.finished = True
        elif not self._count_stop_votes():
            self.now = Round(here.number + 1, self.block)

    def _learn(self) -> None:
        """The sealed round moves both averages by an eighth.

        Attempt 0 of a round after a sealed one only lowers: a peer that serves just before the
        deadline must not drive the window up.
        """
        here = self.now
        used = UNITS * (self.block - here.started)
        if here.attempt == 0 and not self.voids:
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
        )

    def copy(self) -> "RunContract":
        """A snapshot."""
        return copy.deepcopy(self)
