"""How the suite is shared out among workers (`pytest -n 2`): by file, and live tests to one worker.

A file's tests share chains and vectors that are dear to make. Live tests start processes and talk
over loopback, so no two of them run at a time; they come first, being the longest group.
"""

import pytest


def _is_live(item: pytest.Item) -> bool:
    return item.get_closest_marker("live") is not None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test the group that `--dist loadgroup` goes by. Without workers nothing changes."""
    if not config.pluginmanager.hasplugin("xdist") or not hasattr(config, "workerinput"):
        return
    items.sort(key=lambda item: not _is_live(item))
    for item in items:
        name = "live" if _is_live(item) else item.location[0]
        item.add_marker(pytest.mark.xdist_group(name))
