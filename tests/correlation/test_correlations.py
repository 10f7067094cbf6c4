"""The whole table: He et al.'s 164 groups, what is missing, and what no result may depend on."""

from __future__ import annotations

import dataclasses
import json
import math
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.correlation import VALIDATION_CHOSEN, correlations, to_dict, to_json, to_text
from analysis.landscape import CONFIGURATION_COLUMNS, Landscape
from explorer.errors import InputError

ONE = {"datasets": ("CIFAR-10",), "models": ("VGG-19",)}
FEW = {"sizes": (4, 8, 16, 32, 64, 128, 256), "rates": (0.05, 0.1, 0.2, 0.4, 0.8), **ONE}


def few(landscape, **options):
    return correlations(landscape, permutations=1000, **options)


def group(table, kind, **fixed):
    (found,) = [
        g for g in table.groups if g.kind == kind and fixed.items() <= dict(g.fixed).items()
    ]
    return found


@pytest.fixture(scope="module")
def he_grid(grid, truths):
    return grid(truths["ratio"], 1)


@pytest.fixture(scope="module")
def he_table(he_grid):
    return correlations(Landscape.from_frame(he_grid, "planted"))


def test_he_et_als_grid_gives_164_groups(he_table):
    assert len(he_table.groups) == 164
    assert [(c.kind, c.n_groups, c.n_tested) for c in he_table.metrics[0].counts] == [
        ("batch_size", 80, 80),
        ("learning_rate", 80, 80),
        ("ratio", 4, 4),
    ]
    assert {g.n for g in he_table.groups} == {20, 400}
    assert all(g.n_missing == g.n_diverged == 0 for g in he_table.groups)
    assert [s.label for s in he_table.strata] == [
        "CIFAR-10, ResNet-110",
        "CIFAR-10, VGG-19",
        "CIFAR-100, ResNet-110",
        "CIFAR-100, VGG-19",
    ]


def test_each_group_agrees_with_scipy_on_its_cells(he_grid, he_table):
    for g in (*he_table.groups[::13], he_table.groups[40]):
        rows = he_grid
        for name, value in g.fixed:
            rows = rows[rows[name] == value]
        x = {"ratio": rows.batch_size / rows.learning_rate}.get(g.kind)
        x = (rows[g.kind] if x is None else x).round(9)
        y = rows.best_test_accuracy
        oracle = stats.spearmanr(x, y)
        assert g.rho == pytest.approx(oracle.statistic, abs=1e-12)
        assert g.p == pytest.approx(oracle.pvalue, rel=1e-6)
        assert g.tau == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
        assert g.pearson == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)
        assert g.pearson_log == pytest.approx(stats.pearsonr(np.log(x), y).statistic, abs=1e-9)
        assert g.n == len(rows)
        assert g.low < g.rho < g.high


def test_the_planted_fall_is_found_as_claimed(he_table):
    for count in he_table.metrics[0].counts:
        assert count.as_claimed == count.n_tested
        assert count.as_claimed_raw >= 0.9 * count.n_tested
        assert count.against == 0
    text = " ".join(he_table.sentences)
    assert "He et al. print 80 of 80, and 79 at p < 0.005." in text
    assert "He et al. print 4 of 4, and 4 at p < 0.005." in text


def test_no_effect_gives_as_many_findings_as_chance(grid, landscape_of, truths, binomial_band):
    table = few(landscape_of(grid(truths["no_effect"], 2)))
    raw = np.mean([g.p < 0.05 for g in table.groups])
    low, high = binomial_band(0.05, 164)
    assert low <= raw <= high
    assert sum(g.significant_holm for g in table.groups) == 0
    assert all(r.verdict in ("undecided", "falls", "rises", "turns") for r in table.regimes)


def test_the_family_is_all_groups_of_a_metric(he_table):
    from statsmodels.stats.multitest import multipletests

    p = [g.p for g in he_table.groups]
    assert [g.p_holm for g in he_table.groups] == pytest.approx(multipletests(p, method="holm")[1])
    assert [g.p_bh for g in he_table.groups] == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_small_groups_are_corrected_by_their_exact_p(grid, landscape_of, truths):
    """At n = 4 a perfect order has p = 0 by t and 0.083 in truth."""
    frame = grid(truths["ratio"], 1, noise=0.0, sizes=(4, 8, 16, 32), rates=(0.1, 0.2, 0.3), **ONE)
    table = few(landscape_of(frame))
    found = group(table, "batch_size", learning_rate=0.1)
    assert (found.rho, found.p, found.p_exact) == (-1.0, 0.0, True)
    assert found.p_permutation == pytest.approx(2 / 24)
    assert found.significant
    assert not found.significant_permutation
    assert found.p_holm > 0.08
    assert "claims too much" in " ".join(table.sentences)
    untested = group(table, "learning_rate", batch_size=4)
    assert (untested.n, untested.reason) == (3, "fewer than 4 cells")
    assert math.isnan(untested.rho)
    assert math.isnan(untested.p_holm)
    assert table.metrics[0].n_tested == 4


def test_missing_failed_and_diverged_cells_are_counted(grid, landscape_of, truths):
    frame = grid(truths["ratio"], 1, n_seeds=2, **FEW)
    at = (frame.batch_size == 8) & (frame.learning_rate == 0.1)
    gone = (frame.batch_size == 16) & (frame.learning_rate == 0.1)
    failed = (frame.batch_size == 32) & (frame.learning_rate == 0.2)
    frame.loc[at & (frame.seed == 1), "status"] = "diverged"
    frame.loc[failed, "status"] = "failed"
    table = few(landscape_of(frame[~gone]))
    pooled = group(table, "ratio")
    assert (pooled.n, pooled.n_missing, pooled.n_diverged) == (33, 2, 1)
    row = group(table, "batch_size", learning_rate=0.1)
    assert (row.n, row.n_missing, row.n_diverged) == (6, 1, 1)
    assert group(table, "batch_size", learning_rate=0.2).n_missing == 1
    assert group(table, "learning_rate", batch_size=64).n_missing == 0
    kept = frame[~gone & ~failed].copy()
    kept["value"] = kept.best_test_accuracy.where(kept.status != "diverged", 0.1)
    means = kept.groupby(["learning_rate", "batch_size"])["value"].mean().loc[0.1]
    assert row.rho == pytest.approx(stats.spearmanr(means.index, means).statistic)
    notes = " ".join(table.notes)
    assert "1 trial diverged: counted at chance accuracy, 1/classes." in notes
    assert "2 trials failed: left out." in notes
    assert "Nobody said what was planned" in notes


def test_a_plan_says_what_is_missing(grid, truths):
    """A planned window is no full product: nothing outside it is missing."""
    frame = grid(truths["ratio"], 1, **FEW)
    window = frame[np.log2(frame.batch_size * 0.2 / frame.learning_rate / 16).abs() <= 2.5]
    planned = window.reindex(columns=list(CONFIGURATION_COLUMNS))
    done = Landscape.from_frame(window.iloc[3:], "planted")
    table = few(dataclasses.replace(done, planned=planned))
    pooled = group(table, "ratio")
    assert (pooled.n, pooled.n_missing) == (len(window) - 3, 3)
    assert table.strata[0].is_planned
    without_plan = group(few(done), "ratio")
    kept = window.iloc[3:]
    product = kept.batch_size.nunique() * kept.learning_rate.nunique()
    assert without_plan.n_missing == product - len(kept) > 3


def test_a_stratum_without_any_result_is_shown_as_missing(grid, truths):
    frame = grid(truths["ratio"], 1, **FEW)
    other = frame.assign(model="ResNet-110")
    planned = pd.concat([frame, other]).reindex(columns=list(CONFIGURATION_COLUMNS))
    table = few(dataclasses.replace(Landscape.from_frame(frame, "planted"), planned=planned))
    assert [(s.label, s.n, s.n_missing) for s in table.strata] == [
        ("CIFAR-10, ResNet-110", 0, 35),
        ("CIFAR-10, VGG-19", 35, 0),
    ]
    to_text(table)
    to_json(table)


def test_momenta_sizes_and_settings_split_the_strata(grid, landscape_of, truths):
    frames = [
        grid(truths["ratio"], 1, **FEW).assign(momentum=m, clip_norm=clip)
        for m, clip in ((0.0, np.nan), (0.9, np.nan), (0.9, 1.0))
    ]
    table = few(landscape_of(*frames))
    assert [s.label for s in table.strata] == [
        "CIFAR-10, VGG-19, momentum 0, clip_norm none",
        "CIFAR-10, VGG-19, momentum 0.9, clip_norm 1",
        "CIFAR-10, VGG-19, momentum 0.9, clip_norm none",
    ]
    assert dict(table.groups[0].fixed)["momentum"] == 0.0
    by_name = few(landscape_of(frames[0]), by=("dataset", "momentum"))
    assert by_name.strata[0].label == "CIFAR-10, momentum 0"


def test_seeds_are_averaged_and_n_counts_cells(grid, landscape_of, truths):
    frame = grid(truths["ratio"], 1, n_seeds=3, **FEW)
    found = group(few(landscape_of(frame)), "ratio")
    assert found.n == 35
    means = (
        frame.groupby(["batch_size", "learning_rate"])["best_test_accuracy"].mean().reset_index()
    )
    oracle = stats.spearmanr((means.batch_size / means.learning_rate).round(9), means.iloc[:, 2])
    assert found.rho == pytest.approx(oracle.statistic, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
@settings(max_examples=5, deadline=None)
def test_row_order_and_repeated_facts_change_nothing(grid, landscape_of, truths, seed, repeats):
    frame = grid(truths["peaked"], 1, n_seeds=2, **FEW)
    rng = np.random.default_rng(seed)
    again = frame.iloc[rng.integers(0, len(frame), repeats)]
    shuffled = pd.concat([frame, again]).iloc[rng.permutation(len(frame) + repeats)]
    assert to_json(few(landscape_of(shuffled))) == to_json(few(landscape_of(frame)))


def test_the_three_metrics_stand_side_by_side(grid, landscape_of, truths):
    frame = grid(truths["ratio"], 1, **FEW)
    rng = np.random.default_rng(3)
    curves = frame[["trial_id"]].merge(pd.DataFrame({"step": [10, 20, 30]}), how="cross")
    curves["test_accuracy"] = rng.random(len(curves))
    curves["validation_accuracy"] = rng.integers(0, 3, len(curves)) / 2
    for given_curves in (curves, pa.Table.from_pandas(curves.sample(frac=1, random_state=1))):
        table = few(landscape_of(frame), curves=given_curves)
        names = [m.metric for m in table.metrics]
        assert names == ["best_test_accuracy", "test_accuracy", VALIDATION_CHOSEN]
        expected = []
        for trial in frame.trial_id:
            best = None
            for row in curves[curves.trial_id == trial].itertuples():
                if best is None or row.validation_accuracy > best.validation_accuracy:
                    best = row
            expected.append(best.test_accuracy)
        ratio = (frame.batch_size / frame.learning_rate).round(9)
        pooled = table.metrics[2].groups[-1]
        assert pooled.rho == pytest.approx(stats.spearmanr(ratio, expected).statistic, abs=1e-12)
    chosen = few(landscape_of(frame), metric=VALIDATION_CHOSEN, curves=curves)
    assert chosen.groups == table.metrics[2].groups


def test_without_the_best_accuracy_the_final_one_is_used_and_said(grid, landscape_of, truths):
    frame = grid(truths["ratio"], 1, **FEW).drop(columns="best_test_accuracy")
    table = few(landscape_of(frame))
    assert table.metric == "test_accuracy"
    assert [m.metric for m in table.metrics] == ["test_accuracy"]
    assert sum("There is no best_test_accuracy" in note for note in table.notes) == 1
    assert sum("validation-chosen test accuracy is not shown" in n for n in table.notes) == 1


def test_bad_arguments_are_refused_by_name(grid, landscape_of, truths):
    landscape = landscape_of(grid(truths["ratio"], 1, **FEW))
    for options, phrase in (
        ({"metric": "test_loss"}, "'test_loss'"),
        ({"by": ("learning_rate",)}, "'learning_rate'"),
        ({"permutations": 10}, "at least 1000, not 10"),
        ({"level": 1.0}, "level must lie between 0 and 1"),
        ({"trained": 99.0}, "trained must be an accuracy"),
        ({"metric": "validation_accuracy"}, "no trial with a validation_accuracy"),
        ({"curves": pd.DataFrame({"trial_id": ["t1"]})}, "no column step"),
    ):
        with pytest.raises(InputError, match=phrase):
            correlations(landscape, **options)
    with pytest.raises(InputError, match="holds no trials"):
        correlations(Landscape.from_frame(landscape.trials.iloc[:0], "empty"))


@pytest.mark.parametrize(
    "spoil", ["one_cell", "one_rate", "all_diverged", "constant", "all_failed"]
)
def test_poor_data_give_reasons_and_valid_output(spoil, grid, landscape_of, truths):
    frame = grid(truths["ratio"], 1, **FEW)
    if spoil == "one_cell":
        frame = frame.iloc[:1]
    elif spoil == "one_rate":
        frame = frame[frame.learning_rate == 0.1]
    elif spoil == "all_diverged":
        frame["status"] = "diverged"
    elif spoil == "constant":
        frame["best_test_accuracy"] = frame["test_accuracy"] = 0.5
    else:
        frame["status"] = "failed"
    table = few(landscape_of(frame))
    for g in table.groups:
        assert g.tested == math.isfinite(g.rho)
        assert g.reason or g.tested
    if spoil == "one_rate":
        assert any("one learning rate alone" in note for note in table.notes)
        assert "No group can be tested. He et al. print" in table.sentences[1]
    json.loads(to_json(table))
    text = to_text(table, all_groups=True)
    assert "nan" not in text
    assert "None" not in text


def test_json_holds_every_number_unrounded_and_valid(he_table):
    found = json.loads(to_json(he_table))
    assert found == to_dict(he_table)
    first = found["groups"][0]
    keys = (
        "kind fixed n n_missing n_diverged rho p p_permutation p_holm p_bh tau pearson significant"
    )
    assert set(keys.split()) <= set(first)
    assert first["fixed"] == {"dataset": "CIFAR-10", "model": "ResNet-110", "learning_rate": 0.01}
    assert first["rho"] == he_table.groups[0].rho
    assert set(found["metrics"]) == {"best_test_accuracy", "test_accuracy"}
    assert len(found["metrics"]["test_accuracy"]["groups"]) == 164
    assert found["metrics"]["best_test_accuracy"]["n_tested"] == 164
    assert {"regimes", "ratio_tests", "noise_scales", "training", "budgets"} <= set(found)


def test_text_is_short_unless_all_groups_are_asked_for(he_table):
    short, long = to_text(he_table), to_text(he_table, all_groups=True)
    assert len(short.splitlines()) < 100
    assert len(long.splitlines()) >= len(short.splitlines()) + 164
    assert "CIFAR-10, ResNet-110: 400 cells, 0 missing, 0 with a diverged trial" in short
    assert "The groups furthest from the claim" in short
    assert not any(line != line.rstrip() for line in short.splitlines())


def seconds_of(work):
    """Processor time: a neighbour's work is not ours."""
    start = time.process_time()
    work()
    return time.process_time() - start


def test_1600_trials_with_100000_permutations_take_as_long_as_sixty_million_sorted_numbers(
    grid, landscape_of, truths
):
    """Some five seconds where this was written. Missing cells give groups of many sizes."""
    numbers = np.random.default_rng(0).random(4_000_000)
    of_four_million = min(seconds_of(lambda: np.argsort(numbers, kind="stable")) for _ in range(3))
    frame = grid(truths["peaked"], 1).drop(index=[5, 77, 900, 1333])
    landscape = landscape_of(frame)
    tables = []
    assert seconds_of(lambda: tables.append(correlations(landscape))) < 15 * of_four_million
    assert tables[0].permutations == 100_000
