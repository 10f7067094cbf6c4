"""What batch size to use at a learning rate, momentum and training-set size, by the laws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.law.condition import AXES, SYMBOLS, LawPoint, exp, log_axes
from analysis.law.free_law import LEVEL, FreeLaw, free_law
from analysis.law.prediction import predict
from explorer.errors import InputError

#: The landmarks that a suggestion needs.
NEEDED = ("near_optimal_low", "optimum", "near_optimal_high")

_NAMES: Mapping[str, str] = {
    "near_optimal_low": "low end of the near-optimal range",
    "optimum": "optimum",
    "near_optimal_high": "high end of the near-optimal range",
}


@dataclass(frozen=True)
class PredictedBatchSize:
    """A landmark of a new condition in samples, with its prediction interval; NaN if unknown."""

    estimate: float
    low: float
    high: float
    n_conditions: int


@dataclass(frozen=True)
class Suggestion:
    """The batch sizes that the laws predict to be near-optimal.

    Batch sizes are in samples, clipped to [1, N].

    Attributes:
        learning_rate, momentum, train_size: what was asked.
        batch_size_opt, near_optimal_low, near_optimal_high: the landmarks, each with the
            interval that holds a new condition's own value with probability `level`.
        core_low, core_high: from the upper bound of the low end to the lower bound of the high
            end: near-optimal whatever the law's uncertainty; NaN where there is no such range.
        batch_size: the recommendation: a power of 2 inside the core, else inside the predicted
            range, else the whole number nearest to the optimum; None where nothing is known.
        extrapolated: by axis, how far outside the studied values it lies.
        not_moved: by axis, asked at a value whose effect the laws do not know.
        clipped: a landmark was clipped to [1, N].
        level: coverage of the intervals.
        sentences: the finding, and what to beware of.
    """

    learning_rate: float
    momentum: float
    train_size: int
    batch_size_opt: PredictedBatchSize
    near_optimal_low: PredictedBatchSize
    near_optimal_high: PredictedBatchSize
    core_low: float
    core_high: float
    batch_size: int | None
    extrapolated: Mapping[str, str]
    not_moved: Mapping[str, str]
    clipped: bool
    level: float
    sentences: tuple[str, ...]


def suggest(
    points: Mapping[str, Sequence[LawPoint]],
    learning_rate: float,
    train_size: int,
    momentum: float,
    level: float = LEVEL,
) -> Suggestion:
    """Predict the near-optimal range of batch sizes of a condition that was not studied.

    Each landmark has its own law with free exponents, and the interval of
    `analysis.law.prediction`. An axis that a law does not know is not moved.

    Args:
        points: for each of NEEDED, the landmark of every condition of one group.
        learning_rate: of the new condition.
        train_size: of the new condition.
        momentum: of the new condition.
        level: coverage of the prediction intervals.

    Raises:
        InputError: a value is out of range.
    """
    _check(learning_rate, train_size, momentum, level)
    logs = log_axes(learning_rate, momentum, train_size)
    laws = {name: free_law(points[name], level, "that landmark") for name in NEEDED}
    raw = {name: _predicted(law, logs, level) for name, law in laws.items()}
    found = {name: _clipped(p, train_size) for name, p in raw.items()}
    low, top, high = (found[name] for name in NEEDED)
    outside = _outside(raw, train_size)
    core = (low.high, high.low) if low.high <= high.low and not outside else None
    batch_size, rule = _recommend(low, top, high, core, train_size)
    n_open = sum(p.open_low or p.open_high for p in points["optimum"])
    if n_open >= len(laws["optimum"].points):
        batch_size = None
    of = "whose peak is uncensored" if n_open else "studied"
    extrapolated = _extrapolated(laws["optimum"], learning_rate, momentum, train_size, of)
    not_moved = _not_moved(laws, learning_rate, momentum, train_size)
    clipped = found != raw
    lines = _findings(found, batch_size, rule, core, level, outside)
    lines += [_capital(f"{text}.") for text in (*extrapolated.values(), *not_moved.values())]
    if n_open:
        lines.append(
            f"In {n_open} of {len(points['optimum'])} conditions the peak may lie beyond the"
            " sampled batch sizes: the laws know nothing of them."
        )
    if clipped and not outside:
        lines.append(f"Predictions were clipped to batch sizes from 1 to N = {train_size}.")
    if low.estimate > high.estimate:
        lines.append(
            "The laws of the two ends of the near-optimal range cross before this condition, so"
            " that they give no range here."
        )
    return Suggestion(
        learning_rate=learning_rate,
        momentum=momentum,
        train_size=train_size,
        batch_size_opt=top,
        near_optimal_low=low,
        near_optimal_high=high,
        core_low=core[0] if core else math.nan,
        core_high=core[1] if core else math.nan,
        batch_size=batch_size,
        extrapolated=extrapolated,
        not_moved=not_moved,
        clipped=clipped,
        level=level,
        sentences=tuple(lines),
    )


def _check(learning_rate: float, train_size: int, momentum: float, level: float) -> None:
    if not (0.0 < learning_rate < math.inf):
        raise InputError(f"learning_rate must be a positive number, not {learning_rate!r}.")
    if not (0.0 <= momentum < 1.0):
        raise InputError(f"momentum must be at least 0 and below 1, not {momentum!r}.")
    if not (1 <= train_size < math.inf) or train_size != int(train_size):
        raise InputError(f"train_size must be a whole number of at least 1, not {train_size!r}.")
    if not 0.0 < level < 1.0:
        raise InputError(f"level must lie between 0 and 1, not {level!r}.")


def _predicted(law: FreeLaw, logs: Sequence[float], level: float) -> PredictedBatchSize:
    p = predict(law, law.design.row(logs), level)
    return PredictedBatchSize(exp(p.estimate), exp(p.low), exp(p.high), len(law.points))


def _clipped(p: PredictedBatchSize, train_size: int) -> PredictedBatchSize:
    """The prediction inside [1, N]; the same object where nothing changes."""
    ends = [min(max(v, 1.0), float(train_size)) for v in (p.estimate, p.low, p.high)]
    if all(a == b or b != b for a, b in zip(ends, (p.estimate, p.low, p.high), strict=True)):
        return p
    kept = [a if b == b else b for a, b in zip(ends, (p.estimate, p.low, p.high), strict=True)]
    return PredictedBatchSize(kept[0], kept[1], kept[2], p.n_conditions)


def _outside(raw: Mapping[str, PredictedBatchSize], train_size: int) -> str:
    """What to say where the whole range and the optimum lie beyond the possible batch sizes."""
    ends = [p.estimate for p in raw.values() if math.isfinite(p.estimate)]
    if ends and max(ends) < 1.0:
        return "below one sample"
    if ends and min(ends) > train_size:
        return f"above N = {train_size}"
    return ""


def _recommend(
    low: PredictedBatchSize,
    top: PredictedBatchSize,
    high: PredictedBatchSize,
    core: tuple[float, float] | None,
    train_size: int,
) -> tuple[int | None, str]:
    """The batch size and the rule that chose it."""
    ranges = [(core, "inside the safe core")] if core else []
    ranges.append(((low.estimate, high.estimate), "inside the predicted range"))
    for (a, b), rule in ranges:
        if not a <= b:
            continue
        target = top.estimate if a <= top.estimate <= b else math.sqrt(a * b)
        power = _power_of_two(a, b, target)
        if power is not None:
            return power, f"a power of 2 {rule}"
    center = top.estimate
    if not math.isfinite(center) and low.estimate <= high.estimate:
        center = math.sqrt(low.estimate * high.estimate)
    if not math.isfinite(center):
        return None, ""
    return min(max(round(center), 1), train_size), "the whole number nearest to the optimum"


def _power_of_two(low: float, high: float, target: float) -> int | None:
    """The power of 2 in [low, high] nearest to the target on the log scale."""
    first = math.ceil(math.log2(low) - 1e-12)
    last = math.floor(math.log2(high) + 1e-12)
    if first > last:
        return None
    return int(2 ** min(max(round(math.log2(target)), first), last))


def _extrapolated(
    law: FreeLaw, learning_rate: float, momentum: float, train_size: int, of: str
) -> dict[str, str]:
    """By axis, how far outside the conditions of the law the new one lies."""
    beyond = {}
    asked = {"learning_rate": learning_rate, "train_size": train_size, "momentum": momentum}
    for axis, value in asked.items():
        studied = sorted({float(getattr(p, axis)) for p in law.points})
        if not studied or law.design.reasons[axis]:
            continue
        lowest, highest = studied[0], studied[-1]
        name = SYMBOLS[axis] if axis != "momentum" else "momentum"
        for end, word, outside in (
            (highest, "above the largest", value > highest * (1 + 1e-9)),
            (lowest, "below the smallest", value < lowest * (1 - 1e-9)),
        ):
            if outside:
                ratio = _scale(axis, value) / _scale(axis, end)
                factor = max(ratio, 1.0 / ratio)
                unit = " in 1/(1-m)" if axis == "momentum" else ""
                beyond[axis] = (
                    f"{name} {value:g} is {word} {name} {of} ({end:g}) by a factor of"
                    f" {factor:.3g}{unit}: this is an extrapolation"
                )
    return beyond


def _scale(axis: str, value: float) -> float:
    return 1.0 / (1.0 - value) if axis == "momentum" else value


def _not_moved(
    laws: Mapping[str, FreeLaw], learning_rate: float, momentum: float, train_size: int
) -> dict[str, str]:
    """By axis, what was asked of it that a law does not know."""
    unknown: dict[str, str] = {}
    logs = log_axes(learning_rate, momentum, train_size)
    asked = {"learning_rate": learning_rate, "train_size": train_size, "momentum": momentum}
    for i, axis in enumerate(AXES):
        symbol = SYMBOLS[axis] if axis != "momentum" else "momentum"
        stuck, out_of_step, only = [], False, math.nan
        for name, law in laws.items():
            if not law.points or not law.design.reasons[axis] or law.design.spans(logs):
                continue
            studied = {float(getattr(p, axis)) for p in law.points}
            if len(studied) > 1:
                out_of_step = True
            elif abs(logs[i] - float(law.design.center[i])) > 1e-9:
                stuck.append(_NAMES[name])
                only = studied.pop()
        if stuck:
            whose = (
                "the batch sizes" if len(stuck) == len(laws) else f"the {' and the '.join(stuck)}"
            )
            unknown[axis] = (
                f"how {whose} move{'s' if len(stuck) == 1 else ''} with {symbol} is not known:"
                f" only {only:g} was studied, {asked[axis]:g} was asked, and no change was assumed,"
                " which the intervals do not allow for"
            )
        elif out_of_step:
            unknown[axis] = (
                f"{symbol} was studied only in step with another axis, and is asked out of step"
                " with it: the laws were applied at the nearest condition they know, which the"
                " intervals do not allow for"
            )
    return unknown


def _findings(
    found: Mapping[str, PredictedBatchSize],
    batch_size: int | None,
    rule: str,
    core: tuple[float, float] | None,
    level: float,
    outside: str,
) -> list[str]:
    low, top, high = (found[name] for name in NEEDED)
    lines = []
    if batch_size is None:
        return ["Too few conditions have a peak inside their sampled batch sizes to predict one."]
    if outside:
        return [
            f"All that the laws predict here lies {outside}; the nearest possible batch size is"
            f" {batch_size}."
        ]
    lines.append(f"Suggested batch size: {batch_size} ({rule}).")
    if low.estimate <= high.estimate:
        lines.append(
            f"Predicted near-optimal range: {low.estimate:.3g} to {high.estimate:.3g}; the"
            f" {100 * level:g} % prediction interval of its low end is {_interval(low)}, of its"
            f" high end {_interval(high)}."
        )
        lines.append(
            f"Safe core: batch sizes from {core[0]:.3g} to {core[1]:.3g} lie inside the range even"
            " where the laws err by as much as these intervals allow."
            if core
            else "Safe core: none. The two intervals overlap or are unknown, so that no batch size"
            " is inside the range whatever the laws' errors."
        )
    if math.isfinite(top.estimate):
        lines.append(
            f"Predicted optimum: {top.estimate:.3g}, {100 * level:g} % prediction interval"
            f" {_interval(top)}, from {top.n_conditions} conditions."
        )
    return lines


def _interval(p: PredictedBatchSize) -> str:
    if not np.isfinite([p.low, p.high]).all():
        return "unknown (too few conditions)"
    return f"{p.low:.3g} to {p.high:.3g}"


def _capital(text: str) -> str:
    # Symbols keep their case.
    return text if text.startswith(tuple(SYMBOLS.values())) else text[:1].upper() + text[1:]
