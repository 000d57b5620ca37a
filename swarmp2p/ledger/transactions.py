"""Signs transactions, sends them and reads what became of them. Blocking; one account.

The nonce comes from the chain, so a restart needs no memory: a transaction that was sent before and
never mined is replaced by one with a higher fee.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth_account import Account

from swarmp2p.errors import LedgerUnavailableError, TransactionRevertedError
from swarmp2p.ledger.accounts import account_address, checksum
from swarmp2p.ledger.rpc import RpcClient, RpcRefusedError
from swarmp2p.ledger.views import hexed, octets, quantity, revert_reason

DEFAULT_TIP = 10**9  # wei per gas, where the endpoint suggests none
MAX_FEE = 10**13  # wei per gas; no chain of this kind asks so much, a lying endpoint may
MAX_RETRIES = 8  # fee bumps and nonce corrections of one transaction


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei per gas. `tip` is None on chains without EIP-1559."""

    price: int
    tip: int | None

    def bumped(self) -> "Fees":
        """An eighth more: nodes refuse a replacement that offers less than a tenth more."""
        raised = None if self.tip is None else self.tip * 9 // 8 + 1
        return Fees(self.price * 9 // 8 + 1, raised)


@dataclass(frozen=True, slots=True)
class SentTransaction:
    """A signed transaction: what an outbox keeps. `hash` has 32 bytes, `to` 20 (b"": creation)."""

    hash: bytes
    raw: bytes
    nonce: int
    to: bytes
    data: bytes
    gas: int
    fees: Fees


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """What became of a transaction. `contract` is the address that a creation made."""

    block: int
    succeeded: bool
    gas_used: int
    contract: bytes


Outbox = Callable[[SentTransaction], None]


def no_outbox(_sent: SentTransaction) -> None:
    """Keep nothing: every call of ours can be made again from the state of the chain."""


class Sender:
    """Sends for one account. `outbox` sees each signed transaction before the network does."""

    def __init__(
        self, rpc: RpcClient, key: bytes, chain_id: int, outbox: Outbox = no_outbox
    ) -> None:
        self._rpc = rpc
        self._key = key
        self._chain_id = chain_id
        self._outbox = outbox
        self._least_nonce = 0
        self.account = account_address(key)

    def next_nonce(self) -> int:
        """The first nonce that no mined transaction of the account has."""
        count = self._rpc.call("eth_getTransactionCount", hexed(self.account), "latest")
        # An endpoint behind others may have missed the block that we have seen.
        return max(quantity(count), self._least_nonce)

    def send(
        self, to: bytes, data: bytes, *, gas: int, value: int = 0, nonce: int | None = None
    ) -> SentTransaction:
        """Sign and broadcast. A transaction of ours with the same nonce is replaced.

        Raises LedgerUnavailableError, also for an account that cannot pay.
        """
        fees = self.fees()
        wanted = self.next_nonce() if nonce is None else nonce
        for _ in range(MAX_RETRIES):
            sent = self._sign(to, data, gas, value, wanted, fees)
            self._outbox(sent)
            try:
                self._rpc.call("eth_sendRawTransaction", hexed(sent.raw))
            except RpcRefusedError as error:
                text = str(error).lower()
                if "already known" in text or "known transaction" in text:
                    return sent
                if "underpriced" in text:
                    fees = fees.bumped()
                elif "nonce too low" in text and nonce is None:
                    self._least_nonce = wanted + 1
                    wanted = self.next_nonce()
                elif "insufficient funds" in text:
                    raise self._poor(error) from error
                else:
                    raise
            else:
                return sent
        raise LedgerUnavailableError(
            f"chain at {self._rpc.shown} keeps refusing the transactions of "
            f"{checksum(self.account)}: does another process send for this account?"
        )

    def mined(self, sent: SentTransaction) -> MinedTransaction | None:
        """What became of a transaction; None while it waits."""
        receipt = self._rpc.call("eth_getTransactionReceipt", hexed(sent.hash))
        if not isinstance(receipt, dict) or receipt.get("blockNumber") is None:
            return None
        self._least_nonce = max(self._least_nonce, sent.nonce + 1)
        return MinedTransaction(
            block=quantity(receipt["blockNumber"]),
            succeeded=quantity(receipt.get("status")) == 1,
            gas_used=quantity(receipt.get("gasUsed")),
            contract=octets(receipt.get("contractAddress") or ""),
        )

    def refusal(self, what: str, sent: SentTransaction, mined: MinedTransaction) -> Exception:
        """Why a mined transaction failed: run it again as a call at the end of its block."""
        call = {"from": hexed(self.account), "data": hexed(sent.data)}
        if sent.to:
            call["to"] = hexed(sent.to)
        name, shown = "", ""
        try:
            self._rpc.call("eth_call", call, hex(mined.block))
        except RpcRefusedError as error:
            name, shown = revert_reason(error.data)
            shown = shown or str(error)
        if not name:
            name = "OutOfGas" if mined.gas_used >= sent.gas else "Unknown"
        return TransactionRevertedError(name, f"{what} was refused: {shown or name}")

    def fees(self) -> Fees:
        """What to offer now: twice the base fee, so that six full blocks do not outbid us."""
        block = self._rpc.call("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - the API's shape
        base = block.get("baseFeePerGas") if isinstance(block, dict) else None
        if base is None:
            fees = Fees(quantity(self._rpc.call("eth_gasPrice")), None)
        else:
            tip = self._tip()
            fees = Fees(2 * quantity(base) + tip, tip)
        if fees.price > MAX_FEE:
            raise LedgerUnavailableError(
                f"chain at {self._rpc.shown} asks {fees.price} wei per gas, more than the "
                f"{MAX_FEE} that are ever paid: the endpoint is broken or lies"
            )
        return fees

    def _tip(self) -> int:
        try:
            return quantity(self._rpc.call("eth_maxPriorityFeePerGas"))
        except RpcRefusedError:
            return DEFAULT_TIP  # a younger method than the base fee itself

    def _sign(  # noqa: PLR0917 - the fields of a transaction
        self, to: bytes, data: bytes, gas: int, value: int, nonce: int, fees: Fees
    ) -> SentTransaction:
        fields: dict[str, Any] = {
            "chainId": self._chain_id,
            "nonce": nonce,
            "gas": gas,
            "value": value,
            "data": data,
            "to": checksum(to) if to else b"",
        }
        if fees.tip is None:
            fields["gasPrice"] = fees.price
        else:
            fields |= {"type": 2, "maxFeePerGas": fees.price, "maxPriorityFeePerGas": fees.tip}
        signed = Account.sign_transaction(fields, self._key)
        return SentTransaction(
            bytes(signed.hash), bytes(signed.raw_transaction), nonce, to, data, gas, fees
        )

    def _poor(self, error: RpcRefusedError) -> LedgerUnavailableError:
        return LedgerUnavailableError(
            f"account {checksum(self.account)} cannot pay for a transaction: send it ether from "
            f"the owner's account (a development chain: `swarmp2p ledger invite` does); {error}"
        )
