"""Signed envelopes, repeats and equivocations (04, 06)."""

from collections.abc import Mapping

from swarmp2p.crypto.identity import sign_envelope, verify_envelope
from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.protocol.repeats import Repeats, verify_equivocation
from swarmp2p.protocol.verdicts import Equivocation, Verdict
from swarmp2p.target.notation import Input, Operation, Output, code_name, data_of
from swarmp2p.wire import envelope as wire


def header_of(given: Input, sender: bytes) -> wire.Header:
    """The header among the fields of an envelope."""
    return wire.Header(
        kind=given["kind"],
        wire_version=given["wire_version"],
        key_epoch=int(given["key_epoch"]),
        round=int(given["round"]),
        attempt=given["attempt"],
        index=given["index"],
        sender=sender,
        recipient=data_of(given["recipient"]),
        seq=int(given["seq"]),
    )


def encode_envelope(given: Input) -> Output:
    """Answer `envelope.encode`."""
    header = header_of(given, data_of(given["sender"]))
    data = wire.encode_envelope(header, data_of(given["body"]), data_of(given["signature"]))
    return {"data": data.hex()}


def decode_envelope(given: Input) -> Output:
    """Answer `envelope.decode`."""
    envelope = wire.decode_envelope(data_of(given["data"]))
    header = envelope.header
    return {
        "kind": header.kind,
        "wire_version": header.wire_version,
        "key_epoch": str(header.key_epoch),
        "round": str(header.round),
        "attempt": header.attempt,
        "index": header.index,
        "sender": header.sender.hex(),
        "recipient": header.recipient.hex(),
        "seq": str(header.seq),
        "body": envelope.body.hex(),
        "signature": envelope.signature.hex(),
    }


def envelope_preimage(given: Input) -> Output:
    """Answer `envelope.preimage`."""
    header = header_of(given, data_of(given["sender"]))
    preimage = wire.signing_preimage(header, data_of(given["domain"]), data_of(given["body"]))
    return {"preimage": preimage.hex()}


def sign(given: Input) -> Output:
    """Answer `envelope.sign`."""
    key = IdentityKey.from_seed(data_of(given["seed"]))
    header = header_of(given, key.public)
    signed = sign_envelope(key, header, data_of(given["domain"]), data_of(given["body"]))
    return {"data": signed.hex()}


def verify(given: Input) -> Output:
    """Answer `envelope.verify`."""
    verify_envelope(data_of(given["data"]), data_of(given["domain"]))
    return {}


def judge_repeats(given: Input) -> Output:
    """Answer `envelope.repeats`."""
    repeats = Repeats(data_of(given["domain"]))
    verdicts = [repeats.judge(data_of(data)) for data in given["envelopes"]]
    return {"verdicts": [verdict_of(verdict) for verdict in verdicts]}


def verdict_of(verdict: Verdict) -> Output:
    """A verdict in the notation."""
    return {"outcome": verdict.outcome.name, "code": code_name(verdict.code)}


def verify_pair(given: Input) -> Output:
    """Answer `equivocation.verify`."""
    pair = Equivocation(data_of(given["first"]), data_of(given["second"]))
    verify_equivocation(pair, data_of(given["domain"]))
    return {}


OPERATIONS: Mapping[str, Operation] = {
    "envelope.encode": encode_envelope,
    "envelope.decode": decode_envelope,
    "envelope.preimage": envelope_preimage,
    "envelope.sign": sign,
    "envelope.verify": verify,
    "envelope.repeats": judge_repeats,
    "equivocation.verify": verify_pair,
}
