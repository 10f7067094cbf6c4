"""What the analysing commands read: a study of the store, or anybody's file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli_app import open_store
from explorer.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from analysis.correlation import CorrelationTable
    from analysis.landscape import Landscape
    from analysis.peaks import PeakTable
    from analysis.scaling import ScalingReport


@dataclass(frozen=True)
class Results:
    """What `--from FILE`, or else `--study NAME` of the store, names; curves where it has them."""

    landscape: Landscape
    curves: pa.Table | None


def read_results(
    store: str, study: str | None, source: Path | None, column: list[str] | None
) -> Results:
    """What `--from FILE`, or else `--study NAME` of the store, names, with its curves."""
    landscape = read_landscape(store, study, source, column)
    curves = None if landscape.study is None else open_store(store).curves(landscape.study)
    return Results(landscape, curves)


def read_landscape(
    store: str, study: str | None, source: Path | None, column: list[str] | None
) -> Landscape:
    """What `--from FILE`, or else `--study NAME` of the store, names."""
    from analysis.column_names import parse_column_options
    from analysis.landscape import Landscape

    names = parse_column_options(column or [])
    if source is not None:
        if study is not None:
            raise InputError("--study and --from name two sources: give one of them.")
        return Landscape.from_file(source, names)
    if names:
        raise InputError("--column renames columns of a file: give --from FILE with it.")
    opened = open_store(store)
    return Landscape.from_store(opened, opened.resolve_study(study))


def peaks_of(landscape: Landscape, metric: str, near_optimal: float) -> PeakTable:
    """The peaks of every condition; `near_optimal` in percentage points."""
    from analysis.peaks import find_peaks

    if not 0.0 < near_optimal < 100.0:
        raise InputError(f"--near-optimal must lie between 0 and 100 points, not {near_optimal:g}.")
    return find_peaks(landscape, metric, near_optimal / 100.0)


def scaling_of(landscape: Landscape, metric: str, near_optimal: float) -> ScalingReport:
    """The law of every group; `near_optimal` in percentage points."""
    from analysis.scaling import fit_scaling as fit

    return fit(peaks_of(landscape, metric, near_optimal))


def correlations_of(results: Results, metric: str, by: list[str] | None) -> CorrelationTable:
    """The correlation claims, within strata of `by` or of data sets and models."""
    from analysis.correlation import correlations as find

    strata = tuple(by) if by else ("dataset", "model")
    return find(results.landscape, metric, by=strata, curves=results.curves)
