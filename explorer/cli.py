"""The command line: each command is one call into a documented function."""

from __future__ import annotations

import contextlib
import json
import logging
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from explorer import __version__
from explorer.errors import EnvironmentFailure, ExplorerError, InputError

if TYPE_CHECKING:
    from analysis.landscape import Landscape
    from analysis.scaling import ScalingReport
    from explorer.run import RunSummary
    from explorer.store import Store

INTERRUPTED = 130
DEFAULT_STORE = "./explorer-store"
DEFAULT_METRIC = "test_accuracy"

app = typer.Typer(
    name="explorer",
    help="How batch size, learning rate, momentum and training-set size decide generalization.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

StoreOption = Annotated[
    str,
    typer.Option("--store", envvar="EXPLORER_STORE", help="Folder or URI of the results."),
]
StudyOption = Annotated[
    str | None, typer.Option("--study", help="Which study; may be left out where there is one.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print unrounded JSON.")]
FromOption = Annotated[
    Path | None, typer.Option("--from", help="Analyse this CSV or Parquet file, not the store.")
]
MetricOption = Annotated[str, typer.Option("--metric", help="Which accuracy column.")]
Verbose = Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more; -vv: all.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say only results and errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"explorer {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Show the help where no command is given; every command takes its own options."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(epilog="Example: explorer run quick_grid --store ./explorer-store")
def run(
    space: Annotated[str, typer.Argument(help="Path of a search-space file, or a shipped name.")],
    store: StoreOption = DEFAULT_STORE,
    study: Annotated[
        str | None, typer.Option(help="Name of the study; the file's name by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first trials, in canonical order.")
    ] = None,
    pack_size: Annotated[
        int | None, typer.Option(min=1, help="Most trials trained together.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster: auto, or HOST:PORT.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    fresh_actors: Annotated[
        bool, typer.Option("--fresh-actors", help="A new worker process for each pack.")
    ] = False,
    data_root: Annotated[
        str | None, typer.Option(help="Folder of torchvision's data files.")
    ] = None,
    as_json: JsonOption = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train what the store lacks of a search space; running again resumes."""
    _log_to_stderr(verbose, quiet)
    from explorer.planning import dry_run as plan_run
    from explorer.progress import progress_for
    from explorer.run import run_study
    from explorer.space import load_space

    loaded = load_space(space)
    name = study or loaded.name
    if dry_run:
        plan = plan_run(
            loaded, store=store, limit=limit, pack_size=pack_size, address=address, device=device
        )
        _print(plan, as_json, lambda: _dry_run_text(plan))
        return
    # Ray prints of dead workers on stdout, which is for results.
    with contextlib.redirect_stdout(sys.stderr):
        summary = run_study(
            loaded,
            store=store,
            study=name,
            limit=limit,
            pack_size=pack_size,
            address=address,
            device=device,
            fresh_actors=fresh_actors,
            data_root=data_root,
            progress=progress_for(quiet=quiet),
        )
    _print(summary, as_json, lambda: _run_text(summary, store, name))
    if summary.interrupted:
        raise typer.Exit(INTERRUPTED)
    if summary.failed:
        raise typer.Exit(1)


@app.command(epilog="Example: explorer status --store ./explorer-store")
def status(
    store: StoreOption = DEFAULT_STORE,
    study: StudyOption = None,
    as_json: JsonOption = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say how many trials of each study are done, diverged, failed and missing."""
    _log_to_stderr(verbose, quiet)
    from explorer.status import study_status

    opened = _open(store)
    names = [opened.resolve_study(study)] if study else opened.studies()
    found = [study_status(opened, name) for name in names]

    def text() -> str:
        if not found:
            return f"The store {opened.location} holds no study."
        return "\n".join(
            f"{s.study}: {s.planned} planned, {s.completed} completed, {s.diverged} diverged, "
            f"{s.failed} failed, {s.missing} missing"
            for s in found
        )

    _print(found, as_json, text)


@app.command(epilog="Example: explorer show 1f0c63 --json")
def show(
    trial_id: Annotated[str, typer.Argument(help="A trial's id, or the beginning of it.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show one trial: its configuration, its result and its learning curve."""
    _log_to_stderr(verbose, quiet)
    from explorer.status import trial_record

    record = trial_record(_open(store), trial_id)

    def text() -> str:
        lines = [f"{k:20} {v}" for k, v in record.trial.items() if v not in (None, "")]
        header = ("step", "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
        lines += ["", "".join(f"{name:>16}" for name in header)]
        lines += [
            "".join(f"{row[k]:>16.5g}" if row[k] is not None else f"{'-':>16}" for k in header)
            for row in record.curve
        ]
        return "\n".join(lines)

    _print(record, as_json, text)


@app.command(epilog="Example: explorer compact --store ./explorer-store")
def compact(
    store: StoreOption = DEFAULT_STORE,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds that readers have to finish; waited twice.")
    ] = 60.0,
    as_json: JsonOption = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Gather the store's small files into few large ones; safe while runs go on."""
    _log_to_stderr(verbose, quiet)
    opened = _open(store)
    report = opened.compact(grace_seconds=grace)
    _print(
        report,
        as_json,
        lambda: (
            f"{report.trials} trials in {report.fragments_after} files, "
            f"{report.fragments_before} before."
        ),
    )


@app.command(epilog="Example: explorer export trials --format csv --out trials.csv")
def export(
    what: Annotated[str, typer.Argument(help="trials or curves.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    file_format: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
    store: StoreOption = DEFAULT_STORE,
    study: StudyOption = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write all trials, or all learning curves, of a study into one file."""
    _log_to_stderr(verbose, quiet)
    from explorer.export import export_table

    if what not in ("trials", "curves"):
        raise InputError(f"explorer export takes `trials` or `curves`, not {what!r}.")
    opened = _open(store)
    name = opened.resolve_study(study)
    table = opened.trials(name) if what == "trials" else opened.curves(name)
    export_table(table, out, file_format)
    if not quiet:
        typer.echo(f"{table.num_rows} rows of {name} are in {out}.")


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
    _log_to_stderr(verbose, quiet)
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
    _log_to_stderr(verbose, quiet)
    from analysis.provenance import Provenance, trials_provenance
    from analysis.report import write_report
    from analysis.scaling import ScalingReport

    landscape = _landscape(store, study, source)
    counts = landscape.counts()
    if counts.completed + counts.diverged:
        scaling = _scaling(landscape, metric)
    else:  # a page that says what is still missing
        scaling = ScalingReport((), metric)
    curves, provenance = None, Provenance(command=_command("report", source=source, metric=metric))
    if landscape.study is not None:
        opened = _open(store)
        trials, curves = opened.snapshot(landscape.study)
        provenance = trials_provenance(
            trials,
            command=_command("report", store=store, study=landscape.study, metric=metric),
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


@app.command(epilog="Example: explorer init my_space.py")
def init(
    name: Annotated[str, typer.Argument(help="Name of the file to write.")],
    debug: Debug = False,
) -> None:
    """Write a commented search-space file to start from."""
    from explorer.space import template

    path = Path(name if name.endswith(".py") else f"{name}.py")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        raise InputError(f"{path} exists: choose another name.") from None
    except OSError as error:
        raise EnvironmentFailure(f"{path} cannot be written: {error.strerror}.") from error
    typer.echo(f"{path} is written. Next: explorer run {path} --dry-run")


def _open(location: str) -> Store:
    from explorer.store import Store

    return Store.open(location)


def _landscape(store: str, study: str | None, source: Path | None) -> Landscape:
    """What `--from FILE`, or else `--study NAME` of the store, names."""
    from analysis.landscape import Landscape

    if source is not None:
        if study is not None:
            raise InputError("--study and --from name two sources: give one of them.")
        return Landscape.from_file(source)
    opened = _open(store)
    return Landscape.from_store(opened, opened.resolve_study(study))


def _scaling(landscape: Landscape, metric: str) -> ScalingReport:
    from analysis.peaks import find_peaks
    from analysis.scaling import fit_scaling as fit

    return fit(find_peaks(landscape, metric))


def _dry_run_text(plan: Any) -> str:
    from explorer.progress import clock

    lines = [f"{plan.trials} trials, {plan.already_done} of them done already"]
    lines += [f"  left out: {count} cells, {reason}" for reason, count in plan.left_out]
    lines.append(f"{plan.packs} packs, {plan.slots} at a time")
    lines.append(
        f"predicted: {clock(plan.predicted_seconds)}, {plan.predicted_bytes / 1e6:.1f} MB on disk"
    )
    return "\n".join(lines)


def _run_text(summary: RunSummary, store: str, study: str) -> str:
    from explorer.progress import clock

    done = summary.already_done + summary.trained
    lines = [
        f"{done} of {summary.planned} trials are done: {summary.trained} in this run of "
        f"{clock(summary.seconds)} ({summary.diverged} diverged), {summary.already_done} before."
    ]
    if summary.failed:
        trials = "trial" if summary.failed == 1 else "trials"
        lines.append(f"{summary.failed} {trials} failed; the log says why: {summary.log_file}")
    lines.append(f"Results are in {store}, study {study}.")
    if summary.interrupted:
        lines.append("Interrupted: what is finished is kept, and the same command goes on.")
    elif done:
        following = [_command(name, store=store, study=study) for name in ("fit-scaling", "report")]
        lines.append(f"Next: {'; '.join(following)}")
    return "\n".join(lines)


def _command(
    name: str,
    *,
    store: str | None = None,
    study: str | None = None,
    source: Path | None = None,
    metric: str | None = None,
) -> str:
    """A command as it would be typed, quoted for a shell; options at their default left out."""
    words = ["explorer", name]
    if source is not None:
        words += ["--from", str(source)]
    if store is not None and store != DEFAULT_STORE:
        words += ["--store", store]
    if study is not None:
        words += ["--study", study]
    if metric is not None and metric != DEFAULT_METRIC:
        words += ["--metric", metric]
    return shlex.join(words)


def _print(result: Any, as_json: bool, text: Callable[[], str]) -> None:
    if as_json:
        _dump(result)
    else:
        typer.echo(text())


def _dump(result: Any) -> None:
    """Print as JSON, unrounded; what is not a finite number becomes null."""
    from analysis.plain_values import plain

    typer.echo(json.dumps(plain(result), indent=2, allow_nan=False))


def _log_to_stderr(verbose: int, quiet: bool) -> None:
    level = (
        logging.ERROR if quiet else [logging.WARNING, logging.INFO, logging.DEBUG][min(verbose, 2)]
    )
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.captureWarnings(True)  # other packages' warnings are shown with -v
    for name in ("explorer", "analysis", "py.warnings"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
    if not verbose:
        logging.getLogger("py.warnings").setLevel(logging.CRITICAL)


def main() -> None:
    """Run the command line; every trouble is one sentence on stderr and an exit code.

    0 complete; 1 finished with failed trials; 2 bad input; 3 the environment failed; 130
    interrupted.
    """
    debug = "--debug" in sys.argv
    try:
        code = app(standalone_mode=False)
    except ExplorerError as error:
        if debug:
            raise
        code = _complain(str(error), error.exit_code)
    except TyperException as error:
        code = _complain(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _complain("Interrupted.", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    except Exception as error:
        if debug:
            raise
        kind = type(error).__name__
        code = _complain(f"{kind}: {error} (--debug shows where.)", EnvironmentFailure.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(sentence: str, code: int) -> int:
    typer.echo(f"explorer: {sentence}", err=True)
    return code
