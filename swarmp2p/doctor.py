"""Checks what a node needs and says what to do; behind `swarmp2p doctor`."""

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from swarmp2p.config import SwarmConfig
from swarmp2p.errors import SwarmError
from swarmp2p.launch import open_account, read_identity
from swarmp2p.ledger.finality import Finality
from swarmp2p.ledger.look import read_head, read_view
from swarmp2p.ledger.rpc import redact
from swarmp2p.manifest import RunManifest, read_manifest
from swarmp2p.node.membership import refuse_stranger

Value = TypeVar("Value")


@dataclass(frozen=True)
class Finding:
    """One check: whether it is good, and what was found or what to do."""

    check: str
    ok: bool
    detail: str


def examine(config: Path | None) -> list[Finding]:
    """All checks, in the order in which a node would fail."""
    found = [_python(), _module("libp2p", "apt-get install -y gcc python3-dev libgmp-dev")]
    found.append(_module("eth.vm", "pip install 'swarmp2p[devchain]' (the embedded chain only)"))
    if config is not None:
        found += _site(config)
    return found


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("python", sys.version_info >= (3, 11), f"{version}; 3.11 or newer is needed")


def _module(name: str, remedy: str) -> Finding:
    try:
        importlib.import_module(name)
    except ImportError as error:
        return Finding(name, ok=False, detail=f"{error}; {remedy}")
    return Finding(name, ok=True, detail="found")


def _site(file: Path) -> Iterator[Finding]:
    settings, finding = _try("node.toml", lambda: SwarmConfig.from_toml(file), str(file))
    yield finding
    if settings is None:
        return
    peer, finding = _try("keys", lambda: _peer(settings), "identity and account open")
    yield finding
    manifest, finding = _try("run.toml", lambda: read_manifest(settings.manifest), "valid")
    yield finding
    heads = []
    for url in settings.ledger_urls:
        head, finding = _try("chain", lambda url=url: read_head(url), f"{redact(url)} answers")  # type: ignore[misc] # bound now
        yield finding
        heads.append(head)
    if peer is None or manifest is None or None in heads:
        return
    yield _try("run", lambda: _enrolled(settings, manifest, peer), "enrolled in this run")[1]


def _peer(settings: SwarmConfig) -> bytes:
    """The peer key; the account, or what signs for it, opens too."""
    with open_account(settings):
        return read_identity(settings).public


def _enrolled(settings: SwarmConfig, manifest: RunManifest, peer: bytes) -> bool:
    finality = Finality(manifest.finality)
    refuse_stranger(read_view(settings.ledger_url, settings.contract(), finality), peer)
    return manifest.rounds > 0


def _try(check: str, look: Callable[[], Value], good: str) -> tuple[Value | None, Finding]:
    try:
        return look(), Finding(check, ok=True, detail=good)
    except SwarmError as error:
        return None, Finding(check, ok=False, detail=str(error))
