"""Machines under edited streams: the split changes nothing, and two machines do the same."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.crypto.identity import commitment, sign_envelope
from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.crypto.merkle import MerkleTree, leaf_hash
from swarmp2p.errors import RemoteProtocolError
from swarmp2p.protocol.getter import ChunkVerified, Getter
from swarmp2p.protocol.gossip import GossipRules, GossipView
from swarmp2p.protocol.hello import HelloMachine, Role
from swarmp2p.protocol.provider import Provider
from swarmp2p.protocol.verdicts import Judgement
from swarmp2p.wire.envelope import Header
from swarmp2p.wire.frames import encode_frame
from swarmp2p.wire.messages import Hello, UpdateManifest, encode_hello, encode_update_manifest
from swarmp2p.wire.registry import KIND_UPDATE_MANIFEST, Code

CHUNKS = [bytes([n]) * (7 + n) for n in range(4)]
TREE = MerkleTree([leaf_hash(n, data) for n, data in enumerate(CHUNKS)])
SIZES = [len(data) for data in CHUNKS]
HELLO = Hello(1, b"d" * 32, "swarmp2p test", (3,), 0)
ENDED_AT = 1_000.0


def getter() -> Getter:
    return Getter(TREE.root, SIZES, range(4), now=0.0)


def replies() -> bytes:
    """What an honest provider sends: three chunks and a refusal."""
    provider = Provider()
    provider.receive_data(b"".join(getter().data_to_send()), now=0.0)
    for wanted in provider.events()[:3]:
        provider.send_chunk(CHUNKS[wanted.index], TREE.proof(wanted.index))
    provider.refuse(Code.BUSY)
    return b"".join(bytes(part) for part in provider.data_to_send())


MACHINES: dict[str, tuple[Callable[[], Any], bytes]] = {
    "initiator": (
        lambda: HelloMachine(Role.INITIATOR, HELLO, now=0.0),
        encode_frame(encode_hello(HELLO)),
    ),
    "responder": (
        lambda: HelloMachine(Role.RESPONDER, HELLO, now=0.0),
        encode_frame(encode_hello(HELLO)),
    ),
    "provider": (Provider, b"".join(getter().data_to_send())),
    "getter": (getter, replies()),
}

PLACES = st.integers(0, 2**16)
EDITS = st.lists(
    st.tuples(st.sampled_from(["set", "insert", "delete", "end", "none"]), PLACES, st.binary()),
    max_size=3,
)
CUTS = st.lists(PLACES, max_size=8)


def edited(data: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    for what, place, new in edits:
        at = place % (len(data) + 1)
        after = {"set": at + len(new), "insert": at, "delete": at + 1, "end": len(data)}
        if what != "none":
            data = data[:at] + (new if what in {"set", "insert"} else b"") + data[after[what] :]
    return data


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def played(machine: Any, parts: Sequence[bytes], times: Sequence[float]) -> list[tuple[Any, ...]]:
    """Everything that shows after each call; timers run before each part."""
    trace: list[tuple[Any, ...]] = []

    def note(call: Callable[[], None]) -> None:
        code = None
        try:
            call()
        except RemoteProtocolError as error:
            code = error.code
        shown = (machine.events(), machine.data_to_send(), machine.next_deadline())
        trace.append((code, *shown, getattr(machine, "state", None)))

    note(lambda: None)
    for part, now in zip(parts, times, strict=False):
        note(lambda now=now: machine.handle_timer(now=now))  # type: ignore[misc]
        note(lambda now=now, part=part: machine.receive_data(part, now=now))  # type: ignore[misc]
    note(lambda: machine.receive_eof(now=ENDED_AT))
    return trace


def outcome(trace: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """(codes, events, bytes sent, state at the end), however many calls it took."""
    codes = [entry[0] for entry in trace if entry[0] is not None]
    events = [event for entry in trace for event in entry[1]]
    sent = b"".join(bytes(part) for entry in trace for part in entry[2])
    return codes, events, sent, trace[-1][4]


@pytest.mark.parametrize("name", MACHINES)
@given(EDITS, CUTS)
def test_machine__of_an_edited_stream_does_not_depend_on_the_split(
    name: str, edits: list[tuple[str, int, bytes]], cuts: list[int]
) -> None:
    make, stream = MACHINES[name]
    data = edited(stream, edits)
    still = [0.0] * (len(data) + len(cuts) + 1)
    whole = outcome(played(make(), [data], still))
    assert outcome(played(make(), cut(data, cuts), still)) == whole
    assert outcome(played(make(), [bytes([byte]) for byte in data], still)) == whole
    assert len(whole[0]) <= 1
    assert all(e.data == CHUNKS[e.index] for e in whole[1] if isinstance(e, ChunkVerified))


@pytest.mark.parametrize("name", MACHINES)
@given(EDITS, CUTS, st.lists(st.floats(0, 60), min_size=9, max_size=9).map(sorted))
def test_machine__fed_the_same_calls_does_the_same(
    name: str, edits: list[tuple[str, int, bytes]], cuts: list[int], times: list[float]
) -> None:
    make, stream = MACHINES[name]
    parts = cut(edited(stream, edits), cuts)
    assert played(make(), parts, times) == played(make(), parts, times)


DOMAIN, SCHEMA, BASE, ROOT, SALT = (bytes([n]) * 32 for n in range(1, 6))
KEY, FORWARDER = (IdentityKey.from_seed(bytes([n]) * 32) for n in (7, 9))
MANIFEST = UpdateManifest(BASE, SCHEMA, 1, ROOT, SALT, 5, (("loss", 1),))
BODY = encode_update_manifest(MANIFEST)
WEIGHTS = st.sampled_from([5, 6, 2**32 - 1])
HASHES = st.sampled_from([BASE, SCHEMA, ROOT, SALT])
VIEW = GossipView(
    round=3,
    attempt=0,
    enrolled={KEY.public: 0},
    roster={KEY.public: (commitment(DOMAIN, 3, 0, KEY.public, BASE, SCHEMA, ROOT, SALT), 5)},
    base_digest=BASE,
    commit_closed=True,
)


def signed(body: bytes) -> bytes:
    header = Header(KIND_UPDATE_MANIFEST, 1, 0, 3, 0, 0, KEY.public)
    return sign_envelope(KEY, header, DOMAIN, body or b"\x00")


@given(
    st.lists(
        st.one_of(
            EDITS.map(lambda edits: edited(signed(BODY), edits)),  # by who passes it on
            EDITS.map(lambda edits: signed(edited(BODY, edits))),  # by its sender
            st.builds(replace, st.just(MANIFEST), root=st.just(ROOT) | HASHES, weight=WEIGHTS).map(
                lambda manifest: signed(encode_update_manifest(manifest))
            ),
        ),
        max_size=4,
    )
)
def test_gossip__gives_the_same_verdicts_twice_and_accepts_the_sound_one_only(
    announced: list[bytes],
) -> None:
    one, two = GossipRules(DOMAIN, SCHEMA), GossipRules(DOMAIN, SCHEMA)
    for data in announced:
        verdicts = [
            rules.judge(data, VIEW, forwarder=FORWARDER.public, now=0.0) for rules in (one, two)
        ]
        assert verdicts[0] == verdicts[1]
        if verdicts[0].outcome is Judgement.ACCEPT:
            manifest = verdicts[0].manifest
            assert manifest is not None
            assert (manifest.root, manifest.salt, manifest.weight) == (ROOT, SALT, 5)
            assert data == signed(encode_update_manifest(manifest))
