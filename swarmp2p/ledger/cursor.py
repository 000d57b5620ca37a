"""The final blocks that were acted on: a chain that replaces one of them is not followed."""

from swarmp2p.errors import DeepReorganisationError, LedgerUnavailableError
from swarmp2p.ledger.interface import Block
from swarmp2p.ledger.views import RunReader

REMEMBERED_BLOCKS = 64  # whose hashes are compared when the chain moves


class FinalCursor:
    """Reads the last final block and compares it with those before. Blocking.

    The node keeps the last one over restarts and hands it back with `remember`.
    """

    def __init__(self, reader: RunReader, shown: str) -> None:
        """`shown` names the chain in messages."""
        self._reader = reader
        self._shown = shown
        self._final: dict[int, bytes] = {}

    def remember(self, block: Block) -> None:
        """`block` was taken as final by an earlier process."""
        self._final.setdefault(block.number, block.hash)

    def read(self) -> Block:
        """The last final block.

        Raises DeepReorganisationError when one that was final before is gone, and
        LedgerUnavailableError for a chain that is behind what was seen.
        """
        block = self._reader.block(self._reader.final_number())
        if self._final and block.number not in self._final:
            newest = max(self._final)
            if block.number < newest:
                raise LedgerUnavailableError(
                    f"chain at {self._shown} is behind: its final block is {block.number}, and "
                    f"{newest} was seen before; wait, or use another endpoint"
                )
            self._same(self._reader.block(newest))
        self._same(block)
        self._final[block.number] = block.hash
        while len(self._final) > REMEMBERED_BLOCKS:
            self._final.pop(min(self._final), None)  # another thread may have been faster
        return block

    def _same(self, block: Block) -> None:
        before = self._final.get(block.number, block.hash)
        if before != block.hash:
            raise DeepReorganisationError(
                f"chain at {self._shown} replaced block {block.number}, which was final: it "
                f"was 0x{before.hex()} and is 0x{block.hash.hex()}; is the run's finality "
                f"({self._reader.shown_finality}) too weak for this chain, or is it another chain?"
            )
