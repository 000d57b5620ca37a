"""A runner's process: lines in, lines out, each bounded in time and size.

One thread; no pipe can block it, whatever the other side does, and every wait has its end.

The process has a session and a group of its own. At the end the group is killed: the process and
what it started, but not what has left the group (setsid, setpgid) nor what runs as somebody else.
That lives on; nobody waits for it.
"""

import contextlib
import math
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Self

from swarmp2p.conformance.excerpt import excerpt
from swarmp2p.errors import ConfigError, SwarmError

_PIECE = 1 << 16  # bytes at a time: what a pipe holds
_TAIL = 4_000  # bytes of standard error that are kept
_DEATH_SECONDS = 1.0  # from the end of its output to the end of a process


class RunnerError(SwarmError):
    """A runner died, hung, or wrote what it must not."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a runner may take: seconds and bytes.

    For an answer and for a line they are those of spec/15-conformance; the others are for its end
    after the last answer, for the whole run, and for all it writes.
    """

    answer_seconds: float = 60.0
    end_seconds: float = 10.0
    run_seconds: float = 3_600.0  # the package itself takes less than a minute
    line_bytes: int = 256 << 20
    total_bytes: int = 4 << 30


class RunnerProcess:
    """One started command. Use it as a context manager: its end kills what is left."""

    def __init__(self, command: Sequence[str], bounds: Bounds, until: float = math.inf) -> None:
        """Start it; `until` is when the whole run is over. Raises ConfigError where that fails."""
        self._bounds = bounds
        self._until = until
        self._most = bounds.line_bytes
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigError(f"cannot start the runner {command[0]}: {error.strerror}") from None
        self._selector = selectors.DefaultSelector()
        self._input, self._output, self._errors = map(
            _opened, (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        for pipe in (self._output, self._errors):
            self._selector.register(pipe, selectors.EVENT_READ)
        self._pending = memoryview(b"")
        self._received = bytearray()
        self._searched = 0
        self._total = 0
        self._said = bytearray()
        self._ended = False  # its output has

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(PermissionError):  # the group may refuse what its first does not
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_DEATH_SECONDS)
        self._selector.close()
        for pipe in (self._input, self._output, self._errors):
            with contextlib.suppress(OSError):
                pipe.close()

    @property
    def lives(self) -> int | None:
        """The id of the process where it could not be killed."""
        return self._process.pid if self._process.returncode is None else None

    def send(self, line: bytes, most: int) -> float:
        """Give it a line that takes an answer of `most` bytes; returns when that must be there."""
        self._said.clear()
        self._most = min(most, self._bounds.line_bytes)
        self._pending = memoryview(line)
        if self._input.closed:
            self._pending = memoryview(b"")
        elif line:
            self._selector.register(self._input, selectors.EVENT_WRITE)
        return min(time.monotonic() + self._bounds.answer_seconds, self._until)

    def read_line(self, deadline: float) -> bytes:
        """Read the next line of its output, without its end. Raises RunnerError."""
        while (end := self._received.find(b"\n", self._searched)) < 0 or self._pending:
            if end < 0:
                self._searched = len(self._received)
            if self._ended:
                raise RunnerError(self._death())
            if time.monotonic() >= deadline:
                raise RunnerError(self._late(deadline))
            self._step(deadline - time.monotonic())
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        self._searched = 0
        return line

    def wrote_more(self) -> bool:
        """Whether it has written something that nobody asked for."""
        self._step(0)
        return bool(self._received)

    @property
    def said(self) -> str:
        """The end of what it wrote to standard error since the last line, fit to be printed."""
        with contextlib.suppress(RunnerError):
            self._step(0)
        lines = self._said.decode(errors="replace").strip().splitlines()
        return "\n".join(map(excerpt, lines))

    def finish(self) -> str | None:
        """End its input and wait for its end; what is wrong with that, or None."""
        self._input.close()
        deadline = time.monotonic() + self._bounds.end_seconds
        try:
            while not self._ended and time.monotonic() < deadline:
                self._step(deadline - time.monotonic())
        except RunnerError as error:
            return str(error)
        if self._received:
            return f"the runner wrote {len(self._received)} bytes after its last answer"
        try:
            status = self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return f"the runner did not end within {self._bounds.end_seconds:g} s of its input"
        return None if status == 0 else self._death()

    def _step(self, seconds: float) -> None:
        """Wait for a pipe and serve those that are ready."""
        for key, _ in self._selector.select(max(0.0, seconds)):
            if key.fileobj is self._input:
                self._write()
            elif key.fileobj is self._output:
                self._read()
            else:
                piece = _read_piece(self._errors)
                if not piece:
                    self._selector.unregister(self._errors)
                self._said += piece
                del self._said[:-_TAIL]

    def _write(self) -> None:
        try:
            size = os.write(self._input.fileno(), self._pending[:_PIECE])
        except BlockingIOError:
            return
        except BrokenPipeError:  # it reads no more; whether it lives, its output tells
            size = len(self._pending)
        self._pending = self._pending[size:]
        if not self._pending:
            self._selector.unregister(self._input)

    def _read(self) -> None:
        piece = _read_piece(self._output)
        if not piece:
            self._ended = True
            self._selector.unregister(self._output)
        self._received += piece
        self._total += len(piece)
        if len(self._received) > self._most:  # also of many lines, while it reads nothing
            raise RunnerError(f"an answer of more than {self._most:,} bytes")
        if self._total > self._bounds.total_bytes:
            raise RunnerError(f"more than {self._bounds.total_bytes:,} bytes of output in all")

    def _late(self, deadline: float) -> str:
        if deadline == self._until:
            return (
                f"no answer before the {self._bounds.run_seconds:,g} s of the whole run were over"
            )
        return f"no answer within {self._bounds.answer_seconds:g} s"

    def _death(self) -> str:
        try:
            status = self._process.wait(_DEATH_SECONDS)
        except subprocess.TimeoutExpired:
            return "the runner closed its output and did not answer"
        if status < 0:
            return f"the runner was killed by {_signal_name(-status)}"
        return f"the runner ended with status {status}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # one of the real-time signals
        return f"signal {number}"


def _opened(pipe: IO[bytes] | None) -> IO[bytes]:
    """A pipe that never blocks."""
    if pipe is None:
        raise RunnerError("the runner has no pipe")
    os.set_blocking(pipe.fileno(), False)
    return pipe


def _read_piece(pipe: IO[bytes]) -> bytes:
    """What is there; empty at the end. Only called when there is something."""
    return os.read(pipe.fileno(), _PIECE)
