"""Small perceptrons on MNIST-1D, every trial 3,000 steps: the sweep whose speed is measured.

Every cell trains (none lies below the edge of trainability), so nobody saves time on diverged ones.
"""

from explorer.space import SearchSpace, log_grid, steps

space = SearchSpace(
    dataset="mnist1d",
    model="mlp-64",  # 40-64-10, ReLU
    train_size=1000,
    batch_size=[16, 32, 64, 128],
    learning_rate=log_grid(0.0125, 0.1, per_octave=1),
    momentum=0.9,
    budget=steps(3000),
    evaluate=10,
    seeds=1000,  # `--limit` takes the grid of the first seed, then of the next, as far as asked
)
