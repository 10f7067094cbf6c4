"""Pages of studies with little or nothing in them."""

from dataclasses import replace

import pytest

from analysis.landscape import Landscape
from analysis.planted import PlantedLaw, plant
from analysis.report.contents import contents
from analysis.report.page import render_page
from analysis.scaling import ScalingReport

SPARSE = {
    "empty": (
        "holds no trial and no plan",
        "No trial was found",
        "The correlation claims could not be tested",
        "Nothing has finished",
    ),
    "one cell": (
        "The highest mean is",
        "no condition has a peak inside its sampled batch sizes",
        "No axis was varied",
        "too few cells",
    ),
    "single seed": (
        "Every cell holds a single seed, so no mean has an error",
        "so the curves are single runs",
    ),
    "diverged": (
        "Every trial diverged, so no place can be called best",
        "60 of 60 trials diverged and count at chance",
        "so there is no law to draw",
    ),
    "failed": (
        "completed 0 diverged 0 failed 60",
        "60 trials failed: `explorer show` tells why",
        "no stratum has enough cells with different results",
    ),
    "no training accuracy": (
        "The highest mean is",
        "Whether it is under-training cannot be told",
    ),
}
#: The figures that are drawn in part even then.
DRAWN = {
    "empty": set(),
    "one cell": {"summary-completeness", "landscape-map", "peaks-by-learning-rate"},
    "single seed": {"landscape-map", "law-law", "collapse-collapse", "runs-learning-curves"},
    "diverged": {"landscape-map", "peaks-by-learning-rate", "runs-learning-curves"},
    "failed": {"summary-completeness"},
    "no training accuracy": {"landscape-map", "law-law", "collapse-collapse"},
}


@pytest.mark.parametrize("kind", list(SPARSE))
def test_sparse_studies_say_what_cannot_be_shown(page_of, few, study_of, kind):
    cell = (few["learning_rate"] == 0.1) & (few["batch_size"] == 32)
    trials = {
        "empty": few.iloc[:0],
        "one cell": few[cell],
        "single seed": few[few["seed"] == 0],
        "diverged": few.assign(status="diverged"),
        "failed": few.assign(status="failed"),
        "no training accuracy": few.assign(train_accuracy=None),
    }[kind]
    page = page_of(study_of(trials), title=kind)
    for sentence in SPARSE[kind]:
        assert sentence in page.words()
    packs = page.packs()
    drawn = {name for name, pack in packs.items() if pack.get("specs")}
    assert drawn >= DRAWN[kind]
    # Where nothing is drawn, the page says so.
    undrawn = [a["id"] for a in page.of("figure") if not packs[a["id"]]["specs"]]
    assert page.words().count("No chart: there is nothing to draw.") == len(undrawn)
    assert kind not in {"empty", "one cell", "diverged", "failed"} or undrawn
    assert "nan" not in page.words().lower().split()


def test_a_source_without_curves_says_so(page_of, small):
    page = page_of(small, curves=None)
    assert page.words().count("holds final results only, no learning curves") >= 2
    assert len(page.packs()["landscape-map"]["specs"]) == 1
    assert page.packs()["runs-learning-curves"]["specs"] == []


def test_a_strangers_file_without_budget_has_its_page(page_of, study_from, tmp_path):
    planted = plant(PlantedLaw(n_seeds=2, learning_rates=(0.1, 0.2, 0.4)), seed=3)
    path = tmp_path / "theirs.csv"
    planted.to_csv(path)
    page = page_of(study_from(Landscape.from_file(path), None))
    words = page.words()
    assert "theirs.csv" in words
    assert "for a budget that the source does not say" in words
    assert "what was planned is not known" in words
    assert {"missing", "planned"}.isdisjoint(a.get("data-count") for a in page.of("dt"))
    seeds = page.packs()["landscape-map"]["seeds"]
    assert sum(seeds["counts"]) == 60
    assert seeds["steps"] == [[]]


def test_a_landscape_without_a_law_still_has_its_page(demo, parse_page):
    study = replace(demo, scaling=ScalingReport((), "test_accuracy"), untested="Not asked for.")
    page = parse_page(render_page(study, contents(study)))
    assert [a["id"] for a in page.of("section")] == ["summary", "claims", "runs", "terms"]
    assert "The correlation claims could not be tested. Not asked for." in page.words()
