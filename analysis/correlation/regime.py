"""Where the claim stops: whether accuracy falls over all ratios B/eps, or only beyond a turn."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.correlation.coefficients import spearman
from analysis.correlation.splines import natural_spline, with_constant
from analysis.correlation.strata import Cells
from analysis.correlation.unimodal import OrderFits, order_fits, unimodal_fit

Array = NDArray[np.float64]

FALLS, RISES, TURNS, UNDECIDED = "falls", "rises", "turns", "undecided"
_FEWEST_CELLS, _FEWEST_RATIOS = 10, 6
_DRAWS, _INTERVAL_DRAWS = 999, 499
_SEED = 20191
_NEIGHBOURS, _NEIGHBOUR_SHARE = 4, 0.03  # on each side, for the local size of the noise
_COLUMNS = 6
#: Noise of a cell, as a share of the median, below which it is taken to be that.
_LEAST_NOISE = 0.2
_SMALLEST_SHARE = 1e-12  # of the total variance: a noise below it is rounding


@dataclass(frozen=True)
class Regime:
    """The shape of accuracy against the ratio in one stratum.

    Attributes:
        stratum: its name.
        n: cells; n_ratios: distinct ratios.
        rho: Spearman's rho over all of them.
        p_rise: that accuracy rises somewhere towards larger ratios, against "falls throughout".
        p_fall: that it falls somewhere, against "rises throughout". Both allow for the maximum
            having been chosen.
        verdict: falls, rises, turns (rises, then falls) or undecided; empty where not tested.
        turn, low, high: the ratio at which accuracy is highest and its interval; NaN unless the
            verdict is turns.
        censored_low, censored_high: the interval reaches the smallest or largest ratio sampled.
        n_below, rho_below, n_above, rho_above: cells on each side of `turn`. The split was chosen
            from these cells, so a p of these rho would be too small: p_rise is the test.
        converged: whether the fits were made; least squares under an order has one solution.
        reason: why nothing was tested; empty where it was.
        sentence: the finding in words.
    """

    stratum: str
    n: int
    n_ratios: int
    rho: float
    p_rise: float = math.nan
    p_fall: float = math.nan
    verdict: str = ""
    turn: float = math.nan
    low: float = math.nan
    high: float = math.nan
    censored_low: bool = False
    censored_high: bool = False
    n_below: int = 0
    rho_below: float = math.nan
    n_above: int = 0
    rho_above: float = math.nan
    converged: bool = False
    reason: str = ""
    sentence: str = ""


def find_regime(stratum: str, cells: Cells, level: float) -> Regime:
    """Compare "falls throughout" with "rises up to some ratio, then falls" (claim of Smith & Le).

    Both are weighted least squares under an order, over the distinct ratios; a first fit without
    weights measures how the noise changes along the ratio. The statistic is the gain of
    the second over the first in units of the residual variance (residual degrees of freedom are
    cells less blocks, Meyer & Woodroofe 2000); its null distribution comes from draws without any
    effect, the least favourable of the falling ones, with normal noise of the local size of the
    residuals, so that noise which grows at small ratios counts as such. The interval of the turn
    spans the splits whose fit is no worse than the best by more than the true split's is in the
    share `level` of draws from a smooth curve with one maximum; it is conservative.

    Args:
        stratum: its name.
        cells: of one stratum.
        level: coverage of the interval; a p below 1 - level decides the verdict.
    """
    order = np.lexsort((cells.batch_size, cells.ratio))
    ratio, y = cells.ratio[order], cells.accuracy[order]
    levels, first = np.unique(ratio, return_index=True)
    n = len(y)
    enough = n >= _FEWEST_CELLS and len(levels) >= _FEWEST_RATIOS
    rho = spearman(ratio, y) if n >= 2 else math.nan
    if not enough or np.ptp(y) == 0.0:
        reason = f"fewer than {_FEWEST_CELLS} cells or {_FEWEST_RATIOS} ratios"
        reason = "accuracy is constant" if enough else reason
        sentence = f"Where the fall stops is not tested: {reason}."
        return Regime(stratum, n, len(levels), rho, reason=reason, sentence=sentence)
    alike = _Levels(ratio, y, levels, first, np.ones(n))
    noise = alike.noise(y[None, :])[0]
    data = replace(alike, weight=_weights(noise[None, :])[0])
    fits, rest = data.fit(y[None, :])
    rng = np.random.default_rng((_SEED, n))
    rise, fall = _gains(fits, rest)
    draws = noise * rng.standard_normal((_DRAWS, n))
    null_rise, null_fall = _gains(*alike.fit(draws, _weights(alike.noise(draws))))
    p_rise = float((np.sum(null_rise >= rise[0]) + 1) / (_DRAWS + 1))
    p_fall = float((np.sum(null_fall >= fall[0]) + 1) / (_DRAWS + 1))
    alpha = 1.0 - level
    verdict = {
        (False, True): FALLS,
        (True, False): RISES,
        (True, True): TURNS,
        (False, False): UNDECIDED,
    }[p_rise < alpha, p_fall < alpha]
    turn = low = high = math.nan
    smallest, largest = float(levels[0]), float(levels[-1])
    if verdict == TURNS:
        gap = (fits.explained[0].max() - fits.explained[0]) / rest[0]
        smooth, true_split = data.smooth_truth(_turn(levels, gap, 1, len(levels) - 1))
        draw_fits, draw_rest = data.fit(smooth + noise * rng.standard_normal((_INTERVAL_DRAWS, n)))
        lost = draw_fits.explained.max(axis=1) - _reached(draw_fits.explained, true_split)
        accepted = np.flatnonzero(gap <= np.quantile(lost / draw_rest, level))
        turn = _turn(levels, gap, int(accepted[0]), int(accepted[-1]))
        low = float(levels[max(accepted[0] - 1, 0)])
        high = float(levels[min(accepted[-1], len(levels) - 1)])
    below = ratio < turn if verdict == TURNS else np.zeros(n, dtype=bool)
    found = Regime(
        stratum=stratum,
        n=n,
        n_ratios=len(levels),
        rho=rho,
        p_rise=p_rise,
        p_fall=p_fall,
        verdict=verdict,
        turn=turn,
        low=low,
        high=high,
        censored_low=low <= smallest,
        censored_high=high >= largest,
        n_below=int(below.sum()),
        rho_below=_side(ratio[below], y[below]),
        n_above=int((~below).sum()) if verdict == TURNS else 0,
        rho_above=_side(ratio[~below], y[~below]) if verdict == TURNS else math.nan,
        converged=True,
    )
    return _with_sentence(found, smallest, largest)


@dataclass(frozen=True, eq=False)
class _Levels:
    """Cells sorted by ratio; `first` starts each level, `weight` [cells] has the mean 1."""

    ratio: Array
    y: Array
    levels: Array
    first: NDArray[np.int64]
    weight: Array

    def fit(self, draws: Array, weight: Array | None = None) -> tuple[OrderFits, Array]:
        """All order fits of draws [draws, cells], and each draw's residual variance.

        Args:
            draws: accuracies.
            weight: of the cells, [draws, cells]; None takes those of the data.
        """
        weight = self.weight if weight is None else weight
        weight = np.broadcast_to(weight, draws.shape)
        total_weight = weight.sum(axis=1, keepdims=True)
        draws = draws - np.sum(weight * draws, axis=1, keepdims=True) / total_weight
        level_weight = np.add.reduceat(weight, self.first, axis=1)
        means = np.add.reduceat(weight * draws, self.first, axis=1) / level_weight
        fits = order_fits(means, level_weight)
        explained, blocks = fits.at(fits.best)
        total = np.sum(weight * draws**2, axis=1)
        freedom = np.maximum(draws.shape[1] - blocks, 1)
        least = _SMALLEST_SHARE * np.maximum(total, np.finfo(float).tiny) / draws.shape[1]
        return fits, np.maximum((total - explained) / freedom, least)

    def noise(self, draws: Array) -> Array:
        """Standard deviation of each cell's noise about the unweighted unimodal fit.

        A block's mean takes part of its cells' noise away, and all of it where it holds one cell:
        squared residuals are scaled up for that, then averaged over the nearest cells.

        Args:
            draws: accuracies, [draws, cells].

        Returns:
            [draws, cells].
        """
        fits, rest = self.fit(draws, np.ones_like(draws))
        cells = np.diff([*self.first, len(self.y)])
        if len(draws) == 1:  # the data: what is reported hangs on the last digits of this fit
            means = np.add.reduceat(draws, self.first, axis=1) / cells
            by_level = unimodal_fit(means[0], cells, int(fits.best[0]))[None, :]
        else:
            draws = draws - draws.mean(axis=1, keepdims=True)
            by_level = fits.fitted(fits.best)
        fit = np.repeat(by_level, cells, axis=1)
        size = _run_lengths(fit)
        scaled = (draws - fit) ** 2 * size / np.maximum(size - 1, 1)
        half = max(_NEIGHBOURS, round(_NEIGHBOUR_SHARE * len(self.y)))
        known = (size > 1).astype(np.float64)
        count, near = _window_sums(known, half), _window_sums(known * scaled, half)
        return np.sqrt(np.where(count > 0, near / np.maximum(count, 1), rest[:, None]))

    def smooth_truth(self, turn: float) -> tuple[Array, int]:
        """A smooth curve with one maximum, [cells], and the split at it, for draws of the interval.

        Where the mean is quadratic around its maximum, the loss at the true split has one
        distribution whatever the curvature and the noise, so that the curve need not be exact: a
        spline, or where that has its maximum at an end, a parabola about `turn`.
        """
        x, at = np.log(self.ratio), math.log(turn)
        root = np.sqrt(self.weight)
        design = with_constant(natural_spline(x, _COLUMNS))
        curve = design @ np.linalg.lstsq(root[:, None] * design, root * self.y, rcond=None)[0]
        split = int(np.argmax(curve[self.first])) + 1
        if not 1 < split < len(self.levels):
            design = np.column_stack([np.ones(len(x)), -((x - at) ** 2)])
            height, bend = np.linalg.lstsq(root[:, None] * design, root * self.y, rcond=None)[0]
            curve = height - max(bend, 0.0) * (x - at) ** 2
            split = int(np.searchsorted(np.log(self.levels), at))
        return curve, split


def _weights(noise: Array) -> Array:
    """Inverse standard deviations with the mean 1 in each row.

    Inverse variances would be best if they were known; estimated from a few cells they cost more
    power on even noise than they gain on uneven. Noise far below the median is not believed.
    """
    least = _LEAST_NOISE * np.median(noise, axis=1, keepdims=True)
    inverse = 1.0 / np.maximum(noise, np.where(least > 0.0, least, 1.0))
    return np.asarray(inverse / inverse.mean(axis=1, keepdims=True))


def _run_lengths(values: Array) -> NDArray[np.int64]:
    """How many neighbours in its row are equal to each value, itself among them."""
    starts = np.ones(values.shape, dtype=bool)
    starts[:, 1:] = values[:, 1:] != values[:, :-1]
    lengths = np.diff(np.flatnonzero(starts), append=values.size)
    return np.repeat(lengths, lengths).reshape(values.shape)


def _window_sums(values: Array, half: int) -> Array:
    """Sums over each value of a row and up to `half` neighbours on each side of it."""
    rows, n = values.shape
    padded = np.zeros((rows, n + 2 * half))  # one convolution for all rows: zeros part them
    padded[:, half : half + n] = values
    sums = np.convolve(padded.ravel(), np.ones(2 * half + 1), mode="same").reshape(padded.shape)
    return np.asarray(sums[:, half : half + n])


def _gains(fits: OrderFits, rest: Array) -> tuple[Array, Array]:
    """Gain over falling throughout and over rising throughout, each [draws]."""
    best = fits.explained.max(axis=1)
    return (best - fits.explained[:, 0]) / rest, (best - fits.explained[:, -1]) / rest


def _reached(explained: Array, split: int) -> Array:
    """What a split must explain for the interval to hold `split`, [draws].

    The interval spans from the first to the last split accepted, so it is enough that one on each
    side is.
    """
    left, right = explained[:, : split + 1].max(axis=1), explained[:, split:].max(axis=1)
    return np.asarray(np.minimum(left, right))


def _turn(levels: Array, gap: Array, first: int, last: int) -> float:
    """The ratio of the mean split from `first` to `last`, over log ratio.

    Splits weigh exp(-gap/2), the profile likelihood: the best alone jumps to single high cells.
    """
    logs = np.log(levels)
    inner = np.arange(max(first, 1), min(last, len(levels) - 1) + 1)
    if not len(inner):
        return float(levels[0] if last < 1 else levels[-1])
    middle = 0.5 * (logs[inner] + logs[inner - 1])
    weight = np.exp(-0.5 * (gap[inner] - gap[inner].min())) * (logs[inner] - logs[inner - 1])
    return math.exp(float(weight @ middle / weight.sum()))


def _side(ratio: Array, y: Array) -> float:
    return spearman(ratio, y) if len(y) >= 3 else math.nan


def _rho(rho: float) -> str:
    return f"rho {rho:+.2f}" if math.isfinite(rho) else "no rho"


def _three_digits(value: float) -> str:
    """Three digits that count, without an exponent up to a million."""
    return f"{float(f'{value:.3g}'):g}"


def _with_sentence(found: Regime, smallest: float, largest: float) -> Regime:
    p = f"p = {found.p_rise:.2g}"
    between = f"between the ratios {_three_digits(smallest)} and {_three_digits(largest)}"
    if found.verdict == TURNS:
        low = "below the range" if found.censored_low else _three_digits(found.low)
        high = "above the range" if found.censored_high else _three_digits(found.high)
        sentence = (
            f"Below the ratio {_three_digits(found.turn)} [{low}, {high}] accuracy falls again:"
            f" {_rho(found.rho_below)} on {found.n_below} cells below it,"
            f" {_rho(found.rho_above)} on {found.n_above} above"
            f" ({p} for the turn, its choice allowed for); a monotone fall is refuted."
        )
    elif found.verdict == FALLS:
        sentence = (
            f"Accuracy falls with the ratio over the whole range {between}: no turn is found"
            f" ({p} for one), rho {found.rho:+.2f} on {found.n} cells."
        )
    elif found.verdict == RISES:
        sentence = (
            f"Accuracy rises with the ratio {between} ({p}), rho {found.rho:+.2f} on {found.n}"
            f" cells, and no fall is found beyond (p = {found.p_fall:.2g}): the claimed fall is"
            " refuted here."
        )
    else:
        sentence = (
            f"Accuracy neither rises nor falls detectably {between} ({p} for a rise,"
            f" p = {found.p_fall:.2g} for a fall), rho {found.rho:+.2f} on {found.n} cells."
        )
    return replace(found, sentence=sentence)
