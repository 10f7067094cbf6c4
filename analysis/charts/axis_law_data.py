"""What the charts of best batch size and edge against each axis show, as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.charts.common import LAW_AXIS_NAMES, Axis, finite, plural, thinned, varied_axes
from analysis.charts.law_data import (
    NAMES,
    LineRow,
    PointRow,
    fitted,
    groups_along,
    landmark_law_of,
    law_points,
    line_key,
    point_notes,
    point_table,
)
from analysis.charts.table import Table
from analysis.law.exponent import Exponent
from analysis.law.free_law import FreeLaw
from analysis.scaling import AXES, ScalingFit

QUESTION = "Does the best batch size move with each axis as the edge of trainability does?"

#: Pairs of the other axes' values that a panel still shows apart.
MAX_PAIRS = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class AxisPanel:
    """One varied axis.

    Attributes:
        axis: learning_rate, train_size or momentum; the chart's axis is 1/(1-m) for the last.
        title: two lines: the exponent of the best batch size, and that of the edge.
        exponent, edge_exponent: of the axis.
        drawn: the points that are drawn; those that are open on both sides say nothing.
        fit: ends of the fitted laws' lines, one for each pair of values of the other two axes.
        proportional: ends of the line of slope 1 through the geometric mean of the used optima.
    """

    axis: Axis
    title: tuple[str, str]
    exponent: Exponent
    edge_exponent: Exponent
    drawn: tuple[PointRow, ...]
    fit: tuple[LineRow, ...]
    proportional: tuple[LineRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AxisLawInfo:
    """What the charts draw, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        points: each condition's best batch size and edge of trainability, where finite.
        panels: one for each axis of which the points have two values or more.
        notes: what cannot be shown, and why; whole sentences.
    """

    question: str
    answer: str
    description: str
    points: tuple[PointRow, ...]
    panels: tuple[AxisPanel, ...]
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Each landmark of each condition, unrounded."""
        return point_table(self.points)


def axis_law_info(law: ScalingFit) -> AxisLawInfo:
    """Collect what the charts show from one fitted law (Smith & Le 2018, figures 5 to 7).

    Args:
        law: the fit with its peaks.
    """
    points = law_points(law)
    laws = {name: landmark_law_of(law, name) for name in NAMES}
    varied = varied_axes(points)
    bounded = [p for p in points if not (p.open_low and p.open_high)]
    pairs = {axis: _pairs(bounded, axis) for axis in varied}
    panels = tuple(_panel(axis, bounded, pairs[axis][0], laws) for axis in varied)
    answer = law.law.optimum_over_edge.sentence
    if not points:
        answer = (
            "No condition has a best batch size or an edge, so nothing can be said of how they "
            "move."
        )
    elif not varied:
        answer = "No axis was varied, so nothing can be said of how the best batch size moves."
    optima = sum(p.landmark == "optimum" for p in points)
    notes = point_notes(points, any(r.landmark == "optimum" for p in panels for r in p.fit))
    if empty := len(points) - len(bounded):
        verb = "is" if empty == 1 else "are"
        notes += (f"{plural(empty, 'landmark')} open on both sides {verb} not drawn.",)
    if most := max((n for _, n in pairs.values() if n > MAX_PAIRS), default=0):
        notes += (
            f"At most {MAX_PAIRS} of {most} pairs of the other axes' values are drawn in a panel, "
            "evenly chosen; the table has all.",
        )
    return AxisLawInfo(
        question=QUESTION,
        answer=answer,
        description=(
            "Best batch size and edge of trainability against "
            f"{' and '.join(LAW_AXIS_NAMES[a] for a in varied) or 'nothing'}, all axes "
            f"logarithmic: {plural(optima, 'condition')} with 95 % intervals; conditions that share"
            " the other axes are joined by the fitted laws; a dashed line of slope 1."
        ),
        points=points,
        panels=panels,
        notes=notes,
    )


def position(point: PointRow, axis: str) -> float:
    """Where a point lies on an axis: eps, N, or 1/(1-m)."""
    return math.exp(point.log_values[AXES.index(axis)])


def _pairs(points: Sequence[PointRow], axis: str) -> tuple[set[tuple[float, float]], int]:
    """The pairs of the other axes' values that are drawn, and how many there are.

    Pairs of which the law knows two conditions or more come first: they have a line.
    """
    used = [p for p in points if p.used and p.landmark == "optimum"]
    joined = [key for key, group in groups_along(used, axis).items() if len(group) > 1]
    every = list(groups_along(points, axis))
    if len(every) <= MAX_PAIRS:
        return set(every), len(every)
    kept = set(thinned(joined, MAX_PAIRS))
    rest = [key for key in every if key not in set(joined)]
    room = MAX_PAIRS - len(kept)
    return kept | set(thinned(rest, room) if room > 1 else rest[:room]), len(every)


def _panel(
    axis: Axis,
    points: Sequence[PointRow],
    pairs: set[tuple[float, float]],
    laws: dict[str, FreeLaw],
) -> AxisPanel:
    lines: list[LineRow] = []
    for name, law in laws.items():
        used = [p for p in points if p.used and p.landmark == name]
        for key, members in groups_along(used, axis).items():
            if key not in pairs or len(members) < 2:
                continue
            for p in (members[0], members[-1]):
                size = fitted(law, p)
                if size is not None:
                    lines.append(
                        LineRow(
                            landmark=name,
                            line=line_key(members),
                            x=position(p, axis),
                            batch_size=size,
                        )
                    )
    exponent, edge = (laws[name].exponents[axis] for name in ("optimum", "edge"))
    return AxisPanel(
        axis=axis,
        title=(f"exponent {_told(exponent)}", f"of the edge {_told(edge)}"),
        exponent=exponent,
        edge_exponent=edge,
        drawn=tuple(p for key, g in groups_along(points, axis).items() if key in pairs for p in g),
        fit=tuple(lines),
        proportional=_proportional(axis, points),
    )


def _told(exponent: Exponent) -> str:
    """The exponent with its interval, or that there is none."""
    if not exponent.identifiable:
        return "unknown"
    without = "" if finite(exponent.low) is not None else ", no interval"
    return f"{exponent.text}{without}"


def _proportional(axis: str, points: Sequence[PointRow]) -> tuple[LineRow, ...]:
    used = [p for p in points if p.used and p.landmark == "optimum"]
    at = sorted({position(p, axis) for p in used})
    if len(at) < 2:
        return ()
    logs = [math.log(p.batch_size / position(p, axis)) for p in used]
    ratio = math.exp(sum(logs) / len(logs))
    return tuple(
        LineRow(landmark="slope 1", line="slope 1", x=x, batch_size=ratio * x)
        for x in (at[0], at[-1])
    )
