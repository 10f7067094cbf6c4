"""The commands that analyse results: each is one call into a documented function."""

from __future__ import annotations

from typing import Annotated

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
    log_to_stderr,
    print_result,
)
from explorer.cli_results import (
    correlations_of,
    peaks_of,
    read_landscape,
    read_results,
    scaling_of,
)


@app.command("fit-scaling", epilog="Example: explorer fit-scaling --from sweep.csv --json")
def fitscaling_of(
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

    report = scaling_of(read_landscape(store, study, source, column), metric, near_optimal)
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

    table = peaks_of(read_landscape(store, study, source, column), metric, near_optimal)
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

    table = correlations_of(read_results(store, study, source, column), metric, by)
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

    results = read_results(store, study, source, column)
    scaling = scaling_of(results.landscape, metric, DEFAULT_NEAR_OPTIMAL)
    table = correlations_of(results, "best_test_accuracy", None)
    found = judge(scaling, table)
    print_result(found, as_json, lambda: _with_notes(claims_text(found), scaling.notes))


def _with_notes(text: str, notes: tuple[str, ...]) -> str:
    """The text, and how the source was read."""
    return "\n\n".join([text, *(f"Note: {note}" for note in notes)])
