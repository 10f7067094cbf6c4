"""The commands that analyse results: each is one call into a documented function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from explorer.cli_app import (
    DEFAULT_METRIC,
    DEFAULT_NEAR_OPTIMAL,
    DEFAULT_STORE,
    ColumnOption,
    Debug,
    FromOption,
    JsonOption,
    MetricOption,
    NearOptimalOption,
    Quiet,
    StoreOption,
    StudyOption,
    Verbose,
    app,
    command_line,
    log_to_stderr,
    open_store,
    print_result,
)
from explorer.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from analysis.correlation import CorrelationTable
    from analysis.landscape import Landscape
    from analysis.peaks import PeakTable
    from analysis.scaling import ScalingReport


@app.command("fit-scaling", epilog="Example: explorer fit-scaling --from sweep.csv --json")
def fit_scaling(
    store: StoreOption = DEFAULT_STORE,
    study: StudyOption = None,
    source: FromOption = None,
    column: ColumnOption = None,
    metric: MetricOption = DEFAULT_METRIC,
    near_optimal: NearOptimalOption = DEFAULT_NEAR_OPTIMAL,
    as_json: JsonOption = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fit B_opt = c * eps^a * N^b / (1-m)^g, and test whether it is the edge of trainability."""
    log_to_stderr(verbose, quiet)
    from analysis.tables import to_json, to_text

    report = _scaling(_landscape(store, study, source, column), metric, near_optimal)
    typer.echo(to_json(report) if as_json else to_text(report))


@app.command(
    epilog="Example: explorer suggest --learning-rate 0.3 --train-size 8000 --momentum 0.9"
)
def suggest(
    learning_rate: Annotated[float, typer.Option(help="Of the training to come.")],
    train_size: Annotated[int, typer.Option(help="Training-set size N, samples.")],
    momentum: Annotated[float, typer.Option(help="Momentum m.")] = 0.0,
    store: StoreOption = DEFAULT_STORE,
    study: StudyOption = None,
    source: FromOption = None,
    column: ColumnOption = None,
    metric: MetricOption = DEFAULT_METRIC,
    near_optimal: NearOptimalOption = DEFAULT_NEAR_OPTIMAL,
    as_json: JsonOption = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Predict the near-optimal batch sizes of a training that was not part of the study."""
    log_to_stderr(verbose, quiet)
    from analysis.suggestions import suggestions, suggestions_text

    table = _peaks(_landscape(store, study, source, column), metric, near_optimal)
    found = suggestions(table, learning_rate, train_size, momentum)
    print_result(found, as_json, lambda: _with_notes(suggestions_text(found), table.notes))


@app.command(epilog="Example: explorer correlations --from sweep.csv --by dataset --by model")
def correlations(
    store: StoreOption = DEFAULT_STORE,
    study: StudyOption = None,
    source: FromOption = None,
    column: ColumnOption = None,
    metric: Annotated[
        str, typer.Option("--metric", help="Which accuracy; He et al. (2019) use the best.")
    ] = "best_test_accuracy",
    by: Annotated[
        list[str] | None, typer.Option("--by", help="Columns that always split the groups.")
    ] = None,
    all_groups: Annotated[bool, typer.Option("--all", help="List every group.")] = False,
    as_json: JsonOption = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Test He, Liu & Tao (2019): accuracy against B, against eps, and against B/eps."""
    log_to_stderr(verbose, quiet)
    from analysis.correlation import to_json, to_text

    table = _correlations(_results(store, study, source, column), metric, by)
    typer.echo(to_json(table) if as_json else to_text(table, all_groups=all_groups))


@app.command(epilog="Example: explorer claims --published")
def claims(
    store: StoreOption = DEFAULT_STORE,
    study: StudyOption = None,
    source: FromOption = None,
    column: ColumnOption = None,
    metric: MetricOption = DEFAULT_METRIC,
    published: Annotated[
        bool, typer.Option("--published", help="Re-check the papers' own printed tables instead.")
    ] = False,
    as_json: JsonOption = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say of every claim that can be tested whether these results support or refute it."""
    log_to_stderr(verbose, quiet)
    if published:
        from analysis.published import recheck_published
        from analysis.published import to_json as published_json
        from analysis.published import to_text as published_text

        check = recheck_published()
        typer.echo(published_json(check) if as_json else published_text(check))
        return
    from analysis.claims import claims_text, judge

    results = _results(store, study, source, column)
    scaling = _scaling(results.landscape, metric, DEFAULT_NEAR_OPTIMAL)
    table = _correlations(results, "best_test_accuracy", None)
    found = judge(scaling, table)
    print_result(found, as_json, lambda: _with_notes(claims_text(found), scaling.notes))


@app.command(epilog="Example: explorer report --study quick_grid --out report.html")
def report(
    store: StoreOption = DEFAULT_STORE,
    study: StudyOption = None,
    source: FromOption = None,
    column: ColumnOption = None,
    metric: MetricOption = DEFAULT_METRIC,
    near_optimal: NearOptimalOption = DEFAULT_NEAR_OPTIMAL,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write one offline HTML page: accuracy against batch size, the law, the learning curves."""
    log_to_stderr(verbose, quiet)
    from analysis.provenance import Provenance, trials_provenance
    from analysis.report import write_report
    from analysis.scaling import ScalingReport

    landscape = _landscape(store, study, source, column)
    counts = landscape.counts()
    if counts.completed + counts.diverged:
        scaling = _scaling(landscape, metric, near_optimal)
    else:  # a page that says what is still missing
        scaling = ScalingReport((), metric)
    curves, provenance = (
        None,
        Provenance(command=command_line("report", source=source, metric=metric)),
    )
    if landscape.study is not None:
        opened = open_store(store)
        trials, curves = opened.snapshot(landscape.study)
        provenance = trials_provenance(
            trials,
            command=command_line("report", store=store, study=landscape.study, metric=metric),
            sources=[(p.source_name, p.source_text) for p in opened.plans(landscape.study)],
        )
    title = landscape.study or str(source)
    write_report(
        landscape=landscape,
        scaling=scaling,
        curves=curves,
        out=out,
        title=title,
        provenance=provenance,
    )
    if not quiet:
        typer.echo(f"The report is in {out}: open it in any browser.")


def _with_notes(text: str, notes: tuple[str, ...]) -> str:
    """The text, and how the source was read."""
    return "\n\n".join([text, *(f"Note: {note}" for note in notes)])


@dataclass(frozen=True)
class _Results:
    """What `--from FILE`, or else `--study NAME` of the store, names; curves where it has them."""

    landscape: Landscape
    curves: pa.Table | None


def _results(
    store: str, study: str | None, source: Path | None, column: list[str] | None
) -> _Results:
    landscape = _landscape(store, study, source, column)
    curves = None if landscape.study is None else open_store(store).curves(landscape.study)
    return _Results(landscape, curves)


def _landscape(
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


def _peaks(landscape: Landscape, metric: str, near_optimal: float) -> PeakTable:
    from analysis.peaks import find_peaks

    if not 0.0 < near_optimal < 100.0:
        raise InputError(f"--near-optimal must lie between 0 and 100 points, not {near_optimal:g}.")
    return find_peaks(landscape, metric, near_optimal / 100.0)


def _scaling(landscape: Landscape, metric: str, near_optimal: float) -> ScalingReport:
    from analysis.scaling import fit_scaling as fit

    return fit(_peaks(landscape, metric, near_optimal))


def _correlations(results: _Results, metric: str, by: list[str] | None) -> CorrelationTable:
    from analysis.correlation import correlations as find

    strata = tuple(by) if by else ("dataset", "model")
    return find(results.landscape, metric, by=strata, curves=results.curves)
