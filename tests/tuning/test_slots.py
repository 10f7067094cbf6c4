"""How many packs may run at a time while others use the same Ray."""

import pytest

from explorer.request import PackResources

pytestmark = pytest.mark.usefixtures("ray_folder")


@pytest.fixture
def cluster(monkeypatch):
    """Sixteen slots on paper; a dict of those that others use, and that workers of ours use."""
    from explorer import ray_session

    used = {"others": 0, "ours": 0}
    monkeypatch.setattr(ray_session, "_whole_slots", lambda resources: 16)
    monkeypatch.setattr(ray_session, "_free_slots", lambda resources: 16 - sum(used.values()))
    monkeypatch.setattr(ray_session, "_own_workers", lambda: used["ours"])
    monkeypatch.setattr(ray_session.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(ray_session.time, "monotonic", iter(range(1000)).__next__)
    return used


def test_a_driver_that_died_just_before_makes_room_when_its_workers_are_gone(cluster):
    from explorer.ray_session import _Slots

    cluster["others"] = 10
    slots = _Slots(PackResources())
    assert slots() == 6
    cluster["ours"] = 6
    assert slots() == 6
    cluster["others"] = 3
    assert slots() == 6  # believed when it was seen twice
    assert slots() == 13
    cluster["others"] = 0
    assert [slots(), slots()] == [13, 16]
    cluster["others"] = 5  # who comes later takes what is free, and waits for ours
    assert [slots(), slots()] == [16, 16]


def test_what_was_seen_once_may_be_old(cluster):
    from explorer.ray_session import _Slots

    cluster["others"] = 4
    slots = _Slots(PackResources())
    assert slots() == 12
    cluster.update(others=0, ours=4)  # Ray's numbers lag: our workers are counted, not yet theirs
    slots()
    cluster.update(others=4, ours=12)
    assert [slots(), slots()] == [12, 12]


def test_workers_of_ours_are_counted():
    import ray

    from explorer.ray_session import _own_workers

    @ray.remote(num_cpus=0)
    class Worker:
        def ready(self):
            return True

    before = _own_workers()
    workers = [Worker.remote() for _ in range(2)]
    ray.get([worker.ready.remote() for worker in workers])
    assert _own_workers() == before + 2
