"""Which block of a chain is the last final one."""

from enum import StrEnum

from swarmp2p.errors import LedgerUnavailableError
from swarmp2p.ledger.rpc import RpcRefusedError, height
from swarmp2p.ledger.source import Source

METHOD_NOT_FOUND = -32601
_NONE_YET = ("finalized block not found", "unknown block", "header not found", "no finalized")
_TAG_UNKNOWN = (
    "it does not know the block tag 'finalized': use a run with finality = \"depth\", or an "
    "endpoint of a chain that finalizes blocks"
)


class Finality(StrEnum):
    """DEPTH: so many blocks below the newest. FINALIZED: what the chain's consensus says."""

    DEPTH = "depth"
    FINALIZED = "finalized"


def final_number(source: Source, finality: Finality, depth: int) -> int:
    """Number of the last final block; `depth` counts for DEPTH only.

    Raises LedgerUnavailableError, also where the endpoint does not know the tag.
    """
    if finality is Finality.FINALIZED:
        return finalized_number(source)
    return max(0, height(source.call("eth_blockNumber")) - depth)


def finalized_number(source: Source) -> int:
    """The number behind the tag `finalized`; 0 before the chain has finalized a block."""
    try:
        block = source.call("eth_getBlockByNumber", "finalized", False)  # noqa: FBT003 - the API's shape
    except RpcRefusedError as error:
        # geth answers with an error until the first block is finalized. Any other refusal is a
        # client that does not know the tag, and must not look like a chain that stands still.
        if any(text in str(error).lower() for text in _NONE_YET):
            return 0
        raise LedgerUnavailableError(f"chain at {source.shown}: {_TAG_UNKNOWN} ({error})") from None
    if block is None:
        return 0
    if not isinstance(block, dict):
        raise LedgerUnavailableError(f"chain at {source.shown}: {_TAG_UNKNOWN}")
    return height(block.get("number"))
