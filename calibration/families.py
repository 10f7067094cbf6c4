"""The planted families that the estimators are measured on, and what is true of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from analysis.estimates import LANDMARKS
from analysis.law.condition import AXES
from analysis.planted import FAMILIES, PlantedLaw, plant

SEEDS = (3, 5, 10)

#: 48 conditions: 4 learning rates, 4 momenta, 3 sizes N; half-octave batch sizes from peak/8 to
#: 8 peak (at most N) in a phase drawn for each condition; 5 % of the trials missing; trials half an
#: octave below the cliff diverge. The noise is that of real sweeps, see `noise.py`.
BASE = PlantedLaw(
    learning_rates=(0.05, 0.1, 0.2, 0.4),
    momenta=(0.5, 0.8, 0.9, 0.95),
    train_sizes=(2000, 4000, 8000),
    learning_rate=1.0,
    train_size=1.0,
    momentum=1.0,
    peak_at_reference=30.0,
    random_phase=True,
    below=8.0,
    above=8.0,
    scatter=0.05,
    noise=0.009,
    cliff_noise=2.0,
    missing=0.05,
    diverge_below=0.5,
)

DESCRIPTIONS: Mapping[str, str] = {
    "one law": "a cliff 1.4 octaves below a gentle slope; both move as eps N/(1-m)",
    "two laws": "the peak moves as eps N/(1-m), the cliff as eps/(1-m), 2 to 4 octaves below it",
    "wide plateau": "a cliff, then 2.8 octaves of plateau before the slope",
    "bimodal seeds": "as one law, but on the cliff each seed either trains or stays at chance",
    "half-octave scatter": "as one law, with a random shift of 0.35 in ln B_opt per condition",
    "one axis": "as one law, 7 learning rates in half octaves alone, N and m fixed",
}


def families(n_seeds: int) -> dict[str, PlantedLaw]:
    """The families by name, with so many seeds a cell."""
    base = replace(BASE, n_seeds=n_seeds)
    two = replace(
        base, below=16.0, shape=FAMILIES["steep_between"], cliff_exponents=(1.0, 0.0, 1.0)
    )
    one_axis = replace(
        base,
        learning_rates=tuple(0.05 * 2 ** (i / 2) for i in range(7)),
        momenta=(0.9,),
        train_sizes=(4000,),
    )
    return {
        "one law": base,
        "two laws": two,
        "wide plateau": replace(base, shape=FAMILIES["wide"]),
        "bimodal seeds": replace(base, bimodal=True),
        "half-octave scatter": replace(base, scatter=0.35),
        "one axis": one_axis,
    }


def true_exponents(law: PlantedLaw) -> dict[str, dict[str, float]]:
    """The exponents of each landmark by axis; absent where the axis or the landmark is not there.

    The least-squares law through the landmarks of landscapes without scatter: where the cliff
    pushes the peak a little, no power law is exact, and this one is what a fit estimates.
    """
    still = plant(replace(law, scatter=0.0, n_seeds=1, missing=0.0), 0).conditions
    logs = np.array(
        [
            [math.log(c.learning_rate), math.log(c.train_size), -math.log1p(-c.momentum)]
            for c in still
        ]
    )
    varied = np.ptp(logs, axis=0) > 0
    X = np.column_stack([np.ones(len(still)), logs[:, varied]])
    found: dict[str, dict[str, float]] = {}
    for name in LANDMARKS:
        y = np.log([c.landmarks[name] for c in still])
        if np.all(np.isfinite(y)):
            slopes = np.linalg.lstsq(X, y, rcond=None)[0][1:]
            axes = [axis for axis, is_varied in zip(AXES, varied, strict=True) if is_varied]
            found[name] = dict(zip(axes, slopes.tolist(), strict=True))
    return found
