"""Everything that is asked of one group's law, in one result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.law.censored import CensoredFit, censored_fit
from analysis.law.collapse import RESAMPLES, Collapse, collapse
from analysis.law.condition import AXES, SYMBOLS, points_of
from analysis.law.free_law import LEVEL
from analysis.law.landmark_laws import (
    LandmarkLaw,
    OptimumOverEdge,
    Verdict,
    landmark_laws,
    optimum_over_edge,
    train_size_verdict,
)
from analysis.law.one_parameter import VARIABLES, OneParameterLaw, one_parameter_law
from analysis.law.rivals import Rivals, rivals
from analysis.law.tests import ExponentTests
from analysis.peak import Peak
from analysis.plain_values import plain


@dataclass(frozen=True)
class LawReport:
    """The law of one group, tested, compared and placed beside the edge's.

    Attributes:
        tests: that B_opt's exponents are 1.
        one_parameter: B_opt = c * eps*N/(1-m), and the same without N.
        rivals: laws ranked by prediction.
        landmarks: free exponents of every landmark.
        censored: B_opt's law with censored conditions as inequalities.
        optimum_over_edge: whether the optimum follows the edge of trainability.
        collapse: which variable explains accuracy in conditions left out.
        train_size: the verdict on Smith & Le's law of N.
        level: coverage that the intervals aim at.
        sentences: the findings.
    """

    tests: ExponentTests
    one_parameter: tuple[OneParameterLaw, ...]
    rivals: Rivals
    landmarks: Mapping[str, LandmarkLaw]
    censored: CensoredFit
    optimum_over_edge: OptimumOverEdge
    collapse: Collapse
    train_size: Verdict
    level: float
    sentences: tuple[str, ...]


def law_report(
    peaks: Sequence[Peak],
    level: float = LEVEL,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> LawReport:
    """Ask everything of one group's peaks.

    Args:
        peaks: all conditions of one group, one budget.
        level: coverage of the intervals.
        n_resamples: of conditions, for the collapse's intervals.
        seed: of those resamples.
    """
    optimum = points_of(peaks, "optimum")
    landmarks = landmark_laws(peaks, level)
    tests = landmarks["optimum"].tests
    one = tuple(one_parameter_law(optimum, variable, level) for variable in VARIABLES)
    compared = rivals(optimum, level)
    censored = censored_fit(optimum, level)
    follows = optimum_over_edge(optimum, points_of(peaks, "edge"), level)
    collapsed = collapse(peaks, level, n_resamples, seed)
    verdict = train_size_verdict(optimum, level)
    sentences = [
        _tests_sentence(tests),
        _one_parameter_sentence(one[0]),
        compared.sentence,
        follows.sentence,
        _censored_sentence(censored, landmarks["optimum"]),
        verdict.sentence,
        collapsed.sentence,
    ]
    return LawReport(
        tests=tests,
        one_parameter=one,
        rivals=compared,
        landmarks=landmarks,
        censored=censored,
        optimum_over_edge=follows,
        collapse=collapsed,
        train_size=verdict,
        level=level,
        sentences=tuple(s for s in sentences if s),
    )


def to_dict(report: LawReport) -> dict[str, Any]:
    """The report as plain JSON values, unrounded; what is not finite becomes None."""
    landmarks = {name: plain(law) for name, law in report.landmarks.items()}
    for name, law in report.landmarks.items():
        landmarks[name]["tests"] = _tests(law.tests)
    follows = plain(report.optimum_over_edge)
    follows["tests"] = _tests(report.optimum_over_edge.tests)
    return {
        "tests": _tests(report.tests),
        "one_parameter_law": plain(report.one_parameter[0]),
        "one_parameter_laws": plain(report.one_parameter),
        "rivals": plain(report.rivals.rivals),
        "rivals_ranked_by": report.rivals.criterion,
        "edge": landmarks["edge"],
        "landmarks": landmarks,
        "censored": plain(report.censored),
        "optimum_over_edge": follows,
        "collapse": plain(report.collapse),
        "train_size_verdict": plain(report.train_size),
        "law_sentences": list(report.sentences),
    }


def _tests(tests: ExponentTests) -> dict[str, Any]:
    return {
        "joint": plain(tests.joint),
        **{axis: plain(tests.by_axis[axis]) for axis in AXES},
        "value": tests.value,
    }


def p_text(p: float) -> str:
    """`p = 0.03`, `p < 0.0001`, or that there is none."""
    if p != p:
        return "p unknown"
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def _tests_sentence(tests: ExponentTests) -> str:
    known = [axis for axis in AXES if tests.by_axis[axis].p == tests.by_axis[axis].p]
    if tests.joint.p != tests.joint.p:
        return "The exponents cannot be tested against 1: too few conditions."
    each = ", ".join(f"{SYMBOLS[axis]}: {p_text(tests.by_axis[axis].p)}" for axis in known)
    verdict = "rejected" if tests.joint.p < 0.05 else "not rejected"
    f = tests.joint
    one = "the exponent of 1 is" if f.df1 == 1 else "exponents of 1 are together"
    text = (
        f"By the F test {one} {verdict} at the 5 % level"
        f" (F({f.df1}, {f.df2}) = {f.statistic:.3g}, {p_text(f.p)}"
    )
    return f"{text}{'; each alone: ' + each if len(known) > 1 else ''})."


def _one_parameter_sentence(law: OneParameterLaw) -> str:
    if law.r2 != law.r2:
        return ""
    shown = f"{law.constant:.3g}"
    if law.low == law.low:
        shown += f" [{law.low:.3g}, {law.high:.3g}]"
    text = f"With one parameter, B_opt = c * {law.variable}: c = {shown}, R2 {law.r2:.2f}"
    if law.r2 < 0.0:
        text += " (worse than one batch size for all conditions)"
    return text + "."


def _censored_sentence(fit: CensoredFit, dropped: LandmarkLaw) -> str:
    if not fit.n_censored:
        return ""
    several = fit.n_censored != 1
    known = [a for a in AXES if fit.exponents[a].identifiable]
    if not fit.converged or not known:
        return (
            f"The fit with {fit.n_censored} censored condition{'s' if several else ''} as"
            " inequalities did not converge or has too few others."
        )
    text = ", ".join(
        f"{SYMBOLS[a]} {fit.exponents[a].text} (without them {dropped.exponents[a].text})"
        for a in known
    )
    return (
        f"With the {fit.n_censored} censored condition{'s' if several else ''} as"
        f" {'inequalities' if several else 'an inequality'} the exponents are: {text}."
    )
