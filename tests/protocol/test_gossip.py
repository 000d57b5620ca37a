from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmp2p.crypto.identity import commitment, sign_envelope
from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.errors import RemoteProtocolError
from swarmp2p.protocol.gossip import GossipRules, GossipView
from swarmp2p.protocol.repeats import verify_equivocation
from swarmp2p.protocol.verdicts import Equivocation, Judgement
from swarmp2p.wire.envelope import Header
from swarmp2p.wire.messages import UpdateManifest, encode_update_manifest
from swarmp2p.wire.registry import (
    CONTROL_BURST,
    ENCODING_FP32,
    KIND_COMMIT,
    KIND_UPDATE_MANIFEST,
    WIRE_VERSION,
    Code,
)

D, SCHEMA, BASE, ROOT, SALT = (bytes([n]) * 32 for n in range(1, 6))
KEY, OTHER, FORWARDER = (IdentityKey.from_seed(bytes([n]) * 32) for n in (7, 8, 9))
ME = KEY.public
MANIFEST = UpdateManifest(BASE, SCHEMA, ENCODING_FP32, ROOT, SALT, 5)
COMMITMENT = commitment(D, 3, 0, ME, BASE, SCHEMA, ROOT, SALT)
VIEW = GossipView(3, 0, {ME: 0}, {ME: (COMMITMENT, 5)}, BASE, commit_closed=True)
HEADER = Header(KIND_UPDATE_MANIFEST, WIRE_VERSION, 0, 3, 0, 0, ME)


def envelope(manifest=MANIFEST, header=HEADER, domain=D, key=KEY):
    return sign_envelope(key, header, domain, encode_update_manifest(manifest))


def judge(data, view=VIEW, rules=None, now=0.0):
    rules = rules or GossipRules(D, SCHEMA)
    return rules.judge(data, view, forwarder=FORWARDER.public, now=now)


def test_a_sound_manifest__is_accepted():
    verdict = judge(envelope())
    assert verdict.outcome is Judgement.ACCEPT
    assert verdict.manifest == MANIFEST


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_sound_manifest__is_accepted_in_later_attempts(attempt):
    assert judge(envelope(), replace(VIEW, attempt=attempt)).outcome is Judgement.ACCEPT


REFUSED = {
    "another kind": (envelope(header=replace(HEADER, kind=KIND_COMMIT)), VIEW, "IGNORE UNEXPECTED"),
    "wire version": (
        envelope(header=replace(HEADER, wire_version=2)),
        VIEW,
        "IGNORE WRONG_VERSION",
    ),
    "recipient": (envelope(header=replace(HEADER, recipient=ME)), VIEW, "REJECT MALFORMED"),
    "attempt": (envelope(header=replace(HEADER, attempt=1)), VIEW, "REJECT MALFORMED"),
    "index": (envelope(header=replace(HEADER, index=1)), VIEW, "REJECT MALFORMED"),
    "not enrolled": (
        envelope(header=replace(HEADER, sender=OTHER.public), key=OTHER),
        VIEW,
        "IGNORE NOT_ENROLLED",
    ),
    "another epoch": (envelope(header=replace(HEADER, key_epoch=1)), VIEW, "IGNORE NOT_ENROLLED"),
    "an older round": (envelope(header=replace(HEADER, round=2)), VIEW, "IGNORE WRONG_ROUND"),
    "a newer round": (envelope(header=replace(HEADER, round=4)), VIEW, "IGNORE WRONG_ROUND"),
    "another domain": (envelope(domain=SCHEMA), VIEW, "REJECT BAD_SIGNATURE"),
    "before the close": (envelope(), replace(VIEW, commit_closed=False), "IGNORE RETRY"),
    "not in the roster": (envelope(), replace(VIEW, roster={}), "IGNORE NOT_IN_ROSTER"),
    "another schema": (envelope(replace(MANIFEST, schema_hash=D)), VIEW, "REJECT BAD_SCHEMA"),
    "another base": (envelope(replace(MANIFEST, base_digest=D)), VIEW, "REJECT BAD_COMMITMENT"),
    "another root": (envelope(replace(MANIFEST, root=D)), VIEW, "REJECT BAD_COMMITMENT"),
    "another salt": (envelope(replace(MANIFEST, salt=D)), VIEW, "REJECT BAD_COMMITMENT"),
    "another weight": (envelope(replace(MANIFEST, weight=6)), VIEW, "REJECT BAD_COMMITMENT"),
    "no envelope": (b"", VIEW, "REJECT MALFORMED"),
    "no manifest": (sign_envelope(KEY, HEADER, D, b"\x80"), VIEW, "REJECT MALFORMED"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_rule__refuses_with_its_code(case):
    data, view, expected = REFUSED[case]
    verdict = judge(data, view)
    assert f"{verdict.outcome.name} {Code(verdict.code).name}" == expected
    assert verdict.reason


def test_a_replay__is_ignored():
    rules = GossipRules(D, SCHEMA)
    assert judge(envelope(), rules=rules).outcome is Judgement.ACCEPT
    verdict = judge(envelope(), rules=rules)
    assert (verdict.outcome, verdict.code) == (Judgement.IGNORE, Code.REPLAY)


def test_a_replay_in_a_later_round__is_ignored():
    rules = GossipRules(D, SCHEMA)
    judge(envelope(), rules=rules)
    later = replace(VIEW, round=4)
    verdict = judge(envelope(), later, rules=rules)
    assert (verdict.outcome, verdict.code) == (Judgement.IGNORE, Code.WRONG_ROUND)


def test_an_equivocation__is_rejected_with_a_proof_that_convinces_others():
    rules = GossipRules(D, SCHEMA)
    judge(envelope(), rules=rules)
    verdict = judge(envelope(replace(MANIFEST, weight=6)), rules=rules)
    assert (verdict.outcome, verdict.code) == (Judgement.REJECT, Code.EQUIVOCATION)
    assert verify_equivocation(verdict.equivocation, D) == HEADER
    with pytest.raises(RemoteProtocolError):
        verify_equivocation(verdict.equivocation, SCHEMA)
    with pytest.raises(RemoteProtocolError):
        verify_equivocation(Equivocation(envelope(), envelope()), D)


def test_an_epoch__is_that_of_the_senders_key_of_the_round():
    later = replace(VIEW, enrolled={ME: 5})
    assert judge(envelope(header=replace(HEADER, key_epoch=5)), later).outcome is Judgement.ACCEPT
    for epoch in (0, 4, 6):
        verdict = judge(envelope(header=replace(HEADER, key_epoch=epoch)), later)
        assert (verdict.outcome, verdict.code) == (Judgement.IGNORE, Code.NOT_ENROLLED)


def test_an_envelope_of_our_own__shows_another_body_under_our_key():
    rules = GossipRules(D, SCHEMA)
    rules.keep_own(envelope(), 3)
    forged = envelope(replace(MANIFEST, metrics=(("x", 1),)))
    verdict = judge(forged, rules=rules)
    assert (verdict.outcome, verdict.code) == (Judgement.REJECT, Code.EQUIVOCATION)
    assert {verdict.equivocation.first, verdict.equivocation.second} == {envelope(), forged}
    assert judge(envelope(), rules=rules).code == Code.REPLAY


def test_any_flipped_byte__is_never_accepted():
    data = envelope()
    for place in range(len(data)):
        flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert judge(flipped).outcome is not Judgement.ACCEPT


def test_a_flood__is_ignored_until_time_has_passed():
    rules = GossipRules(D, SCHEMA)
    for _ in range(CONTROL_BURST):
        judge(envelope(), rules=rules)
    assert judge(envelope(), rules=rules).code == Code.TOO_MANY
    assert judge(envelope(), rules=rules, now=1.0).code == Code.REPLAY


def test_memory__is_bounded_under_many_forwarders():
    rules = GossipRules(D, SCHEMA)
    for number in range(2000):
        rules.judge(envelope(), VIEW, forwarder=number.to_bytes(32, "big"), now=0.0)
    assert len(rules._buckets) <= 300
    assert len(rules._slots._held) == 1


@given(st.binary(max_size=600))
def test_random_bytes__give_a_verdict(data):
    assert judge(data).outcome is not Judgement.ACCEPT
