"""The demo's child processes: the embedded chain and the nodes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from swarmp2p.control import ask
from swarmp2p.demo.history import MODEL
from swarmp2p.errors import LedgerUnavailableError, StateError
from swarmp2p.ledger.accounts import read_key_file
from swarmp2p.ledger.anvil import NEVER
from swarmp2p.ledger.export import export_ledger

_STOP_SECONDS = 10.0
_LAST_BYTES = 4096


def child_environment() -> dict[str, str]:
    """Ours, with one BLAS thread: bits must not depend on the number of cores."""
    one = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
    return {**os.environ, **one}


@dataclass
class Chain:
    """The running chain; `run` is the run contract once it is deployed."""

    url: str
    owner_key: bytes
    chain_id: int
    run: bytes = b""
    registry: bytes = b""

    def export(self, path: Path) -> None:
        """Write ledger.jsonl."""
        export_ledger(self.url, self.run, path)


@contextmanager
def start_chain(out: Path, block_seconds: float, *, anvil: str = NEVER) -> Iterator[Chain]:
    """The embedded chain, or anvil, in a process of its own. Raises LedgerUnavailableError."""
    command = [sys.executable, "-m", "swarmp2p.ledger.devchain", "--port", "0", "--anvil", anvil]
    log, owner = out / "chain.log", out / "owner.key"
    command += ["--interval", str(block_seconds), "--owner-key-file", str(owner)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            env=child_environment(),
            start_new_session=True,
        )
    try:
        ready = _ready(process, log)
        yield Chain(ready["url"], read_key_file(owner), ready["chain_id"])
    finally:
        _stop(process)
        if process.stdout is not None:
            process.stdout.close()


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> dict[str, Any]:
    line = process.stdout.readline() if process.stdout is not None else b""
    try:
        ready: dict[str, Any] = json.loads(line)
    except ValueError:
        words = log.read_text(errors="replace").strip().splitlines()
        raise LedgerUnavailableError(
            f"the embedded chain did not start: {words[-1] if words else 'no output'}"
        ) from None
    return ready


@dataclass
class NodeProcess:
    """One `swarmp2p node` process. `folder` is nodes/SITE."""

    name: str
    folder: Path
    process: "subprocess.Popen[bytes]"

    @classmethod
    def start(cls, name: str, config: Path, folder: Path) -> Self:
        """The same command that an operator uses."""
        with (folder / "node.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "swarmp2p", "node", "--config", str(config)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=child_environment(),
                start_new_session=True,
            )
        (folder / "pid").write_text(f"{process.pid}\n")
        return cls(name, folder, process)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    @property
    def finished(self) -> bool:
        """Whether the trainer has left its final model."""
        return (self.folder / MODEL).exists()

    def status(self) -> dict[str, Any]:
        """The node's own status; empty while it does not answer."""
        try:
            return ask(self.folder / "state", {"cmd": "status"}) if self.alive else {}
        except StateError:
            return {}

    def last_words(self) -> str:
        """The last line of the log."""
        try:
            with (self.folder / "node.log").open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _LAST_BYTES))
                lines = log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else f"ended with status {self.process.poll()}"

    def terminate(self) -> None:
        """Ask the process to end."""
        if self.alive:
            self.process.terminate()

    def wait(self) -> None:
        """Until it has ended, by force if need be."""
        _stop(self.process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
