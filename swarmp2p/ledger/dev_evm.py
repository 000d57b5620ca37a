"""The blocks of the embedded chain: py-evm, a pool of transactions, and what can be asked of them.

No network, no threads, no timer: `devchain.py` owns those and holds one lock around every call.
Everything lives in memory; a keeper is told of it, and `replay` and `restore` bring it back.
"""

import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from eth._utils.address import generate_contract_address
from eth.abc import BlockHeaderAPI, SignedTransactionAPI, VirtualMachineAPI
from eth.chains.base import MiningChain
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.db import get_db_backend
from eth.exceptions import Revert, VMError
from eth.vm.forks.prague import PragueVM
from eth.vm.message import Message
from eth_typing import Address, BlockNumber
from eth_utils.exceptions import ValidationError

from swarmp2p.ledger.dev_values import (
    CallResult,
    Keeper,
    Mined,
    MinedBlock,
    Pooled,
    TransactionRefusedError,
    UnknownBlockError,
    intrinsic_gas,
)

# py-evm raises the limit for calls nested 1,024 deep. Ours nest twice, and with a high limit deeply
# nested JSON overflows the C stack instead of raising RecursionError.
sys.setrecursionlimit(1_000)

BLOCK_GAS_LIMIT = 60_000_000  # a whole round of 64 peers in one block
CALL_GAS = 50_000_000  # for eth_call; bounds the seconds one call can take
PRIORITY_FEE = 10**9  # wei; suggested to senders, so that fees matter as on a real chain
MAX_POOL = 4_096  # transactions waiting; 64 peers send a few each
MAX_NONCE_GAP = 64  # a sender's queue
CALL_CACHE = 1_024  # answers of eth_call kept; a block is asked a handful of questions
WARM_STATES = 4  # blocks whose state stays open between calls


def _chain_class(chain_id: int) -> type[MiningChain]:
    class EmbeddedMiningChain(MiningChain):
        """Blocks without proof of work; the gas limit never moves."""

        def create_header_from_parent(
            self, parent_header: BlockHeaderAPI, **header_params: Any
        ) -> BlockHeaderAPI:
            header_params["gas_limit"] = parent_header.gas_limit
            return super().create_header_from_parent(parent_header, **header_params)

    rules: tuple[tuple[BlockNumber, type[VirtualMachineAPI]], ...] = ((BlockNumber(0), PragueVM),)
    EmbeddedMiningChain.chain_id = chain_id
    EmbeddedMiningChain.vm_configuration = rules
    return EmbeddedMiningChain


class EmbeddedChain:
    """A chain of one miner. `balances` maps 20-byte accounts to wei at genesis. Not thread-safe.

    `genesis_time` is block 0's, in seconds since 1970. Set `keeper` once the past is replayed.
    """

    def __init__(
        self,
        *,
        chain_id: int,
        balances: Mapping[Address, int],
        genesis_time: int,
    ) -> None:
        self.chain_id = chain_id
        self.keeper: Keeper | None = None
        self._broken: Exception | None = None
        # Post-merge headers: neither difficulty nor nonce mean anything.
        genesis: dict[str, Any] = {
            "coinbase": bytes(20),
            "difficulty": 0,
            "extra_data": b"",
            "gas_limit": BLOCK_GAS_LIMIT,
            "mix_hash": bytes(32),
            "nonce": bytes(8),
            "timestamp": genesis_time,
        }
        state: dict[Address, Any] = {
            account: {"balance": wei, "nonce": 0, "code": b"", "storage": {}}
            for account, wei in balances.items()
        }
        chain = _chain_class(chain_id).from_genesis(get_db_backend(), genesis, state)
        self._chain = cast("MiningChain", chain)
        self._pool: dict[Address, dict[int, Pooled]] = {}
        self._pending: dict[bytes, Pooled] = {}
        self._mined: dict[bytes, Mined] = {}
        self._blocks: list[MinedBlock] = []
        self._by_hash: dict[bytes, int] = {}
        self._states: OrderedDict[bytes, VirtualMachineAPI] = OrderedDict()
        self._calls: OrderedDict[tuple[object, ...], CallResult] = OrderedDict()
        self._keep(self._chain.get_canonical_head(), [])

    @property
    def head(self) -> int:
        """Number of the newest block."""
        return len(self._blocks) - 1

    def block(self, number: int) -> MinedBlock:
        """A block by number. Raises UnknownBlockError."""
        if not 0 <= number <= self.head:
            raise UnknownBlockError
        return self._blocks[number]

    def number_of(self, block_hash: bytes) -> int:
        """The number of the block with this hash. Raises UnknownBlockError."""
        try:
            return self._by_hash[block_hash]
        except KeyError:
            raise UnknownBlockError from None

    def mined(self, transaction_hash: bytes) -> Mined | None:
        """A transaction that is in a block."""
        return self._mined.get(transaction_hash)

    def pending(self, transaction_hash: bytes) -> Pooled | None:
        """A transaction that waits for a block."""
        return self._pending.get(transaction_hash)

    # ---- blocks

    def mine(self) -> int:
        """Put every transaction that can run into a block; returns the block's number.

        Raises what the keeper raises, and again at each further call.
        """
        self._refuse_if_broken()
        taken = self._apply(self._runnable())
        header = self._chain.mine_block(blob_gas_used=0).header
        raws = [mined.transaction.encode() for mined in taken]
        if self.keeper is not None:
            try:
                self.keeper.append_block(header.timestamp, header.hash, raws)
            except Exception as error:
                self._broken = error
                raise
        self._keep(header, taken)
        return self.head

    def _refuse_if_broken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def replay(self, time: int, transactions: Sequence[bytes]) -> bytes:
        """Mine the block that was once mined at `time` with these transactions; returns its hash.

        Raises TransactionRefusedError where one of them is none or cannot run.
        """
        self._chain.set_header_timestamp(time)
        candidates = [self._decode(raw) for raw in transactions]
        for pooled in candidates:
            waiting = self._pool.get(pooled.sender, {}).pop(pooled.transaction.nonce, None)
            if waiting is not None:
                del self._pending[waiting.transaction.hash]
        taken = self._apply(candidates)
        if len(taken) != len(transactions):
            raise TransactionRefusedError("a transaction of the block cannot run")
        header = self._chain.mine_block(blob_gas_used=0).header
        self._keep(header, taken)
        return bytes(header.hash)

    def _apply(self, candidates: Iterable[Pooled]) -> list[Mined]:
        """Run transactions into the block that is being made; those that cannot run are left."""
        taken: list[Mined] = []
        cumulative = first_log = 0
        for pooled in candidates:
            try:
                block, receipt, computation = self._chain.apply_transaction(pooled.transaction)
            except (ValidationError, VMError, RecursionError):
                # The balance or the base fee changed since it was pooled; or calls nest too deep.
                continue
            transaction = pooled.transaction
            mined = Mined(
                transaction=transaction,
                sender=pooled.sender,
                block_number=self.head + 1,
                index=len(taken),
                first_log=first_log,
                succeeded=not computation.is_error,
                gas_used=receipt.gas_used - cumulative,
                cumulative_gas=receipt.gas_used,
                gas_price=computation.transaction_context.gas_price,
                contract=(
                    generate_contract_address(pooled.sender, transaction.nonce)
                    if transaction.to == CREATE_CONTRACT_ADDRESS
                    else None
                ),
                logs=tuple((log.address, tuple(log.topics), log.data) for log in receipt.logs),
            )
            cumulative = receipt.gas_used
            first_log += len(receipt.logs)
            taken.append(mined)
            if block.header.gas_limit - cumulative < 21_000:
                break
        return taken

    def _runnable(self) -> Iterator[Pooled]:
        """The pool in order of senders' arrival, each sender's by nonce without a gap."""
        for sender in tuple(self._pool):
            queue = self._pool[sender]
            nonce = self.nonce(sender)
            for stale in [n for n in queue if n < nonce]:
                self._pending.pop(queue.pop(stale).transaction.hash, None)
            while (pooled := queue.get(nonce)) is not None:
                room = BLOCK_GAS_LIMIT - self._chain.header.gas_used
                if pooled.transaction.gas > room:
                    break  # waits for the next block
                del queue[nonce]
                self._pending.pop(pooled.transaction.hash, None)
                yield pooled
                nonce += 1
            if not queue:
                del self._pool[sender]

    def _keep(self, header: BlockHeaderAPI, taken: list[Mined]) -> None:
        hashes = [bytes(mined.transaction.hash) for mined in taken]
        self._mined.update(zip(hashes, taken, strict=True))
        self._blocks.append(MinedBlock(header, header.hash, tuple(hashes)))
        self._by_hash[header.hash] = len(self._blocks) - 1

    # ---- the pool

    def send(self, raw: bytes) -> bytes:
        """Take a signed transaction into the pool; returns its hash.

        Raises TransactionRefusedError, and what the keeper raises.
        """
        self._refuse_if_broken()
        pooled = self._decode(raw)
        transaction, sender = pooled.transaction, pooled.sender
        self._check(transaction, sender)
        older = self._pool.get(sender, {}).get(transaction.nonce)
        least = older.transaction.max_fee_per_gas * 11 if older is not None else 0
        if transaction.max_fee_per_gas * 10 < least:
            raise TransactionRefusedError("replacement transaction underpriced")
        if self.keeper is not None:
            self.keeper.append_sent(raw)
        return self._pool_in(pooled)

    def restore(self, raw: bytes) -> bytes:
        """Take back what the pool once took. Raises TransactionRefusedError for garbage only."""
        return self._pool_in(self._decode(raw))

    def _pool_in(self, pooled: Pooled) -> bytes:
        transaction = pooled.transaction
        queue = self._pool.setdefault(pooled.sender, {})
        older = queue.get(transaction.nonce)
        if older is not None:
            del self._pending[older.transaction.hash]
        queue[transaction.nonce] = pooled
        self._pending[transaction.hash] = pooled
        return bytes(transaction.hash)

    def _decode(self, raw: bytes) -> Pooled:
        try:
            decoder = self._chain.get_vm().get_transaction_builder()
            transaction = decoder.decode(raw)
            transaction.validate()
            return Pooled(transaction, transaction.sender)
        except Exception as error:  # py-evm's decoders raise what they like on garbage
            raise TransactionRefusedError(f"cannot decode the transaction: {error}") from error

    def _check(self, transaction: SignedTransactionAPI, sender: Address) -> None:
        if transaction.chain_id != self.chain_id:
            raise TransactionRefusedError(
                f"invalid chain id for signer: have {transaction.chain_id} want {self.chain_id}"
            )
        if transaction.hash in self._pending or transaction.hash in self._mined:
            raise TransactionRefusedError("already known")
        nonce = self.nonce(sender)
        if transaction.nonce < nonce:
            raise TransactionRefusedError(
                f"nonce too low: next nonce {nonce}, tx nonce {transaction.nonce}"
            )
        if transaction.nonce > nonce + MAX_NONCE_GAP or len(self._pending) >= MAX_POOL:
            raise TransactionRefusedError("txpool is full")
        if transaction.gas > BLOCK_GAS_LIMIT:
            raise TransactionRefusedError("exceeds block gas limit")
        if transaction.gas < intrinsic_gas(transaction.to, transaction.data):
            raise TransactionRefusedError("intrinsic gas too low")
        cost = transaction.gas * transaction.max_fee_per_gas + transaction.value
        balance = self.balance(sender, self.head)
        if balance < cost:
            raise TransactionRefusedError(
                "insufficient funds for gas * price + value: "
                f"address 0x{sender.hex()} have {balance} want {cost}"
            )

    # ---- state

    def nonce(self, account: Address, number: int | None = None, *, pooled: bool = False) -> int:
        """Transactions sent by an account, optionally counting those in the pool."""
        header = self._chain.header if number is None else self.block(number).header
        nonce = int(self._chain.get_vm(header).state.get_nonce(account))
        queue = self._pool.get(account, {}) if pooled else {}
        while nonce in queue:
            nonce += 1
        return nonce

    def balance(self, account: Address, number: int) -> int:
        """Wei of an account at a block."""
        return int(self._vm(self.block(number).header).state.get_balance(account))

    def code(self, account: Address, number: int) -> bytes:
        """Code of an account at a block."""
        return bytes(self._vm(self.block(number).header).state.get_code(account))

    def storage(self, account: Address, slot: int, number: int) -> int:
        """A storage word at a block."""
        return int(self._vm(self.block(number).header).state.get_storage(account, slot))

    def base_fee(self, number: int) -> int:
        """Wei per gas at a block."""
        return int(self.block(number).header.base_fee_per_gas or 0)

    def call(
        self, sender: Address, to: Address | None, data: bytes, value: int, number: int | None
    ) -> CallResult:
        """Run a message without keeping its effects, after block `number` (None: in the next one).

        Several nodes ask the same thing at the same block, so answers are kept.
        """
        if number is None:
            return self._run(self._chain.get_vm(), sender, to, data, value)
        block = self.block(number)
        key = (block.hash, sender, to, data, value)
        result = self._calls.get(key)
        if result is None:
            result = self._run(self._vm(block.header), sender, to, data, value)
            self._calls[key] = result
            if len(self._calls) > CALL_CACHE:
                self._calls.popitem(last=False)
        else:
            self._calls.move_to_end(key)
        return result

    def _vm(self, header: BlockHeaderAPI) -> VirtualMachineAPI:
        """A machine at a block, kept open: its caches make the second question cheap."""
        vm = self._states.get(header.hash)
        if vm is None:
            vm = self._states[header.hash] = self._chain.get_vm(header)
            if len(self._states) > WARM_STATES:
                self._states.popitem(last=False)
        return vm

    def _run(
        self, vm: VirtualMachineAPI, sender: Address, to: Address | None, data: bytes, value: int
    ) -> CallResult:
        state = vm.state
        context = state.get_transaction_context_class()(gas_price=0, origin=sender)
        snapshot = state.snapshot()
        try:
            if to is None:
                message = Message(
                    gas=CALL_GAS,
                    to=CREATE_CONTRACT_ADDRESS,
                    sender=sender,
                    value=value,
                    data=b"",
                    code=data,
                    create_address=generate_contract_address(sender, state.get_nonce(sender)),
                )
                done = state.computation_class.apply_create_message(state, message, context)
            else:
                message = Message(
                    gas=CALL_GAS,
                    to=to,
                    sender=sender,
                    value=value,
                    data=data,
                    code=state.get_code(to),
                )
                done = state.computation_class.apply_message(state, message, context)
        except VMError as error:  # the sender cannot pay `value`
            return CallResult(b"", 0, b"", str(error))
        finally:
            state.revert(snapshot)
        used = int(done.get_gas_used())
        if not done.is_error:
            return CallResult(bytes(done.output), used, None, "")
        if isinstance(done.error, Revert):
            return CallResult(b"", used, bytes(done.output), "execution reverted")
        return CallResult(b"", used, b"", str(done.error) or type(done.error).__name__)
