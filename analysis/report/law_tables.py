"""The law's numbers as tables: exponents and tests, rivals, landmarks, censored conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping

from analysis.charts.common import AXIS_NAMES, finite, labels, number, plural, varied_axes
from analysis.charts.table import Table, Value, bounds
from analysis.law.exponent import Exponent
from analysis.law.landmark_laws import NAMES
from analysis.law.report import p_text
from analysis.law.tests import FTest
from analysis.report.figure import NamedTable
from analysis.scaling import AXES, PREDICTED, ScalingFit

#: What the law has of each axis, with its symbol.
_LAW_AXES: Mapping[str, str] = {
    "learning_rate": f"{AXIS_NAMES['learning_rate']} ε",
    "train_size": f"{AXIS_NAMES['train_size']} N",
    "momentum": f"1/(1 − {AXIS_NAMES['momentum']} m)",
}

_RIVALS: Mapping[str, str] = {
    "linear": "noise scale",
    "without_train_size": "noise scale without N",
    "square_root": "square root",
    "square_root_with_train_size": "square root with N",
    "constant": "constant",
    "exact": "noise scale, without replacement",
    "free": "free exponents",
}


def exponents(law: ScalingFit) -> NamedTable:
    """The exponents of the best batch size and of the edge, and the tests that they are 1."""
    report = law.law
    edge = report.landmarks["edge"]
    rows: list[tuple[Value, ...]] = [
        (
            _LAW_AXES[axis],
            *_known(law.exponents[axis]),
            PREDICTED,
            finite(report.tests.by_axis[axis].p),
            *_known(edge.exponents[axis]),
            law.exponents[axis].sentence,
        )
        for axis in AXES
    ]
    joint = report.tests.joint
    nothing = (None, None, None)
    rows += [
        ("all together", *nothing, PREDICTED, finite(joint.p), *nothing, _f_text(joint)),
        (
            "best batch size at the centre",
            finite(law.at_center.estimate),
            *bounds(law.at_center.low, law.at_center.high),
            None,
            None,
            *nothing,
            _center(law),
        ),
        (
            "constant c",
            finite(law.constant.estimate),
            *bounds(law.constant.low, law.constant.high),
            None,
            None,
            *nothing,
            "best batch size where ε = N = 1/(1 − m) = 1, far outside the data as a rule",
        ),
    ]
    note = ""
    if law.n_conditions:
        note = (
            f"Fitted to {plural(law.n_conditions, 'condition')}, {law.n_dropped} left out "
            f"({law.n_censored} because the peak may lie beyond the sampled batch sizes); scatter "
            f"between conditions beyond their own errors {number(_root(law.tau2))} in ln B; the "
            f"fit {'converged' if law.converged else 'did not converge'}."
        )
    return NamedTable(
        anchor="exponents",
        heading="Exponents of B_opt = c ε^a N^b / (1 − m)^g, and their tests",
        table=Table(
            columns=(
                "exponent of",
                "estimate",
                "low",
                "high",
                "predicted",
                "p alone",
                "edge's exponent",
                "edge's low",
                "edge's high",
                "finding",
            ),
            rows=tuple(rows) if law.n_conditions else (),
            note=note,
        ),
        absent="No condition has a peak of its own, so no law was fitted.",
    )


def one_parameter(law: ScalingFit) -> NamedTable:
    """Laws with one constant, and whether free exponents are better."""
    return NamedTable(
        anchor="one-parameter",
        heading="Laws with one parameter",
        table=Table(
            columns=(
                "B_opt proportional to",
                "constant",
                "low",
                "high",
                "R2 in ln B",
                "scatter in ln B",
                "conditions",
                "F against free exponents",
                "p",
            ),
            rows=tuple(
                (
                    one.variable,
                    finite(one.constant),
                    *bounds(one.low, one.high),
                    finite(one.r2),
                    finite(_root(one.tau2)),
                    one.n,
                    finite(one.against_free.statistic),
                    finite(one.against_free.p),
                )
                for one in law.law.one_parameter
                if one.n
            ),
            note="R2 is negative where one batch size for all conditions would fit better.",
        ),
        absent="No condition has a peak of its own, so no law was fitted.",
    )


def rivals(law: ScalingFit) -> NamedTable:
    """Rival laws, best first; errors in octaves."""
    found = law.law.rivals
    ranked = {
        "leave_level_out": "Ranked by the error for levels left out",
        "leave_condition_out": "Ranked by the error for conditions left out",
        "": "Not ranked",
    }[found.criterion]
    return NamedTable(
        anchor="rivals",
        heading="Rival laws, by what they predict",
        table=Table(
            columns=(
                "law",
                "B_opt =",
                "parameters",
                "AICc",
                "leave-condition-out error",
                "leave-level-out error",
                "tied with the best",
                "converged",
            ),
            rows=tuple(
                (
                    _RIVALS[r.name],
                    r.formula,
                    r.n_parameters,
                    finite(r.aicc),
                    _octaves(r.leave_condition_out),
                    _octaves(r.leave_level_out),
                    r.tied if found.criterion else None,
                    r.converged,
                )
                for r in found.rivals
            ),
            note=(
                f"{ranked}. Errors are root mean squares in octaves of B. Tied: within two "
                "standard errors of the best. AICc may rank otherwise: a law can fit well and "
                "predict badly."
            ),
        ),
        absent=found.sentence,
    )


def rival_parameters(law: ScalingFit) -> NamedTable:
    """The rivals' constants and exponents with intervals."""
    return NamedTable(
        anchor="rival-parameters",
        heading="Parameters of the rival laws",
        table=Table(
            columns=("law", "B_opt =", "parameter", "estimate", "low", "high"),
            rows=tuple(
                (
                    _RIVALS[r.name],
                    r.formula,
                    _LAW_AXES.get(p.name, p.name),
                    finite(p.estimate),
                    *bounds(p.low, p.high),
                )
                for r in law.law.rivals.rivals
                for p in r.parameters
            ),
        ),
        absent=law.law.rivals.sentence,
    )


def landmarks(law: ScalingFit) -> NamedTable:
    """The exponents of every landmark of the curves, a row for each axis."""
    rows = [
        (
            NAMES[name],
            _LAW_AXES[axis],
            *_known(found.exponents[axis]),
            finite(found.tests.by_axis[axis].p),
            finite(found.tests.joint.p),
            finite(_root(found.tau2)),
            found.n_conditions,
            found.n_open,
            found.exponents[axis].reason.replace("_", " "),
        )
        for name, found in law.law.landmarks.items()
        for axis in varied_axes(law.peaks)
    ]
    return NamedTable(
        anchor="landmarks",
        heading="The laws of all landmarks of the curves",
        table=Table(
            columns=(
                "landmark",
                "exponent of",
                "estimate",
                "low",
                "high",
                "p (exponent 1)",
                "p (all 1)",
                "scatter in ln B",
                "conditions",
                "open, left out",
                "why unknown",
            ),
            rows=tuple(rows),
            note=(
                "Half-fall: above the best batch size, where half of the fall to the largest "
                "sampled one is lost."
            ),
        ),
        absent="No axis was varied, so no landmark has an exponent.",
    )


def optimum_over_edge(law: ScalingFit) -> NamedTable:
    """How B_opt over the edge depends on each axis."""
    found = law.law.optimum_over_edge
    rows: list[tuple[Value, ...]] = [
        (
            _LAW_AXES[axis],
            *_known(found.exponents[axis]),
            0.0,
            finite(found.tests.by_axis[axis].p),
        )
        for axis in varied_axes(law.peaks)
    ]
    rows.append(("all together", None, None, None, 0.0, finite(found.tests.joint.p)))
    median = finite(found.median_octaves)
    apart = f"; the median distance is {number(median)} octaves" if median is not None else ""
    return NamedTable(
        anchor="optimum-over-edge",
        heading="The best batch size over the edge of trainability",
        table=Table(
            columns=("exponent of", "estimate", "low", "high", "where it follows the edge", "p"),
            rows=tuple(rows) if found.n_conditions else (),
            note=f"{plural(found.n_conditions, 'condition')} with both{apart}.",
        ),
        absent=found.sentence,
    )


def censored(law: ScalingFit) -> NamedTable:
    """The exponents with censored conditions as inequalities, beside the plain ones."""
    found = law.law.censored
    rows = [
        (
            _LAW_AXES[axis],
            *_known(law.exponents[axis]),
            *_known(found.exponents[axis]),
        )
        for axis in varied_axes(law.peaks)
    ]
    bad = "" if found.converged else " The fit did not converge."
    return NamedTable(
        anchor="censored",
        heading="With bounded peaks as inequalities",
        table=Table(
            columns=(
                "exponent of",
                "without them",
                "low",
                "high",
                "with them",
                "with them low",
                "with them high",
            ),
            rows=tuple(rows) if found.n_censored else (),
            note=(
                f"{plural(found.n, 'condition')}, {found.n_censored} of them as inequalities; "
                f"{found.n_left_out} more say nothing and are left out. Scatter between conditions "
                f"{number(_root(found.tau2))} in ln B.{bad}"
            ),
        ),
        absent="No bounded peak can be added to the fit as an inequality.",
    )


def train_size_verdict(law: ScalingFit) -> NamedTable:
    """Whether B_opt is proportional to N."""
    v = law.law.train_size
    return NamedTable(
        anchor="train-size-verdict",
        heading="Smith & Le's law of N",
        table=Table(
            columns=("claim", "source", "verdict", "reason"),
            rows=((v.claim, v.source, v.verdict, v.reason),),
        ),
        absent="",
    )


def _known(e: Exponent) -> tuple[float | None, float | None, float | None]:
    return finite(e.estimate), *bounds(e.low, e.high)


def _root(variance: float) -> float:
    return math.sqrt(variance) if variance >= 0.0 else math.nan


def _octaves(squared: float) -> float | None:
    """A mean squared error of ln B as a root mean square in octaves."""
    return finite(_root(squared) / math.log(2.0))


def _f_text(test: FTest) -> str:
    if not math.isfinite(test.p):
        return "cannot be tested: too few conditions"
    verdict = "rejected" if test.p < 0.05 else "not rejected"
    return (
        f"F({test.df1}, {test.df2}) = {number(test.statistic)}, {p_text(test.p)}: {verdict} at the "
        "5 % level"
    )


def _center(law: ScalingFit) -> str:
    center = law.center
    if not all(math.isfinite(v) for v in center.values()):
        return "no condition"
    parts = [f"{_LAW_AXES[axis]} {labels([center[axis]])[center[axis]]}" for axis in AXES]
    return f"at {', '.join(parts)}"
