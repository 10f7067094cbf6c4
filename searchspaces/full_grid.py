"""Best batch size by learning rate, momentum and training-set size at equal effective time."""

from explorer.space import SearchSpace, log_grid, time, window


def expected_peak(learning_rate: float, momentum: float, train_size: int) -> float:
    """Batch size near which first sweeps of this model found the best test accuracy."""
    momentum_factor: float = (0.1 / (1 - momentum)) ** 0.75
    train_size_factor: float = (train_size / 1000) ** 0.4
    return 230 * learning_rate * momentum_factor * train_size_factor


def peak_within_reach(learning_rate: float, momentum: float, train_size: int) -> bool:
    """The expected peak lies between batch size 2 and a quarter of the training set."""
    return 2 <= expected_peak(learning_rate, momentum, train_size) <= train_size / 4


space = SearchSpace(
    dataset="mnist1d",
    model="mlp-64",  # 40-64-10, ReLU
    train_size=[500, 1000, 2000, 4000, 8000],
    learning_rate=log_grid(0.05, 0.4, per_octave=1),
    momentum=[0.0, 0.5, 0.9, 0.95],
    batch_size=window(
        center=expected_peak,
        below=4,
        above=8,
        per_octave=2,
        alternate_offset=0.25,
    ),
    budget=time(3000),  # steps = 3000 * (1 - momentum) / learning_rate
    evaluate=10,
    seeds=5,
    rules=[peak_within_reach],
)
