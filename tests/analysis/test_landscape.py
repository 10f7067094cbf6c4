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
from explorer.export import export_table
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
                "validation_accuracy": accuracy if c.validation_size else None,
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
        export_table(store.trials("s"), tmp_path / "s.csv", "csv")
        export_table(store.trials("s"), tmp_path / "s.parquet", "parquet")
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


@pytest.mark.parametrize("status", ["completed", "diverged"])
def test_of_one_run_the_result_counts_and_not_the_failure(study, status):
    finer = replace(BASE, evaluations=50)
    landscape = study([BASE, finer], [(finer, "failed", None), (BASE, status, 0.5)])
    assert landscape.trials["status"].tolist() == [status]
    assert landscape.trials["evaluations"].tolist() == [BASE.evaluations]
    assert landscape.counts().failed == 0


def test_of_one_run_a_validation_accuracy_counts_before_more_evaluations(study):
    finer, validated = replace(BASE, evaluations=50), replace(BASE, validation_size=100)
    both = [(finer, "completed", 0.5), (validated, "completed", 0.5)]
    landscape = study([finer, validated], both)
    assert landscape.trials["validation_accuracy"].tolist() == [0.5]
    assert landscape.trials["validation_size"].tolist() == [100]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_export_reads_back_as_the_store_does(study, tmp_path, kind):
    seeds = [replace(BASE, seed=s) for s in range(3)]
    finer = [replace(c, evaluations=50) for c in seeds]
    results = [(c, "completed", 0.5) for c in [*seeds, *finer[:2]]]
    landscape = study([*seeds, *finer], [*results, (finer[2], "failed", None)])
    read = Landscape.from_file(tmp_path / f"s.{kind}")
    same = ["seed", "evaluations", "status", "test_accuracy", "trial_id"]
    expected = landscape.trials.sort_values("seed")[same].values.tolist()
    assert read.trials.sort_values("seed")[same].values.tolist() == expected
    assert [row[1] for row in expected] == [50, 50, BASE.evaluations]
    assert read.notes == landscape.notes
    assert read.notes[0].startswith("3 trials repeat")


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
