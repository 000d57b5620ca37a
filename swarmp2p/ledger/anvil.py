"""anvil as the development chain: finds the program, runs it as a child, answers like DevChain.

anvil is Foundry's Ethereum node for development. Nothing here needs it: `devchain.py` holds a chain
of our own. It runs on loopback, with no account whose key is known, and ends with this process.
"""

import ctypes
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from swarmp2p.errors import ConfigError, LedgerUnavailableError, ListenError
from swarmp2p.ledger.dev_server import loopback_host
from swarmp2p.ledger.rpc import RpcClient

AUTO = "auto"
NEVER = "never"
START_TIMEOUT = 20.0  # seconds; it takes less than a tenth of one, more to load a long chain
STOP_TIMEOUT = 20.0  # seconds; at its end it writes the whole chain to the disk
CALL_TIMEOUT = 30.0  # seconds
KEPT_LINES = 40  # of its output, for messages
KEPT_STATES = 64  # blocks whose state can be read; nodes read at most the run's depth back
GAS_LIMIT = 60_000_000  # as the chain of ours
PORT_TRIES = 5
_POLL = 0.01  # seconds between two looks at a child that starts
_PR_SET_PDEATHSIG = 1
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_CHECKOUT = Path(__file__).parents[2] / "contracts"


def find_anvil(wanted: str | Path = AUTO) -> Path | None:
    """The anvil program, or None where there is none or `wanted` is "never".

    "auto" looks on PATH, then among the npm packages beside the contracts of a source tree; a path
    names the program, or a folder with npm packages. Raises ConfigError when that path has none.
    """
    if wanted == NEVER:
        return None
    if wanted == AUTO:
        on_path = shutil.which("anvil")
        return (_program(Path(on_path)) if on_path else None) or _packaged(_CHECKOUT)
    found = _packaged(Path(wanted)) if Path(wanted).is_dir() else _program(Path(wanted))
    if found is None:
        raise ConfigError(
            f"there is no anvil at {wanted}: give the program itself, or the folder where "
            "`npm install @foundry-rs/anvil` was run, or leave --anvil out for the built-in chain"
        )
    return found


def _program(path: Path) -> Path | None:
    """`path` if it is a program of this machine; npm's starter script leads to the one beside it.

    The script would start the program as a child of its own, which outlives it.
    """
    real = path.resolve()
    try:
        with real.open("rb") as file:
            script = file.read(2) == b"#!"
    except OSError:
        return None
    if script:
        return next((p for up in real.parents if (p := _packaged(up)) is not None), None)
    return real if os.access(real, os.X_OK) else None


def _packaged(folder: Path) -> Path | None:
    """The program in the npm packages of `folder`, or in `folder` if that is node_modules."""
    system, machine = platform.system().lower(), _MACHINES.get(platform.machine().lower(), "")
    inside = Path("@foundry-rs") / f"anvil-{system}-{machine}" / "bin" / "anvil"
    for place in (folder / "node_modules" / inside, folder / inside):
        if place.is_file() and os.access(place, os.X_OK):
            return place.resolve()
    return None


class AnvilChain:
    """A chain run by anvil, and its endpoint. Enter it, or call `start` and `stop`.

    As DevChain: `balances` maps 20-byte accounts to wei, and interval 0 mines on request only.
    `state` is a file that keeps the chain: read at the start, written when anvil ends, also when
    this process is killed, but not when anvil itself is. Call `start` on a thread that lives as
    long as the chain: on Linux anvil ends with it. Raises ConfigError for a host beyond loopback.
    """

    def __init__(
        self,
        program: Path,
        balances: Mapping[bytes, int],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        interval: float = 1.0,
        chain_id: int,
        state: Path | None = None,
    ) -> None:
        self.interval = interval
        self.chain_id = chain_id
        self.failure: Exception | None = None
        self._program = program
        self._balances = dict(balances)
        self._host = loopback_host(host)
        self._port = port
        self._state = state
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._words: deque[str] = deque(maxlen=KEPT_LINES)
        self._rpc: RpcClient | None = None
        self._stopping = False

    @property
    def url(self) -> str:
        """Where the endpoint answers, once started."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    @property
    def rpc(self) -> RpcClient:
        """A client of the endpoint, for what only anvil can do."""
        if self._rpc is None:
            raise LedgerUnavailableError("anvil has not been started")
        return self._rpc

    @property
    def pid(self) -> int:
        """The child's process id; 0 before the start."""
        return self._process.pid if self._process else 0

    def mine(self, blocks: int = 1) -> int:
        """Mine now; returns the new head's number."""
        for _ in range(blocks):
            self.rpc.call("evm_mine")
        return int(self.rpc.call("eth_blockNumber"), 16)

    def start(self) -> None:
        """Run anvil until it answers, and give the accounts that have nothing their balances.

        Raises LedgerUnavailableError with its last words, ListenError when the port is taken.
        """
        chosen = self._port
        for attempt in range(PORT_TRIES):
            self._port = _free_port(self._host, chosen)
            self._launch()
            try:
                self._until_ready()
            except ListenError:
                self.stop()
                # Another program took the free port between our look and anvil's start.
                if chosen or attempt == PORT_TRIES - 1:
                    raise
            except BaseException:
                self.stop()
                raise
            else:
                break
        for account, wei in self._balances.items():
            owner = "0x" + account.hex()
            if int(self.rpc.call("eth_getBalance", owner, "latest"), 16) == 0:
                self.rpc.call("anvil_setBalance", owner, hex(wei))

    def _launch(self) -> None:
        self._stopping = False
        self._words.clear()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the program the caller chose
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to act on
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - one system call, bound before
            )
        except OSError as error:
            raise LedgerUnavailableError(
                f"cannot run anvil at {self._program}: {error.strerror}"
            ) from None
        self._reader = threading.Thread(target=self._listen, name="anvil", daemon=True)
        self._reader.start()
        self._rpc = RpcClient(self.url, timeout=CALL_TIMEOUT)

    def _command(self) -> list[str]:
        # The contracts are compiled for the rules of "paris"; those of "prague" copy a growing
        # table of hashes with each block, and anvil slows down with every one.
        command = f"--hardfork paris --gas-limit {GAS_LIMIT} --order fifo --accounts 0 --quiet"
        command += f" --chain-id {self.chain_id} --prune-history {KEPT_STATES} --no-cors"
        command += f" --disable-default-create2-deployer --host {self._host} --port {self._port}"
        pace = ["--block-time", f"{self.interval:g}"] if self.interval else ["--no-mining"]
        kept = ["--state", str(self._state), "--preserve-historical-states"] if self._state else []
        return [str(self._program), *command.split(), *pace, *kept]

    def _listen(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            for line in self._process.stdout:
                self._words.append(line.decode(errors="replace").rstrip())

    def _until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            if self._process is None or self._process.poll() is not None:
                words = self._last_words()
                if "already in use" in words:
                    raise _busy(self._host, self._port, "it is in use")
                raise LedgerUnavailableError(
                    f"anvil at {self._program} did not start: {words}. `--anvil never` takes the "
                    "built-in chain"
                )
            try:
                answered = int(self.rpc.call("eth_chainId"), 16)
            except LedgerUnavailableError:
                if time.monotonic() > deadline:
                    raise LedgerUnavailableError(
                        f"anvil did not answer within {START_TIMEOUT:g} s: {self._last_words()}"
                    ) from None
                time.sleep(_POLL)
                continue
            if answered != self.chain_id:
                raise LedgerUnavailableError(
                    f"the chain at {self.url} has chain id {answered}, not {self.chain_id}"
                )
            return

    def _last_words(self) -> str:
        if self._reader is not None:
            self._reader.join(1.0)
        status = self._process.poll() if self._process else None
        ended = "" if status is None else f"it ended with status {status}; "
        return ended + ("; ".join(line for line in self._words if line) or "it said nothing")

    def stop(self) -> None:
        """End anvil; it writes its state first."""
        self._stopping = True
        process = self._process
        if process is not None:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
        if self._reader is not None:
            self._reader.join()
        if process is not None and process.stdout is not None:
            process.stdout.close()
        if self._rpc is not None:
            self._rpc.close()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until anvil ends by itself (then `failure` says why) or `timeout` seconds."""
        if self._process is None:
            return False
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        if not self._stopping and self.failure is None:
            self.failure = LedgerUnavailableError(f"anvil ended: {self._last_words()}")
        return True

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


def _free_port(host: str, port: int) -> int:
    """`port`, or any for 0, if it is free: else another chain there would answer for ours.

    Raises ListenError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise _busy(host, port, str(error)) from error
        return int(probe.getsockname()[1])


def _busy(host: str, port: int, why: str) -> ListenError:
    return ListenError(
        f"anvil cannot listen on {host} port {port}: {why}; stop what uses the port, or choose "
        "another (port 0 takes any free one)"
    )


def _die_with(parent: int) -> Callable[[], None] | None:
    """For the child, between fork and exec: SIGTERM when the parent dies, however it does.

    None where the system has no such call: a parent that is killed then leaves anvil running.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask
