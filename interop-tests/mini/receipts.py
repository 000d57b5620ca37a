"""Receipts: 00-lifecycle.md, "Receipts". What one says is not judged here, only its signature."""

import json
import re

import inputs
import signatures
from refusal import Refusal

TAG_RECEIPT = b"swarmp2p/v1/receipt\0"


def plain(value):
    """Whether LIFE-020 gives it one text: no fractions, and texts in which nothing is escaped."""
    if isinstance(value, dict):
        return all(plain(key) and plain(entry) for key, entry in value.items())
    if isinstance(value, list):
        return all(plain(entry) for entry in value)
    if isinstance(value, str):
        return re.fullmatch(r"[ !#-\[\]-~]*", value) is not None
    return value is None or isinstance(value, int)


def preimage(receipt):
    """LIFE-020: other keys beside the two are not signed."""
    parts = {"merge": inputs.get(receipt, "merge"), "shared": inputs.get(receipt, "shared")}
    if not plain(parts):
        raise Refusal("REFUSED")
    return TAG_RECEIPT + json.dumps(parts, sort_keys=True, separators=(",", ":")).encode("ascii")


def op_sign(given):
    message = preimage(inputs.get(given, "receipt"))
    signature = signatures.sign(inputs.get_bytes(given, "seed", 32), message)
    return {"preimage": message.hex(), "signature": signature.hex()}


def op_verify(given):
    message = preimage(inputs.get(given, "receipt"))
    key, signature = inputs.get_bytes(given, "key"), inputs.get_bytes(given, "signature")
    signatures.verify(key, message, signature)  # LIFE-020
    return {}


OPERATIONS = {"receipt.sign": op_sign, "receipt.verify": op_verify}
