"""A process that sends one call through a durable outbox, to be killed while it does.

Arguments: state directory, URL, run contract, number of the party, seconds to a higher price.
"""

import sys
from pathlib import Path

import trio
from ledger_site import GENESIS, MANIFEST, party

from swarmp2p.ledger.ethereum import open_ledger
from swarmp2p.store.state import open_store


class PatientClock:
    """Time stands still; waiting yields to the transport, which is what takes time here."""

    def now(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 0.0

    async def sleep(self, _seconds: float) -> None:
        await trio.lowlevel.checkpoint()


async def main(state: Path, url: str, run: bytes, who: int, bump_after: float) -> None:
    async with open_ledger(
        url,
        run,
        party(who).account_key,
        manifest_hash=MANIFEST,
        clock=PatientClock(),
        bump_after=bump_after,
        locks=state / "locks",
    ) as ledger:
        with open_store(state, bytes(32)) as store:
            await ledger.recover(store.transactions())
            await ledger.genesis(GENESIS)


if __name__ == "__main__":
    folder, endpoint, contract, number, seconds = sys.argv[1:]
    trio.run(main, Path(folder), endpoint, bytes.fromhex(contract), int(number), float(seconds))
