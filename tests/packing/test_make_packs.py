import itertools
import random
from collections import Counter

import pytest

from explorer.errors import InputError
from explorer.packing import (
    DEFAULT_PACK_SIZE,
    MAX_BATCH_BYTES,
    PACKS_PER_SLOT,
    CostModel,
    Workload,
    make_packs,
    makespan,
    pack_of,
    shape_of,
    workload_of,
)

# One value off the base configuration for each field, and whether a pack may hold both.
FIELDS = [
    ({"dataset": "digits"}, False),
    ({"dataset_source": "ab"}, False),
    ({"model": "mlp-32"}, False),
    ({"model_source": "ab"}, False),
    ({"train_size": 900}, False),
    ({"batch_size": 33}, False),
    ({"sampling": "subset"}, False),
    ({"evaluations": 3}, False),
    ({"validation_size": 10}, False),
    ({"clip_norm": 1.0}, False),
    ({"learning_rate": 0.2}, True),
    ({"momentum": 0.5}, True),
    ({"weight_decay": 1e-3}, True),
    ({"seed": 3}, True),
    ({"budget": "epochs"}, True),
    ({"budget_value": 7}, True),
    ({"final_decay": 0.2}, True),
]


@pytest.mark.parametrize(("change", "together"), FIELDS)
def test_fields_that_may_vary_inside_a_pack(make_trial, change, together):
    assert (shape_of(make_trial()) == shape_of(make_trial(**change))) is together


def test_clipped_trials_of_different_bounds_share_a_shape(make_trial):
    assert shape_of(make_trial(clip_norm=1.0)) == shape_of(make_trial(clip_norm=2.0))


def test_every_field_was_asked_about(make_trial):
    asked = {name for change, _ in FIELDS for name in change}
    assert asked == set(make_trial().as_dict())


@pytest.mark.parametrize("slots", [1, 2, 3, 8, 32])
@pytest.mark.parametrize("pack_size", [None, 1, 3, 7, 1000])
def test_each_trial_once_in_packs_of_one_shape(grid, slots, pack_size):
    packs = make_packs([*grid, *grid[:50]], slots, pack_size)
    members = Counter(c for pack in packs for c in pack.configurations)
    assert members == Counter(grid)
    limit = pack_size or DEFAULT_PACK_SIZE
    for pack in packs:
        assert len({shape_of(c) for c in pack.configurations}) == 1
        assert len(pack.configurations) <= limit
        steps = [c.steps for c in pack.configurations]
        assert steps == sorted(steps, reverse=True)
    costs = [pack.cost for pack in packs]
    assert costs == sorted(costs, reverse=True)
    assert len({pack.pack_id for pack in packs}) == len(packs)


@pytest.mark.parametrize("slots", [1, 2, 4, 8, 16])
def test_slots_end_together(grid, slots):
    costs = [pack.cost for pack in make_packs(grid, slots)]
    assert len(costs) >= PACKS_PER_SLOT * slots
    # Nothing can be done before an even share of the work, and little after it.
    assert makespan(costs, slots) <= 1.15 * sum(costs) / slots


def test_one_costly_shape_does_not_decide_the_end(make_trial):
    # 64 trials of one shape would be one pack, and a second slot would wait for it.
    long = [make_trial(budget_value=20_000, seed=s) for s in range(64)]
    short = [make_trial(budget_value=50, batch_size=16, seed=s) for s in range(64)]
    costs = [pack.cost for pack in make_packs(long + short, 2)]
    assert makespan(costs, 2) <= 1.1 * sum(costs) / 2


def test_few_trials_are_spread_over_the_slots(make_trial):
    packs = make_packs([make_trial(budget_value=30_000, seed=s) for s in range(12)], 2)
    assert [len(pack.configurations) for pack in packs] == [6, 6]


def test_small_work_is_not_cut_to_shreds(make_trial):
    # One long stacked step costs far more than its members' shares of it: one stack is best.
    costs = CostModel(member_step=1e-9, step_multiply_add=0, evaluation_multiply_add=0)
    trials = [make_trial(budget_value=1000, seed=s) for s in range(20)]
    assert len(make_packs(trials, 1, costs=costs)) == 1
    assert len(make_packs(trials, 8, costs=costs)) == 1  # eight would end no sooner
    assert len(make_packs(trials, 8)) == 8


def test_work_that_costs_nothing_is_packed_all_the_same(make_trial):
    costs = CostModel(0, 0, 0, 0, 0)
    packs = make_packs([make_trial(seed=s) for s in range(20)], 8, costs=costs)
    assert sum(len(pack.configurations) for pack in packs) == 20


def test_packs_do_not_depend_on_the_order_of_trials_beyond_ties(grid):
    shuffled = list(grid)
    random.Random(1).shuffle(shuffled)
    first, second = make_packs(grid, 2), make_packs(shuffled, 2)
    assert [round(p.cost, 9) for p in first] == [round(p.cost, 9) for p in second]


def test_pack_id_names_its_members(make_trial):
    a, b = make_trial(seed=1), make_trial(seed=2)
    assert pack_of([a, b]).pack_id == pack_of([a, b], cost=3.0).pack_id
    assert len({pack_of(members).pack_id for members in ([a], [b], [a, b])}) == 3


@pytest.mark.parametrize(("slots", "size", "name"), [(0, None, "slots"), (1, 0, "pack_size")])
def test_nonsense_is_refused(grid, slots, size, name):
    with pytest.raises(InputError, match=f"{name} must be at least 1, not 0"):
        make_packs(grid, slots, size)


def test_nothing_to_pack():
    assert make_packs([], 2) == []


def test_cost_grows_with_everything_that_is_work(make_trial):
    seconds = CostModel().trial_seconds
    small = Workload(multiply_adds=1_000, test_size=100)
    base = seconds(make_trial(), small)
    assert seconds(make_trial(budget_value=200), small) > base
    assert seconds(make_trial(batch_size=64), small) > base
    assert seconds(make_trial(evaluations=20), small) > base
    assert seconds(make_trial(train_size=2000), small) > base
    assert seconds(make_trial(), Workload(2_000, 100)) > base
    assert seconds(make_trial(), Workload(1_000, 200)) > base


def test_cost_is_the_formula(make_trial):
    # By hand: 100 * (1 + 32*50*2) + 10 * (1000+500)*50*3
    costs = CostModel(
        member_step=1, step_multiply_add=2, evaluation_multiply_add=3, stacked_step=0, pack=0
    )
    assert costs.trial_seconds(make_trial(), Workload(50, 500)) == 320_100 + 2_250_000


def test_workloads_of_models():
    # By hand: 40 inputs and a layer of 64 with its gradient.
    assert workload_of("mlp-64", 3_200, 100, (40,)) == Workload(3_200, 100, 40 + 128)
    assert workload_of("cnn1d-16", 3_200, 100, (40,)).multiply_adds > 3_200
    assert workload_of("my_net", 0, 100, (40,)).multiply_adds == Workload().multiply_adds


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        ("mlp", 0),
        ("mlp-512-128", 640),
        # Unfolded inputs (5 a position) and outputs of both layers: 40 and then 20 positions.
        ("cnn1d-8-16", 40 * (5 + 8) + 20 * (5 * 8 + 16)),
        ("my_net", 40),
    ],
)
def test_a_samples_values_are_not_underestimated(model, layers):
    adds = 40 * 5 * 8 + 20 * 8 * 5 * 16 if model.startswith("cnn") else 0
    assert workload_of(model, adds, 100, (40,)).sample_values >= 40 + layers


@pytest.mark.parametrize("pack_size", [None, 32])
def test_memory_bounds_a_packs_members(make_trial, pack_size):
    # CIFAR-10 at full size: 32 members would gather 32 * 16384 * 3072 floats, 6.4 GB.
    features = 3 * 32 * 32
    sizes = (256, 16_384)
    trials = [
        make_trial(dataset="cifar10", train_size=50_000, batch_size=b, seed=s)
        for b in sizes
        for s in range(64)
    ]
    workload = workload_of("mlp-64", features * 64, 10_000, (3, 32, 32))
    packs = make_packs(trials, 2, pack_size, workloads={("cifar10", trials[0].model): workload})
    assert {c for pack in packs for c in pack.configurations} == set(trials)
    longest = dict.fromkeys(sizes, 0)
    for pack in packs:
        members, batch_size = len(pack.configurations), pack.configurations[0].batch_size
        assert members * batch_size * features * 4 <= MAX_BATCH_BYTES
        longest[batch_size] = max(longest[batch_size], members)
    assert longest[16_384] == 2  # by hand: 2.6 fit
    assert longest[256] > 8  # where memory is no matter it bounds nothing


def test_a_trial_too_large_for_the_bound_is_a_pack_of_its_own(make_trial):
    trials = [make_trial(train_size=10**6, batch_size=10**6, seed=s) for s in range(3)]
    assert [len(pack.configurations) for pack in make_packs(trials, 1)] == [1, 1, 1]


def test_makespan_against_every_assignment():
    """Longest first is at most 4/3 - 1/(3m) of the best assignment (Graham 1969, theorem 2)."""
    draw = random.Random(5)
    for _ in range(30):
        slots = draw.choice([2, 3])
        costs = sorted((draw.randint(1, 20) for _ in range(7)), reverse=True)
        best = min(
            max(
                sum(c for c, slot in zip(costs, choice, strict=True) if slot == s)
                for s in range(slots)
            )
            for choice in itertools.product(range(slots), repeat=len(costs))
        )
        assert best <= makespan(costs, slots) <= (4 / 3 - 1 / (3 * slots)) * best
