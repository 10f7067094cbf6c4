"""What to use next: a batch size for the best condition, for changed settings, and what to run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.charts.common import interval, number, percent, plural
from analysis.charts.table import Table, Value, bounds
from analysis.estimates import LANDMARKS
from analysis.landscape import Landscape
from analysis.law.condition import points_of
from analysis.law.suggest import Suggestion, suggest
from analysis.peak import Peak
from analysis.peaks import PEAK_LEVEL
from analysis.report.figure import NamedTable
from analysis.report.groups import AXIS_NAMES, listed, short_labels, strongest
from analysis.report.next_runs import next_runs
from analysis.scaling_fit import ScalingFit, ScalingReport

#: Groups for which sentences and a table are written; of more, those with the most usable peaks.
MAX_GROUPS = 4
#: Momenta suggested for where momentum was varied.
_MOMENTA = (0.0, 0.9, 0.95)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """What to use and what to run next.

    Attributes:
        sentences: the batch size of each group's best condition, with its near-optimal range.
        table: batch sizes for changed settings, by each group's law.
        next_runs: what to train to know more, most urgent first; empty where nothing is weak.
    """

    sentences: tuple[str, ...]
    table: NamedTable
    next_runs: tuple[str, ...]


def recommend(landscape: Landscape, scaling: ScalingReport) -> Recommendation:
    """Recommend a batch size, and what to run next.

    Args:
        landscape: the trials, and what was planned where that is known.
        scaling: the law of each of its groups.
    """
    laws = strongest(scaling.laws)[:MAX_GROUPS]
    several = len(scaling.laws) > 1
    names = short_labels([law.group for law in scaling.laws])
    sentences = []
    rows: list[tuple[Value, ...]] = []
    for law in laws:
        best = best_peak(law)
        prefix = f"{names[law.group]}: " if several else ""
        sentences.append(prefix + _sentence(law, best))
        if best is not None and law.n_conditions:
            label: tuple[Value, ...] = (names[law.group],) if several else ()
            rows += [(*label, *_row(found)) for found in _suggestions(law, best)]
    if len(laws) < len(scaling.laws):
        left = len(scaling.laws) - len(laws)
        sentences.append(f"{plural(left, 'further group')}: see the sections below.")
    columns = (
        "learning rate",
        "momentum",
        "N",
        "batch size to use",
        "near-optimal low",
        "near-optimal high",
        "B_opt low",
        "B_opt high",
        "remark",
    )
    table = Table(
        columns=("group", *columns) if several else columns,
        rows=tuple(rows),
        note=(
            "Predicted by the law of each end of the near-optimal range; B_opt low and high are "
            "the ends of the 95 % prediction interval of the best batch size."
        )
        if rows
        else "",
    )
    return Recommendation(
        sentences=tuple(sentences),
        table=NamedTable(
            anchor="suggestions",
            heading="Batch sizes for other settings",
            table=table,
            absent="No law: no condition has a peak inside its sampled batch sizes.",
        ),
        next_runs=tuple(next_runs(landscape, scaling)),
    )


def best_peak(law: ScalingFit) -> Peak | None:
    """The condition of the highest accuracy at its best batch size, usable ones first."""
    known = [p for p in law.peaks if math.isfinite(p.batch_size_opt)]
    known = [p for p in known if math.isfinite(p.accuracy_opt)]
    usable = [p for p in known if p.usable]
    return max(usable or known, key=lambda p: p.accuracy_opt, default=None)


def condition_text(peak: Peak) -> str:
    """The condition in words, `learning rate 0.1, momentum 0.9, N = 1000`."""
    return (
        f"learning rate {number(peak.learning_rate)}, momentum {number(peak.momentum)}, "
        f"N = {number(peak.train_size)}"
    )


def height(peak: Peak) -> tuple[float, float, float]:
    """Accuracy at the best batch size and the curve's 95 % band there; NaN where it has none."""
    if not peak.curve:
        return peak.accuracy_opt, math.nan, math.nan
    target = math.log(peak.batch_size_opt)
    at = min(peak.curve, key=lambda c: abs(math.log(c.batch_size) - target))
    return peak.accuracy_opt, at.low, at.high


def percent_interval(low: float, high: float) -> str:
    """An interval of fractions as percentages; empty where it is not known."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{100 * low:.1f},\u00a0{100 * high:.1f}]"


def _sentence(law: ScalingFit, best: Peak | None) -> str:
    if best is None:
        return "No condition has a best batch size, so none is recommended."
    accuracy, low, high = height(best)
    reached = f"{percent(accuracy)} {percent_interval(low, high)}".rstrip()
    if best.censored:
        side = {"low": "smallest", "high": "largest", None: "smallest and largest"}
        return (
            f"The best that was found is batch size {number(best.best_sampled_batch_size)} at "
            f"{condition_text(best)} (accuracy {reached}), but the peak may lie beyond the "
            f"{side[best.censored_side]} sampled batch size."
        )
    use = batch_size_to_use(best)
    first, last = (best.landmark(f"near_optimal_{end}") for end in ("low", "high"))
    text = (
        f"Use batch size {use} at {condition_text(best)}: accuracy is there within "
        f"{100 * law.near_optimal:g} points of the condition's best, {reached}, for batch sizes "
        f"from {number(best.near_optimal_low)}"
    )
    if math.isfinite(first.low):
        text += f" {interval(first.low, first.high)}"
    text += f" to {number(best.near_optimal_high)}"
    if math.isfinite(last.low):
        text += f" {interval(last.low, last.high)}"
    text += f" (B_opt {number(best.batch_size_opt)} {interval(best.low, best.high)})."
    if best.peak_p >= PEAK_LEVEL:
        text += (
            f" Accuracy does not clearly fall on both sides (p = {number(best.peak_p, 2)}): a "
            "larger range may do as well."
        )
    return text


def batch_size_to_use(peak: Peak) -> int:
    """A power of 2, the nearest to B_opt, by the rules of `analysis.law.suggest`.

    It is near-optimal whatever the errors of the range's ends; else inside the range; else B_opt
    rounded to a whole number.
    """
    target = peak.batch_size_opt
    first, last = (peak.landmark(f"near_optimal_{end}") for end in ("low", "high"))
    powers = [1 << k for k in range(math.floor(math.log2(peak.train_size)) + 1)]
    for low, high in (
        (first.high, last.low),
        (peak.near_optimal_low, peak.near_optimal_high),
    ):
        inside = [p for p in powers if low <= p <= high]
        if inside:
            return min(inside, key=lambda p: abs(math.log2(p / target)))
    return max(1, min(round(target), peak.train_size))


def _suggestions(law: ScalingFit, best: Peak) -> list[Suggestion]:
    """The law's predictions for settings near the best condition."""
    rate, momentum, size = best.learning_rate, best.momentum, best.train_size
    asked = [(rate * 2.0, momentum, size), (rate, momentum, size * 2)]
    # Where the effect of an axis is not known, a second value of it says nothing more.
    if law.exponents["learning_rate"].identifiable:
        asked.insert(0, (rate / 2.0, momentum, size))
    if law.exponents["train_size"].identifiable:
        asked.append((rate, momentum, size * 4))
    if len({p.momentum for p in law.peaks}) > 1:
        asked += [(rate, m, size) for m in _MOMENTA if m != momentum]
    points = {name: points_of(law.peaks, name) for name in LANDMARKS}
    return [suggest(points, eps, n, m, law.level) for eps, m, n in asked]


def _row(found: Suggestion) -> tuple[Value, ...]:
    top = found.batch_size_opt
    known = found.near_optimal_low.estimate <= found.near_optimal_high.estimate
    near = (
        bounds(found.near_optimal_low.estimate, found.near_optimal_high.estimate)
        if known
        else (None, None)
    )
    return (
        found.learning_rate,
        found.momentum,
        found.train_size,
        found.batch_size,
        *near,
        *bounds(top.low, top.high),
        _remark(found),
    )


def _remark(found: Suggestion) -> str:
    parts = []
    if found.batch_size is None:
        parts.append("too few peaks inside the sampled batch sizes")
    if found.extrapolated:
        parts.append(f"extrapolated in {listed([AXIS_NAMES[a] for a in found.extrapolated])}")
    if found.not_moved:
        parts.append(
            f"effect of {listed([AXIS_NAMES[a] for a in found.not_moved])} unknown, not moved"
        )
    if found.clipped:
        parts.append("clipped to between 1 and N")
    return "; ".join(parts)
