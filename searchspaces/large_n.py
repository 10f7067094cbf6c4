"""How the best batch size moves with the size of the training set, up to 128,000 samples.

Smith & Le (2018, figure 6) find B_opt proportional to N from about 20,000 samples on, after 10,000
steps. Here are the number of steps of the other grids, theirs, and a fixed number of epochs, at
which a larger batch means fewer steps.
"""

from explorer.space import SearchSpace, epochs, log_grid, time_over_learning_rate, window

space = SearchSpace(
    dataset="mnist1d-large",  # MNIST-1D with 128,000 training samples
    model="mlp-64",  # 40-64-10, ReLU
    train_size=log_grid(4000, 128000, per_octave=1),
    learning_rate=0.1,
    momentum=0.9,
    batch_size=window(
        center=lambda train_size: 23 * (train_size / 1000) ** 0.4,  # as it moves below N = 8,000
        below=4,
        above=16,
        per_octave=2,
        alternate_offset=0.25,
    ),
    budget=[
        time_over_learning_rate(300),  # 3,000 steps
        time_over_learning_rate(1000),  # 10,000 steps
        epochs(50),  # 50 N / B steps
    ],
    evaluate=5,
    seeds=5,
)
