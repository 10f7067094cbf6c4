"""The landscape from a real store: groups, counts, what is missing, what is counted once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from analysis.landscape import Landscape
from explorer.store import Plan, Store
from explorer.store.schema import PLAN_SCHEMA
from explorer.trial import Configuration

BASE = Configuration(
    train_size=1000,
    batch_size=16,
    learning_rate=0.1,
    momentum=0.9,
    budget="time",
    budget_value=30.0,
)


@pytest.fixture
def study(tmp_path):
    """A store with one study: `planned` configurations, of which `results` have a row."""

    def make(planned, results):
        store = Store.open(str(tmp_path / "store"), create=True)
        table = pa.Table.from_pylist(
            [{"trial_id": c.trial_id, **c.as_dict()} for c in planned], schema=PLAN_SCHEMA
        )
        store.write_plan(
            Plan(
                study="s",
                trials=table,
                source_name="space.py",
                source_text="space = 1",
                left_out=(),
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
        )
        rows = [
            {
                "trial_id": c.trial_id,
                **c.as_dict(),
                "status": status,
                "steps": c.steps,
                "steps_done": c.steps,
                "n_classes": 10,
                "test_accuracy": accuracy,
                "pack_size": len(results),
                "wall_seconds": 0.1,
                "data_sha256": "d",
                "training_version": 1,
                "explorer_version": "0",
                "torch_version": "0",
                "python_version": "3",
                "device": "cpu",
                "host": "h",
            }
            for c, status, accuracy in results
        ]
        store.publish(pack_id="p", attempt="a", trials=rows, curves=[])
        return Landscape.from_store(store, "s")

    return make


def test_counts_separate_diverged_failed_and_missing(study):
    seeds = [replace(BASE, seed=s) for s in range(5)]
    landscape = study(
        seeds,
        [(seeds[0], "completed", 0.5), (seeds[1], "diverged", None), (seeds[2], "failed", None)],
    )
    counts = landscape.counts()
    assert (counts.planned, counts.completed, counts.diverged, counts.failed) == (5, 1, 1, 1)
    assert counts.missing == 2
    assert sorted(landscape.missing()["seed"]) == [3, 4]
    assert landscape.trials["test_accuracy"].tolist().count(0.5) == 1


def test_groups_are_told_apart_by_whatever_else_varies(study):
    clipped = replace(BASE, clip_norm=1.0)
    decayed = replace(BASE, weight_decay=1e-4)
    landscape = study(
        [BASE, clipped, decayed], [(c, "completed", 0.5) for c in (BASE, clipped, decayed)]
    )
    groups = [group for group, _ in landscape.groups()]
    assert [dict(g.settings) for g in groups] == [
        {"weight_decay": 0.0, "clip_norm": 1.0},
        {"weight_decay": 0.0, "clip_norm": None},
        {"weight_decay": 1e-4, "clip_norm": None},
    ]
    assert all(g.budget == "time" and g.budget_value == 30.0 for g in groups)
    assert "clip_norm none" in groups[1].label


def test_what_does_not_vary_is_no_part_of_a_group(study):
    other = replace(BASE, learning_rate=0.2, train_size=500)
    landscape = study([BASE, other], [(BASE, "completed", 0.5), (other, "completed", 0.6)])
    ((group, rows),) = landscape.groups()
    assert group.settings == ()
    assert len(rows) == 2


def test_a_run_observed_twice_counts_once(study):
    finer = replace(BASE, evaluations=50)
    landscape = study([BASE, finer], [(BASE, "completed", 0.5), (finer, "completed", 0.5)])
    assert landscape.trials["evaluations"].tolist() == [50]
    assert landscape.counts().planned == 1
    assert "counted once" in landscape.notes[0]


def test_order_of_rows_does_not_matter(rows, landscape_of):
    frame = rows({4: 0.2, 16: 0.4, 64: 0.3})
    shuffled = frame.iloc[np.random.default_rng(1).permutation(len(frame))]
    first = landscape_of(frame).groups()[0][1]
    second = landscape_of(shuffled).groups()[0][1]
    assert first.equals(second)


def test_the_analysis_loads_neither_ray_nor_torch():
    code = (
        "import sys, analysis.scaling, analysis.tables, analysis.planted;"
        "assert not {'ray', 'torch'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
