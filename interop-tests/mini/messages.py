"""Rules for messages: 02-encoding.md, ENC-009 and ENC-010, called in the order of ENC-018."""

import values
from refusal import Refusal


def closed(value, names):
    """A closed map with exactly these fields."""
    if not isinstance(value, dict):  # ENC-018: the value is a map
        raise Refusal("MALFORMED")
    for name in value:
        if name not in names:  # ENC-009
            raise Refusal("UNKNOWN_FIELD")
    for name in names:
        if name not in value:  # ENC-010
            raise Refusal("MALFORMED")


def uint(value, least=0, most=2**64 - 1):
    if type(value) is not int or not least <= value <= most:  # ENC-010
        raise Refusal("MALFORMED")


def sized(value, length=32):
    if not isinstance(value, bytes) or len(value) != length:  # ENC-010
        raise Refusal("MALFORMED")


def text(value, least, most):
    """Text with bounds in bytes of UTF-8."""
    if not isinstance(value, str) or not least <= len(value.encode()) <= most:  # ENC-010
        raise Refusal("MALFORMED")


def one_of(value, names):
    if not isinstance(value, str) or value not in names:  # ENC-010
        raise Refusal("MALFORMED")


def many(value, kind, most):
    """An array or a map of at most `most` entries."""
    if not isinstance(value, kind):  # ENC-010
        raise Refusal("MALFORMED")
    if len(value) > most:  # ENC-010
        raise Refusal("TOO_MANY")


def encode(value, decode):
    """The encoding of a message, if its own decoder takes it (ENC-015)."""
    data = values.encode(value)
    try:
        decode(data)
    except Refusal:
        raise Refusal("REFUSED") from None
    return data
