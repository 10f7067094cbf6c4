"""Smith & Le's (2018) claims on the optimum batch size, judged on the laws of a landscape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from analysis.claim import REFUTED, SUPPORTED, UNDECIDED, Claim
from analysis.correlation.multiplicity import holm
from analysis.law.collapse import REFERENCE
from analysis.law.condition import SYMBOLS
from analysis.law.exponent import Exponent
from analysis.law.rivals import Rival
from analysis.peak import Peak
from analysis.scaling_fit import ScalingFit
from analysis.training_fit import SATURATED

_LEVEL = 0.05
#: Conditions fewer than this decide nothing about "in general".
_FEW = 3


def noise_scale_claims(law: ScalingFit) -> tuple[Claim, ...]:
    """Every claim on one group's optimum.

    Args:
        law: the group's fit, its peaks and tests.
    """
    scope = law.group.label
    exponents = law.exponents
    on_peaks = (
        _exponent_claim(
            "B_opt is proportional to the learning rate",
            "Smith & Le 2018, figure 5",
            exponents["learning_rate"],
            law.n_conditions,
            scope,
        ),
        _train_size_claim(law, scope),
        _exponent_claim(
            "B_opt is proportional to 1/(1-m)",
            "Smith & Le 2018, figure 7 and equation 32",
            exponents["momentum"],
            law.n_conditions,
            scope,
        ),
        _joint_claim(law, scope),
        _edge_claim(law, scope),
        _generalization_claim(law.peaks, scope),
        _square_root_claim(law, scope),
    )
    return (
        _peak_claim(law.peaks, law.near_optimal, scope),
        *_if_there_are_peaks(on_peaks, law.peaks),
        _collapse_claim(law, scope),
    )


def _if_there_are_peaks(claims: Sequence[Claim], peaks: Sequence[Peak]) -> tuple[Claim, ...]:
    """Claims on B_opt decide nothing where most of the fitted conditions show no peak.

    What the law reads there is the edge, or the batch sizes that were sampled.
    """
    tested = [p.peak_p for p in peaks if p.usable and math.isfinite(p.peak_p)]
    significant = int(np.sum(holm(np.array(tested)) < _LEVEL)) if tested else 0
    if not tested or 2 * significant >= len(tested):
        return tuple(claims)
    why = f"but only {significant} of the {len(tested)} fitted conditions show a peak"
    return tuple(
        c
        if c.verdict == UNDECIDED
        else replace(c, verdict=UNDECIDED, finding=f"{c.finding}; {why}")
        for c in claims
    )


def _peak_claim(peaks: Sequence[Peak], near_optimal: float, scope: str) -> Claim:
    tested = [p for p in peaks if math.isfinite(p.peak_p)]
    n = len(tested)
    significant = int(np.sum(holm(np.array([p.peak_p for p in tested])) < _LEVEL)) if n else 0
    open_high = [p for p in tested if p.near_optimal_high >= 0.999 * p.cells[-1].batch_size]
    # A plateau is an octave wide or more; a narrower range at the end is a curve that still rises.
    plateaus = sum(p.near_optimal_low <= 0.5 * p.cells[-1].batch_size for p in open_high)
    finding = (
        f"accuracy rises and then falls in {significant} of {n} conditions (p < {_LEVEL:g} after"
        f" Holm's correction); in {len(open_high)} it is still within {100 * near_optimal:g} points"
        " of its best at the largest batch size sampled, in"
        f" {plateaus} of these over an octave or more"
    )
    if n < _FEW:
        some = "no condition" if not n else f"only {n} condition{'' if n == 1 else 's'}"
        verdict, finding = UNDECIDED, f"{some} could be tested"
    elif 2 * significant > n:
        verdict = SUPPORTED
    elif 2 * plateaus > n:
        verdict = REFUTED
    else:
        verdict = UNDECIDED
    figures = {
        "significant": float(significant),
        "open_high": float(len(open_high)),
        "plateaus": float(plateaus),
    }
    return Claim(
        "Test accuracy at a fixed learning rate has a maximum at some batch size",
        "Smith & Le 2018, figure 4",
        verdict,
        finding,
        n,
        figures,
        scope,
    )


def _exponent_claim(claim: str, source: str, exponent: Exponent, n: int, scope: str) -> Claim:
    figures = _interval(exponent)
    if not exponent.identifiable:
        return Claim(claim, source, UNDECIDED, exponent.reason, n, figures, scope)
    found = f"the exponent is {exponent.text}, from {n} conditions"
    if not math.isfinite(exponent.low):
        return Claim(claim, source, UNDECIDED, f"{found}: too few", n, figures, scope)
    if not exponent.holds(1.0):
        return Claim(claim, source, REFUTED, found, n, figures, scope)
    also = [f"{v:g}" for v in (0.0, 2.0) if exponent.holds(v)]
    if also:
        finding = f"{found}, which does not tell 1 from {' or '.join(also)}"
        return Claim(claim, source, UNDECIDED, finding, n, figures, scope)
    return Claim(claim, source, SUPPORTED, found, n, figures, scope)


def _train_size_claim(law: ScalingFit, scope: str) -> Claim:
    found = law.law.train_size
    exponent = law.exponents["train_size"]
    finding = found.reason
    if exponent.identifiable and found.verdict == UNDECIDED:
        finding += f" (over the N studied the exponent is {exponent.text})"
    return Claim(
        found.claim,
        found.source,
        found.verdict,
        finding,
        law.n_conditions,
        _interval(exponent),
        scope,
    )


def _joint_claim(law: ScalingFit, scope: str) -> Claim:
    """Refuted by any axis that can be decided; supported only by all three together."""
    tests = law.law.tests
    joint = tests.joint
    known = [e for e in law.exponents.values() if e.identifiable]
    unknown = [SYMBOLS[e.axis] for e in law.exponents.values() if not e.identifiable]
    open_n = law.law.train_size.verdict == UNDECIDED
    others = [tests.by_axis[e.axis].p for e in known if e.axis != "train_size"]
    figures = {"p": joint.p, "statistic": joint.statistic}
    p = f"joint F test, p = {joint.p:.2g}"
    verdict = UNDECIDED
    if not math.isfinite(joint.p) or len(known) < 2:
        finding = "fewer than two of eps, N and 1/(1-m) have an exponent"
    elif joint.p < _LEVEL:
        finding = f"exponents that are all 1 are rejected ({p})"
        if open_n and not any(v < _LEVEL for v in others):
            finding += ", but through N alone, whose law is not decidable here"
        else:
            verdict = REFUTED
    else:
        finding = f"exponents that are all 1 are not rejected ({p})"
        if any(e.too_wide or e.holds(0.0) for e in known):
            finding += ", but the intervals are too wide to tell 1 from 0"
        elif unknown:
            finding += f", but {' and '.join(unknown)} has no exponent here"
        elif open_n:
            finding += ", but the law of N is not decidable here"
        else:
            verdict = SUPPORTED
    return Claim(
        "B_opt is a function of eps*N/(1-m) alone, and proportional to it",
        "Smith & Le 2018, equations 11-13 and appendix D",
        verdict,
        finding,
        law.n_conditions,
        figures,
        scope,
    )


def _edge_claim(law: ScalingFit, scope: str) -> Claim:
    over = law.law.optimum_over_edge
    verdict = {True: REFUTED, False: SUPPORTED, None: UNDECIDED}[over.follows_edge]
    finding = over.sentence.rstrip(".")
    if verdict == REFUTED and not over.exponents["train_size"].identifiable:
        verdict = UNDECIDED
        finding += (
            "; but N, along which the edge and the noise scale part, has no exponent here, and both"
            " move alike with eps and 1/(1-m)"
        )
    return Claim(
        "The optimum moves on its own, not with the edge below which training fails",
        "implied by Smith & Le 2018, equations 11-13",
        verdict,
        finding,
        over.n_conditions,
        {"median_octaves": over.median_octaves, "p": over.tests.joint.p},
        scope,
    )


def _generalization_claim(peaks: Sequence[Peak], scope: str) -> Claim:
    known = [p.training for p in peaks if p.training is not None and p.usable]
    claim = "The optimum is one of generalization: at B_opt the training set is fitted"
    source = "Smith & Le 2018, figure 3; He, Liu & Tao 2019 (training error almost 0)"
    if not known:
        reason = "no training accuracy is recorded at an optimum"
        return Claim(claim, source, UNDECIDED, reason, 0, {}, scope)
    saturated = sum(t.saturated for t in known)
    values = [t.train_accuracy for t in known]
    finding = (
        f"training accuracy at B_opt is at least {SATURATED:g} in {saturated} of {len(known)}"
        f" condition{'' if len(known) == 1 else 's'}, {min(values):.3f} in the lowest"
    )
    verdict = SUPPORTED if saturated == len(known) else REFUTED if not saturated else UNDECIDED
    figures = {"saturated": float(saturated), "lowest": min(values)}
    return Claim(claim, source, verdict, finding, len(known), figures, scope)


def _collapse_claim(law: ScalingFit, scope: str) -> Claim:
    collapse = law.law.collapse
    claim = "Accuracy is a function of the noise scale eps*N/(B*(1-m))"
    source = "Smith & Le 2018, equations 11-13"
    finding = collapse.sentence.rstrip(".")
    reference = collapse.variables[0]
    # The exact form is the same noise scale without the approximation B << N.
    rest = [v for v in collapse.variables if v.name not in (REFERENCE, "exact_noise_scale")]
    figures = {v.name: v.r2 for v in collapse.variables}
    if not math.isfinite(reference.low):
        verdict = UNDECIDED
    elif any(v.identifiable and v.difference_high < 0.0 for v in rest):
        verdict = REFUTED
    elif reference.low > 0.5 and all(v.identifiable and v.difference_low > 0.0 for v in rest):
        verdict = SUPPORTED
    else:
        verdict = UNDECIDED
    return Claim(claim, source, verdict, finding, collapse.n_conditions, figures, scope)


def _square_root_claim(law: ScalingFit, scope: str) -> Claim:
    claim = "The learning rate should grow as the square root of B, so that B_opt goes as eps^2"
    source = "Gao & Zhong, equation 6; cited by Smith & Le 2018"
    by_name: Mapping[str, Rival] = {r.name: r for r in law.law.rivals.rivals}
    root = by_name.get("square_root")
    linear = [by_name[name] for name in ("linear", "without_train_size") if name in by_name]
    exponent = law.exponents["learning_rate"]
    reason = "" if exponent.identifiable else exponent.reason
    if root is None or not math.isfinite(root.difference):
        reason = reason or "too few conditions to compare laws"
    if root is None or reason:
        return Claim(claim, source, UNDECIDED, reason, law.n_conditions, {}, scope)
    octaves = [
        math.sqrt(v) / math.log(2.0)
        for v in (_criterion(root), min(_criterion(rival) for rival in linear))
    ]
    finding = (
        f"predicting what was left out it errs by {octaves[0]:.2f} octaves, the linear rule by"
        f" {octaves[1]:.2f}; the exponent of eps is {exponent.text}"
    )
    figures = {"square_root": octaves[0], "linear": octaves[1]}
    verdict = SUPPORTED if root.tied else REFUTED
    if root.tied and any(rival.tied for rival in linear):
        verdict = UNDECIDED
    return Claim(claim, source, verdict, finding, law.n_conditions, figures, scope)


def _criterion(rival: Rival) -> float:
    by_level = rival.leave_level_out
    return by_level if math.isfinite(by_level) else rival.leave_condition_out


def _interval(exponent: Exponent) -> dict[str, float]:
    return {"estimate": exponent.estimate, "low": exponent.low, "high": exponent.high}
