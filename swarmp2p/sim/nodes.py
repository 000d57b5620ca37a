"""A whole run in one trio loop: the node's own code over memory network, ledger and stores.

Run it under `trio.testing.MockClock(autojump_threshold=0)`: virtual time passes at once. Every
value comes from the seed, so the same seed gives the same models.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import trio

from swarmp2p.crypto import identity
from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.errors import NotEnrolledError, RunError
from swarmp2p.manifest import RunManifest
from swarmp2p.merge import layout
from swarmp2p.node.context import Context
from swarmp2p.node.node import Node
from swarmp2p.node.receipts import Receipt
from swarmp2p.sim.ledger import CHAIN_ID, MemoryChain, MemoryLedger
from swarmp2p.sim.network import MemoryNetwork
from swarmp2p.sim.numbers import ContractTerms
from swarmp2p.sim.store import MemoryDisk, MemoryStore
from swarmp2p.sim.world import SimClock, SimRng

Train = Callable[[int, int, dict[str, Any]], dict[str, Any]]


@dataclass
class SimPeer:
    """One simulated site. `disk` outlives kills; `node` and `scope` are of the present life."""

    number: int
    key: IdentityKey
    disk: MemoryDisk
    node: Node | None = None
    lives: int = 0
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    receipts: list[Receipt] = field(default_factory=list)
    model: dict[str, Any] | None = None
    done: trio.Event = field(default_factory=trio.Event)
    log: list[tuple[str, dict[str, object]]] = field(default_factory=list)


class SimWorld:
    """Peers, chain and network of one run."""

    def __init__(
        self, manifest: RunManifest, peers: int, seed: int, nursery: trio.Nursery, train: Train
    ) -> None:
        """`train(peer, round, params) -> params` is a site's local training."""
        self.manifest = manifest
        self._seed = seed
        self._nursery = nursery
        self._train = train
        self.network = MemoryNetwork(nursery)
        keys = [IdentityKey.from_seed(self._secret(f"key {n}")) for n in range(peers)]
        self.peers = [SimPeer(n, key, MemoryDisk()) for n, key in enumerate(keys)]
        terms = ContractTerms(
            last_round=manifest.rounds,
            min_peers=manifest.min_peers,
            commit_blocks=manifest.commit_blocks,
            exchange_blocks=manifest.exchange_blocks,
            lo=manifest.lo,
            hi=manifest.hi,
            depth=manifest.depth,
            init_root=manifest.init_root,
            topology=manifest.topology_number,
        )
        self.chain = MemoryChain(terms, [key.public for key in keys], manifest.run_id)
        self.domain = identity.domain(CHAIN_ID, bytes(20), manifest.run_id)

    def _secret(self, purpose: str) -> bytes:
        return hashlib.sha256(f"{self._seed} {purpose}".encode()).digest()

    def start(self, number: int, *, trains: bool = True) -> None:
        """Begin (or begin again) a peer's life; `trains` False: its program never syncs."""
        peer = self.peers[number]
        peer.scope = trio.CancelScope()
        peer.done = trio.Event()
        peer.lives += 1
        self._nursery.start_soon(self._live, peer, trains)

    def kill(self, number: int) -> None:
        """As kill -9: the node is gone at once, its disk keeps what was durable."""
        peer = self.peers[number]
        self.network.stop(peer.key.public)
        peer.scope.cancel()
        peer.disk.crash()

    def rotate(self, number: int, epoch: int) -> None:
        """Give a peer a new key in the next block; its node bears it from its next life on."""
        peer = self.peers[number]
        new = IdentityKey.from_seed(self._secret(f"key {number} epoch {epoch}"))
        self.chain.rotate(number, new.public, epoch)
        peer.key = new

    async def _live(self, peer: SimPeer, trains: bool) -> None:  # noqa: FBT001 - a task's argument
        with peer.scope:
            context = Context(
                manifest=self.manifest,
                domain=self.domain,
                key=peer.key,
                transport=self.network.host(peer.key.public),
                ledger=MemoryLedger(self.chain, peer.key.public),
                store=MemoryStore(peer.disk, self.domain),
                clock=SimClock(),
                rng=SimRng(self._secret(f"rng {peer.number} {peer.lives}")),
                log=lambda event, /, **fields: peer.log.append((event, fields)),
                names={other.key.public: f"site-{other.number}" for other in self.peers},
            )
            peer.node = Node(context, on_receipt=peer.receipts.append)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(peer.node.run)
                await peer.node.ready.wait()
                if trains:
                    await self._program(peer, peer.node)
                await trio.sleep_forever()

    async def _program(self, peer: SimPeer, node: Node) -> None:
        """A training program: one local step, one sync, until the run is over."""
        params = await node.start(self.zeros())
        try:
            while True:
                number = node.view.round.round
                trained = self._train(peer.number, number, params)
                params, _ = await node.sync(trained, weight=peer.number + 1)
        except RunError:
            peer.model = await node.finish(params)
            peer.done.set()
        except NotEnrolledError as error:
            peer.log.append(("program-ends", {"why": str(error)}))

    def zeros(self) -> dict[str, Any]:
        """Parameters of the manifest's shape."""
        schema = self.manifest.schema
        floats = np.zeros(schema.float_elements, layout.compute_dtype(schema))
        return layout.unflatten(floats, np.zeros(schema.integer_elements, np.int64), schema)

    async def run(self, block_seconds: float = 1.0) -> None:
        """Mine blocks until cancelled."""
        await self.chain.run(block_seconds)


@asynccontextmanager
async def open_world(
    manifest: RunManifest, peers: int, *, seed: int, train: Train
) -> AsyncIterator[SimWorld]:
    """A world whose chain runs; start the peers you want. Everything ends with the block."""
    async with trio.open_nursery() as nursery:
        world = SimWorld(manifest, peers, seed, nursery, train)
        nursery.start_soon(world.run)
        yield world
        nursery.cancel_scope.cancel()
