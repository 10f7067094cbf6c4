"""Is it the ratio: whether batch size still explains accuracy once B/eps is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.correlation.coefficients import spearman
from analysis.correlation.splines import (
    interval,
    left_out_errors,
    natural_spline,
    r_squared,
    with_constant,
)
from analysis.correlation.strata import Cells

Array = NDArray[np.float64]

K_GRID = np.round(np.arange(0.0, 2.5001, 0.1), 2)
_FEWEST_CELLS = 20
_COLUMNS = 6
_FOLDS = 10
_BOOTSTRAPS = 499
_WITHIN_PERMUTATIONS = 19_999
_SEED = 20192
_RIDGE = 1e-9  # a resample may lack the cells of a column


@dataclass(frozen=True)
class WithinRatio:
    """Whether B explains accuracy among cells of exactly equal ratio.

    There log B and log eps differ by a constant, so that this is one test of both.

    Attributes:
        n_ratios: ratios that two or more cells share; n: cells in them.
        r: correlation of log B with accuracy after both lose their means of each ratio.
        explained: r^2, the share of the variance within ratios that log B explains.
        p: two-sided, accuracy permuted within each ratio.
        per_doubling, low, high: change of accuracy when B and eps double, least squares with a
            constant for each ratio and its t interval.
        reason: why it is unknown; empty where it is not.
    """

    n_ratios: int
    n: int
    r: float = math.nan
    explained: float = math.nan
    p: float = math.nan
    per_doubling: float = math.nan
    low: float = math.nan
    high: float = math.nan
    reason: str = ""


@dataclass(frozen=True)
class Predictors:
    """Out-of-cell R2 of smooth functions with one number of columns, whole ratios left out.

    Attributes:
        columns: of each function, its constant not counted.
        folds: of the cross-validation.
        ratio, batch_size, learning_rate: R2 of a natural spline of the variable's logarithm.
        ratio_and_batch_size: R2 of a spline of log ratio with one column less, and log B.
        gain, gain_low, gain_high: R2 of the last less that of the ratio alone, and its bootstrap
            interval over cells.
        reason: why it is unknown; empty where it is not.
    """

    columns: int = _COLUMNS
    folds: int = _FOLDS
    ratio: float = math.nan
    batch_size: float = math.nan
    learning_rate: float = math.nan
    ratio_and_batch_size: float = math.nan
    gain: float = math.nan
    gain_low: float = math.nan
    gain_high: float = math.nan
    reason: str = ""


@dataclass(frozen=True)
class BestExponent:
    """The k that makes B/eps^k the best single predictor of accuracy.

    Attributes:
        k, low, high: k with its bootstrap interval over cells; k = 0 is B alone, 1 the ratio.
        r2: R2 of the spline at k, at k = 1 `r2_at_one` (in sample).
        rho: Spearman's rho of accuracy with B/eps^k.
        at_end: k or an end of its interval lies at an end of the grid 0 to 2.5.
        identifiable: False where the interval reaches both ends.
        converged: the minimum lies inside the grid.
        reason: why it is unknown; empty where it is not.
    """

    k: float = math.nan
    low: float = math.nan
    high: float = math.nan
    r2: float = math.nan
    r2_at_one: float = math.nan
    rho: float = math.nan
    at_end: bool = False
    identifiable: bool = False
    converged: bool = False
    reason: str = ""


@dataclass(frozen=True)
class RatioTests:
    """The three answers for one stratum, and what they mean in words."""

    stratum: str
    n: int
    within: WithinRatio
    predictors: Predictors
    exponent: BestExponent
    sentences: tuple[str, ...]


def examine_ratio(stratum: str, cells: Cells, level: float) -> RatioTests:
    """Permute within equal ratios, add B to a smooth function of the ratio, and free its exponent.

    Args:
        stratum: its name.
        cells: of one stratum.
        level: coverage of the intervals.
    """
    within = within_ratio(cells, level)
    predictors = compare_predictors(cells, level)
    exponent = best_exponent(cells, level)
    sentences = _sentences(within, predictors, exponent, level)
    return RatioTests(stratum, len(cells), within, predictors, exponent, sentences)


def within_ratio(cells: Cells, level: float) -> WithinRatio:
    """Test log B against accuracy among cells of exactly equal ratio, by permutation.

    The noise of two cells of one ratio need not equal that of another ratio's: accuracy moves
    only among cells of one ratio. p = (b + 1) / (m + 1), m = 19,999.
    """
    _, level_of, size = np.unique(cells.ratio, return_inverse=True, return_counts=True)
    shared = size[level_of] >= 2
    n_ratios, n = int((size >= 2).sum()), int(shared.sum())
    freedom = n - n_ratios - 1
    if freedom < 3:
        few = f"only {n} cells share their ratio" if n else "no cell shares its ratio"
        reason = f"{few} with another"
        return WithinRatio(n_ratios, n, reason=reason)
    order = np.lexsort((cells.batch_size[shared], level_of[shared]))
    group = np.unique(level_of[shared][order], return_inverse=True)[1]
    x = _less_means(np.log2(cells.batch_size[shared][order]), group)
    y = _less_means(cells.accuracy[shared][order], group)
    sum_xx, sum_yy = float(x @ x), float(y @ y)
    if sum_yy <= 1e-24 * n:
        return WithinRatio(n_ratios, n, reason="accuracy is constant within every ratio")
    slope = float(x @ y) / sum_xx
    r = slope * math.sqrt(sum_xx / sum_yy)
    rng = np.random.default_rng((_SEED, n))
    chance = np.zeros(_WITHIN_PERMUTATIONS)
    for g in range(n_ratios):
        own = group == g
        orders = np.tile(y[own], (_WITHIN_PERMUTATIONS, 1))
        chance += rng.permuted(orders, axis=1, out=orders) @ x[own]
    reached = int(np.sum(np.abs(chance) >= abs(float(x @ y)) * (1 - 1e-9)))
    error = math.sqrt(max(sum_yy - slope**2 * sum_xx, 0.0) / freedom / sum_xx)
    half = float(special.stdtrit(freedom, 0.5 + level / 2)) * error
    return WithinRatio(
        n_ratios=n_ratios,
        n=n,
        r=r,
        explained=r**2,
        p=(reached + 1) / (_WITHIN_PERMUTATIONS + 1),
        per_doubling=slope,
        low=slope - half,
        high=slope + half,
    )


def compare_predictors(cells: Cells, level: float) -> Predictors:
    """Cross-validate splines of the ratio, of B, of eps, and of the ratio with log B beside it."""
    reason = _why_not(cells)
    if reason:
        return Predictors(reason=reason)
    y = cells.accuracy
    b, eps, ratio = (np.log(v) for v in (cells.batch_size, cells.learning_rate, cells.ratio))
    folds = np.unique(cells.ratio, return_inverse=True)[1] % _FOLDS
    designs = {
        "ratio": with_constant(natural_spline(ratio, _COLUMNS)),
        "batch_size": with_constant(natural_spline(b, _COLUMNS)),
        "learning_rate": with_constant(natural_spline(eps, _COLUMNS)),
        "ratio_and_batch_size": with_constant(natural_spline(ratio, _COLUMNS - 1), b[:, None]),
    }
    errors = {name: left_out_errors(design, y, folds) for name, design in designs.items()}
    r2 = {name: float(r_squared(e, y)[0]) for name, e in errors.items()}
    low, high = gain_interval(errors["ratio"], errors["ratio_and_batch_size"], y, level)
    return Predictors(
        ratio=r2["ratio"],
        batch_size=r2["batch_size"],
        learning_rate=r2["learning_rate"],
        ratio_and_batch_size=r2["ratio_and_batch_size"],
        gain=r2["ratio_and_batch_size"] - r2["ratio"],
        gain_low=low,
        gain_high=high,
    )


def best_exponent(cells: Cells, level: float) -> BestExponent:
    """Minimise the residuals of a spline of log B - k log eps over k; bootstrap over cells.

    The grid has steps of 0.1; a parabola through the best three refines it. Knots stay where the
    cells have them, so that every resample is a weighted least squares on the same basis.
    """
    reason = _why_not(cells)
    if reason:
        return BestExponent(reason=reason)
    b, eps = np.log(cells.batch_size), np.log(cells.learning_rate)
    y = cells.accuracy - cells.accuracy.mean()
    draws = np.random.default_rng((_SEED, len(y))).multinomial(
        len(y), np.full(len(y), 1.0 / len(y)), size=_BOOTSTRAPS
    )
    weights = np.concatenate([np.ones((1, len(y))), draws])
    lost = _lost(b, eps, y, weights)
    k = refined_minimum(K_GRID, lost)
    low, high = interval(k[1:], level)
    first, last = float(K_GRID[0]), float(K_GRID[-1])
    total = float(y @ y)
    one = int(np.argmin(np.abs(K_GRID - 1.0)))
    return BestExponent(
        k=float(k[0]),
        low=low,
        high=high,
        r2=1.0 - float(lost[0].min()) / total,
        r2_at_one=1.0 - float(lost[0, one]) / total,
        rho=spearman(np.round(b - k[0] * eps, 9), y),
        at_end=low <= first or high >= last,
        identifiable=not (low <= first and high >= last),
        converged=bool(first < k[0] < last),
    )


def refined_minimum(grid: Array, values: Array) -> Array:
    """Where each row of values [draws, points] is least, by a parabola inside the grid, [draws]."""
    i = np.argmin(values, axis=1)
    inner = np.clip(i, 1, len(grid) - 2)
    row = np.arange(len(values))
    left, middle, right = (values[row, inner + d] for d in (-1, 0, 1))
    bend = left - 2.0 * middle + right
    shift = np.where(bend > 0, 0.5 * (left - right) / np.where(bend > 0, bend, 1.0), 0.0)
    at = grid[inner] + np.clip(shift, -0.5, 0.5) * (grid[1] - grid[0])
    return np.asarray(np.where((i == 0) | (i == len(grid) - 1), grid[i], at))


def gain_interval(before: Array, after: Array, y: Array, level: float) -> tuple[float, float]:
    """Bootstrap interval over cells of the R2 that lower errors gain.

    Args:
        before: [n], left-out errors without what is added.
        after: [n], with it.
        y: [n].
        level: coverage.
    """
    n = len(y)
    draws = np.random.default_rng((_SEED, n)).multinomial(n, np.full(n, 1.0 / n), size=_BOOTSTRAPS)
    weights = draws.astype(np.float64)
    return interval(r_squared(after, y, weights) - r_squared(before, y, weights), level)


def _lost(b: Array, eps: Array, y: Array, weights: Array) -> Array:
    """Residual sum of squares of a spline of b - k eps for each row of weights and each k.

    Args:
        b: [n], log batch size.
        eps: [n], log learning rate.
        y: [n], centred.
        weights: [draws, n].

    Returns:
        [draws, len(K_GRID)].
    """
    bases = []
    for k in K_GRID:
        bases.append(np.linalg.qr(with_constant(natural_spline(b - k * eps, _COLUMNS)))[0])
    parts = []
    for basis in bases:
        parts += [(basis[:, :, None] * basis[:, None, :]).reshape(len(y), -1), basis * y[:, None]]
    # One product for all k: a hundred small ones cost more in starting threads than in sums.
    ends = np.cumsum([part.shape[1] for part in parts])[:-1]
    sums = np.split(weights @ np.hstack(parts), ends, axis=1)
    total = weights @ y**2
    lost = []
    for i, basis in enumerate(bases):
        columns = basis.shape[1]
        gram = sums[2 * i].reshape(-1, columns, columns) + _RIDGE * np.eye(columns)
        right = sums[2 * i + 1]
        solution = np.linalg.solve(gram, right[:, :, None])[:, :, 0]
        lost.append(total - np.sum(right * solution, axis=1))
    return np.column_stack(lost)


def _less_means(values: Array, group: NDArray[np.int64]) -> Array:
    return np.asarray(values - (np.bincount(group, values) / np.bincount(group))[group])


def _why_not(cells: Cells) -> str:
    if len(cells) < _FEWEST_CELLS:
        return f"fewer than {_FEWEST_CELLS} cells"
    if np.ptp(cells.accuracy) == 0.0:
        return "accuracy is constant"
    if min(len(np.unique(v)) for v in (cells.batch_size, cells.learning_rate)) < 3:
        return "fewer than three batch sizes or learning rates"
    return ""


def _sentences(
    within: WithinRatio, predictors: Predictors, exponent: BestExponent, level: float
) -> tuple[str, ...]:
    alpha = 1.0 - level
    if within.reason and predictors.reason:
        return (f"Whether it is the ratio is not tested: {within.reason}; {predictors.reason}.",)
    if within.reason:
        first = f"Whether batch size matters at equal ratio is not tested: {within.reason}."
    else:
        finding = "batch size still explains" if within.p < alpha else "batch size does not explain"
        first = (
            f"At exactly equal ratio {finding} accuracy detectably (p = {within.p:.2g} by"
            f" permutation, {within.n} cells in {within.n_ratios} ratios): log B accounts for"
            f" {100 * within.explained:.1f} % of the variance there,"
            f" {100 * within.per_doubling:+.2f} points [{100 * within.low:+.2f},"
            f" {100 * within.high:+.2f}] a doubling of B and eps together."
        )
    if predictors.reason:
        return (first, f"Smooth functions of the ratio are not compared: {predictors.reason}.")
    helps = predictors.gain_low > 0
    second = (
        f"A smooth function of the ratio predicts left-out cells with R2 {predictors.ratio:.3f};"
        f" with log B beside it, at equal flexibility, {predictors.ratio_and_batch_size:.3f}: a"
        f" gain of {predictors.gain:+.3f} [{predictors.gain_low:+.3f},"
        f" {predictors.gain_high:+.3f}]{'' if helps else ', none that shows'}."
    )
    if not exponent.identifiable:
        third = (
            "The exponent k of B/eps^k is not identifiable: its interval spans the grid 0 to 2.5."
        )
    else:
        one = exponent.low <= 1.0 <= exponent.high
        end = "; the interval reaches the grid's end" if exponent.at_end else ""
        third = (
            f"The best single predictor B/eps^k has k = {exponent.k:.2f} [{exponent.low:.2f},"
            f" {exponent.high:.2f}]: {'consistent with' if one else 'differs from'} the ratio's"
            f" 1{end}."
        )
    return (first, second, third)
