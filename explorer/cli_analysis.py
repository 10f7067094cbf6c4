"""The commands that analyse results: each is one call into a documented function."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from explorer.cli_app import (
    DEFAULT_METRIC,
    DEFAULT_STORE,
    Debug,
    FromOption,
    JsonOption,
    MetricOption,
    Quiet,
    StoreOption,
    StudyOption,
    Verbose,
    app,
    command_line,
    log_to_stderr,
    open_store,
)
from explorer.errors import InputError

if TYPE_CHECKING:
    from analysis.landscape import Landscape
    from analysis.scaling import ScalingReport


@app.command("fit-scaling", epilog="Example: explorer fit-scaling --from sweep.csv --json")
def fit_scaling(
    store: StoreOption = DEFAULT_STORE,
    study: StudyOption = None,
    source: FromOption = None,
    metric: MetricOption = DEFAULT_METRIC,
    as_json: JsonOption = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fit B_opt = c * eps^a * N^b / (1-m)^g, with the interval of every exponent."""
    log_to_stderr(verbose, quiet)
    from analysis.tables import to_json, to_text

    report = _scaling(_landscape(store, study, source), metric)
    typer.echo(to_json(report) if as_json else to_text(report))


@app.command(epilog="Example: explorer report --study quick_grid --out report.html")
def report(
    store: StoreOption = DEFAULT_STORE,
    study: StudyOption = None,
    source: FromOption = None,
    metric: MetricOption = DEFAULT_METRIC,
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

    landscape = _landscape(store, study, source)
    counts = landscape.counts()
    if counts.completed + counts.diverged:
        scaling = _scaling(landscape, metric)
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


def _landscape(store: str, study: str | None, source: Path | None) -> Landscape:
    """What `--from FILE`, or else `--study NAME` of the store, names."""
    from analysis.landscape import Landscape

    if source is not None:
        if study is not None:
            raise InputError("--study and --from name two sources: give one of them.")
        return Landscape.from_file(source)
    opened = open_store(store)
    return Landscape.from_store(opened, opened.resolve_study(study))


def _scaling(landscape: Landscape, metric: str) -> ScalingReport:
    from analysis.peaks import find_peaks
    from analysis.scaling import fit_scaling as fit

    return fit(find_peaks(landscape, metric))
