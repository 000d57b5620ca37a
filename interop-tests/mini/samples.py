"""Keys, envelopes and messages that the case modules are made from (03 and 04).

Seeds are fixed, so that all bytes are fixed. No part of the implementation.
"""

import hashlib

import envelopes
import signatures
import values

SEED = bytes(range(32))
KEY = signatures.public(SEED)
DOMAIN = bytes.fromhex("6b9766cf18278ff7ac71a06ba4c64464d79f07aa59b276560fc6ff589e24b993")
OTHER_DOMAIN = hashlib.sha256(b"another run").digest()
BODY = bytes.fromhex("81a17601")
EVERYONE = bytes(32)
SHORT = 200  # bytes from which an input is written in the short forms
UNITS = [*range(1, 65), 257]  # 257: a text of 255 bytes


def seed(number):
    """Seeds of further peers."""
    return hashlib.sha256(b"peer %d" % number).digest()


def key(number):
    return signatures.public(seed(number))


def fields(**changed):
    """The fields of the example of 04-envelope.md, unsigned, with changes."""
    result = {
        "kind": "update-manifest",
        "wire_version": 1,
        "key_epoch": 3,
        "round": 17,
        "attempt": 0,
        "index": 0,
        "sender": KEY,
        "recipient": EVERYONE,
        "seq": 0,
        "body": BODY,
    }
    result.update(changed)
    return result


def pack(given, length=None):
    """The layout without any check; `length` is the announced length of the body."""
    kind = given["kind"] if isinstance(given["kind"], bytes) else given["kind"].encode()
    data = bytes([len(kind)]) + kind
    for name, size in envelopes.FIXED:
        data += given[name] if size == 32 else given[name].to_bytes(size, "big")
    length = len(given["body"]) if length is None else length
    return data + length.to_bytes(2, "big") + given["body"] + given["signature"]


def signed(by=SEED, domain=DOMAIN, **changed):
    """A signed envelope; the sender is the key of the seed unless it is changed."""
    given = fields(sender=signatures.public(by))
    given.update(changed)
    given["signature"] = signatures.sign(by, envelopes.preimage(given, domain))
    return pack(given)


def xor(data, index, mask=1):
    index %= len(data)
    return data[:index] + bytes([data[index] ^ mask]) + data[index + 1 :]


def short(data):
    """Bytes as an input (vectors/README.md, "Notation"), long runs by a count."""
    if len(data) < SHORT:
        return data.hex()
    pieces, literal, at = [], b"", 0
    while at < len(data):
        unit, count = run_at(data, at)
        if unit * count < SHORT // 2:
            literal += data[at : at + 1]
            at += 1
            continue
        if literal:
            pieces.append(literal.hex())
        pieces.append({"repeat": data[at : at + unit].hex(), "count": count})
        literal, at = b"", at + unit * count
    if literal:
        pieces.append(literal.hex())
    return pieces[0] if len(pieces) == 1 else {"join": pieces}


def run_at(data, at):
    """The unit that is repeated longest from here, and how many times it stands there."""
    best = (1, 1)
    for unit in UNITS:
        piece, count = data[at : at + unit], 1
        while data[at + count * unit : at + (count + 1) * unit] == piece:
            count += 1
        if unit * count > best[0] * best[1] and count > 1:
            best = (unit, count)
    return best


def packed(value):
    """msgpack without the checks of the profile."""
    return values.write(value)


def pairs(entries):
    """A map of at most 15 entries in the order given, keys as they are."""
    return bytes([0x80 + len(entries)]) + b"".join(
        packed(name) + packed(value) for name, value in entries
    )


def receive(at, data, **more):
    """Steps of a machine (vectors/README.md, "Machines"): bytes, the clock, the other's end."""
    return {"at": at, "receive": short(data), **more}


def timer(at):
    return {"at": at, "timer": True}


def end(at):
    return {"at": at, "end": True}
