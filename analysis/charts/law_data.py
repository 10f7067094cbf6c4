"""What the chart of the law shows, as plain data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.charts.common import AXIS_NAMES, finite, interval, number, plural, thinned
from analysis.charts.table import Table
from analysis.law.condition import log_axes, points_of
from analysis.law.exponent import Exponent
from analysis.law.free_law import FreeLaw, free_law
from analysis.peaks import Peak
from analysis.scaling import AXES, PREDICTED, ScalingFit

QUESTION = "Is the best batch size proportional to εN/(1\u00a0−\u00a0m)?"

#: What the charts of the law call their two landmarks.
NAMES: Mapping[str, str] = {"optimum": "best batch size", "edge": "edge of trainability"}

#: Conditions, and lines, that a chart still shows apart; above it, some are left out evenly.
MAX_CONDITIONS = 160
MAX_LINES = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class PointRow:
    """One landmark of one condition.

    Attributes:
        landmark: "optimum" or "edge".
        scale: eps*N/(1-m), the noise scale times the batch size (Smith & Le 2018, appendix D).
        batch_size, low, high: samples; the ends are None where unknown.
        open_low, open_high: the landmark may lie below, above, the sampled batch sizes.
        used: the law was fitted to it.
    """

    landmark: str
    learning_rate: float
    momentum: float
    train_size: int
    scale: float
    batch_size: float
    low: float | None
    high: float | None
    open_low: bool
    open_high: bool
    used: bool

    @property
    def text(self) -> str:
        """The estimate with its interval, for reading."""
        return f"{number(self.batch_size)} {interval(self.low, self.high)}".rstrip()

    @property
    def log_values(self) -> tuple[float, float, float]:
        """Ln of eps, N and 1/(1-m), in the order of AXES."""
        return log_axes(self.learning_rate, self.momentum, self.train_size)


@dataclass(frozen=True, kw_only=True, slots=True)
class LineRow:
    """One end of a straight line of the fitted law, or of slope 1.

    Attributes:
        landmark: of the fitted law; "slope 1" for the line of slope 1.
        line: what the line's conditions share, unrounded; no two lines of a landmark are alike.
        x: eps*N/(1-m), or one axis.
        batch_size: samples.
    """

    landmark: str
    line: str
    x: float
    batch_size: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LawInfo:
    """What the chart draws, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        points: each condition's best batch size and edge of trainability, where finite.
        drawn: the points that are drawn.
        fit: ends of the fitted laws' lines, one line for each group of conditions that share all
            but one axis; none where no law could be fitted.
        proportional: ends of the line of slope 1 through the geometric mean of the used optima.
        notes: what cannot be shown, and why; whole sentences.
    """

    question: str
    answer: str
    description: str
    points: tuple[PointRow, ...]
    drawn: tuple[PointRow, ...]
    fit: tuple[LineRow, ...]
    proportional: tuple[LineRow, ...]
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Each landmark of each condition, unrounded."""
        return point_table(self.points)


def law_info(law: ScalingFit) -> LawInfo:
    """Collect what the chart shows from one fitted law.

    Args:
        law: the fit with its peaks.
    """
    points = law_points(law)
    used = [p for p in points if p.used and p.landmark == "optimum"]
    lines: list[LineRow] = []
    for name in NAMES:
        of_landmark = [p for p in points if p.used and p.landmark == name]
        lines += _fit_lines(landmark_law_of(law, name), of_landmark, name)
    optima = sum(p.landmark == "optimum" for p in points)
    drawn = drawn_points(points)
    notes = point_notes(points, any(r.landmark == "optimum" for r in lines))
    if len(drawn) < len(points):
        notes += (
            f"{MAX_CONDITIONS} of {optima:,} conditions are drawn, evenly chosen; the table has "
            "all.",
        )
    return LawInfo(
        question=QUESTION,
        answer=_answer(law),
        description=(
            "Best batch size and edge of trainability against learning rate times training-set "
            "size over one minus momentum, both axes logarithmic: "
            f"{plural(optima, 'condition')} with 95 % intervals, the fitted laws of both, and a "
            "dashed line of slope 1."
        ),
        points=points,
        drawn=drawn,
        fit=tuple(lines),
        proportional=_proportional(used),
        notes=notes,
    )


def law_points(law: ScalingFit) -> tuple[PointRow, ...]:
    """Every condition's best batch size, then every edge, in ascending order of eps*N/(1-m)."""
    ordered = sorted(law.peaks, key=noise_scale_times_batch)
    optima = [_optimum(p) for p in ordered if finite(p.batch_size_opt) is not None]
    edges = [_edge(p) for p in ordered if finite(p.landmark("edge").estimate) is not None]
    return (*optima, *edges)


def _optimum(p: Peak) -> PointRow:
    return PointRow(
        landmark="optimum",
        learning_rate=p.learning_rate,
        momentum=p.momentum,
        train_size=p.train_size,
        scale=noise_scale_times_batch(p),
        batch_size=float(p.batch_size_opt),
        low=finite(p.low),
        high=finite(p.high),
        open_low=p.censored and p.censored_side != "high",
        open_high=p.censored and p.censored_side != "low",
        used=p.usable,
    )


def _edge(p: Peak) -> PointRow:
    found = p.landmark("edge")
    return PointRow(
        landmark="edge",
        learning_rate=p.learning_rate,
        momentum=p.momentum,
        train_size=p.train_size,
        scale=noise_scale_times_batch(p),
        batch_size=float(found.estimate),
        low=finite(found.low),
        high=finite(found.high),
        open_low=found.open_low,
        open_high=found.open_high,
        used=found.usable,
    )


def noise_scale_times_batch(peak: Peak) -> float:
    """eps*N/(1-m), to which B_opt is proportional in Smith & Le (2018, figures 5-7)."""
    return peak.learning_rate * peak.train_size / (1.0 - peak.momentum)


def landmark_law_of(law: ScalingFit, landmark: str) -> FreeLaw:
    """The law of one landmark with its constant, fitted as `analysis.scaling` fits it."""
    return free_law(points_of(law.peaks, landmark), law.level)


def fitted(law: FreeLaw, point: PointRow) -> float | None:
    """The law's batch size at a point's condition, in samples; None without a fit."""
    if law.fit is None:
        return None
    return finite(math.exp(float(law.design.row(point.log_values) @ law.fit.coefficients)))


def drawn_points(points: Sequence[PointRow]) -> tuple[PointRow, ...]:
    """Both landmarks of at most MAX_CONDITIONS conditions, evenly chosen along eps*N/(1-m)."""
    conditions = list(dict.fromkeys(p.log_values for p in sorted(points, key=lambda p: p.scale)))
    kept = set(thinned(conditions, MAX_CONDITIONS))
    return tuple(p for p in points if p.log_values in kept)


def point_notes(points: Sequence[PointRow], has_fit: bool) -> tuple[str, ...]:
    """Which conditions the law leaves out, and why; whole sentences."""
    optima = [p for p in points if p.landmark == "optimum"]
    edges = [p for p in points if p.landmark == "edge"]
    used = [p for p in optima if p.used]
    bounded = sum(p.open_low or p.open_high for p in optima)
    notes = []
    if not optima:
        notes.append("No condition has a best batch size, so there is no law to draw.")
    elif not used:
        on_edge = bounded == len(optima)
        why = "is on the edge of the sampled batch sizes" if on_edge else "is bounded or uncertain"
        notes.append(f"Every peak {why}: no law can be fitted.")
    elif not has_fit:
        notes.append("Too few conditions with a peak of their own to fit a law.")
    if used and bounded:
        notes.append(
            f"{plural(bounded, 'bounded peak')} (hollow) left out of the fit, "
            "which may bias its slopes."
        )
    uncertain = len(optima) - len(used) - bounded
    if used and uncertain:
        notes.append(
            f"{plural(uncertain, 'peak')} of too few trained batch sizes left out of the fit."
        )
    if optima and not edges:
        notes.append("No condition shows an edge of trainability: none was sampled.")
    elif optima and len(edges) < len(optima):
        notes.append(
            f"{len(edges)} of {plural(len(optima), 'condition')} show an edge of trainability."
        )
    return tuple(notes)


def point_table(points: Sequence[PointRow]) -> Table:
    """Points as a table, unrounded."""
    return Table(
        columns=(
            "landmark",
            "learning rate",
            "momentum",
            "train size",
            "εN/(1 − m)",
            "batch size",
            "low",
            "high",
            "may lie beyond",
            "in the fit",
        ),
        rows=tuple(
            (
                NAMES[p.landmark],
                p.learning_rate,
                p.momentum,
                p.train_size,
                p.scale,
                p.batch_size,
                p.low,
                p.high,
                side_text(p),
                p.used,
            )
            for p in points
        ),
    )


def side_text(point: PointRow) -> str:
    """Where the landmark may lie beyond the sampled batch sizes: below, above, both, nowhere."""
    sides = [side for side in ("low", "high") if getattr(point, f"open_{side}")]
    return {"low": "below", "high": "above", "": ""}.get("".join(sides), "below or above")


def _fit_lines(law: FreeLaw, used: Sequence[PointRow], landmark: str) -> list[LineRow]:
    """Lines along the axis that joins most points, a line for each pair of the other values."""
    if law.fit is None:
        return []
    best: list[list[PointRow]] = []
    for axis in AXES:
        groups = [g for g in groups_along(used, axis).values() if len(g) > 1]
        if sum(map(len, groups)) > sum(map(len, best)):
            best = groups
    return [
        LineRow(landmark=landmark, line=line_key(members), x=p.scale, batch_size=size)
        for members in thinned(best, MAX_LINES)
        for p in _ends(members)
        if (size := fitted(law, p)) is not None
    ]


def groups_along(
    points: Iterable[PointRow], axis: str
) -> dict[tuple[float, float], list[PointRow]]:
    """Points that share the other two axes, in ascending order of this one."""
    first, second = (a for a in AXES if a != axis)
    groups: dict[tuple[float, float], list[PointRow]] = {}
    for p in points:
        groups.setdefault((getattr(p, first), getattr(p, second)), []).append(p)
    return {
        key: sorted(members, key=lambda p: float(getattr(p, axis)))
        for key, members in sorted(groups.items())
    }


def line_key(members: Sequence[PointRow]) -> str:
    """What the conditions of one line share, unrounded: close values must not join two lines."""
    shared = [a for a in AXES if len({getattr(p, a) for p in members}) == 1]
    return ", ".join(f"{a} {getattr(members[0], a)!r}" for a in shared)


def _ends(points: Iterable[PointRow]) -> list[PointRow]:
    ordered = sorted(points, key=lambda p: p.scale)
    return [ordered[0], ordered[-1]] if len(ordered) > 1 else []


def _proportional(used: Sequence[PointRow]) -> tuple[LineRow, ...]:
    if not used:
        return ()
    ratio = math.exp(sum(math.log(p.batch_size / p.scale) for p in used) / len(used))
    return tuple(
        LineRow(landmark="slope 1", line="slope 1", x=p.scale, batch_size=ratio * p.scale)
        for p in _ends(used)
    )


def _answer(law: ScalingFit) -> str:
    """One sentence: each exponent that could be estimated, against slope 1."""
    known = [law.exponents[axis] for axis in AXES if law.exponents[axis].identifiable]
    untested = [AXIS_NAMES[axis] for axis in AXES if not law.exponents[axis].identifiable]
    if not known:
        return f"These conditions cannot tell: no axis gave an exponent{_why(law)}."
    told = "; ".join(e.sentence for e in known)
    verdicts = [e.consistent_with(PREDICTED) for e in known]
    if any(v is False for v in verdicts):
        return f"No: {told}."
    if law.n_censored >= law.n_conditions:
        return (
            f"Undecided, for {law.n_censored} of {len(law.peaks)} conditions are bounded and only "
            f"{law.n_conditions} fitted: {told}."
        )
    if any(v is None for v in verdicts):
        return f"Too few conditions to tell: {told}."
    wide = [AXIS_NAMES[e.axis] for e in known if e.too_wide]
    if wide:
        intervals = "interval" if len(wide) == 1 else "intervals"
        return f"Undecided, for the {intervals} of {' and '.join(wide)} can tell nothing: {told}."
    but = f", but {' and '.join(untested)} could not be tested" if untested else ""
    return f"Nothing here speaks against it{but}: {told}."


def _why(law: ScalingFit) -> str:
    reasons = dict.fromkeys(_reason(e) for e in law.exponents.values())
    return f" ({'; '.join(r for r in reasons if r)})" if any(reasons) else ""


def _reason(exponent: Exponent) -> str:
    return exponent.reason.replace("_", " ")
