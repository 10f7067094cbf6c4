"""One trial of one step: all that it takes is start-up."""

from explorer.space import SearchSpace, steps

space = SearchSpace(
    dataset="mnist1d",
    model="mlp-64",
    train_size=1000,
    batch_size=32,
    learning_rate=0.05,
    momentum=0.9,
    budget=steps(1),
    evaluate=1,
)
