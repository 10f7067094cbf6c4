"""A p printed from data is never doubted at its own n; other p are, as brute force says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.published.printed_values import PrintedRow
from analysis.published.row_check import check_row, fits_at
from explorer.errors import InputError


def printed(rho, p, n, kind="batch_size"):
    fixed = None if kind == "ratio" else 0.1
    return PrintedRow(1, kind, fixed, "data", "net", rho, p, n)


def as_printed(found, n):
    return f"{found.statistic:.2f}", f"{found.pvalue:.1e}", n


def test_untied_data_always_fit_their_own_size_and_are_attainable_there():
    rng = np.random.default_rng(1)
    seen = 0
    for _ in range(250):
        n = int(rng.integers(8, 21))
        x = np.arange(n)
        found = stats.spearmanr(x, -x + rng.normal(0, rng.uniform(0.5, n), n))
        if found.pvalue == 0:
            continue
        check = check_row(printed(*as_printed(found, 20)))
        assert n in check.fitting_n
        assert n in check.exact_n
        assert n in check.exact_n_tied
        assert check.possible
        assert check.fits == (20 in check.fitting_n)
        assert check.missing_least <= 20 - n
        seen += 1
    assert seen > 240


@pytest.mark.parametrize("pairs", [1, 2])
def test_data_with_ties_fit_the_tied_list(pairs):
    rng = np.random.default_rng(2)
    only_tied = 0
    for _ in range(120):
        n = int(rng.integers(10, 21))
        order = np.argsort(np.arange(n) + rng.normal(0, n / 5, n))
        y = np.empty(n)
        y[order] = np.arange(n)
        lows = rng.choice(np.arange(0, n - 1, 2), size=pairs, replace=False)
        for low in lows:
            y[y == low + 1] = low
        check = check_row(printed(*as_printed(stats.spearmanr(np.arange(n), y), 20)))
        assert n in check.exact_n_tied
        only_tied += n not in check.exact_n
    assert only_tied > 5  # the two lists do differ


def test_fits_agrees_with_trying_every_coefficient():
    """Brute force: coefficients all through the rounding interval, p by scipy, print by Python."""
    rng = np.random.default_rng(3)
    n_fit = 0
    for _ in range(60):
        n = int(rng.integers(4, 21))
        magnitude = round(float(rng.uniform(0.3, 0.97)), 2)
        rho = np.linspace(magnitude - 0.005, magnitude + 0.005, 20_001)
        p = 2 * stats.t.sf(rho * np.sqrt((n - 2) / (1 - rho**2)), n - 2)
        shown = f"{float(rng.choice(p)) * float(rng.choice([0.5, 0.9, 1.0, 1.1, 2.0])):.1e}"
        low, high = float(shown) * (1 - 1e-9), float(shown) * (1 + 1e-9)
        brute = any(low < float(f"{v:.1e}") < high for v in (p.min(), p.max())) or (
            p.min() < float(shown) < p.max()
        )
        assert fits_at(f"{magnitude:.2f}", shown, n) == brute
        assert fits_at(f"-{magnitude:.2f}", shown, n) == brute
        n_fit += brute
    assert 15 < n_fit < 50


def test_a_misprinted_exponent_is_impossible_and_the_right_one_is_found():
    n = 20
    found = stats.spearmanr(np.arange(n), [*range(2, n), 1, 0])
    rho, p, _ = as_printed(found, n)
    digits, exponent = p.split("e")
    check = check_row(printed(rho, f"{digits}e{int(exponent) - 12}", n))
    assert not check.possible
    assert not check.fits
    assert check.missing_least is None
    assert check.fitting_n == check.exact_n == ()
    assert check.corrections == (f"{digits}e{int(exponent)}",)


def test_a_pooled_row_is_scanned_from_three_quarters_of_its_size():
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(40):
        x = 1 - mpmath.mpf("0.9421") ** 2
        p = mpmath.betainc(mpmath.mpf(388 - 2) / 2, mpmath.mpf(1) / 2, 0, x, regularized=True)
        shown = mpmath.nstr(p, 2)
    check = check_row(printed("-0.94", shown, 400, kind="ratio"))
    assert 388 in check.fitting_n
    assert 300 not in check.fitting_n
    assert check.exact_n is None
    assert check.exact_n_tied is None
    assert check_row(printed("-0.10", "8.4e-2", 400, kind="ratio")).fitting_n[0] == 300


def test_coefficients_at_the_ends_of_the_scale():
    perfect = check_row(printed("-1.00", "1.9e-21", 20))
    assert perfect.log10_p_low == -np.inf
    assert perfect.fits
    none = check_row(printed("0.00", "9.9e-1", 20))
    assert none.log10_p_high == pytest.approx(0.0, abs=1e-12)
    assert none.fits
    assert check_row(printed("-0.00", "1.0e0", 20)).fits


def test_no_number_is_refused():
    with pytest.raises(InputError, match="no decimal number"):
        check_row(printed("high", "1e-3", 20))
