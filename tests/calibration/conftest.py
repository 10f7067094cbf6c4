"""Small planted families, measured once for all tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # `calibration` is no part of the installed package
    sys.path.append(str(ROOT))


@pytest.fixture(autouse=True)
def _global_random_state_untouched() -> Iterator[None]:
    before = np.random.get_state()
    yield
    after = np.random.get_state()
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])


@pytest.fixture(scope="session")
def small() -> Callable:
    """A planted law with fewer conditions, of each varied axis two values or three."""

    def make(law):
        return replace(
            law,
            learning_rates=law.learning_rates[:3],
            momenta=law.momenta[1:3] if len(law.momenta) > 1 else law.momenta,
            train_sizes=law.train_sizes[:2],
        )

    return make


@pytest.fixture(scope="session")
def results(small):
    """Small landscapes of every family and kind of task, two or three each, as from `run`."""
    from calibration.families import families
    from calibration.measure import measure
    from calibration.study import tasks

    found: dict = {}
    for task in tasks(6):
        peak = task.family.startswith("peak")
        if task.n_seeds != (3 if peak else 5) or task.index > (
            2 if task.family in families(5) else 1
        ):
            continue
        found.setdefault((task.family, task.n_seeds), []).append(
            measure(small(task.law), 500 + task.index)
        )
    return found
