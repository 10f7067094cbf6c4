"""The document docs/calibration.md: what was measured, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from calibration.correlations import CorrelationRow
from calibration.families import DESCRIPTIONS, families
from calibration.noise import NoiseRow
from calibration.summary import (
    ExponentRow,
    LandmarkRow,
    Results,
    TestRow,
    exponent_rows,
    landmark_rows,
    test_rows,
)

_SYMBOLS = {"learning_rate": "eps", "train_size": "N", "momentum": "1/(1-m)"}
_NAMES = {
    "optimum": "B_opt",
    "edge": "edge of trainability",
    "near_optimal_low": "low end of the near-optimal range",
    "near_optimal_high": "high end of the near-optimal range",
    "half_fall": "right half-fall",
}
_PEAKS = {
    "peak flat": "flat, no cliff",
    "peak cliff_then_flat": "a cliff, then flat",
    "peak rising": "rising by 1 point an octave",
    "peak falling": "falling by 1 point an octave",
    "peak demo": "a cliff and a gentle slope (has a peak)",
    "peak steep_between": "a peak with slopes of 3 points an octave (has a peak)",
}


def document(
    results: Results,
    correlations: Sequence[CorrelationRow],
    noise: Sequence[NoiseRow],
    minutes: float,
    machine: str,
) -> str:
    """The whole page as Markdown."""
    exponents, marks, tests = exponent_rows(results), landmark_rows(results), test_rows(results)
    main = [m for (name, _), found in results.items() if _main(name) for m in found]
    seconds = sorted(m.seconds for m in main)
    landscapes = sum(len(found) for found in results.values())
    parts = [
        "# How often the intervals and tests are right",
        f"Written by `make calibrate` on {date.today():%d %B %Y} in {minutes:.0f} minutes:"
        f" {machine}."
        f" {landscapes:,} planted landscapes were analysed as the command line would analyse them"
        f" ({seconds[len(seconds) // 2]:.1f} s each in the median). Brackets hold 95 % Monte-Carlo"
        " intervals: Clopper & Pearson's for independent landscapes, a ratio estimate clustered by"
        " landscape where the conditions of one landscape are counted.",
        _worst(exponents, tests),
        "## The families\n\n"
        + _table(
            ["family", "what is planted"], [[name, text] for name, text in DESCRIPTIONS.items()]
        ),
        "Every family but the last has 48 conditions: 4 learning rates, 4 momenta and 3 sizes N in"
        " octaves. Batch sizes are whole numbers in half octaves from 1/8 (two laws: 1/16) to 8"
        " times the expected peak, at most N, in a phase drawn for each condition. Each condition's"
        " peak is shifted by a draw of 0.05 in ln B. 5 % of the trials are missing, and trials half"
        " an octave below the middle of the cliff diverge.",
        _noise(noise),
        "![Coverage of the exponents' intervals](images/calibration_exponents.svg)",
        "## Exponents of B_opt\n\n" + _exponents([e for e in exponents if e.landmark == "optimum"]),
        "## Exponents of the other landmarks (5 seeds)\n\n"
        "True values are the least-squares laws of the planted landmarks; the half-fall is measured"
        " to the largest batch size, which cannot exceed N, so its law is not exact.\n\n"
        + _exponents([e for e in exponents if e.landmark != "optimum" and e.n_seeds == 5], True),
        "## Landmarks of single conditions\n\n"
        "Errors in octaves, against each condition's own realized value. z is the standard"
        " deviation of error / stated standard error: 1 would be right. Open conditions (the"
        " landmark may lie beyond the sampled batch sizes) have no interval to judge.\n\n"
        "![Coverage of the landmarks' intervals](images/calibration_landmarks.svg)\n\n"
        + _landmarks(marks),
        "## Tests of the exponents, at 5 %\n\n"
        + _tests([t for t in tests if not t.family.startswith(("peak", "power"))]),
        "## Power\n\nOne exponent is planted at 0.8 or 0.5, the others at 1; 48 conditions, 5"
        " seeds.\n\n" + _power([t for t in tests if t.family.startswith("power")]),
        "## Is there a peak? at 5 %\n\n"
        "Seven conditions a landscape. Where a cliff was sampled the hypothesis is that accuracy"
        " never falls beyond it, else that it never falls or never rises; flat is its hardest"
        " case, and the p values of flat curves should be uniform. On slopes the test is"
        " conservative. p is 1 where no cell lies below an earlier one by more than the best"
        " monotone curve allows, so uniformity is tested below 0.5. A step of one or two standard"
        " errors between the first two cells of an"
        " otherwise flat curve without a cliff is rejected up to 10 % of the time"
        " (tests/analysis/test_peak_test.py).\n\n"
        + _tests([t for t in tests if t.family.startswith("peak")], _PEAKS),
        "## p values of the correlation tests under no effect\n\n" + _correlations(correlations),
    ]
    return "\n\n".join(parts) + "\n"


def _main(family: str) -> bool:
    return family in families(5)


def _worst(exponents: Sequence[ExponentRow], tests: Sequence[TestRow]) -> str:
    mine = [e for e in exponents if e.landmark == "optimum"]
    outside = [e for e in mine if not 0.93 <= e.cover.share <= 0.97]
    clear = [e for e in outside if e.cover.high < 0.93 or e.cover.low > 0.97]
    shares = [e.cover.share for e in mine]
    true = [t for t in tests if t.what.startswith(("all exp", "the exp")) and _main(t.family)]
    rejected = [t.rejected.share for t in true]
    wrong = [t for t in true if not 0.03 <= t.rejected.share <= 0.07]
    return (
        f"**In short.** The intervals of B_opt's exponents cover {min(shares):.3f} to"
        f" {max(shares):.3f} (median {sorted(shares)[len(shares) // 2]:.3f}) in {len(mine)} rows;"
        f" {len(outside)} rows lie outside 0.93 to 0.97, {len(clear)} of them by more than their"
        f" Monte-Carlo interval allows. Tests of true exponents at 5 % reject"
        f" {min(rejected):.3f} to {max(rejected):.3f} of the time; {len(wrong)} of {len(true)} rows"
        " lie outside 0.03 to 0.07."
    )


def _noise(rows: Sequence[NoiseRow]) -> str:
    if not rows:
        return (
            "The planted noise is 0.009 in accuracy on the trained side and three times that in the"
            " middle of the cliff."
        )
    shown = [
        [r.study, r.where, f"{r.deviation:.4f}", str(r.n_cells), str(r.degrees_of_freedom)]
        for r in rows
    ]
    return (
        "The planted noise is 0.009 in accuracy on the trained side and three times that in the"
        " middle of the cliff, as real sweeps show (standard deviation between seeds, pooled over"
        " cells):\n\n" + _table(["study", "cells", "deviation", "cells", "freedom"], shown)
    )


def _exponents(rows: Sequence[ExponentRow], landmark: bool = False) -> str:
    head = ["family", "seeds", *(["landmark"] if landmark else []), "exponent of", "true", "bias"]
    head += ["sd", "coverage", "mean width"]
    return _table(
        head,
        [
            [
                r.family,
                str(r.n_seeds),
                *([_NAMES[r.landmark]] if landmark else []),
                _SYMBOLS[r.axis],
                f"{r.truth:.2f}",
                f"{r.bias:+.3f}",
                f"{r.sd:.3f}",
                r.cover.text,
                f"{r.width:.2f}",
            ]
            for r in rows
        ],
    )


def _landmarks(rows: Sequence[LandmarkRow]) -> str:
    head = ["family", "seeds", "landmark", "bias", "sd", "coverage", "median width", "z", "open"]
    return _table(
        head,
        [
            [
                r.family,
                str(r.n_seeds),
                _NAMES[r.landmark],
                f"{r.bias:+.2f}",
                f"{r.sd:.2f}",
                r.cover.text,
                f"{r.width:.2f}",
                f"{r.z:.2f}",
                f"{100 * r.open_share:.0f} %",
            ]
            for r in rows
        ],
    )


def _tests(rows: Sequence[TestRow], names: dict[str, str] | None = None) -> str:
    head = ["family", "seeds", "hypothesis", "rejected", "uniform: KS p"]
    shown = []
    for r in rows:
        ks = f"{r.ks:.2g}" if r.ks == r.ks else ""
        family = (names or {}).get(r.family, r.family)
        what = r.what
        for axis, symbol in _SYMBOLS.items():
            what = what.replace(axis, symbol)
        shown.append([family, str(r.n_seeds), what, r.rejected.text, ks])
    return _table(head, shown)


def _power(rows: Sequence[TestRow]) -> str:
    shown = []
    for r in rows:
        _, axis, exponent = r.family.split()
        if r.what.startswith("all") or _axis(axis) in r.what:
            what = "joint test" if r.what.startswith("all") else f"test of {axis}"
            shown.append([f"exponent of {axis}: {exponent}", what, r.rejected.text])
    return _table(["planted", "test", "rejected"], shown)


def _axis(symbol: str) -> str:
    return {v: k for k, v in _SYMBOLS.items()}[symbol]


def _correlations(rows: Sequence[CorrelationRow]) -> str:
    return _table(
        ["p value", "kind of group", "n", "below 0.05", "below 0.005", "uniform: KS p"],
        [[r.p_value, r.kind, str(r.n), r.at_5.text, r.at_half.text, f"{r.ks:.2g}"] for r in rows],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
