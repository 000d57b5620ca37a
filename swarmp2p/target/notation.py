"""The notation of spec/vectors/README.md <-> what the package works on (no arrays here).

Inputs are trusted to be in the notation: the suite checks its files. What the notation can say and
a Python value cannot (a map with a key twice) is refused as our own encoder would.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from swarmp2p.errors import LocalProtocolError
from swarmp2p.wire.registry import Code

Input = Mapping[str, Any]
Output = dict[str, Any]
Operation = Callable[[Input], Output]

_HASH_BYTES = 32


def data_of(given: Any) -> bytes:
    """Bytes from hexadecimal text, or from one of the short forms of long inputs."""
    if isinstance(given, str):
        return bytes.fromhex(given)
    if "join" in given:
        return b"".join(data_of(part) for part in given["join"])
    if "repeat" in given:
        return bytes.fromhex(given["repeat"]) * int(given["count"])
    return seeded(given["seed"], given["count"])


def seeded(seed: str, count: int) -> bytes:
    """`count` bytes of the generator: SHA256(seed || u32be j) for j = 0, 1, ..."""
    start = sha256(seed.encode())
    blocks = []
    for index in range(-(-count // _HASH_BYTES)):
        block = start.copy()
        block.update(index.to_bytes(4))
        blocks.append(block.digest())
    return b"".join(blocks)[:count]


def code_name(code: int) -> str:
    """A code as the vectors write it."""
    return Code(code).name


def value_of(given: Any) -> Any:
    """A value of 02-encoding from the notation."""
    if given is None or isinstance(given, bool):
        return given
    ((kind, content),) = given.items()
    if kind == "uint":
        return int(content)
    if kind == "text":
        return content
    if kind == "bytes":
        return data_of(content)
    if kind == "array":
        return [value_of(item) for item in content]
    entries = {key: value_of(item) for key, item in content}
    if len(entries) != len(content):
        raise LocalProtocolError("cannot be sent: a map holds a key twice")
    return entries


def notation_of(value: Any) -> Any:
    """A value of 02-encoding in the notation; maps keep their order."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return {"uint": str(value)}
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, Mapping):
        return {"map": [[key, notation_of(item)] for key, item in value.items()]}
    return {"array": [notation_of(item) for item in value]}
