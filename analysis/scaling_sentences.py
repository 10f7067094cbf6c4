"""What a fitted law says, and what may mislead in it, as sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from analysis.law.condition import AXES, PREDICTED
from analysis.peak import Peak
from analysis.peaks import PEAK_LEVEL
from analysis.scaling_fit import ScalingFit
from analysis.training_fit import SATURATED

#: Where Smith & Le (2018) predict an exponent of 1.
SOURCES: Mapping[str, str] = {
    "learning_rate": "Smith & Le 2018, figure 5: B_opt proportional to the learning rate",
    "train_size": "Smith & Le 2018, figure 6: B_opt proportional to N at large N",
    "momentum": "Smith & Le 2018, figure 7: B_opt proportional to 1/(1-m)",
}


def findings(law: ScalingFit) -> list[str]:
    """One sentence an exponent, and what a confirmed or refuted law would be."""
    lines = [_capital(law.exponents[axis].sentence) + "." for axis in AXES]
    tested = [axis for axis in AXES if law.exponents[axis].consistent_with(PREDICTED) is not None]
    if tested:
        lines.append("1 is predicted by: " + "; ".join(SOURCES[axis] for axis in tested) + ".")
    if law.n_conditions:
        several = law.n_conditions != 1
        lines.append(f"The law was fitted to {law.n_conditions} condition{'s' if several else ''}.")
    return [*lines, *_is_there_a_peak(law.peaks), *_is_it_generalization(law.peaks)]


def _is_there_a_peak(peaks: Sequence[Peak]) -> list[str]:
    tested = [p for p in peaks if math.isfinite(p.peak_p)]
    if not tested:
        return []
    sure = sum(p.peak_p < PEAK_LEVEL and not p.censored for p in tested)
    expected = PEAK_LEVEL * len(tested)
    lines = [
        f"In {sure} of {len(tested)} conditions accuracy rises and then falls as B grows (p <"
        f" {PEAK_LEVEL:g} each; {expected:.2g} would be so by chance)."
    ]
    without = sum(p.usable and p.peak_p >= PEAK_LEVEL for p in tested)
    if without:
        lines.append(
            f"{without} of the {sum(p.usable for p in tested)} fitted conditions show no peak:"
            " where the top is flat, B_opt lies where the edge and the sampled batch sizes put it."
        )
    return lines


def _is_it_generalization(peaks: Sequence[Peak]) -> list[str]:
    found = [p for p in peaks if p.training is not None and p.usable]
    if not found:
        return []
    saturated = [p for p in found if p.training is not None and p.training.saturated]
    values = [p.training.train_accuracy for p in found if p.training is not None]
    line = (
        f"Training accuracy at B_opt is at least {SATURATED:g} in {len(saturated)} of {len(found)}"
        f" conditions (lowest {min(values):.3f}, median {float(np.median(values)):.3f})"
    )
    if len(saturated) == len(found):
        return [f"{line}: the optimum is one of generalization."]
    return [f"{line}: where it is lower, the optimum may be one of fitting the training set."]


def cautions(law: ScalingFit) -> list[str]:
    """What may mislead in these numbers."""
    lines = []
    if not law.n_conditions:
        lines.append("No condition has a peak inside its sampled batch sizes: no law was fitted.")
    elif not law.converged:
        lines.append("The variance between conditions could not be estimated.")
    if law.n_censored:
        one = law.n_censored == 1
        lines.append(
            f"{law.n_censored} {'condition was' if one else 'conditions were'} left out because"
            f" the peak may lie beyond the sampled batch sizes; dropping"
            f" {'it' if one else 'them'} may bias the slopes."
        )
        if law.n_censored >= law.n_conditions:
            lines.append(
                "So many conditions are censored that the exponents speak of the others alone: an"
                " exponent that is consistent with 1 is no support of the law here."
            )
    if law.law.optimum_over_edge.follows_edge is False:
        lines.append(
            "Edge and optimum follow different laws here: on planted landscapes of that kind the"
            " interval of the exponent along which they part held the truth 0.73 (3 seeds) to 0.93"
            " (10 seeds) of the time instead of 0.95 (docs/calibration.md)."
        )
    lines += _left_out(law.peaks)
    rough = sum(p.usable and "rough" in p.flags for p in law.peaks)
    if rough:
        lines.append(
            f"{rough} of the {law.n_conditions} fitted peaks are on curves that are rough from one"
            " batch size to the next: they are part of the law, but their own intervals are"
            " probably too narrow (docs/methods.md)."
        )
    tops = [math.log2(p.near_optimal_high / p.near_optimal_low) for p in law.peaks if p.usable]
    if tops:
        lines.append(
            f"The curves stay within {100 * law.near_optimal:g} points of their best over"
            f" {float(np.median(tops)):.1f} octaves of batch size (median): where that is wide,"
            " the top is a plateau, and the near-optimal range says more than the optimum."
        )
    momenta = {p.momentum for p in law.peaks}
    if len(momenta) > 1 and law.budget in ("steps", "time_over_learning_rate"):
        factor = (1.0 - min(momenta)) / (1.0 - max(momenta))
        lines.append(
            f"Under this budget momentum {max(momenta):g} trains for {factor:.3g} times the"
            f" effective time of momentum {min(momenta):g}."
        )
    return lines


def _left_out(peaks: Sequence[Peak]) -> list[str]:
    """Why conditions that are not censored have no part in the law."""
    others = [p for p in peaks if not p.usable and not p.censored]
    untrained = [p for p in others if "untrained" in p.flags]
    few = [p for p in others if "few_cells" in p.flags and "untrained" not in p.flags]
    counted = (
        (len(untrained), "left out because nothing in it stands out from chance"),
        (len(few), "left out for too few trained batch sizes to locate a peak"),
        (len(others) - len(untrained) - len(few), "left out for want of a standard error"),
    )
    return [
        f"{n} {'condition was' if n == 1 else 'conditions were'}"
        f" {why if n == 1 else why.replace('in it', 'in them')}."
        for n, why in counted
        if n
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
