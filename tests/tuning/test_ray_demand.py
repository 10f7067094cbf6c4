"""What an autoscaler reads of a run: asked of the real Ray of this folder's tests."""

import time

import pytest

from explorer.request import PackResources

pytestmark = pytest.mark.usefixtures("ray_folder")


def demanded():
    """Requests that no node can take now, as the autoscaler is told of them."""
    import ray
    from ray.autoscaler.v2.sdk import get_cluster_resource_state

    worker = ray._private.worker.global_worker
    state = get_cluster_resource_state(worker.gcs_client)
    return sum(
        request.count
        for request in state.pending_resource_requests
        if dict(request.request.resources_bundle) == {"CPU": 1.0}
    )


def wait_until(holds, seconds=30):
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert holds()


def test_waiting_packs_are_seen_on_a_full_cluster_and_withdrawn(monkeypatch):
    import ray

    from explorer import ray_demand

    monkeypatch.setattr(ray_demand, "LOOK_EVERY", 0.0)

    @ray.remote(num_cpus=1)
    class Busy:
        def ready(self):
            return True

    busy = [Busy.remote() for _ in range(2)]  # all slots of this Ray
    assert ray.get([actor.ready.remote() for actor in busy]) == [True, True]
    demand = ray_demand.Demand(PackResources())
    demand.want(3)
    wait_until(lambda: demanded() == 3)
    demand.want(0)
    wait_until(lambda: demanded() == 0)

    demand.want(2)
    for actor in busy:
        ray.kill(actor)
    wait_until(lambda: demanded() == 0)  # room for them: they are over, and take nothing
    wait_until(lambda: ray.available_resources().get("CPU") == 2)
