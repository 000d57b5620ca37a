"""Signs an account's transactions, hands them to the chain, reads what became of them. Blocking."""

from dataclasses import dataclass
from enum import Enum

from swarmp2p.errors import LedgerUnavailableError, TransactionRevertedError
from swarmp2p.ledger.accounts import checksum
from swarmp2p.ledger.rpc import RpcRefusedError, height, hexed, octets, quantity
from swarmp2p.ledger.signer import LocalSigner, Signer, UnsignedTransaction, transaction_hash
from swarmp2p.ledger.source import Source
from swarmp2p.ledger.views import revert_reason
from swarmp2p.seams import KeptTransaction

DEFAULT_TIP = 10**9  # wei per gas, where the endpoint suggests none
MAX_FEE = 5 * 10**11  # wei per gas; no chain of this kind asks so much, a lying endpoint may
MAX_RETRIES = 8  # fee bumps of one transaction


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei per gas. `tip` is None on chains without EIP-1559."""

    price: int
    tip: int | None

    def bumped(self) -> "Fees":
        """An eighth more: nodes refuse a replacement that offers less than a tenth more."""
        raised = None if self.tip is None else self.tip * 9 // 8 + 1
        return Fees(self.price * 9 // 8 + 1, raised)

    def at_least(self, other: "Fees") -> "Fees":
        """The higher of both, each part for itself; the kind is this one's."""
        tip = None if self.tip is None else max(self.tip, other.tip or 0)
        return Fees(max(self.price, other.price, tip or 0), tip)


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """What became of a transaction. `contract` is the address that a creation made."""

    block: int
    succeeded: bool
    gas_used: int
    contract: bytes


class Answer(Enum):
    """What a chain says of a transaction that it was handed."""

    TAKEN = "taken"
    UNDERPRICED = "underpriced"
    NONCE_USED = "nonce used"


# What geth, Besu, Nethermind, Erigon and anvil say, in lower case; the first that fits counts.
_ANSWERS = {
    "already known": Answer.TAKEN,
    "known transaction": Answer.TAKEN,
    "alreadyknown": Answer.TAKEN,
    "already imported": Answer.TAKEN,
    "underpriced": Answer.UNDERPRICED,
    "replacement fee too low": Answer.UNDERPRICED,
    "replacement gas price": Answer.UNDERPRICED,
    "replacementnotallowed": Answer.UNDERPRICED,
    "fee too low": Answer.UNDERPRICED,
    "less than block base fee": Answer.UNDERPRICED,
    "below current base fee": Answer.UNDERPRICED,
    "nonce too low": Answer.NONCE_USED,
    "nonce_too_low": Answer.NONCE_USED,
    "oldnonce": Answer.NONCE_USED,
}


class Sender:
    """Signs for one account, sends, and looks. It remembers nothing: see `outbox.Outbox`."""

    def __init__(self, rpc: Source, signer: bytes | Signer, chain_id: int) -> None:
        """`signer` signs, or is the key to sign with."""
        self._rpc = rpc
        self._signer = LocalSigner(signer) if isinstance(signer, bytes) else signer
        self.chain_id = chain_id
        self.account = self._signer.account

    def next_nonce(self) -> int:
        """The first nonce that no mined transaction of the account has."""
        return self.count("latest")

    def count(self, block: str) -> int:
        """How many transactions of the account were mined up to a block, by number or tag."""
        return height(self._rpc.call("eth_getTransactionCount", hexed(self.account), block))

    def send(
        self, to: bytes, data: bytes, *, gas: int, value: int = 0, nonce: int | None = None
    ) -> KeptTransaction:
        """Sign and broadcast one call, at a higher price where the first is too low.

        Raises LedgerUnavailableError, also for an account that cannot pay.
        """
        fees = self.fees()
        nonce = self.next_nonce() if nonce is None else nonce
        for _ in range(MAX_RETRIES):
            sent = self.sign(to, data, gas, nonce, fees, value)
            answer = self.broadcast(sent)
            if answer is Answer.TAKEN:
                return sent
            if answer is Answer.NONCE_USED:
                break
            fees = fees.bumped()
        raise self.keeps_refusing()

    def broadcast(self, sent: KeptTransaction) -> "Answer":
        """Hand a signed transaction to the chain: the same one any number of times.

        Raises LedgerUnavailableError: no answer (it may have arrived), or a refusal for good.
        """
        try:
            self._rpc.call("eth_sendRawTransaction", hexed(sent.raw))
        except RpcRefusedError as error:
            text = str(error).lower()
            for words, answer in _ANSWERS.items():
                if words in text:
                    return answer
            if "insufficient funds" in text:
                raise self._poor(error) from None
            raise
        return Answer.TAKEN

    def keeps_refusing(self) -> LedgerUnavailableError:
        """The error for a transaction that no price makes acceptable."""
        return LedgerUnavailableError(
            f"chain at {self._rpc.shown} keeps refusing the transactions of "
            f"{checksum(self.account)}: does another process send for this account?"
        )

    def mined(self, sent: KeptTransaction) -> MinedTransaction | None:
        """What became of a transaction; None while it waits."""
        receipt = self._rpc.call("eth_getTransactionReceipt", hexed(sent.hash))
        if not isinstance(receipt, dict) or receipt.get("blockNumber") is None:
            return None
        return MinedTransaction(
            block=height(receipt["blockNumber"]),
            succeeded=quantity(receipt.get("status")) == 1,
            gas_used=quantity(receipt.get("gasUsed")),
            contract=octets(receipt.get("contractAddress") or ""),
        )

    def refusal(self, what: str, sent: KeptTransaction, mined: MinedTransaction) -> Exception:
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

    def sign(  # noqa: PLR0917 - the fields of a transaction
        self, to: bytes, data: bytes, gas: int, nonce: int, fees: Fees, value: int = 0
    ) -> KeptTransaction:
        """Sign, and send nothing. Raises SignerError."""
        wanted = UnsignedTransaction(
            self.chain_id, nonce, to, data, gas, value, fees.price, fees.tip
        )
        raw = self._signer.sign(wanted)
        return KeptTransaction(
            chain_id=self.chain_id,
            account=self.account,
            nonce=nonce,
            hash=transaction_hash(raw),
            raw=raw,
            to=to,
            data=data,
            gas=gas,
            price=fees.price,
            tip=fees.tip,
        )

    def _poor(self, error: RpcRefusedError) -> LedgerUnavailableError:
        return LedgerUnavailableError(
            f"account {checksum(self.account)} cannot pay for a transaction: send it ether from "
            f"the owner's account (a development chain: `swarmp2p ledger invite` does); {error}"
        )
