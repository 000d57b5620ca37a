"""Merkle trees: roots by definition, proofs of every chunk, and refusal of everything else."""

import tracemalloc
from array import array
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmp2p.crypto.merkle import MerkleTree, blob_root, leaf_hash, node_hash, verify_chunk
from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.registry import MAX_CHUNK_BYTES, MAX_CHUNKS, Code

CHUNKS = [bytes([n]) * (n + 1) for n in range(11)]


def root_by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1: split at the largest power of two below the number of leaves."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = root_by_definition(leaves[:split]), root_by_definition(leaves[split:])
    return sha256(b"\x01" + left + right).digest()


def tree_of(count: int) -> tuple[list[bytes], MerkleTree]:
    chunks = [n.to_bytes(2) for n in range(count)]
    return chunks, MerkleTree([leaf_hash(n, data) for n, data in enumerate(chunks)])


def refuse(root: bytes, count: int, index: int, data: bytes, proof: tuple[bytes, ...]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        verify_chunk(root, count, index, data, proof)
    assert caught.value.code == Code.BAD_PROOF


def test_leaf_and_node__are_written_as_the_spec_says() -> None:
    assert leaf_hash(258, b"abc") == sha256(b"\x00\x00\x00\x01\x02\x00\x00\x00\x03abc").digest()
    assert (
        node_hash(bytes(32), bytes(range(32)))
        == sha256(b"\x01" + bytes(32) + bytes(range(32))).digest()
    )


def test_leaf__takes_any_buffer_and_copies_none() -> None:
    numbers = array("d", [1.0, 2.0, 3.0])
    assert leaf_hash(1, memoryview(numbers)) == leaf_hash(1, numbers.tobytes())
    assert leaf_hash(1, bytearray(b"abc")) == leaf_hash(1, b"abc")
    large = memoryview(bytearray(MAX_CHUNK_BYTES))
    tracemalloc.start()
    try:
        leaf_hash(0, large)
        verify_chunk(leaf_hash(0, large), 1, 0, large, ())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize("count", [*range(1, 34), 63, 64, 65, 100])
def test_root_and_proofs__are_those_of_the_definition(count: int) -> None:
    chunks, tree = tree_of(count)
    leaves = [leaf_hash(n, data) for n, data in enumerate(chunks)]
    assert tree.root == root_by_definition(leaves) == blob_root(chunks)
    assert len(tree) == count
    for index, data in enumerate(chunks):
        verify_chunk(tree.root, count, index, data, tree.proof(index))


@settings(deadline=None)
@given(st.integers(1, 200), st.data())
def test_proof__does_not_hold_for_another_index_or_chunk(count: int, data: st.DataObject) -> None:
    chunks, tree = tree_of(count)
    index = data.draw(st.integers(0, count - 1))
    other = data.draw(st.integers(0, count - 1).filter(lambda n: n != index or count == 1))
    if other != index:
        refuse(tree.root, count, other, chunks[index], tree.proof(index))
        refuse(tree.root, count, index, chunks[other], tree.proof(index))
    refuse(tree.root, count, index, chunks[index] + b"\x00", tree.proof(index))


def test_chunk_proof_and_root__with_a_byte_flipped_are_refused() -> None:
    tree = MerkleTree([leaf_hash(n, data) for n, data in enumerate(CHUNKS)])
    for index, data in enumerate(CHUNKS):
        proof = tree.proof(index)
        for at in range(len(data)):
            bad = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            refuse(tree.root, 11, index, bad, proof)
        for level, node in enumerate(proof):
            flipped = (*proof[:level], bytes([node[0] ^ 1]) + node[1:], *proof[level + 1 :])
            refuse(tree.root, 11, index, data, flipped)
        refuse(bytes([tree.root[0] ^ 1]) + tree.root[1:], 11, index, data, proof)


def test_proof__of_another_shape_is_refused() -> None:
    tree = MerkleTree([leaf_hash(n, data) for n, data in enumerate(CHUNKS)])
    proof = tree.proof(3)
    refuse(tree.root, 11, 3, CHUNKS[3], proof[:-1])
    refuse(tree.root, 11, 3, CHUNKS[3], (*proof, bytes(32)))
    refuse(tree.root, 11, 3, CHUNKS[3], (*proof[:-1], proof[-1] + b"\x00"))
    refuse(tree.root, 11, 3, CHUNKS[3], ())
    refuse(tree.root, 4, 3, CHUNKS[3], proof)


def test_an_inner_node__does_not_pass_as_a_chunk() -> None:
    """The first byte of leaves and nodes differs, so a tree cannot be cut short."""
    tree = MerkleTree([leaf_hash(n, data) for n, data in enumerate(CHUNKS[:4])])
    left = node_hash(leaf_hash(0, CHUNKS[0]), leaf_hash(1, CHUNKS[1]))
    right = node_hash(leaf_hash(2, CHUNKS[2]), leaf_hash(3, CHUNKS[3]))
    refuse(tree.root, 1, 0, left + right, ())
    refuse(tree.root, 2, 0, leaf_hash(0, CHUNKS[0]) + leaf_hash(1, CHUNKS[1]), (right,))


@pytest.mark.parametrize("index", [-1, 11, 2**32])
def test_index__outside_the_blob_is_refused(index: int) -> None:
    tree = MerkleTree([leaf_hash(n, data) for n, data in enumerate(CHUNKS)])
    refuse(tree.root, 11, index, CHUNKS[0], tree.proof(0))
    refuse(leaf_hash(0, b"x"), 1, index, b"x", ())
    with pytest.raises(LocalProtocolError):
        tree.proof(index)


def test_chunk__larger_than_the_limit_is_refused() -> None:
    largest = bytes(MAX_CHUNK_BYTES)
    verify_chunk(leaf_hash(0, largest), 1, 0, largest, ())
    beyond = largest + b"\x00"
    refuse(leaf_hash(0, beyond), 1, 0, beyond, ())


def test_number_of_chunks__holds_at_its_edge_and_refuses_beyond() -> None:
    _, tree = tree_of(MAX_CHUNKS)
    assert len(tree.proof(MAX_CHUNKS - 1)) == 13
    verify_chunk(tree.root, MAX_CHUNKS, 5, b"\x00\x05", tree.proof(5))
    for count in (0, MAX_CHUNKS + 1):
        with pytest.raises(LocalProtocolError):
            MerkleTree([bytes(32)] * count)
        with pytest.raises(LocalProtocolError):
            verify_chunk(tree.root, count, 0, b"", ())
    with pytest.raises(LocalProtocolError):
        blob_root([])
