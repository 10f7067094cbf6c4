"""Throughput against clocks written down here, and the part on the runs as a whole."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import vl_convert

from analysis.charts import curves_data
from analysis.charts.curves_data import MAX_LINES, learning_curves_info
from analysis.charts.throughput_chart import throughput, throughput_panels
from analysis.charts.throughput_data import MAX_POINTS, OTHERS, throughput_info
from analysis.report.runs_section import runs_section, throughput_figure

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def _trials(packs) -> pa.Table:
    """Trials of packs given as (seconds after START, seconds trained, trials, host, device)."""
    rows = [
        {
            "finished_at": START + timedelta(seconds=end),
            "wall_seconds": seconds / n,
            "host": host,
            "device": device,
            "pack_size": n,
        }
        for end, seconds, n, host, device in packs
        for _ in range(n)
    ]
    table = pa.Table.from_pylist(rows)
    stamps = table.column("finished_at").cast(pa.timestamp("us", tz="UTC"))
    return table.set_column(0, "finished_at", stamps)


def _roles(chart) -> Counter:
    spec = chart.to_dict()
    for panel in spec.get("hconcat", [spec]):
        panel["width"] = 300
    svg = vl_convert.vegalite_to_svg(spec)
    return Counter(re.findall(r'role="graphics-symbol" aria-roledescription="([^"]+)"', svg))


class TestThroughput:
    def test_two_packs_at_a_steady_rate(self):
        info = throughput_info(_trials([(60, 60, 32, "a", "cpu"), (120, 60, 32, "a", "cpu")]))
        assert [(p.time, p.finished) for p in info.points] == [
            (0, 0),
            (pytest.approx(60), 32),
            (pytest.approx(120), 64),
        ]
        assert [b.per_minute for b in info.bins] == pytest.approx([32.0] * 8)
        assert info.answer == "64 trials in 2 minutes, a median of 32 a minute."
        assert (info.unit, info.pauses, info.notes) == ("minutes", (), ())
        assert info.points[1].at == "2026-03-01 12:01:00"

    def test_a_trial_counts_evenly_over_its_packs_time(self):
        packs = [(100, 100, 8, "a", "cpu"), (200, 100, 32, "a", "cpu")]
        info = throughput_info(_trials(packs))
        assert sum(b.trained for b in info.bins) == pytest.approx(40)
        early = sum(b.trained for b in info.bins if b.end <= 100 + 1e-6)
        halves = [b for b in info.bins if b.start < 100 < b.end - 1e-6]
        shared = sum((100 - b.start) * 8 / 100 for b in halves)
        assert early + shared == pytest.approx(8)

    def test_packs_side_by_side_add_up(self):
        packs = [(60, 60, 16, "a", "cpu"), (60, 60, 16, "a", "cpu")]
        info = throughput_info(_trials(packs))
        assert [b.per_minute for b in info.bins] == pytest.approx([32.0] * 4)

    def test_a_pause_between_runs_is_cut_out_and_said(self):
        hour = 3600
        packs = [(60, 60, 16, "a", "cpu"), (60 + 2 * hour + 60, 60, 16, "a", "cpu")]
        info = throughput_info(_trials(packs))
        assert [p.time for p in info.points] == pytest.approx([0, 60, 120])
        assert info.points[-1].at == "2026-03-01 14:02:00"
        assert info.pauses == (pytest.approx(60),)
        assert info.answer == (
            "32 trials in 2 minutes, a median of 16 a minute; 1 pause between runs left out."
        )
        assert info.notes == (
            "Nothing was trained during 1 pause of 2 hours in all: they are cut out of the time, "
            "and a dashed line stands where one was.",
        )
        assert _roles(throughput(info))["rule mark"] == 2  # one in each panel

    def test_a_long_pack_is_no_pause(self):
        info = throughput_info(_trials([(60, 60, 16, "a", "cpu"), (7260, 7200, 16, "a", "cpu")]))
        assert info.pauses == ()
        assert info.points[-1].time == pytest.approx(7260)

    def test_machines_are_told_apart_where_there_are_several(self):
        packs = [(60, 60, 16, "a", "cpu"), (60, 60, 48, "b", "cpu")]
        info = throughput_info(_trials(packs))
        assert (info.makers, info.several) == (("b", "a"), "machine")
        assert info.answer.endswith(", on 2 machines.")
        ends = {p.maker: p.finished for p in info.points}
        assert ends == {"b": 48, "a": 16}
        by_maker = {m: sum(b.trained for b in info.bins if b.maker == m) for m in info.makers}
        assert by_maker == pytest.approx(ends)
        assert _roles(throughput(info))["line mark"] == 2

    def test_devices_of_one_machine(self):
        packs = [(60, 60, 16, "a", "cuda:0"), (60, 60, 16, "a", "cuda:1")]
        info = throughput_info(_trials(packs))
        assert (set(info.makers), info.several) == ({"cuda:0", "cuda:1"}, "device")

    def test_many_machines_are_put_together(self):
        packs = [(60, 60, 20 - i, f"m{i}", "cpu") for i in range(10)]
        info = throughput_info(_trials(packs))
        assert info.makers == ("m0", "m1", "m2", "m3", "m4", OTHERS)
        assert max(p.finished for p in info.points if p.maker == OTHERS) == sum(range(11, 16))

    def test_many_packs_are_thinned_and_said(self):
        packs = [(i + 1, 1, 1, "a", "cpu") for i in range(2 * MAX_POINTS)]
        info = throughput_info(_trials(packs))
        assert len(info.points) + len(info.bins) <= 2_000
        assert info.points[-1].finished == 2 * MAX_POINTS
        assert info.notes == (
            f"{MAX_POINTS:,} of {2 * MAX_POINTS + 1:,} points are drawn, evenly chosen.",
        )

    @pytest.mark.parametrize("table", [pa.table({}), _trials([(1, 1, 1, "a", "cpu")]).slice(0, 0)])
    def test_without_times_nothing_is_shown(self, table):
        info = throughput_info(table)
        assert (info.points, info.table().rows, throughput_panels(info)) == ((), (), ())
        assert info.notes == ("No trial of this source says when it was finished.",)
        assert throughput_figure(table).answer == info.notes[0]

    def test_one_trial(self):
        info = throughput_info(_trials([(3, 3, 1, "a", "cpu")]))
        assert info.answer == "1 trial in 3 seconds, a median of 20 a minute."
        assert len(throughput_panels(info)) == 2

    def test_trials_that_do_not_say_how_long_they_took_have_no_rate(self):
        info = throughput_info(_trials([(3, 0, 1, "a", "cpu")]))
        assert info.notes == ("The rate is not known: the trial does not say how long it took.",)
        assert (info.answer, info.points, throughput_panels(info)) == ("", (), ())
        info = throughput_info(_trials([(3, 0, 1, "a", "cpu"), (3000, 0, 1, "a", "cpu")]))
        assert info.notes == ("The rate is not known: the 2 trials do not say how long they took.",)

    def test_some_that_do_not_say_it_are_counted(self):
        info = throughput_info(_trials([(60, 60, 8, "a", "cpu"), (60, 0, 1, "a", "cpu")]))
        assert info.answer.startswith("9 trials in 60 seconds")
        assert info.notes == (
            "1 trial does not say how long it took: only the time of the end is known.",
        )

    def test_failed_trials_are_not_finished(self):
        table = _trials([(60, 60, 8, "a", "cpu"), (90, 30, 4, "a", "cpu")])
        status = ["completed"] * 7 + ["diverged"] + ["failed"] * 4
        table = table.append_column("status", pa.array(status))
        info = throughput_info(table)
        assert info.answer.startswith("8 trials in 60 seconds")
        assert max(p.finished for p in info.points) == 8
        assert info.notes == ("4 failed trials are left out.",)
        assert throughput_info(table.slice(8)).notes == ("4 failed trials are left out.",)


class TestLearningCurvesOfLargeStudies:
    def test_the_best_condition_and_batch_size_are_kept(self, grid, monkeypatch):
        monkeypatch.setattr(curves_data, "MAX_ROWS", 40)
        monkeypatch.setattr(curves_data, "MAX_LINES", 3)
        info = learning_curves_info(grid.landscape.trials, grid.curves)
        cell = ["learning_rate", "momentum", "train_size", "batch_size"]
        means = grid.landscape.trials.groupby(cell)["test_accuracy"].mean()
        best = means.idxmax()
        assert info.first_shown == best[:3]
        drawn = {tuple(getattr(r, name) for name in cell) for r in info.rows}
        assert best in drawn
        assert len(info.rows) <= 40
        lines = Counter(key[:3] for key in drawn)
        assert max(lines.values()) <= 3
        conditions = len(means.groupby(level=[0, 1, 2]))
        assert any(f"of {conditions} conditions are drawn" in note for note in info.notes)

    def test_a_condition_of_many_batch_sizes_keeps_some(self, curves_of, study_of, demo_trials):
        few = demo_trials[demo_trials["learning_rate"] == 0.2]
        many = pd.concat(
            [few.assign(batch_size=few["batch_size"] + k) for k in range(4)], ignore_index=True
        ).drop_duplicates(["batch_size", "seed"])
        trials = study_of(many).landscape.trials
        info = learning_curves_info(trials, curves_of(trials))
        assert many["batch_size"].nunique() > MAX_LINES
        assert len({r.batch_size for r in info.rows}) == MAX_LINES
        assert sorted({r.batch_size for r in info.rows})[0] == many["batch_size"].min()
        assert info.notes[-1].startswith(f"At most {MAX_LINES} batch sizes")

    def test_equal_epochs_are_drawn_along_their_share(self, demo):
        epochs = demo.landscape.trials.assign(steps=lambda t: 9600 // t["batch_size"])
        step = epochs.set_index("trial_id")["steps"]
        curves = pa.table(
            {
                "trial_id": step.index.to_list() * 2,
                "step": [*np.rint(step / 2), *step],
                "test_accuracy": [0.5] * (2 * len(step)),
            }
        )
        info = learning_curves_info(epochs.assign(evaluations=2), curves)
        assert info.by_share
        assert {r.share for r in info.rows if r.share > 0.9} == {1.0}
        assert not learning_curves_info(demo.landscape.trials, demo.curves).by_share


def test_the_section_holds_the_learning_curves(demo):
    ((_, rows),) = demo.landscape.groups()
    section = runs_section(rows, demo.curves)
    (figure,) = section.figures
    assert (section.anchor, figure.anchor) == ("runs", "learning-curves")
    assert figure.answer.startswith("0 of 70 cells still gained")
    assert len(figure.table.rows) == 70 * 10
    assert {type(v) for v in figure.table.rows[0]} <= {float, int, type(None)}
    assert figure.table.percent == {"test accuracy", "train accuracy"}


def test_without_curves_the_section_says_so(demo):
    (figure,) = runs_section(demo.landscape.trials, None).figures
    assert figure.answer == "This source holds final results only, no learning curves."
    assert (figure.panels, figure.table.rows, figure.notes) == ((), (), ())
