"""From measured landscapes to coverage, bias and rejection rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.estimates import LANDMARKS
from analysis.law.condition import AXES
from calibration.families import families, true_exponents
from calibration.measure import Measured
from calibration.monte_carlo import Share, clustered_share, independent_share

Results = Mapping[tuple[str, int], Sequence[Measured]]

LEVEL = 0.05


@dataclass(frozen=True)
class ExponentRow:
    """One exponent of one landmark in one family.

    Attributes:
        truth: planted, or the least-squares law of the planted landmarks.
        bias, sd: of the estimates.
        cover: of the 95 % intervals.
        width: mean width of the intervals.
    """

    family: str
    n_seeds: int
    landmark: str
    axis: str
    truth: float
    bias: float
    sd: float
    cover: Share
    width: float


@dataclass(frozen=True)
class LandmarkRow:
    """One landmark in one family, over all its conditions.

    Attributes:
        bias, sd: of log2(estimate / truth), octaves.
        cover: of the 95 % intervals, against each condition's realized value.
        width: median width of the intervals, octaves.
        z: standard deviation of error / stated standard error.
        open_share: conditions without a bounded estimate.
    """

    family: str
    n_seeds: int
    landmark: str
    bias: float
    sd: float
    cover: Share
    width: float
    z: float
    open_share: float


@dataclass(frozen=True)
class TestRow:
    """How often a 5 % test rejects.

    Attributes:
        what: the hypothesis.
        rejected: share of p values below 0.05.
        ks: p value of Kolmogorov and Smirnov's test that the p values are uniform; NaN where they
            need not be.
    """

    __test__ = False

    family: str
    n_seeds: int
    what: str
    rejected: Share
    ks: float


def exponent_rows(results: Results) -> list[ExponentRow]:
    """Coverage of every exponent of every landmark, family after family."""
    rows = []
    for (family, n_seeds), found in results.items():
        law = families(n_seeds).get(family)
        if law is None:
            continue
        for landmark, truths in true_exponents(law).items():
            for axis, truth in truths.items():
                values = np.array([m.exponents[landmark][axis] for m in found])
                values = values[np.all(np.isfinite(values), axis=1)]
                if not len(values):
                    continue
                estimate, low, high = values.T
                covered = (low <= truth) & (truth <= high)
                rows.append(
                    ExponentRow(
                        family,
                        n_seeds,
                        landmark,
                        axis,
                        truth,
                        float(np.mean(estimate - truth)),
                        float(np.std(estimate, ddof=1)),
                        independent_share(covered.tolist()),
                        float(np.mean(high - low)),
                    )
                )
    return rows


def landmark_rows(results: Results) -> list[LandmarkRow]:
    """Coverage and bias of every landmark, family after family."""
    rows = []
    for (family, n_seeds), found in results.items():
        if family not in families(n_seeds):
            continue
        for landmark in LANDMARKS:
            errors = [m.landmarks[landmark] for m in found]
            every = [e for some in errors for e in some]
            if not every:
                continue
            error = np.array([e.error for e in every])
            rows.append(
                LandmarkRow(
                    family,
                    n_seeds,
                    landmark,
                    float(error.mean()),
                    float(error.std(ddof=1)),
                    clustered_share([[e.covered for e in some] for some in errors]),
                    float(np.median([e.width for e in every])),
                    float(np.std([e.z for e in every], ddof=1)),
                    sum(m.n_open[landmark] for m in found) / sum(m.n_conditions for m in found),
                )
            )
    return rows


def test_rows(results: Results) -> list[TestRow]:
    """Tests of exponents, of the optimum over the edge, and of the peak."""
    rows = []
    for (family, n_seeds), found in results.items():
        if family.startswith("peak "):
            p = [[v for v in m.peak_p if np.isfinite(v)] for m in found]
            flat = [v for some in p for v in some]
            rejected = clustered_share([[v < LEVEL for v in some] for some in p])
            uniform = family in ("peak flat", "peak cliff_then_flat")
            rows.append(TestRow(family, n_seeds, "monotone", rejected, _ks(flat, uniform, 0.5)))
            continue
        for name in ("joint", *AXES):
            p_values = [m.tests[name] for m in found if np.isfinite(m.tests[name])]
            if p_values:
                hits = [v < LEVEL for v in p_values]
                uniform = not family.startswith("power")
                what = "all exponents are 1" if name == "joint" else f"the exponent of {name} is 1"
                rows.append(
                    TestRow(family, n_seeds, what, independent_share(hits), _ks(p_values, uniform))
                )
        for axis in AXES:
            p_values = [m.over_edge[axis] for m in found if np.isfinite(m.over_edge[axis])]
            if p_values and not family.startswith("power"):
                hits = [v < LEVEL for v in p_values]
                moves = family == "two laws" and axis == "train_size"
                what = f"B_opt/B_edge does not depend on {axis}"
                rows.append(
                    TestRow(
                        family, n_seeds, what, independent_share(hits), _ks(p_values, not moves)
                    )
                )
    return rows


def _ks(p_values: Sequence[float], uniform: bool, up_to: float = 1.0) -> float:
    """P value of uniformity below `up_to`: a test may have a mass at 1, where nothing speaks."""
    inside = [p / up_to for p in p_values if p < up_to]
    return float(stats.kstest(inside, "uniform").pvalue) if uniform and inside else float("nan")
