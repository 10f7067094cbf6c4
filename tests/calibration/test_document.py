"""From measured landscapes to the tables, the page and its pictures."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.estimates import LANDMARKS
from calibration import summary
from calibration.correlations import CorrelationRow
from calibration.families import DESCRIPTIONS, families
from calibration.monte_carlo import independent_share
from calibration.noise import recorded
from calibration.pictures import draw
from calibration.study import PEAK_SHAPES
from calibration.summary import exponent_rows, landmark_rows
from calibration.tables import document


@pytest.fixture(scope="module")
def correlated():
    share = independent_share([False] * 95 + [True] * 5)
    return [CorrelationRow("permutation", "ratio", 400, share, share, 0.5)]


def test_exponent_rows_are_plain_statistics_of_what_was_measured(results):
    rows = exponent_rows(results)
    assert {r.family for r in rows} == set(DESCRIPTIONS), "the peak tests have no exponents"
    for row in rows:
        found = results[row.family, row.n_seeds]
        values = np.array([m.exponents[row.landmark][row.axis] for m in found])
        values = values[np.isfinite(values).all(axis=1)]
        assert row.bias == pytest.approx(np.mean(values[:, 0]) - row.truth)
        assert row.sd == pytest.approx(np.std(values[:, 0], ddof=1))
        assert row.width == pytest.approx(np.mean(values[:, 2] - values[:, 1]))
        covered = (values[:, 1] <= row.truth) & (row.truth <= values[:, 2])
        exact = stats.binomtest(int(covered.sum()), len(values)).proportion_ci(method="exact")
        assert (row.cover.low, row.cover.high) == pytest.approx((exact.low, exact.high))
    axes = {r.axis for r in rows if r.family == "one axis"}
    assert axes == {"learning_rate"}


def test_landmark_rows_count_every_condition_once(results):
    rows = landmark_rows(results)
    assert {r.landmark for r in rows} == set(LANDMARKS)
    for row in rows:
        found = results[row.family, row.n_seeds]
        errors = [e for m in found for e in m.landmarks[row.landmark]]
        n_open = sum(m.n_open[row.landmark] for m in found)
        assert row.cover.n == len(errors)
        assert len(errors) + n_open == sum(m.n_conditions for m in found)
        assert row.open_share == pytest.approx(n_open / (len(errors) + n_open))
        assert row.bias == pytest.approx(np.mean([e.error for e in errors]))
        assert row.cover.share == pytest.approx(np.mean([e.covered for e in errors]))


def test_test_rows_are_rejections_at_five_percent(results):
    rows = summary.test_rows(results)
    for row in rows:
        found = results[row.family, row.n_seeds]
        if row.what == "all exponents are 1":
            p = [m.tests["joint"] for m in found]
            assert row.rejected.share == pytest.approx(np.mean(np.array(p) < 0.05))
    peaks = {r.family: r for r in rows if r.what == "monotone"}
    assert set(peaks) == {f"peak {shape}" for shape in PEAK_SHAPES}
    # What need not be uniform has no test of it.
    assert np.isfinite(peaks["peak flat"].ks)
    assert np.isnan(peaks["peak falling"].ks)
    assert peaks["peak steep_between"].rejected.share > 0.8
    two = {r.what: r for r in rows if r.family == "two laws"}
    moves = two["B_opt/B_edge does not depend on train_size"]
    assert moves.rejected.share == 1.0
    assert np.isnan(moves.ks)
    power = [r for r in rows if r.family == "power N 0.5" and "train_size" in r.what]
    assert [r.rejected.share for r in power] == [1.0]


def tables_of(page: str) -> list[list[list[str]]]:
    """Tables as lists of rows of cells."""
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", page, flags=re.MULTILINE)
    return [
        [[c.strip() for c in line.strip("|").split("|")] for line in block.splitlines()]
        for block in blocks
    ]


def test_the_page_is_markdown_whose_tables_hold_numbers(results, correlated):
    page = document(results, correlated, recorded(), 12.0, "2 cores, Python 3.11")
    assert page.startswith("# How often")
    assert page.endswith("|\n")
    assert "in 12 minutes: 2 cores, Python 3.11." in page
    assert f"{sum(map(len, results.values()))} planted landscapes" in page
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", page)
    found = tables_of(page)
    assert len(found) == 9, "families, noise, exponents twice, landmarks, tests, power, peaks, p"
    for table in found:
        assert len({len(row) for row in table}) == 1, table[0]
        assert set(table[1]) == {"---"}
        assert len(table) > 2
        assert all(cell for row in table[2:] for cell in row[:2])
    for heading in re.findall(r"^#.*$", page, flags=re.MULTILINE):
        assert f"\n\n{heading}\n\n" in f"\n\n{page}"
    head, _, *rows = found[2]
    assert head[-2:] == ["coverage", "mean width"]
    for row in rows:
        assert re.fullmatch(r"[01]\.\d{3} \[[01]\.\d{3}, [01]\.\d{3}\]", row[-2])
        float(row[-1])
    assert {row[0] for row in rows} == set(DESCRIPTIONS)


def test_the_summary_counts_rows_outside(results, correlated):
    page = document(results, correlated, [], 1.0, "x")
    mine = [e for e in exponent_rows(results) if e.landmark == "optimum"]
    outside = [e for e in mine if not 0.93 <= e.cover.share <= 0.97]
    summary = next(line for line in page.splitlines() if line.startswith("**In short.**"))
    assert f"in {len(mine)} rows; {len(outside)} rows lie outside 0.93 to 0.97" in summary
    low = min(e.cover.share for e in mine)
    assert f"cover {low:.3f} to" in summary


def test_each_figure_of_the_page_is_that_of_its_row(results, correlated):
    page = document(results, correlated, [], 1.0, "x")
    for row in exponent_rows(results):
        if row.landmark == "optimum":
            symbol = {"learning_rate": "eps", "train_size": "N", "momentum": "1/(1-m)"}[row.axis]
            line = (
                f"| {row.family} | {row.n_seeds} | {symbol} | {row.truth:.2f} | {row.bias:+.3f} |"
                f" {row.sd:.3f} | {row.cover.text} | {row.width:.2f} |"
            )
            assert line in page.splitlines()


def test_families_stopped_early_still_give_a_page(results, correlated):
    """Two landscapes of each, and a family whose landmark is open everywhere."""
    few = {key: found[:2] for key, found in results.items()}
    key = ("one law", 5)
    none = dict.fromkeys(LANDMARKS, ())
    few[key] = [replace(m, landmarks=none) for m in few[key]]
    page = document(few, correlated, [], 1.0, "x")
    assert not re.search(r"\bnan\b", page)


def test_pictures_are_svg_with_a_panel_for_each_exponent(results, tmp_path):
    paths = draw(exponent_rows(results), landmark_rows(results), tmp_path)
    assert [p.name for p in paths] == ["calibration_exponents.svg", "calibration_landmarks.svg"]
    texts = []
    for path in paths:
        root = ElementTree.fromstring(path.read_text())
        assert root.tag.endswith("svg")
        texts.append(" ".join(e.text or "" for e in root.iter() if e.tag.endswith("text")))
        assert all(family in texts[-1] for family in families(5))
        assert "NaN" not in path.read_text()
    assert all(f"exponent of {s}" in texts[0] for s in ("eps", "N", "1/(1-m)"))
    assert all(word in texts[1] for word in ("edge of trainability", "B_opt", "right half-fall"))
