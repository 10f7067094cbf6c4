"""Shows an autoscaler that packs wait: tasks that do nothing, and need what a pack needs."""

from __future__ import annotations

import time

import ray

from explorer.request import PackResources

#: Seconds between two looks at the tasks.
LOOK_EVERY = 2.0


class Demand:
    """What a run would use if a cluster grew.

    Packs are handed out as slots become free, so that Ray never sees one wait. Tasks of the same
    resources stand in for them. On a full cluster they stay pending, which an autoscaler answers
    with nodes; there they are over at once. They end with this process, however it ends.

    Args:
        resources: of a pack.
    """

    def __init__(self, resources: PackResources) -> None:
        self._stand_in = ray.remote(
            num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=0
        )(_nothing)
        self._pending: list[ray.ObjectRef] = []
        self._looked = float("-inf")

    def want(self, packs: int) -> None:
        """Let as many packs be seen waiting; nothing until `LOOK_EVERY` has passed."""
        if time.monotonic() - self._looked < LOOK_EVERY:
            return
        self._looked = time.monotonic()
        if self._pending:
            _, self._pending = ray.wait(self._pending, num_returns=len(self._pending), timeout=0)
        while len(self._pending) > packs:
            ray.cancel(self._pending.pop())
        self._pending += [self._stand_in.remote() for _ in range(packs - len(self._pending))]


def _nothing() -> None:
    pass
