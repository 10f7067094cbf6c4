"""How the suite is shared out: `make test` runs it in two processes."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent

#: Folders whose tests start Ray or processes of their own: they take turns, and begin first.
PROCESSES = ("tuning", "run", "chaos", "cli", "benchmarks")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a folder's tests, which share fixtures, in one process."""

    def room(item: pytest.Item) -> str:
        folder = item.path.relative_to(HERE).parts[0]
        return "processes" if folder in PROCESSES else folder

    items.sort(key=lambda item: room(item) != "processes")
    for item in items:
        item.add_marker(pytest.mark.xdist_group(room(item)))
