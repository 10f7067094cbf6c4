"""The map of one group, with every seed's learning curve of every cell behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.charts.cell_curves_chart import cell_curves_panels
from analysis.charts.cell_curves_data import cell_curves_info
from analysis.charts.common import AXES, labels, number
from analysis.charts.landscape_chart import PARAMS, landscape_panels
from analysis.charts.landscape_data import LandscapeInfo, landscape_info
from analysis.charts.table import written
from analysis.landscape import CONFIGURATION_COLUMNS, Group
from analysis.report.figure import Figure, Section
from analysis.report.seed_curves import SeedCurves, seed_curves
from analysis.scaling_fit import ScalingFit

_CAPTION = (
    "Each rectangle is a cell, coloured by its mean over seeds and marked where trials diverge, "
    "where the smooth curve is not fitted and where there is no result. Round points: each row's "
    "best batch size with its 95 % interval, black inside where it is only bounded; pale band: "
    "within the near-optimal tolerance of the best; dashed line with squares: the edge of "
    "trainability. Click a cell, or pick it with the drop-downs or the arrow keys, to see its "
    "learning curves below."
)
#: Configuration columns that a cell's own facts, or the seed, tell already.
_TOLD = {"learning_rate", "momentum", "train_size", "batch_size", "seed"}


def landscape_section(
    law: ScalingFit,
    *,
    trials: pd.DataFrame,
    missing: pd.DataFrame | None,
    curves: pa.Table | None,
    most_bytes: int,
) -> Section:
    """The map with its cells' learning curves.

    Args:
        law: the group's law with its peaks.
        trials: the group's rows of a landscape.
        missing: the group's planned configurations without a result; None for a file.
        curves: columns of CURVES_SCHEMA; None where the source has none.
        most_bytes: compressed size that the learning curves may take.
    """
    info = landscape_info(law, trials=trials, missing=missing)
    if not info.cells:
        figure = _figure(info, (), {}, b"", info.notes)
        return Section(anchor="landscape", figures=(figure,))
    packed = seed_curves(info.cells, trials, curves, most_bytes=most_bytes)
    notes = list(info.notes)
    if not any(packed.steps):
        notes.append("This source holds final results only, no learning curves.")
    if packed.note:
        notes.append(packed.note)
    extra = {
        "axes": [_axis(name, info) for name in AXES],
        "row_axis": info.row_axis,
        "best": info.best,
        "facts": _facts(law.group, trials),
        "seeds": packed.header(),
    }
    panels = landscape_panels(info)
    first = _first_with_curves(info, packed)
    if first is not None:
        cell = info.cells[first]
        shown = cell_curves_info(
            trials,
            curves,
            learning_rate=cell.learning_rate,
            momentum=cell.momentum,
            train_size=cell.train_size,
            batch_size=cell.batch_size,
        )
        panels += cell_curves_panels(shown)
    figure = _figure(info, panels, extra, packed.encoded(), tuple(notes))
    return Section(anchor="landscape", figures=(figure,))


def _figure(
    info: LandscapeInfo,
    panels: tuple[Any, ...],
    extra: Mapping[str, Any],
    binary: bytes,
    notes: tuple[str, ...],
) -> Figure:
    return Figure(
        anchor="map",
        question=info.question,
        answer=info.answer,
        caption=_CAPTION,
        notes=notes,
        panels=panels,
        table=info.table(),
        kind="landscape",
        extra=extra,
        binary=binary,
    )


def _first_with_curves(info: LandscapeInfo, packed: SeedCurves) -> int | None:
    """The best cell where its curves are recorded, else the first cell with any."""
    known = [i for i, c in enumerate(info.cells) if c.n and packed.steps[packed.plans[i]]]
    return info.best if info.best in known else next(iter(known), None)


def _axis(name: str, info: LandscapeInfo) -> dict[str, Any]:
    """One axis as the page's script needs it: the table's column, the drop-down, its texts."""
    param, title = PARAMS[name]
    texts = labels(getattr(c, name) for c in info.cells)
    values = {getattr(c, name) for c in info.cells}
    return {
        "name": name,
        "title": title,
        "param": param,
        "labels": {written(v): texts[v] for v in sorted(values)},
    }


def _facts(group: Group, trials: pd.DataFrame) -> list[tuple[str, str]]:
    """What all cells of the group share: its columns, and other settings with a single value."""
    facts = dict(group.columns())
    for name in CONFIGURATION_COLUMNS:
        if name not in _TOLD and name not in facts and trials[name].nunique(dropna=False) == 1:
            facts[name] = trials[name].iloc[0]
    known = {name: v for name, v in facts.items() if not (v is None or pd.isna(v) or v == "")}
    return [(name.replace("_", " "), _text(value)) for name, value in known.items()]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else number(float(value))
