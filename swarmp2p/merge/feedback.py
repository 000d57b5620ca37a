"""Error feedback: what int8 rounds off an update is kept, to be added to the sender's next one.

spec/07-chunks makes it a sender's SHOULD; no one else can tell. Without it, changes that are small
beside the largest of their block are lost again and again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from swarmp2p.errors import MergeError, RemoteProtocolError
from swarmp2p.merge import layout
from swarmp2p.merge.layout import Integers
from swarmp2p.merge.stored import Buffer
from swarmp2p.merge.terms import Vector
from swarmp2p.wire.registry import ENCODING_INT8
from swarmp2p.wire.tensors import Schema

Load = Callable[[int], Buffer]


@dataclass(frozen=True, slots=True)
class Int8Update:
    """An update's chunks, and the float32 chunks of what its rounding lost; none if nothing was."""

    chunks: list[Buffer]
    lost: list[Buffer]


def encode_int8_update(
    schema: Schema, floats: Vector, integers: Integers, base: Load, residual: Load | None
) -> Int8Update:
    """Encode floats + residual as differences to the base.

    `base(index)` gives the bytes of a chunk of the base model's float section, `residual(index)`
    those of a chunk of `lost` from an earlier update. Raises MergeError, naming the tensor, for
    what int8 cannot hold, the residual included.
    """
    layout.check_sections(floats, integers, schema)
    layout.check_finite(floats, schema, "our own parameters")
    lost: Vector = np.empty_like(floats)
    chunks: list[Buffer] = []
    for index, part in enumerate(layout.chunk_slices(floats.size)):
        near = layout.decode_float_chunk(schema, index, base(index), whose="the base")
        wanted = floats[part]
        if residual is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                wanted = wanted + np.frombuffer(residual(index), "<f4")
        chunk = layout.encode_float_chunk(schema, index, wanted, ENCODING_INT8, near)
        chunks.append(chunk)
        try:  # near the largest binary32, what was rounded up may decode to infinity
            layout.decode_float_chunk(schema, index, chunk, ENCODING_INT8, near, out=lost[part])
        except RemoteProtocolError as error:
            raise MergeError(f"our own parameters, in int8: {error}") from None
        np.subtract(wanted, lost[part], out=lost[part])
    kept: list[Buffer] = [*layout.encode_section(lost)] if lost.any() else []
    return Int8Update([*chunks, *layout.encode_section(integers)], kept)
