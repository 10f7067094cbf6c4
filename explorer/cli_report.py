"""The command that writes the report: a page, its pictures, and the page of a run under way."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explorer.cli_app import (
    DEFAULT_METRIC,
    DEFAULT_NEAR_OPTIMAL,
    DEFAULT_STORE,
    ColumnOption,
    Debug,
    FromOption,
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
)
from explorer.cli_results import Results, correlations_of, read_landscape, scaling_of
from explorer.errors import InputError
from explorer.report_watch import follow

if TYPE_CHECKING:
    from analysis.claim import Claim
    from analysis.correlation import CorrelationTable
    from analysis.report import Study

#: With more trials than this a second process pays.
_MANY = 20_000


@app.command(epilog="Example: explorer report --study quick_grid --out report.html --watch")
def report(
    store: StoreOption = DEFAULT_STORE,
    study: StudyOption = None,
    source: FromOption = None,
    column: ColumnOption = None,
    metric: MetricOption = DEFAULT_METRIC,
    near_optimal: NearOptimalOption = DEFAULT_NEAR_OPTIMAL,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    static: Annotated[
        Path | None,
        typer.Option(help="Write the figures here instead, as SVG, PNG and a Markdown summary."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Rewrite the page while a run is under way.")
    ] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks of --watch.")] = 5.0,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write one offline HTML page: the landscape, its peaks, the law, the claims, every curve."""
    log_to_stderr(verbose, quiet)
    from analysis.report import write_report, write_static

    if watch and static is not None:
        raise InputError("--watch rewrites the page and --static writes pictures: give one.")
    if not 1.0 <= every <= 3600.0:
        raise InputError(f"--every must lie between 1 and 3600 seconds, not {every:g}.")

    def read() -> Study:
        return _study(store, study, source, column, metric, near_optimal)

    if static is not None:
        files = write_static(read(), static)
        if not quiet:
            typer.echo(f"{len(files)} files are in {static}: begin with {files[-1].name}.")
        return

    def build(refreshing: bool) -> bool:
        found = read()
        counts = found.landscape.counts()
        complete = counts.missing == 0
        waiting = refreshing and not complete
        write_report(found, out, refresh=max(1, round(every)) if waiting else None)
        if watch and refreshing and not quiet:
            done = counts.completed + counts.diverged
            of = "" if counts.planned is None else f" of {counts.planned:,}"
            typer.echo(f"{time.strftime('%H:%M:%S')} {out}: {done:,}{of} trials")
        return complete

    if not watch:
        build(False)
        if not quiet:
            typer.echo(f"The report is in {out}: open it in any browser.")
        return
    if not quiet:
        typer.echo(f"Watching: open {out} in any browser, it refreshes itself. Ctrl-C ends this.")
    complete = follow(lambda: _version(store, source), build, every=every)
    if not quiet:
        done = "No trial is missing" if complete else "Stopped watching"
        typer.echo(f"{done}: {out} no longer refreshes itself.")


def _version(store: str, source: Path | None) -> str:
    """A text that changes whenever the file or the store does."""
    if source is None:
        return open_store(store).version()
    try:
        found = source.stat()
    except OSError:
        return "absent"  # reading it says why
    return f"{found.st_mtime_ns} {found.st_size}"


def _study(
    store: str,
    study: str | None,
    source: Path | None,
    column: list[str] | None,
    metric: str,
    near_optimal: float,
) -> Study:
    """Read and analyse what the options name."""
    from analysis.claims import judge
    from analysis.provenance import Provenance, trials_provenance
    from analysis.report import Study
    from analysis.scaling import ScalingReport

    landscape = read_landscape(store, study, source, column)
    trials = curves = None
    options: dict[str, Any] = {"metric": metric, "near_optimal": near_optimal, "column": column}
    provenance = Provenance(command=command_line("report", source=source, **options))
    if landscape.study is not None:
        opened = open_store(store)
        trials, curves = opened.snapshot(landscape.study)
        provenance = trials_provenance(
            trials,
            command=command_line("report", store=store, study=landscape.study, **options),
            sources=[(p.source_name, p.source_text) for p in opened.plans(landscape.study)],
        )
    counts = landscape.counts()
    scaling, table, untested = ScalingReport((), metric), None, "No trial has finished."
    claims: tuple[Claim, ...] = ()
    if counts.completed + counts.diverged:  # else a page that says what is still missing
        correlated = _beside(len(landscape.trials) > _MANY, Results(landscape, curves))
        scaling = scaling_of(landscape, metric, near_optimal)
        try:
            table = correlated()
            claims = judge(scaling, table)
        except InputError as error:
            untested = str(error)
    return Study(
        title=landscape.study or str(source),
        landscape=landscape,
        scaling=scaling,
        correlations=table,
        untested=untested,
        claims=claims,
        curves=curves,
        trials=trials,
        provenance=provenance,
    )


def _beside(many: bool, results: Results) -> Callable[[], CorrelationTable]:
    """The correlations, found in a process of their own while the law is fitted, if it pays."""
    import pyarrow.compute as pc

    if not many:
        return lambda: correlations_of(results, "best_test_accuracy", None)
    curves = results.curves
    if curves is not None:  # what the accuracy at the best validation accuracy needs
        needed = ["trial_id", "step", "test_accuracy", "validation_accuracy"]
        curves = curves.select(needed).filter(pc.is_valid(curves["validation_accuracy"]))
    arguments = (Results(results.landscape, curves), "best_test_accuracy", None)
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    future = pool.submit(correlations_of, *arguments)
    pool.shutdown(wait=False)
    return future.result
