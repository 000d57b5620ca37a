"""One look at a run from outside: no account, no node. Blocking."""

from collections.abc import Callable
from typing import TypeVar

from swarmp2p.ledger.finality import Finality
from swarmp2p.ledger.interface import ChainView, RunTerms
from swarmp2p.ledger.rpc import RpcClient, quantity
from swarmp2p.ledger.views import RunReader

Seen = TypeVar("Seen")


def read_terms(url: str, run: bytes) -> RunTerms:
    """The terms a run was deployed with. Raises LedgerError or ConfigError (URL)."""
    return _look(url, lambda rpc: RunReader(rpc, run).terms)


def read_view(url: str, run: bytes, finality: Finality = Finality.DEPTH) -> ChainView:
    """The run at its last final block."""

    def look(rpc: RpcClient) -> ChainView:
        reader = RunReader(rpc, run, finality)
        return reader.chain_view(reader.block(reader.final_number()))

    return _look(url, look)


def read_head(url: str) -> tuple[int, int]:
    """(chain id, number of the newest block)."""
    return _look(
        url, lambda rpc: (quantity(rpc.call("eth_chainId")), quantity(rpc.call("eth_blockNumber")))
    )


def _look(url: str, function: Callable[[RpcClient], Seen]) -> Seen:
    rpc = RpcClient(url)
    try:
        return function(rpc)
    finally:
        rpc.close()
