"""A claim of a paper with the verdict on it: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SUPPORTED = "supported"
REFUTED = "refuted"
UNDECIDED = "not decidable here"


@dataclass(frozen=True)
class Claim:
    """One claim and its verdict.

    Attributes:
        claim: in our words.
        source: paper and place.
        verdict: SUPPORTED, REFUTED or UNDECIDED.
        finding: what was found, or why it cannot be decided, in a sentence or two.
        n: printed numbers, conditions or groups that were looked at.
        figures: the numbers behind the finding, unrounded.
        scope: what results it was judged on; empty for a paper's own numbers.
    """

    claim: str
    source: str
    verdict: str
    finding: str
    n: int
    figures: Mapping[str, float]
    scope: str = ""
