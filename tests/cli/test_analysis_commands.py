"""The commands that analyse results, on real CSV files and on a store."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.planted import FAMILIES, PlantedLaw, plant

LAW = PlantedLaw(
    shape=FAMILIES["sharp"],
    learning_rates=(0.05, 0.1, 0.2),
    momenta=(0.5, 0.9),
    train_sizes=(1000, 2000),
    train_size=1.0,
    momentum=1.0,
    peak_at_reference=20.0,
    below=8.0,
    n_seeds=3,
    noise=0.006,
)
COLUMNS = ["batch_size", "learning_rate", "momentum", "train_size", "seed", "test_accuracy"]
ASKED = ("--learning-rate", 0.1, "--train-size", 1500, "--momentum", 0.9)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """What a stranger's sweep holds: the law's columns and training accuracy."""
    path = tmp_path_factory.mktemp("files") / "sweep.csv"
    plant(LAW, 1).landscape.trials[[*COLUMNS, "train_accuracy"]].to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def he_grid(tmp_path_factory):
    """Two data sets and two models on a grid of B and eps; accuracy falls with B/eps."""
    rng = np.random.default_rng(3)
    rows = [
        {
            "dataset": dataset,
            "model": model,
            "batch_size": b,
            "learning_rate": eps,
            "momentum": 0.0,
            "train_size": 50_000,
            "seed": 0,
            "epochs": 200,
            "test_accuracy": 0.9 - 0.03 * math.log(b / eps / 80) + 0.004 * rng.standard_normal(),
        }
        for dataset in ("CIFAR-10", "CIFAR-100")
        for model in ("ResNet-110", "VGG-19")
        for b in range(16, 129, 16)
        for eps in (0.02, 0.04, 0.06, 0.08, 0.1, 0.12)
    ]
    frame = pd.DataFrame(rows)
    path = tmp_path_factory.mktemp("files") / "grid.csv"
    frame.assign(best_test_accuracy=frame["test_accuracy"] + 0.001).to_csv(path, index=False)
    return path


def strict(out: str):
    """JSON without NaN or Infinity."""

    def refuse(name: str):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(out, parse_constant=refuse)


@pytest.fixture(scope="module")
def _said_before():
    return {}


@pytest.fixture
def json_of(explorer, _said_before):
    """What a command that succeeds prints with --json; run once for all tests."""

    def run(*arguments: object):
        if arguments not in _said_before:
            code, out, err = explorer(*arguments, "--json")
            assert (code, err) == (0, "")
            _said_before[arguments] = strict(out)
        return _said_before[arguments]

    return run


def test_fit_scaling_has_every_key_that_is_promised(json_of, sweep):
    law = json_of("fit-scaling", "--from", sweep)
    for name in ("joint", "learning_rate", "train_size", "momentum"):
        assert 0.0 <= law["tests"][name]["p"] <= 1.0
    for name in ("constant", "low", "high", "r2"):
        assert isinstance(law["one_parameter_law"][name], float)
    assert law["one_parameter_law"]["low"] < LAW.constant < law["one_parameter_law"]["high"]
    assert isinstance(law["rivals"], list)
    assert {"linear", "square_root", "without_train_size", "constant", "exact"} <= {
        r["name"] for r in law["rivals"]
    }
    for axis in ("learning_rate", "train_size", "momentum"):
        for exponents in (law["exponents"], law["edge"]["exponents"]):
            e = exponents[axis]
            assert e["identifiable"] is True
            assert e["low"] < 1.0 < e["high"], "what was planted, for the peak and for its edge"
    assert {"estimate", "low", "high"} <= set(law["constant"])
    assert law["converged"] is True
    assert law["n_conditions"] == 12
    assert isinstance(law["heterogeneity"], float)
    assert len(law["residuals"]) == 12
    assert len(law["peaks"]) == 12
    assert sum(p["batch_size_edge"] is not None for p in law["peaks"]) >= 6
    for peak in law["peaks"]:
        assert peak["near_optimal_low"] < peak["batch_size_opt"] < peak["near_optimal_high"]
        assert peak["low"] < peak["batch_size_opt"] < peak["high"]
        # None where the cliff lies below the batch sizes sampled.
        assert peak["batch_size_edge"] is None or peak["batch_size_edge"] < peak["batch_size_opt"]
        assert 0.0 <= peak["peak_p"] <= 1.0
        assert {"learning_rate", "momentum", "train_size", "censored", "n_seeds"} <= set(peak)


def test_fit_scaling_prints_what_its_json_holds(explorer, json_of, sweep):
    code, out, _ = explorer("fit-scaling", "--from", sweep)
    law = json_of("fit-scaling", "--from", sweep)
    assert code == 0
    assert not re.search(r"\bnan\b", out)
    flat = " ".join(out.split())
    assert all(" ".join(sentence.split()) in flat for sentence in law["sentences"])
    for peak in law["peaks"]:
        assert re.search(rf"\b{peak['train_size']} .* {peak['batch_size_opt']:.3g} ", out)


def test_near_optimal_widens_the_range_and_leaves_the_peak(explorer, sweep):
    ranges = {}
    for points in (0.5, 2):
        out = explorer("fit-scaling", "--from", sweep, "--near-optimal", points, "--json")[1]
        ranges[points] = strict(out)["peaks"]
    for narrow, wide in zip(ranges[0.5], ranges[2], strict=True):
        assert wide["near_optimal_low"] < narrow["near_optimal_low"]
        assert wide["near_optimal_high"] > narrow["near_optimal_high"]
        assert wide["batch_size_opt"] == narrow["batch_size_opt"]
    out = explorer("fit-scaling", "--from", sweep, "--near-optimal", 2)[1]
    assert "within 2 points" in out


def test_columns_under_foreign_names_are_mapped(explorer, json_of, sweep, tmp_path):
    path = tmp_path / "foreign.csv"
    pd.read_csv(sweep).rename(columns={"batch_size": "B", "test_accuracy": "top1"}).to_csv(
        path, index=False
    )
    mapped = ("--column", "batch_size=B", "--column", "test_accuracy=top1")
    code, out, _ = explorer("fit-scaling", "--from", path, *mapped, "--json")
    assert code == 0
    plain = json_of("fit-scaling", "--from", sweep)
    assert strict(out)["peaks"] == plain["peaks"]
    assert explorer("fit-scaling", "--from", path)[0] == 2


def test_an_excel_file_gives_the_same(explorer, json_of, sweep, tmp_path):
    path = tmp_path / "excel.csv"
    with sweep.open(newline="") as file, path.open("w", newline="", encoding="utf-8-sig") as out:
        csv.writer(out, delimiter=";").writerows(
            [value.replace(".", ",") for value in row] for row in csv.reader(file)
        )
    code, said, _ = explorer("fit-scaling", "--from", path, "--json")
    assert code == 0
    plain = json_of("fit-scaling", "--from", sweep)
    assert strict(said)["peaks"] == plain["peaks"]


def test_correlations_groups_have_their_keys(json_of, he_grid):
    found = json_of("correlations", "--from", he_grid)
    assert len(found["groups"]) == 4 * (6 + 8 + 1)
    for group in found["groups"]:
        assert {
            *("kind", "fixed", "n", "n_missing", "n_diverged", "rho", "p", "p_permutation"),
            *("p_holm", "tau", "pearson", "significant"),
        } <= set(group)
        assert group["kind"] in ("batch_size", "learning_rate", "ratio")
        assert isinstance(group["fixed"], dict)
        assert {"dataset", "model"} <= set(group["fixed"])
        assert {"batch_size": 8, "learning_rate": 6, "ratio": 48}[group["kind"]] == group["n"]
        claimed = 1 if group["kind"] == "learning_rate" else -1
        assert group["rho"] * claimed > 0.5


def test_correlations_text_lists_all_groups_when_asked(explorer, he_grid):
    code, short, _ = explorer("correlations", "--from", he_grid)
    assert code == 0
    code, full, _ = explorer("correlations", "--from", he_grid, "--all")
    assert code == 0
    assert len(full.splitlines()) > len(short.splitlines()) + 30
    for text in (short, full):
        assert not re.search(r"\bnan\b", text)
    for eps in ("0.02", "0.12"):
        line = rf"CIFAR-100.*VGG-19.*eps {eps}"
        assert re.search(line, full)


def test_by_may_be_repeated_and_names_the_strata(explorer, he_grid):
    labels = {}
    for by in (["model"], ["dataset", "model"], ["momentum", "dataset", "model"]):
        options = [word for name in by for word in ("--by", name)]
        code, out, _ = explorer("correlations", "--from", he_grid, *options, "--json")
        assert code == 0
        groups = strict(out)["groups"]
        assert len(groups) == 60, "strata that differ are never pooled, whatever names them"
        labels[len(by)] = set(groups[0]["fixed"])
    assert "momentum" not in labels[2]
    assert {"momentum", "dataset", "model"} <= labels[3]
    code, _, err = explorer("correlations", "--from", he_grid, "--by", "colour")
    assert code == 2
    assert "colour" in err


def test_another_metric_is_correlated(explorer, json_of, he_grid):
    out = explorer("correlations", "--from", he_grid, "--metric", "test_accuracy", "--json")[1]
    assert strict(out)["metric"] == "test_accuracy"
    assert json_of("correlations", "--from", he_grid)["metric"] == ("best_test_accuracy")


def test_suggest_predicts_and_marks_extrapolation(explorer, sweep):
    code, out, err = explorer("suggest", "--from", sweep, *ASKED)
    assert (code, err) == (0, "")
    assert re.search(r"^Suggested batch size: \d+ ", out, re.MULTILINE)
    assert "prediction interval" in out
    assert "extrapolation" not in out
    (found,) = strict(explorer("suggest", "--from", sweep, *ASKED, "--json")[1])
    asked = found["suggestion"]
    assert not asked["extrapolated"]
    true = LAW.constant * 0.1 * 1500 / (1 - 0.9)
    assert asked["batch_size_opt"]["low"] < true < asked["batch_size_opt"]["high"]
    assert asked["near_optimal_low"]["estimate"] < asked["near_optimal_high"]["estimate"]
    assert f"Suggested batch size: {asked['batch_size']} " in out

    far = ("--learning-rate", 0.4, "--train-size", 60_000, "--momentum", 0.9)
    code, out, _ = explorer("suggest", "--from", sweep, *far)
    assert code == 0
    assert "N 60000 is above the largest N studied (2000) by a factor of 30" in out
    assert out.count("this is an extrapolation") == 2
    (found,) = strict(explorer("suggest", "--from", sweep, *far, "--json")[1])
    assert set(found["suggestion"]["extrapolated"]) == {"learning_rate", "train_size"}


def test_momentum_of_a_suggestion_is_0_unless_given(explorer, sweep):
    asked = ("suggest", "--from", sweep, "--learning-rate", 0.1, "--train-size", 1500, "--json")
    (found,) = strict(explorer(*asked)[1])
    assert found["suggestion"]["momentum"] == 0.0
    assert "momentum" in found["suggestion"]["extrapolated"]


def test_claims_in_text_and_json(explorer, json_of, sweep, he_grid):
    for path in (sweep, he_grid):
        code, out, err = explorer("claims", "--from", path)
        assert (code, err) == (0, "")
        assert not re.search(r"\bnan\b", out)
        found = json_of("claims", "--from", path)
        assert out.startswith(f"{len(found)} claims: ")
        assert {c["verdict"] for c in found} <= {"supported", "refuted", "not decidable here"}
        flat = " ".join(out.split())
        for c in found:
            assert " ".join(f"{c['verdict']}: {c['claim']}. [{c['source']}]".split()) in flat
            assert " ".join(c["finding"].split()) in flat


def test_claims_find_what_was_planted(json_of, sweep, he_grid):
    def verdict(path, words: str) -> set[str]:
        found = json_of("claims", "--from", path)
        return {c["verdict"] for c in found if words in c["claim"]}

    assert verdict(sweep, "proportional to the learning rate") == {"supported"}
    assert verdict(sweep, "proportional to N") == {"not decidable here"}
    assert verdict(sweep, "moves on its own") == {"refuted"}
    assert verdict(he_grid, "falls with B/eps throughout") == {"supported"}


def test_published_claims_need_no_results(explorer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = explorer("claims", "--published")
    assert (code, err) == (0, "")
    assert "He, Liu & Tao" in out
    assert "74 of 80" in out
    assert not re.search(r"\bnan\b", out)
    code, out, _ = explorer("claims", "--published", "--json")
    assert code == 0
    assert strict(out)
    assert not list(tmp_path.iterdir())


def test_every_command_reads_a_store(explorer, store_folder):
    asked = ("--learning-rate", 0.15, "--train-size", 100, "--momentum", 0.5)
    for command in (["fit-scaling"], ["correlations"], ["claims"], ["suggest", *asked]):
        code, out, _ = explorer(*command, "--store", store_folder)
        assert code == 0
        assert not re.search(r"\bnan\b", out)
        code, out, _ = explorer(*command, "--store", store_folder, "--study", "tiny", "--json")
        assert code == 0
        assert strict(out)
    found = strict(explorer("correlations", "--store", store_folder, "--json")[1])
    assert {g["n"] + g["n_missing"] for g in found["groups"] if g["kind"] == "ratio"} == {10}


@pytest.mark.parametrize("command", ["fit-scaling", "suggest", "correlations", "claims", "report"])
def test_help_shows_an_example(command, explorer):
    code, out, _ = explorer(command, "--help")
    assert code == 0
    assert f"Example: explorer {command}" in " ".join(out.split())


FIT, SUGGEST = ["fit-scaling", "--from", "{sweep}"], ["suggest", "--from", "{sweep}"]
HAS_EPS, HAS_N, HAS_M = ASKED[:2], ASKED[2:4], ASKED[4:]
BAD = {
    "two sources": (["fit-scaling", "--study", "x", "--from", "{sweep}"], "two sources"),
    "two sources of claims": (["claims", "--study", "x", "--from", "{sweep}"], "two sources"),
    "column of a store": (
        ["fit-scaling", "--store", "{store}", "--column", "batch_size=bs"],
        "--from",
    ),
    "column without a name": ([*FIT, "--column", "batch_size"], "OURS=THEIRS"),
    "column that is not there": ([*FIT, "--column", "batch_size=bs"], "bs"),
    "column twice": (
        [*FIT, "--column", "batch_size=bs", "--column", "batch_size=b"],
        "twice",
    ),
    "eps 0": ([*SUGGEST, "--learning-rate", 0, *HAS_N, *HAS_M], "learning_rate"),
    "eps below 0": ([*SUGGEST, "--learning-rate", -0.1, *HAS_N, *HAS_M], "learning_rate"),
    "eps nan": ([*SUGGEST, "--learning-rate", "nan", *HAS_N, *HAS_M], "learning_rate"),
    "momentum 1": ([*SUGGEST, *HAS_EPS, *HAS_N, "--momentum", 1], "momentum"),
    "N 0": ([*SUGGEST, *HAS_EPS, "--train-size", 0, *HAS_M], "train_size"),
    "N not whole": ([*SUGGEST, *HAS_EPS, "--train-size", 1.5, *HAS_M], "--train-size"),
    "no eps": ([*SUGGEST, *HAS_N], "--learning-rate"),
    "near-optimal 0": ([*FIT, "--near-optimal", 0], "--near-optimal"),
    "near-optimal 100": ([*FIT, "--near-optimal", 100], "--near-optimal"),
    "near-optimal nan": ([*FIT, "--near-optimal", "nan"], "--near-optimal"),
    "near-optimal of a suggestion": (
        [*SUGGEST, *ASKED, "--near-optimal", -1],
        "--near-optimal",
    ),
    "metric of correlations": (
        ["correlations", "--from", "{sweep}", "--metric", "loss"],
        "loss",
    ),
    "metric of claims": (["claims", "--from", "{sweep}", "--metric", "loss"], "loss"),
    "no store": (["correlations", "--store", "nowhere"], "nowhere"),
    "no file": (["claims", "--from", "nowhere.csv"], "nowhere.csv"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence(name, explorer, sweep, store_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, part = BAD[name]
    places = {"{sweep}": str(sweep), "{store}": store_folder}
    code, out, err = explorer(*[places.get(str(a), a) for a in arguments])
    assert code == 2
    assert not out
    assert part in err
    assert err.startswith("explorer: ")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_poor_files_get_flagged_results_or_one_sentence(explorer, tmp_path):
    """One condition, one seed, all diverged, a duplicate: never a traceback, never a nan."""
    trials = plant(replace(LAW, learning_rates=(0.1,), momenta=(0.9,)), 1).landscape.trials
    one = trials[trials["train_size"] == 1000]
    files = {
        "one condition": (one, 0),
        "one seed": (trials[trials["seed"] == 0], 0),
        "one trial": (one.head(1), 0),
        "all diverged": (one.assign(status="diverged"), 0),
        "duplicate with another result": (
            pd.concat([one, one.head(1).assign(test_accuracy=0.9)]),
            2,
        ),
        "batch size above N": (one.assign(batch_size=one["batch_size"] + 1000), 2),
        "text for a number": (one.astype({"test_accuracy": object}).assign(test_accuracy="x"), 2),
    }
    for name, (frame, expected) in files.items():
        path = tmp_path / f"{name}.csv"
        frame[[*COLUMNS, "status"]].to_csv(path, index=False)
        for command in (["fit-scaling"], ["correlations"], ["claims"], ["suggest", *ASKED]):
            code, out, err = explorer(*command, "--from", path)
            assert code == expected, (name, command, err)
            assert "Traceback" not in err
            assert not re.search(r"\bnan\b", out), (name, command, out)
            if expected:
                assert len(err.splitlines()) == 1
                assert path.name in err
