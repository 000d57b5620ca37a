"""Blobs and Merkle proofs: 07-chunks.md, "Blobs" and "Checking a chunk"."""

import hashlib

import inputs
from refusal import Refusal

MAX_CHUNKS = 8192
MAX_CHUNK_BYTES = 2097152


def leaf(index, chunk):
    head = b"\0" + index.to_bytes(4, "big") + len(chunk).to_bytes(4, "big")
    return hashlib.sha256(head + chunk).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def split(count):
    """k: the largest power of two below the number of leaves."""
    k = 1
    while 2 * k < count:
        k *= 2
    return k


def tree_root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(tree_root(leaves[:k]), tree_root(leaves[k:]))


def tree_proof(leaves, index):
    """The siblings on the way from leaf to root, lowest first."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return tree_proof(leaves[:k], index) + [tree_root(leaves[k:])]
    return tree_proof(leaves[k:], index - k) + [tree_root(leaves[:k])]


def leaves_of(chunks):
    if not 1 <= len(chunks) <= MAX_CHUNKS:
        raise Refusal("REFUSED")
    for chunk in chunks:
        if not 1 <= len(chunk) <= MAX_CHUNK_BYTES:
            raise Refusal("REFUSED")
    return [leaf(index, chunk) for index, chunk in enumerate(chunks)]


def root(chunks):
    return tree_root(leaves_of(chunks))


def proof(chunks, index):
    return tree_proof(leaves_of(chunks), index)


def climb(count, index, start, hashes):
    """The root that a leaf and its proof lead to; the last hash is the sibling at the top."""
    if count == 1:
        if hashes:  # CHUNK-006: a hash too many
            raise Refusal("BAD_PROOF")
        return start
    if not hashes:  # CHUNK-006: a hash too few
        raise Refusal("BAD_PROOF")
    k = split(count)
    if index < k:
        return node(climb(k, index, start, hashes[:-1]), hashes[-1])
    return node(hashes[-1], climb(count - k, index - k, start, hashes[:-1]))


def verify(expected, count, index, data, hashes):
    """Raises BAD_PROOF unless `data` is chunk `index` of `count` under the root `expected`."""
    if not 0 <= index < count:  # CHUNK-005
        raise Refusal("BAD_PROOF")
    if not data:  # CHUNK-005: a chunk of no bytes
        raise Refusal("BAD_PROOF")
    if len(data) > MAX_CHUNK_BYTES:  # no chunk ("Blobs")
        raise Refusal("BAD_PROOF")
    if any(len(sibling) != 32 for sibling in hashes):  # CHUNK-006
        raise Refusal("BAD_PROOF")
    if climb(count, index, leaf(index, data), list(hashes)) != expected:  # CHUNK-006
        raise Refusal("BAD_PROOF")


def op_root(given):
    leaves = leaves_of([inputs.to_bytes(chunk) for chunk in inputs.array(given, "chunks")])
    proofs = [tree_proof(leaves, index) for index in range(len(leaves))]
    return {
        "root": tree_root(leaves).hex(),
        "proofs": [[sibling.hex() for sibling in proof] for proof in proofs],
    }


def op_verify(given):
    hashes = [inputs.to_bytes(sibling) for sibling in inputs.array(given, "proof")]
    data = inputs.to_bytes(inputs.get(given, "data"))
    count, index = inputs.integer(given, "count", 1, MAX_CHUNKS), inputs.integer(given, "index")
    verify(inputs.get_bytes(given, "root", 32), count, index, data, hashes)
    return {}


OPERATIONS = {"blob.root": op_root, "chunk.verify": op_verify}
