"""The section of the law: its figures against independent fits, its tables against the law."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
import vl_convert
from scipy import optimize, stats

from analysis.charts.axis_law_chart import axis_law, axis_law_panels
from analysis.charts.axis_law_data import axis_law_info
from analysis.charts.law_data import law_info
from analysis.charts.residuals_chart import residuals, residuals_panels
from analysis.charts.residuals_data import residuals_info
from analysis.report.law_section import law_section
from analysis.scaling import AXES
from tests.report.test_chart_drawing import marks


@pytest.fixture(scope="module")
def law(grid):
    return grid.scaling.laws[0]


@pytest.fixture(scope="module")
def section(law):
    return law_section(law)


def rows_of(section, anchor: str) -> list[dict]:
    table = next(t.table for t in section.tables if t.anchor == anchor)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def logs(p) -> np.ndarray:
    return np.log([p.learning_rate, p.train_size, 1.0 / (1.0 - p.momentum)])


def test_the_figures_have_their_panels(section, demo):
    assert [f.anchor for f in section.figures] == ["law", "law-by-axis", "residuals"]
    assert [len(f.panels) for f in section.figures] == [1, 3, 1]
    assert [len(f.panels) for f in law_section(demo.scaling.laws[0]).figures] == [1, 1, 1]


class TestByAxis:
    def test_titles_tell_both_exponents(self, law):
        for panel in axis_law_info(law).panels:
            assert panel.title[0].endswith(law.exponents[panel.axis].text)
            edge = law.law.landmarks["edge"].exponents[panel.axis]
            assert panel.title[1] == f"of the edge {edge.text}"

    @pytest.mark.parametrize("landmark", ["optimum", "edge"])
    def test_lines_join_conditions_that_share_the_rest(self, law, landmark):
        values = {
            "learning_rate": lambda p: p.learning_rate,
            "train_size": lambda p: p.train_size,
            "momentum": lambda p: 1.0 / (1.0 - p.momentum),
        }
        for panel in axis_law_info(law).panels:
            slope = law.law.landmarks[landmark].exponents[panel.axis].estimate
            lines = [r for r in panel.fit if r.landmark == landmark]
            used = [p for p in law.peaks if p.landmark(landmark).usable]
            others = [a for a in AXES if a != panel.axis]
            groups: dict[tuple, set] = {}
            for p in used:
                key = tuple(getattr(p, a) for a in others)
                groups.setdefault(key, set()).add(values[panel.axis](p))
            joined = [g for g in groups.values() if len(g) > 1]
            assert len(lines) == 2 * len(joined) > 0
            for first, last in zip(lines[::2], lines[1::2], strict=True):
                rise = math.log(last.batch_size / first.batch_size)
                assert rise / math.log(last.x / first.x) == pytest.approx(slope, abs=1e-9)

    def test_the_answer_is_whether_the_optimum_follows_the_edge(self, law):
        assert axis_law_info(law).answer == law.law.optimum_over_edge.sentence

    def test_every_bounded_landmark_is_a_mark_of_each_panel(self, law):
        info = axis_law_info(law)
        optima = [p for p in law.peaks if not (p.censored and p.censored_side is None)]
        edges = [p.landmark("edge") for p in law.peaks if math.isfinite(p.batch_size_edge)]
        edges = [e for e in edges if not (e.open_low and e.open_high)]
        arrows = sum(p.censored for p in optima) + sum(e.open_low + e.open_high for e in edges)
        for panel in axis_law_panels(info):
            assert marks(panel)["point"] == len(optima) + len(edges) + arrows

    def test_side_by_side_they_are_one_picture(self, law):
        info = axis_law_info(law)
        svg = vl_convert.vegalite_to_svg(axis_law(info).to_dict())
        assert svg.count(">fitted laws<") == 1
        for panel in info.panels:
            assert panel.title[0].startswith("exponent ")
            assert svg.count(f">{panel.title[0]}<") == 1

    def test_only_the_first_panel_leaves_room_for_the_legend_of_the_lines(self, law):
        """Where there is none, the legend of the conditions may take the whole width."""
        first, *rest = [p.to_dict() for p in axis_law_panels(axis_law_info(law))]
        (alone,) = [p.to_dict() for p in residuals_panels(residuals_info(law))]
        assert "(width - 215)" in json.dumps(first)
        assert len(rest) == 2
        for spec in (*rest, alone):
            assert "(width - 215)" not in json.dumps(spec)
            assert "(width - 0)" in json.dumps(spec)

    def test_close_learning_rates_have_ticks_of_their_own(self, law):
        close = {0.1: 0.10001, 0.2: 0.10002, 0.4: 0.10003}
        peaks = tuple(replace(p, learning_rate=close[p.learning_rate]) for p in law.peaks)
        spec = axis_law_panels(axis_law_info(replace(law, peaks=peaks)))[0].to_dict()
        svg = vl_convert.vegalite_to_svg({**spec, "width": 900})
        assert all(f">{rate}</text>" in svg for rate in close.values())

    def test_one_condition_has_no_axis(self, law):
        info = axis_law_info(replace(law, peaks=law.peaks[:1]))
        assert info.answer.startswith("No axis was varied")
        assert axis_law(info) is None


class TestResiduals:
    def test_factors_are_exp_of_the_laws_residuals(self, law):
        info = residuals_info(law)
        used = [p for p in law.peaks if p.usable]
        expected = {
            (p.learning_rate, p.momentum, p.train_size): (math.exp(r), p)
            for p, r in zip(used, law.residuals, strict=True)
        }
        assert len(info.rows) == len(used) == law.n_conditions
        for row in info.rows:
            point = row.point
            factor, peak = expected[point.learning_rate, point.momentum, point.train_size]
            assert row.factor == pytest.approx(factor, rel=1e-9)
            assert row.high == pytest.approx(factor * peak.high / peak.batch_size_opt, rel=1e-9)

    def test_scatter_and_heterogeneity_are_the_laws(self, law):
        info = residuals_info(law)
        assert info.scatter == pytest.approx(math.sqrt(law.tau2))
        assert info.heterogeneity == pytest.approx(law.heterogeneity)
        p = 1.0 - stats.chi2.cdf(law.heterogeneity, law.degrees_of_freedom)
        assert info.p == pytest.approx(p, abs=1e-9)
        assert ("do not detectably scatter" in info.answer) == (p >= 0.05)
        assert f"of freedom, p = {p:.2g})" in info.answer

    def test_the_bend_is_that_of_weighted_least_squares(self, law):
        """By statsmodels, with the variance between conditions that makes Q its expectation."""
        used = [p for p in law.peaks if p.usable]
        variance = np.array([p.log_standard_error**2 for p in used])
        variance = np.maximum(variance, np.sort(variance)[(len(variance) - 1) // 2])
        X = np.array([logs(p) for p in used])
        scale = X.sum(axis=1)
        X = sm.add_constant(np.column_stack([X, (scale - scale.mean()) ** 2]))
        y = np.log([p.batch_size_opt for p in used])

        def excess(tau2: float) -> float:
            found = sm.WLS(y, X, weights=1.0 / (variance + tau2)).fit()
            return found.wresid @ found.wresid - found.df_resid

        tau2 = optimize.brentq(excess, 0.0, 1.0, xtol=1e-14) if excess(0.0) > 0.0 else 0.0
        fit = sm.WLS(y, X, weights=1.0 / (variance + tau2)).fit()
        bend = residuals_info(law).curvature
        assert bend.change == pytest.approx(2 * math.log(2) * fit.params[-1], rel=1e-6)
        low, high = 2 * math.log(2) * fit.conf_int()[-1]
        assert (bend.low, bend.high) == (
            pytest.approx(low, rel=1e-6),
            pytest.approx(high, rel=1e-6),
        )
        assert bend.test.p == pytest.approx(fit.pvalues[-1], rel=1e-6)

    def test_a_bent_law_is_found(self, demo):
        straight = demo.scaling.laws[0]
        middle = np.mean([math.log(p.learning_rate) for p in straight.peaks])
        bent = []
        for p in straight.peaks:
            shift = math.exp(-0.4 * (math.log(p.learning_rate) - middle) ** 2)
            at = p.landmark("optimum")
            moved = replace(at, estimate=at.estimate * shift)
            bent.append(
                replace(
                    p,
                    batch_size_opt=p.batch_size_opt * shift,
                    landmarks={**p.landmarks, "optimum": moved},
                )
            )
        before = residuals_info(straight).curvature.change
        info = residuals_info(replace(straight, peaks=tuple(bent)))
        assert info.curvature.change == pytest.approx(before - 0.8 * math.log(2), abs=0.05)
        assert "the law bends" in info.answer

    def test_a_law_that_passes_through_all_points_says_nothing(self, study_of, demo_trials):
        rates = sorted(demo_trials["learning_rate"].unique())[:2]
        two = demo_trials[demo_trials["learning_rate"].isin(rates)]
        info = residuals_info(study_of(two).scaling.laws[0])
        assert (info.scatter, info.p, info.curvature) == (None, None, None)
        assert info.answer.startswith("Nothing can be said: 2 conditions determine the law")
        assert len(info.notes) == 1

    def test_every_condition_is_a_point(self, law):
        (panel,) = residuals_panels(residuals_info(law))
        assert marks(panel)["point"] == law.n_conditions

    def test_without_a_law_there_is_no_chart(self, law):
        info = residuals_info(replace(law, peaks=()))
        assert info.answer == "No law was fitted, so there are no residuals."
        assert residuals(info) is None


class TestTables:
    def test_exponents_are_unrounded_with_their_tests(self, section, law):
        rows = rows_of(section, "exponents")
        for row, axis in zip(rows, AXES, strict=False):
            exponent = law.exponents[axis]
            assert (row["estimate"], row["low"], row["high"]) == (
                exponent.estimate,
                exponent.low,
                exponent.high,
            )
            edge = law.law.landmarks["edge"].exponents[axis]
            assert row["edge's exponent"] == edge.estimate
            t = (exponent.estimate - 1) / (
                (exponent.high - exponent.estimate) / stats.t.ppf(0.975, law.degrees_of_freedom)
            )
            p = 2 * stats.t.sf(abs(t), law.degrees_of_freedom)
            assert row["p alone"] == pytest.approx(p, rel=1e-6)
        joint = rows[3]
        assert (joint["exponent of"], joint["p alone"]) == ("all together", law.law.tests.joint.p)
        assert rows[4]["estimate"] == law.at_center.estimate

    def test_rivals_come_in_their_order_with_errors_in_octaves(self, section, law):
        rows = rows_of(section, "rivals")
        found = law.law.rivals.rivals
        assert [r["B_opt ="] for r in rows] == [r.formula for r in found]
        assert len({r["law"] for r in rows}) == len(rows) == 7
        for row, rival in zip(rows, found, strict=True):
            octaves = math.sqrt(rival.leave_condition_out) / math.log(2)
            assert row["leave-condition-out error"] == pytest.approx(octaves)
            assert row["tied with the best"] is rival.tied
        parameters = rows_of(section, "rival-parameters")
        assert len(parameters) == sum(r.n_parameters for r in found)

    def test_each_landmark_has_an_exponent_of_each_axis(self, section, law):
        rows = rows_of(section, "landmarks")
        assert len(rows) == 5 * 3
        edge = [r for r in rows if r["landmark"] == "edge of trainability"]
        assert [r["estimate"] for r in edge] == [
            law.law.landmarks["edge"].exponents[a].estimate for a in AXES
        ]

    def test_only_varied_axes_have_a_landmark_row(self, demo):
        rows = rows_of(law_section(demo.scaling.laws[0]), "landmarks")
        assert {r["exponent of"] for r in rows} == {"learning rate ε"}

    def test_the_optimum_over_the_edge_and_the_verdict_of_n(self, section, law):
        rows = rows_of(section, "optimum-over-edge")
        found = law.law.optimum_over_edge
        assert [r["estimate"] for r in rows] == [
            *(found.exponents[a].estimate for a in AXES),
            None,
        ]
        assert rows[-1]["p"] == found.tests.joint.p
        (verdict,) = rows_of(section, "train-size-verdict")
        assert verdict["verdict"] == law.law.train_size.verdict

    def test_bounded_peaks_stand_beside_the_plain_fit(self, study_of, demo_trials):
        rate = demo_trials["learning_rate"].max()
        top = demo_trials[demo_trials["learning_rate"] == rate].groupby("batch_size")
        best = top["test_accuracy"].mean().idxmax()
        cut = demo_trials[
            (demo_trials["learning_rate"] != rate) | (demo_trials["batch_size"] <= best)
        ]
        (law,) = study_of(cut).scaling.laws
        assert law.n_censored == 1
        (row,) = rows_of(law_section(law), "censored")
        assert row["without them"] == law.exponents["learning_rate"].estimate
        assert row["with them"] == law.law.censored.exponents["learning_rate"].estimate

    def test_numbers_are_numbers(self, section):
        for named in section.tables:
            for row in named.table.rows:
                for value in row:
                    assert value is None or isinstance(value, str | int | float | bool)
                    assert not isinstance(value, float) or math.isfinite(value)
            named.table.shown()


def test_remarks_do_not_repeat_the_answers(section, law):
    kept = "\n".join(section.remarks)
    assert "exponent is" not in kept
    assert "accuracy rises and then falls" not in kept
    assert law.law.optimum_over_edge.sentence not in section.remarks
    assert law.law.rivals.sentence in section.remarks
    dropped = set(law.sentences) - set(section.remarks)
    # Three exponents, the count of peaks, edge and collapse, and what was found of the data.
    assert len(dropped) == 3 + 1 + 2 + len(law.found.sentences)


def test_many_conditions_are_thinned_and_said(law, monkeypatch):
    monkeypatch.setattr("analysis.charts.law_data.MAX_CONDITIONS", 5)
    monkeypatch.setattr("analysis.charts.residuals_data.MAX_CONDITIONS", 5)
    monkeypatch.setattr("analysis.charts.axis_law_data.MAX_PAIRS", 2)
    info = law_info(law)
    drawn = {p.log_values for p in info.drawn}
    assert len(drawn) == 5
    assert {info.points[0].log_values} < drawn
    assert len({p.log_values for p in info.points}) == 12
    assert info.notes[-1] == "5 of 12 conditions are drawn, evenly chosen; the table has all."
    by_axis = axis_law_info(law)
    for panel in by_axis.panels:
        others = [a for a in AXES if a != panel.axis]
        assert len({tuple(getattr(p, a) for a in others) for p in panel.drawn}) == 2
    assert by_axis.notes[-1].startswith("At most 2 of 6 pairs of the other axes' values are drawn")
    n = law.n_conditions
    assert residuals_info(law).notes == (
        f"5 of {n} conditions are drawn, evenly chosen; the table has all.",
    )


@pytest.mark.parametrize("kind", ["one", "single", "diverged", "one rate", "untrained accuracy"])
def test_sparse_studies_say_what_cannot_be_shown(study_of, demo_trials, kind):
    first = demo_trials["learning_rate"].min()
    trials = {
        "one": demo_trials.iloc[:1],
        "single": demo_trials[demo_trials["seed"] == 0],
        "diverged": demo_trials.assign(status="diverged"),
        "one rate": demo_trials[demo_trials["learning_rate"] == first],
        "untrained accuracy": demo_trials.assign(train_accuracy=None),
    }[kind]
    (law,) = study_of(trials).scaling.laws
    section = law_section(law)
    for figure in section.figures:
        assert figure.answer.endswith(".")
        for panel in figure.panels:
            spec = {**panel.to_dict(), "width": 300}
            assert "NaN" not in vl_convert.vegalite_to_svg(spec)
    for named in section.tables:
        assert named.table.rows or named.absent
    if kind in ("one", "diverged"):
        assert section.figures[2].panels == ()
        assert rows_of(section, "exponents") == []
