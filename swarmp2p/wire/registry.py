"""Code points and limits of the wire protocol.

GENERATED from spec/registry.toml by `python spec/generate.py`; do not edit.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

SPEC_RELEASE: Final = "0.3"
WIRE_VERSION: Final = 1

# one message each way on every new connection
PROTOCOL_HELLO: Final = "/swarmp2p/hello/1"
# requests for chunks of blobs, replies in order
PROTOCOL_CHUNK: Final = "/swarmp2p/chunk/1"
# gossip topic of a run: this prefix and the domain in 64 lower-case hex digits
TOPIC_ANNOUNCE: Final = "swarmp2p/1/"

# preimage of an envelope's signature
TAG_SIGNATURE: Final = b"swarmp2p-sig-v1\x00"
# the domain of a run
TAG_DOMAIN: Final = b"swarmp2p/v1/domain\x00"
# proof that an enrolling peer holds its key
TAG_ENROL: Final = b"swarmp2p/v1/enrol\x00"
# commitment to an update
TAG_COMMIT: Final = b"swarmp2p/v1/commit\x00"
# first bytes of an encoded model schema
TAG_SCHEMA: Final = b"swarmp2p/v1/schema\x00"
# preimage of a receipt's signature
TAG_RECEIPT: Final = b"swarmp2p/v1/receipt\x00"
# first bytes of a sealed identity key file
TAG_SEALED_KEY: Final = b"swarmp2p/v1/sealed-key\x00"
# first bytes of a sealed archive of a site's keys and guard rows
TAG_KEY_ARCHIVE: Final = b"swarmp2p/v1/key-archive\x00"

# reveals a committed update (gossip)
KIND_UPDATE_MANIFEST: Final = "update-manifest"
# transaction that commits to an update (chain)
KIND_COMMIT: Final = "commit"
# transaction that names the updates a peer holds (chain)
KIND_HAVE: Final = "have"
# transaction that states the merged root (chain)
KIND_ATTEST: Final = "attest"
SLOT_KINDS: Final[frozenset[str]] = frozenset({KIND_UPDATE_MANIFEST, KIND_COMMIT, KIND_HAVE, KIND_ATTEST})
STREAM_KINDS: Final[frozenset[str]] = frozenset()


class Code(IntEnum):
    """Answer codes: 1-63 refused, 64-95 the responder's fault, 96-127 limits."""

    OK = 0  # done
    RETRY = 1  # too early; ask again later; no strike
    NOT_FOUND = 2  # the responder does not hold what was asked for
    MALFORMED = 3  # the bytes do not parse, or a value is outside its bounds
    NOT_CANONICAL = 4  # the value has a shorter or a differently ordered encoding
    UNKNOWN_FIELD = 5  # a closed structure holds a field that the spec does not name
    WRONG_VERSION = 6  # another wire version
    WRONG_DOMAIN = 7  # another run, contract or chain
    BAD_SIGNATURE = 8  # the signature does not verify under the rules of the spec
    NOT_ENROLLED = 9  # the sender is not enrolled, or is revoked or excluded
    NOT_IN_ROSTER = 10  # the sender has no part in this round
    WRONG_ROUND = 11  # not the current round or attempt
    REPLAY = 12  # seen before, or the sequence number did not rise
    EQUIVOCATION = 13  # two valid signatures for one slot over different bodies
    BAD_PROOF = 14  # the chunk does not belong under the root at this index
    BAD_COMMITMENT = 15  # the commitment or weight differs from the chain's
    NON_FINITE = 16  # an update holds a NaN or an infinity
    BAD_SCHEMA = 17  # the schema is unknown, malformed, or not the run's
    UNEXPECTED = 18  # a message that may not come at this point
    INTERNAL = 64  # the responder failed; the asker did nothing wrong
    BUSY = 65  # the responder has no room now; ask another peer or later
    TOO_LARGE = 96  # more bytes than the limit
    TOO_MANY = 97  # more items, levels or requests than the limit
    TIMEOUT = 98  # a deadline passed


DTYPE_CODES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "f16": 1,
        "bf16": 2,
        "f32": 3,
        "f64": 4,
        "i8": 16,
        "i16": 17,
        "i32": 18,
        "i64": 19,
        "u8": 20,
        "u16": 21,
        "u32": 22,
        "u64": 23,
        "bool": 24,
    }
)
FLOAT_DTYPES: Final[frozenset[str]] = frozenset({"f16", "bf16", "f32", "f64"})

# every element little-endian binary32; binary64 if any tensor of the schema is f64
ENCODING_FP32: Final = 1

# the upper 16 bits of each element's binary32, little-endian
ENCODING_BF16: Final = 2

# every element little-endian binary16
ENCODING_FP16: Final = 3

# difference to the base: per block of INT8_BLOCK elements a little-endian binary32 scale, then
# one signed byte per element
ENCODING_INT8: Final = 4

# by their names in a run manifest
ENCODINGS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "fp32": ENCODING_FP32,
        "bf16": ENCODING_BF16,
        "fp16": ENCODING_FP16,
        "int8": ENCODING_INT8,
    }
)

# bytes: holds every control message many times over; a peer with 8 streams can pin only 512 KiB
MAX_CONTROL_FRAME: Final = 65_536

# bytes: u32be total length, the prefix included, so that a length below 5 is always an error
FRAME_PREFIX_BYTES: Final = 4

# nested containers: lists of constants in a run manifest need them all; recursion in a decoder
# stays bounded
MAX_DEPTH: Final = 6

# values, keys included: caps what 64 KiB can inflate to: a byte of input is otherwise an object
# of 50 to 1,000 bytes
MAX_ITEMS: Final = 4_096

# entries: structures are closed and small: 17 fields at most; maps with free names are a page of
# constants
MAX_MAP: Final = 32

# bytes: names only; one length byte
MAX_STR: Final = 255

# bytes: two length bytes; larger data are blobs
MAX_BIN: Final = 65_535

# value: u64 is the widest integer of the profile
MAX_UINT: Final = 18_446_744_073_709_551_615

# bytes: leaves 4 KiB of a 64 KiB gossip RPC for gossip's own fields
MAX_ENVELOPE_BYTES: Final = 61_440

# bytes: names of kinds are short words
MAX_KIND_BYTES: Final = 31

# (kind, recipient) per sender: no kind of this revision is a stream; an experiment needs a few,
# and a sender must not fill memory
MAX_STREAMS_REMEMBERED: Final = 16

# sequence numbers: one durable write pays for this many; a crash skips at most this many
SEQ_BLOCK: Final = 1_000

# bytes: a program's name and version, printable ASCII, shown in logs
MAX_AGENT_BYTES: Final = 64

# ids: advertised once per connection; unknown ones are ignored
MAX_EXTENSIONS: Final = 32

# value: u32
MAX_EXTENSION_ID: Final = 4_294_967_295

# value: ids from 0x200000 up are for experiments and are never assigned
EXTENSION_EXPERIMENTAL: Final = 2_097_152

# entries: a manifest stays within a few hundred bytes
MAX_METRICS: Final = 16

# bytes: a word, shown in tables
MAX_METRIC_NAME_BYTES: Final = 32

# micro-units: 2^63 is zero: the profile has neither negative integers nor floats
METRIC_BIAS: Final = 9_223_372_036_854_775_808

# samples: u32 on the chain; 64 of them add up exactly in binary64
MAX_WEIGHT: Final = 4_294_967_295

# elements: 2^18: 1 MiB in fp32, small enough to try another peer after a bad one, large enough to
# hash at full speed
CHUNK_ELEMENTS: Final = 262_144

# chunks: 2^20 elements, the unit of exact arithmetic and of shards
SEGMENT_CHUNKS: Final = 4

# elements per scale: 64 to a chunk; the scale costs 0.1 % and one outlier coarsens only its own
# 4,096 neighbours
INT8_BLOCK: Final = 4_096

# bytes: 2^18 elements of 8 bytes (binary64 and the integer section)
MAX_CHUNK_BYTES: Final = 2_097_152

# chunks per blob: 8 GiB in fp32; a tree of 256 KiB of leaves and a proof of 13 hashes
MAX_CHUNKS: Final = 8_192

# hashes: log2 of MAX_CHUNKS
MAX_PROOF_NODES: Final = 13

# bytes: what a node takes on unless its operator says otherwise
DEFAULT_MODEL_BYTES: Final = 1_073_741_824

# bytes: 4,096 tensors of rank 4 with names of 40 bytes fit; one chunk
MAX_SCHEMA_BYTES: Final = 262_144

# bytes: a page of settings; one chunk
MAX_RUN_MANIFEST_BYTES: Final = 65_536

# bytes: the longest name of this revision has 25
MAX_RULE_NAME_BYTES: Final = 64

# blocks: 2^20: 12 days of blocks of a second; averages and doublings of it stay far below 64 bits
MAX_WINDOW_BLOCKS: Final = 1_048_576

# tensors: the largest common models have about 1,000
MAX_TENSORS: Final = 4_096

# dimensions: array libraries of every language support it
MAX_RANK: Final = 8

# elements: u32 in the encoded schema; the number of chunks bounds the product
MAX_DIMENSION: Final = 4_294_967_295

# requests per stream: keeps a link with 100 ms of delay busy
MIN_CHUNKS_IN_FLIGHT: Final = 4

# requests per stream: the window a getter starts with
DEFAULT_CHUNKS_IN_FLIGHT: Final = 8

# requests per stream: what a provider must queue; more is refused
MAX_CHUNKS_IN_FLIGHT: Final = 16

# bytes per node: memory of all unfinished chunks together
MAX_BYTES_IN_FLIGHT: Final = 67_108_864

# seconds: the whole of hello, over a slow satellite link
HANDSHAKE_SECONDS: Final = 10

# seconds: an idle peer is found out before the window closes
FIRST_BYTE_SECONDS: Final = 5

# seconds: 2 MiB at the floor rate takes 32 s
CHUNK_SECONDS: Final = 40

# bytes per second: below this another provider is the better choice
FLOOR_BYTES_PER_SECOND: Final = 65_536

# seconds: the rate is measured over this time, so that a pause is not a fault
FLOOR_WINDOW_SECONDS: Final = 10

# peers per run: bitmaps are one EVM word with room to spare; every peer holds every update of a
# mesh
MAX_PEERS: Final = 64

# connections: both sides may dial at once
MAX_CONNECTIONS_PER_PEER: Final = 2

# streams: bounds memory per peer; transfers are pipelined, not parallel
MAX_STREAMS_PER_PEER: Final = 8

# messages per second: an honest peer sends a few per round
CONTROL_MESSAGES_PER_SECOND: Final = 20

# messages: a returning peer may have a backlog
CONTROL_BURST: Final = 100

# strikes: one fault may be an accident
STRIKES_TO_BAN: Final = 5

# seconds: strikes older than this are forgotten
STRIKE_WINDOW_SECONDS: Final = 600

# seconds: long enough to stop harm, short enough to heal by itself; kept over restarts
BAN_SECONDS: Final = 3_600

# bytes: a few multiaddrs, comma separated, on the chain
MAX_ADDRESSES_BYTES: Final = 512

# keys per enrolment: every peer verifies every proof; a key a month for more than a year
MAX_MEMBER_KEYS: Final = 16

# runs per registry: an enrolment notifies each in the same transaction
MAX_ATTACHED_RUNS: Final = 8

# attempts per round: a mesh round with at most f faulty peers seals by the second, an optimistic
# one by the third; then the round is void
MAX_ATTEMPTS: Final = 3

# rounds: a right to object is used once in as many, and a run that doubts its shards is a mesh
# for as many
OBJECTION_ROUNDS: Final = 10

# times: windows double per consecutive void round up to this factor
MAX_VOID_DOUBLING: Final = 16
