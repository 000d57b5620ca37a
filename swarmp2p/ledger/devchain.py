"""The embedded chain: blocks on a timer behind a JSON-RPC endpoint that several processes share.

For development, tests and the demo: one miner, loopback only, kept in a journal if wanted. In a
process it is a context manager; on its own it is `python -m swarmp2p.ledger.devchain`, which runs
anvil in its place where that is found and wanted.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from eth_typing import Address

from swarmp2p.errors import ConfigError, LedgerUnavailableError, SwarmError
from swarmp2p.ledger.accounts import account_address, new_account, read_key_file, write_key_file
from swarmp2p.ledger.anvil import AUTO, NEVER, AnvilChain, find_anvil
from swarmp2p.ledger.dev_journal import Journal, JournalBlock, Origin
from swarmp2p.ledger.dev_server import listen

if TYPE_CHECKING:
    from swarmp2p.ledger.dev_evm import EmbeddedChain

CHAIN_ID = 20256
OWNER_BALANCE = 10**24  # wei: a million ether, more than any run can spend
MIN_INTERVAL = 0.01  # seconds; an empty block takes about 2 ms
JOURNAL = "chain.journal"  # in the chain's folder
MARK = "made-by"
_ANVIL, _OURS = "anvil", "swarmp2p"


def check_interval(interval: float) -> float:
    """Seconds between blocks, if a chain can keep them. Raises ConfigError."""
    if interval != 0 and not MIN_INTERVAL <= interval <= 3600:
        raise ConfigError(
            f"a block every {interval} s is not possible: give {MIN_INTERVAL} to 3600 seconds, "
            "or 0 to mine on request only"
        )
    return interval


class DevChain:
    """A chain and its endpoint. Enter it, or call `start` and `stop`.

    `balances` maps 20-byte accounts to wei at genesis. A block is mined every `interval` seconds,
    empty ones too; with interval 0 only `mine()` and the RPC method `evm_mine` make blocks. With
    `journal`, a file, the chain goes on where it ended, with the same block hashes.

    Raises ConfigError for settings that are not allowed, ListenError when the port is taken,
    StateError for a journal that is damaged or in use.
    """

    def __init__(
        self,
        balances: Mapping[bytes, int],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        interval: float = 1.0,
        chain_id: int = CHAIN_ID,
        journal: Path | None = None,
    ) -> None:
        self.interval = check_interval(interval)
        try:
            from swarmp2p.ledger.dev_evm import EmbeddedChain  # noqa: PLC0415 - an optional extra
            from swarmp2p.ledger.dev_methods import DevMethods  # noqa: PLC0415 - as above
        except ImportError as error:
            raise ConfigError(
                f"the embedded chain cannot be loaded ({error}): "
                "install it with `pip install 'swarmp2p[devchain]'`"
            ) from error
        self.chain_id = chain_id
        self.failure: Exception | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        now = int(time.time())  # noqa: TID251 - block 0's; a chain has no clock but the system's
        origin = Origin(chain_id, now, dict(balances))
        self._journal = Journal(journal, origin) if journal else None
        try:
            self._chain = _restore(EmbeddedChain, self._journal, origin)
            self._methods = DevMethods(self._chain)
            self._server = listen(host, port, self._answer)
        except BaseException:
            self._close_journal()
            raise
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """Where the endpoint answers."""
        host, port = str(self._server.server_address[0]), self._server.server_address[1]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def mine(self, blocks: int = 1) -> int:
        """Mine now; returns the new head's number."""
        with self._lock:
            for _ in range(blocks):
                self._chain.mine()
            return self._chain.head

    def start(self) -> None:
        """Answer requests and, unless interval is 0, mine on the timer."""
        self._spawn(lambda: self._server.serve_forever(poll_interval=0.05))
        if self.interval:
            self._spawn(self._mine_on_timer)

    def stop(self) -> None:
        """Close the endpoint and every connection to it."""
        self._stopping.set()
        if self._threads:
            self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        for thread in self._threads:
            thread.join()
        self._close_journal()

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the chain stops by itself (then `failure` says why) or `timeout` seconds."""
        return self._stopping.wait(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="devchain", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _mine_on_timer(self) -> None:
        delay = self.interval
        while not self._stopping.wait(delay):
            started = time.monotonic()
            try:
                self.mine()
            except Exception as error:  # noqa: BLE001 - kept for whoever waits; the chain is over
                self.failure = error
                self._stopping.set()
                return
            # A block slower than the interval must not be followed by a burst of late ones, and
            # the lock stays free for a while, so that requests are answered between blocks.
            delay = max(self.interval - (time.monotonic() - started), self.interval / 4)

    def _answer(self, method: str, params: list[Any]) -> Any:
        with self._lock:
            return self._methods.answer(method, params)


def _restore(
    make: "type[EmbeddedChain]", journal: Journal | None, origin: Origin
) -> "EmbeddedChain":
    """A new chain, or the journal's, played back. Raises StateError where that fails."""
    start = journal.origin if journal else origin
    chain = make(
        chain_id=start.chain_id,
        balances={Address(key): wei for key, wei in start.balances.items()},
        genesis_time=start.time,
    )
    if journal is not None:
        for entry in journal.entries():
            if not _replay(chain, entry):
                raise journal.differs()
        chain.keeper = journal
    return chain


def _replay(chain: "EmbeddedChain", entry: JournalBlock | bytes) -> bool:
    """Let an entry happen again; whether it came out as before."""
    try:
        if isinstance(entry, bytes):
            chain.restore(entry)
            return True
        return chain.replay(entry.time, entry.transactions) == entry.hash
    except Exception:  # noqa: BLE001 - py-evm raises what it likes on what no chain could hold
        return False


Chain = DevChain | AnvilChain


def open_chain(
    owner: bytes,
    *,
    anvil: str = NEVER,
    folder: Path | None = None,
    fresh: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
    interval: float = 1.0,
    chain_id: int = CHAIN_ID,
) -> Chain:
    """A chain whose 20-byte account `owner` holds all the ether, not started yet.

    `anvil` is "auto" (take it where it is found), "never", or its path. `folder` keeps the chain,
    and which of the two programs made it, because neither reads what the other wrote; `fresh`
    forgets it. Raises what DevChain and `find_anvil` raise.
    """
    if folder is not None and fresh:
        _forget(folder, chain_id)
    program = find_anvil(anvil)
    if folder is not None:
        program = _keep_program(folder, program, anvil)
    balances = {owner: OWNER_BALANCE}
    if program is None:
        journal = folder / JOURNAL if folder else None
        return DevChain(
            balances, host=host, port=port, interval=interval, chain_id=chain_id, journal=journal
        )
    return AnvilChain(
        program,
        balances,
        host=host,
        port=port,
        interval=check_interval(interval),
        chain_id=chain_id,
        state=folder / f"anvil-{chain_id}.json" if folder else None,
    )


def _keep_program(folder: Path, program: Path | None, anvil: str) -> Path | None:
    """Whichever program made the chain in `folder`. Raises ConfigError if it cannot be used."""
    mark = folder / MARK
    try:
        made_by = mark.read_text() if mark.exists() else ""
        if not made_by:
            mark.write_text(_ANVIL if program else _OURS)
    except OSError as error:
        raise ConfigError(f"cannot use {mark}: {error.strerror}") from None
    if made_by == _OURS and anvil == AUTO:
        return None
    if made_by and made_by != (_ANVIL if program else _OURS):
        raise ConfigError(
            f"the chain in {folder} was made by {made_by}, which is not what would run now: "
            + ("give --anvil with its path" if made_by == _ANVIL else "leave --anvil out")
            + ", or start over with --fresh (the runs on it are gone then)"
        )
    return program


def _forget(folder: Path, chain_id: int) -> None:
    for name in (JOURNAL, MARK, f"anvil-{chain_id}.json"):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot remove {folder / name}: {error.strerror}") from None


def serve(chain: Chain, *, ready: Callable[[str], None]) -> None:
    """Run a chain until SIGINT or SIGTERM.

    `ready` gets the URL once it answers. To be called on the main thread. Raises what `start`
    raises, and LedgerUnavailableError when the chain breaks.
    """
    stopped = threading.Event()
    before = {
        number: signal.signal(number, lambda _number, _frame: stopped.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with chain:
            ready(chain.url)
            while not stopped.wait(0.2) and not chain.wait(0):
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if chain.failure is not None:
        raise LedgerUnavailableError(f"the development chain broke: {chain.failure}")


def owner_account(path: Path) -> bytes:
    """The account of the key in `path`; a new key is written there if there is no such file."""
    if not path.exists():
        write_key_file(path, new_account(os.urandom))
    return account_address(read_key_file(path))


def main(arguments: list[str] | None = None) -> int:
    """Serve with options from the command line; prints one JSON line when ready."""
    parser = argparse.ArgumentParser(prog="python -m swarmp2p.ledger.devchain")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8545, help="0: any free one")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between blocks")
    parser.add_argument("--chain-id", type=int, default=CHAIN_ID)
    parser.add_argument("--anvil", default=NEVER, help="auto, never, or its path")
    parser.add_argument("--dir", type=Path, help="keeps the chain over restarts")
    parser.add_argument("--fresh", action="store_true", help="forget what --dir kept")
    parser.add_argument("--owner-key-file", type=Path, required=True, help="made if missing")
    options = parser.parse_args(arguments)
    try:
        owner = owner_account(options.owner_key_file)

        def ready(url: str) -> None:
            line = {"url": url, "chain_id": options.chain_id, "owner": "0x" + owner.hex()}
            print(json.dumps(line), flush=True)  # noqa: T201 - the ready line is the interface

        chain = open_chain(
            owner,
            anvil=options.anvil,
            folder=options.dir,
            fresh=options.fresh,
            host=options.host,
            port=options.port,
            interval=options.interval,
            chain_id=options.chain_id,
        )
        serve(chain, ready=ready)
    except SwarmError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - as above
        return 2 if isinstance(error, ConfigError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
