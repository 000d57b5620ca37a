import pytest
import trio.testing


@pytest.fixture
def autojump_clock():
    """Virtual time: a simulation never waits for real seconds."""
    return trio.testing.MockClock(autojump_threshold=0)
