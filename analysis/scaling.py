"""The law B_opt = c * eps^a * N^b / (1-m)^g, one for each group of conditions, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.landscape import Group, Landscape
from analysis.meta_regression import MetaRegression, meta_regression
from analysis.peaks import LEVEL, GroupPeaks, Peak, PeakTable, find_peaks
from explorer.errors import InputError

Array = NDArray[np.float64]

#: The axes in the law's order, with the exponent that Smith & Le (2018) predict and where.
AXES = ("learning_rate", "train_size", "momentum")
PREDICTED = 1.0
SOURCES: Mapping[str, str] = {
    "learning_rate": "Smith & Le 2018, figure 5: B_opt proportional to the learning rate",
    "train_size": "Smith & Le 2018, figure 6: B_opt proportional to N at large N",
    "momentum": "Smith & Le 2018, figure 7: B_opt proportional to 1/(1-m)",
}
_NAMES = {"learning_rate": "learning-rate", "train_size": "training-set-size"}
_RANK_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Exponent:
    """One exponent of the law; a = d ln B_opt / d ln eps and so on.

    Attributes:
        axis: learning_rate (a), train_size (b) or momentum (g, the exponent of 1/(1-m)).
        estimate, low, high: NaN where it is not identifiable; low and high also without
            degrees of freedom.
        identifiable: the axis varied, and not in step with another.
        reason: why it is not identifiable; empty where it is.
    """

    axis: str
    estimate: float
    low: float
    high: float
    identifiable: bool
    reason: str = ""

    def consistent_with(self, value: float) -> bool | None:
        """Whether the interval holds the value; None without an interval."""
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return None
        return self.low <= value <= self.high

    @property
    def too_wide(self) -> bool:
        """Whether the interval tells the prediction neither from 0 nor from twice itself."""
        return all(self.consistent_with(v) for v in (0.0, PREDICTED, 2.0 * PREDICTED))

    @property
    def decimals(self) -> int:
        """Two, or as many as show that an interval without the prediction ends short of it."""
        if self.consistent_with(PREDICTED) is not False:
            return 2
        ends = (self.low, self.high)
        return next((n for n in range(2, 17) if all(round(e, n) != PREDICTED for e in ends)), 17)

    @property
    def interval(self) -> str:
        """The interval as text, `[0.62, 1.18]`; empty where there is none."""
        if self.consistent_with(PREDICTED) is None:
            return ""
        return f"[{self.low:.{self.decimals}f}, {self.high:.{self.decimals}f}]"

    @property
    def sentence(self) -> str:
        """The finding in words, for instance `... is 0.90 [0.62, 1.18]: consistent with 1`."""
        name = f"the {_NAMES.get(self.axis, self.axis)} exponent"
        if not self.identifiable:
            return f"{name} is not identifiable: {self.reason}"
        verdict = self.consistent_with(PREDICTED)
        if verdict is None:
            return f"{name} is {self.estimate:.2f}, without an interval: too few conditions"
        also = [f"{v:g}" for v in (0.0, 2.0 * PREDICTED) if self.consistent_with(v)]
        if self.too_wide:
            finding = f"too wide to tell {PREDICTED:g} from {' or '.join(also)}"
        elif not verdict:
            finding = f"differs from {PREDICTED:g}"
        else:
            finding = f"consistent with {PREDICTED:g}"
            finding += f", but also with {also[0]}" if also else ""
        return f"{name} is {self.estimate:.{self.decimals}f} {self.interval}: {finding}"


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; NaN where it is not known."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class ScalingFit:
    """The law of one group.

    Attributes:
        group: what the law holds for.
        metric: what was averaged to find the peaks.
        exponents: by axis, in the order of AXES.
        constant: c in samples: B_opt at eps = N = 1/(1-m) = 1, far outside the data as a rule;
            an axis without an exponent is part of it.
        at_center: B_opt at `center`, in samples, where the law is best known.
        center: the geometric means of eps, N and 1/(1-m) over the fitted conditions.
        converged: the between-condition variance was found.
        n_conditions: conditions the law was fitted to.
        n_dropped: conditions left out, `n_censored` of them because of a censored peak.
        degrees_of_freedom: n_conditions less the parameters.
        tau2: variance of ln B_opt between conditions beyond their own errors.
        heterogeneity: Cochran's Q without that variance.
        residuals: of ln B_opt, in the order of the usable peaks.
        peaks: all conditions of the group, the left-out ones too.
        sentences: what was found, and what to beware of.
        level: coverage that the intervals aim at.
    """

    group: Group
    metric: str
    exponents: Mapping[str, Exponent]
    constant: Estimate
    at_center: Estimate
    center: Mapping[str, float]
    converged: bool
    n_conditions: int
    n_dropped: int
    n_censored: int
    degrees_of_freedom: int
    tau2: float
    heterogeneity: float
    residuals: tuple[float, ...]
    peaks: tuple[Peak, ...]
    sentences: tuple[str, ...]
    level: float = LEVEL

    @property
    def dataset(self) -> str:
        """The group's data set."""
        return self.group.dataset

    @property
    def model(self) -> str:
        """The group's model."""
        return self.group.model

    @property
    def budget(self) -> str:
        """How the group's trials were budgeted."""
        return self.group.budget

    @property
    def budget_value(self) -> float:
        """The budget's value; NaN where the source does not say."""
        return self.group.budget_value

    def predict(self, learning_rate: float, momentum: float, train_size: int) -> float:
        """B_opt by the law, in samples; an axis without an exponent is taken as it was."""
        log_b = math.log(self.at_center.estimate)
        for axis, value in zip(AXES, _logs(learning_rate, momentum, train_size), strict=True):
            if self.exponents[axis].identifiable:
                log_b += self.exponents[axis].estimate * (value - math.log(self.center[axis]))
        return math.exp(log_b)


@dataclass(frozen=True)
class ScalingReport:
    """The laws of a landscape, one for each group.

    Attributes:
        laws: in the order of the groups' names.
        metric: what was averaged.
        notes: sentences on how the source was read.
    """

    laws: tuple[ScalingFit, ...]
    metric: str
    notes: tuple[str, ...] = ()


def fit_scaling(
    source: Landscape | PeakTable, metric: str = "test_accuracy", level: float = LEVEL
) -> ScalingReport:
    """Fit log B_opt = log c + a log eps + b log N + g log(1/(1-m)) + a shift per condition.

    A weighted regression with Paule-Mandel variance between conditions and Knapp-Hartung t
    intervals (see `meta_regression`). Without the shift a true law is rejected 44 to 78 % of the
    time. Censored conditions are left out; the sentences say so, since that may bias the slopes.

    Args:
        source: a landscape, or the peaks already found in one.
        metric: an accuracy column; of a PeakTable its own metric counts.
        level: coverage of the intervals.

    Raises:
        InputError: the landscape has no trials, or none with this metric.
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"level must lie between 0 and 1, not {level!r}.")
    table = source if isinstance(source, PeakTable) else find_peaks(source, metric)
    laws = tuple(_fit(group, table.metric, level) for group in table.groups)
    return ScalingReport(laws, table.metric, table.notes)


def _logs(learning_rate: float, momentum: float, train_size: int) -> tuple[float, float, float]:
    """Ln of the law's three variables, in the order of AXES."""
    return math.log(learning_rate), math.log(train_size), -math.log1p(-momentum)


def _fit(found: GroupPeaks, metric: str, level: float) -> ScalingFit:
    usable = [p for p in found.peaks if p.usable]
    logs = np.array([_logs(p.learning_rate, p.momentum, p.train_size) for p in usable])
    logs = logs.reshape(-1, len(AXES))
    center = logs.mean(axis=0) if len(usable) else np.full(len(AXES), np.nan)
    reasons = _reasons(found.peaks, logs)
    free = [i for i, axis in enumerate(AXES) if not reasons[axis]]
    X = np.column_stack([np.ones(len(usable)), logs[:, free] - center[free]])
    fit = None
    if len(usable) >= X.shape[1]:
        y = np.log([p.batch_size_opt for p in usable])
        variance = np.array([p.log_standard_error for p in usable]) ** 2
        fit = meta_regression(X, y, variance, level)
    exponents = {axis: _exponent(axis, i, free, fit, reasons) for i, axis in enumerate(AXES)}
    dropped = [p for p in found.peaks if not p.usable]
    law = ScalingFit(
        group=found.group,
        metric=metric,
        exponents=exponents,
        constant=_level_at(fit, center[free]),
        at_center=_level_at(fit, np.zeros(len(free))),
        center={axis: float(np.exp(c)) for axis, c in zip(AXES, center, strict=True)},
        converged=fit is not None and fit.converged,
        n_conditions=len(usable),
        n_dropped=len(dropped),
        n_censored=sum(p.censored for p in dropped),
        degrees_of_freedom=fit.degrees_of_freedom if fit else 0,
        tau2=fit.tau2 if fit else math.nan,
        heterogeneity=fit.heterogeneity if fit else math.nan,
        residuals=tuple(float(r) for r in fit.residuals) if fit else (),
        peaks=found.peaks,
        sentences=(),
        level=level,
    )
    return replace(law, sentences=(*_findings(law), *_cautions(law), *found.sentences))


def _reasons(peaks: Sequence[Peak], logs: Array) -> dict[str, str]:
    """Why an axis has no exponent; empty text where it has one.

    An axis is identifiable if its column adds to the rank of all the others with the constant.
    """
    reasons = {}
    planned = np.array([_logs(p.learning_rate, p.momentum, p.train_size) for p in peaks])
    for i, axis in enumerate(AXES):
        others = [j for j in range(len(AXES)) if j != i]
        if not len(peaks) or np.ptp(planned[:, i]) == 0.0:
            reasons[axis] = f"{axis} was not varied"
        elif not len(logs) or np.ptp(logs[:, i]) == 0.0:
            reasons[axis] = f"fewer than two values of {axis} have an uncensored peak"
        elif _rank(logs) == _rank(logs[:, others]):
            reasons[axis] = f"{axis} varied only in step with another axis"
        else:
            reasons[axis] = ""
    return reasons


def _rank(columns: Array) -> int:
    """Rank of centred columns scaled to unit length; constant columns count nothing."""
    centred = columns - columns.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    varied = length > _RANK_TOLERANCE
    if not varied.any():
        return 0
    unit = centred[:, varied] / length[varied]
    return int(np.linalg.matrix_rank(unit, tol=_RANK_TOLERANCE * math.sqrt(len(columns))))


def _exponent(
    axis: str, index: int, free: Sequence[int], fit: MetaRegression | None, why: Mapping[str, str]
) -> Exponent:
    nan = math.nan
    if why[axis]:
        return Exponent(axis, nan, nan, nan, False, why[axis])
    if fit is None:
        return Exponent(axis, nan, nan, nan, False, "there are fewer conditions than parameters")
    i = 1 + list(free).index(index)
    return Exponent(axis, float(fit.coefficients[i]), float(fit.low[i]), float(fit.high[i]), True)


def _level_at(fit: MetaRegression | None, offset: Array) -> Estimate:
    """Exp of the intercept moved by -offset along the free axes, with its interval."""
    if fit is None:
        return Estimate(math.nan, math.nan, math.nan)
    direction = np.concatenate([[1.0], -offset])
    middle = float(direction @ fit.coefficients)
    half = fit.half_width(direction)
    return Estimate(_exp(middle), _exp(middle - half), _exp(middle + half))


def _exp(value: float) -> float:
    """Exp that overflows to infinity, as the constant of a badly determined law may."""
    return math.exp(value) if value < 700.0 else math.inf if value == value else math.nan


def _findings(law: ScalingFit) -> list[str]:
    """One sentence an exponent, and what a confirmed or refuted law would be."""
    lines = [_capital(law.exponents[axis].sentence) + "." for axis in AXES]
    tested = [axis for axis in AXES if law.exponents[axis].consistent_with(PREDICTED) is not None]
    if tested:
        lines.append("1 is predicted by: " + "; ".join(SOURCES[axis] for axis in tested) + ".")
    if law.n_conditions:
        several = law.n_conditions != 1
        lines.append(f"The law was fitted to {law.n_conditions} condition{'s' if several else ''}.")
    return lines


def _cautions(law: ScalingFit) -> list[str]:
    """What may mislead in these numbers."""
    lines = []
    if not law.n_conditions:
        lines.append("No condition has a peak inside its sampled batch sizes: no law was fitted.")
    elif not law.converged:
        lines.append("The variance between conditions could not be estimated.")
    if law.n_censored:
        one = law.n_censored == 1
        lines.append(
            f"{law.n_censored} {'condition was' if one else 'conditions were'} left out because"
            f" the peak may lie beyond the sampled batch sizes; dropping"
            f" {'it' if one else 'them'} may bias the slopes."
        )
    lines += _left_out(law.peaks)
    rough = sum(p.usable and "rough" in p.flags for p in law.peaks)
    if rough:
        lines.append(
            f"{rough} of the {law.n_conditions} fitted peaks are on curves that are rough from one"
            " batch size to the next: they are part of the law, but their own intervals are"
            " probably too narrow (docs/methods.md)."
        )
    edges = [math.log2(p.batch_size_opt / p.edge) for p in law.peaks if p.usable and p.edge > 0]
    if edges and 2 * len(edges) >= law.n_conditions:
        lines.append(
            f"The optimum lies {float(np.median(edges)):.1f} octaves (median) above the edge below"
            " which training fails; that edge is itself expected to move as eps/(1-m), so exponents"
            " of 1 alone do not show an optimum of the noise scale."
        )
    tops = [math.log2(p.near_optimal_high / p.near_optimal_low) for p in law.peaks if p.usable]
    if tops:
        lines.append(
            f"The curves stay within 0.5 points of their best over {float(np.median(tops)):.1f}"
            " octaves of batch size (median): where that is wide, the top is a plateau, and the"
            " near-optimal range says more than the optimum."
        )
    momenta = {p.momentum for p in law.peaks}
    if len(momenta) > 1 and law.budget in ("steps", "time_over_learning_rate"):
        factor = (1.0 - min(momenta)) / (1.0 - max(momenta))
        lines.append(
            f"Under this budget momentum {max(momenta):g} trains for {factor:.3g} times the"
            f" effective time of momentum {min(momenta):g}."
        )
    return lines


def _left_out(peaks: Sequence[Peak]) -> list[str]:
    """Why conditions that are not censored have no part in the law."""
    others = [p for p in peaks if not p.usable and not p.censored]
    untrained = [p for p in others if "untrained" in p.flags]
    few = [p for p in others if "few_cells" in p.flags and "untrained" not in p.flags]
    counted = (
        (len(untrained), "left out because nothing in it stands out from chance"),
        (len(few), "left out for too few trained batch sizes to locate a peak"),
        (len(others) - len(untrained) - len(few), "left out for want of a standard error"),
    )
    return [
        f"{n} {'condition was' if n == 1 else 'conditions were'}"
        f" {why if n == 1 else why.replace('in it', 'in them')}."
        for n, why in counted
        if n
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
