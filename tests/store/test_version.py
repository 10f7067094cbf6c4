"""The store's version: it changes when there may be something new to read, and only then."""

from datetime import UTC, datetime

import pytest

from explorer.store import Plan, Store, plan_table


@pytest.fixture
def plan(configuration):
    def make(numbers, study="s", source="text"):
        return Plan(
            study=study,
            trials=plan_table([configuration(n) for n in numbers]),
            source_name="space.py",
            source_text=source,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )

    return make


@pytest.mark.everywhere
def test_it_changes_with_every_plan_pack_and_compaction(store, plan, publish):
    seen = [store.version()]

    def changed():
        now = store.version()
        assert now not in seen
        assert Store.open(store.location).version() == now, "any process finds the same"
        seen.append(now)

    store.write_plan(plan([1, 2]))
    changed()
    publish(store, [1], pack_id="first")
    changed()
    publish(store, [2], pack_id="second")
    changed()
    publish(store, {2: "failed"}, pack_id="second")
    changed()
    store.write_plan(plan([1, 2, 3]))
    changed()
    store.compact(grace_seconds=0)
    changed()


@pytest.mark.everywhere
def test_it_stays_while_nothing_is_written(store, plan, publish):
    store.write_plan(plan([1, 2]))
    publish(store, [1, 2])
    before = store.version()
    store.write_plan(plan([1, 2]))  # the same plan adds no file
    store.check_writable()
    store.snapshot("s")
    store.statuses()
    assert store.version() == before
    store.compact(grace_seconds=0)
    gathered = store.version()
    store.compact(grace_seconds=0)  # nothing is left to gather
    assert store.version() == gathered
