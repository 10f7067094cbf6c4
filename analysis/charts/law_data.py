"""What the chart of the law shows, as plain data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.charts.common import (
    Table,
    finite,
    interval,
    number,
    plural,
)
from analysis.peaks import Peak
from analysis.scaling import AXES, PREDICTED, ScalingFit

QUESTION = "Is the best batch size proportional to εN/(1\u00a0−\u00a0m)?"

_SPOKEN = {"learning_rate": "learning rate", "train_size": "train size", "momentum": "momentum"}


@dataclass(frozen=True, kw_only=True, slots=True)
class PointRow:
    """One condition's best batch size.

    Attributes:
        scale: eps*N/(1-m), the noise scale times the batch size (Smith & Le 2018, appendix D).
        batch_size_opt, low, high: samples; the ends are None where unknown.
        censored, censored_side: the peak sits on the edge of the sampled batch sizes.
        used: the law was fitted to it.
    """

    learning_rate: float
    momentum: float
    train_size: int
    scale: float
    batch_size_opt: float
    low: float | None
    high: float | None
    censored: bool
    censored_side: str | None
    used: bool

    @property
    def text(self) -> str:
        """The estimate with its interval, for reading."""
        return f"{number(self.batch_size_opt)} {interval(self.low, self.high)}".rstrip()


@dataclass(frozen=True, kw_only=True, slots=True)
class LineRow:
    """One end of a straight line: the fit of one group of conditions, or the line of slope 1."""

    line: str
    scale: float
    batch_size: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LawInfo:
    """What the chart draws, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        points: each condition with a finite best batch size.
        fit: ends of the fitted law's lines, one line for each group of conditions that share all
            but one axis; empty where no law could be fitted.
        proportional: ends of the line of slope 1 through the geometric mean of the used points.
        notes: what cannot be shown, and why; whole sentences.
    """

    question: str
    answer: str
    description: str
    points: tuple[PointRow, ...]
    fit: tuple[LineRow, ...]
    proportional: tuple[LineRow, ...]
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Each condition as text."""
        return Table(
            columns=(
                "εN/(1 − m)",
                "learning rate",
                "momentum",
                "train size",
                "best batch size",
                "95 % interval",
                "in the fit",
            ),
            rows=tuple(
                (
                    number(p.scale),
                    number(p.learning_rate),
                    number(p.momentum),
                    number(p.train_size),
                    number(p.batch_size_opt),
                    interval(p.low, p.high) or "–",
                    "yes" if p.used else "no",
                )
                for p in self.points
            ),
        )


def law_info(law: ScalingFit) -> LawInfo:
    """Collect what the chart shows from one fitted law.

    Args:
        law: the fit with its peaks.
    """
    points = tuple(
        PointRow(
            learning_rate=p.learning_rate,
            momentum=p.momentum,
            train_size=p.train_size,
            scale=noise_scale_times_batch(p),
            batch_size_opt=float(p.batch_size_opt),
            low=finite(p.low),
            high=finite(p.high),
            censored=p.censored,
            censored_side=p.censored_side,
            used=p.usable,
        )
        for p in sorted(law.peaks, key=noise_scale_times_batch)
        if finite(p.batch_size_opt) is not None
    )
    used = [p for p in points if p.used]
    fit = _fit_lines(law, used)
    notes = []
    if not points:
        notes.append("No condition has a best batch size, so there is no law to draw.")
    elif not used:
        on_edge = all(p.censored for p in points)
        why = "is on the edge of the sampled batch sizes" if on_edge else "is bounded or uncertain"
        notes.append(f"Every peak {why}: no law can be fitted.")
    elif not fit:
        notes.append("Too few conditions with a peak of their own to fit a law.")
    bounded = sum(p.censored for p in points)
    if used and bounded:
        notes.append(
            f"{plural(bounded, 'bounded peak')} (hollow) left out of the fit, "
            "which may bias its slopes."
        )
    uncertain = len(points) - len(used) - bounded
    if used and uncertain:
        notes.append(
            f"{plural(uncertain, 'peak')} of too few trained batch sizes left out of the fit."
        )
    return LawInfo(
        question=QUESTION,
        answer=_answer(law),
        description=(
            "Best batch size against learning rate times training-set size over one minus "
            f"momentum, both axes logarithmic: {plural(len(points), 'condition')} with 95 % "
            "intervals, the fitted law, and a dashed line of slope 1."
        ),
        points=points,
        fit=fit,
        proportional=_proportional(used),
        notes=tuple(notes),
    )


def noise_scale_times_batch(peak: Peak | PointRow) -> float:
    """eps*N/(1-m), to which B_opt is proportional in Smith & Le (2018, figures 5-7)."""
    return peak.learning_rate * peak.train_size / (1.0 - peak.momentum)


def _fit_lines(law: ScalingFit, used: Sequence[PointRow]) -> tuple[LineRow, ...]:
    """Lines along the first identifiable axis, one for each pair of values of the other two."""
    running = next((a for a in AXES if law.exponents[a].identifiable), None)
    if running is None:
        return ()
    others = [a for a in AXES if a != running]
    groups: dict[tuple[float, ...], list[PointRow]] = {}
    for p in used:
        groups.setdefault(tuple(getattr(p, a) for a in others), []).append(p)
    rows = []
    for values, members in sorted(groups.items()):
        name = ", ".join(
            f"{a.replace('_', ' ')} {number(v)}" for a, v in zip(others, values, strict=True)
        )
        for p in _ends(members):
            predicted = finite(law.predict(p.learning_rate, p.momentum, p.train_size))
            if predicted is not None:
                rows.append(LineRow(line=name, scale=p.scale, batch_size=predicted))
    return tuple(rows)


def _ends(points: Iterable[PointRow]) -> list[PointRow]:
    ordered = sorted(points, key=lambda p: p.scale)
    return [ordered[0], ordered[-1]] if len(ordered) > 1 else []


def _proportional(used: Sequence[PointRow]) -> tuple[LineRow, ...]:
    if not used:
        return ()
    ratio = math.exp(sum(math.log(p.batch_size_opt / p.scale) for p in used) / len(used))
    return tuple(
        LineRow(line="slope 1", scale=p.scale, batch_size=ratio * p.scale) for p in _ends(used)
    )


def _answer(law: ScalingFit) -> str:
    """One sentence: each exponent that could be estimated, against slope 1."""
    known = [law.exponents[axis] for axis in AXES if law.exponents[axis].identifiable]
    untested = [_SPOKEN[axis] for axis in AXES if not law.exponents[axis].identifiable]
    if not known:
        return "These conditions cannot tell: no axis gave an exponent."
    told = "; ".join(e.sentence for e in known)
    verdicts = [e.consistent_with(PREDICTED) for e in known]
    if any(v is False for v in verdicts):
        return f"No: {told}."
    if any(v is None for v in verdicts):
        return f"Too few conditions to tell: {told}."
    wide = [_SPOKEN[e.axis] for e in known if e.too_wide]
    if wide:
        intervals = "interval" if len(wide) == 1 else "intervals"
        return f"Undecided, for the {intervals} of {' and '.join(wide)} can tell nothing: {told}."
    but = f", but {' and '.join(untested)} could not be tested" if untested else ""
    return f"Nothing here speaks against it{but}: {told}."
