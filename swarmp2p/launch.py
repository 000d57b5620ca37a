"""Puts a live node together: keys, ledger, store, transport, control socket, receipts, log."""

import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import trio

from swarmp2p.config import SwarmConfig
from swarmp2p.control import serve_control
from swarmp2p.crypto import identity
from swarmp2p.crypto.keys import IdentityKey, Secret
from swarmp2p.errors import ConfigError, StateError
from swarmp2p.ledger.account_lock import lock_directory
from swarmp2p.ledger.accounts import MAX_KEYSTORE, load_account
from swarmp2p.ledger.ethereum import EthereumLedger, open_ledger
from swarmp2p.ledger.finality import Finality
from swarmp2p.ledger.interface import Block
from swarmp2p.ledger.look import read_head
from swarmp2p.ledger.signer import LocalSigner, RemoteSigner, Signer
from swarmp2p.manifest import RunManifest, read_manifest
from swarmp2p.net.host import open_transport
from swarmp2p.node.context import Context
from swarmp2p.node.node import FINAL_BLOCK, Node
from swarmp2p.node.receipts import Receipt
from swarmp2p.passphrase import read_passphrase
from swarmp2p.private import read_private
from swarmp2p.site import SiteKeys, check_terms
from swarmp2p.store.state import open_store


class SystemClock:
    """The Clock seam on trio's clock."""

    def now(self) -> float:
        """Monotonic seconds."""
        return trio.current_time()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await trio.sleep(seconds)


class SystemRng:
    """The Rng seam on the operating system's source."""

    def token(self, size: int) -> bytes:
        """`size` random bytes."""
        return secrets.token_bytes(size)

    def uniform(self) -> float:
        """A float in [0, 1)."""
        return secrets.randbelow(1 << 53) / (1 << 53)


class JsonLog:
    """One JSON object a line, in a file; never keys, never parameters."""

    def __init__(self, path: Path) -> None:
        """Appends to `path`."""
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def __call__(self, event: str, /, **fields: object) -> None:
        """Write a line with the wall-clock time."""
        row = {"at": round(time.time(), 3), "event": event, **fields}
        self._file.write(json.dumps(row, default=str) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_identity(config: SwarmConfig, passphrase: Secret | None = None) -> IdentityKey:
    """Open the identity file, with node.toml's passphrase where none is given.

    Raises ConfigError.
    """
    passphrase = passphrase or read_passphrase(config.passphrase_file)
    blob = read_private(config.identity, MAX_KEYSTORE)
    try:
        return IdentityKey(identity.open_identity(blob, passphrase))
    except ConfigError as error:
        raise ConfigError(f"{config.identity}: {error}") from None


def read_keys(config: SwarmConfig, passphrase: Secret | None = None) -> SiteKeys:
    """Both keys of a site, as read_identity does. Raises ConfigError."""
    if config.signer is not None:
        raise ConfigError(
            "the key of this site's account is kept by its signer, and this command needs the key"
            " itself: node.toml's [keys] has no keystore"
        )
    passphrase = passphrase or read_passphrase(config.passphrase_file)
    account = load_account(config.account, passphrase.reveal().decode())
    return SiteKeys(read_identity(config, passphrase), account)


@contextmanager
def open_account(config: SwarmConfig) -> Iterator[Signer]:
    """What signs for the site's account: its key, or the external signer. Raises ConfigError."""
    if config.signer is None:
        passphrase = read_passphrase(config.passphrase_file)
        yield LocalSigner(load_account(config.account, passphrase.reveal().decode()))
        return
    signer = RemoteSigner(config.signer, config.signer_account)
    try:
        yield signer
    finally:
        signer.close()


def release_account(config: SwarmConfig) -> bytes:
    """Forget that others used the account; the account. Raises StateLockedError while a node runs.

    Raises ConfigError, LedgerUnavailableError.
    """
    chain_id, _head = read_head(config.ledger_url)
    with open_account(config) as signer, open_store(config.state, bytes(32)) as store:
        store.transactions().release(chain_id, signer.account)
        return signer.account


def receipt_writer(config: SwarmConfig) -> Any:
    """Writes `receipts/NAME-RRRR.json` by rename, so that a reader never sees half of one."""

    def write(receipt: Receipt) -> None:
        path = config.receipts / f"{config.name}-{receipt.round:04d}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(receipt.as_json(), indent=1) + "\n", encoding="utf-8")
        part.replace(path)

    return write


def make_directories(config: SwarmConfig) -> None:
    """Create the state and receipt directories. Raises StateError."""
    try:
        config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        config.receipts.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"cannot create {config.state} or {config.receipts}: {error}") from None


@asynccontextmanager
async def open_node(config: SwarmConfig) -> AsyncIterator[Node]:
    """A running node. Raises SwarmError where it cannot start; nothing is left half-written."""
    manifest = read_manifest(config.manifest)
    key = read_identity(config)
    clock, rng = SystemClock(), SystemRng()
    make_directories(config)
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(
            open_ledger(
                config.ledger_urls or config.ledger_url,
                config.contract(),
                stack.enter_context(open_account(config)),
                manifest_hash=manifest.run_id,
                clock=clock,
                peer=key.public,
                finality=Finality(manifest.finality),
                locks=lock_directory(os.environ, config.state / "accounts"),
            )
        )
        terms = await ledger.terms()
        check_terms(terms, manifest)
        domain = identity.domain(terms.chain_id, terms.contract, manifest.run_id)
        store = open_store(config.state, domain)
        kept = store.get(FINAL_BLOCK)
        if kept is not None:
            ledger.remember_final(Block(int.from_bytes(kept[:8], "big"), kept[8:]))
        log = JsonLog(config.state / "node.log")
        try:
            await ledger.recover(store.transactions())
            async with open_transport(
                key.seed.reveal(), config.listen, clock=clock, rng=rng
            ) as transport:
                context = Context(
                    manifest=manifest,
                    domain=domain,
                    key=key,
                    transport=transport,
                    ledger=ledger,
                    store=store,
                    clock=clock,
                    rng=rng,
                    log=log,
                    poll=config.poll,
                    addresses=config.announce,
                    names={**config.labels, key.public: config.name},
                )
                async with _running(
                    Node(context, on_receipt=receipt_writer(config)), config, ledger
                ) as node:
                    yield node
        finally:
            log.close()
            store.close()


@asynccontextmanager
async def _running(node: Node, config: SwarmConfig, ledger: EthereumLedger) -> AsyncIterator[Node]:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if request.get("cmd") == "status":
            endpoints = [health.as_json() for health in ledger.endpoints()]
            return {**node.status(), "endpoints": endpoints, "pid": os.getpid()}
        return {"error": f"unknown command {request.get('cmd')!r}; known: status"}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.run)
        await node.ready.wait()
        nursery.start_soon(serve_control, config.state, answer)
        yield node
        nursery.cancel_scope.cancel()


def manifest_of(config: SwarmConfig) -> RunManifest:
    """The manifest that a node's settings name."""
    return read_manifest(config.manifest)
