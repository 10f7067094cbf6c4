"""Costs and sizes of packs: from measurements, kept in the store, of the smallest device."""

from dataclasses import asdict

import pytest

from explorer.cost_model import CostModel
from explorer.device_costs import costs_note
from explorer.device_model import BATCH_SHARE, Device, DeviceModel, keep_costs, known_costs
from explorer.packing import MAX_BATCH_BYTES, make_packs, shape_key
from explorer.request import PackResources
from explorer.store import Store

GIB = 2**30


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"), create=True)


def costs(factor):
    return CostModel(**{name: value * factor for name, value in asdict(CostModel()).items()})


def test_nothing_known_is_the_usual_model(store):
    model = DeviceModel(store, [], PackResources())
    assert model.costs == CostModel()
    assert model.limits.batch_bytes == MAX_BATCH_BYTES
    model = DeviceModel(store, [Device("a", 64 * GIB, None, 8, 8)], PackResources())
    assert model.costs == CostModel()


def test_costs_are_the_mean_over_packs(store):
    devices = [Device("a", GIB, costs(1), slots=3), Device("b", GIB, costs(5), slots=1)]
    found = asdict(DeviceModel(store, devices, PackResources()).costs)
    assert found == pytest.approx(asdict(costs(2)), rel=1e-12)


def test_the_smallest_share_of_memory_counts(store):
    devices = [
        Device("a", 80 * GIB, None, slots=8, slots_each=4),
        Device("b", 16 * GIB, None, slots=2, slots_each=2),
    ]
    gpus = DeviceModel(store, devices, PackResources("cuda", 1, 0.5))
    assert gpus.limits.batch_bytes == int(8 * GIB * BATCH_SHARE)
    cores = DeviceModel(store, devices, PackResources())
    assert cores.limits.batch_bytes == MAX_BATCH_BYTES  # more gains nothing on cores
    small = DeviceModel(store, [Device("c", GIB, None, 4, 4)], PackResources())
    assert small.limits.batch_bytes == GIB // 4 * BATCH_SHARE


def test_measurements_are_kept_and_not_replaced(store):
    keep_costs(store, [Device("a", GIB, costs(1)), Device("b", GIB, None)])
    keep_costs(store, [Device("a", GIB, costs(3))])
    assert known_costs(store) == {"a": costs_note(costs(1))}


def test_a_learnt_size_holds_for_this_run_and_the_next(store, make_trial):
    trials = [make_trial(seed=seed) for seed in range(32)]
    other = [make_trial(seed=seed, batch_size=16) for seed in range(32)]
    devices = [Device("a", GIB, None)]
    model = DeviceModel(store, devices, PackResources())

    def sizes(model):
        packs = make_packs(trials + other, 1, 32, limits=model.limits)
        return {p.configurations[0].batch_size: len(p.configurations) for p in packs}

    assert sizes(model) == {32: 32, 16: 32}
    model.learn(trials[0], 8)
    assert sizes(model) == {32: 8, 16: 32}
    assert sizes(DeviceModel(store, devices, PackResources())) == {32: 8, 16: 32}
    assert sizes(DeviceModel(store, [Device("b", GIB, None)], PackResources())) == {32: 32, 16: 32}
    model.learn(other[0], 4)
    assert store.read_notes("pack_sizes") == {
        "a": {shape_key(trials[0]): 8, shape_key(other[0]): 4}
    }


def test_foreign_sizes_are_ignored(store, make_trial):
    key = shape_key(make_trial())
    store.write_note("pack_sizes", "a", {key: 0, "x": "many", "y": None})
    assert dict(DeviceModel(store, [Device("a", GIB, None)], PackResources()).limits.learnt) == {}
