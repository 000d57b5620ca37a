"""Live tests talk over loopback; here are the clock, the chance and the hosts they share."""

import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def collect_sockets() -> Iterator[None]:
    """Collect garbage inside the test: libp2p drops sockets of refused handshakes unclosed."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
