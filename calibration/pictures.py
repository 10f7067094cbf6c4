"""Pictures of the measured coverage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from calibration.summary import ExponentRow, LandmarkRow

_NAMES = {
    "edge": "edge of trainability",
    "near_optimal_low": "near-optimal from",
    "optimum": "B_opt",
    "near_optimal_high": "near-optimal to",
    "half_fall": "right half-fall",
}
_SYMBOLS = {"learning_rate": "eps", "train_size": "N", "momentum": "1/(1-m)"}


def draw(
    exponents: Sequence[ExponentRow], landmarks: Sequence[LandmarkRow], folder: Path
) -> tuple[Path, Path]:
    """Write calibration_exponents.svg and calibration_landmarks.svg."""
    first = [
        {
            "family": r.family,
            "panel": f"exponent of {_SYMBOLS[r.axis]}",
            "seeds": f"{r.n_seeds} seeds",
            "cover": r.cover.share,
            "low": r.cover.low,
            "high": r.cover.high,
        }
        for r in exponents
        if r.landmark == "optimum"
    ]
    second = [
        {
            "family": r.family,
            "panel": _NAMES[r.landmark],
            "seeds": f"{r.n_seeds} seeds",
            "cover": r.cover.share,
            "low": r.cover.low,
            "high": r.cover.high,
        }
        for r in landmarks
    ]
    paths = folder / "calibration_exponents.svg", folder / "calibration_landmarks.svg"
    titles = (
        "How often the 95 % intervals of the exponents hold the truth",
        "How often the 95 % intervals of single conditions hold the truth",
    )
    for rows, title, path in zip((first, second), titles, paths, strict=True):
        _chart(pd.DataFrame(rows), title).save(str(path))
    return paths


def _chart(rows: pd.DataFrame, title: str) -> Any:
    """Dots with Monte-Carlo intervals, one panel an exponent or a landmark."""
    low = min(0.85, float(rows["low"].min()))
    scale = alt.Scale(domain=[low, 1.0])
    # A grid of panels needs every one: those without a figure stay empty.
    panels, families = list(dict.fromkeys(rows["panel"])), list(dict.fromkeys(rows["family"]))
    every = pd.MultiIndex.from_product([families, panels], names=["family", "panel"])
    rows = every.to_frame(index=False).merge(rows, how="left", on=["family", "panel"])
    rows["seeds"] = rows["seeds"].fillna("5 seeds")
    rows = rows.assign(aim_low=0.93, aim_high=0.97)
    # The layers have no data of their own, so that each panel shows its own rows.
    base = alt.Chart().encode(
        y=alt.Y("seeds:N", title=None, sort=["3 seeds", "5 seeds", "10 seeds"]),
        color=alt.Color("seeds:N", legend=None, scale=alt.Scale(scheme="viridis")),
    )
    band = (
        alt.Chart()
        .mark_rect(color="#888", opacity=0.1)
        .encode(x=alt.X("aim_low:Q", scale=scale), x2="aim_high:Q")
    )
    interval = base.mark_rule().encode(
        x=alt.X("low:Q", scale=scale, title="coverage (grey: 0.93 to 0.97)"), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=50).encode(
        x="cover:Q",
        shape=alt.Shape("seeds:N", legend=None),
    )
    return (
        alt.layer(band, interval, dots, data=rows)
        .properties(width=150, height=55)
        .facet(
            column=alt.Column("panel:N", title=None, sort=panels),
            row=alt.Row(
                "family:N",
                title=None,
                sort=families,
                header=alt.Header(labelAngle=0, labelAlign="left"),
            ),
        )
        .properties(title=title)
    )
