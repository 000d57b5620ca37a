"""Whole nodes over the memory network, on anvil, whose blocks the test makes and replaces."""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import trio
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from ledger_site import Party, RunSite

from swarmp2p.crypto import identity
from swarmp2p.errors import RunError
from swarmp2p.launch import SystemClock
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.anvil import AnvilChain
from swarmp2p.ledger.devchain import CHAIN_ID
from swarmp2p.ledger.ethereum import EthereumLedger
from swarmp2p.ledger.interface import ChainView
from swarmp2p.ledger.rpc import RpcClient
from swarmp2p.manifest import RunManifest
from swarmp2p.node.context import Context
from swarmp2p.node.node import Node
from swarmp2p.sim.network import MemoryNetwork
from swarmp2p.sim.store import MemoryDisk, MemoryStore
from swarmp2p.sim.world import SimRng

BLOCK_SECONDS = 0.02
PATIENCE = 60.0  # seconds for what takes two or three


@dataclass
class LivePeer:
    """One site: its node, its final model, or why it ended."""

    party: Party
    node: Node | None = None
    model: dict[str, Any] | None = None
    failure: BaseException | None = None
    done: trio.Event = field(default_factory=trio.Event)
    log: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    @property
    def key(self) -> bytes:
        return self.party.identity.public


class LiveSwarm:
    """Nodes that run, and a chain that stands still unless the test says otherwise."""

    def __init__(
        self, site: RunSite, manifest: RunManifest, nursery: trio.Nursery, reader: EthereumLedger
    ) -> None:
        """`site` has the run of `manifest` and its members."""
        assert isinstance(site.chain, AnvilChain)
        self.site = site
        self.anvil = site.chain
        self.manifest = manifest
        self.peers = [LivePeer(party) for party in site.parties]
        self.network = MemoryNetwork(nursery)
        self._reader = reader
        self._clock = SystemClock()
        self._domain = identity.domain(CHAIN_ID, site.run, manifest.run_id)
        for peer in self.peers:
            nursery.start_soon(self._live, peer)

    async def _live(self, peer: LivePeer) -> None:
        number = self.peers.index(peer)
        with trio.CancelScope() as scope:
            async with self.site.open(
                number, manifest_hash=self.manifest.run_id, clock=self._clock, poll=0.01
            ) as ledger:
                context = Context(
                    manifest=self.manifest,
                    domain=self._domain,
                    key=peer.party.identity,
                    transport=self.network.host(peer.key),
                    ledger=ledger,
                    store=MemoryStore(MemoryDisk(), self._domain),
                    clock=self._clock,
                    rng=SimRng(hashlib.sha256(f"rng {number}".encode()).digest()),
                    log=lambda event, /, **fields: peer.log.append((event, fields)),
                    poll=0.01,
                )
                peer.node = Node(context)
                try:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(peer.node.run)
                        await peer.node.ready.wait()
                        await self._program(peer, peer.node)
                        await trio.sleep_forever()
                except BaseExceptionGroup as group:
                    ended, rest = group.split(Exception)
                    peer.failure = ended
                    peer.done.set()
                    if rest is not None:
                        raise rest from None
            scope.cancel()

    async def _program(self, peer: LivePeer, node: Node) -> None:
        shapes = self.manifest.schema.tensors
        params: dict[str, Any] = {s.name: np.zeros(s.shape, np.float32) for s in shapes}
        params = await node.start(params)
        try:
            while True:
                shift = np.float32(self.peers.index(peer) + 1)
                trained = {k: (v + shift).astype(np.float32) for k, v in params.items()}
                params, _ = await node.sync(trained)
        except RunError:
            peer.model = await node.finish(params)
            peer.done.set()

    # ---- the chain

    async def newest(self) -> ChainView:
        """The run as of the newest block, final or not."""
        reader = self._reader._reader
        return await trio.to_thread.run_sync(lambda: reader.chain_view(reader.block(reader.head())))

    async def mine_until(self, condition: Callable[[ChainView], object], what: str) -> ChainView:
        """Mine blocks until `condition` holds of the newest one, and not one more."""
        with trio.move_on_after(PATIENCE):
            while not condition(view := await self.newest()):
                await self.mine()
            return view
        raise AssertionError(f"not in {PATIENCE} s: {what}; {self._states()}")

    async def mine(self, blocks: int = 1) -> None:
        """Mine, with time for the nodes to act on each block."""
        for _ in range(blocks):
            await trio.to_thread.run_sync(self.anvil.mine)
            await self._clock.sleep(BLOCK_SECONDS)

    async def seen_by_all(self) -> None:
        """Every living node has acted on the newest block."""
        head = (await self.newest()).block.number
        with trio.fail_after(PATIENCE):
            while any(p.node and p.failure is None and p.node._head < head for p in self.peers):
                await self._clock.sleep(BLOCK_SECONDS)

    async def reorganise(self, blocks: int) -> None:
        """Replace the newest blocks by empty ones; what was posted in them is gone."""
        before = (await self.newest()).block
        await self._rpc("anvil_reorg", blocks, [])
        after = (await self.newest()).block
        assert after.number == before.number
        assert after.hash != before.hash

    async def _rpc(self, method: str, *params: object) -> Any:
        return await trio.to_thread.run_sync(self.anvil.rpc.call, method, *params)

    async def finish(self) -> list[LivePeer]:
        """Mine until every node has its final model or has halted."""
        with trio.move_on_after(PATIENCE):
            while not all(peer.done.is_set() for peer in self.peers):
                await self.mine()
            return self.peers
        raise AssertionError(f"the run did not end in {PATIENCE} s; {self._states()}")

    def _states(self) -> str:
        return "; ".join(
            f"{p.node.machine.state.value if p.node and p.node._view else '?'}"
            f" ({p.node.ledger_trouble if p.node else ''}) {p.log[-3:]}"
            for p in self.peers
        )


class PostWatch:
    """Every transaction that any node broadcasts, by slot: the bodies that were signed for it."""

    def __init__(self) -> None:
        self._abi = contract_abi("SwarmRun")
        self.bodies: dict[tuple[bytes, str, int, int], set[bytes]] = defaultdict(set)
        self.count = 0

    def install(self, monkeypatch: Any) -> "PostWatch":
        call = RpcClient.call

        def watched(rpc: RpcClient, method: str, *params: object) -> Any:
            if method == "eth_sendRawTransaction":
                self.note(str(params[0]))
            return call(rpc, method, *params)

        monkeypatch.setattr(RpcClient, "call", watched)
        return self

    def note(self, raw: str) -> None:
        data = HexBytes(raw)
        fields = TypedTransaction.from_bytes(data).as_dict()
        body = bytes(fields["data"])
        for name in ("commit", "have", "attest"):
            if body[:4] == self._selector(name):
                number, attempt = (int.from_bytes(body[a : a + 32], "big") for a in (4, 36))
                self.count += 1
                self.bodies[self._sender(data), name, number, attempt].add(body)

    def _selector(self, name: str) -> bytes:
        zeros = {"commit": (1, 0, bytes(32), 1, bytes(32)), "have": (1, 0, 0)}
        return bytes(self._abi.call_data(name, *zeros.get(name, (1, 0, bytes(32), bytes(32))))[:4])

    def _sender(self, raw: HexBytes) -> bytes:
        return bytes.fromhex(Account.recover_transaction(raw)[2:])

    def conflicts(self) -> list[tuple[bytes, str, int, int]]:
        return [slot for slot, bodies in self.bodies.items() if len(bodies) > 1]
