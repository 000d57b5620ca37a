"""Checks of the machines: however bytes are cut they do the same, and twice the same."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fuzz.plans import Plan, pieces, splits
from swarmp2p.crypto.identity import commitment, sign_envelope, verify_envelope
from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.crypto.merkle import MerkleTree, leaf_hash
from swarmp2p.errors import RemoteProtocolError
from swarmp2p.protocol.getter import ChunkVerified, Getter
from swarmp2p.protocol.gossip import GossipRules, GossipView
from swarmp2p.protocol.hello import HelloMachine, Role
from swarmp2p.protocol.provider import ChunkWanted, Provider, State
from swarmp2p.protocol.repeats import Repeats, verify_equivocation
from swarmp2p.protocol.verdicts import Equivocation, Judgement, Verdict
from swarmp2p.wire.envelope import Header
from swarmp2p.wire.messages import Hello, UpdateManifest
from swarmp2p.wire.registry import (
    ENCODING_FP32,
    KIND_COMMIT,
    KIND_UPDATE_MANIFEST,
    MAX_CHUNKS_IN_FLIGHT,
    WIRE_VERSION,
    Code,
)

DOMAIN, SCHEMA, BASE, ROOT, SALT = (bytes([n]) * 32 for n in range(1, 6))
HELLO = Hello(WIRE_VERSION, DOMAIN, "swarmp2p/0.1.0", (5,), 3)
CHUNKS = [bytes([n]) * size for n, size in enumerate((7, 1, 40, 90, 64))]
TREE = MerkleTree([leaf_hash(index, data) for index, data in enumerate(CHUNKS)])
KEY, FORWARDER = (IdentityKey.from_seed(bytes([n]) * 32) for n in (7, 9))
MANIFEST = UpdateManifest(BASE, SCHEMA, ENCODING_FP32, ROOT, SALT, 5)
HEADER = Header(KIND_UPDATE_MANIFEST, WIRE_VERSION, 0, 3, 0, 0, KEY.public)
COMMITMENT = commitment(DOMAIN, 3, 0, KEY.public, BASE, SCHEMA, ROOT, SALT)
_STEPS = (0.0, 0.5, 3.0, 20.0)  # seconds between two pieces
_TWICE = 0x80  # flags from here up: run twice and compare; below: cut in two ways and compare

Machine = HelloMachine | Provider | Getter
# (events, bytes sent, error code, deadline, state) of each call
Trace = list[tuple[list[Any], bytes, int | None, float | None, Any]]


def _code(call: Callable[[], None]) -> int | None:
    try:
        call()
    except RemoteProtocolError as error:
        return error.code
    return None


def play(
    machine: Machine,
    parts: Sequence[bytes],
    step: float = 0.0,
    act: Callable[[Sequence[Any]], None] = lambda _events: None,
) -> Trace:
    """Feed `parts`, one each `step` seconds, then the end; `act` may answer the events."""
    trace: Trace = []

    def note(code: int | None) -> None:
        events = list(machine.events())
        act(events)
        sent = b"".join(bytes(part) for part in machine.data_to_send())
        trace.append((events, sent, code, machine.next_deadline(), machine.state))

    note(None)
    now = 0.0
    for part in parts:
        now += step
        if step:
            note(_code(lambda at=now: machine.handle_timer(now=at)))  # type: ignore[misc]
        note(_code(lambda at=now, data=part: machine.receive_data(data, now=at)))  # type: ignore[misc]
    note(_code(lambda: machine.receive_eof(now=now)))
    return trace


def _sum(trace: Trace) -> tuple[list[Any], bytes, list[int], Any]:
    """What does not depend on how the input was cut."""
    events = [event for entry in trace for event in entry[0]]
    codes = [entry[2] for entry in trace if entry[2] is not None]
    return events, b"".join(entry[1] for entry in trace), codes, trace[-1][4]


def _same_however_cut(make: Callable[[], Machine], stream: bytes, cuts: list[int]) -> list[Any]:
    """The events of `stream`, which are the same in every way of feeding it."""
    whole, cut = (_sum(play(make(), way)) for way in splits(stream, cuts))
    assert whole == cut, "the split shows"
    assert len(whole[2]) <= 1, "a dead machine speaks"
    return whole[0]


def hello_machine(data: bytes) -> None:
    """Flags (check, role, pace), cuts, then the peer's bytes."""
    plan = Plan(data)
    flags, cuts, stream = plan.uint(), plan.cuts(), plan.rest()
    role = Role.RESPONDER if flags & 1 else Role.INITIATOR

    def make() -> HelloMachine:
        return HelloMachine(role, HELLO, now=0.0)

    if flags < _TWICE:
        assert len(_same_however_cut(make, stream, cuts)) <= 1
        return
    step, parts = _STEPS[flags >> 1 & 3], pieces(stream, cuts)
    assert play(make(), parts, step) == play(make(), parts, step)


def provider(data: bytes) -> None:
    """Flags (check, answers per call, pace), cuts, then a getter's bytes."""
    plan = Plan(data)
    flags, cuts, stream = plan.uint(), plan.cuts(), plan.rest()
    if flags < _TWICE:
        assert len(_same_however_cut(Provider, stream, cuts)) <= MAX_CHUNKS_IN_FLIGHT
        return
    parts = pieces(stream, cuts)
    assert _served(parts, flags) == _served(parts, flags)


def _served(parts: Sequence[bytes], flags: int) -> Trace:
    """A provider that answers up to flags & 7 requests after each call."""
    machine = Provider()
    wanted: list[ChunkWanted] = []

    def answer(events: Sequence[ChunkWanted]) -> None:
        wanted.extend(events)
        if machine.state is State.CLOSED:  # the stream is reset
            wanted.clear()
        for request in wanted[: flags & 7]:
            if request.root == TREE.root and request.index < len(CHUNKS):
                machine.send_chunk(CHUNKS[request.index], TREE.proof(request.index))
            else:
                machine.refuse(Code.NOT_FOUND if request.index & 1 else Code.RETRY)
        del wanted[: flags & 7]

    return play(machine, parts, _STEPS[flags >> 3 & 3], answer)


def getter(data: bytes) -> None:
    """Flags (check, window, pace), the chunks wanted, cuts, then a provider's bytes."""
    plan = Plan(data)
    flags, mask, cuts, stream = plan.uint(), plan.uint(), plan.cuts(), plan.rest()
    want = [index for index in range(len(CHUNKS)) if mask >> index & 1]
    if mask & 0x80:
        want.reverse()
    sizes = [len(chunk) for chunk in CHUNKS]

    def make(window: int = MAX_CHUNKS_IN_FLIGHT) -> Getter:
        return Getter(TREE.root, sizes, want, now=0.0, window=window)

    if flags < _TWICE:
        for event in _same_however_cut(make, stream, cuts):
            if isinstance(event, ChunkVerified):
                assert event.data == CHUNKS[event.index], "a forged chunk"
                assert event.proof == TREE.proof(event.index)
        return
    parts, step, window = pieces(stream, cuts), _STEPS[flags >> 4 & 3], (flags & 15) + 1
    assert play(make(window), parts, step) == play(make(window), parts, step)


def gossip(data: bytes) -> None:
    """Flags, length of the first message, two messages: raw, or bodies that a member signs."""
    plan = Plan(data)
    flags = plan.uint()
    first = _message(plan.take(plan.uint(2)), signed=bool(flags & 1))
    second = _message(plan.rest(), signed=bool(flags & 2))
    view = GossipView(
        round=3,
        attempt=flags >> 6,
        enrolled={KEY.public: 0},
        roster={} if flags & 4 else {KEY.public: (COMMITMENT, 5)},
        base_digest=BASE,
        commit_closed=not flags & 8,
    )
    one, two = GossipRules(DOMAIN, SCHEMA), GossipRules(DOMAIN, SCHEMA)
    for number, message in enumerate((first, second, first)):
        verdict, again = (
            rules.judge(message, view, forwarder=FORWARDER.public, now=number / 8)
            for rules in (one, two)
        )
        assert verdict == again
        _check_verdict(verdict, message)
    try:
        verify_equivocation(Equivocation(first, second), DOMAIN)
    except RemoteProtocolError:
        return
    assert first != second


def _message(data: bytes, *, signed: bool) -> bytes:
    """`data` itself, or an envelope around it that an enrolled peer signs."""
    if signed and data:
        return sign_envelope(KEY, HEADER, DOMAIN, data)
    return data


def _check_verdict(verdict: Verdict, message: bytes) -> None:
    assert verdict.reason
    if verdict.equivocation is not None:
        verify_equivocation(verdict.equivocation, DOMAIN)
    if verdict.outcome is Judgement.ACCEPT:
        assert verify_envelope(message, DOMAIN).header.sender == KEY.public
        assert verdict.manifest is not None
        assert (verdict.manifest.root, verdict.manifest.weight) == (ROOT, 5)


def repeats(data: bytes) -> None:
    """Statements of four bytes that a peer signs (kind, round, seq, body), then a raw envelope."""
    plan = Plan(data)
    one, two = Repeats(DOMAIN), Repeats(DOMAIN)
    announced = [_statement(plan) for _ in range(plan.uint() % 4)]
    accepted = set()
    for message in (*announced, plan.rest()):
        verdict = one.judge(message)
        assert verdict == two.judge(message)
        assert verdict.reason
        if verdict.equivocation is not None:
            verify_equivocation(verdict.equivocation, DOMAIN)
        if verdict.outcome is Judgement.ACCEPT:
            header = verify_envelope(message, DOMAIN).header
            said = (header.kind, header.round, header.recipient, header.index, header.seq)
            assert said not in accepted, "accepted twice"
            accepted.add(said)


def _statement(plan: Plan) -> bytes:
    kind = (KIND_UPDATE_MANIFEST, "x-experiment", KIND_COMMIT)[plan.uint() % 3]
    number, seq, body = plan.uint(), plan.uint(), plan.take(1) or b"\x00"
    seq = seq if kind == "x-experiment" else 0
    return sign_envelope(KEY, replace(HEADER, kind=kind, round=number, seq=seq), DOMAIN, body)
