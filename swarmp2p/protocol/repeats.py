"""Statements that came before: replays, equivocations, sequence numbers (spec/04-envelope).

`SlotMemory` and `StreamMemory` hold what was accepted; `Repeats` judges whole envelopes by them.
The node has no kind but the manifest's and uses `SlotMemory`, through `gossip.GossipRules`;
`Repeats` is for programs that send kinds of their own, and for the vectors.
"""

from collections import defaultdict

from swarmp2p.crypto.identity import verify_envelope_signature
from swarmp2p.errors import RemoteProtocolError
from swarmp2p.protocol.verdicts import Equivocation, Judgement, Verdict, ignore, reject
from swarmp2p.wire.envelope import Envelope, Header, decode_envelope, is_stream_kind
from swarmp2p.wire.frames import FrameDecoder, encode_frame
from swarmp2p.wire.registry import (
    KIND_UPDATE_MANIFEST,
    MAX_STREAMS_REMEMBERED,
    SLOT_KINDS,
    WIRE_VERSION,
    Code,
)

Slot = tuple[object, ...]


def slot_of(header: Header) -> Slot:
    """What may be signed once; the key epoch and the wire version are no part of it."""
    return (
        header.sender,
        header.kind,
        header.round,
        header.attempt,
        header.recipient,
        header.index,
    )


class SlotMemory:
    """At most one envelope per slot: the first that was accepted."""

    def __init__(self) -> None:
        self._held: dict[Slot, bytes] = {}

    def holds(self, envelope: Envelope, data: bytes) -> bool:
        """Whether just these bytes were accepted before, so that their signature is known."""
        return self._held.get(slot_of(envelope.header)) == data

    def check(self, envelope: Envelope, data: bytes) -> Verdict | None:
        """What a repeat comes to, or None for a slot that is new. The signature has passed."""
        earlier = self._held.get(slot_of(envelope.header))
        if earlier is None:
            return None
        # ENV-014: the same again is dropped in silence.
        if decode_envelope(earlier).body == envelope.body:
            return ignore(Code.REPLAY, "seen before")
        # ENV-015: another body in the same slot is an equivocation; the pair is its proof.
        return Verdict(
            Judgement.REJECT,
            "two bodies for one slot",
            Code.EQUIVOCATION,
            envelope,
            equivocation=Equivocation(earlier, data),
        )

    def keep(self, envelope: Envelope, data: bytes) -> None:
        """An accepted envelope; the slot moves once."""
        self._held.setdefault(slot_of(envelope.header), data)

    def drop_before(self, number: int) -> None:
        """Forget the slots of rounds before `number`."""
        self._held = {
            slot: data
            for slot, data in self._held.items()
            if decode_envelope(data).header.round >= number
        }


class StreamMemory:
    """The last sequence number of each (sender, kind, recipient)."""

    def __init__(self) -> None:
        self._last: defaultdict[bytes, dict[tuple[str, bytes], int]] = defaultdict(dict)

    def check(self, header: Header) -> Verdict | None:
        """What a repeat comes to, or None for a number that rises. The signature has passed."""
        known = self._last.get(header.sender, {})
        stream = (header.kind, header.recipient)
        # ENV-016: the number rises strictly; before the first one the last is 0.
        if header.seq <= known.get(stream, 0):
            return ignore(Code.REPLAY, f"seq {header.seq} is not above the last")
        # ENV-018: a sender cannot fill our memory with streams.
        if stream not in known and len(known) >= MAX_STREAMS_REMEMBERED:
            return ignore(
                Code.TOO_MANY, f"more than {MAX_STREAMS_REMEMBERED} streams of one sender"
            )
        return None

    def keep(self, header: Header) -> None:
        """An accepted envelope."""
        self._last[header.sender][header.kind, header.recipient] = header.seq


class Repeats:
    """Judges envelopes by spec/04-envelope alone, in the order they are received.

    The node does not use it: it is what an embedder with stream kinds (`x-...`) puts before its own
    rules, and what the vectors of `envelope.repeats` ask.

    Who the sender is and what the body says is for others to judge. Call `drop_before` as rounds
    end: slots are remembered until then.
    """

    def __init__(self, domain: bytes) -> None:
        """`domain` is D of the run, 32 bytes."""
        self._domain = domain
        self._slots = SlotMemory()
        self._streams = StreamMemory()

    def judge(self, data: bytes) -> Verdict:
        """ENV-001 to ENV-018, in order. Never raises for what a peer may send."""
        try:
            envelope = decode_envelope(data)
            header = envelope.header
            stream = is_stream_kind(header.kind)
            # ENV-006: what another version may understand is not used, and no fault.
            if not stream and header.kind != KIND_UPDATE_MANIFEST:
                return ignore(Code.UNEXPECTED, f"kind {header.kind} is not known")
            if header.wire_version != WIRE_VERSION:
                return ignore(Code.WRONG_VERSION, f"wire version {header.wire_version}")
            verify_envelope_signature(envelope, self._domain)
        except RemoteProtocolError as error:
            return reject(error.code, str(error))
        repeated = self._streams.check(header) if stream else self._slots.check(envelope, data)
        if repeated is not None:
            return repeated
        if stream:
            self._streams.keep(header)
        else:
            self._slots.keep(envelope, data)
        return Verdict(Judgement.ACCEPT, "accepted", Code.OK, envelope)

    def drop_before(self, number: int) -> None:
        """Forget the slots of rounds before `number`; sequence numbers are kept."""
        self._slots.drop_before(number)


def verify_equivocation(proof: Equivocation, domain: bytes) -> Header:
    """The header of the slot that was signed twice. Raises RemoteProtocolError otherwise.

    GOSSIP-016: anybody can check the pair; two signatures, one slot of a slot kind, two bodies.
    """
    first, second = decode_envelope(proof.first), decode_envelope(proof.second)
    for envelope in (first, second):
        verify_envelope_signature(envelope, domain)
    # Only slot kinds are signed once, and a new key epoch opens no second slot.
    same = slot_of(first.header) == slot_of(second.header) and first.header.kind in SLOT_KINDS
    if not same or first.body == second.body:
        raise RemoteProtocolError(Code.MALFORMED, "the two envelopes are no equivocation")
    return first.header


def encode_equivocation(proof: Equivocation) -> bytes:
    """The proof as one string, as it is kept and as a fault vote's evidence is the SHA-256 of.

    Both envelopes, each in a frame (spec/02-encoding), the lesser bytes first: whoever holds the
    same two gets the same string.
    """
    return b"".join(encode_frame(data) for data in sorted((proof.first, proof.second)))


def decode_equivocation(data: bytes) -> Equivocation:
    """Read back what `encode_equivocation` wrote; nothing is verified yet.

    Raises RemoteProtocolError: TOO_LARGE, or MALFORMED unless it is two frames and no more.
    """
    decoder = FrameDecoder()
    frames = decoder.receive_data(data)
    if len(frames) != 2 or decoder.mid_item:
        raise RemoteProtocolError(Code.MALFORMED, "a proof of equivocation is two framed envelopes")
    return Equivocation(frames[0], frames[1])
