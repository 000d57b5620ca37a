"""The two contracts as Python sees them: encode calls, decode results and errors, compare code.

Read from `artifacts/NAME.json`. Structs come back as dicts by field name; integers, bytes and
tuples otherwise; addresses as 20 bytes.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.codec import ABICodec
from eth_abi.decoding import ContextFramesBytesIO, StringDecoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.registry import BaseEquals
from eth_abi.registry import registry as default_registry
from eth_utils.crypto import keccak

from swarmp2p.errors import LedgerUnavailableError, LocalProtocolError


class _LenientString(StringDecoder):
    """A string that is not UTF-8 does not spoil the rest of an answer.

    The contracts store whatever bytes a member sends as its addresses; one member's garbage must
    not keep everybody from reading the members.
    """

    def __init__(self) -> None:
        super().__init__(handle_string_errors="replace")  # type: ignore[no-untyped-call] # eth-abi's


_READS = 8  # times that the bytes of an answer may be read: honest ones need 1 to 4


class _OncePerByte(ContextFramesBytesIO):
    """An answer whose values lie beside each other.

    ABI pointers may all lead to one place, so that a small answer stands for values without end;
    no contract writes such an answer.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)  # type: ignore[no-untyped-call] # eth-abi's
        self._left = _READS * len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        part = super().read(size)
        self._left -= len(part)
        if self._left < 0:
            raise DecodingError("values of the answer lie on top of each other")
        return part


class _Codec(ABICodec):
    stream_class = _OncePerByte


def _lenient_codec() -> ABICodec:
    registry = default_registry.copy()  # type: ignore[no-untyped-call] # eth-abi's
    registry.unregister_decoder("string")
    equals = BaseEquals("string", with_sub=False)  # type: ignore[no-untyped-call] # eth-abi's
    registry.register_decoder(equals, _LenientString, label="string")
    return _Codec(registry)


_LENIENT = _lenient_codec()


class ContractAbi:
    """One contract's functions and errors."""

    def __init__(self, artifact: Mapping[str, Any]) -> None:
        self.name: str = artifact["contractName"]
        self.bytecode = _code(artifact["bytecode"])
        self.deployed = _code(artifact["deployedBytecode"])
        entries = artifact["abi"]
        self._functions = {e["name"]: e for e in entries if e["type"] == "function"}
        self._errors = {_selector(e): e for e in entries if e["type"] == "error"}
        self._constructor: Sequence[Any] = next(
            (e["inputs"] for e in entries if e["type"] == "constructor"), ()
        )

    def call_data(self, function: str, *arguments: object) -> bytes:
        """The data of a call. Raises LocalProtocolError for arguments that do not fit."""
        entry = self._functions[function]
        return _selector(entry) + _encode(function, entry["inputs"], arguments)

    def creation(self, *arguments: object) -> bytes:
        """The data of a deployment."""
        return self.bytecode + _encode("constructor", self._constructor, arguments)

    def result(self, function: str, data: bytes) -> tuple[Any, ...]:
        """A call's results in order. Raises LedgerUnavailableError when they make no sense."""
        outputs = self._functions[function]["outputs"]
        try:
            values = _LENIENT.decode([_type(o) for o in outputs], data)
        except (DecodingError, OverflowError, ValueError) as error:
            raise LedgerUnavailableError(
                f"{self.name}.{function}() answered {len(data)} bytes that cannot be decoded: "
                "the address holds another contract, or the endpoint is broken"
            ) from error
        return tuple(_named(o, v) for o, v in zip(outputs, values, strict=True))

    def reason(self, data: bytes) -> tuple[str, str]:
        """The name of the custom error in revert data, and the same with its arguments.

        ("", "") when there is none that this contract defines.
        """
        if data[:4] == _selector({"name": "Error", "inputs": [{"type": "string"}]}):
            entry: Any = {"name": "Error", "inputs": [{"type": "string", "name": ""}]}
        else:
            entry = self._errors.get(data[:4])
        if entry is None:
            return "", ""
        try:
            values = decode([_type(i) for i in entry["inputs"]], data[4:])
        except (DecodingError, OverflowError, ValueError):
            values = ()
        shown = ", ".join(
            _show(_named(i, v)) for i, v in zip(entry["inputs"], values, strict=False)
        )
        return entry["name"], f"{entry['name']}({shown})"


@cache
def contract_abi(name: str) -> ContractAbi:
    """The contract SwarmRegistry or SwarmRun."""
    path = files("swarmp2p.ledger") / "artifacts" / f"{name}.json"
    return ContractAbi(json.loads(path.read_text(encoding="utf-8")))


def _code(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _type(entry: Mapping[str, Any]) -> str:
    """The ABI type, with structs written out as tuples."""
    kind: str = entry["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(c) for c in entry['components'])}){kind.removeprefix('tuple')}"


def _selector(entry: Mapping[str, Any]) -> bytes:
    signature = f"{entry['name']}({','.join(_type(i) for i in entry['inputs'])})"
    return bytes(keccak(text=signature))[:4]


def _encode(what: str, inputs: Sequence[Any], arguments: Sequence[object]) -> bytes:
    try:
        return encode([_type(i) for i in inputs], arguments)
    except (EncodingError, TypeError, ValueError) as error:
        raise LocalProtocolError(f"wrong arguments for {what}: {error}") from error


def _named(entry: Mapping[str, Any], value: Any) -> Any:
    kind: str = entry["type"]
    if kind.endswith("]"):
        inner = {**entry, "type": kind[: kind.rindex("[")]}
        return tuple(_named(inner, v) for v in value)
    if kind == "tuple":
        fields = zip(entry["components"], value, strict=True)
        return {c["name"]: _named(c, v) for c, v in fields}
    if kind == "address":
        return bytes.fromhex(value[2:])
    return value


def _show(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
