"""The run's contract, block by block: phases change when they fall due, in the order of ROUND-018.

Genesis is in block 0. Peers are numbers; their index on the chain is their place in `members`.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Self

from model.rules import UNITS, Rules, holders, least_commits, quorum, smallest_roster
from model.state import (
    ATTEMPT,
    COMMIT,
    GENESIS,
    LAST_ATTEMPT,
    MAX_DOUBLINGS,
    OWNER,
    SEALED,
    VOID,
    Ended,
    Round,
    Terms,
    Tx,
)


class Contract:
    """The chain's state. `tick` begins a block; `apply` is a transaction in it."""

    def __init__(self, rules: Rules, terms: Terms, members: Iterable[int]) -> None:
        self.rules, self.terms = rules, terms
        self.members = tuple(members)  # in order of enrolment
        self.revoked: frozenset[int] = frozenset()
        self.joined: frozenset[int] = frozenset()
        self.stop_votes: frozenset[int] = frozenset()
        self.recent: frozenset[int] = frozenset()  # committers of the last round
        self.earlier: frozenset[int] = frozenset()  # of the one before
        self.block = self.voids = self.last_sealed = 0
        self.commit_average = self.exchange_average = UNITS * terms.first_guess
        self.finished = self.stopped = False
        self.log: list[Ended] = []
        self.story: list[str] = []
        self.now = Round(1, 0, GENESIS)

    def clone(self) -> Self:
        """A snapshot, to which a reorganisation can go back."""
        other = copy.copy(self)
        other.log, other.story, other.now = list(self.log), list(self.story), self.now.clone()
        return other

    def tell(self, words: str) -> None:
        """Adds a line to the story that a violation shows."""
        self.story.append(f"block {self.block}: {words}")

    # -- quantities

    def live(self) -> frozenset[int]:
        """Enrolled and not revoked."""
        return frozenset(self.members) - self.revoked

    def is_frozen(self) -> bool:
        """Whether ROUND-014 fixed E, min_peers and the electorate of this round."""
        return self.rules.round_is_frozen and self.now.frozen_block > 0

    def enrolled(self) -> int:
        """E: as it stands, ROUND-013, or as it was fixed, ROUND-014."""
        return self.now.enrolled if self.is_frozen() else len(self.live())

    def min_peers(self) -> int:
        """min_peers for that E."""
        if self.is_frozen():
            return self.now.min_peers
        return least_commits(self.enrolled(), self.terms.chosen_minimum, self.rules)

    def active(self) -> frozenset[int]:
        """Whom an early close waits for, ROUND-016."""
        may_commit = self.live() & self.now.electorate if self.is_frozen() else self.live()
        if not self.last_sealed and self.rules.early_close_needs_min_peers:
            return may_commit
        joined = self.joined if self.rules.joiners_are_waited_for else frozenset[int]()
        return (self.recent | self.earlier | joined) & may_commit

    def window(self, average: int, attempt: int) -> int:
        """Blocks from what starts a phase to its deadline, ROUND-061 and the timers."""
        length = min(self.terms.hi, max(self.terms.lo, 3 * average // UNITS))
        voids = min(self.voids, MAX_DOUBLINGS) if self.rules.doubling_is_capped else self.voids
        depth = self.terms.depth if self.rules.windows_include_depth else 0
        return int((depth + length) * (2 if attempt else 1) * 2**voids)

    # -- phases

    def tick(self) -> None:
        """A block begins; COMMIT closes in the block after its deadline, ROUND-018."""
        self.block += 1
        now = self.now
        if not self.finished and now.phase == COMMIT and 0 < now.deadline < self.block:
            self._close()

    def _recount(self) -> None:
        """An enrolment or a revocation: ROUND-013, and ROUND-018 for the order."""
        if self.finished or self.now.phase != COMMIT:
            return
        if not self.now.deadline and self.rules.open_round_recounts:
            if self._count_stop_votes():
                return
            self._count_commits()
        self._close_early()

    def _count_commits(self) -> None:
        """The block in which min_peers are reached fixes the round's numbers, ROUND-014."""
        now, live = self.now, self.live()
        if now.deadline or len(now.commits) < self.min_peers():
            return
        now.min_peers, now.enrolled, now.electorate = self.min_peers(), len(live), live
        now.frozen_block = self.block
        now.deadline = self.block + self.window(self.commit_average, 0)
        self.tell(f"round {now.number} has min_peers commits, COMMIT until {now.deadline}")

    def _close_early(self) -> None:
        """Nobody is left to wait for, ROUND-016."""
        enough = self.now.frozen_block or not self.rules.early_close_needs_min_peers
        active = self.active()
        if enough and not self.voids and active and active <= self.now.commits:
            self._close()

    def _close(self) -> None:
        """The roster of attempt 0 is who committed, ROUND-017."""
        now = self.now
        now.closed = self.block
        if self.rules.early_close_needs_min_peers and len(now.commits) < self.min_peers():
            self._end(VOID, f"{len(now.commits)} commits, min_peers is {self.min_peers()} now")
            return  # only where a mutant lets min_peers move
        self.tell(f"COMMIT of round {now.number} closes with {sorted(now.commits)}")
        self._start(0, tuple(sorted(now.commits)))

    def _start(self, attempt: int, roster: tuple[int, ...]) -> None:
        now = self.now
        now.phase, now.attempt, now.roster, now.started = ATTEMPT, attempt, roster, self.block
        now.exchange_deadline = self.block + self.window(self.exchange_average, attempt)
        posting = self.terms.lo
        posting += self.terms.depth if self.rules.windows_include_depth else 0
        now.last_post = now.exchange_deadline + (posting if self.rules.posts_have_time else 0)
        now.attests, now.haves = {}, {}

    def _learn(self) -> None:
        """A seal teaches both averages, ROUND-062."""
        now = self.now
        self._learn_exchange(lowers=now.attempt == 0 and not self.voids)
        if now.frozen_block:
            used = UNITS * (now.frozen_block - now.opened)
            self.commit_average = (7 * self.commit_average + used) // 8

    def _learn_exchange(self, *, lowers: bool) -> None:
        used = UNITS * (self.block - self.now.started)
        if lowers and self.rules.attempt_zero_only_lowers:
            used = min(used, self.exchange_average)
        self.exchange_average = (7 * self.exchange_average + used) // 8

    def _end(self, phase: int, words: str) -> None:
        """Sealed for good, ROUND-033, or void with the base kept, ROUND-042; the next one opens."""
        now = self.now
        now.phase, now.ended = phase, self.block
        self.tell(f"round {now.number} {'sealed' if phase == SEALED else 'void'}: {words}")
        self.log.append(
            Ended(now.number, now.sealed, now.attempt, now.roster, now.base, self.block)
        )
        self.earlier, self.recent = self.recent, now.commits
        self.joined -= now.commits
        base = now.base
        if now.sealed is not None:
            self._learn()
            base, self.last_sealed, self.voids = now.sealed[0], now.number, 0
            self.finished = 0 < self.terms.last_round <= now.number  # ROUND-050
        else:
            self.voids += 1
        if not self.finished and not self._count_stop_votes():
            self.now = Round(now.number + 1, self.block, base)

    def _count_stop_votes(self) -> bool:
        """q(E) of the live stop the run, ROUND-050."""
        live = self.live() if self.rules.stop_votes_over_enrolled else self.active()
        votes = self.stop_votes & live if self.rules.votes_of_revoked_lapse else self.stop_votes
        if votes and len(votes) >= quorum(len(live), self.rules):
            self.finished = self.stopped = True
            self.tell(f"stopped by {sorted(votes)} out of {sorted(live)}")
        return self.finished

    # -- transactions: the error's name, or None if it took effect

    def apply(self, tx: Tx) -> str | None:
        """Take one transaction, or say with the contract's error why it is refused."""
        takers: dict[str, Callable[[Tx], str | None]] = {
            "enrol": self._enrol,
            "revoke": self._revoke,
            "join": self._join,
            "stop": self._stop,
            "idle void": self._idle_void,
            "commit": self._commit,
            "have": self._have,
            "attest": self._attest,
            "next attempt": self._next_attempt,
        }
        return takers[tx.kind](tx)

    def _refused(self, tx: Tx) -> str | None:
        if self.finished:
            return "RunIsFinished"
        if tx.sender not in self.members:
            return "NotEnrolled"
        return "MemberRevoked" if tx.sender in self.revoked else None

    def _misplaced(self, tx: Tx, phase: int) -> str | None:
        if refusal := self._refused(tx):
            return refusal
        if tx.round != self.now.number:
            return "WrongRound"
        if self.now.phase != phase:
            return "WrongPhase"
        return "WrongAttempt" if tx.attempt != self.now.attempt else None

    def _enrol(self, tx: Tx) -> str | None:
        if tx.sender in self.members:
            return "AlreadyEnrolled"
        self.members += (tx.sender,)
        self.tell(f"{tx.sender} enrols")
        self._recount()
        return None

    def _revoke(self, tx: Tx) -> str | None:
        if tx.target not in self.members:
            return "UnknownIndex"
        if tx.sender not in {OWNER, tx.target}:
            return "NotAllowed"
        if tx.target in self.revoked:
            return "AlreadyRevoked"
        self.revoked |= {tx.target}
        self.tell(f"{tx.target} is revoked")
        self._recount()
        return None

    def _join(self, tx: Tx) -> str | None:
        """ROUND-015: a second call changes nothing."""
        if (refusal := self._refused(tx)) is None:
            self.joined |= {tx.sender}
        return refusal

    def _stop(self, tx: Tx) -> str | None:
        """ROUND-050: votes are not taken back, and count at once while no deadline runs."""
        if (refusal := self._refused(tx)) is None:
            self.stop_votes |= {tx.sender}
            recounts = self.rules.open_round_recounts
            if self.now.phase == COMMIT and not self.now.deadline and recounts:
                self._count_stop_votes()
        return refusal

    def _idle_void(self, tx: Tx) -> str | None:
        """What an earlier text had; ROUND-013 has nothing of the kind."""
        now = self.now
        if self.rules.no_idle_void:
            return "NoSuchFunction"
        if refusal := self._misplaced(tx, COMMIT):
            return refusal
        if now.deadline or self.block - now.opened <= self.terms.idle_blocks:
            return "TooEarly"
        self._end(VOID, "too few commits for too long")
        return None

    def _commit(self, tx: Tx) -> str | None:
        """ROUND-011; a newcomer after the frozen block waits, ROUND-014."""
        if refusal := self._misplaced(tx, COMMIT):
            return refusal
        now = self.now
        if tx.base != now.base:
            return "WrongBase"
        if tx.sender in now.commits:
            return "AlreadyCommitted"
        if self.is_frozen() and tx.sender not in now.electorate:
            return "EnrolledTooLate"
        now.commits |= {tx.sender}
        self.tell(f"{tx.sender} commits to round {now.number}")
        self._count_commits()
        self._close_early()
        return None

    def _have(self, tx: Tx) -> str | None:
        """ROUND-031, ROUND-032."""
        if refusal := self._unpostable(tx):
            return refusal
        if tx.sender in self.now.haves:
            return "AlreadyPosted"
        self.now.haves[tx.sender] = tx.held & frozenset(self.now.roster)
        return None

    def _unpostable(self, tx: Tx) -> str | None:
        if refusal := self._misplaced(tx, ATTEMPT):
            return refusal
        if tx.sender not in self.now.roster:
            return "NotInRoster"
        return "AlreadyAttested" if tx.sender in self.now.attests else None

    def _attest(self, tx: Tx) -> str | None:
        """ROUND-032; the first (root, aux) with q(n) seals, ROUND-033."""
        if refusal := self._unpostable(tx):
            return refusal
        now = self.now
        now.attests[tx.sender] = tx.body
        parts = 2 if self.rules.tally_by_root_and_aux else 1
        same = [body for body in now.attests.values() if body[:parts] == tx.body[:parts]]
        if len(same) >= quorum(len(now.roster), self.rules):
            now.sealed = tx.body
            self._end(SEALED, f"{list(now.roster)} at attempt {now.attempt}, aux {tx.body[1]!r}")
        return None

    def _next_attempt(self, tx: Tx) -> str | None:
        """ROUND-040 to ROUND-042."""
        if refusal := self._misplaced(tx, ATTEMPT):
            return refusal
        now = self.now
        if self.block <= now.last_post:
            return "TooEarly"
        roster = self._next_roster()
        self.tell(f"attempt {now.attempt} failed, roster {list(now.roster)} -> {list(roster)}")
        if not self.rules.only_seals_teach:
            self._learn_exchange(lowers=False)
        least = smallest_roster(self.min_peers(), len(now.commits))
        if now.attempt == LAST_ATTEMPT or len(roster) < least:
            self._end(VOID, f"attempt {now.attempt}, {len(roster)} left, {least} needed")
        else:
            self._start(now.attempt + 1, roster)
        return None

    def _next_roster(self) -> tuple[int, ...]:
        """Live members who posted and whose update enough posters hold, ROUND-041."""
        now = self.now
        claims = now.haves | dict.fromkeys(now.attests, frozenset(now.roster))
        need = holders(self.enrolled(), len(now.roster), self.rules)
        return tuple(
            peer
            for peer in now.roster
            if peer in claims
            and peer not in self.revoked
            and sum(peer in claim for claim in claims.values()) >= need
        )
