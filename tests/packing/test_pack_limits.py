"""What memory allows a pack, and that plans of the shipped spaces stay as they are."""

import hashlib
import random

import pytest

from explorer.cost_model import member_bytes, shared_bytes
from explorer.packing import (
    DEFAULT_PACK_SIZE,
    MAX_BATCH_BYTES,
    CostModel,
    PackLimits,
    Workload,
    make_packs,
    most_members,
    shape_key,
    shape_of,
)
from explorer.planning import workloads_of
from explorer.space import load_space

#: Digests of a shipped space's trial ids and of its packs' ids, recorded before planning was made
#: fast: on 2 slots, on 16, and on 2 in packs of 7.
RECORDED = {
    "quick_grid": "54df20d669ec0632 62cb9a5a455e111a 7c2d7bc3b0fd49ee 4679d7b4ef6d1861",
    "full_grid": "bae84e8d929b3508 181a8501610693c3 181a8501610693c3 5ee6b71a51705ba9",
    "edge_or_noise": "9e51850b4a0ae3fc 17510883fc272c38 0b908e5651654b97 2c07228c8036668f",
    "large_n": "0cb4e03cbabf76e0 4ce6d9b7705b7e4f 4ce6d9b7705b7e4f 9241e2e2610df781",
}


@pytest.mark.parametrize("space", RECORDED)
def test_trials_and_packs_of_shipped_spaces_stay_as_they_are(space):
    loaded = load_space(space)
    configurations = loaded.space.configurations()
    workloads = workloads_of(loaded, configurations, count_modules=True)
    found = [_digest([configuration.trial_id for configuration in configurations])]
    for slots, size in ((2, None), (16, None), (2, 7)):
        packs = make_packs(configurations, slots, size, workloads=workloads)
        found.append(_digest([pack.pack_id for pack in packs]))
    assert " ".join(found) == RECORDED[space]


def _digest(ids):
    return hashlib.sha256(",".join(ids).encode()).hexdigest()[:16]


def test_a_learnt_size_bounds_its_shape_alone(make_trial):
    trials = [make_trial(batch_size=b, seed=s) for b in (8, 16) for s in range(40)]
    learnt = {shape_key(make_trial(batch_size=16)): 5}
    for pack_size in (None, 64):
        packs = make_packs(trials, 1, pack_size, limits=PackLimits(learnt=learnt))
        assert {c for pack in packs for c in pack.configurations} == set(trials)
        largest = {8: 0, 16: 0}
        for pack in packs:
            size = pack.configurations[0].batch_size
            largest[size] = max(largest[size], len(pack.configurations))
        assert largest[16] == 5
        assert largest[8] > 5


def test_a_learnt_size_larger_than_memory_allows_changes_nothing(make_trial):
    trials = [make_trial(batch_size=16, seed=s) for s in range(40)]
    learnt = {shape_key(trials[0]): 1000}
    assert make_packs(trials, 1, limits=PackLimits(learnt=learnt)) == make_packs(trials, 1)


def test_a_size_learnt_later_counts_for_packs_made_later(make_trial):
    learnt: dict[str, int] = {}
    limits = PackLimits(learnt=learnt)
    trials = [make_trial(seed=s) for s in range(40)]
    before = make_packs(trials, 1, limits=limits)
    learnt[shape_key(trials[0])] = 3
    after = make_packs(trials, 1, limits=limits)
    assert max(len(pack.configurations) for pack in before) > 3
    assert max(len(pack.configurations) for pack in after) == 3


def test_batch_bytes_bound_every_pack(make_trial):
    draw = random.Random(2)
    for _ in range(40):
        workload = Workload(1000, 100, draw.randrange(1, 10**5), draw.randrange(10**6))
        limits = PackLimits(batch_bytes=draw.randrange(10**6, 10**9))
        trials = [make_trial(batch_size=draw.choice([1, 30, 900]), seed=s) for s in range(70)]
        workloads = {(trials[0].dataset, trials[0].model): workload}
        for pack in make_packs(trials, 2, workloads=workloads, limits=limits):
            n, size = len(pack.configurations), pack.configurations[0].batch_size
            # By hand: batches and three arrays of parameters, four bytes a number.
            held = n * 4 * (size * workload.sample_values + 3 * workload.parameters)
            assert n == 1 or held <= limits.batch_bytes


def test_the_default_is_half_a_gibibyte(make_trial):
    trial, workload = make_trial(), Workload(sample_values=10_000)
    assert PackLimits().batch_bytes == MAX_BATCH_BYTES
    assert most_members(trial, workload) == MAX_BATCH_BYTES // (32 * 10_000 * 4)


def test_parameters_count_where_they_are_known(make_trial):
    """A perceptron of 20 million parameters: its weights, gradients and momentum are 240 MB."""
    trial = make_trial()
    unknown, known = Workload(sample_values=100), Workload(sample_values=100, parameters=20_000_000)
    assert most_members(trial, unknown) > DEFAULT_PACK_SIZE
    assert most_members(trial, known) == 2
    assert member_bytes(32, known) == 4 * (3200 + 60_000_000)


def test_layers_held_in_turn_are_held_once(make_trial):
    """Members that train one by one hold the layers of one of them at a time."""
    trial = make_trial(batch_size=10)
    workload = Workload(sample_values=100, alone_values=10**6)
    assert shared_bytes(10, workload) == 4 * 10**7
    assert most_members(trial, workload) == (MAX_BATCH_BYTES - 4 * 10**7) // (10 * 100 * 4)
    assert most_members(make_trial(batch_size=900), workload) == 1


def test_a_shapes_key_is_the_shapes(make_trial):
    trials = [
        make_trial(),
        make_trial(learning_rate=0.7, seed=3, momentum=0.5),
        make_trial(batch_size=33),
        make_trial(model="mlp-32"),
        make_trial(clip_norm=1.0),
        make_trial(clip_norm=2.0),
    ]
    for one in trials:
        for other in trials:
            same = shape_of(one) == shape_of(other)
            assert (shape_key(one) == shape_key(other)) is same
    assert shape_key(trials[0]) == "99982b2a5041171d"  # it is kept in stores


def test_operations_of_members_alone_cost_time(make_trial):
    together, alone = Workload(1000, 100), Workload(1000, 100, operations=50)
    costs = CostModel(operation=2.0)
    extra = costs.trial_seconds(make_trial(), alone) - costs.trial_seconds(make_trial(), together)
    assert extra == pytest.approx(100 * 50 * 2.0)  # 100 steps
