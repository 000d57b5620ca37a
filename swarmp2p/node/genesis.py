"""The model that a run begins from: posted where the chain has none."""

from collections.abc import Awaitable, Callable

from swarmp2p.errors import TransactionRevertedError
from swarmp2p.node.context import Context
from swarmp2p.node.vectors import Blob

Patiently = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]


async def offer_genesis(context: Context, blob: Blob, patiently: Patiently) -> None:
    """Keep the model and post its root; `patiently` waits for a chain that does not answer."""
    blob.keep(context.store)
    try:
        await patiently(lambda: context.ledger.genesis(blob.root))
    except TransactionRevertedError as error:
        # Another peer was first, or the owner has yet to post it: the chain will say.
        context.log("genesis-refused", why=error.reason)
