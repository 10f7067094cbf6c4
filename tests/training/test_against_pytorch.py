"""The stacked loop against plain torch.optim.SGD on the same weights and batches, in float64.

The reference shares with the loop only the random streams; its model, loss, clipping, decay and
optimizer are PyTorch's own.
"""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from explorer.training import train_pack
from explorer.training.streams import BatchStream
from explorer.trial import SAMPLINGS

STEPS = 200


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(40, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 10)
    )


def cnn1d() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 40)),
        *(nn.Conv1d(1, 4, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2)),
        *(nn.Conv1d(4, 6, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2)),
        nn.Flatten(),
        nn.Linear(60, 10),
    )


def cnn2d() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        nn.Linear(24, 10),
    )


def normalized(input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """A user's module that torch.func stacks."""
    n = math.prod(input_shape)
    return nn.Sequential(nn.Linear(n, 20), nn.LayerNorm(20), nn.GELU(), nn.Linear(20, n_classes))


def batch_normalized(input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """A user's module with state, which must train one by one."""
    n = math.prod(input_shape)
    return nn.Sequential(nn.Linear(n, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, n_classes))


def initial_weights(name, dataset, configuration, make_stream, factory):
    from explorer.models import build_model

    model = build_model(
        name, dataset.input_shape, dataset.n_classes, batch_size=16, factory=factory
    )
    return model.initial([make_stream(configuration, "weights")])


def reference_losses(module, weights, dataset, c) -> list[tuple[float, float]]:
    """(train, test) loss after each evaluation step, by PyTorch alone."""
    module = module.double()
    with torch.no_grad():
        trained = [p for p in module.parameters() if p.requires_grad]
        for parameter, value in zip(trained, weights, strict=True):
            parameter.copy_(value[0].reshape(parameter.shape))
    inputs, labels = (torch.from_numpy(a) for a in (dataset.train_inputs, dataset.train_labels))
    inputs, labels = inputs[: c.train_size].double(), labels[: c.train_size]
    tests = torch.from_numpy(dataset.test_inputs).double(), torch.from_numpy(dataset.test_labels)
    optimizer = torch.optim.SGD(trained, c.learning_rate, c.momentum, weight_decay=c.weight_decay)
    batches, found = BatchStream([c]), []
    for step in range(c.steps):
        rows = batches.indices(step)[0]
        left, window = c.steps - step, c.final_decay * c.steps
        optimizer.param_groups[0]["lr"] = c.learning_rate * (
            left / window if window and left < window else 1.0
        )
        module.train()
        optimizer.zero_grad()
        functional.cross_entropy(module(inputs[rows]), labels[rows]).backward()
        if c.clip_norm is not None:
            nn.utils.clip_grad_norm_(trained, c.clip_norm)
        optimizer.step()
        if step + 1 in c.evaluation_steps:
            module.eval()
            with torch.no_grad():
                found.append(
                    tuple(
                        functional.cross_entropy(module(x), y).item()
                        for x, y in [(inputs, labels), tests]
                    )
                )
    return found


def partly_frozen(input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Fixed features: the first layer is not trained."""
    n = math.prod(input_shape)
    model = nn.Sequential(nn.Linear(n, 20), nn.ReLU(), nn.Linear(20, n_classes))
    with torch.no_grad():
        model[0].weight.copy_(0.2 * torch.linspace(-400, 400, 20 * n).sin().view(20, n))
        model[0].bias.zero_()
    model[0].requires_grad_(False)
    return model


FAMILIES = {
    "mlp-24-16": (mlp, "vectors", None),
    "cnn1d-4-6": (cnn1d, "vectors", None),
    "cnn2d-4-6": (cnn2d, "images", None),
    "normalized": (lambda: normalized((40,), 10), "vectors", normalized),
    "batch_normalized": (lambda: batch_normalized((40,), 10), "vectors", batch_normalized),
    "partly_frozen": (lambda: partly_frozen((40,), 10), "vectors", partly_frozen),
}
#: An uneven pack: every option on and off, steps from 90 to 200.
MEMBERS = [
    {"momentum": 0.9, "learning_rate": 0.02},
    {"momentum": 0.0, "weight_decay": 0.01, "budget_value": 90},
    {"momentum": 0.5, "clip_norm": 0.5, "learning_rate": 0.2, "budget_value": 150},
    {"momentum": 0.9, "final_decay": 0.5, "clip_norm": 1.0, "weight_decay": 0.001},
    {"momentum": 0.7, "final_decay": 0.2, "learning_rate": 0.1, "budget_value": 130},
]


@pytest.mark.parametrize(
    ("name", "sampling"),
    [*((name, "shuffle") for name in FAMILIES), *(("mlp-24-16", s) for s in SAMPLINGS[1:])],
)
def test_equals_plain_sgd(name, sampling, configure, make_stream, request):
    module, data, factory = FAMILIES[name]
    dataset = request.getfixturevalue(data)
    members = [
        configure(model=name, seed=k, sampling=sampling, **options)
        for k, options in enumerate(MEMBERS)
    ]
    results = train_pack(members, dataset, dtype=torch.float64, model_factory=factory)
    for member, result in zip(members, results, strict=True):
        with torch.random.fork_rng():
            plain = module()
        weights = initial_weights(name, dataset, member, make_stream, factory)
        expected = reference_losses(plain, weights, dataset, member)
        found = [(e.train_loss, e.test_loss) for e in result.evaluations]
        assert result.status == "completed"
        assert result.steps_done == member.steps
        assert len(found) == 4
        for mine, theirs in zip(found, expected, strict=True):
            assert mine == pytest.approx(theirs, rel=1e-10, abs=0)
        assert found[-1][0] < found[0][0], "a reference that learns nothing tests nothing"


def test_evaluation_counts_what_pytorch_counts(vectors, configure, make_stream):
    """Accuracy and loss over more samples than a block, against argmax and cross_entropy."""
    from explorer.models import build_model
    from explorer.training.evaluation import evaluate

    model = build_model("mlp-8", (40,), 10, batch_size=1)
    weights = model.initial([make_stream(configure(seed=k), "weights") for k in range(3)])
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn((4321, 40), generator=draw)
    labels = torch.randint(10, (4321,), generator=draw)
    found = evaluate(model, weights, [2, 0], inputs, labels)
    for k, (loss, accuracy) in zip([2, 0], found, strict=True):
        hidden = (inputs @ weights[0][k].T + weights[1][k].T).relu()
        scores = (hidden @ weights[2][k].T + weights[3][k].T).double()
        assert loss == pytest.approx(functional.cross_entropy(scores, labels).item(), rel=1e-6)
        assert accuracy == (scores.argmax(1) == labels).double().mean().item()


def test_a_tie_is_not_a_hit(vectors):
    from explorer.models import build_model
    from explorer.training.evaluation import evaluate

    model = build_model("mlp", (40,), 10, batch_size=1)
    nothing = [torch.zeros(1, 10, 40), torch.zeros(1, 10, 1)]
    loss, accuracy = evaluate(
        model,
        nothing,
        [0],
        torch.from_numpy(vectors.test_inputs),
        torch.from_numpy(vectors.test_labels),
    )[0]
    assert loss == pytest.approx(math.log(10), rel=1e-6)
    assert accuracy == 0.0
