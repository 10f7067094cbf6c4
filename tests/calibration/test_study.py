"""The pool of processes: order, deadline, and the same results as one process gives."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from calibration import study
from calibration.families import families
from calibration.measure import measure
from calibration.study import Task


@pytest.fixture
def tiny(small):
    law = replace(small(families(3)["one axis"]), per_octave=1, n_seeds=3)
    return [Task(f"family {i % 2}", 3, i // 2, law) for i in range(6)]


@pytest.fixture
def two_processes(monkeypatch):
    """Two workers; the environment is put back afterwards."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(study.os, "cpu_count", lambda: 2)


def test_results_stand_in_the_order_of_their_indices_whoever_ends_first(
    tiny, two_processes, monkeypatch
):
    monkeypatch.setattr(study, "tasks", lambda landscapes: list(reversed(tiny)))
    told = []
    found = study.run(3, 5.0, lambda *numbers: told.append(numbers))
    assert [done for done, _, _ in told] == [1, 2, 3, 4, 5, 6]
    assert {total for _, total, _ in told} == {6}
    assert [s for _, _, s in told] == sorted(s for _, _, s in told)
    assert set(found) == {("family 0", 3), ("family 1", 3)}
    for results in found.values():
        assert len(results) == 3
        for index, result in enumerate(results):
            alone = measure(tiny[0].law, 10_000 + index)
            assert _same(result, alone)


def _same(one, other) -> bool:
    """Equal, where NaN equals NaN."""
    return repr(replace(one, seconds=0.0)) == repr(replace(other, seconds=0.0))


def test_nothing_is_begun_after_the_deadline(tiny, two_processes, monkeypatch):
    monkeypatch.setattr(study, "tasks", lambda landscapes: tiny)
    start = time.monotonic()
    assert study.run(3, -1.0, lambda *_: None) == {}
    assert time.monotonic() - start < 20.0


def test_what_is_in_flight_at_the_deadline_is_finished_and_the_rest_left(monkeypatch):
    """With a pool that runs at once and a clock that the tasks move: 16 in flight for 2 cores."""

    class Done:
        def __init__(self, task):
            self.task = task

        def result(self):
            return self.task.index

    class Pool:
        def submit(self, work, task):
            clock[0] += 1.0
            return Done(task)

    clock = [0.0]
    law = families(3)["one axis"]
    todo = [Task("family", 3, i, law) for i in range(100)]
    monkeypatch.setattr(study.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(study.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(study, "as_completed", lambda running: list(running))
    found = list(study._as_they_come(Pool(), todo, deadline=20.0))
    assert [task.index for task, _ in found] == list(range(32))
    assert [result for _, result in found] == list(range(32))
