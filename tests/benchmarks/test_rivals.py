"""The rivals train what the explorer trains: otherwise their times say nothing."""

import json
import math

import numpy as np
import pytest
import torch

from benchmarks import sweep
from benchmarks.rival_training import train
from explorer.training import train_pack

SEEDS = 24


@pytest.fixture(autouse=True)
def _torch_as_it_was():
    """The rival seeds torch's global generator, as scripts do."""
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    yield
    torch.set_rng_state(state)
    torch.set_num_threads(threads)


def rival_curves(configurations, dataset):
    """Test losses and accuracies [trials, evaluations]."""
    arrays = sweep.rival_arrays(dataset, configurations[0].train_size)
    data = {name: torch.tensor(array) for name, array in arrays.items()}
    curves = []
    for configuration in configurations:
        curve = []
        train(sweep.rival_trial(configuration), data, curve.append)
        assert [point["step"] for point in curve] == list(configuration.evaluation_steps)
        curves.append([(point["test_loss"], point["train_accuracy"]) for point in curve])
    return np.array(curves)


def explorer_curves(configurations, dataset):
    return np.array(
        [
            [(point.test_loss, point.train_accuracy) for point in result.evaluations]
            for result in train_pack(configurations, dataset)
        ]
    )


def largest_z(a, b):
    """The largest difference of means over seeds, in standard errors."""
    error = np.sqrt(a.var(0, ddof=1) / len(a) + b.var(0, ddof=1) / len(b))
    return float(np.abs((a.mean(0) - b.mean(0)) / error).max())


@pytest.mark.parametrize("batch_size", [16, 128])
def test_rival_and_explorer_agree_within_their_standard_errors(mnist1d, trial, batch_size):
    # A small learning rate: the loss after 100 steps then says most about the optimizer.
    given = {"batch_size": batch_size, "learning_rate": 0.0125}
    trials = [trial(**given, seed=seed) for seed in range(SEEDS)]
    ours, theirs = explorer_curves(trials, mnist1d), rival_curves(trials, mnist1d)
    assert ours.shape == theirs.shape == (SEEDS, 2, 2)
    assert largest_z(ours, theirs) < 4
    # The same measure tells another training apart.
    others = [trial(**given, momentum=0.85, seed=seed) for seed in range(SEEDS)]
    assert largest_z(explorer_curves(others, mnist1d), theirs) > 6


def test_all_contenders_get_the_same_trials(mnist1d, tmp_path):
    job = sweep.make_job(sweep.SPEED_GRID, 64, mnist1d, tmp_path)
    trials = json.loads(job.trials_file.read_text())
    assert job.limit == len(trials) == 64
    grid = {(t["batch_size"], t["learning_rate"], t["seed"]) for t in trials}
    assert grid == {
        (batch_size, learning_rate, seed)
        for batch_size in (16, 32, 64, 128)
        for learning_rate in (0.0125, 0.025, 0.05, 0.1)
        for seed in range(4)
    }
    assert {(t["momentum"], t["steps"]) for t in trials} == {(0.9, 3000)}
    assert all(t["evaluation_steps"] == list(range(300, 3001, 300)) for t in trials)
    with np.load(job.data_file) as arrays:
        assert arrays["train_inputs"].shape == (1000, 40)
        assert arrays["test_labels"].shape == (10_000,)
        assert np.array_equal(arrays["train_inputs"], mnist1d.train_inputs[:1000])


@pytest.mark.parametrize("rival", [sweep.LOOP, sweep.TUNE_REUSED], ids=lambda rival: rival.name)
def test_rivals_run_as_programs_and_return_every_trial(mnist1d, trial, tmp_path, rival):
    shorter = [trial(seed=seed, budget_value=20, evaluations=2) for seed in range(3)]
    job = sweep.make_job(sweep.ONE_STEP, 1, mnist1d, tmp_path)
    job.trials_file.write_text(json.dumps([sweep.rival_trial(c) for c in shorter]))
    job = sweep.Job(job.space, tuple(shorter), job.trials_file, job.data_file)
    outcome = sweep.run(rival, job, tmp_path)
    assert sorted(outcome.trials["seed"]) == [0, 1, 2]
    assert outcome.trials["test_accuracy"].between(0.1, 0.5).all()
    assert outcome.trials["test_accuracy"].nunique() > 1
    assert math.isfinite(outcome.seconds)


def test_a_contender_that_fails_is_told_with_its_last_words():
    with pytest.raises(SystemExit, match=r"(?s)ended with 2:.*arguments are required"):
        sweep.timed([sweep.sys.executable, "-m", "benchmarks.rival_loop"])
