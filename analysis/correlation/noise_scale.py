"""Which variable: the ratio B/eps, or the noise scale g = eps N / (B (1 - m))."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.correlation.ratio import gain_interval
from analysis.correlation.splines import (
    left_out_errors,
    natural_spline,
    r_squared,
    with_constant,
)
from analysis.correlation.strata import Cells, Stratum

Array = NDArray[np.float64]

_COLUMNS = 6
_FOLDS = 10
_FEWEST_CELLS = 20


@dataclass(frozen=True)
class NoiseScale:
    """Out-of-cell R2 of accuracy explained by log g and by log(B/eps), over several m or N.

    Attributes:
        label: what the pooled strata share.
        varying: momentum, train_size or both.
        n: cells; n_strata: combinations of m and N, each with a constant of its own.
        noise_scale, ratio, batch_size: R2 of a natural spline of the logarithm, of the accuracy
            left over by those constants.
        gain, low, high: R2 of g less that of the ratio, with its bootstrap interval over cells.
        reason: why it is unknown; empty where it is not.
        sentence: the finding in words.
    """

    label: str
    varying: tuple[str, ...]
    n: int
    n_strata: int
    noise_scale: float = math.nan
    ratio: float = math.nan
    batch_size: float = math.nan
    gain: float = math.nan
    low: float = math.nan
    high: float = math.nan
    reason: str = ""
    sentence: str = ""


def compare_noise_scale(
    strata: Sequence[tuple[Stratum, Cells]], level: float
) -> tuple[NoiseScale, ...]:
    """Compare g with the ratio over strata that differ in momentum or train_size alone.

    Smith & Le (2018, equations 11 to 13; with momentum, appendix D) say that g decides. N and m
    also move accuracy by themselves, so that every (m, N) has its own constant: what is compared
    is the place of one common curve. Where only eps and B vary, g and the ratio are one variable:
    not identifiable.

    Args:
        strata: with their cells.
        level: coverage of the interval.
    """
    pools: dict[object, list[tuple[Stratum, Cells]]] = {}
    for stratum, cells in strata:
        if len(cells):
            pools.setdefault(stratum.same_but("momentum", "train_size"), []).append(
                (stratum, cells)
            )
    return tuple(_compare(pool, level) for pool in pools.values())


def _compare(pool: Sequence[tuple[Stratum, Cells]], level: float) -> NoiseScale:
    first = pool[0][0]
    varying = tuple(
        name for name in ("momentum", "train_size") if len({s.value(name) for s, _ in pool}) > 1
    )
    label = first.label_without(*varying)
    n = sum(len(cells) for _, cells in pool)
    reason = ""
    if not varying:
        reason = "momentum and train_size do not vary, so that g and the ratio are one variable"
    elif n < _FEWEST_CELLS + len(pool):
        reason = f"only {n} cells"
    if reason:
        sentence = (
            f"Whether g = eps*N/(B*(1-m)) or the ratio decides is not identifiable: {reason}."
        )
        return NoiseScale(label, varying, n, len(pool), reason=reason, sentence=sentence)
    y = np.concatenate([cells.accuracy for _, cells in pool])
    b = np.log(np.concatenate([cells.batch_size for _, cells in pool]))
    ratio = np.log(np.concatenate([cells.ratio for _, cells in pool]))
    g = np.concatenate([_log_g(stratum, cells) for stratum, cells in pool])
    member = np.repeat(np.arange(len(pool)), [len(cells) for _, cells in pool])
    constants = (member[:, None] == np.arange(1, len(pool))).astype(np.float64)
    # Every tenth cell in the order of ratio within its stratum: each fold spans all of them.
    folds = np.empty(n, dtype=np.int64)
    folds[np.lexsort((b, ratio, member))] = np.arange(n) % _FOLDS
    errors = {
        name: left_out_errors(with_constant(natural_spline(x, _COLUMNS), constants), y, folds)
        for name, x in (("noise_scale", g), ("ratio", ratio), ("batch_size", b))
    }
    left = y - np.bincount(member, y)[member] / np.bincount(member)[member]
    if float(left @ left) <= 1e-24 * n:
        reason = "accuracy is constant"
        sentence = f"Whether g or the ratio decides is not identifiable: {reason}."
        return NoiseScale(label, varying, n, len(pool), reason=reason, sentence=sentence)
    r2 = {name: float(r_squared(e, left)[0]) for name, e in errors.items()}
    low, high = gain_interval(errors["ratio"], errors["noise_scale"], left, level)
    found = NoiseScale(
        label=label,
        varying=varying,
        n=n,
        n_strata=len(pool),
        noise_scale=r2["noise_scale"],
        ratio=r2["ratio"],
        batch_size=r2["batch_size"],
        gain=r2["noise_scale"] - r2["ratio"],
        low=low,
        high=high,
    )
    return _with_sentence(found)


def _log_g(stratum: Stratum, cells: Cells) -> Array:
    constant = float(stratum.value("train_size")) / (1.0 - float(stratum.value("momentum")))
    return np.asarray(math.log(constant) - np.log(cells.ratio))


def _with_sentence(found: NoiseScale) -> NoiseScale:
    if found.low > 0:
        verdict = "g predicts better"
    elif found.high < 0:
        verdict = "the ratio predicts better"
    else:
        verdict = "the data do not tell them apart"
    of = "values of" if len(found.varying) == 1 else "combinations of"
    sentence = (
        f"Over {found.n_strata} {of} {' and '.join(found.varying)} a smooth function of"
        f" log g predicts left-out cells with R2 {found.noise_scale:.3f}, one of log(B/eps) with"
        f" {found.ratio:.3f}: a difference of {found.gain:+.3f} [{found.low:+.3f},"
        f" {found.high:+.3f}] on {found.n} cells; {verdict}."
    )
    return replace(found, sentence=sentence)
