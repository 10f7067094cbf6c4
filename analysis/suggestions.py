"""Suggested batch sizes for a training that was not studied, one suggestion a group."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.estimates import LANDMARKS
from analysis.law.condition import points_of
from analysis.law.suggest import Suggestion, suggest
from analysis.law.text import suggestion_text
from analysis.peak import PeakTable


@dataclass(frozen=True)
class GroupSuggestion:
    """What one group's law predicts.

    Attributes:
        dataset, model, budget: the group; `label` also names its other settings.
        metric: what was averaged.
        near_optimal: accuracy below the best that counts as near-optimal, a fraction.
        suggestion: the prediction.
    """

    label: str
    dataset: str
    model: str
    budget: str
    metric: str
    near_optimal: float
    suggestion: Suggestion


def suggestions(
    table: PeakTable, learning_rate: float, train_size: int, momentum: float
) -> tuple[GroupSuggestion, ...]:
    """Predict the near-optimal range of one condition by the law of every group.

    Args:
        table: the peaks of a landscape.
        learning_rate: of the condition.
        train_size: of the condition.
        momentum: of the condition.

    Raises:
        InputError: a value is out of range.
    """
    return tuple(
        GroupSuggestion(
            found.group.label,
            found.group.dataset,
            found.group.model,
            found.group.budget,
            table.metric,
            table.near_optimal,
            suggest(
                {name: points_of(found.peaks, name) for name in LANDMARKS},
                learning_rate,
                train_size,
                momentum,
            ),
        )
        for found in table.groups
    )


def suggestions_text(found: tuple[GroupSuggestion, ...]) -> str:
    """One paragraph a group."""
    return "\n\n".join(
        f"Batch size for {g.label} (within {100 * g.near_optimal:g} points of the best"
        f" {g.metric})\n\n{suggestion_text(g.suggestion)}"
        for g in found
    )
