"""What becomes of a received statement: ACCEPT, IGNORE or REJECT, with the code and the reason."""

from dataclasses import dataclass
from enum import Enum

from swarmp2p.wire.envelope import Envelope
from swarmp2p.wire.messages import UpdateManifest
from swarmp2p.wire.registry import Code


class Judgement(Enum):
    """What becomes of a message (spec/11-errors, "Outcomes")."""

    ACCEPT = "accept"
    IGNORE = "ignore"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Two envelopes of one slot with different bodies, both validly signed: a proof."""

    first: bytes
    second: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one message. `code` RETRY: valid as far as can be told, but too early."""

    outcome: Judgement
    reason: str
    code: int = Code.OK
    envelope: Envelope | None = None
    manifest: UpdateManifest | None = None
    equivocation: Equivocation | None = None


def ignore(code: int, reason: str) -> Verdict:
    """Dropped; nothing is held against anybody."""
    return Verdict(Judgement.IGNORE, reason, code)


def reject(code: int, reason: str) -> Verdict:
    """Refused, and held against whoever passed it on."""
    return Verdict(Judgement.REJECT, reason, code)
