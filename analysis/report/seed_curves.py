"""Every seed's learning curve in few bytes, for the page to show those of a chosen cell."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.charts.cell_curves_data import SETS
from analysis.charts.landscape_data import LandscapeCell
from analysis.landscape import CONDITION_COLUMNS

#: What stands for "not recorded".
ABSENT = 65_535

#: Tried in this order until the curves fit: accuracy that 1 stands for, evaluations a trial.
_LADDER = (
    (1e-4, 10_000),
    (1e-3, 10_000),
    (1e-3, 20),
    (2e-3, 10),
    (2e-3, 7),
    (2e-3, 5),
    (2e-3, 3),
    (2e-3, 1),
)

_CELL = [*CONDITION_COLUMNS, "batch_size"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedCurves:
    """Curves of the cells of one map.

    Attributes:
        resolution: accuracy that one unit of `values` stands for.
        steps: evaluation steps, each list once; those of `plans` point here. Empty in a list
            without evaluations: only final accuracies are known.
        plans: for each cell the number of its list in `steps`.
        counts: for each cell its trials.
        seeds, statuses: for each trial, cell after cell.
        values: for each cell an array of shape (trials, 2, evaluations + 1), test before training,
            the final accuracy last; in units of `resolution`, ABSENT where nothing is recorded.
            The cells' arrays one after the other, flat.
        note: what was rounded or left out; empty where nothing.
    """

    resolution: float
    steps: tuple[tuple[int, ...], ...]
    plans: tuple[int, ...]
    counts: tuple[int, ...]
    seeds: tuple[int, ...]
    statuses: tuple[str, ...]
    values: NDArray[np.uint16]
    note: str

    def header(self) -> dict[str, Any]:
        """All but the values, as JSON values."""
        return {
            "resolution": self.resolution,
            "sets": list(SETS.values()),
            "steps": self.steps,
            "plans": self.plans,
            "counts": self.counts,
            "seeds": self.seeds,
            "statuses": self.statuses,
        }

    def encoded(self) -> bytes:
        """The values as differences to the cell's previous trial, low bytes before high bytes.

        Seeds of one cell resemble each other, so that their differences compress well.
        """
        encoded = self.values.copy()
        start = 0
        for n, plan in zip(self.counts, self.plans, strict=True):
            width = 2 * (len(self.steps[plan]) + 1)
            block = self.values[start : start + n * width].reshape(n, width)
            encoded[start + width : start + n * width] = (block[1:] - block[:-1]).ravel()
            start += n * width
        return encoded.astype("<u2").view(np.uint8).reshape(-1, 2).T.tobytes()


def seed_curves(
    cells: Sequence[LandscapeCell],
    trials: pd.DataFrame,
    curves: pa.Table | None,
    *,
    most_bytes: int,
) -> SeedCurves:
    """Pack the curves of every trial of a map's cells, rounded and thinned until they fit.

    Args:
        cells: of the map, whose order is kept.
        trials: the group's rows of a landscape.
        curves: columns of CURVES_SCHEMA; None where the source has none.
        most_bytes: compressed size aimed at; the coarsest form is taken where none is small enough.
    """
    where = {
        (c.learning_rate, c.momentum, c.train_size, c.batch_size): i for i, c in enumerate(cells)
    }
    keys = zip(*(trials[name] for name in _CELL), strict=True)
    number = np.array([where.get(key, -1) for key in keys], dtype=np.int64)
    order = np.lexsort((trials["seed"].to_numpy(), number))
    order = order[number[order] >= 0]
    mine, number = trials.iloc[order], number[order]
    recorded = _recorded(mine, curves)
    recorded_steps = _steps_of_cells(len(cells), number, recorded)
    longest = max((len(steps) for steps in recorded_steps), default=0)
    tried = list(dict.fromkeys((unit, min(n, longest)) for unit, n in _LADDER))
    for resolution, evaluations in tried:
        steps = [_thinned(all_steps, evaluations) for all_steps in recorded_steps]
        found = _packed(steps, mine, number, recorded, resolution)
        if len(zlib.compress(found.encoded(), 6)) <= most_bytes:
            break
    notes = []
    if found.resolution > _LADDER[0][0]:
        notes.append(f"Curves on this page are rounded to {100 * found.resolution:g} points")
    if evaluations < longest:
        notes.append(
            f"{'at' if notes else 'At'} most {evaluations} evaluations of each trial are shown"
        )
    return replace(found, note=" and ".join(notes) + "." if notes else "")


@dataclass(frozen=True, eq=False)
class _Recorded:
    """Evaluations: number of the trial, step, accuracies of shape (n, 2)."""

    trial: NDArray[np.int64]
    step: NDArray[np.int64]
    accuracy: NDArray[np.float64]


def _recorded(trials: pd.DataFrame, curves: pa.Table | None) -> _Recorded:
    if curves is None or trials["trial_id"].isna().all():
        nothing = np.empty(0, dtype=np.int64)
        return _Recorded(nothing, nothing, np.empty((0, 2)))
    ids = pa.array(trials["trial_id"].astype(object), pa.string())
    place = pc.index_in(curves["trial_id"], value_set=ids)
    known = pc.is_valid(place)
    mine = curves.select(["step", *SETS]).filter(known)
    accuracy = np.column_stack(
        [mine[name].cast(pa.float64()).to_numpy(zero_copy_only=False) for name in SETS]
    )
    trial = place.filter(known).to_numpy(zero_copy_only=False).astype(np.int64)
    step = mine["step"].to_numpy(zero_copy_only=False).astype(np.int64)
    told = np.isfinite(accuracy).any(axis=1)
    return _Recorded(trial[told], step[told], accuracy[told])


def _packed(
    steps_of_cells: Sequence[tuple[int, ...]],
    trials: pd.DataFrame,
    number: NDArray[np.int64],
    recorded: _Recorded,
    resolution: float,
) -> SeedCurves:
    """The curves at these steps of each cell."""
    n_cells = len(steps_of_cells)
    counts = np.bincount(number, minlength=n_cells) if len(number) else np.zeros(n_cells, int)
    lists: dict[tuple[int, ...], int] = {}
    plans = [lists.setdefault(steps, len(lists)) for steps in steps_of_cells]
    steps = list(lists)
    widths = np.array([len(steps[plan]) + 1 for plan in plans], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(counts * 2 * widths)])
    values = np.full(int(starts[-1]), ABSENT, dtype=np.uint16)
    rank = np.arange(len(number)) - (np.cumsum(counts) - counts)[number]
    base = starts[number] + rank * 2 * widths[number]
    for which, name in enumerate(SETS):
        final = pd.to_numeric(trials[name], errors="coerce").to_numpy(float)
        values[base + (which + 1) * widths[number] - 1] = _units(final, resolution)
    if len(recorded.step):
        # Pairs of cell and step as single numbers: every evaluation's place is one search.
        cell, stride = number[recorded.trial], int(recorded.step.max()) + 1
        lengths = widths - 1
        wanted = np.repeat(np.arange(n_cells), lengths) * stride
        wanted += np.array([step for own in steps_of_cells for step in own], dtype=np.int64)
        here = cell * stride + recorded.step
        place = np.minimum(np.searchsorted(wanted, here), len(wanted) - 1)
        rows = np.flatnonzero(wanted[place] == here)
        at = base[recorded.trial[rows]] + place[rows] - (np.cumsum(lengths) - lengths)[cell[rows]]
        for which in range(len(SETS)):
            units = _units(recorded.accuracy[rows, which], resolution)
            values[at + which * widths[cell[rows]]] = units
    return SeedCurves(
        resolution=resolution,
        steps=tuple(steps),
        plans=tuple(plans),
        counts=tuple(int(n) for n in counts),
        seeds=tuple(int(s) for s in trials["seed"]),
        statuses=tuple(str(s) for s in trials["status"]),
        values=values,
        note="",
    )


def _steps_of_cells(
    n_cells: int, number: NDArray[np.int64], recorded: _Recorded
) -> list[tuple[int, ...]]:
    """The steps at which any trial of each cell was evaluated, ascending."""
    stride = int(recorded.step.max(initial=0)) + 1
    pairs = np.unique(number[recorded.trial] * stride + recorded.step)
    cuts = np.searchsorted(pairs, np.arange(n_cells + 1) * stride)
    return [tuple((pairs[a:b] % stride).tolist()) for a, b in pairwise(cuts)]


def _thinned(steps: tuple[int, ...], at_most: int) -> tuple[int, ...]:
    """Evenly spaced steps, the last one among them."""
    if len(steps) <= at_most:
        return steps
    places = np.linspace(len(steps) / at_most, len(steps), at_most).round().astype(int) - 1
    return tuple(steps[i] for i in np.unique(places))


def _units(accuracy: NDArray[np.float64], resolution: float) -> NDArray[np.uint16]:
    known = np.isfinite(accuracy)
    units = np.rint(np.where(known, accuracy, 0.0) / resolution)
    return np.where(known, np.clip(units, 0, ABSENT - 1), ABSENT).astype(np.uint16)
