from collections.abc import Callable
from typing import Any

import pytest
from contract_swarm import Swarm

Prepared = Callable[..., Swarm]


@pytest.fixture(scope="session")
def prepared_swarms() -> dict[tuple[object, ...], Swarm]:
    return {}


@pytest.fixture
def swarm_of(prepared_swarms: dict[tuple[object, ...], Swarm]) -> Prepared:
    """A fresh swarm of so many peers and these settings; the deployment is made once a session."""

    def fresh(enrolled: int, **changes: Any) -> Swarm:
        key = (enrolled, *sorted(changes.items()))
        if key not in prepared_swarms:
            prepared_swarms[key] = Swarm.deploy(enrolled, **changes)
        return prepared_swarms[key].fork()

    return fresh
