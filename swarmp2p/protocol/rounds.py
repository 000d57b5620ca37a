"""One node's part in the rounds of a run, after spec/08-rounds.md. Does no I/O.

Feed it what the last final block says (`Facts`) and what the node has achieved (an update handed
in, an update held, a merge computed); it answers with the steps to take. Facts may be repeated or
skip phases: the machine compares, it does not count on seeing each change.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from swarmp2p.errors import LocalProtocolError
from swarmp2p.protocol.machine import Machine


class RoundPhase(Enum):
    """Where the round stands on the chain."""

    COMMIT = auto()
    ATTEMPT = auto()
    SEALED = auto()
    VOID = auto()


@dataclass(frozen=True, slots=True)
class Facts:
    """The current round as of the last final block, in peers' keys of this round.

    `head` is the newest block's number, final or not. `me` is the key of this node's enrolment in
    this round; `me_holds_key` says whether the node has it: not after a rotation in mid-round.
    `me_live` says whether this node is live under its own key, `me_active` whether it is waited
    for. `rank` is this node's turn to call the next attempt (0 first).
    """

    me: bytes
    me_holds_key: bool
    head: int
    round: int
    attempt: int
    phase: RoundPhase
    base: bytes
    roster: tuple[bytes, ...]
    committed: frozenset[bytes]
    attested: frozenset[bytes]
    had: frozenset[bytes]
    exchange_deadline: int
    last_post: int
    ever_sealed: bool
    me_live: bool
    me_active: bool
    rank: int
    finished: bool
    live: tuple[bytes, ...]


# -- steps: what the node is to do -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PostCommit:
    """Commit the update in hand to `round`, whose base is `base`."""

    round: int
    base: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """COMMIT has closed for good: reveal our manifest if we are in the roster, pull the others'."""

    round: int
    attempt: int
    roster: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """Every update of the roster is held: compute the merge."""

    round: int
    attempt: int
    roster: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PostAttest:
    """Attest the merged root."""

    round: int
    attempt: int
    root: bytes


@dataclass(frozen=True, slots=True)
class PostHave:
    """Say which updates are held."""

    round: int
    attempt: int
    held: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class PostNextAttempt:
    """Open the next attempt."""

    round: int
    attempt: int


@dataclass(frozen=True, slots=True)
class PostJoin:
    """Ask to be waited for again."""


@dataclass(frozen=True, slots=True)
class RoundOver:
    """The round that the update in hand was for has ended; look its outcome up on the chain."""

    round: int


Step = (
    PostCommit | Exchange | Merge | PostAttest | PostHave | PostNextAttempt | PostJoin | RoundOver
)


class State(Enum):
    """The node's own state in a round."""

    TRAINING = "training"
    READY = "ready"
    COMMITTED = "committed"
    EXCHANGING = "exchanging"
    MERGING = "merging"
    ATTESTED = "attested"
    OUTSIDE = "outside"


class Event(Enum):
    """What moves it."""

    HANDED_IN = "update handed in"
    COMMIT_FINAL = "own commit final"
    CLOSED = "commit closed"
    CLOSED_WITHOUT_US = "commit closed without us"
    ALL_HELD = "all updates held"
    MERGE_COMPUTED = "merge computed"
    INPUT_LOST = "an input is gone from the disk"
    NEXT_ATTEMPT = "next attempt"
    EXPELLED = "left the roster"
    OVER = "round over"


_IN_ATTEMPT = (State.EXCHANGING, State.MERGING, State.ATTESTED)
TABLE: dict[tuple[State, Event], State] = {
    (State.TRAINING, Event.HANDED_IN): State.READY,
    (State.READY, Event.COMMIT_FINAL): State.COMMITTED,
    (State.READY, Event.CLOSED_WITHOUT_US): State.OUTSIDE,
    (State.READY, Event.CLOSED): State.EXCHANGING,
    (State.COMMITTED, Event.CLOSED): State.EXCHANGING,
    # A commit that was final cannot leave the chain; if it does, the ledger halts the node.
    (State.EXCHANGING, Event.ALL_HELD): State.MERGING,
    (State.MERGING, Event.MERGE_COMPUTED): State.ATTESTED,
    (State.MERGING, Event.INPUT_LOST): State.EXCHANGING,
    **{(state, Event.NEXT_ATTEMPT): State.EXCHANGING for state in _IN_ATTEMPT},
    **{(state, Event.EXPELLED): State.OUTSIDE for state in (State.COMMITTED, *_IN_ATTEMPT)},
    **{
        (state, Event.OVER): State.TRAINING
        for state in (State.READY, State.COMMITTED, State.OUTSIDE, *_IN_ATTEMPT)
    },
}


class RoundMachine(Machine[State, Event]):
    """The node's part in one round after another.

    `hand_in` when training gives an update; `advance` with every new final block; `note_held`,
    `note_merged` as work gets done; each returns the steps to take now.
    """

    table = TABLE

    def __init__(self, *, resend_blocks: int = 8) -> None:
        """What is posted once, and when again.

        A post that the final view does not show `resend_blocks` after it was asked for is asked
        for again: the chain may have dropped it in a reorganisation that was not deep.
        """
        super().__init__(State.TRAINING)
        self._resend = resend_blocks
        self._root = bytes(32)
        self._facts: Facts | None = None
        self._round = 0
        self._attempt = -1
        self._held: set[bytes] = set()
        self._posted: dict[tuple[type[Step], int, int], int] = {}

    @property
    def held(self) -> frozenset[bytes]:
        """The peers whose update of this round is held."""
        return frozenset(self._held)

    @property
    def round(self) -> int:
        """The round the update in hand is for; 0 while training."""
        return self._round

    def hand_in(self, number: int) -> list[Step]:
        """Training has an update for round `number`, made from that round's base.

        Raises LocalProtocolError when another update is still in hand.
        """
        if self._facts is None or number != self._facts.round:
            raise LocalProtocolError(f"round {number} is not the open one")
        self.fire(Event.HANDED_IN)
        self._round, self._attempt = number, -1
        self._held = {self._facts.me}
        return self._follow()

    def note_held(self, number: int, peer: bytes) -> list[Step]:
        """Every chunk of `peer`'s update for round `number` is verified and kept."""
        if number != self._round:
            return []
        self._held.add(peer)
        return self._follow()

    def note_merged(self, number: int, attempt: int, root: bytes) -> list[Step]:
        """The merge of this attempt is computed and kept under `root`."""
        if (number, attempt) != (self._round, self._attempt) or self.state is not State.MERGING:
            return []  # The chain went on while the merge ran.
        self.fire(Event.MERGE_COMPUTED)
        self._root = root
        return self._follow()

    def note_lost(self, number: int, attempt: int) -> None:
        """A merge found an input gone: all count as not held until they are checked again."""
        if (number, attempt) == (self._round, self._attempt) and self.state is State.MERGING:
            self.fire(Event.INPUT_LOST)
            self._held.clear()

    def advance(self, facts: Facts) -> list[Step]:
        """The final block moved on."""
        if self._facts is None or facts.round != self._facts.round:
            self._posted.clear()
        self._facts = facts
        return self._follow() + self._public_duties(facts)

    def waiting_for(self) -> tuple[str, frozenset[bytes]]:
        """(what is waited for, the peers it is waited from)."""
        facts = self._facts
        if facts is None:
            return "the chain", frozenset()
        if self.state is State.TRAINING:
            return "training here", frozenset({facts.me})
        if facts.phase is RoundPhase.COMMIT:
            return "commits", frozenset(facts.live) - facts.committed
        if self.state is State.EXCHANGING:
            return "updates", frozenset(facts.roster) - self._held
        return "attestations", frozenset(facts.roster) - facts.attested

    # -- within ------------------------------------------------------------------------------

    def _follow(self) -> list[Step]:
        """Take every transition that the facts allow, in order."""
        facts = self._facts
        if facts is None or self.state is State.TRAINING:
            return []
        if facts.round != self._round or facts.finished:
            return self._end()
        steps: list[Step] = []
        for rule in self._rules:
            steps += rule(facts)
        return steps

    @property
    def _rules(self) -> tuple[Callable[[Facts], list[Step]], ...]:
        return (
            self._commit,
            self._close,
            self._attempt_change,
            self._hold,
            self._attest,
            self._report,
        )

    def _end(self) -> list[Step]:
        number, self._round = self._round, 0
        self.fire(Event.OVER)
        return [RoundOver(number)]

    def _commit(self, facts: Facts) -> list[Step]:
        if self.state is not State.READY or facts.phase is not RoundPhase.COMMIT:
            return []
        if facts.me in facts.committed:
            self.fire(Event.COMMIT_FINAL)
            return []
        if not facts.me_live or not facts.me_holds_key:  # ID-027
            return []
        # ROUND-010: commit only after the round's opening block is final, to its base.
        return self._post(PostCommit(facts.round, facts.base), facts)

    def _close(self, facts: Facts) -> list[Step]:
        if facts.phase is not RoundPhase.ATTEMPT or self._attempt >= 0:
            return []
        if self.state not in (State.READY, State.COMMITTED):
            return []
        self._attempt = facts.attempt
        if facts.me in facts.roster:
            self.fire(Event.CLOSED)
            return [Exchange(facts.round, facts.attempt, facts.roster)]
        late = self.state is State.READY
        self.fire(Event.CLOSED_WITHOUT_US if late else Event.EXPELLED)
        return []

    def _attempt_change(self, facts: Facts) -> list[Step]:
        if facts.attempt <= self._attempt or self.state not in _IN_ATTEMPT:
            return []
        self._attempt = facts.attempt
        if facts.me not in facts.roster:
            self.fire(Event.EXPELLED)
            return []
        self.fire(Event.NEXT_ATTEMPT)
        return [Exchange(facts.round, facts.attempt, facts.roster)]

    def _hold(self, facts: Facts) -> list[Step]:
        if self.state is not State.EXCHANGING or not self._held >= set(facts.roster):
            return []
        self.fire(Event.ALL_HELD)
        return [Merge(facts.round, facts.attempt, facts.roster)]

    def _attest(self, facts: Facts) -> list[Step]:
        if self.state is not State.ATTESTED or facts.me in facts.attested or not facts.me_live:
            return []
        return self._post(PostAttest(facts.round, facts.attempt, self._root), facts)

    def _report(self, facts: Facts) -> list[Step]:
        # ROUND-031: who lacks an update at the EXCHANGE deadline says what it has.
        if self.state is not State.EXCHANGING or facts.head < facts.exchange_deadline:
            return []
        if facts.me in facts.had or not facts.me_live:
            return []
        held = self.held & frozenset(facts.roster)
        return self._post(PostHave(facts.round, facts.attempt, held), facts)

    def _public_duties(self, facts: Facts) -> list[Step]:
        """What any enrolled peer does, in the roster or not."""
        if not facts.me_live or facts.finished:
            return []
        steps: list[Step] = []
        overdue = facts.phase is RoundPhase.ATTEMPT and facts.head > facts.last_post + facts.rank
        if overdue:  # ROUND-040: rank i waits i blocks.
            steps += self._post(PostNextAttempt(facts.round, facts.attempt), facts)
        if facts.ever_sealed and not facts.me_active:
            # ROUND-015: a peer that is no longer waited for asks to be, once a round.
            steps += self._post(PostJoin(), facts)
        return steps

    def _post(self, step: Step, facts: Facts) -> list[Step]:
        """Ask for a post, once per `resend_blocks`."""
        asked = self._posted.get(_slot(step))
        if asked is not None and facts.head < asked + self._resend:
            return []
        self._posted[_slot(step)] = facts.head
        return [step]

    def forget(self, step: Step) -> None:
        """A post failed for now (the chain did not answer): ask for it again."""
        self._posted.pop(_slot(step), None)


def _slot(step: Step) -> tuple[type[Step], int, int]:
    return type(step), getattr(step, "round", 0), getattr(step, "attempt", 0)
