"""The run contract of 08-rounds.md and 10-ledger.md: what it takes, and what that brings about.

A call that is refused raises Refused before it has changed anything. Indices stand in Python sets.
"""

from dataclasses import dataclass, field

import rounds
from faults import EQUIVOCATION, FALSE_SHARD, Faults
from objections import Objections

ZERO = "00" * 32
MAX_PEERS = 64
MAX_ATTEMPTS = 3


class Refused(Exception):
    """The call reverts (10-ledger.md, Errors)."""


@dataclass
class RoundState:
    """One round."""

    base: str = ZERO
    phase: str = "COMMIT"
    attempt: int = 0
    optimistic: bool = False  # ROUND-044; false while COMMIT is open
    opened: int = 0
    frozen: int = 0
    commit_deadline: int = 0
    closed: int = 0
    started: int = 0
    exchange_deadline: int = 0
    last_post: int = 0
    ended: int = 0
    enrolled: int = 0  # E and min_peers as they were fixed (ROUND-014)
    min_peers: int = 0
    may_commit: set = field(default_factory=set)
    committed: set = field(default_factory=set)
    roster: set = field(default_factory=set)
    attested: dict = field(default_factory=dict)  # index -> (root, aux), of the current attempt
    had: dict = field(default_factory=dict)  # index -> held indices, of the current attempt
    sealed_root: str = ZERO


class Contract:
    def __init__(self, settings):
        self.settings = settings
        self.enrolments = 0
        self.not_revoked = set()  # in the registry, the excluded among them (LEDGER-018)
        self.faults = Faults()
        self.objections = Objections(settings["topology"])
        self.round = 1  # LEDGER-020: also before genesis
        self.genesis_root = ZERO
        self.last_root = ZERO
        self.last_sealed_round = 0
        self.finished = self.stopped = False
        self.voids = 0  # consecutive void rounds
        self.committers = [set(), set()]  # of the last two rounds that ended
        self.joined = set()
        self.stop_votes = set()
        # ROUND-061: the two averages, in units of 1/256 block.
        self.commit_average = 256 * settings["commit_blocks"]
        self.exchange_average = 256 * settings["exchange_blocks"]
        self.current = RoundState()

    # What stands at this moment.

    @property
    def live(self):
        """Enrolled, neither revoked nor excluded (08-rounds.md, Roles)."""
        return self.not_revoked - self.faults.excluded

    def before_genesis(self):
        return self.genesis_root == ZERO

    def waits_for_commits(self):
        """COMMIT without a deadline (ROUND-050); so stands round 1 before genesis (ROUND-002)."""
        return self.current.phase == "COMMIT" and not self.current.frozen

    def enrolled(self):
        """E: as it stands until it is fixed (ROUND-013, ROUND-014)."""
        return self.current.enrolled if self.current.frozen else len(self.live)

    def min_peers(self):
        if self.current.frozen:
            return self.current.min_peers
        return rounds.least_commits(self.settings["min_peers"], len(self.live))

    def active(self):
        """ROUND-016"""
        # All live ones before the block of ROUND-014, be it before genesis.
        may_commit = self.live & self.current.may_commit if self.current.frozen else self.live
        if self.last_sealed_round == 0:
            return may_commit
        return may_commit & (self.committers[0] | self.committers[1] | self.joined)

    def window(self, average):
        """(depth + length(e)) x doubling"""
        length = rounds.length(average, self.settings["lo"], self.settings["hi"])
        return (self.settings["depth"] + length) * rounds.doubling(self.voids)

    # What happens by itself.

    def close_if_due(self, block):
        """LEDGER-014, LEDGER-020: closed in the block after the deadline, whoever finds it."""
        now = self.current
        if now.phase == "COMMIT" and now.frozen and block > now.commit_deadline:
            self.close(now.commit_deadline + 1)

    def close(self, block):
        """ROUND-017: the roster of attempt 0 is exactly the set of peers that committed."""
        self.current.closed = block
        self.current.phase = "ATTEMPT"
        self.current.optimistic = self.objections.optimistic(self.round)
        self.start(block, 0, set(self.current.committed))

    def start(self, block, attempt, roster):
        now = self.current
        now.attempt, now.roster, now.attested, now.had = attempt, roster, {}, {}
        now.started = block
        factor = 1 if attempt == 0 else 2  # 08-rounds.md, Timers: twice that in attempts 1 and 2
        now.exchange_deadline = block + factor * self.window(self.exchange_average)
        now.last_post = now.exchange_deadline + self.settings["depth"] + self.settings["lo"]

    def settle(self, block):
        """ROUND-018: min_peers reached, then an early closing."""
        now = self.current
        if self.before_genesis() or self.finished or now.phase != "COMMIT":
            return
        # ROUND-013: with no live peer nothing is reached.
        if not now.frozen and self.live and len(now.committed) >= self.min_peers():
            self.freeze(block)
        # ROUND-016: all active peers have committed, at least one is, the last round was not void.
        waited_for = self.active()
        if now.frozen and self.voids == 0 and waited_for and waited_for <= now.committed:
            self.close(block)

    def freeze(self, block):
        """ROUND-014"""
        now = self.current
        now.enrolled, now.min_peers, now.may_commit = (
            self.enrolled(),
            self.min_peers(),
            self.live,
        )
        now.frozen = block
        now.commit_deadline = block + self.window(self.commit_average)

    def count_stop_votes(self):
        """ROUND-050: q(E) live peers; those of others do not count, and nobody is no quorum."""
        votes = self.stop_votes & self.live
        if votes and len(votes) >= rounds.quorum(len(self.live)):
            self.finished = self.stopped = True

    def end_round(self, block, phase):
        """LEDGER-015"""
        now = self.current
        now.phase, now.ended = phase, block
        self.committers = [set(now.committed), self.committers[0]]
        self.joined -= now.committed
        self.voids = 0 if phase == "SEALED" else self.voids + 1
        last = self.settings["last_round"]
        if phase == "SEALED" and last != 0 and self.round >= last:
            self.finished = True
        else:
            self.count_stop_votes()
        if not self.finished:
            self.round += 1
            self.open_round(block)

    def open_round(self, block):
        self.current = RoundState(base=self.last_root, opened=block)

    def roster_changed(self, block):
        """LEDGER-004, ROUND-048; ROUND-018: stop votes first, as long as no deadline runs."""
        if not self.finished and self.waits_for_commits():
            self.count_stop_votes()
        self.settle(block)

    # Calls. Each stands for one transaction in `block`, after close_if_due.

    def enrol(self, block):
        # LEDGER-002: revoked ones included.
        require(self.enrolments < MAX_PEERS)
        self.not_revoked.add(self.enrolments)
        self.enrolments += 1
        self.roster_changed(block)

    def revoke(self, block, by):
        # LEDGER-003: once; LEDGER-018: the registry knows nothing of an exclusion.
        require(by in self.not_revoked)
        self.not_revoked.remove(by)
        self.roster_changed(block)

    def genesis(self, block, by, root):
        """ROUND-001"""
        fixed = self.settings["init_root"]
        require(not self.finished and self.before_genesis())
        require(by == "owner" or (by in self.live and fixed != ZERO))
        require(root != ZERO and fixed in (ZERO, root))
        self.genesis_root = self.last_root = root
        self.open_round(block)

    def join(self, block, by):
        """ROUND-015; ROUND-002: also before genesis."""
        require(by in self.live and not self.finished)
        self.joined.add(by)
        self.settle(block)

    def vote_stop(self, block, by):
        """ROUND-050; ROUND-002: also before genesis, and counted."""
        require(by in self.live and not self.finished)
        self.stop_votes.add(by)
        if self.waits_for_commits():
            self.count_stop_votes()
        self.settle(block)

    def require_call(self, by, round_number, phase, attempt):
        """LEDGER-011: a live member, a run not finished; and what is current."""
        require(by in self.live and not self.finished)
        # ROUND-002: not before genesis.
        require(not self.before_genesis() and round_number == self.round)
        require(self.current.phase == phase and attempt == self.current.attempt)

    def commit(self, block, by, round_number, attempt, commitment, weight, base):
        """ROUND-011, ROUND-014"""
        now = self.current
        self.require_call(by, round_number, "COMMIT", attempt)
        require(commitment != ZERO and 1 <= weight < 2**32 and base == self.last_root)
        require(by not in now.committed)
        require(not now.frozen or by in now.may_commit)
        now.committed.add(by)
        self.settle(block)

    def have(self, block, by, round_number, attempt, held):
        """ROUND-032, LEDGER-013"""
        now = self.current
        self.require_call(by, round_number, "ATTEMPT", attempt)
        require(by in now.roster and by not in now.had and by not in now.attested)
        now.had[by] = set(held) & now.roster

    def attest(self, block, by, round_number, attempt, root, aux):
        """ROUND-032, ROUND-033, LEDGER-013"""
        now = self.current
        self.require_call(by, round_number, "ATTEMPT", attempt)
        require(by in now.roster and by not in now.attested and root != ZERO)
        now.attested[by] = (root, aux)
        equal = [index for index, posted in now.attested.items() if posted == (root, aux)]
        if len(equal) >= rounds.quorum(len(now.roster)):
            self.seal(block, root)

    def seal(self, block, root):
        """ROUND-062: the averages learn from a seal, and from nothing else."""
        now = self.current
        in_exchange = 256 * (block - now.started)
        if self.voids == 0 and self.only_lowers():
            in_exchange = min(in_exchange, self.exchange_average)
        self.commit_average = (7 * self.commit_average + 256 * (now.frozen - now.opened)) // 8
        self.exchange_average = (7 * self.exchange_average + in_exchange) // 8
        now.sealed_root = self.last_root = root
        self.last_sealed_round = self.round
        self.end_round(block, "SEALED")

    def only_lowers(self):
        """ROUND-062: attempt 0, and attempt 1 if anybody objected, with effect or without."""
        if self.current.attempt == 1:
            return bool(self.objections.objected(self.round))
        return self.current.attempt == 0

    def next_attempt(self, block, by, round_number, attempt):
        """ROUND-040 to ROUND-042"""
        now = self.current
        self.require_call(by, round_number, "ATTEMPT", attempt)
        # ROUND-040: of any live peer; its rank is advice for the peer.
        require(block > now.last_post)
        roster = self.next_roster()
        least = rounds.smallest_roster(now.min_peers, len(now.committed))
        if len(roster) < least or now.attempt + 1 == MAX_ATTEMPTS:
            self.end_round(block, "VOID")
        else:
            self.start(block, now.attempt + 1, roster)

    def next_roster(self):
        """ROUND-041"""
        now = self.current
        if now.optimistic and now.attempt == 0:
            return (set(now.had) | set(now.attested)) & self.live
        # Who attested holds every update of the roster; a `have` before it no longer counts. Posts
        # of members revoked or excluded since count, though they leave.
        held = {**now.had, **dict.fromkeys(now.attested, now.roster)}
        least = rounds.holders(now.enrolled)
        return {
            index
            for index in held
            if index in self.live and sum(index in one for one in held.values()) >= least
        }

    def object(self, block, by, round_number, attempt):
        """ROUND-045: of each live member of the roster, whether it has attested or not."""
        now = self.current
        self.require_call(by, round_number, "ATTEMPT", attempt)
        require(now.optimistic and attempt == 0 and by in now.roster)
        require(by not in self.objections.objected(self.round))
        if self.objections.add(by, self.round, rounds.faulty(now.enrolled) + 1):
            self.start(block, 1, now.roster)

    def vote_fault(self, block, by, index, kind, round_number, evidence):
        """ROUND-047 to ROUND-049"""
        require(by in self.live and not self.finished and by != index)
        require(0 <= index < self.enrolments and kind in (EQUIVOCATION, FALSE_SHARD))
        require(1 <= round_number <= self.round and evidence != ZERO)
        reached = self.faults.add(by, (index, kind, round_number), self.live)
        if reached and kind == FALSE_SHARD:
            self.objections.mesh_from(self.round)
            self.objections.give_back(round_number)
        elif reached:
            self.roster_changed(block)


def require(condition):
    if not condition:
        raise Refused
