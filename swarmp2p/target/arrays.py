"""Float vectors of the notation <-> NumPy arrays."""

import struct
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from swarmp2p.errors import MergeError
from swarmp2p.merge.terms import Vector
from swarmp2p.target.notation import Output, seeded

Integer = TypeVar("Integer", np.int32, np.int64)

_LONGEST_BITS = 4_096  # elements: longer vectors are told by their SHA-256
_DTYPES: Mapping[str, np.dtype[Any]] = {"f32": np.dtype(np.float32), "f64": np.dtype(np.float64)}
# type: (word, shift of the exponent, its base, everything but the exponent)
_GENERATOR: Mapping[str, tuple[str, int, int, int]] = {
    "f32": ("u4", 23, 120, 0x807FFFFF),
    "f64": ("u8", 52, 1016, 0x800FFFFFFFFFFFFF),
}


def vector_of(given: Any, kind: str) -> Vector:
    """The array of a float vector; `kind` is "f32" or "f64"."""
    if "bits" in given:
        return _from_bits(bytes.fromhex(given["bits"]), kind)
    if "zeros" in given:
        return np.zeros(given["zeros"], _DTYPES[kind])
    if "seed" in given:
        return _generated(given["seed"], given["count"], kind)
    if "set" in given:
        inner, changes = given["set"]
        values = vector_of(inner, kind)
        for index, bits in changes.items():
            values[int(index)] = _from_bits(bytes.fromhex(bits), kind)[0]
        return values
    name = "plus" if "plus" in given else "times"
    inner, bits = given[name]
    operation = np.add if name == "plus" else np.multiply
    operand = _from_bits(bytes.fromhex(bits), kind)[0]
    with np.errstate(all="ignore"):
        changed: Vector = operation(vector_of(inner, kind), operand)
    return changed


def vectors_of(given: Sequence[Any], kind: str) -> list[Vector]:
    """Several float vectors of one type."""
    return [vector_of(one, kind) for one in given]


def _from_bits(data: bytes, kind: str) -> Vector:
    word = _GENERATOR[kind][0]
    words = np.frombuffer(data, f">{word}").astype(word)  # as integers: no NaN is touched
    vector: Vector = words.view(_DTYPES[kind])
    return vector


def _generated(seed: str, count: int, kind: str) -> Vector:
    word, shift, base, kept = _GENERATOR[kind]
    size = _DTYPES[kind].itemsize
    words: npt.NDArray[Any] = np.frombuffer(seeded(seed, count * size), f">{word}").astype(word)
    unsigned = words.dtype.type
    exponents = unsigned(base) + ((words >> unsigned(shift)) & unsigned(7))
    words = (words & unsigned(kept)) | (exponents << unsigned(shift))
    vector: Vector = words.view(_DTYPES[kind])
    return vector


def notation_of_vector(values: Vector) -> Output:
    """A float vector as an output: its bits, or a hash where it is long."""
    word = f"u{values.dtype.itemsize}"
    if values.size > _LONGEST_BITS:
        little = values.view(word).astype(f"<{word}")
        return {"sha256": sha256(little.tobytes()).hexdigest(), "count": values.size}
    return {"bits": values.view(word).astype(f">{word}").tobytes().hex()}


def integers_of(given: Sequence[str]) -> npt.NDArray[np.int64]:
    """int64 from decimal text. Raises MergeError for a number beyond 64 bits."""
    return _numbers(given, np.int64)


def words_of(given: Sequence[str]) -> npt.NDArray[np.int32]:
    """int32 from decimal text. Raises MergeError for a number beyond 32 bits."""
    return _numbers(given, np.int32)


def _numbers(given: Sequence[str], dtype: type[Integer]) -> npt.NDArray[Integer]:
    try:
        return np.array([int(one) for one in given], dtype)
    except OverflowError:
        raise MergeError(f"an integer beyond {np.dtype(dtype)}; no vector holds it") from None


def notation_of_integers(values: npt.NDArray[np.int64]) -> list[str] | Output:
    """Integers as an output: decimal text, or a hash where they are many."""
    if values.size > _LONGEST_BITS:
        return {"sha256": sha256(values.astype("<i8").tobytes()).hexdigest(), "count": values.size}
    return [str(value) for value in values.tolist()]


def double_bits(value: float) -> str:
    """The bits of a binary64, most significant byte first."""
    return struct.pack(">d", value).hex()


def double_of(bits: str) -> float:
    """The binary64 of these bits."""
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    return float(value)
