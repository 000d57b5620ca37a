"""Bulk transfer: pull a blob from whoever has it, and serve the blobs that are kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import trio

from swarmp2p.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    TransportError,
)
from swarmp2p.node.context import Context
from swarmp2p.node.pump import pump
from swarmp2p.protocol.getter import ChunkRefused, ChunkVerified, Getter, GetterDone
from swarmp2p.protocol.provider import ChunkWanted, Provider
from swarmp2p.seams import Stream
from swarmp2p.wire.registry import (
    FIRST_BYTE_SECONDS,
    FLOOR_BYTES_PER_SECOND,
    PROTOCOL_CHUNK,
    Code,
)

RETRY_SECONDS = 0.2
ROUND_ROBIN_SECONDS = 0.5
CHUNKS_A_TURN = 16


@dataclass
class Traffic:
    """Payload bytes of chunks, counted where they cross the network."""

    bytes_in: int = 0
    bytes_out: int = 0


class BlobExchange:
    """Fetches and serves blobs over `/swarmp2p/chunk/1`."""

    def __init__(self, context: Context) -> None:
        """`context` lends transport, store, clock, chance and log."""
        self._c = context
        self.traffic = Traffic()
        self.hidden: set[bytes] = set()
        """Roots not to be served yet: our own update before COMMIT is closed for good."""
        self.private: set[bytes] = set()
        """What our own store holds under a root's key and is nobody else's: never served."""

    async def fetch(
        self,
        root: bytes,
        sizes: Sequence[int],
        providers: Callable[[], Sequence[bytes]],
    ) -> None:
        """Pull what is missing of a blob until it is whole; the caller's scope bounds the time.

        `providers()` is asked anew for each turn and gives peers in order of preference.
        """
        turn = 0
        while missing := sorted(set(range(len(sizes))) - self._c.store.chunks(root)):
            order = providers()
            wanted = missing[:CHUNKS_A_TURN]
            if order:
                await self._turn(order[turn % len(order)], root, sizes, wanted)
            if not set(wanted) <= self._c.store.chunks(root):
                # This provider has not, is slow, or lies: the next one gets its turn.
                turn += 1
                if not order or turn % len(order) == 0:
                    await self._c.clock.sleep(ROUND_ROBIN_SECONDS * (0.5 + self._c.rng.uniform()))

    async def _turn(
        self, peer: bytes, root: bytes, sizes: Sequence[int], wanted: Sequence[int]
    ) -> None:
        """One provider's turn, no longer than the floor of 64 KiB/s allows for what is asked.

        CHUNK-017: a provider below the floor is left; local choice, no strike.
        """
        owed = sum(sizes[index] for index in wanted)
        budget = FIRST_BYTE_SECONDS + owed / FLOOR_BYTES_PER_SECOND
        with trio.move_on_after(budget) as scope:
            await self._fetch_from(peer, root, sizes, wanted)
        if scope.cancelled_caught:
            self._c.log("fetch-slow", peer=peer.hex(), root=root.hex(), budget=round(budget, 1))

    async def _fetch_from(
        self,
        peer: bytes,
        root: bytes,
        sizes: Sequence[int],
        missing: Sequence[int],
    ) -> None:
        """One stream to one provider; what fails here is tried elsewhere."""
        retry = False

        async def on_event(event: Any) -> bool:
            nonlocal retry
            if isinstance(event, ChunkVerified):
                self._keep(root, event)
            elif isinstance(event, ChunkRefused):
                self._c.refused("chunk-refused", peer, event.code, "the provider's answer")
                # ERR-002: a code that is only treated as RETRY is not waited for.
                retry = retry or event.code == Code.RETRY
            return isinstance(event, GetterDone)

        try:
            stream = await self._c.transport.open_stream(peer, PROTOCOL_CHUNK)
        except TransportError as error:
            self._c.log("fetch-failed", peer=peer.hex(), root=root.hex(), why=str(error))
            return
        getter = Getter(root, sizes, missing, now=self._c.clock.now())
        try:
            await pump(stream, getter, self._c.clock, on_event)
            await stream.aclose()
        except RemoteProtocolError as error:
            await stream.reset()
            self._c.refused("fetch-failed", peer, error.code, str(error), root=root.hex())
        except TransportError as error:
            await stream.reset()
            self._c.log("fetch-failed", peer=peer.hex(), root=root.hex(), why=str(error))
        except BaseException:
            await stream.reset()
            raise
        if retry:
            await self._c.clock.sleep(RETRY_SECONDS)

    def _keep(self, root: bytes, event: ChunkVerified) -> None:
        self.traffic.bytes_in += len(event.data)
        self._c.store.put_chunk(root, event.index, event.data, event.proof)

    async def serve(self, stream: Stream) -> None:
        """Answer one peer's requests until it ends the stream."""
        provider = Provider()

        async def on_event(event: Any) -> bool:
            if isinstance(event, ChunkWanted):
                self._answer(provider, event, stream.remote_peer)
            return False

        try:
            await pump(stream, provider, self._c.clock, on_event, serving=True)
            await stream.aclose()
        except RemoteProtocolError as error:
            self._c.refused("serve-ended", stream.remote_peer, error.code, str(error))
            await stream.reset()
        except (TransportError, LocalProtocolError) as error:
            self._c.log("serve-ended", peer=stream.remote_peer.hex(), why=str(error))
            await stream.reset()

    def _answer(self, provider: Provider, wanted: ChunkWanted, peer: bytes) -> None:
        # CHUNK-012: a request that comes before the reveal is answered RETRY, with no strike.
        hidden = wanted.root in self.hidden
        open_ = not hidden and wanted.root not in self.private
        kept = self._c.store.get_chunk(wanted.root, wanted.index) if open_ else None
        if kept is None:
            code, why = (Code.RETRY, "not revealed") if hidden else (Code.NOT_FOUND, "not here")
            self._c.refused("chunk-not-served", peer, code, why)
            provider.refuse(code)
            return
        data, proof = kept
        provider.send_chunk(data, proof)
        self.traffic.bytes_out += len(data)
