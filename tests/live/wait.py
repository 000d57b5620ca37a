"""The one way in which live tests wait: for a condition, with a deadline."""

import time
from collections.abc import Callable

import trio

POLL_SECONDS = 0.01


async def until(condition: Callable[[], object], what: str, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - its error names what was awaited
    """Return when `condition()` is true. Fails the test by name when it is not in time."""
    with trio.move_on_after(timeout):
        while not condition():  # noqa: ASYNC110 - libp2p has no event for most of what is awaited
            await trio.sleep(POLL_SECONDS)  # noqa: TID251 - the only sleep of the live tests
        return
    raise AssertionError(f"not in {timeout} s: {what}")


def until_now(condition: Callable[[], object], what: str, timeout: float = 60.0) -> None:
    """The same for tests of processes, outside trio."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not in {timeout} s: {what}"
        time.sleep(POLL_SECONDS)
