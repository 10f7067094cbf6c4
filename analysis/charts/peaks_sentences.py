"""What the charts of accuracy against batch size say in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.charts.common import (
    AXIS_NAMES,
    Axis,
    finite,
    interval,
    labels,
    number,
    percent,
    plural,
)
from analysis.charts.peaks_rows import CellRow, key_of, other_axes
from analysis.peaks import PEAK_LEVEL, Peak


def peak_count(peaks: Sequence[Peak]) -> tuple[int, int]:
    """Conditions in which accuracy rises and then falls, and conditions that were tested."""
    return len(with_peak(peaks)), sum(math.isfinite(p.peak_p) for p in peaks)


def with_peak(peaks: Sequence[Peak]) -> list[Peak]:
    """The conditions in which accuracy rises and then falls, by the peak test."""
    return [p for p in peaks if p.peak_p < PEAK_LEVEL and not p.censored]


def peaks_answer(
    peaks: Sequence[Peak],
    cells: Sequence[CellRow],
    axis: Axis,
    first: tuple[float, ...] | None,
    readable: str,
) -> str:
    """One sentence: the best batch size at both ends of the axis, and whether there is a peak."""
    if not cells or first is None:
        return "No cell has a finite mean, so there is nothing to compare."
    if all(c.n == c.n_diverged for c in cells):
        return "Every trial diverged, so no batch size can be called best."
    others = other_axes(axis)
    here = [p for p in peaks if key_of(p, others) == first]
    sure = [p for p in here if p.usable]
    where = _where(others, first, peaks)
    name = labels(float(getattr(p, axis)) for p in peaks)

    def at(p: Peak) -> str:
        return name[float(getattr(p, axis))]

    if len(sure) >= 2:
        low, high = sure[0], sure[-1]
        text = (
            f"As the {AXIS_NAMES[axis]} grows from {at(low)} to {at(high)} ({where}), the best "
            f"batch size goes from {_best(low)} to {_best(high)}"
        )
        text += ", intervals that overlap" if _overlap(low, high) else ""
    elif sure:
        text = (
            f"The best batch size is {_best(sure[0])} at {AXIS_NAMES[axis]} {at(sure[0])} ({where})"
        )
    else:
        best = max(cells, key=lambda c: c.mean)
        text = (
            "No best batch size lies inside its sampled range; the best cell is batch size "
            f"{best.batch_size} at {_told(best, peaks)}, with {percent(best.mean)}"
        )
    lost = [at(p) for p in here if not p.usable]
    if sure and lost:
        at_which = " and ".join(", ".join(lost).rsplit(", ", 1))
        text += f", not located at {at_which if len(lost) < 5 else f'{len(lost)} others'}"
    placed = [p for p in peaks if finite(p.batch_size_opt) is not None]
    bounded = sum(p.censored for p in placed)
    if bounded:
        text += f"; {bounded} of {plural(len(placed), 'peak')} can only be bounded"
    k, n = peak_count(peaks)
    if not n:
        return f"{text}; whether {readable} falls again cannot be tested here."
    counted = plural(n, "condition") if n == len(peaks) else plural(n, "tested condition")
    return f"{text}; in {k} of {counted} {readable} rises and then falls (p < {PEAK_LEVEL:g} each)."


def _where(others: Sequence[Axis], values: Sequence[float], peaks: Sequence[Peak]) -> str:
    parts = []
    for a, value in zip(others, values, strict=True):
        text = labels(float(getattr(p, a)) for p in peaks)[value]
        parts.append(f"{text} training samples" if a == "train_size" else f"{AXIS_NAMES[a]} {text}")
    return ", ".join(parts)


def _told(cell: CellRow, peaks: Sequence[Peak]) -> str:
    """The cell's condition, its values apart from those of all others."""
    rate, size, momentum = (
        labels(float(getattr(p, a)) for p in peaks)[float(getattr(cell, a))]
        for a in ("learning_rate", "train_size", "momentum")
    )
    return f"learning rate {rate}, momentum {momentum} and {size} training samples"


def _best(p: Peak) -> str:
    return f"{number(p.batch_size_opt)} {interval(finite(p.low), finite(p.high))}".rstrip()


def _overlap(low: Peak, high: Peak) -> bool:
    return max(low.low, high.low) <= min(low.high, high.high)


def peaks_notes(peaks: Sequence[Peak], cells: Sequence[CellRow]) -> tuple[str, ...]:
    """Whole sentences: what has no error bar, what is missing, and what is only bounded."""
    lines = []
    bare = sum(c.standard_error is None for c in cells)
    if cells and all(c.n == 1 for c in cells):
        lines.append("Every cell holds a single seed, so no cell has an error bar.")
    elif bare:
        verb = "has" if bare == 1 else "have"
        lines.append(f"{bare} of {plural(len(cells), 'cell')} {verb} no error bar.")
    if cells and not any(p.curve for p in peaks):
        lines.append("No condition has what a smooth curve needs: enough cells that train.")
    if diverged := sum(c.n_diverged for c in cells):
        everything = " That is every trial." if diverged == sum(c.n for c in cells) else ""
        verb = "counts" if diverged == 1 else "count"
        lines.append(f"{plural(diverged, 'diverged trial')} {verb} at chance.{everything}")
    if censored := sum(p.censored and finite(p.batch_size_opt) is not None for p in peaks):
        verb = "lies" if censored == 1 else "lie"
        lines.append(
            f"{plural(censored, 'peak')} {verb} on the edge of the sampled batch sizes (hollow; "
            "the arrow points to where the optimum may be): sample further on that side."
        )
    return tuple(lines)
