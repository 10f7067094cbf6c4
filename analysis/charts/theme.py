"""One look for all charts, in a light and a dark version; and pictures without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import vl_convert

from analysis.charts.common import AnyChart
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
        "background": _PAPER[mode],
        "font": font,
        "view": {"stroke": None},
        "title": {
            "color": ink,
            "subtitleColor": muted,
            "fontSize": 13,
            "fontWeight": 500,
            "subtitleFontSize": 11.5,
            "subtitlePadding": 4,
            "anchor": "start",
            "frame": "bounds",
            "offset": 10,
        },
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
            "labelLimit": 280,
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


def svg(chart: AnyChart, *, width: int = 720, mode: Mode = "light") -> str:
    """Draw a chart as SVG without a browser, on an opaque background.

    Args:
        chart: one of this package's charts; its container width is replaced.
        width: width of the plotting area, pixels; panels side by side share it.
        mode: `light` or `dark`.
    """
    spec = chart.to_dict()
    panels = spec.get("hconcat", [spec])
    each = max(220, (width - 60 * (len(panels) - 1)) // len(panels))
    for panel in panels:
        panel["width"] = each
    look = {**config(mode, font="sans-serif"), "padding": 12}
    direction = "vertical" if each < 480 else "horizontal"
    look["legend"]["layout"] = {"bottom": {"direction": direction, "anchor": "start", "margin": 14}}
    return str(vl_convert.vegalite_to_svg(spec, config=look))


def png(picture: str) -> bytes:
    """An SVG as PNG, two pixels a unit."""
    return bytes(vl_convert.svg_to_png(picture, scale=2.0))


def save_static(
    chart: AnyChart, path: Path | str, *, width: int = 720, mode: Mode = "light"
) -> Path:
    """Draw a chart to an SVG or PNG file without a browser; see `svg`.

    Args:
        chart: one of this package's charts.
        path: file to write; the suffix `.svg` or `.png` decides the format.
        width: width of the plotting area, pixels; panels side by side share it.
        mode: `light` or `dark`.

    Raises:
        InputError: the suffix is neither `.svg` nor `.png`.
        EnvironmentFailure: the file could not be written.
    """
    path = Path(path)
    if path.suffix not in (".svg", ".png"):
        raise InputError(f"{path}: a picture's name ends in .svg or .png, not {path.suffix!r}.")
    picture = svg(chart, width=width, mode=mode)
    try:
        path.write_bytes(picture.encode() if path.suffix == ".svg" else png(picture))
    except OSError as error:
        raise EnvironmentFailure(f"{path}: could not be written ({error.strerror}).") from error
    return path
