"""Signed envelopes: 04-envelope.md; and proofs of equivocation: 06-gossip.md, GOSSIP-016."""

import hashlib
import re

import inputs
import signatures
from refusal import Refusal

MAX_ENVELOPE_BYTES = 61440
MAX_STREAMS_REMEMBERED = 16
WIRE_VERSION = 1
SLOT_KINDS = ["update-manifest", "commit", "have", "attest"]
FIXED = [
    ("wire_version", 2),
    ("key_epoch", 8),
    ("round", 8),
    ("attempt", 4),
    ("index", 4),
    ("sender", 32),
    ("recipient", 32),
    ("seq", 8),
]
AS_TEXT = ["key_epoch", "round", "seq"]
AS_HEX = ["sender", "recipient", "body", "signature"]


def decode(data):
    if len(data) > MAX_ENVELOPE_BYTES:  # ENV-001
        raise Refusal("TOO_LARGE")
    if len(data) < 1:  # ENV-002
        raise Refusal("MALFORMED")
    length = data[0]
    if not 1 <= length <= 31 or not re.fullmatch(rb"[a-z0-9-]+", data[1 : 1 + length]):  # ENV-003
        raise Refusal("MALFORMED")
    if len(data) < 1 + length + 98 + 2 + 1 + 64:  # ENV-002
        raise Refusal("MALFORMED")
    fields, at = {"kind": data[1 : 1 + length].decode()}, 1 + length
    for name, size in FIXED:
        piece = data[at : at + size]
        fields[name] = piece if size == 32 else int.from_bytes(piece, "big")
        at += size
    body_length = int.from_bytes(data[at : at + 2], "big")
    body = data[at + 2 : len(data) - 64]
    if body_length < 1 or body_length != len(body):  # ENV-004
        raise Refusal("MALFORMED")
    if fields["kind"] in SLOT_KINDS and fields["seq"] != 0:  # ENV-005
        raise Refusal("MALFORMED")
    fields["body"] = body
    fields["signature"] = data[len(data) - 64 :]
    return fields


def encode(fields):
    kind = fields["kind"].encode()
    data = bytes([len(kind) & 255]) + kind
    for name, size in FIXED:
        data += fields[name] if size == 32 else fields[name].to_bytes(size, "big")
    data += (len(fields["body"]) & 65535).to_bytes(2, "big") + fields["body"] + fields["signature"]
    try:
        decode(data)
    except Refusal:  # a signer does not send what a decoder refuses
        raise Refusal("REFUSED") from None
    return data


def preimage(fields, domain):
    """M of "Layout": the header in the order of the wire, D after the version, SHA256(body)."""
    kind = fields["kind"].encode()
    m = b"swarmp2p-sig-v1\0" + bytes([len(kind)]) + kind
    for name, size in FIXED:
        m += fields[name] if size == 32 else fields[name].to_bytes(size, "big")
        if name == "wire_version":
            m += domain
    return m + hashlib.sha256(fields["body"]).digest()


def verify(data, domain):
    fields = decode(data)  # ENV-001 to ENV-005
    message = preimage(fields, domain)
    signatures.verify(fields["sender"], message, fields["signature"])  # ENV-007 to ENV-009
    return fields


def slot(fields):
    """The slot, and whose it is; the key epoch is not part of it."""
    names = ("sender", "kind", "round", "attempt", "recipient", "index")
    return tuple(fields[name] for name in names)


def judge(data, domain, memory):
    """Outcome and code of one received envelope. `memory`: bodies by slot, last seq by stream."""
    try:
        fields = decode(data)
    except Refusal as refusal:  # ENV-001 to ENV-005
        return "REJECT", refusal.code
    if fields["kind"] != "update-manifest" and not fields["kind"].startswith("x-"):  # ENV-006
        return "IGNORE", "UNEXPECTED"
    if fields["wire_version"] != WIRE_VERSION:  # ENV-006
        return "IGNORE", "WRONG_VERSION"
    try:
        verify(data, domain)
    except Refusal as refusal:  # ENV-007 to ENV-009
        return "REJECT", refusal.code
    if fields["kind"] in SLOT_KINDS:
        return judge_slot(fields, memory)
    return judge_stream(fields, memory)


def judge_slot(fields, memory):
    name = slot(fields)
    if name not in memory["slots"]:
        memory["slots"][name] = fields["body"]
        return "ACCEPT", "OK"
    if memory["slots"][name] == fields["body"]:  # ENV-014
        return "IGNORE", "REPLAY"
    return "REJECT", "EQUIVOCATION"  # ENV-015


def judge_stream(fields, memory):
    streams = memory["streams"].setdefault(fields["sender"], {})
    name = (fields["kind"], fields["recipient"])
    if fields["seq"] <= streams.get(name, 0):  # ENV-016
        return "IGNORE", "REPLAY"
    if name not in streams and len(streams) >= MAX_STREAMS_REMEMBERED:  # ENV-018
        return "IGNORE", "TOO_MANY"
    streams[name] = fields["seq"]
    return "ACCEPT", "OK"


def verify_equivocation(first, second, domain):
    """GOSSIP-016, in the order of its sentence."""
    one, two = decode(first), decode(second)  # GOSSIP-016: ENV-001 to ENV-005
    verify(first, domain)  # GOSSIP-016: both signatures hold
    verify(second, domain)
    if one["kind"] not in SLOT_KINDS:  # GOSSIP-016: a registered slot kind
        raise Refusal("MALFORMED")
    if slot(one) != slot(two):  # GOSSIP-016: one sender and slot
        raise Refusal("MALFORMED")
    if one["body"] == two["body"]:  # GOSSIP-016: the bodies differ
        raise Refusal("MALFORMED")


def from_json(given, names_left_out=()):
    fields = {"kind": inputs.text(given, "kind")}
    for name, size in FIXED:
        if name in names_left_out:
            continue
        if size == 32:
            fields[name] = inputs.get_bytes(given, name, 32)
        elif name in AS_TEXT:
            fields[name] = inputs.u64(given, name)
        else:
            fields[name] = inputs.integer(given, name, 0, 256**size - 1)
    fields["body"] = inputs.get_bytes(given, "body")
    if "signature" not in names_left_out:
        fields["signature"] = inputs.get_bytes(given, "signature", 64)
    return fields


def to_json(fields):
    result = {}
    for name, value in fields.items():
        result[name] = str(value) if name in AS_TEXT else value.hex() if name in AS_HEX else value
    return result


def op_preimage(given):
    fields = from_json(given, ["signature"])
    encode({**fields, "signature": bytes(64)})  # bounds
    return {"preimage": preimage(fields, inputs.get_bytes(given, "domain", 32)).hex()}


def op_sign(given):
    fields = from_json(given, ["sender", "signature"])
    seed = inputs.get_bytes(given, "seed", 32)
    fields["sender"] = signatures.public(seed)
    encode({**fields, "signature": bytes(64)})  # bounds
    message = preimage(fields, inputs.get_bytes(given, "domain", 32))
    fields["signature"] = signatures.sign(seed, message)
    return {"data": encode(fields).hex()}


def op_verify(given):
    verify(inputs.get_bytes(given, "data"), inputs.get_bytes(given, "domain", 32))
    return {}


def op_repeats(given):
    domain = inputs.get_bytes(given, "domain", 32)
    memory = {"slots": {}, "streams": {}}
    verdicts = []
    for data in inputs.array(given, "envelopes"):
        outcome, code = judge(inputs.to_bytes(data), domain, memory)
        verdicts.append({"outcome": outcome, "code": code})
    return {"verdicts": verdicts}


def op_equivocation(given):
    domain = inputs.get_bytes(given, "domain", 32)
    verify_equivocation(inputs.get_bytes(given, "first"), inputs.get_bytes(given, "second"), domain)
    return {}


OPERATIONS = {
    "envelope.encode": lambda given: {"data": encode(from_json(given)).hex()},
    "envelope.decode": lambda given: to_json(decode(inputs.get_bytes(given, "data"))),
    "envelope.preimage": op_preimage,
    "envelope.sign": op_sign,
    "envelope.verify": op_verify,
    "envelope.repeats": op_repeats,
    "equivocation.verify": op_equivocation,
}
