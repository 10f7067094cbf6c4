"""Trials that take next to nothing: what is left is what a pack costs the driver."""

from explorer.space import SearchSpace, steps

space = SearchSpace(
    dataset="digits",
    model="mlp-8",
    train_size=100,
    batch_size=10,
    learning_rate=0.05,
    momentum=0.9,
    budget=steps(1),
    evaluate=1,
    seeds=100_000,  # `--limit` takes as many as wanted
)
