"""Greets each peer once per connection: same wire version, same run, and how it calls itself."""

from collections.abc import Callable
from typing import Any

import trio

from swarmp2p.errors import RemoteProtocolError, TransportError
from swarmp2p.node.context import Context
from swarmp2p.node.pump import pump
from swarmp2p.protocol.hello import HelloDone, HelloMachine, Role
from swarmp2p.seams import Stream
from swarmp2p.wire.messages import Hello
from swarmp2p.wire.registry import PROTOCOL_HELLO, WIRE_VERSION

GREET_SECONDS = 0.5
_AGENT = "swarmp2p"


class Greeter:
    """Sends and answers hellos; remembers names that peers give themselves."""

    def __init__(self, context: Context, epoch: Callable[[], int]) -> None:
        """`context.names` holds the operator's own labels, which win over what peers claim.

        `epoch()` is that of our current key.
        """
        self._c = context
        self._epoch = epoch
        self._greeted: set[bytes] = set()

    def _own(self) -> Hello:
        return Hello(
            wire_version=WIRE_VERSION,
            domain=self._c.domain,
            agent=f"{_AGENT} {self._c.name(self._c.me)}",
            extensions=(),
            key_epoch=self._epoch(),
        )

    async def greet_all(self) -> None:
        """Greet whoever is newly connected, for ever."""
        async with trio.open_nursery() as nursery:
            while True:
                connected = self._c.transport.peers()
                for peer in connected - self._greeted:
                    nursery.start_soon(self._greet, peer)
                self._greeted = set(connected)
                await self._c.clock.sleep(GREET_SECONDS)

    async def _greet(self, peer: bytes) -> None:
        try:
            stream = await self._c.transport.open_stream(peer, PROTOCOL_HELLO)
        except TransportError as error:
            self._c.log("hello-failed", peer=peer.hex(), why=str(error))
            self._greeted.discard(peer)
            return
        await self._run(stream, Role.INITIATOR)

    async def answer(self, stream: Stream) -> None:
        """Serve `/swarmp2p/hello/1`."""
        await self._run(stream, Role.RESPONDER)

    async def _run(self, stream: Stream, role: Role) -> None:
        async def on_event(event: Any) -> bool:
            if isinstance(event, HelloDone):
                self._learn(stream.remote_peer, event.remote.agent)
                return True
            return False

        machine = HelloMachine(role, self._own(), now=self._c.clock.now())
        try:
            await pump(stream, machine, self._c.clock, on_event)
            await stream.aclose()
        except RemoteProtocolError as error:
            # HELLO-010: shown with its code, and held against nobody.
            self._c.refused("hello-refused", stream.remote_peer, error.code, str(error))
            await stream.reset()
        except TransportError as error:
            self._c.log("hello-failed", peer=stream.remote_peer.hex(), why=str(error))
            await stream.reset()

    def _learn(self, peer: bytes, agent: str) -> None:
        """Take a peer's own name where the operator gave none and nobody else bears it."""
        name = agent.partition(" ")[2][:64]
        names = self._c.names
        if name.replace("-", "").isalnum() and peer not in names and name not in names.values():
            names[peer] = name
        self._c.log("hello", peer=peer.hex(), agent=agent)
