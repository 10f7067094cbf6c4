"""The three tables re-checked: counts against a plain re-reading, verdicts, text and JSON."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.published import PrintedRow, read_printed, recheck_published, to_json, to_text
from analysis.published.closed_forms import check_closed_forms
from analysis.published.printed_values import DATA_FILE
from explorer.errors import InputError


@pytest.fixture(scope="module")
def check():
    return recheck_published()


@pytest.fixture(scope="module")
def verdicts(check):
    return {claim.source: claim for claim in check.claims}


def plain_reading():
    """The file by csv alone, p by scipy's t, intervals by half a unit of the last digit."""
    with DATA_FILE.open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    for row in rows:
        digits, exponent = row["p"].split("e")
        row["p_low"] = (float(digits) - (0.005 if digits == "1.0" else 0.05)) * 10.0 ** int(
            exponent
        )
        row["p_high"] = (float(digits) + 0.05) * 10.0 ** int(exponent)
        ends = abs(float(row["rho"])) + np.array([0.005, -0.005])
        n, ends = int(row["n_nominal"]), np.minimum(ends, 1 - 1e-16)
        low, high = 2 * stats.t.sf(ends * np.sqrt((n - 2) / (1 - ends**2)), n - 2)
        row["fits"] = bool(low <= row["p_high"] and row["p_low"] <= high)
    return rows


def test_rows_that_fit_agree_with_a_plain_reading(check):
    expected = [row["fits"] for row in plain_reading()]
    assert [row.fits for row in check.rows] == expected


def test_counts_by_table(check):
    """Our own reading, made by other means: 74 of 80, 74 of 80, 3 of 4; one exponent impossible."""
    counted = {
        t.table: (t.n_rows, t.n_fit, t.n_fit_elsewhere, t.n_impossible) for t in check.tables
    }
    assert counted == {1: (80, 74, 6, 0), 2: (80, 74, 5, 1), 3: (4, 3, 1, 0)}
    assert {t.table: t.n_exact_tied for t in check.tables} == {1: 71, 2: 73, 3: None}
    for t in check.tables:
        assert t.n_not_fit == t.n_rows - t.n_fit == t.n_fit_elsewhere + t.n_impossible
        assert t.n_exact is None or t.n_exact <= t.n_exact_tied <= t.n_fit


def test_the_impossible_p_would_fit_with_another_exponent(check):
    (row,) = [row for row in check.rows if not row.possible]
    assert row.row.label == "ResNet-110 CIFAR-100, batch_size 288"
    assert row.corrections == ("1.5e-8",)


def test_missing_networks(check):
    assert check.n_models == 1600
    assert (check.n_missing_least, check.n_missing_by_batch_size) == (11, 11)
    assert check.n_missing_attainable == 13
    found = {(m.architecture, m.dataset, m.basis): m for m in check.missing}
    vgg = found["VGG-19", "CIFAR-100", "ranges"]
    assert (vgg.by_learning_rate, vgg.by_batch_size, vgg.pooled, vgg.least) == (7, 7, 3, 7)
    rates = (0.17, 0.18, 0.19, 0.2)
    assert vgg.cells == tuple([(64.0, r) for r in rates] + [(80.0, r) for r in rates[1:]])
    assert found["ResNet-110", "CIFAR-100", "ranges"].cells == ((96.0, 0.01), (208.0, 0.01))
    assert found["VGG-19", "CIFAR-10", "attainable values"].cells == ((96.0, 0.11), (96.0, 0.12))
    assert found["ResNet-110", "CIFAR-10", "ranges"].least == 0


def test_verdicts(verdicts):
    almost = verdicts["He, Liu & Tao 2019, tables 1 and 2"]
    below = sum(row["p_high"] < 0.005 for row in plain_reading() if row["table"] != "3")
    assert (almost.verdict, almost.n, almost.figures["n_below"]) == ("supported", 160, below)
    assert below == 155
    pooled = verdicts["He, Liu & Tao 2019, table 3"]
    assert (pooled.verdict, pooled.figures["n_below"]) == ("refuted", 3)
    sizes = verdicts["He, Liu & Tao 2019, tables 1 to 3"]
    assert (sizes.verdict, sizes.n, sizes.figures["best_pooled_pairing"]) == ("refuted", 164, 3)
    grid = verdicts["He, Liu & Tao 2019, section on experiments"]
    assert (grid.verdict, grid.figures["n_at_most"]) == ("refuted", 1589)


def test_the_order_of_rows_changes_nothing_but_the_order(check):
    rows = list(read_printed())
    np.random.default_rng(6).shuffle(rows)
    other = recheck_published(rows)
    assert other.tables == check.tables
    assert other.missing == check.missing
    assert [c.verdict for c in other.claims] == [c.verdict for c in check.claims]
    assert sorted(map(repr, other.rows)) == sorted(map(repr, check.rows))


def honest_tables(n=12):
    """Tables printed from a whole grid with strong correlations, no network missing."""
    rng = np.random.default_rng(7)
    rates, sizes = 0.01 * np.arange(1, n + 1), 16.0 * np.arange(1, n + 1)
    accuracy = np.log(rates)[:, None] - np.log(sizes)[None, :]
    accuracy = accuracy + rng.normal(0, 0.15, accuracy.shape)

    def row(table, kind, fixed, x, y, size):
        s = stats.spearmanr(x, y)
        text = (f"{s.statistic:.2f}", f"{s.pvalue:.1e}")
        return PrintedRow(table, kind, fixed, "data", "net", *text, size)

    rows = [row(1, "batch_size", float(rates[i]), sizes, accuracy[i], n) for i in range(n)]
    rows += [row(2, "learning_rate", float(sizes[j]), rates, accuracy[:, j], n) for j in range(n)]
    ratio = sizes[None, :] / rates[:, None]
    return [*rows, row(3, "ratio", None, ratio.ravel(), accuracy.ravel(), n * n)]


def test_tables_of_a_whole_grid_are_found_whole():
    found = recheck_published(honest_tables())
    assert all(row.fits for row in found.rows)
    assert found.n_missing_least == found.n_missing_attainable == 0
    verdict = {claim.source: claim.verdict for claim in found.claims}
    assert verdict["He, Liu & Tao 2019, tables 1 to 3"] == "supported"
    assert verdict["He, Liu & Tao 2019, section on experiments"] == "supported"
    assert "p values that do not fit" not in to_text(found)


def test_what_rounding_decides_is_called_so():
    rows = [r if r.kind != "ratio" else replace(r, p="1.0e-180") for r in read_printed()]
    grid = [r for r in rows if (r.architecture, r.dataset) == ("VGG-19", "CIFAR-100")]
    found = {c.source: c.verdict for c in recheck_published(grid).claims}
    assert found["He, Liu & Tao 2019, table 3"] == "not decidable here"


def test_rows_without_a_kind_are_refused():
    rows = [row for row in read_printed() if row.kind != "ratio"]
    with pytest.raises(InputError, match="no coefficient of kind ratio"):
        recheck_published(rows)


def test_formulas():
    """Expectations by scipy's half-normal law; the density's integral by summing a fine grid."""
    found = {claim.source: claim for claim in check_closed_forms()}
    mean = found["Gao & Zhong, equation 4 (and 6)"]
    assert mean.figures["computed"] == pytest.approx(stats.halfnorm.mean(), rel=1e-9)
    distance = found["Gao & Zhong, equation 28"]
    assert distance.figures["computed"] == pytest.approx(stats.halfnorm.mean(scale=0.5), rel=1e-9)
    for claim in (mean, distance):
        assert claim.verdict == "refuted"
        assert claim.figures["printed_over_computed"] == pytest.approx(np.sqrt(2.0), rel=1e-9)
    density = found["Gao & Zhong, equation 3"]
    assert density.verdict == "refuted"
    g = np.linspace(-120, 120, 200_001)
    for n in (1, 4, 16, 64):
        printed = np.sqrt(n / (2 * np.pi)) / 1.3 * np.exp(-0.5 * (g / (1.3 * np.sqrt(n))) ** 2)
        total = printed.sum() * (g[1] - g[0])
        assert density.figures[f"integral_n{n}"] == pytest.approx(total, rel=1e-9)
    bound = found["He, Liu & Tao 2019, corollary 1"]
    assert bound.verdict == "supported"
    assert bound.figures["largest_log_distance"] < 1e-4


def test_json_is_strict_and_whole(check):
    def refuse(name):
        raise AssertionError(name)

    read = json.loads(to_json(check), parse_constant=refuse)
    assert len(read["rows"]) == 164
    first = read["rows"][0]
    assert first["fixed"] == {"learning_rate": 0.01}
    assert first["log10_p_low"] == check.rows[0].log10_p_low
    assert read["rows"][-1]["fixed"] == {}
    perfect = next(row for row in read["rows"] if row["rho"] == "-1.00")
    assert perfect["log10_p_low"] is None
    assert [claim["verdict"] for claim in read["claims"]] == [c.verdict for c in check.claims]
    assert read["n_missing_least"] == 11


def test_text_says_what_was_found(check):
    text = to_text(check)
    lines = text.splitlines()
    table = next(line for line in lines if line.startswith("2      learning_rate"))
    assert table.split() == ["2", "learning_rate", "80", "74", "5", "1", "62", "73", "76"]
    assert any(line.split()[-1] == "369-397" for line in lines if "all cells" in line)
    assert "none (p = 1.5e-8 would)" in text
    assert "2.84e-195 - 2.82e-181" in text
    assert text.count("refuted: ") == sum(c.verdict == "refuted" for c in check.claims) == 6
    assert text.count("supported: ") == 2
    assert "B 96 eps 0.01, B 208 eps 0.01" in text
    assert "nan" not in text
