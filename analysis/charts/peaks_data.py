"""What the charts of accuracy against batch size show, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.charts.common import (
    AXES,
    AXIS_NAMES,
    Axis,
    finite,
    has_measured_errors,
    plural,
    thinned,
)
from analysis.charts.peaks_rows import (
    CellRow,
    CurveRow,
    OptimumRow,
    key_of,
    other_axes,
)
from analysis.charts.peaks_sentences import peaks_answer, peaks_notes
from analysis.charts.table import Table
from analysis.peaks import Peak

#: Curves that an eye can still tell apart; above it, levels of the axis are left out evenly.
MAX_LEVELS = 12
#: Rows of one kind that a browser still draws without a wait.
MAX_CURVE_POINTS = 4_000
MAX_CELLS = 4_000
#: Conditions that still leave each curve enough points; above it, they are left out evenly.
MAX_CONDITIONS = 200
#: Rows that a table still shows; above it, cells are left out evenly.
MAX_TABLE_ROWS = 1_500


@dataclass(frozen=True, kw_only=True, slots=True)
class PeaksInfo:
    """What the chart draws, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        metric: the column that was averaged.
        axis: the curves are its levels; the other two are picked.
        cells, curves, optima: what is drawn; empty where nothing can be shown.
        all_cells: those of the table, the ones that are not drawn too.
        levels: by axis, the values of all conditions in ascending order.
        first_shown: values of the other two axes shown first: those with most peaks, then with
            most curves, then with the best cell.
        notes: what cannot be shown, and why; whole sentences.
    """

    question: str
    answer: str
    description: str
    metric: str
    axis: Axis
    cells: tuple[CellRow, ...]
    curves: tuple[CurveRow, ...]
    optima: tuple[OptimumRow, ...]
    all_cells: tuple[CellRow, ...]
    levels: Mapping[Axis, tuple[float, ...]]
    first_shown: Mapping[Axis, float] | None
    notes: tuple[str, ...]

    @property
    def others(self) -> tuple[Axis, Axis]:
        """The two axes that are picked."""
        return other_axes(self.axis)

    def table(self) -> Table:
        """The cells, unrounded."""
        mean = f"mean {self.metric.replace('_', ' ')}"
        shown = thinned(self.all_cells, MAX_TABLE_ROWS)
        note = ""
        if len(shown) < len(self.all_cells):
            note = (
                f"{len(shown):,} of {len(self.all_cells):,} cells, evenly chosen; `explorer export "
                "trials` writes all trials."
            )
        return Table(
            columns=(
                "learning rate",
                "momentum",
                "train size",
                "batch size",
                mean,
                "standard error",
                "mean without diverged trials",
                "trials",
                "diverged",
                "in the smooth curve",
            ),
            rows=tuple(
                (
                    c.learning_rate,
                    c.momentum,
                    c.train_size,
                    c.batch_size,
                    c.mean,
                    c.standard_error,
                    c.survivors_mean,
                    c.n,
                    c.n_diverged,
                    c.fitted,
                )
                for c in shown
            ),
            percent=frozenset({mean, "standard error", "mean without diverged trials"}),
            note=note,
        )


def peaks_info(
    peaks: Sequence[Peak], *, metric: str = "test_accuracy", axis: Axis = "learning_rate"
) -> PeaksInfo:
    """Collect what one chart shows from the peaks of one law (Smith & Le 2018, figures 4 to 7).

    Args:
        peaks: the conditions, each with its cells and its smooth curve.
        metric: column that was averaged, for the text.
        axis: what the curves differ in.
    """
    others = other_axes(axis)
    ordered = sorted(peaks, key=lambda p: (*(getattr(p, a) for a in others), getattr(p, axis)))
    levels = {a: tuple(sorted({float(getattr(p, a)) for p in ordered})) for a in AXES}
    first = _first_shown(ordered, others)
    drawn, left_out = _drawn(ordered, axis, first)
    measured = has_measured_errors(ordered)
    all_cells = tuple(row for p in ordered for row in _cells(p, measured))
    cells_each = max(8, MAX_CELLS // max(1, len(drawn)))
    points_each = max(8, MAX_CURVE_POINTS // max(1, len(drawn)))
    cells = tuple(row for p in drawn for row in thinned(_cells(p, measured), cells_each))
    if any(len(p.cells) > cells_each for p in drawn):
        left_out += (f"Of each condition {cells_each} batch sizes are drawn, evenly chosen.",)
    curves = tuple(row for p in drawn for row in thinned(_curve(p), points_each))
    optima = tuple(
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
            usable=p.usable,
        )
        for p in drawn
        if finite(p.batch_size_opt) is not None
    )
    readable = metric.replace("_", " ")
    return PeaksInfo(
        question=f"At which batch size does each {AXIS_NAMES[axis]} reach its best {readable}?",
        answer=peaks_answer(ordered, all_cells, axis, first, readable),
        description=(
            f"Mean {readable} against batch size on a base-2 logarithmic axis, a curve for each "
            f"{AXIS_NAMES[axis]}: {plural(len(cells), 'cell')} in "
            f"{plural(len(drawn), 'condition')}, points with bars of one standard error, smooth "
            "curves, and above them the best batch size of each condition with its 95 % interval."
        ),
        metric=metric,
        axis=axis,
        cells=cells,
        curves=curves,
        optima=optima,
        all_cells=all_cells,
        levels=levels,
        first_shown=None if first is None else dict(zip(others, first, strict=True)),
        notes=(*peaks_notes(ordered, all_cells), *left_out),
    )


def _cells(p: Peak, measured: bool) -> list[CellRow]:
    return [
        CellRow(
            learning_rate=p.learning_rate,
            momentum=p.momentum,
            train_size=p.train_size,
            batch_size=c.batch_size,
            mean=c.mean,
            standard_error=finite(c.standard_error) if measured else None,
            survivors_mean=finite(c.survivors_mean),
            n=c.n,
            n_diverged=c.n_diverged,
            fitted=c.fitted,
        )
        for c in sorted(p.cells, key=lambda c: c.batch_size)
        if finite(c.mean) is not None
    ]


def _curve(p: Peak) -> list[CurveRow]:
    return [
        CurveRow(
            learning_rate=p.learning_rate,
            momentum=p.momentum,
            train_size=p.train_size,
            batch_size=float(point.batch_size),
            mean=point.mean,
            low=finite(point.low),
            high=finite(point.high),
        )
        for point in p.curve
        if finite(point.mean) is not None
    ]


def _first_shown(peaks: Sequence[Peak], others: Sequence[Axis]) -> tuple[float, ...] | None:
    """The pair of the other axes' values that shows most."""
    groups: dict[tuple[float, ...], list[Peak]] = {}
    for p in peaks:
        if any(finite(c.mean) is not None for c in p.cells):
            groups.setdefault(key_of(p, others), []).append(p)

    def worth(key: tuple[float, ...]) -> tuple[int, int, float]:
        here = groups[key]
        best = max(c.mean for p in here for c in p.cells if finite(c.mean) is not None)
        return sum(p.usable for p in here), len(here), best

    return max(groups, key=worth, default=None)


def _drawn(
    peaks: Sequence[Peak], axis: Axis, first: tuple[float, ...] | None
) -> tuple[list[Peak], tuple[str, ...]]:
    """The conditions that are drawn, and sentences on those that are not."""
    others = other_axes(axis)
    notes = []
    values = sorted({float(getattr(p, axis)) for p in peaks})
    kept = set(thinned(values, MAX_LEVELS))
    if len(kept) < len(values):
        notes.append(
            f"{len(kept)} of {len(values)} values of the {AXIS_NAMES[axis]} are drawn, evenly "
            "chosen."
        )
    drawn = [p for p in peaks if float(getattr(p, axis)) in kept]
    if len(drawn) > MAX_CONDITIONS:
        keys = sorted({key_of(p, others) for p in drawn})
        picked = set(thinned(keys, max(2, MAX_CONDITIONS // len(kept))))
        picked |= {first} if first is not None else set()
        drawn = [p for p in drawn if key_of(p, others) in picked]
        notes.append(
            f"{len(picked):,} of {len(keys):,} pairs of {AXIS_NAMES[others[0]]} and "
            f"{AXIS_NAMES[others[1]]} are drawn, evenly chosen."
        )
    return drawn, tuple(notes)
