"""Inner products as bytes that a peer can check before it trusts another's arithmetic with them.

A *Gram blob* is the products of a run of segments for one stage: segments ascending, in each one
binary64, little-endian, for every pair (k, j), k <= j, ascending by k, then j; 4 n (n+1) bytes per
segment. Equal products give equal bytes: NaN, which an infinite difference of two float32 can lead
to, has the one pattern 7ff8000000000000.
"""

import numpy as np
import numpy.typing as npt

from swarmp2p.errors import MergeError, RemoteProtocolError
from swarmp2p.merge.codec import Buffer
from swarmp2p.merge.gram import MEASURABLE, pairs
from swarmp2p.merge.terms import Doubles
from swarmp2p.wire.registry import MAX_CHUNKS, MAX_PEERS, SEGMENT_CHUNKS, Code

Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

MAX_SEGMENTS = -(-MAX_CHUNKS // SEGMENT_CHUNKS)
_NAN = np.uint64(0x7FF8_0000_0000_0000)


def gram_bytes(segments: int, count: int) -> int:
    """Length of the Gram blob of so many segments of `count` updates."""
    return 8 * segments * (count * (count + 1) // 2)


def encode_gram(products: Doubles) -> bytes:
    """The Gram blob of products [segments, pairs], as shards.shard_products() gives them."""
    return words_of(products).astype("<u8").tobytes()


def words_of(products: Doubles) -> Words:
    """The bits of each product, as in a blob: equal if and only if the products are the same."""
    words: Words = np.ascontiguousarray(products, np.float64).view(np.uint64)
    return np.where(np.isnan(products), _NAN, words)


def decode_gram(data: Buffer, segments: int, count: int) -> Doubles:
    """The products [segments, pairs] of a blob from the network: float64, a copy of its size.

    segments, count: as the reader knows them from schema, shard and roster, never from the sender.
    Taken is what n finite vectors could have given: no -0.0 (a sum that starts at +0.0 never
    is), no NaN but the one above, a square at least 0 or infinite, and |P_kj| <= P_kk + P_jj unless
    one of the two is above 2^1000 or infinite. Such a vector is unmeasured then whatever other
    segments say (MERGE-015), and its infinite and NaN products count as +0.0. So no sum of what is
    taken makes a measured vector's distance infinite or NaN.

    Raises RemoteProtocolError (MALFORMED) for another length and for products that no vectors have;
    MergeError if our caller asks for more than the registry's limits allow.
    """
    if not (0 <= segments <= MAX_SEGMENTS and 1 <= count <= MAX_PEERS):
        raise MergeError(
            f"a Gram blob of {segments} segments of {count} updates; at most {MAX_SEGMENTS} "
            f"segments of 1 to {MAX_PEERS} updates are expected"
        )
    size, expected = memoryview(data).nbytes, gram_bytes(segments, count)
    if size != expected:
        raise RemoteProtocolError(
            Code.MALFORMED,
            f"a Gram blob of {size} bytes; {segments} segments of {count} updates have {expected}",
        )
    words = np.frombuffer(data, "<u8").reshape(segments, len(pairs(count))).astype(np.uint64)
    first = np.array([k for k, _ in pairs(count)])
    second = np.array([j for _, j in pairs(count)])
    products: Doubles = words.view(np.float64)
    for segment in range(segments):
        wrong = _impossible(words[segment], products[segment], first, second)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise RemoteProtocolError(
                Code.MALFORMED,
                f"segment {segment} of a Gram blob: no finite vectors have the product "
                f"{products[segment, at]} of {int(first[at])} and {int(second[at])}",
            )
    return products


def _impossible(
    words: Words, row: Doubles, first: npt.NDArray[np.int_], second: npt.NDArray[np.int_]
) -> Flags:
    """Which products of one segment no finite vectors have."""
    squares = row[first == second]
    wrong: Flags = words == np.uint64(1 << 63)
    with np.errstate(invalid="ignore", over="ignore"):
        bound = squares[first] + squares[second]
        measured = (squares[first] <= MEASURABLE) & (squares[second] <= MEASURABLE)
        wrong |= measured & ~(np.abs(row) <= bound)
        wrong |= (first == second) & ~(row >= 0)
    wrong |= np.isnan(row) & (words != _NAN)
    return wrong
