"""The run contract of 08-rounds.md and 10-ledger.md: what it takes, and what that brings about.

A call that is refused raises Refused before it has changed anything. Indices stand in Python sets.
"""

from dataclasses import dataclass, field

import rounds

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
        self.live = set()
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
        may_commit = self.live & self.current.may_commit if self.current.frozen else set(self.live)
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
            set(self.live),
        )
        now.frozen = block
        now.commit_deadline = block + self.window(self.commit_average)

    def count_stop_votes(self):
        """ROUND-050: q(E) live peers; the revoked do not count, and nobody is no quorum."""
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
        """LEDGER-004; ROUND-018: stop votes first, as long as no deadline runs."""
        if not self.finished and self.waits_for_commits():
            self.count_stop_votes()
        self.settle(block)

    # Calls. Each stands for one transaction in `block`, after close_if_due.

    def enrol(self, block):
        # LEDGER-002: revoked ones included.
        require(self.enrolments < MAX_PEERS)
        self.live.add(self.enrolments)
        self.enrolments += 1
        self.roster_changed(block)

    def revoke(self, block, by):
        require(by in self.live)  # LEDGER-003: once
        self.live.remove(by)
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
        if now.attempt == 0 and self.voids == 0:
            in_exchange = min(in_exchange, self.exchange_average)
        self.commit_average = (7 * self.commit_average + 256 * (now.frozen - now.opened)) // 8
        self.exchange_average = (7 * self.exchange_average + in_exchange) // 8
        now.sealed_root = self.last_root = root
        self.last_sealed_round = self.round
        self.end_round(block, "SEALED")

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
        # Who attested holds every update of the roster; a `have` before it no longer counts. Posts
        # of members revoked since count, though they leave.
        held = {**now.had, **dict.fromkeys(now.attested, now.roster)}
        least = rounds.holders(now.enrolled)
        return {
            index
            for index in held
            if index in self.live and sum(index in one for one in held.values()) >= least
        }


def require(condition):
    if not condition:
        raise Refused
