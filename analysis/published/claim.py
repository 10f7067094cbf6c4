"""A claim of a paper with what recomputing its printed numbers says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SUPPORTED = "supported"
REFUTED = "refuted"
UNDECIDED = "not decidable here"


@dataclass(frozen=True)
class PublishedClaim:
    """One claim and its verdict.

    Attributes:
        claim: in our words.
        source: paper and place.
        verdict: SUPPORTED, REFUTED, or UNDECIDED where the rounding of a printed number decides.
        finding: what was found, in a sentence or two.
        n: printed numbers (or cases) that were looked at.
        figures: the numbers behind the finding, unrounded.
    """

    claim: str
    source: str
    verdict: str
    finding: str
    n: int
    figures: Mapping[str, float]
