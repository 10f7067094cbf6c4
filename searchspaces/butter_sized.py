"""A study of the size of BUTTER, to plan with: perceptrons by shape, depth, size and rates.

BUTTER (Tripp, Perr-Sauer, Hayne & Lunacek 2022, arXiv:2207.12547) is a public data set of 11.2
million training runs of fully connected networks: 483 thousand settings of data set (13), network
shape (8), depth (14), number of parameters (23), learning rate (4), batch size (6), label noise and
regularization, repeated 24 times on average, with statistics after each of 40 billion epochs. It
took its authors 11 thousand CPU core-years, 72 GPU-years and 1.7 TB.

This space has its number of runs and of epochs, not its grid: one data set, fewer cells, and more
repetitions of each. `explorer plan butter_sized --seeds 500` is 22,400 cells x 500 seeds = 11.2
million trials of 3,571 epochs, 40 billion rows of learning curves. Its networks are BUTTER's small
ones, up to 65 thousand parameters.
"""

from explorer.space import SearchSpace, epochs


def hidden_width(parameters: int, depth: int) -> int:
    """Width of `depth` equal hidden layers whose network (40 inputs, 10 classes) has so many."""
    width = 1
    while 41 * width + (depth - 1) * (width + 1) * width + 10 * (width + 1) < parameters:
        width += 1
    return width


def rectangle(parameters: int, depth: int) -> str:
    """Equal hidden layers."""
    return "-".join(["mlp", *[str(hidden_width(parameters, depth))] * depth])


def trapezoid(parameters: int, depth: int) -> str:
    """Hidden layers that narrow evenly, from 1.5 times a rectangle's width to half of it."""
    width = hidden_width(parameters, depth)
    widths = [width * (1.5 - k / (depth - 1)) for k in range(depth)]
    return "-".join(["mlp", *(str(max(1, round(each))) for each in widths)])


sizes = [2**k for k in range(9, 17)]  # parameters: 512 to 65,536
depths = [2, 3, 4, 5, 7, 9, 10]
models = [shape(n, depth) for shape in (rectangle, trapezoid) for n in sizes for depth in depths]

space = SearchSpace(
    dataset="mnist1d",
    model=models,
    train_size=4000,
    learning_rate=[0.001, 0.01, 0.1, 0.3],
    batch_size=[16, 32, 64, 128, 256],
    weight_decay=[0.0, 1e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1],
    budget=epochs(3571),
    evaluate=3571,  # after each epoch
    seeds=24,
)
