"""Is the best batch size the edge of trainability, or an optimum of the noise?

One condition over all its batch sizes, with a constant learning rate and with two interventions,
alone and together: clipping the gradient's norm, which lets smaller batches train, and a learning
rate that falls to 0 at the end, which removes the noise of the last steps.
"""

from explorer.space import SearchSpace, log_grid, time_over_learning_rate

space = SearchSpace(
    dataset="mnist1d",
    model="mlp-64",  # 40-64-10, ReLU
    train_size=1000,
    learning_rate=0.1,
    momentum=0.9,
    batch_size=log_grid(1000 / 512, 1000, per_octave=4),  # from 2 to the full batch
    clip_norm=[None, 1.0],
    final_decay=[0.0, 0.2],  # constant, or linearly to 0 over the last fifth of the steps
    budget=time_over_learning_rate(300),  # steps = 300 / learning_rate
    evaluate=10,
    seeds=24,
)
