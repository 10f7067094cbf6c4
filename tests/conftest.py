"""How the suite is shared out: `make test` runs it in two processes."""

from pathlib import Path

import pytest
from hypothesis import settings

# No deadline an example: a busy machine is not a fault of the program.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

#: Folders whose tests start Ray or processes of their own: they take turns, and begin first.
PROCESSES = ("tuning", "run", "chaos", "cli", "benchmarks")


def room(node_id: str) -> str:
    """What is kept in one process: a folder's tests, which share fixtures."""
    folder = Path(node_id.partition("::")[0]).parts[1]
    return "processes" if folder in PROCESSES else folder


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: room(item.nodeid) != "processes")


@pytest.hookimpl(optionalhook=True)  # plain pytest has no such hook
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return room(nodeid)

    return Rooms(config, log)
