"""What to use next: a batch size for the best condition, for changed settings, and what to run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.charts.common import interval, listed, number, percent, plural
from analysis.charts.table import Table, Value, bounds
from analysis.estimates import LANDMARKS, BatchSizeEstimate
from analysis.landscape import Landscape
from analysis.law.condition import points_of
from analysis.law.suggest import Suggestion, suggest
from analysis.peak import Peak
from analysis.peaks import PEAK_LEVEL
from analysis.report.figure import NamedTable
from analysis.report.groups import AXIS_NAMES, condition_text, short_labels, strongest
from analysis.report.next_runs import next_runs
from analysis.scaling_fit import ScalingFit, ScalingReport

#: Groups for which sentences and a table are written; of more, those with the most usable peaks.
MAX_GROUPS = 4
#: Standard errors on each side of a mean in its 95 % interval.
_NORMAL = 1.959963984540054
#: Factor within which the end of a range is the end of the sampled batch sizes.
_SAME = 1.02
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
            rows += [(*label, *_row(found, law.peaks)) for found in _suggestions(law, best)]
    if len(laws) < len(scaling.laws):
        left = len(scaling.laws) - len(laws)
        sentences.append(
            f"Nothing is said here of {plural(left, 'further group')}, whose laws rest on fewer "
            "conditions."
        )
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
            "Measured where that setting was studied; else predicted by the law of each end of "
            "the near-optimal range, B_opt low and high being the ends of the 95 % prediction "
            "interval."
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
    """The condition of the highest accuracy whose peak is located; of none, of the best cell."""
    known = [p for p in law.peaks if math.isfinite(p.batch_size_opt)]
    known = [p for p in known if math.isfinite(p.accuracy_opt)]
    usable = [p for p in known if p.usable]
    if usable:
        return max(usable, key=lambda p: p.accuracy_opt)
    return max(known, key=lambda p: best_cell(p)[0], default=None)


def better_unlocated(law: ScalingFit, best: Peak) -> Peak | None:
    """The condition with the best cell of all where that is none of the located peaks' own."""
    others = [p for p in law.peaks if not p.usable and p.cells]
    found = max(others, key=lambda p: best_cell(p)[0], default=None)
    highest = max(best.accuracy_opt, best_cell(best)[0])
    return found if best.usable and found and best_cell(found)[0] > highest else None


def better_text(law: ScalingFit, better: Peak) -> str:
    """Where accuracy is higher than at any located peak, and that its best is not known."""
    accuracy, low, high = best_cell(better)
    return (
        f"ore accurate still: {percent(accuracy)} {percent_interval(low, high)}".rstrip()
        + f" at batch size {number(better.best_sampled_batch_size)}, "
        + f"{condition_text(better, law.peaks)}, whose best batch size {unlocated(better)}"
    )


def unlocated(peak: Peak) -> str:
    """Why the best batch size of a condition is not known, after `the best batch size`."""
    if not peak.censored:
        return "cannot be located (too few batch sizes that train)"
    if peak.censored_side != "low" and "full_batch" in peak.flags:
        return "may be the full batch"
    side = {"low": "smallest", "high": "largest"}.get(peak.censored_side or "")
    return f"may lie beyond the {side or 'smallest or the largest'} sampled one"


def best_cell(peak: Peak) -> tuple[float, float, float]:
    """Mean accuracy of the best sampled batch size and its 95 % interval, NaN where unknown."""
    if not peak.cells:
        return peak.accuracy_opt, math.nan, math.nan
    cell = max(peak.cells, key=lambda c: c.mean)
    half = _NORMAL * cell.standard_error
    return cell.mean, cell.mean - half, cell.mean + half


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
    where = condition_text(best, law.peaks)
    if not best.usable:
        accuracy, low, high = best_cell(best)
        reached = f"{percent(accuracy)} {percent_interval(low, high)}".rstrip()
        return (
            f"The best that was found is batch size {number(best.best_sampled_batch_size)} at "
            f"{where} (accuracy {reached}), but the best batch size {unlocated(best)}."
        )
    accuracy, low, high = height(best)
    reached = f"{percent(accuracy)} {percent_interval(low, high)}".rstrip()
    if not all(p.usable for p in law.peaks):
        where += ", the most accurate condition of those whose peak is located"
    points = 100 * law.near_optimal
    text = (
        f"Use batch size {batch_size_to_use(best)} at {where}: accuracy is there within "
        f"{points:g} {'point' if points == 1 else 'points'} of the condition's best, {reached}, "
        f"for batch sizes from {_low_end(best)} to {_high_end(best)} "
        f"(B_opt {number(best.batch_size_opt)} {interval(best.low, best.high)})."
    )
    text += _caveat(best)
    better = better_unlocated(law, best)
    return f"{text} M{better_text(law, better)}." if better else text


def _low_end(peak: Peak) -> str:
    """The low end of the near-optimal range, and that it is a bound where it is one."""
    end, value = peak.landmark("near_optimal_low"), number(peak.near_optimal_low)
    if not end.open_low:
        return _with_interval(value, end)
    smallest = peak.cells[0].batch_size if peak.cells else 0
    if peak.near_optimal_low <= smallest * _SAME:
        return "1" if smallest == 1 else f"at most {value} (the smallest sampled)"
    return f"at most {value}{'' if 'no_cliff' in peak.flags else ' (the edge of trainability)'}"


def _high_end(peak: Peak) -> str:
    end, value = peak.landmark("near_optimal_high"), number(peak.near_optimal_high)
    if not end.open_high:
        return _with_interval(value, end)
    largest = peak.cells[-1].batch_size if peak.cells else math.inf
    last = peak.near_optimal_high >= largest / _SAME
    if last and largest == peak.train_size:
        return f"{value} (the full batch)"
    return f"at least {value}{' (the largest sampled)' if last else ''}"


def _with_interval(value: str, end: BatchSizeEstimate) -> str:
    return f"{value} {interval(end.low, end.high)}" if math.isfinite(end.low) else value


def _caveat(peak: Peak) -> str:
    """What to beware of in a peak: no clear fall, assumed noise, a rough curve."""
    text = ""
    if math.isnan(peak.peak_p):
        why = "single seeds" if peak.n_seeds <= 1 else "the noise is not known"
        text += f" Whether accuracy falls on both sides was not tested ({why})."
    elif not peak.peak_p < PEAK_LEVEL:
        text += (
            f" Accuracy does not clearly fall on both sides (p = {number(peak.peak_p, 2)}): a "
            "larger range may do as well."
        )
    if "noise_assumed" in peak.flags:
        text += " The noise is assumed, not measured, and the intervals with it."
    if "rough" in peak.flags:
        text += " The curve is rough: its intervals are probably too narrow."
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


def _row(found: Suggestion, peaks: Sequence[Peak]) -> tuple[Value, ...]:
    """What was measured at a setting, else what the law predicts."""
    peak = next((p for p in peaks if _is_at(p, found)), None)
    if peak is not None and math.isfinite(peak.batch_size_opt):
        return (
            peak.learning_rate,
            peak.momentum,
            peak.train_size,
            batch_size_to_use(peak) if peak.usable else None,
            *bounds(peak.near_optimal_low, peak.near_optimal_high),
            *bounds(peak.low, peak.high),
            "measured" if peak.usable else f"measured: the best {unlocated(peak)}",
        )
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


def _is_at(peak: Peak, found: Suggestion) -> bool:
    """Whether a condition is the asked setting, doubled or halved rates being rounded."""
    return (
        math.isclose(peak.learning_rate, found.learning_rate, rel_tol=1e-6)
        and math.isclose(peak.momentum, found.momentum, abs_tol=1e-9)
        and peak.train_size == found.train_size
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
