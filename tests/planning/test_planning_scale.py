"""Planning many trials: bounded in time and memory, and not slower when all is done."""

import pyarrow as pa
import pytest

from benchmarks.planning_scale import GRIDS, measure, plan, table, write_space
from explorer.planning import planned_trials
from explorer.space import load_space
from explorer.store import Plan, Store, plan_table
from explorer.store.schema import PLAN_SCHEMA
from explorer.trial import Configuration

SMALL = min(GRIDS)


def test_planning_beside_a_half_finished_store(tmp_path):
    half = measure(SMALL, SMALL // 2, tmp_path)
    assert (half.trials, half.finished) == (SMALL, SMALL // 2)
    assert half.packs > 1
    assert half.peak < 500e6  # with torch alone it would be more
    assert "peak memory" in table([half])


def test_a_finished_store_leaves_nothing_to_pack(tmp_path):
    done = measure(SMALL, SMALL, tmp_path)
    assert (done.finished, done.packs) == (SMALL, 0)


def test_a_limit_makes_so_many_trials_and_no_more(tmp_path, monkeypatch):
    write_space(tmp_path / "space.py", SMALL)
    loaded = load_space(tmp_path / "space.py")
    everything = loaded.space.configurations()
    made = []
    with_seed = Configuration.with_seed

    def counted(self, seed):
        made.append(seed)
        return with_seed(self, seed)

    monkeypatch.setattr(Configuration, "with_seed", counted)
    assert planned_trials(loaded, 5) == everything[:5]
    assert len(made) == 5
    Store.open(str(tmp_path / "store"), create=True)
    found = plan(tmp_path / "space.py", tmp_path / "store", limit=5)
    assert len(made) == 10
    assert found.packs <= 5


@pytest.mark.slow
@pytest.mark.parametrize("finished", [0, 500_000, 1_000_000])
def test_a_million_trials_take_less_than_a_minute_and_two_gigabytes(tmp_path, finished):
    found = measure(1_000_000, finished, tmp_path)
    assert found.trials == 1_000_000
    assert found.seconds["total"] < 60
    assert found.peak < 2e9


def test_a_plans_table_is_its_configurations_field_by_field(tmp_path):
    write_space(tmp_path / "space.py", SMALL)
    trials = load_space(tmp_path / "space.py").space.configurations(200)
    trials.append(
        Configuration(
            train_size=2**40,
            batch_size=3,
            learning_rate=0.1,
            clip_norm=2.5,
            budget="steps",
            budget_value=5,
            seed=2**63 - 1,
            model="größe",
        )
    )
    found = plan_table(iter(trials))
    rows = [{"trial_id": trial.trial_id, **trial.as_dict()} for trial in trials]
    assert found.schema.equals(PLAN_SCHEMA, check_metadata=True)
    assert found.equals(pa.Table.from_pylist(rows, schema=PLAN_SCHEMA))
    assert plan_table([]).equals(PLAN_SCHEMA.empty_table())
    Plan(study="s", trials=found, source_name="space.py", source_text="")
