"""Groups of trials in words: what tells them apart, which say most, and their conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.landscape import Group
from analysis.peak import Peak
from analysis.peaks import PEAK_LEVEL
from analysis.scaling_fit import ScalingFit

AXIS_NAMES: Mapping[str, str] = {
    "learning_rate": "learning rate",
    "train_size": "N",
    "momentum": "momentum",
}


def short_labels(groups: Sequence[Group]) -> dict[Group, str]:
    """What tells each group from the others: its label without what all of them share."""
    parts = {group: group.label.split(", ") for group in groups}
    shared = set.intersection(*(set(p) for p in parts.values())) if len(parts) > 1 else set()
    return {g: ", ".join(p for p in own if p not in shared) or g.label for g, own in parts.items()}


def strongest(laws: Sequence[ScalingFit]) -> list[ScalingFit]:
    """The laws in the order of how much they rest on: conditions in the fit, then with a peak."""
    return sorted(laws, key=lambda law: (-law.n_conditions, -len(with_peak(law.peaks))))


def with_peak(peaks: Sequence[Peak]) -> list[Peak]:
    """The conditions in which accuracy rises and then falls, by the peak test."""
    return [p for p in peaks if p.peak_p < PEAK_LEVEL and not p.censored]


def listed(items: Sequence[str], most: int = 0) -> str:
    """`a, b and c`; of more than `most` items the first ones, and how many more there are."""
    if most and len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]
