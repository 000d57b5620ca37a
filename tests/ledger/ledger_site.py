"""A development chain with a run on it, mined by hand: waiting for the chain mines a block."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from swarmp2p.crypto.identity import enrol_preimage
from swarmp2p.crypto.keys import IdentityKey
from swarmp2p.ledger import deploy
from swarmp2p.ledger.accounts import account_address
from swarmp2p.ledger.devchain import OWNER_BALANCE, Chain, DevChain
from swarmp2p.ledger.ethereum import EthereumLedger, open_ledger
from swarmp2p.seams import KeptTransaction, Transactions

OWNER = bytes(31) + b"\x07"
MANIFEST = b"\x11" * 32
GENESIS = b"\x22" * 32
AUX = bytes(32)


class MiningClock:
    """The Clock seam of a test: a block is mined wherever live code would wait for one."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds
        self._chain.mine()
        await trio.lowlevel.checkpoint()


class StillClock:
    """Time passes, and no block comes."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds
        await trio.lowlevel.checkpoint()


@dataclass(frozen=True)
class Party:
    """A member's two keys."""

    identity: IdentityKey
    account_key: bytes

    @property
    def account(self) -> bytes:
        return account_address(self.account_key)


def party(number: int) -> Party:
    return Party(IdentityKey.from_seed(bytes([number]) * 32), bytes(30) + b"\x01" + bytes([number]))


@dataclass
class RunSite:
    """A chain, a registry and a run."""

    chain: Chain
    parties: list[Party]
    registry: bytes = b""
    run: bytes = b""
    settings: deploy.RunSettings = field(
        default_factory=lambda: deploy.RunSettings(
            registry=b"",
            manifest_hash=MANIFEST,
            init_root=GENESIS,
            last_round=0,
            min_peers=0,
            commit_blocks=4,
            exchange_blocks=4,
            lo=2,
            hi=40,
            depth=0,
        )
    )

    @property
    def url(self) -> str:
        return self.chain.url

    def pause(self, _seconds: float) -> None:
        self.chain.mine()

    def place(self, **changes: Any) -> None:
        self.registry = deploy.deploy_registry(self.url, OWNER, pause=self.pause)
        self.settings = replace(self.settings, registry=self.registry, **changes)
        self.run = deploy.deploy_run(self.url, OWNER, self.settings, pause=self.pause)

    def invite(self, *parties: Party, funds: int = deploy.DEFAULT_FUNDS) -> None:
        invitations = [deploy.Invitation(p.account, p.identity.public) for p in parties]
        deploy.invite(self.url, OWNER, self.registry, invitations, funds=funds, pause=self.pause)

    def enrol(self, party: Party, *, proof: bytes | None = None) -> None:
        key = party.identity
        message = enrol_preimage(self.chain.chain_id, self.registry, party.account, key.public, 0)
        deploy.enrol(
            self.url,
            party.account_key,
            self.registry,
            peer=key.public,
            key_epoch=0,
            proof=key.sign(message) if proof is None else proof,
            addresses=["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"],
            pause=self.pause,
        )

    def set_up(self, **changes: Any) -> None:
        self.place(**changes)
        self.invite(*self.parties)
        for member in self.parties:
            self.enrol(member)

    def open(self, who: int | None, **options: Any) -> AbstractAsyncContextManager[EthereumLedger]:
        key = None if who is None else self.parties[who].account_key
        options = {
            "manifest_hash": MANIFEST,
            "clock": MiningClock(self.chain),
            "retry_pause": lambda _seconds: None,
            **options,
        }
        account = options.pop("account", key)
        return open_ledger(options.pop("url", self.url), self.run, account, **options)

    async def open_all(self, stack: AsyncExitStack) -> list[EthereumLedger]:
        everyone = range(len(self.parties))
        return [await stack.enter_async_context(self.open(who)) for who in everyone]


def rows_of(kept: Transactions, site: RunSite, who: int = 0) -> list[KeptTransaction]:
    return kept.rows(site.chain.chain_id, site.parties[who].account)


def new_chain(**options: Any) -> DevChain:
    return DevChain({account_address(OWNER): OWNER_BALANCE}, **{"interval": 0, **options})


SiteMaker = Callable[..., RunSite]
