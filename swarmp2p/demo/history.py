"""What a demo node leaves behind: one line per round, and its final parameters."""

import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swarmp2p.demo.model import Parameters, initial_params, verify_params
from swarmp2p.errors import ConfigError, StateError

HISTORY = "history.jsonl"
MODEL = "model.npz"
DIGEST = "model.sha256"


@dataclass(frozen=True, slots=True)
class Entry:
    """One round at one node: local loss before the merge, and the parameters held after it."""

    round: int
    loss: float
    params: Parameters


def write_history(path: Path, entries: Iterable[Entry]) -> None:
    """Write the whole history at once, through a temporary file. Raises StateError."""
    _replace(path, b"".join(_line(entry) for entry in entries))


def append_entry(path: Path, entry: Entry) -> None:
    """Add one line. Raises StateError."""
    try:
        with path.open("ab") as file:
            file.write(_line(entry))
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror}") from error


def read_history(path: Path) -> list[Entry]:
    """The entries in the order of rounds, the later line counting where a round stands twice.

    A last line without its newline is left out: the node was stopped while it wrote it. No file is
    an empty history. Raises ConfigError for a whole line that is no entry.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror}") from error
    entries: dict[int, Entry] = {}
    for number, line in enumerate(lines, 1):
        try:
            entry = _entry(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}, line {number}: no entry of a round: {error}") from error
        entries[entry.round] = entry
    return [entries[key] for key in sorted(entries)]


def write_model(path: Path, params: Mapping[str, np.ndarray]) -> None:
    """Write the final parameters as .npz without pickle. Raises StateError."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            fit = verify_params(params)
            np.savez(file, bias=fit["bias"], weight=fit["weight"])  # float32: nothing to pickle
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror}") from error


def write_digest(path: Path, digest: str) -> None:
    """Write the hash that the node computed over its final parameters. Raises StateError."""
    _replace(path, digest.encode() + b"\n")


def read_digest(path: Path) -> str:
    """The hash that a node left, "" where it left none. Raises StateError."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"{path}: cannot be read: {error}") from error


def read_model(path: Path) -> Parameters | None:
    """The final parameters, or None where the node left none. Raises ConfigError for others."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return verify_params({name: archive[name] for name in archive.files})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path}: no model of the demo: {error}") from error


def _line(entry: Entry) -> bytes:
    params = {name: array.tolist() for name, array in sorted(entry.params.items())}
    record = {"round": entry.round, "loss": entry.loss, "params": params}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _entry(record: dict[str, Any]) -> Entry:
    """float32 -> decimal -> float32 gives the same bits: the decimals are those of a float64."""
    dtypes = {name: array.dtype for name, array in initial_params().items()}
    params = {
        name: np.array(values, dtype=dtypes[name]) for name, values in record["params"].items()
    }
    return Entry(int(record["round"]), float(record["loss"]), verify_params(params))


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror}") from error
