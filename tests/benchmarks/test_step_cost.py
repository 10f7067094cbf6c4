"""The figures about a step: floating-point operations, shares and their arithmetic."""

import itertools

import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measurements import LongSweep, Measurements, Timing
from benchmarks.results import page
from benchmarks.step_cost import PackCost, pack_cost, sgemm_rate, step_flops
from benchmarks.step_profile import GEMM, PARTS, StepProfile, step_profile


@pytest.mark.parametrize(("sizes", "batch_size"), [((40, 64, 10), 32), ((12, 7, 5, 3), 4)])
def test_step_flops_are_those_that_torch_counts(sizes, batch_size):
    layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    model = torch.nn.Sequential(*layers)
    inputs = torch.ones(batch_size, sizes[0])
    with FlopCounterMode(display=False) as counter:
        model(inputs).sum().backward()
    assert step_flops(sizes, batch_size) == counter.get_total_flops()


def test_sgemm_rate_is_a_rate_of_one_thread():
    threads = torch.get_num_threads()
    assert 1e8 < sgemm_rate(256, 3) < 1e13
    assert torch.get_num_threads() == threads


def test_pack_cost_tells_steps_from_evaluations(mnist1d, trial):
    members = [trial(seed=seed, budget_value=60) for seed in range(4)]
    cost = pack_cost(members, mnist1d, (40, 64, 10), repeats=1)
    assert (cost.batch_size, cost.members, cost.steps) == (32, 4, 60)
    # 11,000 samples forward against 32 forward and backward: hundreds of times the arithmetic.
    assert cost.evaluation_seconds > 5 * cost.step_seconds > 0


def test_profile_shares_add_up_and_every_product_is_seen(mnist1d, trial):
    profile = step_profile([trial(seed=seed) for seed in range(8)], mnist1d, seconds=0.1)
    assert profile.steps > 0
    assert sum(profile.shares.values()) == pytest.approx(1)
    assert set(profile.shares) == set(PARTS)
    assert all(share > 0 for share in profile.shares.values())
    # Two forward, two for the weights' gradients, one for the hidden layer's.
    assert profile.gemm_calls == 5


def cost(batch_size, step_seconds):
    return PackCost(
        batch_size=batch_size,
        members=32,
        steps=1000,
        step_seconds=step_seconds,
        evaluation_seconds=0.001,
        step_flops=step_flops((40, 64, 10), batch_size),
    )


@pytest.fixture
def found():
    """Two batch sizes, 4 trials each, round numbers."""
    trials = pd.DataFrame(
        {
            "batch_size": [16] * 4 + [32] * 4,
            "pack_id": ["a", "a", "a", "b", "c", "c", "d", "d"],
            "status": ["completed"] * 8,
            "wall_seconds": [0.05] * 4 + [0.11] * 4,
        }
    )
    shares = dict.fromkeys(PARTS, 0.6 / (len(PARTS) - 1)) | {GEMM: 0.4}
    return Measurements(
        machine={"processor": "abacus"},
        explorer=Timing("explorer run", 2.0, (10.0,), 80, 0.4),
        rivals=(
            Timing("Ray Tune", 4.0, (410.0, 404.0, 402.0), 80, 0.4),
            Timing("Ray Tune, reuse_actors", 4.0, (100.0,), 80, 0.4),
            Timing("PyTorch loop", 1.0, (161.0,), 80, 0.4),
        ),
        sweep=LongSweep(wall=1.0, empty_tune=0.5, slots=2, trials=trials),
        sgemm=1e11,
        costs=(cost(16, 40e-6), cost(32, 100e-6)),
        profiles=tuple(StepProfile(b, 32, 10, 0.002, shares, 5.0) for b in (16, 32)),
        evaluations=10,
    )


def test_figures_follow_from_the_measurements(found):
    tune = found.rivals[0]
    assert tune.wall == 404
    assert tune.marginal == 5
    assert tune.projected(1000) == 5004
    assert found.sweep.in_packs == pytest.approx(0.32)
    assert found.sweep.not_training == pytest.approx(0.18)
    assert found.sweep.pack_sizes(16) == [1, 3]
    # 225,280 FLOP in 40 us are 5.632 GFLOP/s, 450,560 in 100 us 4.5056.
    assert found.gemm_fraction(found.costs[0]) == pytest.approx(0.05632)
    assert found.overall_gemm_fraction == pytest.approx((225_280 + 450_560) / 140e-6 / 1e11)
    # Of 0.05 s, 0.01 of them evaluations: 40 us a step, as alone.
    assert found.costs[0].evaluation_share(10) == pytest.approx(0.2)
    assert found.gemm_fraction_in_sweep(found.costs[0]) == pytest.approx(0.05632)
    assert found.evaluation_share == pytest.approx((0.05 * 0.2 + 0.11 / 11) / 0.16)
    # 32 members, 0.4 of 2 ms in the products.
    assert found.kernel_fraction(found.costs[0], found.profiles[0]) == pytest.approx(
        225_280 * 32 / 0.0008 / 1e11
    )


def test_page_says_which_targets_were_reached(found):
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page(found).splitlines()]
    verdicts = {row[0]: row[1:] for row in rows if row[-1:] in (["reached"], ["missed"])}
    assert verdicts == {
        "times faster than Ray Tune, 80 trials": ["40.4", "at least 40", "reached"],
        "times faster than Ray Tune, reuse_actors, 80 trials": ["10.0", "at least 20", "missed"],
        "times faster than PyTorch loop, 80 trials": ["16.1", "at least 12", "reached"],
        "training, fraction of single-thread SGEMM": ["4.8%", "at least 20%", "missed"],
        "not training, 8 trials": ["18.0%", "at most 15%", "missed"],
    }
