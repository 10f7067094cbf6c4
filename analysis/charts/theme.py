"""One look for all charts, in a light and a dark version; and pictures without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import altair as alt
import vl_convert

from explorer.errors import EnvironmentFailure, InputError

#: Viridis without the end that would vanish in the page's background.
_EXTENT = {"light": [0.0, 0.88], "dark": [0.32, 1.0]}
_INK = {"light": "#1d2126", "dark": "#e4e6ea"}
_MUTED = {"light": "#5b636e", "dark": "#a2aab5"}
_GRID = {"light": "#e6e8eb", "dark": "#2c3138"}
_PAPER = {"light": "#ffffff", "dark": "#15181c"}

Mode = Literal["light", "dark"]


def config(mode: Mode, font: str = "system-ui, sans-serif") -> dict[str, Any]:
    """Vega-Lite `config` of all charts.

    Args:
        mode: `light` or `dark`.
        font: CSS font family; static pictures name one that the renderer knows.
    """
    ink, muted, grid = _INK[mode], _MUTED[mode], _GRID[mode]
    ramp = {"scheme": "viridis", "extent": _EXTENT[mode]}
    return {
        "background": "transparent",
        "font": font,
        "view": {"stroke": None},
        "axis": {
            "labelColor": muted,
            "titleColor": ink,
            "labelFontSize": 12,
            "titleFontSize": 13,
            "titleFontWeight": 500,
            "titlePadding": 10,
            "gridColor": grid,
            "domainColor": muted,
            "tickColor": muted,
            "labelOverlap": "greedy",
            "labelSeparation": 6,
        },
        "axisY": {"domain": False, "ticks": False, "labelPadding": 6},
        "axisX": {"grid": False, "labelPadding": 4},
        "legend": {
            "labelColor": muted,
            "titleColor": ink,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": 500,
            "symbolStrokeWidth": 1.5,
            "symbolOpacity": 1,
            "symbolBaseFillColor": muted,
            "symbolBaseStrokeColor": muted,
            "orient": "bottom",
            "direction": "horizontal",
            "columnPadding": 14,
            "rowPadding": 5,
        },
        "range": {"category": ramp, "ordinal": ramp, "ramp": ramp, "heatmap": ramp},
        "text": {"color": ink, "fontSize": 12},
        "style": {
            "reference": {"color": muted, "strokeWidth": 1.4},
            "note": {"color": muted, "fontSize": 11.5},
            "band": {"color": muted, "opacity": 0.2},
        },
    }


def save_static(
    chart: alt.Chart | alt.LayerChart, path: Path | str, *, width: int = 720, mode: Mode = "light"
) -> Path:
    """Render a chart to SVG or PNG without a browser, on an opaque background.

    Args:
        chart: one of this package's charts; its container width is replaced.
        path: file to write; the suffix `.svg` or `.png` decides the format.
        width: width of the plotting area, pixels.
        mode: `light` or `dark`.

    Raises:
        InputError: the suffix is neither `.svg` nor `.png`.
        EnvironmentFailure: the file could not be written.
    """
    path = Path(path)
    spec = chart.to_dict()
    spec["width"] = width
    look = {**config(mode, font="sans-serif"), "background": _PAPER[mode], "padding": 12}
    if path.suffix == ".svg":
        picture = vl_convert.vegalite_to_svg(spec, config=look).encode()
    elif path.suffix == ".png":
        picture = vl_convert.vegalite_to_png(spec, config=look, scale=2.0)
    else:
        raise InputError(f"{path}: a picture's name ends in .svg or .png, not {path.suffix!r}.")
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise EnvironmentFailure(f"{path}: could not be written ({error.strerror}).") from error
    return path
