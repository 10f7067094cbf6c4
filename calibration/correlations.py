"""P values of the correlation tests on grids in which nothing has an effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.correlation import correlations
from analysis.landscape import Landscape
from calibration.monte_carlo import Share, clustered_share

_BATCH_SIZES = tuple(range(16, 321, 16))
_LEARNING_RATES = tuple(round(0.01 * i, 2) for i in range(1, 21))


@dataclass(frozen=True)
class CorrelationRow:
    """One kind of p value over many groups without an effect.

    Attributes:
        p_value: "t approximation" or "permutation".
        kind: of group.
        n: cells in each.
        at_5, at_half: shares below 0.05 and below 0.005, the threshold of He, Liu & Tao (2019).
        ks: p value of Kolmogorov and Smirnov's test of uniformity.
    """

    p_value: str
    kind: str
    n: int
    at_5: Share
    at_half: Share
    ks: float


def null_grid(rng: np.random.Generator) -> Landscape:
    """He, Liu & Tao's 20 x 20 grid with accuracies that depend on nothing."""
    rows = [
        {
            "dataset": "planted",
            "model": "planted",
            "budget": "epochs",
            "budget_value": 200.0,
            "learning_rate": eps,
            "momentum": 0.0,
            "train_size": 50_000,
            "batch_size": b,
            "seed": 0,
            "status": "completed",
            "n_classes": 10,
            "test_accuracy": value,
            "best_test_accuracy": value,
        }
        for b in _BATCH_SIZES
        for eps in _LEARNING_RATES
        for value in [0.9 + 0.005 * float(rng.standard_normal())]
    ]
    return Landscape.from_frame(pd.DataFrame(rows), "planted")


def correlation_rows(grids: int, permutations: int = 100_000) -> list[CorrelationRow]:
    """Rejection rates over so many grids of 41 groups each."""
    rng = np.random.default_rng(7)
    found: dict[tuple[str, str], list[list[float]]] = {}
    sizes: dict[str, int] = {}
    for _ in range(grids):
        table = correlations(null_grid(rng), permutations=permutations)
        by_key: dict[tuple[str, str], list[float]] = {}
        for group in table.groups:
            sizes[group.kind] = group.n
            by_key.setdefault(("t approximation", group.kind), []).append(group.p)
            by_key.setdefault(("permutation", group.kind), []).append(group.p_permutation)
        for key, p in by_key.items():
            found.setdefault(key, []).append(p)
    return [
        CorrelationRow(
            p_value,
            kind,
            sizes[kind],
            clustered_share([[v < 0.05 for v in p] for p in every]),
            clustered_share([[v < 0.005 for v in p] for p in every]),
            float(stats.kstest([v for p in every for v in p], "uniform").pvalue),
        )
        for (p_value, kind), every in found.items()
    ]
