"""Model schemas: names, element types and shapes of tensors, their layout in a blob, their hash."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from math import prod

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire.registry import (
    CHUNK_ELEMENTS,
    DTYPE_CODES,
    ENCODING_FP32,
    ENCODING_INT8,
    ENCODINGS,
    FLOAT_DTYPES,
    INT8_BLOCK,
    MAX_CHUNKS,
    MAX_DIMENSION,
    MAX_RANK,
    MAX_SCHEMA_BYTES,
    MAX_STR,
    MAX_TENSORS,
    TAG_SCHEMA,
    Code,
)

_DTYPE_NAMES = {code: name for name, code in DTYPE_CODES.items()}
_INTEGER_BYTES = 8
_SCALE_BYTES = 4  # of each block in int8
_MIN_TENSOR_BYTES = 5  # name length, one letter, dtype, flags, rank


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor: `dtype` is a name of registry.DTYPE_CODES, `shape` holds sizes of at least 1.

    `stat` marks running statistics, which every rule merges by the mean.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    stat: bool = False

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        return prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether the tensor lies in the float section."""
        return self.dtype in FLOAT_DTYPES


@dataclass(frozen=True)
class Schema:
    """All tensors of a model, in name order. Raises LocalProtocolError when out of bounds."""

    tensors: tuple[TensorSpec, ...]

    def __post_init__(self) -> None:
        problem = _problem(self.tensors)
        if problem is not None:
            raise LocalProtocolError(f"schema: {problem}")
        if len(self.encode()) > MAX_SCHEMA_BYTES:
            raise LocalProtocolError(f"schema: longer than {MAX_SCHEMA_BYTES} bytes when encoded")

    def encode(self) -> bytes:
        """Canonical bytes (spec/07-chunks, "Schema")."""
        return self._encoded

    @cached_property
    def _encoded(self) -> bytes:
        parts = [TAG_SCHEMA, len(self.tensors).to_bytes(4)]
        for tensor in self.tensors:
            name = tensor.name.encode()
            parts += [bytes([len(name)]), name]
            parts += [bytes([DTYPE_CODES[tensor.dtype], tensor.stat, len(tensor.shape)])]
            parts += [size.to_bytes(4) for size in tensor.shape]
        return b"".join(parts)

    @cached_property
    def schema_hash(self) -> bytes:
        """The root of the encoded schema as a blob of one chunk, so that it is fetched by it."""
        data = self.encode()
        return sha256(b"\x00" + bytes(4) + len(data).to_bytes(4) + data).digest()

    @cached_property
    def float_elements(self) -> int:
        """Elements of the float section."""
        return sum(tensor.elements for tensor in self.tensors if tensor.is_float)

    @cached_property
    def integer_elements(self) -> int:
        """Elements of the integer section."""
        return sum(tensor.elements for tensor in self.tensors if not tensor.is_float)

    @property
    def compute_dtype(self) -> str:
        """Element type of merge arithmetic and of the fp32 encoding: f64 if any tensor is f64."""
        return "f64" if any(tensor.dtype == "f64" for tensor in self.tensors) else "f32"


def decode_schema(data: bytes) -> Schema:
    """Read an encoded schema. Raises RemoteProtocolError(TOO_LARGE, TOO_MANY or BAD_SCHEMA)."""
    if len(data) > MAX_SCHEMA_BYTES:
        raise RemoteProtocolError(
            Code.TOO_LARGE, f"a schema of {len(data)} bytes; at most {MAX_SCHEMA_BYTES}"
        )
    reader = _Reader(data)
    if reader.take(len(TAG_SCHEMA)) != TAG_SCHEMA:
        raise RemoteProtocolError(Code.BAD_SCHEMA, "the data are no encoded schema")
    count = reader.uint(4)
    if count > MAX_TENSORS:
        raise RemoteProtocolError(Code.TOO_MANY, f"{count} tensors; at most {MAX_TENSORS}")
    if count * _MIN_TENSOR_BYTES > reader.left:
        raise RemoteProtocolError(Code.BAD_SCHEMA, "the schema promises more tensors than it holds")
    tensors = tuple(_read_tensor(reader) for _ in range(count))
    if reader.left:
        raise RemoteProtocolError(Code.BAD_SCHEMA, f"{reader.left} bytes follow the schema")
    problem = _problem(tensors)
    if problem is not None:
        raise RemoteProtocolError(Code.BAD_SCHEMA, f"schema: {problem}")
    return Schema(tensors)


def chunk_sizes(schema: Schema, encoding: int = ENCODING_FP32) -> tuple[int, ...]:
    """Bytes of each chunk of an update blob: the float section's, then the integer section's.

    Raises LocalProtocolError for an unknown encoding, and for one that cannot hold f64 (CHUNK-019).
    """
    if encoding not in ENCODINGS.values():
        raise LocalProtocolError(f"encoding {encoding} is unknown; known are {dict(ENCODINGS)}")
    double = schema.compute_dtype == "f64"
    if double and encoding != ENCODING_FP32:
        raise LocalProtocolError("a schema with an f64 tensor takes the encoding fp32 only")
    return (
        *(_float_bytes(n, encoding, double=double) for n in _chunks(schema.float_elements)),
        *(n * _INTEGER_BYTES for n in _chunks(schema.integer_elements)),
    )


def model_sizes(schema: Schema, vectors: int) -> tuple[int, ...]:
    """Bytes of each chunk of a model blob, which is in the fp32 encoding whatever the run's is.

    `vectors` is the number of state vectors of the run's server optimiser. 0: none, and the model
    has the two sections of an update; else the state vectors follow, each like the float section,
    and a step count in a chunk of its own. Raises LocalProtocolError for a count below 0 and for
    more than MAX_CHUNKS chunks (CHUNK-021).
    """
    if vectors < 0:
        raise LocalProtocolError(f"{vectors} state vectors; 0 or more are expected")
    sizes = chunk_sizes(schema)
    if not vectors:
        return sizes
    state = sizes[: len(_chunks(schema.float_elements))]
    count = len(sizes) + vectors * len(state) + 1  # before a tuple of that length is made
    if count > MAX_CHUNKS:
        raise LocalProtocolError(
            f"a model of {count} chunks, {vectors * len(state) + 1} of them the state of its server"
            f" optimiser; at most {MAX_CHUNKS} are allowed: take an optimiser with fewer state"
            " vectors, none, or a smaller model"
        )
    return (*sizes, *(state * vectors), _INTEGER_BYTES)


def _chunks(elements: int) -> list[int]:
    """How many elements each chunk of a section holds."""
    whole, rest = divmod(elements, CHUNK_ELEMENTS)
    return [CHUNK_ELEMENTS] * whole + ([rest] if rest else [])


def _float_bytes(elements: int, encoding: int, *, double: bool) -> int:
    """Bytes of one chunk of the float section."""
    if encoding == ENCODING_INT8:
        return elements + _SCALE_BYTES * -(-elements // INT8_BLOCK)
    if encoding == ENCODING_FP32:
        return elements * (8 if double else 4)
    return elements * 2


class _Reader:
    """Takes bytes off the front of a schema."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise RemoteProtocolError(Code.BAD_SCHEMA, "the schema ends too early")
        self._position += size
        return self._data[self._position - size : self._position]

    def uint(self, width: int) -> int:
        return int.from_bytes(self.take(width))


def _read_tensor(reader: _Reader) -> TensorSpec:
    try:
        name = reader.take(reader.uint(1)).decode()
    except UnicodeDecodeError:
        raise RemoteProtocolError(Code.BAD_SCHEMA, "a tensor's name is not UTF-8") from None
    dtype, flags, rank = reader.take(3)
    if dtype not in _DTYPE_NAMES or flags > 1 or rank > MAX_RANK:
        raise RemoteProtocolError(
            Code.BAD_SCHEMA, f"tensor {name!r:.80}: dtype {dtype}, flags {flags}, rank {rank}"
        )
    shape = tuple(reader.uint(4) for _ in range(rank))
    return TensorSpec(name, _DTYPE_NAMES[dtype], shape, stat=flags == 1)


def _problem(tensors: Sequence[TensorSpec]) -> str | None:
    """What breaks the bounds of a schema, or None."""
    if not 1 <= len(tensors) <= MAX_TENSORS:
        return f"{len(tensors)} tensors; 1 to {MAX_TENSORS} are allowed"
    for tensor in tensors:
        problem = _tensor_problem(tensor)
        if problem is not None:
            return f"tensor {tensor.name!r:.80}: {problem}"
    names = [tensor.name for tensor in tensors]
    if any(later <= earlier for earlier, later in pairwise(names)):
        return "names are not sorted and unique"
    sections = [sum(t.elements for t in tensors if t.is_float is part) for part in (True, False)]
    chunks = sum(-(-elements // CHUNK_ELEMENTS) for elements in sections)
    if chunks > MAX_CHUNKS:
        return f"{chunks} chunks; at most {MAX_CHUNKS} are allowed"
    return None


def _tensor_problem(tensor: TensorSpec) -> str | None:
    try:
        size = len(tensor.name.encode())
    except UnicodeEncodeError:
        return "the name is not Unicode text"
    if not 1 <= size <= MAX_STR:
        return f"a name of {size} bytes; 1 to {MAX_STR} are allowed"
    if tensor.dtype not in DTYPE_CODES:
        return f"dtype {tensor.dtype!r}; one of {', '.join(DTYPE_CODES)} is expected"
    if tensor.stat and not tensor.is_float:
        return "only float tensors can be running statistics"
    # 1: an empty tensor would make the layout depend on how a library stores nothing.
    if len(tensor.shape) > MAX_RANK or not all(1 <= n <= MAX_DIMENSION for n in tensor.shape):
        return f"shape {tensor.shape}; at most {MAX_RANK} sizes of 1 to {MAX_DIMENSION}"
    return None
