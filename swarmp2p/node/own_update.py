"""This node's own update of a round: encoded, kept, its slot reserved, taken up after a crash."""

from collections.abc import Mapping
from dataclasses import dataclass

from swarmp2p.crypto import identity
from swarmp2p.errors import ConfigError, LocalProtocolError, MergeError
from swarmp2p.node.context import Context
from swarmp2p.node.exchange import BlobExchange
from swarmp2p.node.residual import Residuals
from swarmp2p.node.vectors import Encoded, Params, Vectors
from swarmp2p.seams import Slot
from swarmp2p.wire import canonical
from swarmp2p.wire.messages import UpdateManifest, encode_update_manifest, metric_value
from swarmp2p.wire.registry import MAX_METRICS


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


class OwnUpdates:
    """Makes the updates that this node commits to. Nothing of them leaves from here."""

    def __init__(self, context: Context, vectors: Vectors, exchange: BlobExchange) -> None:
        """`exchange` is told which blobs not to serve yet, and which never."""
        self._c = context
        self._vectors = vectors
        self._hidden = exchange.hidden
        self.residuals = Residuals(context, exchange.private)

    def prepare(
        self,
        number: int,
        base: bytes,
        params: Params,
        weight: int | None,
        metrics: Mapping[str, float],
    ) -> OwnUpdate:
        """Keep the update's chunks and what its encoding lost, then reserve the commit slot for it.

        Where an earlier run of this process already reserved the slot, that update is used, with
        what it had lost. Raises ConfigError for a weight or metrics that cannot be sent, MergeError
        for parameters that do not fit, StateError where a chunk of the base is gone.
        """
        weight = 1 if weight is None else weight
        if not 1 <= weight < 2**32:
            raise ConfigError(f"weight is {weight}; expected 1 to 2^32-1")
        stored = self._stored(number)
        if stored is not None:
            self._c.log("update-resumed", round=number, root=stored.root.hex())
            self._hidden.add(stored.root)
            return stored
        made = self._encode(number, base, params)
        try:
            mine = self._own(number, base, made.blob.root, weight, metrics)
        except LocalProtocolError as error:
            raise ConfigError(f"metrics {dict(metrics)}: {error}") from None
        self._hidden.add(mine.root)
        made.blob.keep(self._c.store)
        self.residuals.note(number, mine.commitment, made.lost)
        return parse_update(self._c.store.reserve(Slot("commit", number, 0), mine.body()))

    def _encode(self, number: int, base: bytes, params: Params) -> Encoded:
        store, residual = self._c.store, self.residuals.current(number)
        if residual is None:
            return self._vectors.encode_update(store, base, params)
        try:
            return self._vectors.encode_update(store, base, params, residual)
        except MergeError as error:
            made = self._vectors.encode_update(store, base, params)
            self.residuals.drop(number, str(error))
            return made

    def _own(
        self, number: int, base: bytes, root: bytes, weight: int, metrics: Mapping[str, float]
    ) -> OwnUpdate:
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
        encode_update_manifest(self.manifest(mine))  # What cannot be sent fails here, unsigned.
        return mine

    def resume(self, number: int, base: bytes) -> OwnUpdate | None:
        """The update that the commit slot of round `number` holds, if it can be taken up again."""
        update = self._stored(number)
        if update is None or update.base != base:
            return None
        if not self._vectors.holds_update(self._c.store, update.root):
            return None
        self._c.log("update-resumed", round=number, root=update.root.hex())
        self._hidden.add(update.root)
        return update

    def _stored(self, number: int) -> OwnUpdate | None:
        row = self._c.store.reserved(Slot("commit", number, 0))
        return None if row is None else parse_update(row)

    def manifest(self, update: OwnUpdate) -> UpdateManifest:
        """What the others are told of it."""
        return UpdateManifest(
            base_digest=update.base,
            schema_hash=self._vectors.schema.schema_hash,
            encoding=self._vectors.encoding,
            root=update.root,
            salt=update.salt,
            weight=update.weight,
            metrics=update.metrics,
        )

    def opens(self, update: OwnUpdate) -> bool:
        """Whether our key opens its commitment: one made under a key that has ended nobody can."""
        ours = self._commitment(update.round, update.base, update.root, update.salt)
        return ours == update.commitment

    def _commitment(self, number: int, base: bytes, root: bytes, salt: bytes) -> bytes:
        schema_hash = self._vectors.schema.schema_hash
        return identity.commitment(
            self._c.domain, number, 0, self._c.me, base, schema_hash, root, salt
        )


def _encode_metrics(metrics: Mapping[str, float]) -> tuple[tuple[str, int], ...]:
    """The first 16 by name, as the announcement carries them."""
    return tuple(
        (name, metric_value(value)) for name, value in sorted(metrics.items())[:MAX_METRICS]
    )
