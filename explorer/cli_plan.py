"""The command that says what a study would cost on this machine, or on a cluster on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from explorer.cli_app import Debug, JsonOption, Quiet, Verbose, app, log_to_stderr, print_result

if TYPE_CHECKING:
    from explorer.cluster_estimate import ClusterEstimate

_UNITS = ((31_557_600, "years"), (86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "s"))


@app.command(epilog="Example: explorer plan he_liu_tao_2019 --cluster nodes=8,gpus=4")
def plan(
    space: Annotated[str, typer.Argument(help="Path of a search-space file, or a shipped name.")],
    cluster: Annotated[
        str | None,
        typer.Option(
            help="nodes=8,cpus=16,gpus=4,packs_per_gpu=4,gpu_tflops=15.7,gpu_efficiency=0.3,"
            "network_ms=1; this machine by default."
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Repetitions of each cell; the file's by default.")
    ] = None,
    pack_size: Annotated[int | None, typer.Option(help="Most trials trained together.")] = None,
    as_json: JsonOption = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Estimate a study's time, storage, memory and store operations; nothing is started."""
    log_to_stderr(verbose, quiet)
    from explorer.cluster import parse_cluster, this_machine
    from explorer.cluster_estimate import estimate
    from explorer.space import load_space

    machines = this_machine() if cluster is None else parse_cluster(cluster)
    loaded = load_space(space)
    found = estimate(loaded, machines, seeds=seeds, pack_size=pack_size)
    print_result(found, as_json, lambda: estimate_text(loaded.name, found))


def estimate_text(name: str, found: ClusterEstimate) -> str:
    """An estimate as lines of text."""
    c, operations = found.cluster, found.operations
    machines = f"{c.nodes:,} x {c.cpus:,} cores"
    if c.gpus:
        plural = "s" if c.packs_per_gpu > 1 else ""
        machines += f", {c.gpus:,} GPUs ({c.packs_per_gpu:,} pack{plural} on each)"
    hours = f"{rounded(found.core_hours)} core-hours"
    if c.gpus:
        hours += f", {rounded(found.gpu_hours)} GPU-hours"
    many = "s" if found.seeds > 1 else ""
    fits = f"{found.fits:,} run{'s' if found.fits > 1 else ''} of Ray Tune"
    rows = [
        ("trials", f"{found.trials:,} = {found.cells:,} cells x {found.seeds:,} repetition{many}"),
        *(("left out", f"{count:,} cells, {reason}") for reason, count in found.left_out),
        ("work", f"{found.steps:,} SGD steps, {duration(found.work_seconds)} on one slot"),
        ("nodes", machines),
        ("packs", f"{found.packs:,}, {found.slots:,} at a time, in {fits}"),
        ("wall time", f"{duration(found.wall_seconds)}: {hours}"),
        ("learning curves", f"{found.evaluation_rows:,} rows"),
        ("store as written", f"{size(found.store_bytes)} in {found.files:,} files"),
        ("  of which", f"trials {size(found.trials_bytes)}, curves {size(found.curves_bytes)}"),
        ("store compacted", f"{size(found.compacted_bytes)} in {found.compacted_files:,} files"),
        ("driver's memory", f"{size(found.driver_bytes)}, of which data {size(found.data_bytes)}"),
        ("puts", f"{operations.puts:,}"),
        ("driver's start", f"{operations.driver_lists} lists, {operations.driver_gets:,} gets"),
        (
            "a report",
            f"{operations.reader_lists} lists, {operations.reader_gets:,} gets; "
            f"{operations.compacted_gets:,} once compacted",
        ),
    ]
    width = max(len(label) for label, _ in rows)
    lines = [f"{name}: an estimate, nothing was started.", ""]
    lines += [f"{label:{width}}  {text}" for label, text in rows]
    if found.driver_bound:
        lines.append("The driver hands out packs more slowly than they train: it sets the time.")
    return "\n".join([*lines, "", *found.assumptions])


def rounded(value: float) -> str:
    """A number with three digits at least, and never a power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def duration(seconds: float) -> str:
    """Seconds in the largest unit of which there are two."""
    for unit, name in _UNITS:
        if seconds >= 2 * unit:
            return f"{rounded(seconds / unit)} {name}"
    return f"{seconds:.2g} s"


def size(n_bytes: float) -> str:
    """Bytes in the largest decimal unit of which there is one."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= unit:
            return f"{rounded(n_bytes / unit)} {name}"
    return f"{n_bytes:.0f} bytes"
