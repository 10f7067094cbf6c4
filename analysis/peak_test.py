"""Is there a peak at all? A test that knows that the maximum was chosen."""

from __future__ import annotations

import itertools
import math
import zlib

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SIMULATIONS = 1999
_SEED = 40_617
#: Steps of the fitted monotone curve below this many standard errors are noise as a rule: kept in
#: the null, they would make it fall less often than a flat stretch does.
_CLEAR_STEP = 2.5
#: A monotone trend weaker than this does not enter the simulated null: it is taken as flat.
_TREND_P = 0.05


def peak_p(means: Array, variances: Array, rises: bool, key: str) -> float:
    """P value of "the mean curve is monotone" against "it rises, then falls".

    The statistic is the weighted sum of squares that the best monotone curve leaves, less what the
    best unimodal one leaves (Robertson, Wright & Dykstra 1988, chapters 1 and 2). Its null
    distribution is simulated with the same cells and noise, so that having chosen the highest cell
    costs nothing. Where the curve is known to rise (a cliff lies below its cells), the null is
    "never falls", and flat is its hardest case. Otherwise the null is "never falls or never
    rises": it is simulated flat, or along the fitted monotone curve where that fits better at 5 %.

    Args:
        means: cell means by ascending batch size, shape (n,).
        variances: of the means, shape (n,), positive.
        rises: a cliff was sampled below the first cell.
        key: names the condition; the simulation depends on nothing else.

    Returns:
        (1 + simulations as extreme) / (1 + simulations); NaN for fewer than 3 cells.
    """
    n = len(means)
    if n < 3 or not (np.all(np.isfinite(means)) and np.all(variances > 0)):
        return math.nan
    rng = np.random.default_rng([_SEED, zlib.crc32(key.encode())])
    weight = 1.0 / variances
    noise = rng.standard_normal((_SIMULATIONS, n)) * np.sqrt(variances)
    of_means, of_noise = _losses(means[None, :], weight), _losses(noise, weight)
    observed, simulated = _gain(*of_means, rises)[0], _gain(*of_noise, rises)
    if not rises:
        up, down = of_means[0][:, -1], of_means[1][:, 0]
        trend = _flat_loss(means[None, :], weight) - np.minimum(up, down)
        flat_trend = _flat_loss(noise, weight) - np.minimum(of_noise[0][:, -1], of_noise[1][:, 0])
        if np.mean(flat_trend >= trend) < _TREND_P:
            sign = 1.0 if up[0] <= down[0] else -1.0
            null = sign * _clear_steps(isotonic(sign * means, weight), weight)
            simulated = _statistic(null + noise, weight, rises)
    return float((1 + np.sum(simulated >= observed - 1e-12)) / (1 + _SIMULATIONS))


def isotonic(y: Array, weight: Array) -> Array:
    """Weighted least squares under y[0] <= y[1] <= ... (pool adjacent violators), shape (n,)."""
    levels: list[float] = []
    weights: list[float] = []
    counts: list[int] = []
    for value, w in zip(y, weight, strict=True):
        levels.append(float(value))
        weights.append(float(w))
        counts.append(1)
        while len(levels) > 1 and levels[-2] >= levels[-1]:
            total = weights[-2] + weights[-1]
            levels[-2] = (weights[-2] * levels[-2] + weights[-1] * levels[-1]) / total
            weights[-2] = total
            counts[-2] += counts[-1]
            del levels[-1], weights[-1], counts[-1]
    return np.repeat(levels, counts)


def _clear_steps(fitted: Array, weight: Array) -> Array:
    """A monotone curve with its least certain steps levelled, one after the other."""
    starts = [0, *(np.flatnonzero(np.diff(fitted) > 0) + 1).tolist()]
    levels = [float(v) for v in fitted[starts]]
    weights = [float(w) for w in np.add.reduceat(weight, starts)]
    counts = np.diff([*starts, len(fitted)]).tolist()
    while len(levels) > 1:
        errors = [math.sqrt(1.0 / a + 1.0 / b) for a, b in itertools.pairwise(weights)]
        steps = [(b - a) / e for (a, b), e in zip(itertools.pairwise(levels), errors, strict=True)]
        i = int(np.argmin(steps))
        if steps[i] >= _CLEAR_STEP:
            break
        total = weights[i] + weights[i + 1]
        levels[i] = (weights[i] * levels[i] + weights[i + 1] * levels[i + 1]) / total
        weights[i] = total
        counts[i] += counts[i + 1]
        del levels[i + 1], weights[i + 1], counts[i + 1]
    return np.repeat(levels, counts)


def _losses(y: Array, weight: Array) -> tuple[Array, Array]:
    """Losses of the rising fits to all prefixes and of the falling fits to what is left of them."""
    return prefix_losses(y, weight), prefix_losses(y[:, ::-1], weight[::-1])[:, ::-1]


def _statistic(y: Array, weight: Array, rises: bool) -> Array:
    return _gain(*_losses(y, weight), rises)


def _gain(up: Array, down: Array, rises: bool) -> Array:
    unimodal = np.min(up + down, axis=1)
    monotone = up[:, -1] if rises else np.minimum(up[:, -1], down[:, 0])
    return np.asarray(monotone - unimodal)


def _flat_loss(y: Array, weight: Array) -> Array:
    level = y @ weight / weight.sum()
    return np.asarray(((y - level[:, None]) ** 2) @ weight)


def prefix_losses(y: Array, weight: Array) -> Array:
    """Loss of the best non-decreasing fit to each prefix of each row.

    The last block of the fit to y[:j] starts where the mean of y[s:j] is highest, and what comes
    before it is the fit to y[:s].

    Args:
        y: shape (rows, n).
        weight: shape (n,).

    Returns:
        Shape (rows, n + 1): weighted sums of squares for prefixes of length 0 to n.
    """
    rows, n = y.shape
    W = np.concatenate([[0.0], np.cumsum(weight)])
    centred = y - (y @ weight / weight.sum())[:, None]  # keeps the differences of sums exact
    centred = np.ascontiguousarray(centred.T)  # (n, rows): each step takes all rows at once
    S, Q = np.zeros((n + 1, rows)), np.zeros((n + 1, rows))
    for j in range(n):  # faster than cumsum, which takes a row at a time
        np.add(S[j], weight[j] * centred[j], out=S[j + 1])
        np.add(Q[j], weight[j] * centred[j] ** 2, out=Q[j + 1])
    loss = np.zeros((n + 1, rows))
    every = np.arange(rows)
    backwards = np.arange(n, 0, -1, dtype=np.int8 if n < 128 else np.int64)[:, None]
    for j in range(1, n + 1):
        means = S[j] - S[:j]
        means /= (W[j] - W[:j])[:, None]
        best = means.max(axis=0)
        # The first start with the best mean; argmax across rows of memory takes far longer.
        start = n - np.multiply(means == best, backwards[:j]).max(axis=0).astype(np.int64)
        place = start * rows + every
        within = Q[j] - Q.take(place) - (S[j] - S.take(place)) * best
        loss[j] = loss.take(place) + np.maximum(within, 0.0)
    return loss.T
