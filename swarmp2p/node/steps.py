"""Carries out the round machine's steps: commit, exchange, merge, attest.

A guard row is durable before each signature or transaction of a slot; after a crash the stored
body is sent again, so that no slot is ever signed twice with different bodies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from swarmp2p.errors import MergeError, RemoteProtocolError, StateError
from swarmp2p.ledger.interface import Commit
from swarmp2p.node.context import Context, bitmap_of, round_keys
from swarmp2p.node.own_update import OwnUpdate
from swarmp2p.protocol.rounds import (
    Exchange,
    Merge,
    PostAttest,
    PostCommit,
    PostHave,
    PostJoin,
    PostNextAttempt,
    RoundOver,
    Step,
)
from swarmp2p.seams import Slot
from swarmp2p.wire.messages import UpdateManifest

if TYPE_CHECKING:
    from swarmp2p.node.node import Node

MESH_AUX = bytes(32)


@dataclass(frozen=True)
class MergedUpdate:
    """One input of a merge: what opens its commitment, and the weight after the cap."""

    root: bytes
    salt: bytes
    weight_used: int


@dataclass(frozen=True)
class MergedHere:
    """A merge that this node computed."""

    round: int
    root: bytes
    updates: Mapping[bytes, MergedUpdate]
    outliers: tuple[bytes, ...]


class Steps:
    """Executes steps against the chain, the peers and the store."""

    def __init__(self, context: Context, node: "Node") -> None:
        """`node` lends its machine, announcer and exchange."""
        self._c = context
        self._node = node
        self.update: OwnUpdate | None = None
        self._merged: MergedHere | None = None
        self._pulls: dict[bytes, trio.CancelScope] = {}

    def merged_of(self, number: int) -> MergedHere | None:
        """What this node computed for round `number`, if it did."""
        return self._merged if self._merged and self._merged.round == number else None

    def resume(self, number: int, base: bytes) -> bool:
        """Take up the update that the commit slot of round `number` holds; whether there is one."""
        update = self._node.updates.resume(number, base)
        if update is not None:
            self.update = update
        return update is not None

    def _is_own(self, peer: bytes) -> bool:
        """Whether this is the key of our own enrolment in the current round."""
        key = self._node.own_key
        return key is not None and key.peer == peer

    def _is_committed(self, update: OwnUpdate) -> bool:
        """Whether the chain's commit of ours is this update's.

        It is not where keys were restored from a backup without the state that belongs to them.
        """
        view = self._node.view
        mine = view.holder(self._c.me)
        stands = view.round.commits.get(mine.index) if mine else None
        return stands == Commit(update.commitment, update.weight)

    async def take(self, step: Step) -> None:
        """Carry out one step. Raises LedgerError where the chain does not take it."""
        match step:
            case PostCommit():
                await self._commit(step)
            case Exchange():
                await self._exchange(step)
            case Merge():
                self._merge(step)
            case PostAttest():
                await self._attest(step)
            case PostHave():
                await self._have(step)
            case PostNextAttempt():
                await self._c.ledger.next_attempt(step.round, step.attempt)
            case PostJoin():
                await self._c.ledger.join()
            case RoundOver():
                self._round_over(step)

    async def _commit(self, step: PostCommit) -> None:
        update = self.update
        if update is None or update.round != step.round or update.base != step.base:
            # ROUND-012: a guard row that names another base means: abstain.
            self._c.log("abstains", round=step.round, why="the slot is signed for another base")
            return
        await self._c.ledger.commit(step.round, 0, update.commitment, update.weight, update.base)

    async def _exchange(self, step: Exchange) -> None:
        update = self.update
        if update is None or update.round != step.round:
            return
        if not self._is_committed(update):
            # ROUND-012: a second body for a slot never leaves.
            self._c.log("abstains", round=step.round, why="the chain holds another commit of ours")
            self.update = None
            return
        self._node.exchange.hidden.discard(update.root)
        key = self._node.signing_key
        if key is not None and self._node.updates.opens(update):
            self._node.announcer.reveal(step.round, self._node.updates.manifest(update), key.epoch)
        else:  # ID-027: whoever has what our ended key signed passes it on.
            self._c.log("not-revealed", round=step.round, why="committed under an ended key")
        for peer in step.roster:
            self._node.dispatch_pull(peer)
        await self._node.announcer.publish_now()

    async def pull(self, peer: bytes) -> None:
        """Fetch a roster member's update once its manifest is known; then count it as held."""
        source = self._source(peer)
        if source is None or peer in self._pulls:
            return
        base, root = _base_and_root(source)
        number = self._node.view.round.round
        with trio.CancelScope() as scope:
            self._pulls[peer] = scope
            try:
                await self._fetch_whole(peer, root, base)
            except RemoteProtocolError as error:
                self._c.refused("update-unusable", peer, error.code, str(error), round=number)
                return
            finally:
                self._pulls.pop(peer, None)
            self._c.log("update-held", peer=peer.hex(), round=number, root=root.hex())
            self._node.dispatch(self._node.machine.note_held(number, peer))

    def _source(self, peer: bytes) -> "OwnUpdate | UpdateManifest | None":
        """What names the update of a member of the roster."""
        if self._is_own(peer) and self.update is not None:
            return self.update
        return self._node.announcer.manifest_of(peer)

    async def _fetch_whole(self, peer: bytes, root: bytes, base: bytes) -> None:
        """Fetch and check; a chunk that rotted on the disk, also of the base, is fetched again."""
        node, store = self._node, self._c.store
        while True:
            await node.exchange.fetch(
                root, node.vectors.update_sizes, lambda: self._providers(peer)
            )
            if self.update is not None:
                await node.models.fetch(base)
            elif not node.vectors.can_verify(store, base):
                return  # whoever takes no part only passes it on, and judges nothing
            try:
                node.vectors.verify(store, root, base, self._c.name(peer))
            except StateError as error:
                self._c.log("chunk-lost", peer=peer.hex(), root=root.hex(), why=str(error))
            else:
                return

    def _providers(self, owner: bytes) -> list[bytes]:
        """The owner first, then the others of the roster: whoever holds it relays it.

        `owner` is a key of the round; connections are to current keys.
        """
        connected = self._c.transport.peers()
        member = self._node.view.holder(owner)
        owner = member.peer if member else owner
        others = sorted(peer for peer in connected if peer != owner)
        return [owner, *others] if owner in connected else others

    def _merge(self, step: Merge) -> None:
        update = self.update
        if update is None or update.round != step.round:
            return
        found = [self._source(peer) for peer in step.roster]
        sources = [source for source in found if source is not None]
        if len(sources) != len(found):  # Cannot be: held follows an accepted manifest.
            return
        names = [self._c.name(peer) for peer in step.roster]
        updates = [(name, s.root) for name, s in zip(names, sources, strict=True)]
        weights = [s.weight for s in sources]
        try:
            result = self._node.vectors.merge(self._c.store, update.base, updates, weights)
        except (MergeError, RemoteProtocolError) as error:
            # A roster outside the rule's range: nobody attests, and the round ends void.
            self._c.log("merge-refused", round=step.round, why=str(error))
            return
        except StateError as error:
            self._c.log("chunk-lost", round=step.round, why=str(error))
            self._node.machine.note_lost(step.round, step.attempt)
            for peer in step.roster:
                self._node.dispatch_pull(peer)
            return
        result.blob.keep(self._c.store)
        self._merged = MergedHere(
            round=step.round,
            root=result.blob.root,
            updates={
                peer: MergedUpdate(source.root, source.salt, used)
                for peer, source, used in zip(
                    step.roster, sources, result.weights_used, strict=True
                )
            },
            outliers=tuple(step.roster[index] for index in result.outliers),
        )
        self._node.dispatch(
            self._node.machine.note_merged(step.round, step.attempt, result.blob.root)
        )

    async def _attest(self, step: PostAttest) -> None:
        if self.update is None or not self._is_committed(self.update):
            return
        slot = Slot("attest", step.round, step.attempt)
        root = self._c.store.reserve(slot, step.root)
        await self._c.ledger.attest(step.round, step.attempt, root, MESH_AUX)

    async def _have(self, step: PostHave) -> None:
        bitmap = bitmap_of(step.held, self._node.view)
        slot = Slot("have", step.round, step.attempt)
        stored = self._c.store.reserve(slot, bitmap.to_bytes(32, "big"))
        await self._c.ledger.have(step.round, step.attempt, int.from_bytes(stored, "big"))

    def leave_round(self, number: int) -> None:
        """The chain has left round `number`: stop its pulls, forget blobs that are too old.

        ROUND-051: attesting obliges a peer to serve the merged vector until the next round seals
        and the updates it holds, with their bases, for `audit_rounds`.
        """
        for scope in list(self._pulls.values()):
            scope.cancel()
        store, first = self._c.store, number - self._c.manifest.audit_rounds
        store.put(f"blobs/{number}", b"".join(sorted(self._roots())))
        if first <= 1:
            return
        kept = {self._node.view.last_root, self._node.base_root}
        kept |= self._node.updates.residuals.names()
        for one in range(first, number + 1):
            row = store.get(f"blobs/{one}") or b""
            kept |= {row[start : start + 32] for start in range(0, len(row), 32)}
        for root in store.roots() - kept:
            store.drop_blob(root)

    def _roots(self) -> set[bytes]:
        """The blobs of the round in hand."""
        peers = round_keys(self._node.view).values()
        manifests = [self._node.announcer.manifest_of(peer) for peer in peers]
        roots = {manifest.root for manifest in manifests if manifest is not None}
        roots.add(self._node.view.round.base)
        if self.update is not None:
            roots.add(self.update.root)
        if self._merged is not None:
            roots.add(self._merged.root)
        return roots

    def _round_over(self, step: RoundOver) -> None:
        if self.update is not None and self.update.round != step.round:
            return  # A later round is in hand already.
        self._node.exchange.hidden.clear()
        self.update = None
        self._node.round_over()


def _base_and_root(source: OwnUpdate | UpdateManifest) -> tuple[bytes, bytes]:
    base = source.base if isinstance(source, OwnUpdate) else source.base_digest
    return base, source.root
