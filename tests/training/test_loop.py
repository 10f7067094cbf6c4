"""What the loop records: evaluation points, divergence, batches, data."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from explorer.errors import InputError
from explorer.training import PackTrainer, train_pack
from explorer.training.loop import CHECK_EVERY
from explorer.training.streams import BatchStream


def test_evaluations_are_equally_spaced_over_each_members_own_run(vectors, configure):
    members = [
        configure(budget="time_over_learning_rate", budget_value=10, learning_rate=eps)
        for eps in (0.05, 0.1)
    ]
    long, short = train_pack(members, vectors)
    assert [e.step for e in long.evaluations] == [50, 100, 150, 200]
    assert [e.step for e in short.evaluations] == [25, 50, 75, 100]
    assert long.evaluations[0].epoch == pytest.approx(50 * 16 / 500)
    assert long.evaluations[-1].train_accuracy > 0.5


def test_more_evaluations_than_steps(vectors, configure):
    (result,) = train_pack([configure(budget_value=3, evaluations=10)], vectors)
    assert [e.step for e in result.evaluations] == [1, 2, 3]


def test_divergence_is_recorded_and_costs_nothing_after(vectors, configure):
    wild = configure(learning_rate=1e30, budget_value=5000, evaluations=2, seed=1)
    calm = configure(budget_value=300, evaluations=2, seed=2)
    trainer = PackTrainer([wild, calm], vectors)
    assert trainer.member_steps_total == 5300
    trainer.advance()
    results = {r.configuration: r for r in trainer.take_results()}
    assert results[wild].status == "diverged"
    assert results[wild].steps_done == CHECK_EVERY
    assert results[wild].evaluations == ()
    assert results[calm].status == "completed"
    assert trainer.member_steps_done == trainer.member_steps_total == 300 + CHECK_EVERY


def test_a_diverged_trial_keeps_its_last_finite_evaluation(vectors, configure):
    """Weight decay above 2/eps doubles the weights' scale a step: finite at first, then not."""
    slow = configure(
        learning_rate=0.05, weight_decay=60.0, budget_value=400, evaluations=20, model="mlp-8"
    )
    (result,) = train_pack([slow], vectors)
    assert result.status == "diverged"
    assert result.evaluations
    for evaluation in result.evaluations:
        assert math.isfinite(evaluation.train_loss)
        assert math.isfinite(evaluation.test_loss)
    assert result.evaluations[-1].step < result.steps_done < slow.steps


def test_results_are_taken_once_and_time_is_shared_out(vectors, configure):
    members = [configure(seed=k) for k in range(4)]
    trainer = PackTrainer(members, vectors)
    trainer.advance()
    results = trainer.take_results()
    assert len(results) == 4
    assert trainer.finished
    assert trainer.take_results() == []
    assert all(r.wall_seconds > 0 for r in results)
    assert results[0].wall_seconds == results[3].wall_seconds


def test_shuffling_meets_every_sample_once_an_epoch(configure):
    c = configure(batch_size=7, train_size=50)  # 7 batches, one sample left over
    batches = BatchStream([c, configure(batch_size=7, train_size=50, seed=9)])
    for _ in range(3):
        epoch = torch.cat([batches.indices(step) for step in range(7)], 1)
        for rows in epoch:
            assert len(set(rows.tolist())) == 49
        assert not torch.equal(epoch[0], epoch[1])


def test_other_samplings(configure):
    subset = BatchStream([configure(sampling="subset", train_size=20, batch_size=15)])
    draws = [subset.indices(step)[0].tolist() for step in range(20)]
    assert all(len(set(rows)) == 15 for rows in draws)
    assert {row for rows in draws for row in rows} == set(range(20))
    again = BatchStream([configure(sampling="replacement", train_size=20, batch_size=20)])
    draws = [again.indices(step)[0].tolist() for step in range(50)]
    assert any(len(set(rows)) < 20 for rows in draws)
    counts = np.bincount(np.ravel(draws), minlength=20)
    assert abs(counts - 50).max() < 5 * math.sqrt(50)


def test_train_size_takes_a_prefix_and_validation_the_other_end(vectors, configure):
    trainer = PackTrainer([configure(train_size=300, validation_size=200)], vectors)
    assert np.array_equal(trainer._train[0].numpy(), vectors.train_inputs[:300])
    assert np.array_equal(trainer._validation[0].numpy(), vectors.train_inputs[500:])
    (result,) = train_pack([configure(train_size=300, validation_size=200)], vectors)
    assert 0.1 < result.evaluations[-1].validation_accuracy <= 1
    with pytest.raises(InputError, match="validation_size 300 and train_size 500"):
        PackTrainer([configure(validation_size=300)], vectors)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda shape, n: nn.Linear(3, n), "fails on inputs"),
        (lambda shape, n: nn.Linear(40, n + 1), r"gives \(2, 11\)"),
        (lambda shape, n: "no module", "must give a torch.nn.Module"),
        (lambda shape, n: nn.ReLU(), "with parameters to train"),
        (lambda shape, n: 1 / 0, "division by zero"),
    ],
)
def test_a_users_model_that_cannot_train_is_refused(factory, message, vectors, configure):
    with pytest.raises(InputError, match=message):
        PackTrainer([configure(model="theirs")], vectors, model_factory=factory)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("mpl-64", (40,), "unknown"),
        ("mlp-6x", (40,), "malformed"),
        ("mlp-0", (40,), "size 0"),
        ("cnn1d", (40,), "malformed"),
        ("cnn1d-4-4-4-4-4-4", (40,), "to nothing"),
        ("cnn1d-4", (3, 32, 32), "dimension"),
        ("cnn2d-4", (40,), "dimension"),
    ],
)
def test_model_names(name, shape, message):
    from explorer.models import check_model_name

    with pytest.raises(InputError, match=message):
        check_model_name(name, shape)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("mlp-64", (40,), 40 * 64 + 64 * 10),
        ("mlp", (1, 8, 8), 640),
        ("cnn1d-4-6", (40,), 40 * 5 * 4 + 20 * 4 * 5 * 6 + 60 * 10),
        ("cnn2d-4", (1, 8, 8), 64 * 9 * 4 + 64 * 10),
        ("somebodys", (40,), 0),
    ],
)
def test_multiply_adds(name, shape, expected):
    from explorer.models import multiply_adds

    assert multiply_adds(name, shape, 10) == expected
