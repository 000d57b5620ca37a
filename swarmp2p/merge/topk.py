"""EXPERIMENT, no encoding of the protocol: only the largest elements of an update's difference.

No run can ask for it: it has no number in spec/07-chunks and no name in a run manifest, since rules
by rank would merge the base's elements that most sites then send (spec/09-merge, "Extension
points"). It is here to be measured (`benchmarks/compression.py --experimental-top-k SHARE`), and
the node never imports it.

An update is cut into blocks of 4,096 elements; the last may be short. A block of r elements keeps
k = ceil(share * r) of them, as k entries of 6 bytes: the element's place in its block, a
little-endian 16-bit number, strictly rising; then its difference to the base, a little-endian
binary32. An element that is not there is the base's. All sizes follow from length and share.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmp2p.errors import MergeError, RemoteProtocolError
from swarmp2p.merge.codec import Buffer
from swarmp2p.merge.terms import Vector, first_non_finite
from swarmp2p.wire.registry import Code

TOP_K_BLOCK = 4096
_ENTRY = np.dtype([("place", "<u2"), ("difference", "<f4")])


def kept(elements: int, share: float) -> int:
    """How many elements of a block are sent: ceil(share * elements), the product in binary64.

    Raises MergeError for a share that is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise MergeError(f"top-k: the share is {share}; above 0 and at most 1 is expected")
    return math.ceil(share * elements)


def top_k_bytes(elements: int, share: float) -> int:
    """Encoded length in bytes of a vector of so many elements. Raises MergeError as kept()."""
    blocks, rest = divmod(elements, TOP_K_BLOCK)
    return _ENTRY.itemsize * (blocks * kept(TOP_K_BLOCK, share) + kept(rest, share))


def encode_top_k(values: Vector, base: Vector, share: float) -> bytes:
    """Of each block of values - base the elements of largest size; of equal ones the first.

    values, base: 1-D float32 of one length. Raises MergeError for other vectors, a share outside
    its range, and a difference that is not finite.
    """
    _check_pair(values, base)
    entries = np.empty(top_k_bytes(values.size, share) // _ENTRY.itemsize, _ENTRY)
    with np.errstate(over="ignore", invalid="ignore"):
        delta = values - base
        odd = first_non_finite(base + delta)  # what a decoder would make of it
    if odd is not None:
        raise MergeError(
            f"top-k: element {odd} is {values[odd]} and the base's {base[odd]}; a finite "
            "difference is expected"
        )
    for block, mine in _blocks(values.size, share):
        part = delta[block]
        order = np.argsort(-np.abs(part), kind="stable")  # of equal ones the lower place first
        places = np.sort(order[: mine.stop - mine.start])
        entries["place"][mine] = places
        entries["difference"][mine] = part[places]
    return entries.tobytes()


def decode_top_k(data: Buffer, base: Vector, share: float) -> Vector:
    """The update, a float32 copy of the base with its entries added, each sum rounded once.

    Raises RemoteProtocolError: BAD_PROOF for a wrong length, before anything is set aside for it;
    MALFORMED for a place outside its block or not above the one before it; NON_FINITE for NaN,
    infinity, or a sum that is. MergeError for a base or a share that cannot be.
    """
    _check_pair(base, base)
    expected = top_k_bytes(base.size, share)
    if len(data) != expected:
        raise RemoteProtocolError(Code.BAD_PROOF, f"{len(data)} bytes; {expected} are expected")
    entries = np.frombuffer(data, _ENTRY)
    out = base.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for block, mine in _blocks(base.size, share):
            part, places = out[block], entries["place"][mine].astype(np.int64)
            _check_places(places, part.size, block.start)
            part[places] += entries["difference"][mine]
            odd = places[~np.isfinite(part[places])]
            if odd.size:
                raise RemoteProtocolError(
                    Code.NON_FINITE,
                    f"top-k: element {block.start + odd[0]} is {part[odd[0]]}; a finite one is "
                    "expected",
                )
    return out


@dataclass(slots=True)
class ErrorFeedback:
    """What an encoding dropped of one site's updates so far, to be added to its next one.

    left: float32, as long as an update; begins as zeros.
    """

    left: Vector

    def send(self, values: Vector, carry: Callable[[Vector], Vector]) -> Vector:
        """What arrives of values + left. `carry` encodes and decodes; the difference is left."""
        wanted = values + self.left
        arrived = carry(wanted)
        self.left = wanted - arrived
        return arrived


def _blocks(elements: int, share: float) -> Iterator[tuple[slice, slice]]:
    """Each block's elements, and its entries."""
    entry = 0
    for start in range(0, elements, TOP_K_BLOCK):
        stop = min(start + TOP_K_BLOCK, elements)
        count = kept(stop - start, share)
        yield slice(start, stop), slice(entry, entry + count)
        entry += count


def _check_places(places: npt.NDArray[np.int64], size: int, first: int) -> None:
    """Raise RemoteProtocolError unless the places of the block at `first` rise and are in it."""
    # rising, the last is the largest; a block has at least one entry
    if bool((places[1:] <= places[:-1]).any()) or int(places[-1]) >= size:
        raise RemoteProtocolError(
            Code.MALFORMED,
            f"top-k: the places of the block at element {first} do not rise strictly from 0 to at "
            f"most {size - 1}",
        )


def _check_pair(values: Vector, base: Vector) -> None:
    """Raise MergeError unless both are one-dimensional float32 of one length."""
    for vector in (values, base):
        if vector.ndim != 1 or vector.dtype != np.float32:
            raise MergeError(
                f"top-k holds one-dimensional float32, not {vector.dtype}{list(vector.shape)}"
            )
    if values.size != base.size:
        raise MergeError(f"top-k: {values.size} elements and a base of {base.size}")
