"""Keeps a connection to every admitted peer: dials, waits, dials again."""

from collections.abc import Mapping, Sequence

import trio

from swarmp2p.errors import ConfigError, PeerUnreachableError
from swarmp2p.net.addresses import parse_address
from swarmp2p.net.connections import Connections
from swarmp2p.seams import Clock, Rng

# Of two peers the one with the lower public key dials; the other gives it this long.
_DEFER_SECONDS = 1.0
_FIRST_BACKOFF_SECONDS = 0.5
_MAX_DOUBLINGS = 5  # to 16 s: a peer that comes back is found within a quarter of a minute
_RECHECK_SECONDS = 5.0  # a lost wake-up costs this much, not the connection


class Dialler:
    """One task per admitted peer that has an address."""

    def __init__(
        self, connections: Connections, own: bytes, nursery: trio.Nursery, clock: Clock, rng: Rng
    ) -> None:
        self._connections = connections
        self._own = own
        self._nursery = nursery
        self._clock = clock
        self._rng = rng
        self._tasks: dict[bytes, tuple[tuple[str, ...], trio.CancelScope]] = {}

    def replace(self, peers: Mapping[bytes, Sequence[str]]) -> None:
        """Keep connections to exactly these peers from now on."""
        for peer, (addresses, scope) in list(self._tasks.items()):
            if tuple(peers.get(peer, ())) != addresses:
                scope.cancel()
                del self._tasks[peer]
        for peer, wanted in peers.items():
            if wanted and peer not in self._tasks:
                scope = trio.CancelScope()
                self._tasks[peer] = (tuple(wanted), scope)
                self._nursery.start_soon(self._keep, peer, tuple(wanted), scope)

    async def _keep(self, peer: bytes, addresses: tuple[str, ...], scope: trio.CancelScope) -> None:
        with scope:
            failures = 0
            while True:
                await self._while_connected(peer)
                await self._clock.sleep(self._pause(peer, failures))
                if peer in self._connections.peers():
                    failures = 0
                    continue
                failures = 0 if await self._dial_any(peer, addresses) else failures + 1

    async def _while_connected(self, peer: bytes) -> None:
        while peer in self._connections.peers():
            with trio.move_on_after(_RECHECK_SECONDS):
                await self._connections.wait_change()

    def _pause(self, peer: bytes, failures: int) -> float:
        """Seconds before the next dial: jittered, doubling with failures, a turn for the other."""
        turn = _DEFER_SECONDS if self._own > peer else 0.0
        if not failures:
            return turn * (1 + self._rng.uniform())
        ceiling = _FIRST_BACKOFF_SECONDS
        for _ in range(min(failures - 1, _MAX_DOUBLINGS)):
            ceiling *= 2
        return turn + ceiling * (0.5 + 0.5 * self._rng.uniform())

    async def _dial_any(self, peer: bytes, addresses: tuple[str, ...]) -> bool:
        for text in addresses:
            try:
                await self._connections.dial(peer, parse_address(text))
            except (ConfigError, PeerUnreachableError):
                continue
            return True
        return False
