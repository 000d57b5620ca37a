"""Models and updates as the node handles them: parameters <-> chunks, and the run's merge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from swarmp2p.crypto import merkle
from swarmp2p.errors import ConfigError, RemoteProtocolError, StateError
from swarmp2p.manifest import RunManifest
from swarmp2p.merge import layout
from swarmp2p.merge.feedback import encode_int8_update
from swarmp2p.merge.model import Model, decode_model, encode_model
from swarmp2p.merge.next_model import (
    KeptUpdate,
    Recipe,
    first_model,
    next_model,
    verify_update,
)
from swarmp2p.merge.optimisers import optimiser_named
from swarmp2p.merge.rules import rule_named
from swarmp2p.merge.stored import StoredChunks
from swarmp2p.seams import ChunkSource, Store
from swarmp2p.wire.registry import ENCODING_INT8, ENCODINGS
from swarmp2p.wire.tensors import chunk_sizes, model_sizes

Params = Mapping[str, Any]
Chunk = bytes | bytearray | memoryview


@dataclass(frozen=True)
class Blob:
    """Encoded chunks with their Merkle tree."""

    chunks: Sequence[Chunk]
    tree: merkle.MerkleTree

    @property
    def root(self) -> bytes:
        """The tree's root, 32 bytes."""
        return self.tree.root

    def keep(self, store: Store) -> None:
        """Write every chunk with its proof."""
        held = store.chunks(self.root)
        for index, chunk in enumerate(self.chunks):
            if index not in held:
                store.put_chunk(self.root, index, bytes(chunk), self.tree.proof(index))


@dataclass(frozen=True)
class Encoded:
    """An update of our own; `lost` are the float32 chunks of what int8 rounded off, if any."""

    blob: Blob
    lost: Sequence[Chunk] = ()


@dataclass(frozen=True)
class Merged:
    """What a merge gave, for the receipt and the chunk store."""

    blob: Blob
    weights_used: tuple[int, ...]
    coefficients: tuple[float, ...]
    outliers: tuple[int, ...]


class Vectors:
    """The run's schema and encoding, and how its next model is made.

    An *update* has the run's encoding; a *model* is what a seal or genesis names: exact, with the
    server optimiser's state.
    """

    def __init__(self, manifest: RunManifest) -> None:
        """Raises MergeError for a rule or optimiser that this node does not have (ROUND-064)."""
        self._manifest = manifest
        self.schema = manifest.schema
        self.encoding = ENCODINGS[manifest.encoding]
        optimiser = optimiser_named(
            manifest.optimiser, manifest.optimiser_params, layout.compute_dtype(self.schema)
        )
        self._recipe = Recipe(
            schema=self.schema,
            encoding=self.encoding,
            rule=rule_named(manifest.rule, manifest.rule_params),
            integers=manifest.integers,
            optimiser=optimiser,
            uniform=manifest.weights == "uniform",
        )
        self.update_sizes = chunk_sizes(self.schema, self.encoding)
        self.model_sizes = model_sizes(self.schema, optimiser.vectors)

    # -- models --------------------------------------------------------------------------------

    def first_model(self, params: Params) -> Blob:
        """The model to begin a run from: parameters, and a state of zeros (ROUND-003).

        Raises MergeError naming the tensor that does not fit.
        """
        floats, integers = layout.flatten(params, self.schema)
        return self._model_blob(first_model(floats, integers, self._recipe.optimiser))

    def zeros(self) -> Blob:
        """The model of all zeros."""
        zeros = {size: bytes(size) for size in self.model_sizes}
        return _blob([zeros[size] for size in self.model_sizes])

    def load(self, store: ChunkSource, root: bytes) -> dict[str, Any]:
        """The parameters of a model that is held in full: training sees nothing of its state.

        Raises StateError for a chunk that is gone, RemoteProtocolError for no model (CHUNK-022).
        """
        model = self._model(store, root)
        return layout.unflatten(model.floats, model.integers, self.schema)

    def refuse_used(self, store: ChunkSource, root: bytes) -> None:
        """ROUND-003: raise ConfigError where the genesis model's optimiser has begun already."""
        what = f"the run's genesis model {root.hex()}"
        todo = (
            "this node takes no part in the run; its owner has to deploy it again and to post the"
            " root of a model whose optimiser has not begun"
        )
        try:
            model = self._model(store, root)
        except RemoteProtocolError as error:
            raise ConfigError(f"{what} is none: {error}; {todo}") from None
        # ROUND-003: bytes, since -0.0 is a number that equals zero
        first = len(chunk_sizes(self.schema))  # the chunks before are the sections of an update
        chunks = [_kept(store, root, at) for at in range(first, len(self.model_sizes) - 1)]
        state = any(chunk.count(0) != len(chunk) for chunk in chunks)
        if state or model.steps:
            raise ConfigError(
                f"{what} has an optimiser of {model.steps} steps with"
                f" {'a state' if state else 'no state'}; expected 0 steps and a state of zeros;"
                f" {todo}"
            )

    def holds_model(self, store: Store, root: bytes) -> bool:
        """Whether every chunk of the model is kept."""
        return len(store.chunks(root)) == len(self.model_sizes)

    # -- updates -------------------------------------------------------------------------------

    def encode_update(
        self,
        store: ChunkSource,
        base: bytes,
        params: Params,
        residual: Sequence[Chunk] | None = None,
    ) -> Encoded:
        """Parameters in the run's encoding; int8 adds `residual`, an earlier `lost`, to them.

        `base` is the root of the round's base. Raises MergeError naming the tensor that does not
        fit, and StateError where int8 finds a chunk of the base gone.
        """
        floats, integers = layout.flatten(params, self.schema)
        if self.encoding != ENCODING_INT8:
            chunks = layout.encode_chunks(self.schema, floats, integers, self.encoding)
            return Encoded(_blob(chunks))
        load, extra = partial(_kept, store, base), residual.__getitem__ if residual else None
        made = encode_int8_update(self.schema, floats, integers, load, extra)
        return Encoded(_blob(made.chunks), made.lost)

    def holds_update(self, store: Store, root: bytes) -> bool:
        """Whether every chunk of the update is kept."""
        return len(store.chunks(root)) == len(self.update_sizes)

    def can_verify(self, store: Store, base: bytes) -> bool:
        """Whether what `verify` reads beside the update is kept."""
        return self.encoding != ENCODING_INT8 or self.holds_model(store, base)

    def verify(self, store: ChunkSource, root: bytes, base: bytes, name: str) -> None:
        """Refuse a whole update that holds a value no merge takes. Raises RemoteProtocolError.

        `name` is whose it is, for the message. ROUND-021: held means every chunk verified, finite
        and decodable; nothing else refuses. Raises StateError where a chunk is gone.
        """
        update = KeptUpdate(name, partial(_kept, store, root))
        verify_update(self._recipe, update, partial(_kept, store, base))

    def merge(
        self,
        store: ChunkSource,
        base: bytes,
        updates: Sequence[tuple[str, bytes]],
        weights: Sequence[int],
    ) -> Merged:
        """Merge the updates, each (whose, root) in roster order, onto the model under `base`.

        Raises MergeError or RemoteProtocolError, naming whose update and which tensor, where there
        is no merge; StateError where a chunk is gone.
        """
        kept = [KeptUpdate(name, partial(_kept, store, root)) for name, root in updates]
        model, result = next_model(self._recipe, self._model(store, base), kept, weights)
        return Merged(
            self._model_blob(model),
            tuple(result.weights_used),
            tuple(result.coefficients),
            tuple(result.outliers),
        )

    def _model(self, store: ChunkSource, root: bytes) -> Model:
        chunks = StoredChunks(len(self.model_sizes), partial(_kept, store, root))
        return decode_model(self.schema, self._recipe.optimiser, self._manifest.rounds, chunks)

    def _model_blob(self, model: Model) -> Blob:
        rounds = self._manifest.rounds
        return _blob(encode_model(self.schema, model, self._recipe.optimiser, rounds))


def _kept(store: ChunkSource, root: bytes, index: int) -> bytes:
    """A chunk's bytes from the store."""
    kept = store.get_chunk(root, index)
    if kept is None:
        raise StateError(f"chunk {index} of blob {root.hex()[:16]} is gone from the state")
    return kept[0]


def _blob(chunks: Sequence[Chunk]) -> Blob:
    leaves = [merkle.leaf_hash(index, chunk) for index, chunk in enumerate(chunks)]
    return Blob(chunks, merkle.MerkleTree(leaves))
