"""What a run's owner and its members do once: deploy, invite, enrol, revoke. Blocking.

Every function opens its own connection, sends, and returns when the transactions are mined. `pause`
waits between two looks at the chain; tests mine a block there.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from swarmp2p.errors import LedgerUnavailableError
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.interface import Member
from swarmp2p.ledger.refusals import rehearse
from swarmp2p.ledger.rpc import RpcClient, hexed, quantity
from swarmp2p.ledger.signer import Signer
from swarmp2p.ledger.transactions import MinedTransaction, Sender
from swarmp2p.ledger.verify import verify_code
from swarmp2p.ledger.views import RegistryReader
from swarmp2p.seams import KeptTransaction

Pause = Callable[[float], None]

DEPLOY_GAS = 8_000_000  # the run takes 3.5 million
CALL_GAS = 2_000_000  # an enrolment with 512 bytes of addresses and eight runs to tell
TRANSFER_GAS = 21_000
MINE_TIMEOUT = 120.0  # seconds
POLL = 0.1  # seconds
DEFAULT_FUNDS = 10**19  # wei: ten ether, thousands of rounds at the development chain's price


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a run contract is built with. Windows are in blocks; see the contract's Settings.

    `commit_blocks` and `exchange_blocks` are first guesses of what a round takes; a window is three
    times the average of what rounds took, at least `lo` and at most `hi`. `registry` has 20 bytes,
    the hashes 32. `min_peers` 0 takes the default, `init_root` of zeros lets only the owner post
    the genesis root, `last_round` 0 means no last round. `topology` is 0 for mesh, 1 for sharded,
    2 for leader.
    """

    registry: bytes
    manifest_hash: bytes
    init_root: bytes
    last_round: int
    min_peers: int
    commit_blocks: int
    exchange_blocks: int
    lo: int
    hi: int
    depth: int
    topology: int = 0


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who may enrol: a 20-byte account and a 32-byte peer key."""

    account: bytes
    peer: bytes


class Desk:
    """One account at one endpoint, for transactions in order. Made by `open_desk`."""

    def __init__(self, rpc: RpcClient, key: bytes | Signer, pause: Pause) -> None:
        self.rpc = rpc
        self.chain_id = quantity(rpc.call("eth_chainId"))
        self.sender = Sender(rpc, key, self.chain_id)
        self._pause = pause
        self._nonce: int | None = None
        self._waiting: list[tuple[str, KeptTransaction]] = []

    def send(self, what: str, to: bytes, data: bytes, *, gas: int, value: int = 0) -> None:
        """Send without waiting, so that many fit in one block."""
        if self._nonce is None:
            self._nonce = self.sender.next_nonce()
        sent = self.sender.send(to, data, gas=gas, value=value, nonce=self._nonce)
        self._nonce += 1
        self._waiting.append((what, sent))

    def finish(self) -> list[MinedTransaction]:
        """Wait for all of them. Raises TransactionRevertedError for the first that failed."""
        done = []
        deadline = time.monotonic() + MINE_TIMEOUT
        for what, sent in self._waiting:
            while (mined := self.sender.mined(sent)) is None:
                if time.monotonic() > deadline:
                    raise LedgerUnavailableError(
                        f"{what} was not mined within {MINE_TIMEOUT:g} s: does the chain at "
                        f"{self.rpc.shown} make blocks?"
                    )
                self._pause(POLL)
            if not mined.succeeded:
                raise self.sender.refusal(what, sent, mined)
            done.append(mined)
        self._waiting.clear()
        return done

    def call(self, name: str, contract: bytes, function: str, *arguments: object) -> int:
        """Call a function of SwarmRun or SwarmRegistry; the block it was mined in.

        Raises TransactionRevertedError; what is refused beforehand costs nothing.
        """
        data = contract_abi(name).call_data(function, *arguments)
        rehearse(self.rpc, self.sender.account, function, contract, data)
        self.send(function, contract, data, gas=CALL_GAS)
        return self.finish()[-1].block

    def deploy(self, name: str, *arguments: object) -> bytes:
        """Deploy SwarmRun or SwarmRegistry; returns its address, its code compared."""
        data = contract_abi(name).creation(*arguments)
        self.send(f"deployment of {name}", b"", data, gas=DEPLOY_GAS)
        contract = self.finish()[-1].contract
        verify_code(self.rpc, contract, name)
        return contract


@contextmanager
def open_desk(url: str, key: bytes | Signer, *, pause: Pause = time.sleep) -> Iterator[Desk]:
    """A desk with a connection of its own."""
    with RpcClient(url) as rpc:
        yield Desk(rpc, key, pause)


def deploy_registry(url: str, owner_key: bytes | Signer, *, pause: Pause = time.sleep) -> bytes:
    """Deploy a registry that the account of `owner_key` owns; returns its address."""
    with open_desk(url, owner_key, pause=pause) as desk:
        return desk.deploy("SwarmRegistry")


def deploy_run(
    url: str, owner_key: bytes | Signer, settings: RunSettings, *, pause: Pause = time.sleep
) -> bytes:
    """Deploy a run and attach it to its registry, which must have the same owner."""
    terms = (
        hexed(settings.registry),
        settings.manifest_hash,
        settings.init_root,
        settings.last_round,
        settings.min_peers,
        settings.commit_blocks,
        settings.exchange_blocks,
        settings.lo,
        settings.hi,
        settings.depth,
        settings.topology,
    )
    with open_desk(url, owner_key, pause=pause) as desk:
        verify_code(desk.rpc, settings.registry, "SwarmRegistry")
        run = desk.deploy("SwarmRun", terms)
        desk.call("SwarmRegistry", settings.registry, "attachRun", hexed(run))
        return run


def post_genesis(
    url: str, owner_key: bytes | Signer, run: bytes, root: bytes, *, pause: Pause = time.sleep
) -> None:
    """Post the root of the initial model as the run's owner."""
    with open_desk(url, owner_key, pause=pause) as desk:
        desk.call("SwarmRun", run, "genesis", root)


def invite(
    url: str,
    owner_key: bytes | Signer,
    registry: bytes,
    invitations: Sequence[Invitation],
    *,
    funds: int = 0,
    pause: Pause = time.sleep,
) -> None:
    """Invite, all in one block if they fit; with `funds` also send each account so much wei."""
    abi = contract_abi("SwarmRegistry")
    with open_desk(url, owner_key, pause=pause) as desk:
        for invitation in invitations:
            account = hexed(invitation.account)
            data = abi.call_data("invite", account, invitation.peer)
            desk.send(f"the invitation of {account}", registry, data, gas=CALL_GAS)
        desk.finish()
        if funds:
            _transfer(desk, [invitation.account for invitation in invitations], funds)


def enrol(
    url: str,
    account: bytes | Signer,
    registry: bytes,
    *,
    peer: bytes,
    key_epoch: int,
    proof: bytes,
    addresses: Sequence[str],
    pause: Pause = time.sleep,
) -> None:
    """Enrol an invited account, by its key or its signer.

    `proof` is the Ed25519 signature by `peer` over crypto.identity.enrol_preimage(...).
    """
    listed = ",".join(addresses)
    with open_desk(url, account, pause=pause) as desk:
        desk.call("SwarmRegistry", registry, "enrol", peer, key_epoch, proof, listed)


def rotate(
    url: str,
    account_key: bytes | Signer,
    registry: bytes,
    *,
    peer: bytes,
    key_epoch: int,
    proof: bytes,
    pause: Pause = time.sleep,
) -> None:
    """Replace a member's key by `peer`, with an epoch above the one of its current key.

    `proof` is as in `enrol`, by the new key.
    """
    with open_desk(url, account_key, pause=pause) as desk:
        desk.call("SwarmRegistry", registry, "rotate", peer, key_epoch, proof)


def revoke(
    url: str, key: bytes | Signer, registry: bytes, index: int, *, pause: Pause = time.sleep
) -> None:
    """Revoke a member, as the owner or as the member itself."""
    with open_desk(url, key, pause=pause) as desk:
        desk.call("SwarmRegistry", registry, "revoke", index)


def fund(
    url: str,
    owner_key: bytes | Signer,
    accounts: Sequence[bytes],
    *,
    wei: int = DEFAULT_FUNDS,
    pause: Pause = time.sleep,
) -> None:
    """Send each account so much wei: on a development chain, for gas."""
    with open_desk(url, owner_key, pause=pause) as desk:
        _transfer(desk, accounts, wei)


def _transfer(desk: Desk, accounts: Sequence[bytes], wei: int) -> None:
    for account in accounts:
        desk.send(f"transfer to {hexed(account)}", account, b"", gas=TRANSFER_GAS, value=wei)
    desk.finish()


def read_members(url: str, registry: bytes) -> tuple[Member, ...]:
    """The members now. One whose proof does not verify shows as revoked when it enrolled."""
    with RpcClient(url) as rpc:
        verify_code(rpc, registry, "SwarmRegistry")
        chain_id = quantity(rpc.call("eth_chainId"))
        head = quantity(rpc.call("eth_blockNumber"))
        return RegistryReader(rpc, chain_id, registry).roll(head).members
