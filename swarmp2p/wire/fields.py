"""Reads the fields of a closed map: ENC-009, ENC-010 and ENC-018, once for all messages."""

from collections.abc import Iterable, Sized
from typing import Any, TypeVar

from swarmp2p.errors import RemoteProtocolError
from swarmp2p.wire.registry import Code

_Sized = TypeVar("_Sized", list[Any], dict[str, Any])


def shown(value: Any) -> str:
    """A refused value by its type and length: its own text can take many times its memory."""
    size = f"of length {len(value)}" if isinstance(value, Sized) else repr(value)
    return f"{type(value).__name__} {size}"


class Fields:
    """A closed map with exactly the keys given, read with type and bound checks.

    ENC-018: read the fields in the order of their keys, so that of several faults the first in that
    order is named.
    """

    def __init__(self, value: Any, what: str, keys: Iterable[str]) -> None:
        """`value` is decoded already. Raises RemoteProtocolError as every reader here does."""
        if type(value) is not dict:
            raise RemoteProtocolError(Code.MALFORMED, f"{what}: a map is expected")
        unknown = value.keys() - set(keys)
        if unknown:  # ENC-009: structures are closed.
            raise RemoteProtocolError(Code.UNKNOWN_FIELD, f"{what}: field {min(unknown)!r:.80}")
        missing = set(keys) - value.keys()
        if missing:
            raise RemoteProtocolError(Code.MALFORMED, f"{what}: field {min(missing)} is missing")
        self._value: dict[str, Any] = value
        self._what = what

    def _wrong(self, key: str, expected: str) -> RemoteProtocolError:
        text = f"{self._what}: {key} must be {expected}, not {shown(self._value[key])}"
        return RemoteProtocolError(Code.MALFORMED, text)

    def value(self, key: str) -> Any:
        """What stands under `key`, of any type."""
        return self._value[key]

    def uint(self, key: str, low: int, high: int) -> int:
        """An integer within bounds."""
        value = self._value[key]
        if type(value) is not int or not low <= value <= high:
            raise self._wrong(key, f"an integer {low}..{high}")
        return value

    def hash(self, key: str) -> bytes:
        """32 bytes."""
        value = self._value[key]
        if type(value) is not bytes or len(value) != 32:
            raise self._wrong(key, "32 bytes")
        return value

    def text(self, key: str, low: int, high: int) -> str:
        """Text of `low` to `high` bytes of UTF-8."""
        value = self._value[key]
        if type(value) is not str or not low <= len(value.encode()) <= high:
            raise self._wrong(key, f"a str of {low} to {high} bytes")
        return value

    def choice(self, key: str, allowed: Iterable[str]) -> str:
        """One of a few words."""
        value = self._value[key]
        if type(value) is not str or value not in allowed:
            raise self._wrong(key, f"one of {sorted(allowed)}")
        return value

    def items(self, key: str, limit: int) -> list[Any]:
        """An array of at most `limit` entries."""
        value = self._value[key]
        if type(value) is not list:
            raise self._wrong(key, "an array")
        return self._bounded(key, value, limit)

    def mapping(self, key: str, limit: int) -> dict[str, Any]:
        """A map of at most `limit` entries."""
        value = self._value[key]
        if type(value) is not dict:
            raise self._wrong(key, "a map")
        return self._bounded(key, value, limit)

    def _bounded(self, key: str, value: _Sized, limit: int) -> _Sized:
        if len(value) > limit:
            text = f"{self._what}: {key} holds {len(value)} items; at most {limit} are allowed"
            raise RemoteProtocolError(Code.TOO_MANY, text)
        return value
