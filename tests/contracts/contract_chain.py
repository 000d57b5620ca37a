"""A chain for contract tests: py-evm's state transition without blocks, signatures or a server.

Transactions run at the block number that `mine` has reached and cost what they cost on a real
chain. `fork` gives an independent copy, so that one prepared chain serves many tests.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from eth.abc import ComputationAPI
from eth.db.atomic import AtomicDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks import ParisVM
from eth.vm.forks.paris.state import ParisState
from eth.vm.message import Message
from eth.vm.spoof import SpoofTransaction
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

ARTIFACTS = Path(__file__).resolve().parents[2] / "swarmp2p" / "ledger" / "artifacts"
EMPTY_TRIE = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
GAS_LIMIT = 30_000_000
CHAIN_ID = 1337


class Reverted(Exception):  # noqa: N818 (it names what happened, as the chain does)
    """A transaction or call reverted with the custom error `name` and its arguments."""

    def __init__(self, name: str, arguments: tuple[Any, ...]) -> None:
        super().__init__(name, *arguments)
        self.name = name
        self.arguments = arguments


def _type(entry: dict[str, Any]) -> str:
    """ABI type of a parameter, tuples written out."""
    kind: str = entry["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(_type(c) for c in entry["components"]) + ")" + kind[len("tuple") :]


def _named(entry: dict[str, Any], value: Any) -> Any:
    """A decoded value with structs as dictionaries."""
    if entry["type"] == "tuple":
        return {c["name"]: _named(c, v) for c, v in zip(entry["components"], value, strict=True)}
    if entry["type"] == "tuple[]":
        return [_named({**entry, "type": "tuple"}, item) for item in value]
    return list(value) if isinstance(value, tuple) else value


def _signature(entry: dict[str, Any]) -> str:
    return entry["name"] + "(" + ",".join(_type(i) for i in entry["inputs"]) + ")"


class Interface:
    """What one artifact says: how to encode calls and decode answers, errors and events."""

    def __init__(self, name: str) -> None:
        artifact = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
        self.bytecode = bytes.fromhex(artifact["bytecode"][2:])
        self.constructor: list[str] = []
        self.functions: dict[str, dict[str, Any]] = {}
        self.errors: dict[bytes, dict[str, Any]] = {}
        self.events: dict[bytes, dict[str, Any]] = {}
        for entry in artifact["abi"]:
            if entry["type"] == "constructor":
                self.constructor = [_type(i) for i in entry["inputs"]]
            elif entry["type"] == "function":
                self.functions[entry["name"]] = entry
            elif entry["type"] == "error":
                self.errors[keccak(text=_signature(entry))[:4]] = entry
            elif entry["type"] == "event":
                self.events[keccak(text=_signature(entry))] = entry

    def encode_call(self, function: str, arguments: tuple[Any, ...]) -> bytes:
        entry = self.functions[function]
        return keccak(text=_signature(entry))[:4] + encode(
            [_type(i) for i in entry["inputs"]], arguments
        )

    def decode_answer(self, function: str, data: bytes) -> Any:
        outputs = self.functions[function]["outputs"]
        values = decode([_type(o) for o in outputs], data)
        named = [_named(o, v) for o, v in zip(outputs, values, strict=True)]
        return named[0] if len(named) == 1 else tuple(named)


@cache
def interface(name: str) -> Interface:
    return Interface(name)


@dataclass(frozen=True)
class Deployed:
    """A contract on the chain."""

    address: bytes
    interface: Interface


@dataclass(frozen=True)
class Receipt:
    """What a transaction used, and the events of the contracts by name and arguments."""

    gas: int
    events: tuple[tuple[str, dict[str, Any]], ...]

    @property
    def event_names(self) -> list[str]:
        return [name for name, _ in self.events]


def account(number: int) -> bytes:
    """A 20-byte account; the chain asks for no key."""
    return keccak(text=f"account {number}")[-20:]


class Chain:
    """One chain state and the current block number."""

    def __init__(
        self, db: AtomicDB | None = None, root: bytes = EMPTY_TRIE, block: int = 1
    ) -> None:
        self.block = block
        self._db = AtomicDB() if db is None else db
        context = ExecutionContext(
            coinbase=b"\x00" * 20,
            timestamp=0,
            block_number=block,
            difficulty=0,
            mix_hash=b"\x00" * 32,
            gas_limit=GAS_LIMIT,
            prev_hashes=(),
            chain_id=CHAIN_ID,
            base_fee_per_gas=0,
        )
        self._context = context
        self._state = ParisState(self._db, context, root)

    def fork(self) -> Self:
        """An independent copy."""
        self._state.persist()
        return type(self)(self._db, self._state.state_root, self.block)

    def mine(self, blocks: int = 1) -> None:
        """Go on by empty blocks."""
        self.block += blocks
        self._context._block_number = self.block  # type: ignore[assignment]  # py-evm's own NewType

    def deploy(self, name: str, sender: bytes, *arguments: Any) -> Deployed:
        wanted = interface(name)
        data = wanted.bytecode + encode(wanted.constructor, arguments)
        computation, _ = self._apply(sender, b"", data)
        return Deployed(computation.msg.storage_address, wanted)

    def transact(self, sender: bytes, to: Deployed, function: str, *arguments: Any) -> Receipt:
        data = to.interface.encode_call(function, arguments)
        computation, gas = self._apply(sender, to.address, data)
        return Receipt(gas, tuple(self._events(computation)))

    def code(self, of: Deployed) -> bytes:
        return self._state.get_code(of.address)

    def call(self, to: Deployed, function: str, *arguments: Any) -> Any:
        """A view's answer: structs as dictionaries."""
        snapshot = self._state.snapshot()
        message = Message(
            gas=10 * GAS_LIMIT,
            to=to.address,
            sender=b"\x00" * 20,
            value=0,
            data=to.interface.encode_call(function, arguments),
            code=self._state.get_code(to.address),
        )
        context = self._state.get_transaction_context_class()(gas_price=0, origin=b"\x00" * 20)
        computation = self._state.computation_class.apply_message(self._state, message, context)
        self._state.revert(snapshot)
        self._raise_revert(computation)
        return to.interface.decode_answer(function, computation.output)

    def _apply(self, sender: bytes, to: bytes, data: bytes) -> tuple[ComputationAPI, int]:
        unsigned = ParisVM.get_transaction_builder().create_unsigned_transaction(
            nonce=self._state.get_nonce(sender),
            gas_price=0,
            gas=GAS_LIMIT,
            to=to,
            value=0,
            data=data,
        )
        transaction = SpoofTransaction(unsigned, from_=sender)
        computation = self._state.apply_transaction(transaction)
        self._state.lock_changes()
        self._raise_revert(computation)
        used = GAS_LIMIT - computation.get_gas_remaining()
        return computation, used - min(computation.get_gas_refund(), used // 5)

    def _raise_revert(self, computation: ComputationAPI) -> None:
        if computation.is_success:
            return
        data = computation.output
        for name in ("SwarmRun", "SwarmRegistry"):
            entry = interface(name).errors.get(data[:4])
            if entry is not None:
                raise Reverted(entry["name"], decode([_type(i) for i in entry["inputs"]], data[4:]))
        raise AssertionError(f"the EVM failed without a custom error: {computation.error!r}")

    def _events(self, computation: ComputationAPI) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for _, topics, data in computation.get_log_entries():
            hashes = [t.to_bytes(32, "big") for t in topics]
            known = {**interface("SwarmRun").events, **interface("SwarmRegistry").events}
            entry = known[hashes[0]]
            plain = [i for i in entry["inputs"] if not i["indexed"]]
            indexed = [i for i in entry["inputs"] if i["indexed"]]
            values = {
                i["name"]: v
                for i, v in zip(plain, decode([_type(i) for i in plain], data), strict=True)
            }
            for i, topic in zip(indexed, hashes[1:], strict=True):
                values[i["name"]] = decode([_type(i)], topic)[0]
            found.append((entry["name"], values))
        return found
