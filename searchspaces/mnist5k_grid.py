"""The quick grid's question asked of real MNIST images, with the same learning rates and budget."""

from explorer.space import SearchSpace, log_grid, time_over_learning_rate, window

space = SearchSpace(
    dataset="mnist5k",
    model="mlp-32",  # 784-32-10, ReLU
    train_size=1000,
    learning_rate=log_grid(0.05, 0.4, per_octave=2),
    momentum=0.9,
    batch_size=window(
        # Inputs of 784 pixels make the loss steeper: training needs batches five times as large
        # as on MNIST-1D, and at the largest learning rates the window ends at the full batch.
        center=lambda learning_rate: 1000 * learning_rate,
        below=4,
        above=8,
        per_octave=2,
        alternate_offset=0.25,
    ),
    budget=time_over_learning_rate(300),
    evaluate=10,
    seeds=8,
)
