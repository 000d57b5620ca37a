"""The model to go on from: kept, computed from the manifest, or fetched from whoever has it."""

from collections.abc import Awaitable, Callable

import trio

from swarmp2p.ledger.interface import ChainView
from swarmp2p.node.context import Context
from swarmp2p.node.exchange import BlobExchange
from swarmp2p.node.vectors import Vectors

Until = Callable[[Callable[[ChainView], bool]], Awaitable[None]]


class CatchUp:
    """Gets the sealed or initial model onto our disk."""

    def __init__(
        self, context: Context, vectors: Vectors, exchange: BlobExchange, until: Until
    ) -> None:
        """`until(met)` waits for a final view that meets a condition."""
        self._c = context
        self._vectors = vectors
        self._exchange = exchange
        self._until = until
        self.busy = False

    async def hold(self, root: bytes, view: Callable[[], ChainView]) -> bytes:
        """Have the model under `root`, or the newer one that seals meanwhile; its root."""
        if self._here(root):
            return root
        self.busy = True
        try:
            return await self._fetch(root, view)
        finally:
            self.busy = False

    async def _fetch(self, root: bytes, view: Callable[[], ChainView]) -> bytes:
        """Others serve a merged vector only until newer rounds have sealed.

        So what was newest when we began may be gone by now.
        """
        while not self._vectors.holds_model(self._c.store, root):
            self._c.log("catch-up", root=root.hex())
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._fetch_model, root, nursery.cancel_scope)
                await self._next_seal(root)
                nursery.cancel_scope.cancel()
            if not self._vectors.holds_model(self._c.store, root):
                root = view().last_root
        return root

    async def _next_seal(self, was: bytes) -> None:
        """Until another model than `was` is the last sealed."""
        await self._until(lambda view: view.last_root != was)

    async def _fetch_model(self, root: bytes, whole: trio.CancelScope) -> None:
        await self.fetch(root)
        whole.cancel()

    async def fetch(self, root: bytes) -> None:
        """Have the model under `root` and no other; the caller's scope bounds the time."""
        if not self._here(root):
            await self._exchange.fetch(root, self._vectors.model_sizes, self._c.peers_by_chance)

    def _here(self, root: bytes) -> bool:
        """Whether the model is on the disk; the manifest's zeros are written there first."""
        if self._vectors.holds_model(self._c.store, root):
            return True
        if root != self._c.manifest.init_root:
            return False
        self._vectors.zeros().keep(self._c.store)
        return True
