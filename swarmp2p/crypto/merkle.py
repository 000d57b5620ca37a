"""Merkle trees over the chunks of a blob, in the manner of RFC 6962 (spec/07-chunks).

leaf = SHA256(00 || u32be index || u32be length || data), node = SHA256(01 || left || right); a node
without a sibling goes up unchanged.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.registry import MAX_CHUNK_BYTES, MAX_CHUNKS, Code

Buffer = bytes | bytearray | memoryview


def leaf_hash(index: int, data: Buffer) -> bytes:
    """The leaf of chunk `index`. `data` is a C-contiguous buffer; it is not copied."""
    size = data.nbytes if isinstance(data, memoryview) else len(data)
    digest = sha256(b"\x00" + index.to_bytes(4) + size.to_bytes(4))
    digest.update(data)
    return digest.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The parent of two nodes."""
    return sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A tree with all its levels, which gives the root and the proof of every chunk.

    `leaf_hashes` holds 1 to MAX_CHUNKS leaves; else LocalProtocolError.
    """

    __slots__ = ("_levels",)

    def __init__(self, leaf_hashes: Sequence[bytes]) -> None:
        if not 1 <= len(leaf_hashes) <= MAX_CHUNKS:
            raise LocalProtocolError(f"a tree of {len(leaf_hashes)} chunks; 1 to {MAX_CHUNKS}")
        level = list(leaf_hashes)
        self._levels = [level]
        while len(level) > 1:
            above = [node_hash(*level[at : at + 2]) for at in range(0, len(level) - 1, 2)]
            if len(level) % 2:
                above.append(level[-1])
            self._levels.append(above)
            level = above

    def __len__(self) -> int:
        return len(self._levels[0])

    @property
    def root(self) -> bytes:
        """The name of the blob."""
        return self._levels[-1][0]

    def proof(self, index: int) -> tuple[bytes, ...]:
        """Sibling hashes from the leaf upwards. Raises LocalProtocolError for a bad index."""
        if not 0 <= index < len(self):
            raise LocalProtocolError(f"no chunk {index}: the blob has {len(self)}")
        proof = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                proof.append(level[sibling])
            index >>= 1
        return tuple(proof)


def blob_root(chunks: Iterable[Buffer]) -> bytes:
    """The root over `chunks`, in order."""
    return MerkleTree([leaf_hash(index, data) for index, data in enumerate(chunks)]).root


def verify_chunk(root: bytes, count: int, index: int, data: Buffer, proof: Sequence[bytes]) -> None:
    """Raise RemoteProtocolError(BAD_PROOF) unless `data` is chunk `index` of the blob `root`.

    `count` is the blob's number of chunks, known from the schema and never from the peer.
    """
    if not 1 <= count <= MAX_CHUNKS:
        raise LocalProtocolError(f"a blob of {count} chunks; 1 to {MAX_CHUNKS}")
    size = data.nbytes if isinstance(data, memoryview) else len(data)
    # CHUNK-005: an index of the blob; a chunk is never empty.
    if not 0 <= index < count or not 1 <= size <= MAX_CHUNK_BYTES:
        raise _bad_proof(index, f"it has {size} bytes, the blob has {count} chunks")
    # CHUNK-006: the proof has exactly the nodes that the shape of the tree asks for.
    sides = _sides(count, index)
    if len(proof) != len(sides) or any(len(node) != 32 for node in proof):
        raise _bad_proof(index, f"the proof has {len(proof)} nodes; {len(sides)} are expected")
    node = leaf_hash(index, data)
    for sibling, sibling_is_left in zip(proof, sides, strict=True):
        node = node_hash(sibling, node) if sibling_is_left else node_hash(node, sibling)
    if node != root:
        raise _bad_proof(index, f"it does not lead to the root {root.hex():.16}")


def _sides(count: int, index: int) -> list[bool]:
    """Whether each sibling on the way up from leaf `index` of `count` stands on the left."""
    sides = []
    while count > 1:
        if index % 2:
            sides.append(True)
        elif index + 1 < count:
            sides.append(False)
        index, count = index // 2, (count + 1) // 2
    return sides


def _bad_proof(index: int, why: str) -> RemoteProtocolError:
    return RemoteProtocolError(Code.BAD_PROOF, f"chunk {index} is refused: {why}")
