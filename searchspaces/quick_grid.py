"""How the best batch size of a small perceptron on MNIST-1D moves with the learning rate."""

from explorer.space import SearchSpace, log_grid, time_over_learning_rate, window

space = SearchSpace(
    dataset="mnist1d",
    model="mlp-64",  # 40-64-10, ReLU
    train_size=1000,
    learning_rate=log_grid(0.05, 0.4, per_octave=2),
    momentum=0.9,
    batch_size=window(
        center=lambda learning_rate: 230 * learning_rate,  # where a first sweep found the peak
        below=4,
        above=8,
        per_octave=2,
        alternate_offset=0.25,  # octaves, in every second condition
    ),
    budget=time_over_learning_rate(300),
    evaluate=10,
    seeds=8,
)
