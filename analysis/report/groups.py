"""Groups of trials in words: what tells them apart, which say most, and their conditions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from analysis.charts.common import labels, number
from analysis.charts.peaks_sentences import with_peak
from analysis.landscape import Group
from analysis.peak import Peak
from analysis.scaling_fit import ScalingFit

AXIS_NAMES: Mapping[str, str] = {
    "learning_rate": "learning rate",
    "train_size": "N",
    "momentum": "momentum",
}
#: By how much 1 - m of a momentum in words may differ from the exact one, as a share.
_CLOSE = 0.01


def short_labels(groups: Sequence[Group]) -> dict[Group, str]:
    """What tells each group from the others: its label without the columns that all share."""
    parts = {group: _parts(group) for group in groups}
    shared = set.intersection(*(set(p) for p in parts.values())) if len(parts) > 1 else set()
    return {
        group: ", ".join(part[1] for part in own if part not in shared) or group.label
        for group, own in parts.items()
    }


def _parts(group: Group) -> list[tuple[str, str]]:
    """The columns that tell groups apart, each with its text in the label."""
    columns = dict(group.columns())
    budget, value = str(columns.pop("budget")), columns.pop("budget_value")
    if math.isfinite(value):
        budget = f"{budget} {value:.12g}"
    settings = dict(group.settings)
    named = [(name, str(columns[name])) for name in columns if name not in settings]
    others = [(name, f"{name} {'none' if v is None else v}") for name, v in settings.items()]
    return [*named, ("budget", budget), *others]


def condition_text(peak: Peak, peaks: Sequence[Peak]) -> str:
    """The condition in words, `learning rate 0.1, momentum 0.9, N = 1000`.

    Args:
        peak: of the condition.
        peaks: what to tell it from.
    """
    among = [peak, *peaks]
    rate = labels(p.learning_rate for p in among)[peak.learning_rate]
    momentum = momentum_labels(p.momentum for p in among)[peak.momentum]
    return f"learning rate {rate}, momentum {momentum}, N = {number(peak.train_size)}"


def momentum_labels(momenta: Iterable[float]) -> dict[float, str]:
    """A label for each momentum, with as many digits as show how far from 1 it is."""
    distinct = sorted(set(momenta))
    texts: list[str] = []
    for digits in range(3, 18):
        texts = [number(m, digits) for m in distinct]
        close = all(
            abs(m - float(t)) <= _CLOSE * (1.0 - m) for m, t in zip(distinct, texts, strict=True)
        )
        if close and len(set(texts)) == len(distinct):
            break
    return dict(zip(distinct, texts, strict=True))


def axis_labels(axis: str, values: Iterable[float]) -> dict[float, str]:
    """A label for each value of `learning_rate`, `train_size` or `momentum`."""
    return momentum_labels(values) if axis == "momentum" else labels(values)


def strongest(laws: Sequence[ScalingFit]) -> list[ScalingFit]:
    """The laws in the order of how much they rest on: conditions in the fit, then with a peak."""
    return sorted(laws, key=lambda law: (-law.n_conditions, -len(with_peak(law.peaks))))
