"""The memory of final blocks, shared by the threads that read."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import cast

import pytest

from swarmp2p.errors import LedgerUnavailableError
from swarmp2p.ledger.cursor import FinalCursor
from swarmp2p.ledger.interface import Block
from swarmp2p.ledger.views import RunReader


class RisingChain:
    """What the cursor asks of a reader: a chain that has one more final block at each look."""

    shown_finality = "depth 0"

    def __init__(self) -> None:
        self._numbers = count(1)

    def final_number(self) -> int:
        return next(self._numbers)

    def block(self, number: int) -> Block:
        return Block(number, number.to_bytes(32, "big"))


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_cursor__is_read_by_several_threads() -> None:
    cursor = FinalCursor(cast("RunReader", RisingChain()), "a chain")

    def read(_turn: int) -> None:
        for _ in range(5_000):
            try:
                cursor.read()
            except LedgerUnavailableError:
                continue  # another thread saw a newer block first

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(4)))
