"""What kind of question a JSON-RPC call is, and when two endpoints' answers to it are the same."""

import json
import re
from enum import Enum, auto
from typing import Any

from swarmp2p.ledger.rpc import RpcRefusedError, quantity

BLOCK_PARAMETER = re.compile("0x[0-9a-f]{1,16}")
_RECEIPT_FIELDS = ("transactionHash", "blockHash", "blockNumber", "status", "contractAddress")


class Kind(Enum):
    """How the answers of several endpoints become one."""

    SEND = auto()  # to all; one that takes it is enough
    CHAIN = auto()  # the chain's id
    NEWEST = auto()  # numbers that rise, and may differ by a few blocks
    LEAST = auto()  # a count that rises: the lowest is safe
    SUGGESTION = auto()  # a price: the middle
    RECEIPT = auto()  # alike, where it is known
    COMPARED = auto()  # one block, one answer


_BY_METHOD = {
    "eth_sendRawTransaction": Kind.SEND,
    "eth_chainId": Kind.CHAIN,
    "eth_blockNumber": Kind.NEWEST,
    "eth_gasPrice": Kind.SUGGESTION,
    "eth_maxPriorityFeePerGas": Kind.SUGGESTION,
    "eth_getTransactionReceipt": Kind.RECEIPT,
}
_NUMBERS = {"eth_chainId", "eth_blockNumber", "eth_getTransactionCount", "eth_getBalance"}
_BY_BLOCK = {
    ("eth_getBlockByNumber", "finalized"): Kind.NEWEST,
    ("eth_getBlockByNumber", "latest"): Kind.SUGGESTION,
    ("eth_getTransactionCount", "latest"): Kind.LEAST,
    ("eth_getTransactionCount", "pending"): Kind.LEAST,
    ("eth_getBalance", "latest"): Kind.LEAST,
}


def kind_of(method: str, params: tuple[object, ...]) -> Kind:
    """The kind of a call."""
    tags = [tag for tag in params if isinstance(tag, str)]
    tagged = (_BY_BLOCK.get((method, tag)) for tag in tags)
    return next(filter(None, tagged), None) or _BY_METHOD.get(method, Kind.COMPARED)


def check_shape(method: str, params: tuple[object, ...], result: Any) -> None:
    """Raises LedgerUnavailableError for nonsense where a number goes: that is no answer."""
    kind = kind_of(method, params)
    if method in _NUMBERS:
        quantity(result)
    elif isinstance(result, dict) and kind is Kind.NEWEST:
        quantity(result.get("number"))
    elif isinstance(result, dict) and kind is Kind.SUGGESTION:
        if result.get("baseFeePerGas") is not None:
            quantity(result["baseFeePerGas"])
    elif result is not None and kind in {Kind.NEWEST, Kind.SUGGESTION}:
        quantity(None if method == "eth_getBlockByNumber" else result)


def question(method: str, params: tuple[object, ...]) -> str:
    """What was asked, to remember a conflict by: the method, and of a view its selector."""
    call = params[0] if params else None
    data = call.get("data") if isinstance(call, dict) else None
    return f"{method} {data[:10]}" if isinstance(data, str) else method


def is_revert(refusal: RpcRefusedError) -> bool:
    """Whether a refusal is the contract's own word and not the endpoint's trouble."""
    return bool(refusal.data) or "revert" in str(refusal).lower()


def comparable(method: str, result: Any, refusal: RpcRefusedError | None) -> str:
    """An answer as text that is equal for equal answers.

    Clients dress blocks and receipts differently; what a node acts on is compared.
    """
    if refusal is not None:
        return f"refused: 0x{refusal.data.hex()}"
    if method == "eth_getBlockByNumber":
        return "no such block" if not isinstance(result, dict) else _lower(result.get("hash"))
    if method == "eth_getTransactionReceipt" and isinstance(result, dict):
        return ", ".join(f"{name} {_lower(result.get(name))}" for name in _RECEIPT_FIELDS)
    if method == "eth_getTransactionCount":
        return str(quantity(result))
    return _lower(result)


def _lower(value: object) -> str:
    return value.lower() if isinstance(value, str) else json.dumps(value, sort_keys=True)
