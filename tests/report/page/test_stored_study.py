"""The page of a study in a store, and where its numbers come from."""

import csv
import io
from datetime import UTC, datetime

import pyarrow as pa

from analysis.landscape import Landscape
from analysis.provenance import trials_provenance
from explorer.store import Plan, Store, plan_table
from explorer.store.schema import TRIALS_SCHEMA
from explorer.trial import Configuration


def test_the_page_of_a_store(page_of, study_from, tmp_path):
    """Planned, done, diverged, failed and missing trials, and curves matched by trial id."""
    plan = [
        Configuration(
            train_size=1000,
            batch_size=b,
            learning_rate=eps,
            momentum=0.9,
            budget="time_over_learning_rate",
            budget_value=10,
            evaluations=2,
            seed=seed,
        )
        for eps in (0.1, 0.2)
        for b in (4, 8, 16, 32, 64, 128)
        for seed in range(2)
    ]
    store = Store.open(str(tmp_path / "store"), create=True)
    store.write_plan(
        Plan(
            study="mine",
            trials=plan_table(plan),
            source_name="mine.py",
            source_text="space = SearchSpace(...)",
            left_out=(),
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
    )
    trials, curves = [], []
    for i, c in enumerate(plan[:-3]):
        status = {0: "diverged", 1: "failed"}.get(i, "completed")
        accuracy = 0.5 - 0.02 * abs(c.batch_size / 160 / c.learning_rate - 1) + 0.001 * c.seed
        metrics = {} if status == "failed" else {"test_accuracy": accuracy, "train_accuracy": 0.9}
        trials.append(_trial_row(c, status, metrics))
        if status == "completed":
            curves += [
                {"trial_id": c.trial_id, "attempt": "a", "step": step, "epoch": 1.0, **metrics}
                for step in c.evaluation_steps
            ]
    store.publish(pack_id="p", attempt="a", trials=trials, curves=curves)
    study = study_from(Landscape.from_store(store, "mine"), store.curves("mine"))
    page = page_of(
        study,
        trials=store.trials("mine"),
        provenance=trials_provenance(
            store.trials("mine"),
            command="explorer report --study mine",
            sources=[(p.source_name, p.source_text) for p in store.plans("mine")],
        ),
    )
    words = page.words()
    assert "planned 24 completed 19 diverged 1 failed 1 missing 3" in words
    assert "Of 24 planned trials" in words
    assert "space = SearchSpace(...)" in words
    assert "torch 2.14" in words
    assert "How fast were the trials trained?" in words
    rows = list(csv.DictReader(io.StringIO(page.packs()["landscape-map"]["csv"])))
    told = {
        (float(r["learning rate"]), int(r["batch size"])): tuple(
            int(r[name]) for name in ("trials", "diverged", "failed", "missing")
        )
        for r in rows
    }
    assert told == {
        (c.learning_rate, c.batch_size): {
            (0.1, 4): (1, 1, 1, 0),
            (0.2, 64): (1, 0, 0, 1),
            (0.2, 128): (0, 0, 0, 2),
        }.get((c.learning_rate, c.batch_size), (2, 0, 0, 0))
        for c in plan
    }
    seeds = page.packs()["landscape-map"]["seeds"]
    assert sum(seeds["counts"]) == 21
    assert sorted(set(seeds["statuses"])) == ["completed", "diverged", "failed"]


def _trial_row(configuration, status, metrics):
    return {
        **configuration.as_dict(),
        "trial_id": configuration.trial_id,
        "status": status,
        "steps": configuration.steps,
        "steps_done": configuration.steps,
        "n_classes": 10,
        **metrics,
        "attempt": "a",
        "pack_id": "p",
        "pack_size": 21,
        "wall_seconds": 60.0,
        "data_sha256": "0" * 64,
        "training_version": 1,
        "explorer_version": "0.1.0",
        "torch_version": "2.14",
        "python_version": "3.11",
        "device": "cpu",
        "host": "here",
        "finished_at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    }


def test_provenance_counts_versions_and_time():
    rows = [
        {
            "torch_version": version,
            "wall_seconds": 1800.0,
            "finished_at": datetime(2026, 1, day, tzinfo=UTC),
        }
        for version, day in [("2.13", 1), ("2.14", 2), ("2.14", 3)]
    ]
    fields = [TRIALS_SCHEMA.field(name) for name in rows[0]]
    table = pa.Table.from_pylist(rows, schema=pa.schema(fields))
    assert trials_provenance(table).facts == (
        ("torch", "2.14 (2 trials); 2.13 (1 trials)"),
        ("training time", "1.5 hours in all, on one thread a worker"),
        ("finished (UTC)", "2026-01-01 00:00 to 2026-01-03 00:00"),
    )
    assert trials_provenance(table.slice(0, 0)).facts == ()


def test_a_search_space_of_two_plans_is_shown_once():
    plans = [("a.py", "space = 1"), ("a.py", "space = 2"), ("a.py", "space = 1")]
    found = trials_provenance(TRIALS_SCHEMA.empty_table(), sources=plans).sources
    assert found == (("a.py", "space = 1"), ("a.py", "space = 2"))
    renamed = trials_provenance(
        TRIALS_SCHEMA.empty_table(), sources=[*plans, ("b.py", "space = 2")]
    )
    assert renamed.sources[1] == ("a.py, b.py", "space = 2")
