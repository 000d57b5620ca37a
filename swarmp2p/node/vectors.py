"""Models as the node handles them: parameters <-> chunks, and the run's merge over held chunks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarmp2p.crypto import merkle
from swarmp2p.errors import StateError
from swarmp2p.manifest import RunManifest
from swarmp2p.merge import layout, rules
from swarmp2p.merge.integers import merge_integers
from swarmp2p.seams import ChunkSource, Store
from swarmp2p.wire.tensors import chunk_sizes

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Blob:
    """Encoded chunks with their Merkle tree."""

    chunks: Sequence[bytes | memoryview]
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
class Merged:
    """What a merge gave, for the receipt and the chunk store."""

    blob: Blob
    weights_used: tuple[int, ...]
    coefficients: tuple[float, ...]
    outliers: tuple[int, ...]


class Vectors:
    """The run's schema, encoding and merge rule."""

    def __init__(self, manifest: RunManifest) -> None:
        """`manifest` fixes all three."""
        self._manifest = manifest
        self.schema = manifest.schema
        self.sizes = chunk_sizes(manifest.schema)
        self._rule = rules.rule_named(manifest.rule, manifest.rule_params)

    def encode(self, params: Params) -> Blob:
        """Parameters as chunks. Raises MergeError naming the tensor that does not fit."""
        return _blob(layout.encode_chunks(self.schema, *layout.flatten(params, self.schema)))

    def zeros(self) -> Blob:
        """The model of all zeros."""
        return _blob([bytes(size) for size in self.sizes])

    def verify(self, store: ChunkSource, root: bytes) -> None:
        """Refuse a whole blob that holds a value no merge takes. Raises RemoteProtocolError.

        ROUND-021: held means every chunk verified, finite and decodable; nothing else refuses.
        """
        self._vectors(store, root)

    def load(self, store: ChunkSource, root: bytes) -> dict[str, Any]:
        """The parameters of a blob that is held in full. Raises StateError."""
        return layout.unflatten(*self._vectors(store, root), self.schema)

    def held(self, store: Store, root: bytes) -> bool:
        """Whether every chunk of the blob is kept."""
        return len(store.chunks(root)) == len(self.sizes)

    def merge(
        self, store: ChunkSource, base: bytes, roots: Sequence[bytes], weights: Sequence[int]
    ) -> Merged:
        """Merge the updates under `roots` (roster order) onto the model under `base`."""
        floats, _ = self._vectors(store, base)
        updates = [self._vectors(store, root) for root in roots]
        result = rules.merge(
            [update[0] for update in updates],
            floats,
            weights,
            self._rule,
            stat=layout.stat_slices(self.schema),
            uniform=self._manifest.weights == "uniform",
        )
        whole = merge_integers([update[1] for update in updates])
        return Merged(
            _blob(layout.encode_chunks(self.schema, result.vector, whole)),
            tuple(result.weights_used),
            tuple(result.coefficients),
            tuple(result.outliers),
        )

    def _vectors(self, store: ChunkSource, root: bytes) -> tuple[Any, Any]:
        chunks = []
        for index in range(len(self.sizes)):
            kept = store.get_chunk(root, index)
            if kept is None:
                raise StateError(f"chunk {index} of blob {root.hex()[:16]} is gone from the state")
            chunks.append(kept[0])
        return layout.decode_chunks(self.schema, chunks)


def _blob(chunks: Sequence[bytes | memoryview]) -> Blob:
    leaves = [merkle.leaf_hash(index, chunk) for index, chunk in enumerate(chunks)]
    return Blob(chunks, merkle.MerkleTree(leaves))
