"""Canonical msgpack: 02-encoding.md, "Values" and "Rules for decoding a value".

A value is None, True, False, int, str, bytes, list or dict (text to value, in the order of the
bytes).
"""

import inputs
from refusal import Refusal

MAX_CONTROL_FRAME = 65536
MAX_DEPTH = 6
MAX_ITEMS = 4096
MAX_MAP = 32


def decode(data, bound=MAX_CONTROL_FRAME):
    if len(data) > bound:  # ENC-001
        raise Refusal("TOO_LARGE")
    state = {"data": data, "at": 0, "items": 0}
    value = read_value(state, 0)
    if state["at"] != len(data):  # ENC-002, judged last (ENC-017)
        raise Refusal("MALFORMED")
    return value


def take(state, count):
    end = state["at"] + count
    if end > len(state["data"]):  # ENC-002: ends early
        raise Refusal("MALFORMED")
    piece = state["data"][state["at"] : end]
    state["at"] = end
    return piece


def head(state):
    """One value more (ENC-003), then its first byte (ENC-002)."""
    state["items"] += 1
    if state["items"] > MAX_ITEMS:  # ENC-003
        raise Refusal("TOO_MANY")
    return take(state, 1)[0]


def number(state, size, least):
    """A length or an integer of `size` bytes; below `least` there is a shorter form."""
    result = int.from_bytes(take(state, size), "big")
    if result < least:  # ENC-005
        raise Refusal("NOT_CANONICAL")
    return result


def read_value(state, depth):
    first = head(state)
    if first <= 0x7F:
        return first
    if first <= 0x8F:
        return read_map(state, first & 15, depth)
    if first <= 0x9F:
        return read_array(state, first & 15, depth)
    if first <= 0xBF:
        return read_text(state, first & 31)
    if first == 0xC0:
        return None
    if first == 0xC2:
        return False
    if first == 0xC3:
        return True
    if first == 0xC4:
        return take(state, number(state, 1, 0))
    if first == 0xC5:
        return take(state, number(state, 2, 2**8))
    if first == 0xCC:
        return number(state, 1, 2**7)
    if first == 0xCD:
        return number(state, 2, 2**8)
    if first == 0xCE:
        return number(state, 4, 2**16)
    if first == 0xCF:
        return number(state, 8, 2**32)
    if first == 0xD9:
        return read_text(state, number(state, 1, 32))
    if first == 0xDC:
        return read_array(state, number(state, 2, 16), depth)
    if first == 0xDE:
        return read_map(state, number(state, 2, 16), depth)
    raise Refusal("MALFORMED")  # ENC-004


def read_text(state, length):
    data = take(state, length)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:  # ENC-007
        raise Refusal("MALFORMED") from None


def open_container(state, depth, values):
    if depth + 1 > MAX_DEPTH:  # ENC-003: nested too deep
        raise Refusal("TOO_MANY")
    if values > len(state["data"]) - state["at"]:  # ENC-008
        raise Refusal("MALFORMED")


def read_array(state, length, depth):
    open_container(state, depth, length)
    return [read_value(state, depth + 1) for _ in range(length)]


def read_map(state, length, depth):
    if length > MAX_MAP:  # ENC-003: above its limit, before the depth
        raise Refusal("TOO_MANY")
    open_container(state, depth, 2 * length)  # ENC-017: a map's entry counts as two
    result = {}
    last = None
    for _ in range(length):
        key = read_key(state)
        if last is not None and key.encode() <= last:  # ENC-006: rise strictly
            raise Refusal("NOT_CANONICAL")
        last = key.encode()
        result[key] = read_value(state, depth + 1)
    return result


def read_key(state):
    first = head(state)
    if 0xA0 <= first <= 0xBF:
        return read_text(state, first & 31)
    if first == 0xD9:
        return read_text(state, number(state, 1, 32))
    raise Refusal("MALFORMED")  # ENC-006: a key is text


def encode(value, bound=MAX_CONTROL_FRAME):
    data = write(value)
    try:
        decode(data, bound)
    except Refusal:  # ENC-015
        raise Refusal("REFUSED") from None
    return data


def write(value):
    if value is None:
        return b"\xc0"
    if value is False:
        return b"\xc2"
    if value is True:
        return b"\xc3"
    if isinstance(value, int):
        return write_head(value, 0x00, 128, [(0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)])
    if isinstance(value, str):
        data = value.encode("utf-8")
        return write_head(len(data), 0xA0, 32, [(0xD9, 1)]) + data
    if isinstance(value, bytes):
        return write_head(len(value), 0, 0, [(0xC4, 1), (0xC5, 2)]) + value
    if isinstance(value, list):
        entries = b"".join(write(entry) for entry in value)
        return write_head(len(value), 0x90, 16, [(0xDC, 2)]) + entries
    keys = sorted(value, key=lambda key: key.encode("utf-8"))  # ENC-006
    entries = b"".join(write(key) + write(value[key]) for key in keys)
    return write_head(len(value), 0x80, 16, [(0xDE, 2)]) + entries


def write_head(length, first, short, forms):
    """The shortest form (ENC-005): in the first byte if below `short`, else the first that fits."""
    if 0 <= length < short:
        return bytes([first + length])
    for byte, size in forms:
        if 0 <= length < 256**size:
            return bytes([byte]) + length.to_bytes(size, "big")
    raise Refusal("REFUSED")


def to_json(value):
    """The notation of vectors/README.md."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return {"uint": str(value)}
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return {"array": [to_json(entry) for entry in value]}
    return {"map": [[key, to_json(entry)] for key, entry in value.items()]}


def from_json(given, depth=0):
    if given is None or isinstance(given, bool):
        return given
    if not isinstance(given, dict) or len(given) != 1 or depth > MAX_DEPTH:
        raise Refusal("REFUSED")
    if "uint" in given:
        return inputs.u64(given, "uint")
    if "text" in given:
        return inputs.text(given, "text")
    if "bytes" in given:
        return inputs.get_bytes(given, "bytes")
    if "array" in given:
        return [from_json(entry, depth + 1) for entry in inputs.array(given, "array")]
    result = {}
    for pair in inputs.array(given, "map"):
        if not isinstance(pair, list) or len(pair) != 2:
            raise Refusal("REFUSED")
        key = inputs.text({"key": pair[0]}, "key")
        if key in result:  # ENC-006: none occurs twice
            raise Refusal("REFUSED")
        result[key] = from_json(pair[1], depth + 1)
    return result


def op_decode(given):
    bound = inputs.integer(given, "bound") if "bound" in given else MAX_CONTROL_FRAME
    return {"value": to_json(decode(inputs.get_bytes(given, "data"), bound))}


def op_encode(given):
    return {"data": encode(from_json(inputs.get(given, "value"))).hex()}


OPERATIONS = {"value.decode": op_decode, "value.encode": op_encode}
