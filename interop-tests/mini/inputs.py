"""Reading the `input` objects of vectors/README.md ("Notation").

What is not of the form given there is REFUSED.
"""

import hashlib
import re

from refusal import Refusal

MAX_JOINS = 4
MAX_COUNT = 2**24  # more than the longest chunk; keeps one short input from filling the memory


def get(source, name):
    if not isinstance(source, dict) or name not in source:
        raise Refusal("REFUSED")
    return source[name]


def to_bytes(given, depth=0):
    """Bytes: hexadecimal text, or one of the three short forms, `join` at most four deep."""
    if isinstance(given, str):
        if not re.fullmatch(r"([0-9a-f]{2})*", given):
            raise Refusal("REFUSED")
        return bytes.fromhex(given)
    if not isinstance(given, dict):
        raise Refusal("REFUSED")
    if set(given) == {"join"} and depth < MAX_JOINS:
        return b"".join(to_bytes(piece, depth + 1) for piece in array(given, "join"))
    if set(given) == {"repeat", "count"} and isinstance(given["repeat"], str):
        return to_bytes(given["repeat"]) * integer(given, "count", 0, MAX_COUNT)
    if set(given) == {"seed", "count"}:
        return seeded(text(given, "seed"), integer(given, "count", 0, MAX_COUNT))
    raise Refusal("REFUSED")


def get_bytes(source, name, length=None):
    data = to_bytes(get(source, name))
    if length is not None and len(data) != length:
        raise Refusal("REFUSED")
    return data


def to_u64(text):
    """Integers that may need 64 bits are decimal text."""
    if not isinstance(text, str) or not re.fullmatch(r"0|[1-9][0-9]{0,19}", text):
        raise Refusal("REFUSED")
    if int(text) >= 2**64:
        raise Refusal("REFUSED")
    return int(text)


def u64(source, name):
    return to_u64(get(source, name))


def to_int(number, least=0, most=2**64 - 1):
    if type(number) is not int or not least <= number <= most:
        raise Refusal("REFUSED")
    return number


def integer(source, name, least=0, most=2**64 - 1):
    return to_int(get(source, name), least, most)


def text(source, name):
    result = get(source, name)
    if not isinstance(result, str):
        raise Refusal("REFUSED")
    try:
        result.encode("utf-8")
    except UnicodeEncodeError:
        raise Refusal("REFUSED") from None
    return result


def array(source, name):
    result = get(source, name)
    if not isinstance(result, list):
        raise Refusal("REFUSED")
    return result


def seeded(seed, count):
    """The generator of vectors/README.md: SHA256(seed || u32be j), j from 0, joined and cut."""
    blocks = [
        hashlib.sha256(seed.encode() + j.to_bytes(4, "big")).digest()
        for j in range((count + 31) // 32)
    ]
    return b"".join(blocks)[:count]


def steps(source):
    """Steps of a machine or of a judge: objects with a time `at`, in seconds."""
    result = array(source, "steps")
    for step in result:
        if type(get(step, "at")) not in (int, float) or not 0 <= step["at"] < 2**53:
            raise Refusal("REFUSED")
    return result


def arrays(source, name, length=None):
    """A list of lists, each of `length` entries."""
    result = array(source, name)
    for entry in result:
        if not isinstance(entry, list) or (length is not None and len(entry) != length):
            raise Refusal("REFUSED")
    return result
