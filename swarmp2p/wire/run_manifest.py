"""The run manifest as it is hashed: what all peers of a run agree on (spec/08-rounds).

Constants in `merge_params`, `optimiser_params` and `options` stand in wire form: text, bool, int,
dicts of constants, `["f64", bits]`, `["neg", magnitude]`, `["list", items]`; `pack_constant` and
`unpack_constant` turn them into plain Python and back.
"""

import struct
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from swarmp2p.errors import LocalProtocolError, RemoteProtocolError
from swarmp2p.wire import canonical
from swarmp2p.wire.fields import Fields, shown
from swarmp2p.wire.registry import (
    ENCODINGS,
    MAX_MAP,
    MAX_PEERS,
    MAX_RULE_NAME_BYTES,
    MAX_RUN_MANIFEST_BYTES,
    MAX_STR,
    MAX_UINT,
    MAX_WINDOW_BLOCKS,
    Code,
)

VERSION = 3
TOPOLOGIES = ("mesh",)  # by their numbers on the chain
FINALITIES = ("depth", "finalized")
PRIVACIES = ("robust",)
INITS = ("zeros", "genesis")
WEIGHTS = ("declared", "uniform")
INTEGERS = ("max", "min", "median", "base")
_U32 = 2**32 - 1
_KEYS = (
    "audit_rounds",
    "checks",
    "encoding",
    "finality",
    "init",
    "merge",
    "min_peers",
    "name",
    "options",
    "privacy",
    "rounds",
    "schema",
    "sync_every",
    "topology",
    "version",
    "weights",
    "windows",
)


@dataclass(frozen=True, slots=True)
class Windows:
    """Lengths in blocks: first guesses for COMMIT and EXCHANGE, bounds, depth of finality."""

    commit: int
    depth: int
    exchange: int
    hi: int
    lo: int


@dataclass(frozen=True, slots=True)
class WireRunManifest:
    """One run's terms; the fields are those of the table in spec/08-rounds."""

    audit_rounds: int
    checks: int
    encoding: str
    finality: str
    init: str
    merge_rule: str
    min_peers: int
    name: str
    privacy: str
    rounds: int
    schema: bytes  # schema hash, 32 bytes
    sync_every: int
    topology: str
    weights: str
    windows: Windows
    integers: str = "max"  # the rule of the integer section
    merge_params: dict[str, Any] = field(default_factory=dict)
    optimiser: str = "none"
    optimiser_params: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def encode_run_manifest(manifest: WireRunManifest) -> bytes:
    """Canonical bytes. Raises LocalProtocolError for whatever a decoder would refuse."""
    windows = manifest.windows
    data = canonical.encode(
        {
            "audit_rounds": manifest.audit_rounds,
            "checks": manifest.checks,
            "encoding": manifest.encoding,
            "finality": manifest.finality,
            "init": manifest.init,
            "merge": {
                "integers": manifest.integers,
                "optimiser": {"name": manifest.optimiser, "params": manifest.optimiser_params},
                "params": manifest.merge_params,
                "rule": manifest.merge_rule,
            },
            "min_peers": manifest.min_peers,
            "name": manifest.name,
            "options": manifest.options,
            "privacy": manifest.privacy,
            "rounds": manifest.rounds,
            "schema": manifest.schema,
            "sync_every": manifest.sync_every,
            "topology": manifest.topology,
            "version": VERSION,
            "weights": manifest.weights,
            "windows": {
                "commit": windows.commit,
                "depth": windows.depth,
                "exchange": windows.exchange,
                "hi": windows.hi,
                "lo": windows.lo,
            },
        },
        max_bytes=MAX_RUN_MANIFEST_BYTES,
    )
    try:
        decode_run_manifest(data)
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"not a run manifest: {error}") from error
    return data


def decode_run_manifest(data: bytes) -> WireRunManifest:
    """Read a run manifest.

    Raises RemoteProtocolError: those of canonical.decode, UNKNOWN_FIELD, WRONG_VERSION, MALFORMED.
    """
    value = canonical.decode(data, max_bytes=MAX_RUN_MANIFEST_BYTES)
    _check_version(value)
    fields = Fields(value, "run manifest", _KEYS)
    audit_rounds = fields.uint("audit_rounds", 0, _U32)
    checks = fields.uint("checks", 0, MAX_PEERS)
    encoding, finality = fields.choice("encoding", ENCODINGS), fields.choice("finality", FINALITIES)
    init = fields.choice("init", INITS)
    merge = _merge(fields.value("merge"))
    min_peers = fields.uint("min_peers", 0, MAX_PEERS)
    if min_peers == 1:
        raise RemoteProtocolError(Code.MALFORMED, "run manifest: min_peers is 1; 0, or 2 and more")
    name = fields.text("name", 1, MAX_STR)
    options = _constants(fields, "options", "options")
    privacy, rounds = fields.choice("privacy", PRIVACIES), fields.uint("rounds", 1, _U32)
    schema, sync_every = fields.hash("schema"), fields.uint("sync_every", 1, _U32)
    topology, weights = fields.choice("topology", TOPOLOGIES), fields.choice("weights", WEIGHTS)
    return WireRunManifest(
        audit_rounds=audit_rounds,
        checks=checks,
        encoding=encoding,
        finality=finality,
        init=init,
        **merge,
        min_peers=min_peers,
        name=name,
        options=options,
        privacy=privacy,
        rounds=rounds,
        schema=schema,
        sync_every=sync_every,
        topology=topology,
        weights=weights,
        windows=_windows(fields.value("windows")),
    )


def pack_constant(value: Any) -> Any:
    """Plain Python in wire form: floats, negative integers and lists become tagged arrays."""
    if isinstance(value, float):
        return ["f64", struct.unpack(">Q", struct.pack(">d", value))[0]]
    if isinstance(value, int) and not isinstance(value, bool) and value < 0:
        return ["neg", -value]
    if isinstance(value, list):
        return ["list", [pack_constant(item) for item in value]]
    if isinstance(value, dict):
        return {key: pack_constant(item) for key, item in value.items()}
    return value


def unpack_constant(value: Any) -> Any:
    """The inverse of pack_constant for what decode_run_manifest has accepted."""
    if isinstance(value, dict):
        return {key: unpack_constant(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    tag, content = value
    if tag == "f64":
        return _binary64(content)
    if tag == "neg":
        return -content
    return [unpack_constant(item) for item in content]


def _check_version(value: Any) -> None:
    # ROUND-065: the version is looked for before the fields, which another version may change.
    version = value.get("version") if type(value) is dict else None
    if type(version) is not int:
        raise RemoteProtocolError(Code.MALFORMED, "run manifest: a map with a version is expected")
    if version != VERSION:  # VER-003
        raise RemoteProtocolError(
            Code.WRONG_VERSION, f"run manifest of version {version}; {VERSION} is known"
        )


def _merge(value: Any) -> dict[str, Any]:
    """The map `merge`, by the names of the fields of WireRunManifest."""
    merge = Fields(value, "run manifest: merge", ("integers", "optimiser", "params", "rule"))
    integers = merge.choice("integers", INTEGERS)
    optimiser = Fields(
        merge.value("optimiser"), "run manifest: merge: optimiser", ("name", "params")
    )
    return {
        "integers": integers,
        "optimiser": optimiser.text("name", 1, MAX_RULE_NAME_BYTES),
        "optimiser_params": _constants(optimiser, "params", "the optimiser's params"),
        "merge_params": _constants(merge, "params", "merge params"),
        "merge_rule": merge.text("rule", 1, MAX_RULE_NAME_BYTES),
    }


def _windows(value: Any) -> Windows:
    fields = Fields(value, "run manifest: windows", ("commit", "depth", "exchange", "hi", "lo"))
    windows = Windows(
        commit=fields.uint("commit", 1, MAX_WINDOW_BLOCKS),
        depth=fields.uint("depth", 0, MAX_WINDOW_BLOCKS),
        exchange=fields.uint("exchange", 1, MAX_WINDOW_BLOCKS),
        hi=fields.uint("hi", 1, MAX_WINDOW_BLOCKS),
        lo=fields.uint("lo", 1, MAX_WINDOW_BLOCKS),
    )
    if windows.lo > windows.hi:
        raise RemoteProtocolError(
            Code.MALFORMED, f"run manifest: lo {windows.lo} is above hi {windows.hi}"
        )
    return windows


def _constants(fields: Fields, key: str, where: str) -> dict[str, Any]:
    """A map of constants."""
    found = fields.mapping(key, MAX_MAP)
    _check_constant(found, where)
    return found


def _check_constant(value: Any, where: str) -> None:
    """Refuse what is no constant. The depth is bounded by canonical.decode."""
    if type(value) is dict:
        for item in value.values():
            _check_constant(item, where)
    elif type(value) is list:
        _check_tagged(value, where)
    elif type(value) not in (str, bool, int):
        raise _no_constant(value, where)


def _check_tagged(value: list[Any], where: str) -> None:
    tag, content = value if len(value) == 2 else (None, None)
    if tag == "f64" and type(content) is int and isfinite(_binary64(content)):
        return
    if tag == "neg" and type(content) is int and 1 <= content <= MAX_UINT:
        return
    if tag != "list" or type(content) is not list:
        raise _no_constant(value, where)
    for item in content:
        _check_constant(item, where)


def _no_constant(value: Any, where: str) -> RemoteProtocolError:
    return RemoteProtocolError(Code.MALFORMED, f"run manifest: {where} holds {shown(value)}")


def _binary64(bits: int) -> float:
    number: float = struct.unpack(">d", bits.to_bytes(8))[0]
    return number
