"""What is measured on one planted landscape: plain numbers, no judgement."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from analysis.estimates import LANDMARKS
from analysis.law.condition import AXES, points_of
from analysis.law.landmark_laws import landmark_laws, optimum_over_edge
from analysis.peaks import find_peaks
from analysis.planted import PlantedLaw, plant


@dataclass(frozen=True)
class LandmarkError:
    """One landmark of one condition.

    Attributes:
        error: log2(estimate / truth); NaN where open or unknown.
        covered: the interval holds the truth.
        width: of the interval, octaves.
        z: error in ln B in units of its standard error.
        flags: of the condition.
    """

    error: float
    covered: bool
    width: float
    z: float
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """One landscape.

    Attributes:
        exponents: by landmark and axis, (estimate, low, high).
        tests: p values that exponents are 1, "joint" or by axis.
        over_edge: p values that log(B_opt / B_edge) does not depend on each axis.
        landmarks: errors of the usable conditions, by landmark.
        n_conditions: planted; `n_open` of them open or unknown, by landmark.
        peak_p: p values of the peak test.
        seconds: that the analysis took.
    """

    exponents: dict[str, dict[str, tuple[float, float, float]]]
    tests: dict[str, float]
    over_edge: dict[str, float]
    landmarks: dict[str, tuple[LandmarkError, ...]]
    n_conditions: int
    n_open: dict[str, int]
    peak_p: tuple[float, ...]
    seconds: float
    bimodal: bool = field(default=False)


def measure(law: PlantedLaw, seed: int) -> Measured:
    """Plant a landscape and analyse it as the command line would."""
    planted = plant(law, seed)
    truth = {(c.learning_rate, c.momentum, c.train_size): c.landmarks for c in planted.conditions}
    start = time.perf_counter()
    table = find_peaks(planted.landscape)
    peaks = table.peaks
    laws = landmark_laws(peaks)
    over = optimum_over_edge(points_of(peaks, "optimum"), points_of(peaks, "edge"))
    seconds = time.perf_counter() - start
    tests = laws["optimum"].tests
    errors: dict[str, list[LandmarkError]] = {name: [] for name in LANDMARKS}
    n_open = dict.fromkeys(LANDMARKS, 0)
    for peak in peaks:
        for name in LANDMARKS:
            estimate = peak.landmark(name)
            true = truth[peak.learning_rate, peak.momentum, peak.train_size][name]
            if not estimate.usable or not math.isfinite(true):
                n_open[name] += 1
                continue
            error = math.log2(estimate.estimate / true)
            errors[name].append(
                LandmarkError(
                    error,
                    estimate.low <= true <= estimate.high,
                    math.log2(estimate.high / estimate.low),
                    error * math.log(2.0) / estimate.log_standard_error,
                    peak.flags,
                )
            )
    return Measured(
        exponents={
            name: {axis: (e.estimate, e.low, e.high) for axis, e in found.exponents.items()}
            for name, found in laws.items()
        },
        tests={"joint": tests.joint.p, **{axis: tests.by_axis[axis].p for axis in AXES}},
        over_edge={axis: over.tests.by_axis[axis].p for axis in AXES},
        landmarks={name: tuple(found) for name, found in errors.items()},
        n_conditions=len(planted.conditions),
        n_open=n_open,
        peak_p=tuple(p.peak_p for p in peaks),
        seconds=seconds,
        bimodal=table.groups[0].bimodality.found,
    )
