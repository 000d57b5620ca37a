"""Drives a sans-I/O machine over a stream: writes, reads, keeps its deadlines."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import trio

from swarmp2p.errors import RemoteProtocolError, StreamResetError
from swarmp2p.seams import Clock, Stream
from swarmp2p.wire.registry import CHUNK_SECONDS


class StreamMachine(Protocol):
    """The shape that every stream protocol of `swarmp2p.protocol` has."""

    def receive_data(self, data: bytes, *, now: float) -> None:
        """Bytes came."""
        ...

    def receive_eof(self, *, now: float) -> None:
        """The peer sends no more."""
        ...

    def data_to_send(self) -> list[Any]:
        """Buffers to write, in order; each is handed out once."""
        ...

    def events(self) -> list[Any]:
        """What happened since the last call."""
        ...

    def next_deadline(self) -> float | None:
        """When `handle_timer` wants to be called."""
        ...

    def handle_timer(self, *, now: float) -> None:
        """The deadline has passed. Raises RemoteProtocolError where that ends the stream."""
        ...


async def pump(
    stream: Stream,
    machine: StreamMachine,
    clock: Clock,
    on_event: Callable[[Any], Awaitable[bool]],
    *,
    serving: bool = False,
) -> None:
    """Run `machine` over `stream` until an event says so, or the stream ends.

    `on_event` returns True when the machine has done its work; a `serving` machine has done it
    when the peer ends the stream. Raises RemoteProtocolError where the peer broke a rule or a
    deadline, and TransportError where the stream broke.
    """
    ended = False
    while True:
        if await _drain(stream, machine, on_event):
            return
        if ended:
            if serving:
                return
            raise StreamResetError("the peer ended the stream before its work was done")
        data = await _receive(stream, machine, clock)
        try:
            if data is None:
                machine.handle_timer(now=clock.now())
            elif data:
                machine.receive_data(data, now=clock.now())
            else:
                machine.receive_eof(now=clock.now())
                ended = True
        except RemoteProtocolError:
            # What came before the fault counts, however the bytes were cut (ENC-014). A provider's
            # open requests stay unanswered: their stream is reset.
            if not serving:
                await _drain(stream, machine, on_event)
            raise


async def _drain(
    stream: Stream, machine: StreamMachine, on_event: Callable[[Any], Awaitable[bool]]
) -> bool:
    """Write and handle until the machine has neither bytes nor events; True when it is done."""
    done = False
    while True:
        events = machine.events()
        sent = await _send(stream, machine)
        for event in events:
            done = await on_event(event) or done
            # At once: no more than one answer's payload waits in memory.
            sent = await _send(stream, machine) or sent
        if not events and not sent:
            return done


async def _send(stream: Stream, machine: StreamMachine) -> bool:
    """Write what the machine has; whether there was any. A reader that stalls is left."""
    buffers = machine.data_to_send()
    for buffer in buffers:
        with trio.move_on_after(CHUNK_SECONDS) as scope:
            await stream.send_all(buffer)
        if scope.cancelled_caught:
            raise StreamResetError(f"the peer did not read for {CHUNK_SECONDS} s")
    return bool(buffers)


async def _receive(stream: Stream, machine: StreamMachine, clock: Clock) -> bytes | None:
    """Bytes, b"" at the end, or None when the machine's deadline came first."""
    deadline = machine.next_deadline()
    if deadline is None:
        return await stream.receive_some()
    with trio.move_on_after(max(0.0, deadline - clock.now())):
        return await stream.receive_some()
    return None
