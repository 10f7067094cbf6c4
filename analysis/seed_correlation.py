"""The common fate of a seed along a curve, as where its trials share initial weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.landscape import CONDITION_COLUMNS

#: Correlations below this change no error bar by more than a few percent.
_NEGLIGIBLE = 0.1


@dataclass(frozen=True)
class SeedCorrelation:
    """The effect of a seed that is common to the cells of one condition.

    Attributes:
        correlation: between two cells' values of one seed, by analysis of variance; NaN where no
            condition has two seeds in two cells.
        f, p: F statistic and p value of "no seed is better than another along a curve".
        n_seeds: seeds of conditions, each counted in each condition.
        n_cells: cells that were used.
    """

    correlation: float
    f: float
    p: float
    n_seeds: int
    n_cells: int

    @property
    def found(self) -> bool:
        """Whether the common effect is beyond doubt (p < 0.01) and not negligible."""
        return self.p < 0.01 and self.correlation >= _NEGLIGIBLE


def seed_correlation(
    trials: pd.DataFrame, metric: str, from_batch_size: pd.Series
) -> SeedCorrelation:
    """Two-way analysis of variance without interaction, seeds by cells, within each condition.

    Sums of squares are pooled over conditions; only seeds that completed all the cells used of
    their condition take part. Cells on the cliff are left out: what varies there is whether
    training succeeds.

    Args:
        trials: completed trials of one group.
        metric: column of the accuracy.
        from_batch_size: smallest batch size to use, for each row.
    """
    rows = trials[(trials["batch_size"] >= from_batch_size) & trials[metric].notna()]
    between = within = 0.0
    f_between = f_within = n_seeds = n_cells = 0
    weight = 0.0
    for _, condition in rows.groupby(list(CONDITION_COLUMNS), sort=True):
        values = _complete_seeds(condition, metric)
        s, c = values.shape
        if s < 2 or c < 2:
            continue
        values = values - values.mean(axis=0)
        seed_means = values.mean(axis=1)
        between += c * float(np.sum(seed_means**2))
        within += float(np.sum((values - seed_means[:, None]) ** 2))
        f_between += s - 1
        f_within += (s - 1) * (c - 1)
        weight += (s - 1) * c
        n_seeds += s
        n_cells += c
    if not f_between or not f_within or within <= 0.0:
        return SeedCorrelation(math.nan, math.nan, math.nan, n_seeds, n_cells)
    ms_between, ms_within = between / f_between, within / f_within
    cells = weight / f_between
    common = (ms_between - ms_within) / cells
    return SeedCorrelation(
        correlation=float(common / (common + ms_within)),
        f=float(ms_between / ms_within),
        p=float(stats.f.sf(ms_between / ms_within, f_between, f_within)),
        n_seeds=n_seeds,
        n_cells=n_cells,
    )


def _complete_seeds(condition: pd.DataFrame, metric: str) -> NDArray[np.float64]:
    """Accuracies of the seeds that have every batch size, shape (seeds, batch sizes).

    Repeated trials of one seed and batch size are averaged.
    """
    seeds, s = np.unique(condition["seed"].to_numpy(), return_inverse=True)
    sizes, c = np.unique(condition["batch_size"].to_numpy(), return_inverse=True)
    sums = np.zeros((len(seeds), len(sizes)))
    counts = np.zeros(sums.shape)
    np.add.at(sums, (s, c), condition[metric].to_numpy(float))
    np.add.at(counts, (s, c), 1.0)
    complete = (counts > 0.0).all(axis=1)
    return np.asarray(sums[complete] / counts[complete])
