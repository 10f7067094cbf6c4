"""Estimates against the plans that runs make, real stores, and the hand."""

import pytest

from explorer import cluster_estimate
from explorer.cluster import Cluster
from explorer.cluster_estimate import estimate
from explorer.cost_model import CostModel
from explorer.datasets import load_dataset
from explorer.errors import InputError
from explorer.packing import PackLimits, make_packs, shape_key
from explorer.planning import plan_of, predicted_run_seconds, workloads_of
from explorer.space import load_space
from explorer.store import Store
from explorer.worker import PackRun


@pytest.mark.parametrize("slots", [1, 2, 16])
@pytest.mark.parametrize("name", ["quick_grid", "edge_or_noise", "large_n"])
def test_packs_and_seconds_are_those_of_a_run(name, slots):
    loaded = load_space(name)
    trials = loaded.space.configurations()
    packs = make_packs(trials, slots, workloads=workloads_of(loaded, trials, count_modules=True))
    found = estimate(loaded, Cluster(cpus=slots))
    assert found.packs == len(packs)
    assert found.slots == slots
    assert found.wall_seconds == pytest.approx(predicted_run_seconds(packs, slots))
    assert found.work_seconds == pytest.approx(sum(pack.cost for pack in packs))
    assert found.trials == len(trials)
    assert found.steps == sum(trial.steps for trial in trials)
    assert found.evaluation_rows == sum(len(trial.evaluation_steps) for trial in trials)
    assert found.left_out == loaded.space.left_out
    assert found.core_hours == pytest.approx(found.wall_seconds * slots / 3600)
    assert found.gpu_hours == 0


def test_a_pack_size_and_limits_are_those_of_a_run(make_space):
    loaded = make_space(seeds=30)
    trials = loaded.space.configurations()
    limits = PackLimits(learnt={shape_key(trials[0]): 3})
    packs = make_packs(
        trials, 2, 7, workloads=workloads_of(loaded, trials, count_modules=True), limits=limits
    )
    found = estimate(loaded, Cluster(cpus=2), pack_size=7, limits=limits)
    assert found.packs == len(packs)
    assert found.work_seconds == pytest.approx(sum(pack.cost for pack in packs))


@pytest.mark.parametrize("pack_size", [None, 20])
def test_many_trials_are_cut_as_a_run_would_cut_them(make_space, monkeypatch, pack_size):
    """Beyond so many trials packs are not divided one by one; both ways agree where both can be."""
    loaded = make_space(budget="epochs(30)", seeds=2000)
    exact = estimate(loaded, Cluster(cpus=16), pack_size=pack_size)
    monkeypatch.setattr(cluster_estimate, "_EXACT", 0)
    rough = estimate(loaded, Cluster(cpus=16), pack_size=pack_size)
    assert rough.packs == pytest.approx(exact.packs, rel=0.02)
    assert rough.work_seconds == pytest.approx(exact.work_seconds, rel=0.01)
    assert rough.wall_seconds == pytest.approx(exact.wall_seconds, rel=0.05)
    assert (rough.trials, rough.steps) == (exact.trials, exact.steps)


def test_the_last_slots_end_without_playing_all_packs_through(make_space, monkeypatch):
    loaded = make_space(seeds=2000)
    played = estimate(loaded, Cluster(cpus=4), pack_size=2)
    monkeypatch.setattr(cluster_estimate, "_MOST_PLAYED", 0)
    assert estimate(loaded, Cluster(cpus=4), pack_size=2).wall_seconds == pytest.approx(
        played.wall_seconds, rel=0.01
    )


def test_seeds_are_those_asked_for_and_no_trial_is_made(make_space, monkeypatch):
    loaded = make_space(seeds=3)
    monkeypatch.setattr(type(loaded.space), "__iter__", None)
    monkeypatch.setattr(type(loaded.space), "configurations", None)
    found = estimate(loaded, Cluster(cpus=2), seeds=10**6)
    assert found.trials == 8 * 10**6  # two sizes of each of three axes
    assert found.seeds == 10**6
    assert found.fits == -(-found.packs // 2000)


def test_bytes_and_files_are_those_of_a_store(make_space, tmp_path):
    """A real store, written by workers: 160 trials with 20 evaluations each."""
    loaded = make_space(budget="steps(40)", evaluate=20, seeds=20)
    trials = loaded.space.configurations()
    store = Store.open(str(tmp_path / "store"), create=True)
    store.write_plan(plan_of(loaded, "small", trials))
    data = load_dataset("digits")
    packs = make_packs(trials, 2, workloads=workloads_of(loaded, trials, count_modules=True))
    for pack in packs:
        run = PackRun(pack, data, store)
        while not run.step(10.0).done:
            pass
    found = estimate(loaded, Cluster(cpus=2))

    def held(folder):
        files = list((tmp_path / "store" / folder).glob("*.parquet"))
        return len(files), sum(file.stat().st_size for file in files)

    assert held("trials")[0] + held("curves")[0] + held("plans")[0] == found.files
    assert found.trials_bytes == pytest.approx(held("trials")[1], rel=0.15)
    # Accuracies on 360 test samples repeat, and are kept in fewer bytes than most.
    assert 0.9 < found.curves_bytes / held("curves")[1] < 2
    assert found.plan_bytes == pytest.approx(held("plans")[1], rel=0.5)
    assert store.curves().num_rows == found.evaluation_rows
    store.compact(grace_seconds=0)
    compacted = sum(held(folder)[1] for folder in ("trials", "curves", "plans"))
    assert 0.9 < found.compacted_bytes / compacted < 2
    assert held("trials")[0] + held("curves")[0] + held("plans")[0] == found.compacted_files
    assert found.operations.puts == 2 * len(packs) + 2
    assert found.operations.reader_gets == 2 * len(packs) + 1


def test_more_of_a_cluster_is_faster_and_never_cheaper_than_even_shares(make_space):
    loaded = make_space(budget="steps(3000)", seeds=200)
    walls = [estimate(loaded, Cluster(nodes=n, cpus=4)).wall_seconds for n in (1, 2, 4)]
    assert walls == sorted(walls, reverse=True)
    found = estimate(loaded, Cluster(nodes=4, cpus=4))
    assert found.wall_seconds >= found.work_seconds / found.slots


def test_a_driver_that_is_too_slow_sets_the_time(make_space):
    loaded = make_space(budget="steps(1)", evaluate=1, seeds=2000)
    found = estimate(loaded, Cluster(nodes=64, cpus=64), pack_size=1)
    assert found.driver_bound
    assert found.wall_seconds > found.packs / cluster_estimate.DRIVER_PACKS_A_SECOND
    assert not estimate(loaded, Cluster(cpus=1)).driver_bound


def test_gpu_seconds_are_work_by_speed_and_said_to_be_assumed(make_space):
    """A module of one linear layer: no cost but its multiply-adds where nothing else costs."""
    loaded = make_space(model='"mlp"', budget="steps(1000)", seeds=1)
    free = CostModel(0, 0, 0, 0, 0, 0)
    cluster = Cluster(cpus=1, gpus=1, gpu_tflops=1e-6, gpu_efficiency=1.0)
    found = estimate(loaded, cluster, costs=free, pack_size=1)
    adds, flops = 64 * 10, 1e6
    test_size = len(load_dataset("digits").test_labels)
    training = sum(1000 * cell.batch_size for cell in loaded.space.cells)
    evaluated = sum(2 * (cell.train_size + test_size) for cell in loaded.space.cells)
    expected = (6 * training + 2 * evaluated) * adds / flops
    launches = len(loaded.space.cells) * 1000 * 10 * cluster_estimate.ASSUMED_GPU_OPERATION
    assert found.work_seconds == pytest.approx(expected + launches)
    assert any("assumed, not measured" in sentence for sentence in found.assumptions)
    assert found.gpu_hours == pytest.approx(found.wall_seconds / 3600)
    on_cores = estimate(loaded, Cluster(cpus=1))
    assert not any("GPU" in sentence for sentence in on_cores.assumptions)


def test_a_model_that_cannot_be_counted_is_named(make_space):
    before = """
from torch import nn

class Net(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.layer = nn.Linear(64, n_classes)

    def forward(self, inputs):
        rows = inputs.flatten(1)
        return self.layer(rows if rows.sum() > 0 else -rows)

def net(input_shape, n_classes):
    return Net(n_classes)
"""
    loaded = make_space(before=before, model="[net, 'mlp-8']")
    said = estimate(loaded, Cluster(cpus=2)).assumptions
    assert "Of net nothing could be counted: its cost is a guess." in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": 0}, "--seeds must be between 1 and 1000000000, not 0."),
        ({"seeds": 10**12}, "--seeds must be between 1 and 1000000000, not 1000000000000."),
        ({"pack_size": 0}, "--pack-size must be between 1 and 1000000000, not 0."),
    ],
)
def test_nonsense_is_refused(make_space, options, words):
    with pytest.raises(InputError) as caught:
        estimate(make_space(), Cluster(cpus=2), **options)
    assert str(caught.value) == words


def test_the_drivers_memory_holds_data_trials_and_torch_for_a_users_module(make_space):
    before = "from torch import nn\ndef net(shape, n):\n    return nn.Sequential(nn.Flatten(), "
    before += "nn.Linear(64, n))\n"
    data = load_dataset("digits")
    arrays = (data.train_inputs, data.train_labels, data.test_inputs, data.test_labels)
    plain = estimate(make_space(), Cluster(cpus=2))
    assert plain.data_bytes == sum(array.nbytes for array in arrays)
    with_module = estimate(make_space(before=before, model="net"), Cluster(cpus=2))
    assert with_module.driver_bytes - plain.driver_bytes == pytest.approx(470e6, rel=0.01)
    many = estimate(make_space(), Cluster(cpus=2), seeds=10**6)
    assert many.driver_bytes - plain.driver_bytes > 700 * (many.trials - plain.trials)
