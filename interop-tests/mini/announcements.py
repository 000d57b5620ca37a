"""Announcements over gossip: 06-gossip.md, "Rules for receiving"."""

from fractions import Fraction

import envelopes
import inputs
import manifests
from refusal import Refusal

CONTROL_BURST = 100
CONTROL_MESSAGES_PER_SECOND = 20
WIRE_VERSION = 1


def read_view(given):
    roster = {}
    for key, commitment, weight in inputs.arrays(given, "roster", 3):
        roster[inputs.to_bytes(key)] = (inputs.to_bytes(commitment), inputs.to_int(weight))
    return {
        "round": inputs.u64(given, "round"),
        "base": inputs.get_bytes(given, "base"),
        "enrolled": [inputs.to_bytes(key) for key in inputs.array(given, "enrolled")],
        "closed": inputs.get(given, "closed"),
        "roster": roster,
    }


def new_receiver(given):
    return {
        "domain": inputs.get_bytes(given, "domain", 32),
        "schema_hash": inputs.get_bytes(given, "schema_hash", 32),
        "encoding": inputs.integer(given, "encoding"),
        "view": None,
        "accepted": {},
        "buckets": {},
    }


def move(receiver, view):
    if receiver["view"] is not None and receiver["view"]["round"] != view["round"]:
        receiver["accepted"] = {}  # the memory is cleared when the round changes
    receiver["view"] = view


def take_token(receiver, forwarder, at):
    """Whether the forwarder's bucket had a token (GOSSIP-005)."""
    tokens, last = receiver["buckets"].get(forwarder, (Fraction(CONTROL_BURST), at))
    tokens = min(Fraction(CONTROL_BURST), tokens + (at - last) * CONTROL_MESSAGES_PER_SECOND)
    enough = tokens >= 1
    receiver["buckets"][forwarder] = (tokens - 1 if enough else tokens, at)
    return enough


def judge(receiver, data, forwarder, at):
    """Outcome and code of one message."""
    view = receiver["view"]
    if forwarder not in view["enrolled"]:  # GOSSIP-014: dropped unread, before GOSSIP-001
        return "IGNORE", "NOT_ENROLLED"
    try:
        envelope = envelopes.decode(data)
    except Refusal as refusal:  # GOSSIP-001
        return "REJECT", refusal.code
    if envelope["kind"] != "update-manifest":  # GOSSIP-002
        return "IGNORE", "UNEXPECTED"
    if envelope["wire_version"] != WIRE_VERSION:  # GOSSIP-002
        return "IGNORE", "WRONG_VERSION"
    if envelope["recipient"] != bytes(32):  # GOSSIP-002
        return "REJECT", "MALFORMED"
    if envelope["attempt"] != 0 or envelope["index"] != 0:  # GOSSIP-002
        return "REJECT", "MALFORMED"
    if envelope["sender"] not in view["enrolled"]:  # GOSSIP-003
        return "IGNORE", "NOT_ENROLLED"
    if envelope["round"] != view["round"]:  # GOSSIP-004
        return "IGNORE", "WRONG_ROUND"
    if not take_token(receiver, forwarder, at):  # GOSSIP-005
        return "IGNORE", "TOO_MANY"
    try:
        envelopes.verify(data, receiver["domain"])
    except Refusal as refusal:  # GOSSIP-006
        return "REJECT", refusal.code
    return judge_signed(receiver, envelope)


def judge_signed(receiver, envelope):
    """The rules after the signature."""
    view, sender = receiver["view"], envelope["sender"]
    if sender in receiver["accepted"]:
        if receiver["accepted"][sender] == envelope["body"]:  # GOSSIP-007
            return "IGNORE", "REPLAY"
        return "REJECT", "EQUIVOCATION"  # GOSSIP-008
    try:
        manifest = manifests.decode_update(envelope["body"])
    except Refusal as refusal:  # GOSSIP-009
        return "REJECT", refusal.code
    if not view["closed"]:  # GOSSIP-010
        return "IGNORE", "RETRY"
    if sender not in view["roster"]:  # GOSSIP-011
        return "IGNORE", "NOT_IN_ROSTER"
    if manifest["schema_hash"] != receiver["schema_hash"]:  # GOSSIP-012
        return "REJECT", "BAD_SCHEMA"
    if manifest["encoding"] != receiver["encoding"]:  # GOSSIP-012
        return "REJECT", "BAD_SCHEMA"
    if manifest["base_digest"] != view["base"]:  # GOSSIP-012
        return "REJECT", "BAD_COMMITMENT"
    commitment = manifests.commitment(receiver["domain"], envelope["round"], 0, sender, manifest)
    if (commitment, manifest["weight"]) != view["roster"][sender]:  # GOSSIP-013
        return "REJECT", "BAD_COMMITMENT"
    receiver["accepted"][sender] = envelope["body"]
    return "ACCEPT", "OK"


def op_judge(given):
    receiver = new_receiver(given)
    verdicts = []
    for step in inputs.steps(given):
        if "view" in step:
            move(receiver, read_view(step["view"]))
        if receiver["view"] is None:
            raise Refusal("REFUSED")
        at = Fraction(inputs.get(step, "at"))
        outcome, code = judge(
            receiver, inputs.get_bytes(step, "data"), inputs.get_bytes(step, "forwarder"), at
        )
        verdicts.append({"outcome": outcome, "code": code})
    return {"verdicts": verdicts}


OPERATIONS = {"gossip.judge": op_judge}
