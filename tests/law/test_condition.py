"""Which axes a law can be known for, and that it does not depend on how its facts are given."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from analysis.estimates import UNKNOWN, BatchSizeEstimate
from analysis.law.condition import AXES, LawPoint, axis_reasons, design_of, log_axes, points_of
from analysis.law.free_law import free_law


def point(eps=0.1, m=0.9, n=1000, y=3.0, v=0.01, **flags) -> LawPoint:
    return LawPoint(eps, m, n, y, v, **flags)


def test_points_carry_the_landmark_and_its_openness(peaks_of, grids):
    peaks = peaks_of(np.random.default_rng(0), grids["rates"], {"optimum": (20, 1, 1, 1)})
    peaks[2].landmarks["optimum"] = BatchSizeEstimate(50.0, 50.0, math.nan, 0.2, open_high=True)
    points = points_of(peaks, "optimum")
    assert [p.learning_rate for p in points] == [p.learning_rate for p in peaks]
    assert points[2].log_batch_size == pytest.approx(math.log(50.0))
    assert [p.usable for p in points] == [i != 2 for i in range(7)]
    assert not any(p.usable for p in points_of(peaks, "edge"))
    assert all(peak.landmarks["edge"] == UNKNOWN for peak in peaks)
    bare = [replace(peak, landmarks={}) for peak in peaks]
    assert not any(p.usable for p in points_of(bare, "optimum"))


@pytest.mark.parametrize("v", [0.0, math.inf, math.nan])
def test_a_point_without_a_finite_error_is_not_usable(v):
    assert not point(v=v).usable


def test_reasons_tell_unvaried_censored_and_coupled_axes_apart():
    varied = [point(eps=e, n=n) for e, n in ((0.1, 1000), (0.2, 2000), (0.4, 4000))]
    assert design_of(varied).reasons == {
        "learning_rate": "learning_rate varied only in step with another axis",
        "train_size": "train_size varied only in step with another axis",
        "momentum": "momentum was not varied",
    }
    planned = [*varied, point(m=0.5, open_high=True)]
    reasons = design_of(varied, planned).reasons
    assert reasons["momentum"] == "fewer than two values of momentum have an uncensored peak"
    assert not any(design_of([*varied, point(eps=0.1, n=4000)]).reasons[a] for a in AXES[:2])
    empty = axis_reasons(np.empty((0, 3)), np.empty((0, 3)))
    assert set(empty.values()) == {f"{a} was not varied" for a in AXES}


def test_axes_in_step_are_fitted_as_one_and_leave_the_third_its_exponent(draw):
    conditions = [(e, m, round(1e4 * e)) for e in (0.05, 0.1, 0.2, 0.4) for m in (0.0, 0.5, 0.9)]
    law = free_law(
        draw(np.random.default_rng(1), conditions, (0.8, 0.5, 1.2), tau=0, errors=(1e-4, 2e-4))
    )
    assert law.design.identifiable == ("momentum",)
    assert law.exponents["momentum"].estimate == pytest.approx(1.2, abs=1e-3)
    # Along the studied line the law is known (1.3 = 0.8 + 0.5), off it it is not.
    on, off = log_axes(0.8, 0.5, 8000), log_axes(0.8, 0.5, 1000)
    assert law.design.spans(on)
    assert not law.design.spans(off)
    predicted = law.design.row(on) @ law.fit.coefficients
    assert predicted == pytest.approx(math.log(0.02) + np.dot((0.8, 0.5, 1.2), on), abs=1e-2)


def test_agrees_with_statsmodels_in_logarithms_of_any_base(draw, grids):
    points = draw(np.random.default_rng(2), grids["full"], (0.9, 0.4, 1.1))
    law = free_law(points)
    for base in (2.0, 10.0):
        unit = math.log(base)
        X = sm.add_constant(np.array([p.logs for p in points]) / unit)
        y = np.array([p.log_batch_size for p in points]) / unit
        variance = np.array([p.variance for p in points])
        raised = np.maximum(
            variance, np.sort(variance)[(len(variance) - 1) // 2]
        )  # none is trusted beyond the median
        weights = unit**2 / (raised + law.fit.tau2)
        theirs = sm.WLS(y, X, weights=weights).fit()
        mine = [law.exponents[a] for a in AXES]
        assert [e.estimate for e in mine] == pytest.approx(theirs.params[1:], rel=1e-9)
        ends = np.array([(e.low, e.high) for e in mine])
        assert ends == pytest.approx(theirs.conf_int()[1:], rel=1e-8)


@given(order=st.permutations(range(20)))
def test_the_order_of_conditions_does_not_matter(order, draw, grids):
    points = draw(np.random.default_rng(3), grids["twenty"])
    one, two = free_law(points), free_law([points[i] for i in order])
    for axis in AXES:
        a, b = one.exponents[axis], two.exponents[axis]
        assert (a.estimate, a.low, a.high) == pytest.approx((b.estimate, b.low, b.high), rel=1e-9)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_too_few_conditions_give_reasons_not_numbers(k):
    law = free_law([point(eps=0.1 * 2**i, y=float(i)) for i in range(k)])
    e = law.exponents["learning_rate"]
    assert e.identifiable == (k == 2)
    assert math.isnan(e.low)
    assert k == 2 or e.reason


def test_as_many_conditions_as_parameters_leave_no_interval():
    law = free_law([point(), point(eps=0.2, y=4.0), point(n=2000, y=5.0)])
    assert law.exponents["learning_rate"].estimate == pytest.approx(1.0 / math.log(2.0))
    assert law.exponents["train_size"].estimate == pytest.approx(2.0 / math.log(2.0))
    assert all(math.isnan(law.exponents[a].high) for a in AXES)
