"""Plain values of the embedded chain: transactions, blocks, results of calls, refusals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from eth.abc import BlockHeaderAPI, SignedTransactionAPI
from eth_typing import Address


class TransactionRefusedError(Exception):
    """The pool does not take the transaction; the text is what geth would say."""


class UnknownBlockError(Exception):
    """There is no such block."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """A transaction that waits for a block."""

    transaction: SignedTransactionAPI
    sender: Address


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block, with its effects. `logs` are (address, topics, data)."""

    transaction: SignedTransactionAPI
    sender: Address
    block_number: int
    index: int
    first_log: int
    succeeded: bool
    gas_used: int
    cumulative_gas: int
    gas_price: int
    contract: bytes | None
    logs: tuple[tuple[bytes, tuple[int, ...], bytes], ...]


@dataclass(frozen=True, slots=True)
class MinedBlock:
    """A block: its py-evm header and the hashes of its transactions."""

    header: BlockHeaderAPI
    hash: bytes
    transactions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call returned. `revert` is None when it succeeded, else the revert data."""

    output: bytes
    gas_used: int
    revert: bytes | None
    failure: str


class Keeper(Protocol):
    """Told of everything before anyone sees it; where it raises, the chain does not go on."""

    def append_block(self, time: int, block_hash: bytes, transactions: Sequence[bytes]) -> None:
        """A block: seconds since 1970, 32 bytes, its raw transactions."""
        ...

    def append_sent(self, transaction: bytes) -> None:
        """A raw transaction that the pool takes."""
        ...


def intrinsic_gas(to: bytes | None, data: bytes) -> int:
    """Gas a transaction costs before it runs (EIP-2028, EIP-3860), floor of EIP-7623 included."""
    zeros = data.count(0)
    tokens = zeros + 4 * (len(data) - zeros)
    creation = 0 if to else 32_000 + 2 * ((len(data) + 31) // 32)
    return max(21_000 + 4 * tokens + creation, 21_000 + 10 * tokens)
