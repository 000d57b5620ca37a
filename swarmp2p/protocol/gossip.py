"""Judges announcements: ordered rules that end in ACCEPT, IGNORE or REJECT, each with its reason.

The order is cheapest first, and nothing is kept of a message before its signature is verified.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from swarmp2p.crypto.identity import commitment, verify_envelope_signature
from swarmp2p.errors import RemoteProtocolError
from swarmp2p.protocol.repeats import SlotMemory
from swarmp2p.protocol.verdicts import Judgement, Verdict, ignore, reject
from swarmp2p.wire.envelope import EVERYONE, Envelope, Header, decode_envelope
from swarmp2p.wire.messages import UpdateManifest, decode_update_manifest
from swarmp2p.wire.registry import (
    CONTROL_BURST,
    CONTROL_MESSAGES_PER_SECOND,
    ENCODING_FP32,
    KIND_UPDATE_MANIFEST,
    MAX_PEERS,
    WIRE_VERSION,
    Code,
)


@dataclass(frozen=True, slots=True)
class GossipView:
    """What the rules know of the chain, as of the last final block.

    Peers are named by their keys of the round. `enrolled` maps the live ones to the epochs of those
    keys, `roster` to (commitment, declared weight); it is empty before COMMIT has closed.
    """

    round: int
    attempt: int
    enrolled: Mapping[bytes, int]
    roster: Mapping[bytes, tuple[bytes, int]]
    base_digest: bytes
    commit_closed: bool


@dataclass
class _Message:
    """A message on its way through the rules."""

    data: bytes
    envelope: Envelope
    forwarder: bytes
    now: float
    manifest: UpdateManifest | None = None

    @property
    def header(self) -> Header:
        return self.envelope.header


@dataclass
class _Bucket:
    """Tokens of one forwarder."""

    tokens: float = CONTROL_BURST
    filled: float = 0.0


class GossipRules:
    """The rules with their small memory: buckets by forwarder, one envelope a sender and round."""

    def __init__(self, domain: bytes, schema_hash: bytes, encoding: int = ENCODING_FP32) -> None:
        """`domain` is D of the run; `schema_hash` and `encoding` are the run manifest's."""
        self._domain = domain
        self._schema_hash = schema_hash
        self._encoding = encoding
        self._buckets: dict[bytes, _Bucket] = {}
        self._round_seen = 0
        self._slots = SlotMemory()
        self._rules: tuple[Callable[[_Message, GossipView], Verdict | None], ...] = (
            self._kind,
            self._enrolled,
            self._round,
            self._rate,
            self._signature,
            self._repeat,
            self._body,
            self._early,
            self._roster,
            self._terms,
            self._commitment,
        )

    def judge(self, data: bytes, view: GossipView, *, forwarder: bytes, now: float) -> Verdict:
        """Pass a message through the rules, in order; the first that objects decides.

        `forwarder` is the connected peer that it came from, proven by the handshake.
        """
        self._come_to(view.round)
        try:
            # GOSSIP-001: an envelope within its bounds.
            message = _Message(data, decode_envelope(data), forwarder, now)
            for rule in self._rules:
                verdict = rule(message, view)
                if verdict is not None:
                    return verdict
        except RemoteProtocolError as error:
            return reject(error.code, str(error))
        self._slots.keep(message.envelope, data)
        return Verdict(Judgement.ACCEPT, "accepted", Code.OK, message.envelope, message.manifest)

    def keep_own(self, data: bytes, number: int) -> None:
        """An envelope of our own for round `number`: another body under our key is to show."""
        self._come_to(number)
        self._slots.keep(decode_envelope(data), data)

    def _come_to(self, number: int) -> None:
        if number != self._round_seen:
            self._round_seen, self._slots = number, SlotMemory()

    def _kind(self, message: _Message, _view: GossipView) -> Verdict | None:
        # GOSSIP-002: a known kind and version, to everyone, in the manifest's only slot.
        header = message.header
        if header.kind != KIND_UPDATE_MANIFEST:
            return ignore(Code.UNEXPECTED, f"kind {header.kind} is not gossiped")
        if header.wire_version != WIRE_VERSION:
            return ignore(Code.WRONG_VERSION, f"wire version {header.wire_version}")
        if header.recipient != EVERYONE or header.attempt or header.index:
            return reject(Code.MALFORMED, "a manifest is for everyone, attempt 0, index 0")
        return None

    def _enrolled(self, message: _Message, view: GossipView) -> Verdict | None:
        # GOSSIP-003: enrolled senders only, by their keys of the round; the forwarder may not know
        # yet of a revocation.
        epoch = view.enrolled.get(message.header.sender)
        if epoch is None:
            return ignore(Code.NOT_ENROLLED, "the sender is no enrolled peer's key of this round")
        if epoch != message.header.key_epoch:  # ID-026
            return ignore(
                Code.NOT_ENROLLED, f"key epoch {message.header.key_epoch}; the key's is {epoch}"
            )
        return None

    def _round(self, message: _Message, view: GossipView) -> Verdict | None:
        # GOSSIP-004: only the current round; views of the chain differ, so no strike.
        if message.header.round != view.round:
            return ignore(
                Code.WRONG_ROUND, f"round {message.header.round}; the current one is {view.round}"
            )
        return None

    def _rate(self, message: _Message, _view: GossipView) -> Verdict | None:
        # GOSSIP-005: a token bucket per forwarder, before the costly signature check: the sender
        # is only a claim yet, and a bucket of its own could be emptied by others.
        if len(self._buckets) > 4 * MAX_PEERS:
            self._buckets.clear()
        bucket = self._buckets.setdefault(message.forwarder, _Bucket(filled=message.now))
        gained = (message.now - bucket.filled) * CONTROL_MESSAGES_PER_SECOND
        bucket.tokens = min(float(CONTROL_BURST), bucket.tokens + max(0.0, gained))
        bucket.filled = max(bucket.filled, message.now)
        if bucket.tokens < 1:
            return ignore(Code.TOO_MANY, "too many messages from this forwarder")
        bucket.tokens -= 1
        return None

    def _signature(self, message: _Message, _view: GossipView) -> Verdict | None:
        # GOSSIP-006: signed by the sender, in our domain.
        if not self._slots.holds(message.envelope, message.data):
            verify_envelope_signature(message.envelope, self._domain)
        return None

    def _repeat(self, message: _Message, _view: GossipView) -> Verdict | None:
        # GOSSIP-007, GOSSIP-008: the same again is dropped; another body is an equivocation.
        return self._slots.check(message.envelope, message.data)

    def _body(self, message: _Message, _view: GossipView) -> Verdict | None:
        # GOSSIP-009: a well-formed manifest.
        message.manifest = decode_update_manifest(message.envelope.body)
        return None

    def _early(self, message: _Message, view: GossipView) -> Verdict | None:
        # GOSSIP-010: before the block that closed COMMIT is final here, it waits.
        if not view.commit_closed:
            return Verdict(
                Judgement.IGNORE,
                "COMMIT is not closed yet",
                Code.RETRY,
                message.envelope,
                message.manifest,
            )
        return None

    def _roster(self, message: _Message, view: GossipView) -> Verdict | None:
        # GOSSIP-011: members of the roster only.
        if message.header.sender not in view.roster:
            return ignore(Code.NOT_IN_ROSTER, "the sender is not in the roster")
        return None

    def _terms(self, message: _Message, view: GossipView) -> Verdict | None:
        # GOSSIP-012: the run's schema and encoding, and the round's base.
        manifest = message.manifest
        if manifest is None or manifest.schema_hash != self._schema_hash:
            return reject(Code.BAD_SCHEMA, "another schema than the run's")
        if manifest.encoding != self._encoding:
            return reject(Code.BAD_SCHEMA, "another encoding than the run's")
        if manifest.base_digest != view.base_digest:
            return reject(Code.BAD_COMMITMENT, "another base than the round's")
        return None

    def _commitment(self, message: _Message, view: GossipView) -> Verdict | None:
        # GOSSIP-013: C is recomputed; it and the weight equal the chain's.
        manifest, sender = message.manifest, message.header.sender
        if manifest is None:
            return reject(Code.MALFORMED, "no manifest")
        expected, weight = view.roster[sender]
        computed = commitment(
            self._domain,
            message.header.round,
            0,
            sender,
            manifest.base_digest,
            manifest.schema_hash,
            manifest.root,
            manifest.salt,
        )
        if computed != expected or manifest.weight != weight:
            return reject(Code.BAD_COMMITMENT, "commitment or weight differ from the chain's")
        return None
