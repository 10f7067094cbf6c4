"""What the chart of accuracy against batch size shows, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.charts.common import (
    Table,
    finite,
    interval,
    number,
    percent,
    plural,
    thinned,
)
from analysis.peaks import Peak

#: Points of smooth curves that a browser still draws without a wait.
MAX_CURVE_POINTS = 6_000

QUESTION = "At which batch size does each learning rate generalize best?"


@dataclass(frozen=True, kw_only=True, slots=True)
class CellRow:
    """One cell's mean: the seeds of one condition at one batch size.

    Attributes:
        mean: mean of the metric over the cell's trials, diverged ones at chance.
        low, high: mean minus and plus one standard error; None for a single trial.
        n, n_diverged: trials in the cell, and how many of them diverged.
        fitted: the smooth curve was fitted to it; False below the edge of trainability.
    """

    learning_rate: float
    momentum: float
    train_size: int
    batch_size: int
    mean: float
    low: float | None
    high: float | None
    n: int
    n_diverged: int
    fitted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CurveRow:
    """One point of the smooth fit with its pointwise interval."""

    learning_rate: float
    momentum: float
    train_size: int
    batch_size: float
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimumRow:
    """One condition's best batch size with its interval, and the side on which it is cut off."""

    learning_rate: float
    momentum: float
    train_size: int
    batch_size_opt: float
    low: float | None
    high: float | None
    accuracy_opt: float | None
    censored: bool
    censored_side: str | None

    @property
    def text(self) -> str:
        """The estimate with its interval, for reading."""
        return f"{number(self.batch_size_opt)} {interval(self.low, self.high)}".rstrip()


@dataclass(frozen=True, kw_only=True, slots=True)
class PeaksInfo:
    """What the chart draws, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        metric: the column that was averaged.
        cells, curves, optima: what is drawn; empty where nothing can be shown.
        first_shown: momentum and train_size shown first: those of the best condition.
        notes: what cannot be shown, and why; whole sentences.
    """

    question: str
    answer: str
    description: str
    metric: str
    cells: tuple[CellRow, ...]
    curves: tuple[CurveRow, ...]
    optima: tuple[OptimumRow, ...]
    first_shown: tuple[float, int] | None
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Each cell as text."""
        return Table(
            columns=(
                "learning rate",
                "momentum",
                "train size",
                "batch size",
                "mean",
                "standard error",
                "trials",
                "diverged",
            ),
            rows=tuple(
                (
                    number(c.learning_rate),
                    number(c.momentum),
                    number(c.train_size),
                    number(c.batch_size),
                    percent(c.mean, 2),
                    percent(None if c.high is None else c.high - c.mean, 2),
                    str(c.n),
                    str(c.n_diverged),
                )
                for c in self.cells
            ),
        )


def peaks_info(peaks: Sequence[Peak], *, metric: str = "test_accuracy") -> PeaksInfo:
    """Collect what the chart shows from the peaks of one law.

    Args:
        peaks: the conditions, each with its cells and its smooth curve.
        metric: column that was averaged, for the text.
    """
    ordered = sorted(peaks, key=lambda p: (p.momentum, p.train_size, p.learning_rate))
    cells = [
        CellRow(
            learning_rate=p.learning_rate,
            momentum=p.momentum,
            train_size=p.train_size,
            batch_size=c.batch_size,
            mean=c.mean,
            low=_offset(c.mean, c.standard_error, -1),
            high=_offset(c.mean, c.standard_error, +1),
            n=c.n,
            n_diverged=c.n_diverged,
            fitted=c.fitted,
        )
        for p in ordered
        for c in sorted(p.cells, key=lambda c: c.batch_size)
        if finite(c.mean) is not None
    ]
    points_each = max(8, MAX_CURVE_POINTS // max(1, len(ordered)))
    curves = [
        CurveRow(
            learning_rate=p.learning_rate,
            momentum=p.momentum,
            train_size=p.train_size,
            batch_size=float(point.batch_size),
            mean=point.mean,
            low=finite(point.low),
            high=finite(point.high),
        )
        for p in ordered
        for point in thinned(p.curve, points_each)
        if finite(point.mean) is not None
    ]
    optima = [
        OptimumRow(
            learning_rate=p.learning_rate,
            momentum=p.momentum,
            train_size=p.train_size,
            batch_size_opt=float(p.batch_size_opt),
            low=finite(p.low),
            high=finite(p.high),
            accuracy_opt=finite(p.accuracy_opt),
            censored=p.censored,
            censored_side=p.censored_side,
        )
        for p in ordered
        if finite(p.batch_size_opt) is not None
    ]
    best = max(cells, key=lambda c: c.mean, default=None)
    readable = metric.replace("_", " ")
    return PeaksInfo(
        question=QUESTION,
        answer=_answer(optima, cells),
        description=(
            f"Mean {readable} against batch size on a base-2 logarithmic axis: "
            f"{plural(len(cells), 'cell')} in {plural(len(ordered), 'condition')}, points with "
            "bars of one standard error, smooth curves, and the best batch size of each condition "
            "with its 95 % interval."
        ),
        metric=metric,
        cells=tuple(cells),
        curves=tuple(curves),
        optima=tuple(optima),
        first_shown=None if best is None else (best.momentum, best.train_size),
        notes=_notes(cells, curves, optima),
    )


def _offset(mean: float, standard_error: float | None, sign: int) -> float | None:
    known = finite(standard_error)
    return None if known is None else mean + sign * known


def _answer(optima: Sequence[OptimumRow], cells: Sequence[CellRow]) -> str:
    """One sentence: the best batch size at the lowest and the highest learning rate."""
    if not cells:
        return "No cell has a finite mean, so there is nothing to compare."
    if all(c.n == c.n_diverged for c in cells):
        return "Every trial diverged, so no batch size can be called best."
    best = max(cells, key=lambda c: c.mean)
    here = [o for o in optima if (o.momentum, o.train_size) == (best.momentum, best.train_size)]
    sure = [o for o in here if not o.censored]
    where = f"momentum {number(best.momentum)} and {number(best.train_size)} training samples"
    if len(sure) >= 2:
        first, last = sure[0], sure[-1]
        text = (
            f"With {where}, the best batch size is {first.text} at learning rate "
            f"{number(first.learning_rate)} and {last.text} at {number(last.learning_rate)}"
        )
    elif sure:
        text = (
            f"With {where}, the best batch size is {sure[0].text} at learning rate "
            f"{number(sure[0].learning_rate)}"
        )
    else:
        text = (
            f"No best batch size lies inside its sampled range; the best cell is batch size "
            f"{best.batch_size} at learning rate {number(best.learning_rate)}, {where}, with "
            f"{percent(best.mean)}"
        )
    n_censored = sum(o.censored for o in optima)
    tail = (
        f"; {n_censored} of {plural(len(optima), 'peak')} can only be bounded" if n_censored else ""
    )
    return f"{text}{tail}."


def _notes(
    cells: Sequence[CellRow], curves: Sequence[CurveRow], optima: Sequence[OptimumRow]
) -> tuple[str, ...]:
    notes = []
    if cells and all(c.n == 1 for c in cells):
        notes.append("Every cell holds a single seed, so no cell has an error bar.")
    elif single := sum(c.n == 1 for c in cells):
        notes.append(f"{plural(single, 'cell')} of {len(cells)} with a single seed: no error bar.")
    if cells and not curves:
        notes.append("No condition has what a smooth curve needs: enough cells that train.")
    if diverged := sum(c.n_diverged for c in cells):
        everything = " That is every trial." if diverged == sum(c.n for c in cells) else ""
        verb = "counts" if diverged == 1 else "count"
        notes.append(f"{plural(diverged, 'diverged trial')} {verb} at chance.{everything}")
    if censored := sum(o.censored for o in optima):
        verb = "lies" if censored == 1 else "lie"
        notes.append(
            f"{plural(censored, 'peak')} {verb} on the edge of the sampled batch sizes (triangles "
            "point to where the optimum may be): sample further on that side."
        )
    return tuple(notes)
