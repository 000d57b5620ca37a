"""What the tests of the outbox share."""

from collections.abc import Iterator
from contextlib import contextmanager

from fault_proxy import Forward, Request
from ledger_site import RunSite

from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.rpc import RpcClient
from swarmp2p.ledger.transactions import Sender


@contextmanager
def sender_of(site: RunSite, who: int = 0, url: str | None = None) -> Iterator[Sender]:
    with RpcClient(url or site.url) as rpc:
        yield Sender(rpc, site.parties[who].account_key, site.chain.chain_id)


def call_of(function: str, *arguments: object) -> bytes:
    return contract_abi("SwarmRun").call_data(function, *arguments)


def swallowed(request: Request, _forward: Forward) -> object:
    """A pool that forgets what it took."""
    return "0x" + "00" * 32 if request else None
