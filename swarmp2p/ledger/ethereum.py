"""The Ledger seam on a real chain. Blocking reads and sends run in threads of their own.

No transaction waits for finality: the node reads final views and sees its effect there.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio

from swarmp2p.errors import (
    LedgerUnavailableError,
    LocalProtocolError,
    TransactionRevertedError,
)
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.account_lock import account_lock
from swarmp2p.ledger.cursor import FinalCursor
from swarmp2p.ledger.endpoint import EndpointHealth
from swarmp2p.ledger.endpoints import Endpoints
from swarmp2p.ledger.finality import Finality
from swarmp2p.ledger.interface import (
    Attestation,
    Block,
    ChainView,
    Commit,
    Phase,
    RoundView,
    RunTerms,
)
from swarmp2p.ledger.outbox import Flight, Landed, MemoryTransactions, Outbox
from swarmp2p.ledger.signer import Signer
from swarmp2p.ledger.source import Source
from swarmp2p.ledger.transactions import Sender
from swarmp2p.ledger.verify import check_run
from swarmp2p.ledger.views import RunReader, live_enrolment, read_balance
from swarmp2p.seams import Clock, Transactions

T = TypeVar("T")

# Gas limits, several times what the calls were measured to take: what is not used is not paid.
GAS = {"nextAttempt": 6_000_000, "setAddresses": 1_500_000}
GAS_OTHERWISE = 1_500_000
CALLS_IN_A_READ = 6  # a view: head, two blocks, snapshot, members; and one to spare
READ_THREADS = 4
FOREIGN_LOOKS = 5  # before a nonce counts as used by others
FOREIGN_PAUSE = 3.0  # seconds between two: a block's time, for an endpoint that lags behind


class EthereumLedger:
    """One node's view of, and pen on, a run. Made by `open_ledger`."""

    def __init__(
        self,
        rpc: Endpoints,
        reader: RunReader,
        sender: Sender | None,
        index: int | None,
        *,
        limiter: trio.CapacityLimiter,
        clock: Clock,
        mine_timeout: float,
        bump_after: float,
        poll: float,
        last_final: Block | None,
    ) -> None:
        self._rpc = rpc
        self._reader = reader
        self._index = index
        self._clock = clock
        self._mine_timeout = mine_timeout
        self._poll = poll
        self._bump_after = bump_after
        self._sending = trio.Lock()
        self._outbox = Outbox(sender, MemoryTransactions()) if sender else None
        self._read_limiter = limiter
        self._send_limiter = trio.CapacityLimiter(1)
        self._cursor = FinalCursor(reader, rpc.shown)
        if last_final is not None:
            self._cursor.remember(last_final)
        self._view: ChainView | None = None

    # ---- reading

    @property
    def bad_proofs(self) -> frozenset[int]:
        """Enrolment indices whose proof does not verify; they show as revoked in every view."""
        return self._reader.bad_proofs

    async def terms(self) -> RunTerms:
        """The run's fixed terms."""
        return self._reader.terms

    async def head(self) -> int:
        """Number of the newest block."""
        return await self._read(self._reader.head)

    async def final_view(self) -> ChainView:
        """The state at the last final block.

        Raises DeepReorganisationError when a block that was final before is gone.
        """
        return await self._read(self._final_view)

    async def round_view(self, number: int) -> RoundView:
        """A round as of the last final block."""
        return await self._read(lambda: self._reader.round_view(number, self._cursor.read().number))

    def endpoints(self) -> tuple[EndpointHealth, ...]:
        """How each endpoint does, in the order of the URLs: for status and metrics."""
        return self._rpc.health()

    async def balance(self) -> int:
        """Wei in this node's account."""
        account = self._writer().sender.account
        return await self._read(lambda: read_balance(self._rpc, account))

    def remember_final(self, block: Block) -> None:
        """`block` was taken as final by an earlier process; if it is gone, reading halts."""
        self._cursor.remember(block)

    def _final_view(self) -> ChainView:
        block = self._cursor.read()
        view = self._view
        if view is None or view.block != block:
            view = self._view = self._reader.chain_view(block)
        return view

    async def _read(self, function: Callable[[], T]) -> T:
        return await _in_thread(function, self._read_limiter, self._rpc)

    # ---- sending

    async def genesis(self, root: bytes) -> None:
        """Post the root of the initial model."""
        await self._transact(
            "genesis", (root,), lambda block: self._reader.run_state(block)["genesisRoot"] == root
        )

    async def join(self) -> None:
        """Ask to be waited for again."""
        await self._transact("join", ())

    async def commit(
        self, number: int, attempt: int, commitment: bytes, weight: int, base: bytes
    ) -> None:
        """Commit to an update."""

        def stands(block: int) -> bool:
            view = self._reader.round_view(number, block)
            return view.commits.get(self._own()) == Commit(commitment, weight) and view.base == base

        await self._transact("commit", (number, attempt, commitment, weight, base), stands)

    async def have(self, number: int, attempt: int, bitmap: int) -> None:
        """Say which updates of the roster are held. To have attested says more, and counts."""

        def stands(block: int) -> bool:
            view = self._reader.round_view(number, block)
            if view.phase is Phase.SEALED:
                return True
            held = sum(1 << place for place in view.roster if bitmap >> place & 1)
            return view.attempt == attempt and (
                self._own() in view.attests or view.haves.get(self._own()) == held
            )

        await self._transact("have", (number, attempt, bitmap), stands)

    async def attest(self, number: int, attempt: int, root: bytes, aux: bytes) -> None:
        """Say: all are held, and this is the merged root."""

        def stands(block: int) -> bool:
            view = self._reader.round_view(number, block)
            own = view.attests.get(self._own())
            return view.phase is Phase.SEALED or (
                view.attempt == attempt and own == Attestation(root, aux)
            )

        await self._transact("attest", (number, attempt, root, aux), stands)

    async def next_attempt(self, number: int, attempt: int) -> None:
        """Open the next attempt after the last post."""

        def stands(block: int) -> bool:
            view = self._reader.round_view(number, block)
            return view.phase in {Phase.SEALED, Phase.VOID} or view.attempt > attempt

        await self._transact("nextAttempt", (number, attempt), stands)

    async def object(self, number: int, attempt: int) -> None:
        """Object to attempt 0 of an optimistic round."""

        def stands(block: int) -> bool:
            view = self._reader.round_view(number, block)
            return self._own() in view.objected or view.attempt > attempt or view.ended_block > 0

        await self._transact("object", (number, attempt), stands)

    async def vote_fault(self, index: int, kind: int, number: int, evidence: bytes) -> None:
        """Vote that a member broke the protocol in round `number`."""
        await self._transact("voteFault", (index, kind, number, evidence))

    async def vote_stop(self) -> None:
        """Vote to stop the run."""
        await self._transact(
            "voteStop", (), lambda block: bool(self._reader.run_state(block)["finished"])
        )

    async def set_addresses(self, addresses: tuple[str, ...]) -> None:
        """Change the addresses in this account's enrolment."""
        await self._transact(
            "setAddresses", (",".join(addresses),), contract=self._reader.terms.registry
        )

    def _writer(self) -> Outbox:
        if self._outbox is None:
            raise LocalProtocolError("this ledger was opened without an account: it only reads")
        return self._outbox

    def _own(self) -> int:
        return -1 if self._index is None else self._index

    async def _transact(
        self,
        function: str,
        arguments: tuple[Any, ...],
        stands: Callable[[int], bool] = lambda _block: False,
        *,
        contract: bytes | None = None,
    ) -> None:
        """Send and wait until mined. `stands(block)`: a refused call's effect is there already.

        Raises TransactionRevertedError, AccountInUseError and LedgerUnavailableError.
        """
        outbox = self._writer()
        name = "SwarmRun" if contract is None else "SwarmRegistry"
        data = contract_abi(name).call_data(function, *arguments)
        to = contract or self._reader.terms.contract
        gas = GAS.get(function, GAS_OTHERWISE)
        async with self._sending:
            landed = await self._settle_earlier(outbox)
            if await self._read(lambda: outbox.standing_call(to, data)) is not None:
                return
            if landed is None or landed.flight.call != (to, data):
                self._rpc.refuse_while_disagreeing()  # LEDGER-034
                flight = await self._send(lambda: outbox.post(to, data, gas))
                landed = await self._settle(outbox, flight, function)
        row, mined = landed.row, landed.mined
        if not mined.succeeded and not await self._read(lambda: _true(stands, mined.block)):
            raise await self._read(lambda: outbox.sender.refusal(function, row, mined))

    async def recover(self, kept: Transactions) -> None:
        """Take up the outbox that an earlier process left, before anything is signed.

        What it signed and no block holds is sent again, unchanged. Raises AccountInUseError where
        others sent for this account, LedgerUnavailableError.
        """
        sender = self._writer().sender
        async with self._sending:
            self._outbox = Outbox(sender, kept)
            await self._reconcile(self._outbox)

    async def _settle_earlier(self, outbox: Outbox) -> Landed | None:
        """Wait for all that was signed before; the last that had to be waited for, if any."""
        landed = None
        for flight in await self._reconcile(outbox):
            landed = await self._settle(outbox, flight, "an earlier call")
        return landed

    async def _reconcile(self, outbox: Outbox) -> tuple[Flight, ...]:
        """What waits for a block. Raises AccountInUseError for a nonce that others used."""
        missing: tuple[Flight, ...] = ()
        for look in range(FOREIGN_LOOKS):
            if look:  # some clients index receipts late, some endpoints are several nodes
                await self._clock.sleep(FOREIGN_PAUSE)
            final = await self._read(self._cursor.read)
            standing = await self._send(partial(outbox.reconcile, final.number))
            missing = standing.missing
            if not missing:
                return standing.waiting
        raise await self._send(lambda: outbox.disown(missing))

    async def _settle(self, outbox: Outbox, flight: Flight, what: str) -> Landed:
        """Wait for a block with one of a flight's transactions; offer more while it is stuck.

        Raises LedgerUnavailableError when there is none in time; the call stays in the outbox.
        """
        began = self._clock.now()
        dearer_at = began + self._bump_after
        while True:
            landed = await self._read(lambda: outbox.look(flight.nonce))
            if landed is not None:
                return landed
            now = self._clock.now()
            if now >= began + self._mine_timeout:
                raise LedgerUnavailableError(
                    f"{what} was not mined within {self._mine_timeout:g} s (nonce {flight.nonce}, "
                    f"transaction 0x{flight.last.hash.hex()}): does the chain at "
                    f"{self._rpc.shown} make blocks?"
                )
            if now >= dearer_at:
                dearer_at = now + self._bump_after
                self._rpc.refuse_while_disagreeing()  # LEDGER-034
                await self._send(lambda: outbox.raise_price(flight.nonce))
            await self._clock.sleep(self._poll)

    async def _send(self, function: Callable[[], T]) -> T:
        """Run what signs or sends. Not abandoned when we are cancelled: its own timeouts end it."""
        return await trio.to_thread.run_sync(function, limiter=self._send_limiter)


def _true(stands: Callable[[int], bool], block: int) -> bool:
    try:
        return stands(block)
    except TransactionRevertedError:
        return False  # the round is not open yet


@asynccontextmanager
async def open_ledger(
    url: str | Sequence[str],
    run_contract: bytes,
    account: bytes | Signer | None,
    *,
    manifest_hash: bytes,
    clock: Clock,
    chain_id: int | None = None,
    peer: bytes | None = None,
    finality: Finality = Finality.DEPTH,
    last_final: Block | None = None,
    locks: Path | None = None,
    call_timeout: float = 10.0,
    mine_timeout: float = 120.0,
    bump_after: float = 30.0,
    poll: float = 0.1,
    retry_pause: Callable[[float], None] = time.sleep,
) -> AsyncIterator[EthereumLedger]:
    """Connect and check chain id, contract code, manifest and enrolment.

    Several URLs are asked side by side and compared. `account` signs, or is the key to sign with;
    None opens for reading only. `peer` is the public key that the account must have enrolled,
    `finality` the run's. `last_final` is a block taken as final before (after a restart); `recover`
    takes up the outbox of an earlier process. `locks` is a directory in which one process at a time
    may send for the account.

    In seconds: `call_timeout` bounds a call, `mine_timeout` the wait for a block with a transaction
    of ours, which is offered an eighth more every `bump_after`; `poll` is the pause between looks.
    `retry_pause` waits, in a thread, before a read is asked again.

    Raises ConfigError (URL, manifest), LedgerUnavailableError (no answer; another chain or
    contract), NotEnrolledError, AccountInUseError.
    """
    urls = [url] if isinstance(url, str) else list(url)
    rpc = Endpoints(urls, timeout=call_timeout, chain_id=chain_id, pause=retry_pause)
    limiter = trio.CapacityLimiter(READ_THREADS)
    with ExitStack() as stack:
        stack.callback(rpc.close)
        reader = await _in_thread(lambda: RunReader(rpc, run_contract, finality), limiter, rpc)
        check_run(reader.terms, rpc.shown, chain_id, manifest_hash)
        sender: Sender | None = None
        index: int | None = None
        if account is not None:
            sender = Sender(rpc, account, reader.terms.chain_id)
            roll = await _in_thread(lambda: reader.registry().roll(reader.head()), limiter, rpc)
            index = live_enrolment(roll, sender.account, peer).index
            if locks is not None:
                genesis = (await _in_thread(lambda: reader.block(0), limiter, rpc)).hash
                chain = reader.terms.chain_id
                stack.enter_context(account_lock(locks, chain, genesis, sender.account))
        yield EthereumLedger(
            rpc,
            reader,
            sender,
            index,
            limiter=limiter,
            clock=clock,
            mine_timeout=mine_timeout,
            bump_after=bump_after,
            poll=poll,
            last_final=last_final,
        )


async def _in_thread(function: Callable[[], T], limiter: trio.CapacityLimiter, rpc: Source) -> T:
    """Run a blocking read in a thread; give up on the thread when it hangs."""
    with trio.move_on_after(CALLS_IN_A_READ * rpc.timeout):
        return await trio.to_thread.run_sync(
            function,
            abandon_on_cancel=True,  # type: ignore[call-arg]  # libp2p brings stubs of an older trio
            limiter=limiter,
        )
    raise LedgerUnavailableError(f"chain at {rpc.shown} does not answer in time")
