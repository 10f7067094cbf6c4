"""Data collapse: which variable explains the accuracy of conditions that it was not fitted to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.law.condition import fixed, log_axes
from analysis.law.free_law import LEVEL
from analysis.law.natural_spline import distinct, natural_basis, quantile_knots
from analysis.peak import Peak

Array = NDArray[np.float64]

REFERENCE = "noise_scale"
FORMULAS: Mapping[str, str] = {
    "noise_scale": "eps*N/(B*(1-m))",
    "exact_noise_scale": "eps*(N/B-1)/(1-m)",
    "without_train_size": "eps/(B*(1-m))",
    "ratio": "B/eps",
    "batch_size": "B",
}

#: Knots of the spline, which are its parameters too.
KNOTS = 6
RESAMPLES = 400


@dataclass(frozen=True)
class CollapseVariable:
    """One variable and what it explains.

    Attributes:
        name: as in FORMULAS.
        r2, low, high: share of the weighted variance of relative accuracy that a spline of the
            variable's logarithm explains in conditions left out of its fit; negative where
            their mean would do better. NaN where it cannot be known.
        difference, difference_low, difference_high: the noise scale's r2 less this one's.
        identifiable: in these data it is not the noise scale up to a constant.
        reason: why not; empty where it is.
    """

    name: str
    r2: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float
    identifiable: bool
    reason: str = ""


@dataclass(frozen=True)
class Collapse:
    """How well curves of all conditions fall on one function of one variable.

    Attributes:
        variables: the noise scale first.
        n_conditions, n_cells: in the fits; n_full_batch cells were left out, since the exact
            noise scale has no logarithm there.
        n_parameters: of the spline, the same for every variable.
        n_resamples: of conditions, for the intervals.
        sentence: the finding.
    """

    variables: tuple[CollapseVariable, ...]
    n_conditions: int
    n_cells: int
    n_full_batch: int
    n_parameters: int
    n_resamples: int
    sentence: str


@dataclass(frozen=True, eq=False)
class _Rows:
    """Cells: their condition's number, logs of the variables, relative accuracy, weight."""

    condition: NDArray[np.int64]
    logs: Mapping[str, Array]
    y: Array
    weight: Array
    n_full_batch: int


def collapse(
    peaks: Sequence[Peak],
    level: float = LEVEL,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Collapse:
    """Explain relative accuracy by one variable, in conditions left out.

    Relative accuracy is a cell's mean over its condition's fitted height; weights are its inverse
    squared standard errors. Cells below the edge of trainability take no part. For each variable
    a natural cubic spline of its logarithm, with the same number of knots at quantiles, is fitted
    without one whole condition and predicts it. r2 compares with the mean of the others.

    Intervals are from resamples of whole conditions; all copies of a condition are left out
    together. A resample has fewer distinct conditions, which lowers its r2: the intervals are
    moved by the median of that. They allow for other conditions having been studied, and were
    found to cover the mean r2 of conditions as studied 0.93 to 1.00 of the time.

    Args:
        peaks: conditions of one group.
        level: coverage of the intervals.
        n_resamples: of conditions.
        seed: of the resamples.
    """
    rows = _rows(peaks)
    n_conditions = int(rows.condition.max()) + 1 if len(rows.y) else 0
    n_knots = min(KNOTS, *(len(distinct(x)) - 1 for x in rows.logs.values()))
    if n_conditions < 3 or n_knots < 3 or len(rows.y) <= n_knots + 1:
        return _nothing(rows, n_conditions)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(n_conditions, np.full(n_conditions, 1 / n_conditions), n_resamples)
    draws = draws[(draws > 0).sum(axis=1) >= 3]
    counts = np.vstack([np.ones((1, n_conditions)), draws])
    r2 = {name: _r2(rows, x, n_knots, counts) for name, x in rows.logs.items()}
    variables = tuple(_variable(name, rows, r2, level) for name in FORMULAS)
    return Collapse(
        variables=variables,
        n_conditions=n_conditions,
        n_cells=len(rows.y),
        n_full_batch=rows.n_full_batch,
        n_parameters=n_knots,
        n_resamples=len(draws),
        sentence=_sentence(variables, n_conditions),
    )


def _rows(peaks: Sequence[Peak]) -> _Rows:
    """Cells in a canonical order, so that no result depends on the order of the source."""
    ordered = sorted(peaks, key=lambda p: (p.learning_rate, p.momentum, p.train_size))
    table: list[tuple[float, ...]] = []
    full = n = 0
    for peak in ordered:
        if not peak.accuracy_opt > 0.0:
            continue
        fitted = [c for c in peak.cells if c.fitted and math.isfinite(c.mean)]
        small = [c for c in fitted if math.log(c.batch_size) < math.log(peak.train_size)]
        full += len(fitted) - len(small)
        eps, size, inverse = log_axes(peak.learning_rate, peak.momentum, peak.train_size)
        for c in sorted(small, key=lambda c: c.batch_size):
            b, height = math.log(c.batch_size), peak.accuracy_opt
            error = c.standard_error / height
            table.append((n, eps, size, inverse, b, c.mean / height, error))
        n += bool(small)
    data = np.array(table).reshape(-1, 7)
    number, log_eps, log_n, log_inverse, log_b, y, errors = data.T
    logs = {
        "noise_scale": log_eps + log_n + log_inverse - log_b,
        "exact_noise_scale": log_eps + log_inverse + np.log(np.expm1(log_n - log_b)),
        "without_train_size": log_eps + log_inverse - log_b,
        "ratio": log_b - log_eps,
        "batch_size": log_b,
    }
    return _Rows(number.astype(np.int64), logs, y, _weights(errors), full)


def _weights(error: Array) -> Array:
    """Inverse variances; without any known error all are equal, and none counts without its own.

    An error below a tenth of the median is taken as that, so that no cell stands for all.
    """
    known = np.isfinite(error) & (error > 0.0)
    if not known.any():
        return np.ones_like(error)
    typical = float(np.median(error[known]))
    filled = np.where(known, np.maximum(error, 0.1 * typical), typical)
    return np.asarray(1.0 / filled**2)


def _r2(rows: _Rows, x: Array, n_knots: int, counts: Array) -> Array:
    """Out-of-condition r2 for each row of copies of the conditions, shape (R, C) to (R,)."""
    basis = natural_basis(x, quantile_knots(x, n_knots))
    error = _left_out_squares(rows, basis, counts)
    total = _left_out_squares(rows, basis[:, :1], counts)
    # Cells that are all equal have no variance to explain.
    share = np.divide(error, total, out=np.full(len(total), math.nan), where=total > 1e-12)
    return np.asarray(1.0 - share)


def _left_out_squares(rows: _Rows, basis: Array, counts: Array) -> Array:
    """Weighted squared errors of left-out conditions, summed over the copies; shape (R,).

    Every condition enters by its sums of squares and products alone.
    """
    C, p = counts.shape[1], basis.shape[1]
    # Orthonormal columns keep the normal equations well conditioned.
    root = np.sqrt(rows.weight)
    _, R = np.linalg.qr(root[:, None] * basis)
    Z = np.linalg.solve(R.T, basis.T).T
    gram, moment, square = np.zeros((C, p, p)), np.zeros((C, p)), np.zeros(C)
    for c in range(C):
        mine = rows.condition == c
        w, z, y = rows.weight[mine], Z[mine], rows.y[mine]
        gram[c] = (w[:, None] * z).T @ z
        moment[c] = z.T @ (w * y)
        square[c] = w @ y**2
    sums = np.tensordot(counts, gram, axes=1)
    moments = counts @ moment
    result = np.zeros(len(counts))
    small = 1e-9 * np.eye(p)
    for c in range(C):
        here = counts[:, c] > 0
        n = counts[here, c]
        A = sums[here] - n[:, None, None] * gram[c] + small
        beta = np.linalg.solve(A, (moments[here] - n[:, None] * moment[c])[:, :, None])[:, :, 0]
        fit = np.einsum("rp,pq,rq->r", beta, gram[c], beta)
        result[here] += n * (square[c] - 2.0 * beta @ moment[c] + fit)
    return result


def _variable(name: str, rows: _Rows, r2: Mapping[str, Array], level: float) -> CollapseVariable:
    reason = _same(rows, name)
    estimate, low, high = _interval(r2[name], level)
    high = min(high, 1.0)
    if name == REFERENCE:
        return CollapseVariable(name, estimate, low, high, 0.0, 0.0, 0.0, True)
    nan = math.nan
    if reason:
        return CollapseVariable(name, estimate, low, high, nan, nan, nan, False, reason)
    difference = _interval(r2[REFERENCE] - r2[name], level)
    return CollapseVariable(name, estimate, low, high, *difference, True)


def _same(rows: _Rows, name: str) -> str:
    """Why a variable cannot be told from the noise scale; empty where it can."""
    reference, mine = rows.logs[REFERENCE], rows.logs[name]
    if name != REFERENCE and min(np.ptp(reference - mine), np.ptp(reference + mine)) < 1e-9:
        return (
            f"in these data {FORMULAS[name]} is the noise scale {FORMULAS[REFERENCE]} up to a"
            " constant or its inverse"
        )
    return ""


def _interval(values: Array, level: float) -> tuple[float, float, float]:
    """The estimate, which stands first, and the resamples' quantiles about it."""
    estimate, draws = float(values[0]), values[1:][np.isfinite(values[1:])]
    # Of three conditions every resample that can be used holds the same three.
    if len(draws) < 20 or np.ptp(draws) < 1e-12 or not math.isfinite(estimate):
        return estimate, math.nan, math.nan
    low, median, high = np.quantile(draws, [0.5 - level / 2, 0.5, 0.5 + level / 2])
    return estimate, estimate + float(low - median), estimate + float(high - median)


def _nothing(rows: _Rows, n_conditions: int) -> Collapse:
    nan = math.nan
    reason = "too few conditions or batch sizes"
    variables = tuple(
        CollapseVariable(name, nan, nan, nan, nan, nan, nan, False, reason) for name in FORMULAS
    )
    text = "Data collapse: too few conditions or batch sizes to leave whole conditions out."
    return Collapse(variables, n_conditions, len(rows.y), rows.n_full_batch, 0, 0, text)


def _sentence(variables: Sequence[CollapseVariable], n_conditions: int) -> str:
    reference = variables[0]
    text = (
        f"Data collapse: the noise scale {FORMULAS[REFERENCE]} explains {_text(reference)} of the"
        " variance of relative accuracy in conditions left out"
    )
    for how, chosen in (
        ("more than", [v for v in variables if v.difference_low > 0.0]),
        ("less than", [v for v in variables if v.difference_high < 0.0]),
        (
            "not told apart from",
            [v for v in variables if v.difference_low <= 0.0 <= v.difference_high],
        ),
    ):
        others = [v for v in chosen if v.name != REFERENCE]
        if others:
            text += f"; {how} " + ", ".join(f"{FORMULAS[v.name]} ({_text(v)})" for v in others)
    text += f" ({n_conditions} conditions)."
    same = [FORMULAS[v.name] for v in variables if not v.identifiable]
    if same:
        text += (
            f" Not identifiable here: {', '.join(same)} {'is' if len(same) == 1 else 'are'} the"
            " noise scale up to a constant or its inverse."
        )
    return text


def _text(v: CollapseVariable) -> str:
    interval = f" [{fixed(v.low)}, {fixed(v.high)}]" if math.isfinite(v.low) else ""
    return f"{fixed(v.r2)}{interval}"
