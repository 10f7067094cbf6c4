"""A search space to start from: say here what the experiment asks.

Run it with `explorer run FILE`, or `explorer run FILE --dry-run` to see what it would train.
"""

from explorer.space import SearchSpace, log_grid, steps

# A model of your own is a function; its source, and that of what it uses, is part of each trial's
# identity, so that an edited model is trained anew. Write model=wide_net below to use it.
#
# def wide_net(input_shape, n_classes):
#     import math
#     from torch import nn
#     return nn.Sequential(
#         nn.Flatten(), nn.Linear(math.prod(input_shape), 256), nn.ReLU(), nn.Linear(256, n_classes)
#     )
#
# Data of your own is a function that returns four arrays; write dataset=my_data to use it.
#
# def my_data():
#     return train_inputs, train_labels, test_inputs, test_labels


def enough_batches(batch_size: int, train_size: int) -> bool:
    """At least four batches fit into the training set."""
    return 4 * batch_size <= train_size


# Every argument but seeds and rules is an axis: one value, or a list of values, or a grid.
space = SearchSpace(
    dataset="mnist1d",  # or mnist1d-large, digits, mnist5k; mnist, cifar10, ... (--data-root)
    model="mlp-64",  # hidden sizes; mlp-128-64, cnn1d-16-32, cnn2d-16-32, or a function
    train_size=1000,  # the first N samples of a fixed order
    learning_rate=[0.1, 0.2],
    momentum=0.9,
    batch_size=log_grid(8, 256, per_octave=1),  # or window(center=..., below=4, above=8)
    budget=steps(500),  # or epochs(100), time(3000), time_over_learning_rate(300)
    evaluate=5,  # equally spaced evaluations of each trial
    seeds=2,  # repetitions of every cell; or a list of seeds
    # weight_decay=[0.0, 1e-4],
    # clip_norm=[None, 1.0],
    # final_decay=0.2,  # the learning rate falls to 0 over the last fifth of the steps
    # sampling="shuffle",  # or subset, replacement
    # validation_size=0,
    rules=[enough_batches],  # each keeps the cells for which it returns True
)
