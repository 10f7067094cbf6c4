"""Readers that a compaction crosses at the worst moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from explorer.errors import EnvironmentFailure
from explorer.store import Store
from explorer.store.location import Location

Publish = Callable[..., str]


@pytest.fixture
def crossed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run an act once, after the n-th listing of a folder (from 1) and before it is used."""

    def arrange(folder: str, nth: int, act: Callable[[], object]) -> None:
        listing = Location.list
        calls = 0

        def list_and_act(self: Location, name: str) -> dict[str, int]:
            nonlocal calls
            files = listing(self, name)
            calls += name == folder
            if name == folder and calls == nth:
                act()
            return files

        monkeypatch.setattr(Location, "list", list_and_act)

    return arrange


@pytest.mark.everywhere
@pytest.mark.parametrize(("folder", "nth"), [("trials", 1), ("trials", 2), ("curves", 1)])
def test_a_reader_starts_again_when_a_compaction_deletes_what_it_listed(
    store: Store, publish: Publish, crossed: Callable[..., None], folder: str, nth: int
) -> None:
    for n in range(4):
        publish(store, [n])
    before = store.snapshot()
    crossed(folder, nth, lambda: Store.open(store.location).compact(grace_seconds=0))
    for old, new in zip(before, store.snapshot(), strict=True):
        assert old.equals(new)


def test_a_listing_that_misses_both_old_and_new_is_not_believed(
    store: Store, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder's listing is no snapshot: it may pass before the new file and after the old ones."""
    for n in range(4):
        publish(store, [n])
    listing = Location.list
    calls = 0

    def stale(self: Location, name: str) -> dict[str, int]:
        nonlocal calls
        calls += name == "trials"
        if name == "trials" and calls == 2:
            monkeypatch.setattr(Location, "list", listing)
            Store.open(store.location).compact(grace_seconds=0)
            return {}
        return listing(self, name)

    monkeypatch.setattr(Location, "list", stale)
    assert len(store.statuses()) == 4


def test_a_store_that_never_rests_is_given_up(
    store: Store, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = publish(store, [1])
    monkeypatch.setattr("explorer.store.read._PAUSES", (0.0,) * 4)
    listing = Location.list
    monkeypatch.setattr(
        Location, "list", lambda self, folder: listing(self, folder) | {f"gone-{name}": 1000}
    )
    with pytest.raises(EnvironmentFailure, match="kept changing"):
        store.statuses()


def test_a_compaction_overtaken_by_another_deletes_nothing(
    store: Store, publish: Publish, crossed: Callable[..., None]
) -> None:
    for n in range(4):
        publish(store, [n])
    before = store.snapshot()
    # The third listing ends the gathering of trials: the curves are read after it.
    other = Store.open(store.location)
    crossed("trials", 3, lambda: other.compact(grace_seconds=0))
    with pytest.raises(EnvironmentFailure, match="Another compaction"):
        store.compact(grace_seconds=0)
    for old, new in zip(before, store.snapshot(), strict=True):
        assert old.equals(new)
