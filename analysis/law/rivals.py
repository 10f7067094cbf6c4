"""Rival laws of B_opt compared by what they predict for conditions and levels left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.law.condition import AXES, SYMBOLS, LawPoint, exp, logs_of
from analysis.law.free_law import LEVEL, FreeLaw, free_law
from analysis.law.rival_models import (
    Fits,
    RivalModel,
    fit_subsets,
    log_likelihood,
    rival_models,
)

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: With fewer levels of an axis, a law cannot be carried to a level that is left out.
MIN_LEVELS = 3
#: Standard errors of the difference within which two laws are tied.
TIED = 2.0


@dataclass(frozen=True)
class Parameter:
    """A parameter of a rival law with its interval; NaN where unknown."""

    name: str
    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Rival:
    """One law and how well it predicts.

    Squared errors are of ln B, averaged with weights 1/(own variance + tau2 of the free law),
    the same for all rivals.

    Attributes:
        name, formula: which law; B_opt = formula.
        parameters: the constants and free exponents.
        n_parameters: without the variance between conditions.
        log_likelihood, aicc: normal errors with a random shift; AICc counts its variance as a
            parameter, and is NaN with too few conditions.
        tau2: variance between conditions beyond their own errors (Paule-Mandel).
        leave_condition_out: mean squared error for each condition, fitted without it.
        leave_level_out: mean over axes of `by_axis`; NaN where no axis has three levels.
        by_axis: mean squared error for each level of an axis, fitted without it.
        difference, standard_error: of the criterion that ranks (leave_level_out, else
            leave_condition_out), to the best rival; 0 for the best.
        tied: the difference is within two standard errors.
        n: conditions; `n_predicted` of them enter the criteria.
        converged: all of its fits.
    """

    name: str
    formula: str
    parameters: tuple[Parameter, ...]
    n_parameters: int
    log_likelihood: float
    aicc: float
    tau2: float
    leave_condition_out: float
    leave_level_out: float
    by_axis: Mapping[str, float]
    difference: float
    standard_error: float
    tied: bool
    n: int
    n_predicted: int
    converged: bool


@dataclass(frozen=True)
class Rivals:
    """The rivals, best first.

    Attributes:
        rivals: ranked by `criterion`.
        criterion: leave_level_out or leave_condition_out; empty where nothing could be compared.
        sentence: the finding.
    """

    rivals: tuple[Rival, ...]
    criterion: str
    sentence: str


@dataclass(frozen=True, eq=False)
class _Folds:
    """Subsets to fit to, and for each condition the subset that leaves it out."""

    keep: Mask
    of_condition: NDArray[np.int64]


def rivals(points: Sequence[LawPoint], level: float = LEVEL) -> Rivals:
    """Fit and rank rival laws of ln B.

    - `linear`: eps*N/(1-m), the noise scale's (Smith & Le 2018, equations 11-13).
    - `without_train_size`: eps/(1-m), which also moves the edge of trainability.
    - `square_root`: the learning rate grows as the root of B (Hoffer et al. 2017; Gao & Zhong,
      equation 6), so B grows as (eps/(1-m))^2. The rule says nothing of N: a step's random
      part is eps/sqrt(B) whatever N is. `square_root_with_train_size` takes eps*N/(1-m) instead.
    - `constant`; `free`: all exponents free.
    - `exact`: the noise scale of batches without replacement, eps*(N/B - 1)/(1-m), held fixed.

    Leaving out whole levels of an axis asks a law to extrapolate; it ranks the rivals where an
    axis has three levels. Differences are paired; their standard error is taken over conditions,
    and over left-out levels where that is larger, since conditions of a level share its fit.

    Args:
        points: all conditions; those that are not usable are left out.
        level: coverage of the parameters' intervals.
    """
    law = free_law(points, level)
    k = len(law.points)
    if law.fit is None or k < 2:
        return Rivals((), "", "Too few conditions to compare rival laws.")
    logs, y, variance = logs_of(law.points), law.log_batch_sizes, law.variances
    varied = bool(np.ptp(logs[:, 1]) > 1e-8)
    models = rival_models(logs, y, law.design.matrix, train_size_varied=varied)
    folds = {"": _Folds(~np.eye(k, dtype=bool), np.arange(k))}
    folds |= {axis: f for i, axis in enumerate(AXES) if (f := _levels(logs[:, i])) is not None}
    weight = 1.0 / (variance + law.fit.tau2)
    known = {name: _predictable(law.design.matrix, f) for name, f in folds.items()}
    found, losses = [], []
    for model in models:
        loss = {}
        converged = True
        for name, f in folds.items():
            fits = fit_subsets(model, y, variance, f.keep)
            predicted = model.mean(fits.theta)[f.of_condition, np.arange(k)]
            loss[name] = np.where(known[name], (y - predicted) ** 2, math.nan)
            converged &= bool(fits.converged[np.unique(f.of_condition[known[name]])].all())
        losses.append(loss)
        found.append(_rival(model, law, weight, loss, converged, level))
    by_level = any(math.isfinite(v) for v in found[0].by_axis.values())
    names = [name for name in folds if name] if by_level else [""]
    return _ranked(found, losses, folds, weight, names)


def _levels(values: Array) -> _Folds | None:
    """One subset without each level of an axis; None with fewer than three levels."""
    rounded = np.round(values, 9)
    distinct, which = np.unique(rounded, return_inverse=True)
    if len(distinct) < MIN_LEVELS:
        return None
    return _Folds(which[None, :] != np.arange(len(distinct))[:, None], which)


def _predictable(X: Array, folds: _Folds) -> Mask:
    """Conditions for which the free law is determined by the subset that leaves them out.

    The others are left out of the comparison for every rival. The subset must also leave a
    degree of freedom.
    """
    unit = X / np.sqrt((X**2).sum(axis=0))
    known = []
    for i, fold in enumerate(folds.of_condition):
        rest = unit[folds.keep[fold]]
        inside = rest.T @ np.linalg.pinv(rest.T, rcond=1e-8) @ unit[i]
        known.append(len(rest) > X.shape[1] and np.max(np.abs(inside - unit[i])) < 1e-6)
    return np.array(known)


def _rival(
    model: RivalModel,
    law: FreeLaw,
    weight: Array,
    loss: Mapping[str, Array],
    converged: bool,
    level: float,
) -> Rival:
    y, variance = law.log_batch_sizes, law.variances
    k, p = len(y), len(model.start)
    fits = fit_subsets(model, y, variance, np.ones((1, k), dtype=bool))
    likelihood, _ = log_likelihood(model, y, variance)
    count = p + 1
    spare = k - count - 1
    aicc = 2 * count - 2 * likelihood + (2 * count * (count + 1) / spare if spare > 0 else math.nan)
    by_axis = {axis: _mean(loss[axis], weight) if axis in loss else math.nan for axis in AXES}
    finite = [v for v in by_axis.values() if math.isfinite(v)]
    return Rival(
        name=model.name,
        formula=model.formula,
        parameters=_parameters(model, law, fits, level),
        n_parameters=p,
        log_likelihood=likelihood,
        aicc=aicc,
        tau2=float(fits.tau2[0]),
        leave_condition_out=_mean(loss[""], weight),
        leave_level_out=sum(finite) / len(finite) if finite else math.nan,
        by_axis=by_axis,
        difference=math.nan,
        standard_error=math.nan,
        tied=False,
        n=k,
        n_predicted=0,
        converged=converged and (bool(fits.converged[0]) or k <= p),
    )


def _mean(values: Array, weight: Array) -> float:
    known = np.isfinite(values)
    if not known.any():
        return math.nan
    return float(weight[known] @ values[known] / weight[known].sum())


def _parameters(model: RivalModel, law: FreeLaw, fits: Fits, level: float) -> tuple[Parameter, ...]:
    k, p = len(law.points), len(model.start)
    quantile = float(stats.t.ppf(0.5 + level / 2, k - p)) if k > p else math.nan
    constant = np.zeros(p)
    constant[0] = 1.0
    if model.name == "free":
        constant[1:] = -law.design.center @ law.design.basis
    middle = float(constant @ fits.theta[0])
    half = quantile * math.sqrt(float(fits.scale[0] * constant @ fits.bread[0] @ constant))
    name = "g" if model.name == "exact" else "c"
    first = Parameter(name, exp(middle), exp(middle - half), exp(middle + half))
    if model.name != "free":
        return (first,)
    named = [law.exponents[axis] for axis in law.design.identifiable]
    return (first, *(Parameter(e.axis, e.estimate, e.low, e.high) for e in named))


def _ranked(
    found: Sequence[Rival],
    losses: Sequence[Mapping[str, Array]],
    folds: Mapping[str, _Folds],
    weight: Array,
    names: Sequence[str],
) -> Rivals:
    """Best first, each with its difference to the best."""
    criterion = "leave_level_out" if names != [""] else "leave_condition_out"
    scores = np.array([getattr(r, criterion) for r in found])
    if not np.isfinite(scores).any():
        text = "Too few conditions to leave any out: the rival laws are not compared."
        return Rivals(tuple(found), "", text)
    order = np.argsort(scores, kind="stable")
    best = losses[int(order[0])]
    ranked = []
    for i in order:
        difference, error, n = _difference(losses[i], best, folds, weight, names)
        tied = bool(difference <= TIED * error) or i == order[0] or difference == 0.0
        ranked.append(
            replace(found[i], difference=difference, standard_error=error, tied=tied, n_predicted=n)
        )
    return Rivals(tuple(ranked), criterion, _sentence(ranked, names))


def _difference(
    loss: Mapping[str, Array],
    best: Mapping[str, Array],
    folds: Mapping[str, _Folds],
    weight: Array,
    names: Sequence[str],
) -> tuple[float, float, int]:
    """Difference of the criterion to the best, its standard error, and the conditions in it."""
    k = len(weight)
    share = np.zeros(k)
    variances = [0.0]
    mean = 0.0
    used = [name for name in names if np.isfinite(loss[name]).any()]
    touched = np.zeros(k, dtype=bool)
    for name in used:
        known = np.isfinite(loss[name])
        touched |= known
        w = np.where(known, weight, 0.0) / weight[known].sum()
        d = np.where(known, loss[name] - best[name], 0.0)
        average = float(w @ d)
        mean += average / len(used)
        part = w * (d - average)
        share += part / len(used)
        levels = np.bincount(folds[name].of_condition, part)
        m = int((np.bincount(folds[name].of_condition, w) > 0).sum())
        variances.append(float((levels**2).sum()) * m / max(m - 1, 1) / len(used) ** 2)
    n = int(touched.sum())
    over_conditions = float((share**2).sum()) * n / max(n - 1, 1)
    return mean, math.sqrt(max(over_conditions, sum(variances))), n


def _sentence(ranked: Sequence[Rival], names: Sequence[str]) -> str:
    best = ranked[0]
    how = "a whole condition is left out"
    if names != [""]:
        axes = [SYMBOLS[axis] for axis in AXES if math.isfinite(best.by_axis[axis])]
        how = f"whole levels of {_list(axes)} are left out"
    score = best.leave_level_out if names != [""] else best.leave_condition_out
    text = (
        f"B_opt = {best.formula} predicts best when {how}: root mean squared error"
        f" {math.sqrt(score) / math.log(2.0):.2f} octaves"
    )
    tied = [r for r in ranked[1:] if r.tied]
    worse = [r for r in ranked[1:] if not r.tied]
    if tied:
        text += f"; tied with it within two standard errors: {_list([r.formula for r in tied])}"
    if worse:
        text += f"; worse: {_list([r.formula for r in worse])}"
    return text + "."


def _list(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]
