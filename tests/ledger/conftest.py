from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ledger_site import RunSite, SiteMaker, new_chain, party

from swarmp2p.ledger.devchain import DevChain
from swarmp2p.store.state import SqliteStore, open_store


@pytest.fixture
def chain() -> Iterator[DevChain]:
    with new_chain() as chain:
        yield chain


@pytest.fixture
def make_site() -> Iterator[SiteMaker]:
    """A chain with a run and its enrolled members; settings of the run as keywords."""
    with ExitStack() as stack:

        def make(members: int = 4, **changes: object) -> RunSite:
            site = RunSite(
                stack.enter_context(new_chain()), [party(n) for n in range(1, members + 1)]
            )
            site.set_up(**changes)
            return site

        yield make


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with open_store(tmp_path / "state", bytes(32)) as store:
        yield store
