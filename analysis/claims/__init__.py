"""Every claim of the papers that results can decide, with a verdict on the results at hand."""

from __future__ import annotations

from textwrap import fill

from analysis.claim import REFUTED, SUPPORTED, UNDECIDED, Claim
from analysis.claims.correlations import correlation_claims
from analysis.claims.noise_scale import noise_scale_claims
from analysis.correlation import CorrelationTable
from analysis.scaling_fit import ScalingReport

__all__ = ["REFUTED", "SUPPORTED", "UNDECIDED", "Claim", "claims_text", "judge"]

_WIDTH = 100


def judge(scaling: ScalingReport, table: CorrelationTable) -> tuple[Claim, ...]:
    """The verdicts on one landscape: Smith & Le's for each law, then He, Liu & Tao's.

    Args:
        scaling: the laws of the landscape.
        table: its correlations.
    """
    laws = tuple(claim for law in scaling.laws for claim in noise_scale_claims(law))
    return laws + correlation_claims(table)


def claims_text(claims: tuple[Claim, ...]) -> str:
    """How many of each verdict, then each claim with its finding, scope by scope."""
    counts = ", ".join(
        f"{sum(c.verdict == verdict for c in claims)} {verdict}"
        for verdict in (SUPPORTED, REFUTED, UNDECIDED)
    )
    parts = [f"{len(claims)} claims: {counts}."]
    for scope in dict.fromkeys(claim.scope for claim in claims):
        lines = [f"On {scope}:"]
        for claim in claims:
            if claim.scope == scope:
                head = f"{claim.verdict}: {claim.claim}. [{claim.source}]"
                lines += ["", fill(head, _WIDTH)]
                lines.append(
                    fill(
                        f"{claim.finding}.", _WIDTH, initial_indent="    ", subsequent_indent="    "
                    )
                )
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
