"""The run manifest (run.toml): what all peers of a run must agree on, and its canonical bytes.

Its hash is the run's id and stands on the chain; no local setting overrides it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from swarmp2p.crypto import identity, merkle
from swarmp2p.errors import ConfigError, LocalProtocolError, MergeError
from swarmp2p.merge.layout import compute_dtype
from swarmp2p.merge.optimisers import optimiser_named
from swarmp2p.merge.rules import rule_named
from swarmp2p.tables import Table, read_table
from swarmp2p.wire.registry import (
    ENCODING_FP32,
    ENCODINGS,
    MAX_PEERS,
    MAX_STR,
    MAX_WINDOW_BLOCKS,
)
from swarmp2p.wire.run_manifest import (
    FINALITIES,
    INITS,
    INTEGERS,
    PRIVACIES,
    TOPOLOGIES,
    WEIGHTS,
    Windows,
    WireRunManifest,
    encode_run_manifest,
    pack_constant,
)
from swarmp2p.wire.tensors import Schema, TensorSpec, model_sizes

AUDIT_ALL = 2**32 - 1
MAX_ROUNDS = 1_000_000
MAX_STEPS = 1_000_000_000
MAX_DEPTH_BLOCKS = 10_000
NO_ROOT = bytes(32)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")  # what TOML takes without quotes
Option = str | int | float | bool | list[Any] | dict[str, Any]


@dataclass(frozen=True)
class RunManifest:
    """One run's terms, as docs/run-manifest.md explains them. Windows and `depth` are in blocks.

    `commit_blocks` and `exchange_blocks` are first guesses of how long it takes to min_peers
    commits and from the roster to the seal; a window is three times the average of what rounds
    took, at least `lo` and at most `hi`. `finality` is "depth" (so many blocks on top make a block
    final) or "finalized" (the chain says which is; `depth` then counts in the windows only).
    `options` are constants for the training program (feature scales, learning rate): strings,
    numbers, booleans, lists and tables of them. `integers` is the rule of integer tensors;
    `optimiser` the server optimiser that takes the merge's result as a step, "none" for none;
    `encoding` that of updates on the wire (a model always has the exact one). `init` is "zeros"
    (all peers begin from zeros, whose root is known beforehand) or "genesis" (the first root that
    the owner posts).
    """

    name: str
    rounds: int
    sync_every: int
    schema: Schema
    rule: str = "cclip"
    rule_params: dict[str, float] = field(default_factory=dict)
    integers: str = "max"
    optimiser: str = "none"
    optimiser_params: dict[str, float] = field(default_factory=dict)
    weights: str = "declared"
    min_peers: int = 0
    topology: str = "mesh"
    encoding: str = "fp32"
    privacy: str = "robust"
    init: str = "zeros"
    finality: str = "depth"
    depth: int = 0
    commit_blocks: int = 20
    exchange_blocks: int = 20
    lo: int = 4
    hi: int = 1200
    audit_rounds: int = 2
    checks: int = 2
    options: dict[str, Option] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Canonical bytes; spec/08-rounds.md lists the fields."""
        return encode_run_manifest(
            WireRunManifest(
                audit_rounds=self.audit_rounds,
                checks=self.checks,
                encoding=self.encoding,
                finality=self.finality,
                init=self.init,
                integers=self.integers,
                optimiser=self.optimiser,
                optimiser_params=pack_constant(self.optimiser_params),
                merge_rule=self.rule,
                merge_params=pack_constant(self.rule_params),
                min_peers=self.min_peers,
                name=self.name,
                options=pack_constant(self.options),
                privacy=self.privacy,
                rounds=self.rounds,
                schema=self.schema.schema_hash,
                sync_every=self.sync_every,
                topology=self.topology,
                weights=self.weights,
                windows=Windows(
                    commit=self.commit_blocks,
                    depth=self.depth,
                    exchange=self.exchange_blocks,
                    hi=self.hi,
                    lo=self.lo,
                ),
            )
        )

    @property
    def topology_number(self) -> int:
        """The topology as the contract's settings name it: 0 is mesh."""
        return TOPOLOGIES.index(self.topology)

    @cached_property
    def run_id(self) -> bytes:
        """The manifest's hash, 32 bytes."""
        return identity.run_id(self.encode())

    @cached_property
    def init_root(self) -> bytes:
        """The genesis root where every peer can compute it, else 32 zero bytes.

        It is that of a model (ROUND-003), the optimiser's state and step count included. Raises
        MergeError and LocalProtocolError for terms that check_manifest refuses.
        """
        if self.init != "zeros":
            return NO_ROOT
        vectors = optimiser_named(self.optimiser, self.optimiser_params).vectors
        return merkle.blob_root(bytes(size) for size in model_sizes(self.schema, vectors))


def read_manifest(path: Path) -> RunManifest:
    """Read and check run.toml. Raises ConfigError with the key and what was expected."""
    table = read_table(path)
    run, merge = table.table("run"), table.table("merge", needed=False)
    windows, model = table.table("windows", needed=False), table.table("model")
    optimiser = table.table("optimiser", needed=False)
    options = table.table("options", needed=False).rest()
    table.end()
    manifest = RunManifest(
        name=run.take("name", str),
        rounds=run.number("rounds", 1, MAX_ROUNDS),
        sync_every=run.number("sync_every", 1, MAX_STEPS),
        weights=run.choice("weights", WEIGHTS, "declared"),
        min_peers=run.number("min_peers", 0, MAX_PEERS, 0),
        topology=run.choice("topology", TOPOLOGIES, "mesh"),
        encoding=run.choice("encoding", tuple(ENCODINGS), "fp32"),
        privacy=run.choice("privacy", PRIVACIES, "robust"),
        finality=run.choice("finality", FINALITIES, "depth"),
        depth=run.number("depth", 0, MAX_DEPTH_BLOCKS, 0),
        audit_rounds=run.number("audit_rounds", 0, AUDIT_ALL, 2),
        checks=run.number("checks", 0, MAX_PEERS, 2),
        rule=merge.take("rule", str, "cclip"),
        integers=merge.choice("integers", INTEGERS, "max"),
        rule_params=_numbers(merge),
        optimiser=optimiser.take("name", str, "none"),
        optimiser_params=_numbers(optimiser),
        init=model.choice("init", INITS, "zeros"),
        commit_blocks=windows.number("commit_blocks", 1, MAX_WINDOW_BLOCKS, 20),
        exchange_blocks=windows.number("exchange_blocks", 1, MAX_WINDOW_BLOCKS, 20),
        lo=windows.number("lo", 1, MAX_WINDOW_BLOCKS, 4),
        hi=windows.number("hi", 1, MAX_WINDOW_BLOCKS, 1200),
        schema=_schema(model),
        options=options,
    )
    for part in (run, windows, model):
        part.end()
    check_manifest(manifest)
    return manifest


def check_manifest(manifest: RunManifest) -> None:
    """Refuse terms that no run could keep. Raises ConfigError."""
    if manifest.lo > manifest.hi:
        raise ConfigError(
            f"run.toml [windows]: 'lo' is {manifest.lo} and 'hi' is {manifest.hi};"
            " expected lo to be at most hi"
        )
    if manifest.min_peers == 1:
        raise ConfigError(
            "run.toml [run]: 'min_peers' is 1, and nobody can check a round of one;"
            " expected 0 (the default), or 2 to 64"
        )
    if not 1 <= len(manifest.name.encode()) <= MAX_STR:
        raise ConfigError(
            f"run.toml [run]: 'name' has {len(manifest.name.encode())} bytes;"
            f" expected 1 to {MAX_STR}"
        )
    _check_encoding(manifest)
    try:
        rule_named(manifest.rule, manifest.rule_params)
    except MergeError as error:
        raise ConfigError(f"run.toml [merge]: {error}") from None
    try:
        optimiser = optimiser_named(
            manifest.optimiser, manifest.optimiser_params, compute_dtype(manifest.schema)
        )
    except MergeError as error:
        raise ConfigError(f"run.toml [optimiser]: {error}") from None
    try:
        model_sizes(manifest.schema, optimiser.vectors)  # CHUNK-021
        manifest.encode()
    except LocalProtocolError as error:
        raise ConfigError(f"run.toml: {error}") from None


def _check_encoding(manifest: RunManifest) -> None:
    """CHUNK-019: nothing but fp32 can hold a binary64."""
    if manifest.encoding not in ENCODINGS:
        raise ConfigError(
            f"run.toml [run]: 'encoding' is {manifest.encoding!r:.80}; expected one of"
            f" {', '.join(ENCODINGS)}"
        )
    doubles = [spec.name for spec in manifest.schema.tensors if spec.dtype == "f64"]
    if doubles and ENCODINGS[manifest.encoding] != ENCODING_FP32:
        raise ConfigError(
            f"run.toml [run]: 'encoding' is {manifest.encoding!r}, which cannot hold tensor"
            f" {doubles[0]!r} of dtype f64 ({len(doubles)} in all); expected fp32, or f32 as the"
            " dtype of every such tensor"
        )


def _numbers(table: Table) -> dict[str, float]:
    """What is left of a table, all of it real numbers."""
    values = table.rest()
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{table.where}: {key!r} is {value!r}; expected a number")
        try:
            values[key] = float(value)
        except OverflowError:
            raise ConfigError(
                f"{table.where}: {key!r} is beyond every binary64; expected a number"
            ) from None
    return values


def _schema(model: Table) -> Schema:
    tensors = []
    for entry in model.take("tensors", list):
        if not isinstance(entry, dict):
            raise ConfigError(f"{model.where}: 'tensors' holds {entry!r}; expected tables")
        row = Table(entry, f"{model.where} tensors")
        shape = row.take("shape", list)
        if not all(isinstance(n, int) and n >= 0 for n in shape):
            raise ConfigError(f"{row.where}: 'shape' is {shape!r}; expected whole numbers")
        tensors.append(
            TensorSpec(
                name=row.take("name", str),
                dtype=row.take("dtype", str, "f32"),
                shape=tuple(shape),
                stat=row.take("stat", bool, default=False),
            )
        )
        row.end()
    try:
        return Schema(tuple(sorted(tensors, key=lambda spec: spec.name)))
    except LocalProtocolError as error:
        raise ConfigError(f"{model.where}: {error}") from None


def example_manifest() -> RunManifest:
    """What `swarmp2p init --run` writes: five rounds of the model in examples/."""
    return RunManifest(
        name="example",
        rounds=5,
        sync_every=10,
        schema=Schema((TensorSpec("bias", "f32", (1,)), TensorSpec("weight", "f32", (3,)))),
        rule="mean",
    )


def format_manifest(manifest: RunManifest) -> str:
    """run.toml for a manifest; reading it back gives the same bytes."""
    lines = [
        "# The run's terms. Its hash is on the chain: all sites need exactly this file.",
        "[run]",
        f"name = {format_value(manifest.name)}",
        f"rounds = {manifest.rounds}            # the last round",
        f"sync_every = {manifest.sync_every}        # local optimiser steps between two merges",
        f'weights = {format_value(manifest.weights)}  # or "uniform"',
        f"min_peers = {manifest.min_peers}          # 0: two thirds of the enrolled, at least 2",
        '# "depth": a block is final under so many others; "finalized": when the chain says so',
        f"finality = {format_value(manifest.finality)}",
        f'depth = {manifest.depth}              # blocks; with "finalized" in the windows only',
        f"audit_rounds = {manifest.audit_rounds}       # rounds whose updates every peer keeps",
        f"topology = {format_value(manifest.topology)}      # everybody computes the whole merge",
        f'encoding = {format_value(manifest.encoding)}    # or "bf16", "fp16", "int8": of updates',
        f"privacy = {format_value(manifest.privacy)}     # members see each other's updates",
        f"checks = {manifest.checks}             # unused in a mesh",
        "",
        "[merge]                  # the rule, and its own constants beside it",
        f"rule = {format_value(manifest.rule)}",
        f'integers = {format_value(manifest.integers)}         # or "min", "median", "base"',
        *_constants(manifest.rule_params),
        "",
        "[optimiser]              # takes the merge as a step; its own constants beside its name",
        f'name = {format_value(manifest.optimiser)}          # or "fedavgm", "nesterov", "fedadam"',
        *_constants(manifest.optimiser_params),
        "",
        "[windows]                # in blocks; three times what rounds took of late, lo to hi",
        f"commit_blocks = {manifest.commit_blocks}       # first guess, opening to min_peers",
        f"exchange_blocks = {manifest.exchange_blocks}     # first guess, from roster to seal",
        f"lo = {manifest.lo}                   # more than the blocks a censor may hold back",
        f"hi = {manifest.hi}                # the most, before doublings",
        "",
        "[options]                # constants for the training program",
        *_constants(manifest.options),
        "",
        "[model]",
        f'init = {format_value(manifest.init)}           # or "genesis": as the owner posts it',
    ]
    for spec in manifest.schema.tensors:
        lines += [
            "",
            "[[model.tensors]]",
            f"name = {format_value(spec.name)}",
            f"dtype = {format_value(spec.dtype)}",
            f"shape = {format_value(list(spec.shape))}",
        ]
        if spec.stat:
            lines.append("stat = true")
    return "\n".join(lines) + "\n"


def _constants(values: Mapping[str, Any]) -> Iterator[str]:
    """A line for each, by name."""
    for key, value in sorted(values.items()):
        name = key if _BARE_KEY.fullmatch(key) else format_value(key)
        yield f"{name} = {format_value(value)}"


def format_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        if any(ord(char) < 0x20 for char in escaped):
            raise ConfigError(f"{value!r} holds control characters; expected plain text")
        return f'"{escaped}"'
    if isinstance(value, dict):
        return (
            "{ "
            + ", ".join(f"{format_value(k)} = {format_value(v)}" for k, v in value.items())
            + " }"
        )
    if isinstance(value, list):
        return "[" + ", ".join(format_value(item) for item in value) + "]"
    return repr(value)
