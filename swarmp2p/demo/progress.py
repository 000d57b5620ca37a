"""What the demo shows while it runs: a live table on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from swarmp2p.demo.table import result_sentence, result_table

Statuses = Mapping[str, Mapping[str, Any]]


class Progress:
    """Prints to stderr when `quiet` (stdout is for JSON then), else to stdout."""

    def __init__(self, *, quiet: bool = False) -> None:
        """`quiet`: machine-readable output was asked for."""
        self._console = Console(file=sys.stderr if quiet else sys.stdout)
        self._live: Live | None = None
        self._round = -1

    def say(self, line: str) -> None:
        """One line."""
        self._console.print(line, highlight=False, markup=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, statuses: Statuses, gone: set[str]) -> None:
        """The nodes as they stand. Without a terminal: one line when a round has sealed."""
        if self._live is not None:
            self._live.update(_status_table(statuses, gone))
            return
        sealed = max((s.get("last_sealed_round", 0) for s in statuses.values()), default=0)
        if sealed > self._round:
            self._round = sealed
            if sealed:
                self.say(_line(sealed, statuses, gone))

    def wait(self, seconds: float) -> None:
        """Until the next look."""
        time.sleep(seconds)

    def result(self, metrics: Mapping[str, Any]) -> None:
        """The closing table and what it means."""
        self._console.print(result_table(metrics))
        self.say(result_sentence(metrics))
        self.say(f"report: {metrics['out']}/report.html")


def _line(sealed: int, statuses: Statuses, gone: set[str]) -> str:
    losses = [s["metrics"]["loss"] for s in statuses.values() if s.get("metrics", {}).get("loss")]
    mean = f", mean local loss {sum(losses) / len(losses):.4f}" if losses else ""
    lost = f", gone: {', '.join(sorted(gone))}" if gone else ""
    total = next((s["rounds"] for s in statuses.values() if s), "?")
    return f"round {sealed} of {total} sealed{mean}{lost}"


def _status_table(statuses: Statuses, gone: set[str]) -> Table:
    table = Table(title=f"swarmp2p: {len(statuses)} sites, no centre")
    for column in ("site", "phase", "round", "loss", "in", "out", "waiting for"):
        table.add_column(column, justify="right" if column in ("round", "loss") else "left")
    for name, status in statuses.items():
        if not status:
            table.add_row(name, "gone" if name in gone else "starting", *[""] * 5)
            continue
        loss = status["metrics"].get("loss")
        table.add_row(
            name,
            status["phase"],
            f"{min(status['round'], status['rounds'])}/{status['rounds']}",
            "" if loss is None else f"{loss:.4f}",
            _bytes(status["bytes_in"]),
            _bytes(status["bytes_out"]),
            _waiting(status),
        )
    return table


def _waiting(status: Mapping[str, Any]) -> str:
    peers = ", ".join(status["waiting_for_peers"])
    return f"{status['waiting_for']}: {peers}" if peers else ""


def _bytes(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.1f} MiB"
