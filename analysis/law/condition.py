"""What a law is fitted to: one landmark of every condition, and which axes it can be known for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.estimates import UNKNOWN
from analysis.peak import Peak

Array = NDArray[np.float64]

#: The axes in the law's order, with the exponent that Smith & Le (2018) predict for each.
AXES = ("learning_rate", "train_size", "momentum")
PREDICTED = 1.0

#: What an axis is called in formulas.
SYMBOLS: Mapping[str, str] = {"learning_rate": "eps", "train_size": "N", "momentum": "1/(1-m)"}

_RANK_TOLERANCE = 1e-8


@dataclass(frozen=True)
class LawPoint:
    """One landmark of one condition.

    Attributes:
        learning_rate, momentum, train_size: the condition.
        log_batch_size: ln of the landmark in samples; a bound where it is open.
        variance: of log_batch_size, from the condition's own curve.
        open_low, open_high: the true value may lie below, above.
    """

    learning_rate: float
    momentum: float
    train_size: int
    log_batch_size: float
    variance: float
    open_low: bool = False
    open_high: bool = False

    @property
    def usable(self) -> bool:
        """Whether a law can be fitted to it: not open, with a finite value and error."""
        return (
            not (self.open_low or self.open_high)
            and math.isfinite(self.log_batch_size)
            and 0.0 < self.variance < math.inf
        )

    @property
    def logs(self) -> tuple[float, float, float]:
        """Ln of eps, N and 1/(1-m), in the order of AXES."""
        return log_axes(self.learning_rate, self.momentum, self.train_size)


def log_axes(
    learning_rate: float, momentum: float, train_size: float
) -> tuple[float, float, float]:
    """Ln of eps, N and 1/(1-m), in the order of AXES."""
    return math.log(learning_rate), math.log(train_size), -math.log1p(-momentum)


def fixed(value: float, decimals: int = 2) -> str:
    """With a set number of decimals, 0.00 rather than -0.00; `unknown` where it is not finite."""
    if not math.isfinite(value):
        return "unknown"
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def exp(value: float) -> float:
    """Exp that overflows to infinity, as the bound of a badly determined law may."""
    return math.exp(value) if value < 700.0 else math.inf if value == value else math.nan


def points_of(peaks: Sequence[Peak], landmark: str) -> tuple[LawPoint, ...]:
    """The landmark of every condition, in the order of the peaks.

    Args:
        peaks: conditions of one group.
        landmark: one of `analysis.estimates.LANDMARKS`; a peak without it gives a point that is
            not usable.
    """
    points = []
    for peak in peaks:
        found = peak.landmarks.get(landmark, UNKNOWN)
        position = math.log(found.estimate) if found.estimate > 0.0 else math.nan
        points.append(
            LawPoint(
                peak.learning_rate,
                peak.momentum,
                peak.train_size,
                position,
                found.log_standard_error**2,
                found.open_low,
                found.open_high,
            )
        )
    return tuple(points)


@dataclass(frozen=True, eq=False)
class Design:
    """Centred columns of a law, for the combinations of axes that its conditions determine.

    Where the varied axes are independent, the columns are their centred logarithms. Where some
    vary only in step, the columns are fewer combinations that span the same conditions.

    Attributes:
        matrix: a constant and the columns, shape (k, 1 + r).
        center: means of ln eps, ln N and ln 1/(1-m), shape (3,).
        basis: centred logs times this are the columns, shape (3, r).
        scale: length of each centred log over the conditions, 1 where it did not vary, shape (3,).
        reasons: by axis, why it has no exponent; empty text where it has one.
    """

    matrix: Array
    center: Array
    basis: Array
    scale: Array
    reasons: Mapping[str, str]

    @property
    def rank(self) -> int:
        """Number of columns beside the constant."""
        return int(self.basis.shape[1])

    @property
    def identifiable(self) -> tuple[str, ...]:
        """The axes that have an exponent."""
        return tuple(axis for axis in AXES if not self.reasons[axis])

    def row(self, logs: Sequence[float]) -> Array:
        """The design's row of a condition, shape (1 + r,); outside the span, of its projection."""
        return np.concatenate([[1.0], (np.asarray(logs) - self.center) @ self.basis])

    def direction(self, axis: str) -> Array:
        """The coefficients' combination that is the exponent of an identifiable axis."""
        return np.concatenate([[0.0], self.basis[AXES.index(axis)]])

    def spans(self, logs: Sequence[float]) -> bool:
        """Whether the conditions determine the law at this one, however far away."""
        offset = (np.asarray(logs) - self.center) / self.scale
        span = np.linalg.qr(self.basis * self.scale[:, None])[0]
        return bool(np.max(np.abs(offset - span @ (span.T @ offset)), initial=0.0) < 1e-6)


def logs_of(points: Sequence[LawPoint]) -> Array:
    """The points' logs, shape (k, 3)."""
    return np.array([p.logs for p in points], dtype=float).reshape(-1, len(AXES))


def design_of(
    points: Sequence[LawPoint],
    planned: Sequence[LawPoint] = (),
    what: str = "an uncensored peak",
) -> Design:
    """The design of a law fitted to `points`.

    Args:
        points: the conditions that enter the law.
        planned: all conditions, to tell an axis that was not varied from one whose other values
            were left out.
        what: what a condition must have to enter the law, for the reasons.
    """
    logs = logs_of(points)
    center = logs.mean(axis=0) if len(logs) else np.full(len(AXES), math.nan)
    centred = logs - center
    length = np.sqrt((centred**2).sum(axis=0))
    varied = length > _RANK_TOLERANCE
    scale = np.where(varied, length, 1.0)
    rank = _rank(centred)
    if rank == int(varied.sum()):
        basis = np.eye(len(AXES))[:, varied]
    else:
        # A varied axis in step with others: the leading right singular vectors span them all.
        unit = np.where(varied, centred / scale, 0.0)
        basis = np.linalg.svd(unit, full_matrices=False)[2][:rank].T / scale[:, None]
    return Design(
        matrix=np.column_stack([np.ones(len(logs)), centred @ basis]),
        center=center,
        basis=basis,
        scale=scale,
        reasons=axis_reasons(logs, logs_of(planned or points), what),
    )


def axis_reasons(logs: Array, planned: Array, what: str = "an uncensored peak") -> dict[str, str]:
    """Why an axis has no exponent; empty text where it has one.

    An axis is identifiable if its column adds to the rank of all the others with the constant.

    Args:
        logs: of the conditions in the law, shape (k, 3).
        planned: of all conditions, shape (K, 3).
        what: what the conditions in the law have.
    """
    reasons = {}
    for i, axis in enumerate(AXES):
        others = [j for j in range(len(AXES)) if j != i]
        if not len(planned) or np.ptp(planned[:, i]) <= _RANK_TOLERANCE:
            reasons[axis] = f"{axis} was not varied"
        elif not len(logs) or np.ptp(logs[:, i]) <= _RANK_TOLERANCE:
            reasons[axis] = f"fewer than two values of {axis} have {what}"
        elif column_rank(logs) == column_rank(logs[:, others]):
            reasons[axis] = f"{axis} varied only in step with another axis"
        else:
            reasons[axis] = ""
    return reasons


def column_rank(columns: Array) -> int:
    """Rank of the columns beside a constant, each scaled to unit length."""
    return _rank(columns - columns.mean(axis=0))


def _rank(centred: Array) -> int:
    length = np.sqrt((centred**2).sum(axis=0))
    varied = length > _RANK_TOLERANCE
    if not varied.any():
        return 0
    unit = centred[:, varied] / length[varied]
    return int(np.linalg.matrix_rank(unit, tol=_RANK_TOLERANCE * math.sqrt(len(centred))))
