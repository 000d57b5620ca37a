"""Three chains behind one face, for the suite that every Ledger adapter passes."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

import pytest
import trio.testing
from ledger_site import GENESIS, MANIFEST, OWNER, RunSite, new_chain, party

from swarmp2p.ledger import deploy
from swarmp2p.ledger.accounts import account_address
from swarmp2p.ledger.anvil import AnvilChain, find_anvil
from swarmp2p.ledger.devchain import CHAIN_ID, OWNER_BALANCE
from swarmp2p.ledger.interface import Ledger
from swarmp2p.sim.contract import ContractTerms, RunContract
from swarmp2p.sim.ledger import MemoryChain, MemoryLedger

TERMS: dict[str, int] = {"commit_blocks": 4, "exchange_blocks": 4, "lo": 2, "hi": 40, "depth": 0}


class World(Protocol):
    """A chain with a run on it, mined by hand; an adapter that waits for a block gets one."""

    def mine(self, blocks: int = 1) -> object: ...
    def peer(self, who: int) -> bytes: ...
    def account(self, who: int) -> bytes: ...
    def open(self, who: int) -> AbstractAsyncContextManager[Ledger]: ...
    def revoke(self, who: int) -> None: ...
    def enrol_unproven(self) -> bytes: ...


class ChainWorld:
    """Our devchain or anvil, through `open_ledger`."""

    def __init__(self, site: RunSite) -> None:
        self.site = site

    def mine(self, blocks: int = 1) -> object:
        return self.site.chain.mine(blocks)

    def peer(self, who: int) -> bytes:
        return self.site.parties[who].identity.public

    def account(self, who: int) -> bytes:
        return self.site.parties[who].account

    def open(self, who: int) -> AbstractAsyncContextManager[Ledger]:
        return self.site.open(who, peer=self.peer(who), chain_id=CHAIN_ID)

    def revoke(self, who: int) -> None:
        site = self.site
        deploy.revoke(site.url, site.parties[who].account_key, site.registry, who, pause=site.pause)

    def enrol_unproven(self) -> bytes:
        stranger = party(99)
        self.site.invite(stranger)
        self.site.enrol(stranger, proof=bytes(64))
        return stranger.identity.public


class PromptChain(MemoryChain):
    """The fake; whoever waits for a block gets one."""

    async def send(self, call: Callable[[RunContract], None]) -> None:
        failed: list[Exception] = []

        async def pool() -> None:
            try:
                await super(PromptChain, self).send(call)
            except Exception as error:  # noqa: BLE001 - raised again, outside the nursery's group
                failed.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pool)
            await trio.testing.wait_all_tasks_blocked()
            self.mine()
        if failed:
            raise failed[0]


class MemoryWorld:
    """The simulator's ledger."""

    def __init__(self, members: int, terms: dict[str, int]) -> None:
        self._peers = [party(n).identity.public for n in range(1, members + 1)]
        deployed = ContractTerms(init_root=GENESIS, **terms)
        self._chain = PromptChain(deployed, self._peers, MANIFEST)

    def mine(self, blocks: int = 1) -> object:
        for _ in range(blocks):
            self._chain.mine()
        return None

    def peer(self, who: int) -> bytes:
        return self._peers[who]

    def account(self, who: int) -> bytes:
        return self._peers[who][:20]

    @asynccontextmanager
    async def open(self, who: int) -> AsyncIterator[Ledger]:
        yield MemoryLedger(self._chain, self._peers[who])

    def revoke(self, who: int) -> None:
        self._chain.mine()
        self._chain.revoke(who)
        self._chain.mine()

    def enrol_unproven(self) -> bytes:
        peer = party(99).identity.public
        self._chain.mine()
        self._chain.enrol(peer)
        # The contract cannot see a wrong proof and counts the member; views show it as revoked.
        newest = self._chain.members[-1]
        self._chain.members[-1] = replace(newest, revoked_block=newest.enrolled_block)
        self._chain.mine()
        return peer


def require_anvil() -> Any:
    """The program, or a skip; where CI runs, npm has brought it, and its absence is a fault."""
    found = find_anvil()
    if found is None:
        why = "there is no anvil: `npm ci` in contracts/, or Foundry's own on PATH, brings it"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return found


def new_anvil(**options: Any) -> AnvilChain:
    options = {"interval": 0, "chain_id": CHAIN_ID, **options}
    return AnvilChain(require_anvil(), {account_address(OWNER): OWNER_BALANCE}, **options)


def new_chain_of(kind: str) -> Any:
    return new_anvil() if kind == "anvil" else new_chain()
