"""An account for a command that sends and ends: its key or its signer, and nobody else beside it.

A node that finds a transaction of its account that it does not know signs nothing more. So a
command that sends for a site's account holds the lock that a node of this machine holds, too.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarmp2p.config import SwarmConfig
from swarmp2p.crypto.keys import Secret
from swarmp2p.ledger.account_lock import account_lock, lock_directory
from swarmp2p.ledger.accounts import load_account
from swarmp2p.ledger.rpc import RpcClient, quantity
from swarmp2p.ledger.signer import LocalSigner, RemoteSigner, Signer
from swarmp2p.ledger.views import read_block


@contextmanager
def local_sender(url: str, key: bytes, otherwise: Path) -> Iterator[Signer]:
    """The account of a key of 32 bytes, while no other process of ours sends for it.

    `otherwise` is where the lock lies for users without a home. Raises AccountInUseError,
    LedgerUnavailableError, ConfigError.
    """
    signer = LocalSigner(key)
    with _alone(url, signer.account, otherwise):
        yield signer


@contextmanager
def remote_sender(url: str, signer_url: str, account: bytes, otherwise: Path) -> Iterator[Signer]:
    """An account (20 bytes) whose key an external signer keeps; else as `local_sender`."""
    signer = RemoteSigner(signer_url, account)
    try:
        with _alone(url, account, otherwise):
            yield signer
    finally:
        signer.close()


@contextmanager
def site_sender(config: SwarmConfig, passphrase: Secret | None) -> Iterator[Signer]:
    """A site's account; `passphrase` opens its keystore and is not needed with a signer."""
    url, otherwise = config.ledger_url, config.state / "accounts"
    if config.signer is not None:
        with remote_sender(url, config.signer, config.signer_account, otherwise) as signer:
            yield signer
        return
    words = (passphrase or Secret(b"")).reveal().decode()
    with local_sender(url, load_account(config.account, words), otherwise) as signer:
        yield signer


@contextmanager
def _alone(url: str, account: bytes, otherwise: Path) -> Iterator[None]:
    with RpcClient(url) as rpc:
        chain_id, genesis = quantity(rpc.call("eth_chainId")), read_block(rpc, 0).hash
    with account_lock(lock_directory(os.environ, otherwise), chain_id, genesis, account):
        yield
