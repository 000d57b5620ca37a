"""Proofs of equivocation: kept, voted on once, and an end to this node where it is the accused.

A proof is kept under the key that signed twice, as `repeats.encode_equivocation` writes it. That a
vote stands is kept too, so that a restarted node does not vote again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from swarmp2p.errors import (
    KeyMisusedError,
    LedgerUnavailableError,
    RemoteProtocolError,
    TransactionRevertedError,
)
from swarmp2p.ledger.interface import ChainView, FaultKind
from swarmp2p.node.context import Context
from swarmp2p.protocol.repeats import (
    decode_equivocation,
    encode_equivocation,
    verify_equivocation,
)
from swarmp2p.protocol.verdicts import Equivocation


@dataclass(frozen=True, slots=True)
class Charge:
    """Whoever holds `key` signed twice in `round`; `evidence` is the SHA-256 of the proof."""

    key: bytes
    round: int
    evidence: bytes


class Faults:
    """What this node can prove of others."""

    def __init__(self, context: Context, halt: Callable[[KeyMisusedError], None]) -> None:
        """`halt` is called when the proof is against this node's own key."""
        self._c = context
        self._halt = halt
        self._view: ChainView | None = None
        self._charges: dict[bytes, Charge] = {}
        self._asked: set[bytes] = set()

    def recall(self, view: ChainView) -> None:
        """After a restart: what the disk proves of the members.

        Raises KeyMisusedError where it proves that this node's key is in two hands.
        """
        for key in (key.peer for member in view.members for key in member.keys):
            kept = self._kept(key)
            if kept is None:
                continue
            number, data = kept
            if key == self._c.me:
                raise _misused(key, number)
            self._charge(key, number, data)

    def _kept(self, key: bytes) -> tuple[int, bytes] | None:
        """The proof on the disk against a key, and its round."""
        data = self._c.store.get(_proof_of(key))
        if data is None:
            return None
        try:
            return verify_equivocation(decode_equivocation(data), self._c.domain).round, data
        except RemoteProtocolError as error:
            self._c.log("proof-lost", peer=key.hex(), why=str(error))
            return None

    def note(self, proof: Equivocation) -> None:
        """Verify and keep a proof, the newest of each key; act on it with the next `due`.

        Votes count by round: whoever signed twice before too few, and does it again before others,
        is voted on again.
        """
        header = verify_equivocation(proof, self._c.domain)
        key = header.sender
        kept = self._kept(key)
        if kept is not None and kept[0] >= header.round:
            return
        data = encode_equivocation(proof)
        self._c.store.put(_proof_of(key), data)
        self._c.log("equivocation", peer=key.hex(), round=header.round)
        if key == self._c.me:
            # SEC-004: whoever else has our key signs what it likes; we sign nothing more.
            self._halt(_misused(key, header.round))
            return
        self._charge(key, header.round, data)

    def _charge(self, key: bytes, number: int, data: bytes) -> None:
        evidence = sha256(data).digest()
        if self._c.store.get(_vote_on(key)) != evidence:
            self._charges[key] = Charge(key, number, evidence)

    def follow(self, view: ChainView) -> None:
        """The final view moved."""
        self._view = view

    def due(self) -> list[Charge]:
        """The charges to vote on now, each until `vote` has settled it."""
        if self._view is None or self._view.member(self._c.me) is None or self._view.finished:
            return []
        ready = []
        for key, charge in self._charges.items():
            if key not in self._asked and self._is_due(charge, self._view):
                self._asked.add(key)
                ready.append(charge)
        return ready

    def _is_due(self, charge: Charge, view: ChainView) -> bool:
        """ROUND-047: only on a fresh proof, against the key that counts in this round.

        And only while that key is the current one: no key that was stolen and rotated away puts
        its site out, not even in the round that froze before the rotation. What is out of the run
        needs no vote of ours, and nobody votes on itself: a key that we have rotated away because
        it was stolen is the thief's, and says nothing of the one that we sign with.
        """
        accused = view.holder(charge.key)
        if accused is None or not accused.live or accused.had(self._c.me):
            return False
        fresh = charge.round >= view.round.round - 1
        return fresh and view.round_key(accused).peer == accused.peer == charge.key

    async def vote(self, charge: Charge) -> None:
        """Post one vote; what the chain did not answer is due again."""
        accused = self._view.holder(charge.key) if self._view else None
        if accused is None:
            return
        kind = FaultKind.EQUIVOCATION
        try:
            await self._c.ledger.vote_fault(accused.index, kind, charge.round, charge.evidence)
        except LedgerUnavailableError as error:
            self._c.log("step-waits", step="vote-fault", why=str(error))
            self._asked.discard(charge.key)
            return
        except TransactionRevertedError as error:
            self._c.log("step-refused", step="vote-fault", why=error.reason)
        self._c.store.put(_vote_on(charge.key), charge.evidence)
        self._asked.discard(charge.key)
        if self._charges.get(charge.key) == charge:  # and no newer one has come meanwhile
            del self._charges[charge.key]
        self._c.log("fault-vote", peer=charge.key.hex(), round=charge.round)


def _proof_of(key: bytes) -> str:
    return f"equivocation/{key.hex()}"


def _vote_on(key: bytes) -> str:
    return f"fault-vote/{key.hex()}"


def _misused(key: bytes, number: int) -> KeyMisusedError:
    return KeyMisusedError(
        f"two different messages of round {number} are signed with this site's key {key.hex()}:"
        " another program has a copy of it, or this state directory is not the one that belongs to"
        " it; nothing more is signed. Find the copy, then rotate to a new key, or have this"
        " enrolment revoked"
    )
