"""An account's outbox: what was signed is written down first, sent again as it is, never forgotten.

One nonce belongs to one call for ever. All transactions signed under it carry that call, at rising
prices, and any of them may be the one that a block takes. Blocking; one caller at a time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from swarmp2p.errors import AccountInUseError, GuardConflictError, LedgerUnavailableError
from swarmp2p.ledger.accounts import checksum
from swarmp2p.ledger.rpc import RpcRefusedError
from swarmp2p.ledger.transactions import MAX_FEE, Answer, Fees, MinedTransaction, Sender
from swarmp2p.seams import KeptTransaction, Transactions

MAX_BUMPS = 8  # an eighth each, to two and a half times the first price; then only if prices rise
MAX_OPEN = 256  # nonces not final yet; a node sends a few transactions a round
KEPT_NONCES = 64  # settled ones that stay in the table, for whoever looks into an accident
_OPEN = {"unsent", "sent"}
_SELECTOR = 4  # bytes of call data that name the function


@dataclass(frozen=True, slots=True)
class Flight:
    """All transactions signed for one nonce, in the order of signing."""

    rows: tuple[KeptTransaction, ...]

    @property
    def nonce(self) -> int:
        """The nonce."""
        return self.rows[0].nonce

    @property
    def call(self) -> tuple[bytes, bytes]:
        """(to, data): the same in all rows."""
        return self.rows[0].to, self.rows[0].data

    @property
    def last(self) -> KeptTransaction:
        """The one with the highest price."""
        return self.rows[-1]

    @property
    def seen(self) -> bool:
        """Whether one of them was seen in a block."""
        return any(row.block for row in self.rows)


@dataclass(frozen=True, slots=True)
class Landed:
    """A flight that a block holds: which of its transactions, and what became of it."""

    flight: Flight
    row: KeptTransaction
    mined: MinedTransaction


@dataclass(frozen=True, slots=True)
class Standing:
    """What `reconcile` found.

    `waiting`: not in a block yet. `missing`: the nonce is used up in a final block, and none of
    ours is known to be the one.
    """

    waiting: tuple[Flight, ...]
    missing: tuple[Flight, ...]


class MemoryTransactions:
    """The Transactions seam without a disk: for accounts whose calls can all be made again."""

    def __init__(self) -> None:
        """Empty."""
        self._rows: list[KeptTransaction] = []

    def keep(self, row: KeptTransaction) -> None:
        """See Transactions.keep."""
        for kept in self.rows(row.chain_id, row.account):
            if kept.nonce == row.nonce and (kept.to, kept.data) != (row.to, row.data):
                raise GuardConflictError(
                    f"nonce {row.nonce} of account 0x{row.account.hex()} is signed for another"
                    " call already"
                )
            if kept.hash == row.hash:
                return
        self._rows.append(row)

    def mark(self, row: KeptTransaction, state: str, block: int = 0) -> None:
        """See Transactions.mark."""
        self._rows = [
            replace(kept, state=state, block=block) if kept.hash == row.hash else kept
            for kept in self._rows
        ]

    def rows(self, chain_id: int, account: bytes) -> list[KeptTransaction]:
        """See Transactions.rows."""
        own = [r for r in self._rows if (r.chain_id, r.account) == (chain_id, account)]
        return sorted(own, key=lambda row: row.nonce)

    def prune(self, chain_id: int, account: bytes, below: int) -> None:
        """See Transactions.prune."""
        settled = {"mined", "replaced"}
        self._rows = [
            row
            for row in self._rows
            if (row.chain_id, row.account) != (chain_id, account)
            or row.nonce >= below
            or row.state not in settled
        ]

    def release(self, chain_id: int, account: bytes) -> None:
        """See Transactions.release."""
        for row in self.rows(chain_id, account):
            if row.state == "foreign":
                self.mark(row, "replaced")


class Outbox:
    """What one account sends on one chain."""

    def __init__(self, sender: Sender, kept: Transactions) -> None:
        self.sender = sender
        self._kept = kept
        self._floor = 0  # the nonces that final blocks used, as found before the first call
        self._next: int | None = None  # the nonce after all that this process saw of the account

    # ---- what stands

    def reconcile(self, final: int) -> Standing:
        """Compare what was signed with the chain, and hand what waits to the chain again.

        `final` is the last final block. Nothing may be signed while a flight is `waiting` or
        `missing`. Raises AccountInUseError where a foreign transaction was found before, and
        LedgerUnavailableError.
        """
        rows = self._rows()
        self._refuse_foreign(rows)
        flights = [flight for flight in _flights(rows) if _is_open(flight)]
        self._kept.prune(*self._key(), max(0, self._top(rows) - KEPT_NONCES))
        if self._next is None:
            self._floor = self.sender.count(hex(final))
        if not flights:
            return Standing((), ())
        count, final_count = self.sender.next_nonce(), self.sender.count(hex(final))
        waiting, missing = [], []
        for flight in flights:
            if flight.nonce < final_count:
                if not self._close(flight, final):
                    missing.append(flight)
            elif flight.nonce >= count or not flight.seen:
                waiting.append(flight)
        for flight in waiting:
            # In order of nonces: what the chain's pools have lost holds up all that follows.
            self._broadcast(flight)
        return Standing(tuple(waiting), tuple(missing))

    def look(self, nonce: int) -> Landed | None:
        """Whether a block holds one of the transactions of a nonce."""
        flight = self._flight(nonce)
        for row in reversed(flight.rows):
            mined = self.sender.mined(row)
            if mined is not None:
                if row.state in _OPEN and row.block != mined.block:
                    self._kept.mark(row, "sent", mined.block)
                return Landed(flight, row, mined)
        return None

    def disown(self, flights: Iterable[Flight]) -> AccountInUseError:
        """Note that others used these nonces; the error to raise, now and at every later start."""
        flights = list(flights)
        for flight in flights:
            for row in flight.rows:
                self._kept.mark(row, "foreign")
        return self._in_use(flights[0].nonce)

    def standing_call(self, to: bytes, data: bytes) -> Landed | None:
        """The same call, if it succeeded in a block that is not final yet: no need to repeat it.

        A node asks again when no final view shows its post, and finality may lag by many blocks.
        An older call does not count where the same function was called otherwise since.
        """
        for flight in reversed([flight for flight in _flights(self._rows()) if _is_open(flight)]):
            if flight.call == (to, data):
                landed = self.look(flight.nonce)
                return landed if landed is not None and landed.mined.succeeded else None
            if flight.call[0] == to and flight.call[1][:_SELECTOR] == data[:_SELECTOR]:
                break
        return None

    def _close(self, flight: Flight, final: int) -> bool:
        """Settle a flight whose nonce a final block used; whether it was one of ours."""
        landed = self.look(flight.nonce)
        if landed is None:
            return False
        if landed.mined.block > final:
            return True  # the endpoint contradicts itself: nothing is settled, nobody accused
        for row in flight.rows:
            if row.hash == landed.row.hash:
                self._kept.mark(row, "mined", landed.mined.block)
            else:
                self._kept.mark(row, "replaced")
        return True

    # ---- sending

    def post(self, to: bytes, data: bytes, gas: int) -> Flight:
        """Sign a call under the next nonce, write it down, send it.

        Only after `reconcile` left nothing waiting. Raises AccountInUseError, SignerError,
        StateError, LedgerUnavailableError; the row stands even where the chain did not answer.
        """
        rows = self._rows()
        self._refuse_foreign(rows)
        if sum(_is_open(flight) for flight in _flights(rows)) >= MAX_OPEN:
            raise LedgerUnavailableError(
                f"{MAX_OPEN} transactions of {checksum(self.sender.account)} wait for finality: "
                "does the chain finalize blocks?"
            )
        # An endpoint may be some blocks behind; what is final was compared, or read, by number.
        count, top = max(self.sender.next_nonce(), self._floor), self._top(rows)
        if self._next is not None and count > max(self._next, top):
            raise self._in_use(max(self._next, top))
        self._refuse_younger_chain(rows, count)
        nonce = max(count, top)
        self._refuse_pooled(nonce)
        row = self.sender.sign(to, data, gas, nonce, self.sender.fees())
        self._kept.keep(row)
        self._next = nonce + 1
        self._broadcast(Flight((row,)))
        return self._flight(nonce)

    def raise_price(self, nonce: int) -> None:
        """Send a stuck call again, an eighth dearer; at the same price where the bounds are met."""
        flight = self._flight(nonce)
        self._broadcast(self._repriced(flight) or flight)

    def _broadcast(self, flight: Flight) -> None:
        """Send the last of a flight exactly as it was signed; dearer ones while it is too cheap."""
        while True:
            row = flight.last
            answer = self.sender.broadcast(row)
            if answer is Answer.TAKEN and row.state == "unsent":
                self._kept.mark(row, "sent")
            if answer is not Answer.UNDERPRICED:
                return
            dearer = self._repriced(flight)
            if dearer is None:
                raise self.sender.keeps_refusing()
            flight = dearer

    def _repriced(self, flight: Flight) -> Flight | None:
        """The flight with one more transaction, signed and written down; None at the bounds."""
        last, asked = flight.last, self.sender.fees()
        fees = Fees(last.price, last.tip).bumped().at_least(asked)
        blind = len(flight.rows) > MAX_BUMPS and fees.price > asked.price  # not what the chain asks
        if blind or fees.price > MAX_FEE:
            return None
        row = self.sender.sign(*flight.call, last.gas, flight.nonce, fees)
        self._kept.keep(row)
        return Flight((*flight.rows, row))

    # ---- others

    def _refuse_foreign(self, rows: list[KeptTransaction]) -> None:
        foreign = next((row for row in rows if row.state == "foreign"), None)
        if foreign is not None:
            raise self._in_use(foreign.nonce)

    def _refuse_younger_chain(self, rows: list[KeptTransaction], count: int) -> None:
        """Nonces that a final block used are used for good: a chain that offers them is not it.

        A call signed above the gap would wait for ever.
        """
        final = max((row.nonce + 1 for row in rows if row.state == "mined"), default=0)
        if count < final:
            raise LedgerUnavailableError(
                f"the chain counts {count} transactions of {checksum(self.sender.account)}, and"
                f" {final} of them were in final blocks before: the endpoint is behind, or it is a"
                " development chain that was started anew, for which a site needs a new state"
                " directory"
            )

    def _refuse_pooled(self, nonce: int) -> None:
        """Transactions that we did not sign wait in the chain's pool: do not compete with them."""
        try:
            pooled = self.sender.count("pending")
        except RpcRefusedError:
            return  # not every client counts its pool
        if pooled > nonce:
            raise LedgerUnavailableError(
                f"{pooled - nonce} transactions of account {checksum(self.sender.account)} that "
                "this node did not sign wait for a block: until they are mined nothing is sent; "
                "does another process send for this account?"
            )

    def _in_use(self, nonce: int) -> AccountInUseError:
        return AccountInUseError(
            f"nonce {nonce} of account {checksum(self.sender.account)} was used by a transaction "
            "that this node did not sign: another process sends for this account (a second node, "
            "a restored copy, a wallet). Nothing more is signed. Stop the other one; then, if this "
            "node alone is to go on, `swarmp2p ledger release`"
        )

    # ---- rows

    def _key(self) -> tuple[int, bytes]:
        return self.sender.chain_id, self.sender.account

    def _rows(self) -> list[KeptTransaction]:
        return self._kept.rows(*self._key())

    def _top(self, rows: list[KeptTransaction]) -> int:
        return rows[-1].nonce + 1 if rows else 0

    def _flight(self, nonce: int) -> Flight:
        return Flight(tuple(row for row in self._rows() if row.nonce == nonce))


def _flights(rows: list[KeptTransaction]) -> list[Flight]:
    groups = groupby(rows, key=lambda row: row.nonce)
    return [Flight(tuple(group)) for _nonce, group in groups]


def _is_open(flight: Flight) -> bool:
    return any(row.state in _OPEN for row in flight.rows)
