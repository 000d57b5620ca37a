"""The JSON-RPC methods of the embedded chain: JSON values in, JSON values out.

The subset of the Ethereum API that a client needs to send transactions and read state. Every
error is an RpcError; no other exception leaves `answer`.
"""

from collections.abc import Callable
from typing import Any

from eth_typing import Address

from swarmp2p.ledger.dev_evm import BLOCK_GAS_LIMIT, PRIORITY_FEE, EmbeddedChain
from swarmp2p.ledger.dev_server import RpcError
from swarmp2p.ledger.dev_values import (
    CallResult,
    Mined,
    MinedBlock,
    Pooled,
    TransactionRefusedError,
    UnknownBlockError,
    intrinsic_gas,
)

METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_ERROR = -32000
EXECUTION_REVERTED = 3  # geth's code; the revert data is in `data`

MAX_LOG_BLOCKS = 10_000  # in one eth_getLogs
MAX_LOGS = 10_000  # answers of one eth_getLogs
MAX_FEE_BLOCKS = 1_024  # in one eth_feeHistory
NO_BLOOM = "0x" + "00" * 256  # nobody filters by bloom here


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(value: object, size: int | None = None) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise RpcError(INVALID_PARAMS, "expected a string of hexadecimal digits after 0x")
    try:
        data = bytes.fromhex(value[2:])
    except ValueError:
        raise RpcError(INVALID_PARAMS, "expected pairs of hexadecimal digits after 0x") from None
    if size is not None and len(data) != size:
        raise RpcError(INVALID_PARAMS, f"expected {size} bytes, not {len(data)}")
    return data


def _quantity(value: object) -> int:
    try:
        number = int(value, 16) if isinstance(value, str) else -1
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 256:
        raise RpcError(INVALID_PARAMS, "expected a quantity such as 0x1f")
    return number


def _address(value: object) -> Address:
    return Address(_bytes(value, 20))


class DevMethods:
    """Answers JSON-RPC calls from an EmbeddedChain. Not thread-safe: the server holds a lock."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self._chain = chain
        self._methods: dict[str, Callable[..., Any]] = {
            "eth_blockNumber": lambda: hex(chain.head),
            "eth_call": self._call,
            "eth_chainId": lambda: hex(chain.chain_id),
            "eth_estimateGas": self._estimate_gas,
            "eth_feeHistory": self._fee_history,
            "eth_gasPrice": lambda: hex(chain.base_fee(chain.head) + PRIORITY_FEE),
            "eth_getBalance": self._get_balance,
            "eth_getBlockByHash": self._get_block_by_hash,
            "eth_getBlockByNumber": self._get_block_by_number,
            "eth_getCode": self._get_code,
            "eth_getLogs": self._get_logs,
            "eth_getStorageAt": self._get_storage,
            "eth_getTransactionByHash": self._get_transaction,
            "eth_getTransactionCount": self._get_transaction_count,
            "eth_getTransactionReceipt": self._get_receipt,
            "eth_maxPriorityFeePerGas": lambda: hex(PRIORITY_FEE),
            "eth_sendRawTransaction": self._send_raw,
            "eth_syncing": lambda: False,
            "evm_mine": lambda: hex(chain.mine()),
            "net_version": lambda: str(chain.chain_id),
            "web3_clientVersion": lambda: "swarmp2p-devchain/1",
        }

    def answer(self, method: str, params: list[Any]) -> Any:
        """The result of one call. Raises RpcError."""
        function = self._methods.get(method)
        if function is None:
            raise RpcError(METHOD_NOT_FOUND, f"the method {method} does not exist here")
        try:
            return function(*params)
        except RpcError:
            raise
        except TransactionRefusedError as error:
            raise RpcError(SERVER_ERROR, str(error)) from error
        except UnknownBlockError:
            raise RpcError(SERVER_ERROR, "header not found") from None
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise RpcError(INVALID_PARAMS, f"wrong parameters for {method}: {error}") from error
        except Exception as error:  # one bad call must not end the chain
            raise RpcError(INTERNAL_ERROR, f"{type(error).__name__}: {error}") from error

    # ---- blocks

    def _number(self, block: object) -> int:
        """A block parameter: a tag, a number, or EIP-1898's object."""
        if isinstance(block, dict):
            if "blockHash" in block:
                return self._chain.number_of(_bytes(block["blockHash"], 32))
            block = block.get("blockNumber")
        if block in {"latest", "pending", "safe", "finalized"}:
            return self._chain.head  # one miner, no forks: a block is final at once
        return 0 if block == "earliest" else self._chain.block(_quantity(block)).header.block_number

    def _get_block_by_number(self, block: object, full: object = False) -> Any:  # noqa: FBT002 - the API's shape
        try:
            return self._block(self._chain.block(self._number(block)), full=bool(full))
        except UnknownBlockError:
            return None

    def _get_block_by_hash(self, block_hash: object, full: object = False) -> Any:  # noqa: FBT002 - the API's shape
        try:
            number = self._chain.number_of(_bytes(block_hash, 32))
        except UnknownBlockError:
            return None
        return self._block(self._chain.block(number), full=bool(full))

    def _block(self, block: MinedBlock, *, full: bool) -> dict[str, Any]:
        header = block.header
        transactions = block.transactions
        return {
            "number": hex(header.block_number),
            "hash": _hex(block.hash),
            "parentHash": _hex(header.parent_hash),
            "timestamp": hex(header.timestamp),
            "gasLimit": hex(header.gas_limit),
            "gasUsed": hex(header.gas_used),
            "baseFeePerGas": hex(header.base_fee_per_gas or 0),
            "miner": _hex(header.coinbase),
            "difficulty": "0x0",
            "extraData": _hex(header.extra_data),
            "mixHash": _hex(header.mix_hash),
            "nonce": _hex(header.nonce),
            "stateRoot": _hex(header.state_root),
            "transactionsRoot": _hex(header.transaction_root),
            "receiptsRoot": _hex(header.receipt_root),
            "sha3Uncles": _hex(header.uncles_hash),
            "logsBloom": NO_BLOOM,
            "uncles": [],
            "transactions": [
                self._get_transaction(_hex(tx)) if full else _hex(tx) for tx in transactions
            ],
        }

    def _fee_history(self, count: object, newest: object, percentiles: object = ()) -> Any:
        wanted = count if isinstance(count, int) else _quantity(count)
        last = self._number(newest)
        first = max(0, last + 1 - min(wanted, MAX_FEE_BLOCKS))
        blocks = [self._chain.block(number) for number in range(first, last + 1)]
        tips = [hex(PRIORITY_FEE) for _ in percentiles] if isinstance(percentiles, list) else []
        fees = [hex(block.header.base_fee_per_gas or 0) for block in blocks]
        return {
            "oldestBlock": hex(first),
            "baseFeePerGas": [*fees, *fees[-1:]],
            "gasUsedRatio": [block.header.gas_used / BLOCK_GAS_LIMIT for block in blocks],
            "reward": [tips for _ in blocks],
        }

    # ---- accounts

    def _get_balance(self, account: object, block: object = "latest") -> str:
        return hex(self._chain.balance(_address(account), self._number(block)))

    def _get_code(self, account: object, block: object = "latest") -> str:
        return _hex(self._chain.code(_address(account), self._number(block)))

    def _get_storage(self, account: object, slot: object, block: object = "latest") -> str:
        word = self._chain.storage(_address(account), _quantity(slot), self._number(block))
        return _hex(word.to_bytes(32, "big"))

    def _get_transaction_count(self, account: object, block: object = "latest") -> str:
        if block == "pending":
            return hex(self._chain.nonce(_address(account), pooled=True))
        return hex(self._chain.nonce(_address(account), self._number(block)))

    # ---- calls

    def _run(self, call: object, block: object) -> tuple[CallResult, Address | None, bytes]:
        if not isinstance(call, dict):
            raise RpcError(INVALID_PARAMS, "expected a call object")
        sender = _address(call.get("from") or _hex(bytes(20)))
        to = _address(call["to"]) if call.get("to") else None
        data = _bytes(call.get("input") or call.get("data") or "0x")
        value = _quantity(call.get("value") or "0x0")
        number = None if block == "pending" else self._number(block)
        result = self._chain.call(sender, to, data, value, number)
        if result.revert is not None:
            code = EXECUTION_REVERTED if result.failure == "execution reverted" else SERVER_ERROR
            raise RpcError(code, result.failure, _hex(result.revert))
        return result, to, data

    def _call(self, call: object, block: object = "latest", _overrides: object = None) -> str:
        result, _to, _data = self._run(call, block)
        return _hex(result.output)

    def _estimate_gas(self, call: object, block: object = "pending") -> str:
        """What one run takes, and a quarter more: a called contract gets 63/64 of what is left."""
        result, to, data = self._run(call, block)
        return hex(intrinsic_gas(to, data) + result.gas_used * 5 // 4)

    # ---- transactions

    def _send_raw(self, raw: object) -> str:
        return _hex(self._chain.send(_bytes(raw)))

    def _get_transaction(self, transaction_hash: object) -> Any:
        key = _bytes(transaction_hash, 32)
        mined = self._chain.mined(key)
        entry: Mined | Pooled | None = mined or self._chain.pending(key)
        if entry is None:
            return None
        transaction = entry.transaction
        result: dict[str, Any] = {
            "hash": _hex(key),
            "from": _hex(entry.sender),
            "to": _hex(transaction.to) if transaction.to else None,
            "nonce": hex(transaction.nonce),
            "gas": hex(transaction.gas),
            "value": hex(transaction.value),
            "input": _hex(transaction.data),
            "chainId": hex(self._chain.chain_id),
            "gasPrice": hex(mined.gas_price if mined else transaction.max_fee_per_gas),
            "type": hex(getattr(transaction, "type_id", None) or 0),
            "r": hex(transaction.r),
            "s": hex(transaction.s),
            "v": hex(transaction.y_parity),
            "blockHash": None,
            "blockNumber": None,
            "transactionIndex": None,
        }
        if result["type"] != "0x0":
            result["maxFeePerGas"] = hex(transaction.max_fee_per_gas)
            result["maxPriorityFeePerGas"] = hex(transaction.max_priority_fee_per_gas)
            result["accessList"] = []
        if mined:
            result["blockHash"] = _hex(self._chain.block(mined.block_number).hash)
            result["blockNumber"] = hex(mined.block_number)
            result["transactionIndex"] = hex(mined.index)
        return result

    def _get_receipt(self, transaction_hash: object) -> Any:
        key = _bytes(transaction_hash, 32)
        mined = self._chain.mined(key)
        if mined is None:
            return None
        to = mined.transaction.to
        return {
            "transactionHash": _hex(key),
            "transactionIndex": hex(mined.index),
            "blockHash": _hex(self._chain.block(mined.block_number).hash),
            "blockNumber": hex(mined.block_number),
            "from": _hex(mined.sender),
            "to": _hex(to) if to else None,
            "contractAddress": _hex(mined.contract) if mined.contract else None,
            "status": "0x1" if mined.succeeded else "0x0",
            "gasUsed": hex(mined.gas_used),
            "cumulativeGasUsed": hex(mined.cumulative_gas),
            "effectiveGasPrice": hex(mined.gas_price),
            "type": hex(getattr(mined.transaction, "type_id", None) or 0),
            "logs": self._logs(key, mined),
            "logsBloom": NO_BLOOM,
        }

    def _logs(self, transaction_hash: bytes, mined: Mined) -> list[dict[str, Any]]:
        block_hash = _hex(self._chain.block(mined.block_number).hash)
        return [
            {
                "address": _hex(address),
                "topics": [_hex(topic.to_bytes(32, "big")) for topic in topics],
                "data": _hex(data),
                "blockNumber": hex(mined.block_number),
                "blockHash": block_hash,
                "transactionHash": _hex(transaction_hash),
                "transactionIndex": hex(mined.index),
                "logIndex": hex(mined.first_log + place),
                "removed": False,
            }
            for place, (address, topics, data) in enumerate(mined.logs)
        ]

    def _get_logs(self, query: object) -> list[dict[str, Any]]:
        if not isinstance(query, dict):
            raise RpcError(INVALID_PARAMS, "expected a filter object")
        if "blockHash" in query:
            first = last = self._number({"blockHash": query["blockHash"]})
        else:
            first = self._number(query.get("fromBlock") or "latest")
            last = self._number(query.get("toBlock") or "latest")
        if last - first >= MAX_LOG_BLOCKS:
            raise RpcError(INVALID_PARAMS, f"at most {MAX_LOG_BLOCKS} blocks at a time")
        wanted = query.get("address") or []
        addresses = [wanted] if isinstance(wanted, str) else wanted
        accounts = {_hex(_bytes(address, 20)) for address in addresses}
        found: list[dict[str, Any]] = []
        for number in range(first, last + 1):
            for key in self._chain.block(number).transactions:
                mined = self._chain.mined(key)
                found += [
                    log
                    for log in (self._logs(key, mined) if mined else ())
                    if (not accounts or log["address"] in accounts)
                    and _matches(log["topics"], query.get("topics") or [])
                ]
            if len(found) > MAX_LOGS:
                raise RpcError(INVALID_PARAMS, f"more than {MAX_LOGS} logs: ask for fewer blocks")
        return found


def _matches(topics: list[str], pattern: list[Any]) -> bool:
    """Ethereum's filter: by place; None is anything, a list is any of its members."""
    if len(pattern) > len(topics):
        return False
    for topic, want in zip(topics, pattern, strict=False):
        choices = want if isinstance(want, list) else [want]
        if None not in choices and topic not in [str(choice).lower() for choice in choices]:
            return False
    return True
