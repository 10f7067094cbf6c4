"""The command line: each command is one call into a documented function."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

import explorer.cli_analysis
import explorer.cli_plan
import explorer.cli_report
import explorer.cli_store  # noqa: F401  (the same)
from explorer import __version__
from explorer.cli_app import (
    DEFAULT_STORE,
    INTERRUPTED,
    Debug,
    JsonOption,
    Quiet,
    StoreOption,
    StudyOption,
    Verbose,
    app,
    command_line,
    log_to_stderr,
    one_line,
    open_store,
    print_result,
)
from explorer.errors import EnvironmentFailure, ExplorerError, InputError

if TYPE_CHECKING:
    from explorer.run import RunSummary


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
    cpus_per_pack: Annotated[
        float | None, typer.Option(help="Cores set aside for each pack; 1 by default.")
    ] = None,
    gpus_per_pack: Annotated[
        float | None, typer.Option(help="GPUs for each pack, as 0.25: four share one.")
    ] = None,
    fresh_actors: Annotated[
        bool, typer.Option("--fresh-actors", help="A new worker process for each pack.")
    ] = False,
    checkpoint_every: Annotated[
        float, typer.Option(min=0, help="Seconds between two checkpoints of a long pack.")
    ] = 60.0,
    data_root: Annotated[
        str | None, typer.Option(help="Folder of torchvision's data files.")
    ] = None,
    as_json: JsonOption = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train what the store lacks of a search space; running again resumes."""
    log_to_stderr(verbose, quiet)
    from explorer.planning import dry_run as plan_run
    from explorer.progress import progress_for
    from explorer.run import run_study
    from explorer.space import load_space

    loaded = load_space(space)
    name = study or loaded.name
    if dry_run:
        plan = plan_run(
            loaded,
            store=store,
            limit=limit,
            pack_size=pack_size,
            address=address,
            device=device,
            cpus_per_pack=cpus_per_pack,
            gpus_per_pack=gpus_per_pack,
        )
        print_result(plan, as_json, lambda: _dry_run_text(plan))
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
            cpus_per_pack=cpus_per_pack,
            gpus_per_pack=gpus_per_pack,
            fresh_actors=fresh_actors,
            checkpoint_every=checkpoint_every,
            data_root=data_root,
            progress=progress_for(quiet=quiet),
        )
    print_result(summary, as_json, lambda: _run_text(summary, store, name))
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
    log_to_stderr(verbose, quiet)
    from explorer.status import study_status

    opened = open_store(store)
    names = [opened.resolve_study(study)] if study else opened.studies()
    found = [study_status(opened, name) for name in names]

    def text() -> str:
        if not found:
            return f"The store {opened} holds no study."
        return "\n".join(
            f"{s.study}: {s.planned} planned, {s.completed} completed, {s.diverged} diverged, "
            f"{s.failed} failed, {s.missing} missing"
            for s in found
        )

    print_result(found, as_json, text)


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
    log_to_stderr(verbose, quiet)
    from explorer.status import trial_record

    record = trial_record(open_store(store), trial_id)

    def text() -> str:
        given = {k: v for k, v in record.trial.items() if v not in (None, "")}
        lines = [f"{k:20} {one_line(str(v))}" for k, v in given.items()]
        header = ("step", "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
        lines += ["", "".join(f"{name:>16}" for name in header)]
        lines += [
            "".join(f"{row[k]:>16.5g}" if row[k] is not None else f"{'-':>16}" for k in header)
            for row in record.curve
        ]
        return "\n".join(lines)

    print_result(record, as_json, text)


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
    log_to_stderr(verbose, quiet)
    opened = open_store(store)
    report = opened.compact(grace_seconds=grace)
    print_result(
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
    log_to_stderr(verbose, quiet)
    from explorer.export import export_table

    if what not in ("trials", "curves"):
        raise InputError(f"explorer export takes `trials` or `curves`, not {what!r}.")
    opened = open_store(store)
    name = opened.resolve_study(study)
    table = opened.trials(name) if what == "trials" else opened.curves(name)
    export_table(table, out, file_format)
    if not quiet:
        typer.echo(f"{table.num_rows} rows of {name} are in {out}.")


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
    from explorer.store.address import without_credentials

    done = summary.already_done + summary.trained + summary.elsewhere
    elsewhere = f", {summary.elsewhere} by another run meanwhile" if summary.elsewhere else ""
    lines = [
        f"{done} of {summary.planned} trials are done: {summary.trained} in this run of "
        f"{clock(summary.seconds)} ({summary.diverged} diverged){elsewhere}, "
        f"{summary.already_done} before."
    ]
    if summary.retried:
        packs = "pack was" if summary.retried == 1 else "packs were"
        lines.append(f"{summary.retried} {packs} tried again because a worker died.")
    if summary.resumed:
        packs = "pack" if summary.resumed == 1 else "packs"
        lines.append(f"{summary.resumed} {packs} went on from a checkpoint.")
    if summary.split:
        packs = "pack" if summary.split == 1 else "packs"
        lines.append(f"{summary.split} {packs} did not fit into memory and were cut.")
    if summary.failed:
        trials = "trial" if summary.failed == 1 else "trials"
        lines.append(f"{summary.failed} {trials} failed; the log says why: {summary.log_file}")
    lines.append(f"Results are in {without_credentials(store)}, study {study}.")
    if summary.interrupted:
        lines.append("Interrupted: what is finished is kept, and the same command goes on.")
    elif done:
        following = [
            command_line(name, store=store, study=study) for name in ("fit-scaling", "report")
        ]
        lines.append(f"Next: {'; '.join(following)}")
    return "\n".join(lines)


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
    typer.echo(f"explorer: {one_line(sentence)}", err=True)
    return code
