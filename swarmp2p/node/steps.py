"""Carries out the round machine's steps: commit, exchange, merge, attest.

A guard row is durable before each signature or transaction of a slot; after a crash the stored
body is sent again, so that no slot is ever signed twice with different bodies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from swarmp2p.crypto import identity
from swarmp2p.errors import MergeError
from swarmp2p.node.context import Context, bitmap_of
from swarmp2p.node.vectors import Blob
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
from swarmp2p.wire import canonical
from swarmp2p.wire.messages import UpdateManifest, metric_value
from swarmp2p.wire.registry import ENCODING_FP32, MAX_METRICS

if TYPE_CHECKING:
    from swarmp2p.node.node import Node

MESH_AUX = bytes(32)


@dataclass(frozen=True)
class OwnUpdate:
    """This node's update of one round, as its commit slot stores it."""

    round: int
    base: bytes
    root: bytes
    salt: bytes
    weight: int
    commitment: bytes
    metrics: tuple[tuple[str, int], ...]

    def body(self) -> bytes:
        """Canonical bytes for the guard row."""
        return canonical.encode(
            {
                "base": self.base,
                "commitment": self.commitment,
                "metrics": [list(pair) for pair in self.metrics],
                "root": self.root,
                "round": self.round,
                "salt": self.salt,
                "weight": self.weight,
            }
        )


def parse_update(body: bytes) -> OwnUpdate:
    """Read back what `OwnUpdate.body` wrote."""
    row = canonical.decode(body)
    return OwnUpdate(
        round=row["round"],
        base=row["base"],
        root=row["root"],
        salt=row["salt"],
        weight=row["weight"],
        commitment=row["commitment"],
        metrics=tuple((name, value) for name, value in row["metrics"]),
    )


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

    def prepare(
        self, number: int, base: bytes, blob: Blob, weight: int, metrics: Mapping[str, float]
    ) -> OwnUpdate:
        """Keep the update's chunks, then reserve the commit slot for it.

        Where an earlier run of this process already reserved the slot, that update is used.
        """
        root = blob.root
        self._node.exchange.hidden.add(root)
        blob.keep(self._c.store)
        salt = self._c.rng.token(32)
        mine = OwnUpdate(
            round=number,
            base=base,
            root=root,
            salt=salt,
            weight=weight,
            commitment=self._commitment(number, base, root, salt),
            metrics=_encode_metrics(metrics),
        )
        stored = parse_update(self._c.store.reserve(Slot("commit", number, 0), mine.body()))
        if stored != mine:
            self._c.log("update-resumed", round=number, root=stored.root.hex())
            self._node.exchange.hidden.add(stored.root)
        return stored

    def _commitment(self, number: int, base: bytes, root: bytes, salt: bytes) -> bytes:
        return identity.commitment(
            self._c.domain,
            number,
            0,
            self._c.me,
            base,
            self._c.manifest.schema.schema_hash,
            root,
            salt,
        )

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
                self._round_over()

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
        self._node.exchange.hidden.discard(update.root)
        manifest = UpdateManifest(
            base_digest=update.base,
            schema_hash=self._c.manifest.schema.schema_hash,
            encoding=ENCODING_FP32,
            root=update.root,
            salt=update.salt,
            weight=update.weight,
            metrics=update.metrics,
        )
        self._node.announcer.reveal(step.round, manifest)
        for peer in step.roster:
            self._node.dispatch_pull(peer)
        await self._node.announcer.publish_now()

    async def pull(self, peer: bytes) -> None:
        """Fetch a roster member's update once its manifest is known; then count it as held."""
        manifest = self._node.announcer.manifest_of(peer)
        facts = self._node.view.round
        if manifest is None or peer == self._c.me or peer in self._pulls:
            return
        number = facts.round
        with trio.CancelScope() as scope:
            self._pulls[peer] = scope
            try:
                await self._node.exchange.fetch(
                    manifest.root,
                    self._node.vectors.sizes,
                    lambda: self._providers(peer),
                )
                self._node.vectors.verify(self._c.store, manifest.root)
            except MergeError as error:
                self._c.log("update-unusable", peer=peer.hex(), round=number, why=str(error))
                return
            finally:
                self._pulls.pop(peer, None)
            self._c.log("update-held", peer=peer.hex(), round=number, root=manifest.root.hex())
            self._node.dispatch(self._node.machine.note_held(number, peer))

    def _providers(self, owner: bytes) -> list[bytes]:
        """The owner first, then the others of the roster: whoever holds it relays it."""
        connected = self._c.transport.peers()
        others = sorted(peer for peer in connected if peer != owner)
        return [owner, *others] if owner in connected else others

    def _merge(self, step: Merge) -> None:
        update = self.update
        if update is None or update.round != step.round:
            return
        sources: list[OwnUpdate | UpdateManifest] = []
        for peer in step.roster:
            source = update if peer == self._c.me else self._node.announcer.manifest_of(peer)
            if source is None:  # Cannot be: held follows an accepted manifest.
                return
            sources.append(source)
        roots, weights = [s.root for s in sources], [s.weight for s in sources]
        try:
            result = self._node.vectors.merge(self._c.store, update.base, roots, weights)
        except MergeError as error:
            # A roster outside the rule's range: nobody attests, and the round ends void.
            self._c.log("merge-refused", round=step.round, why=str(error))
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
        slot = Slot("attest", step.round, step.attempt)
        root = self._c.store.reserve(slot, step.root)
        await self._c.ledger.attest(step.round, step.attempt, root, MESH_AUX)

    async def _have(self, step: PostHave) -> None:
        bitmap = bitmap_of(step.held, self._node.view.members)
        slot = Slot("have", step.round, step.attempt)
        stored = self._c.store.reserve(slot, bitmap.to_bytes(32, "big"))
        await self._c.ledger.have(step.round, step.attempt, int.from_bytes(stored, "big"))

    def leave_round(self, number: int) -> None:
        """The chain has left round `number`: stop its pulls, forget blobs that are too old.

        ROUND-051: attesting obliges a peer to serve the merged vector until the next round seals
        and the updates it holds for `audit_rounds`.
        """
        for scope in list(self._pulls.values()):
            scope.cancel()
        store, keep = self._c.store, self._c.manifest.audit_rounds
        store.put(f"blobs/{number}", b"".join(sorted(self._roots())))
        old = number - keep - 1
        kept = store.get(f"blobs/{old}") if old > 0 else None
        if kept:
            for start in range(0, len(kept), 32):
                root = kept[start : start + 32]
                if root != self._node.view.last_root:
                    store.drop_blob(root)
            store.put(f"blobs/{old}", b"")

    def _roots(self) -> set[bytes]:
        """The blobs of the round in hand."""
        peers = [member.peer for member in self._node.view.members]
        manifests = [self._node.announcer.manifest_of(peer) for peer in peers]
        roots = {manifest.root for manifest in manifests if manifest is not None}
        if self.update is not None:
            roots.add(self.update.root)
        if self._merged is not None:
            roots.add(self._merged.root)
        return roots

    def _round_over(self) -> None:
        self._node.exchange.hidden.clear()
        self.update = None
        self._node.round_over()


def _encode_metrics(metrics: Mapping[str, float]) -> tuple[tuple[str, int], ...]:
    """The first 16 by name, as the announcement carries them."""
    return tuple(
        (name, metric_value(value)) for name, value in sorted(metrics.items())[:MAX_METRICS]
    )
