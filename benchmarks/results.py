"""The measurements as a page: tables, how they were made, what limits them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measurements import Measurements
from benchmarks.step_cost import PackCost
from benchmarks.step_profile import GEMM, PARTS, StepProfile

#: How many times faster than each rival the sweep is meant to be.
RATIO_TARGETS = {"Ray Tune": 40, "Ray Tune, reuse_actors": 20, "PyTorch loop": 12}
GEMM_TARGET = 0.20
NOT_TRAINING_TARGET = 0.15


def page(found: Measurements) -> str:
    """Markdown of the whole page."""
    parts = [
        "# Speed\n\nWritten by `make bench`.",
        _table(("", ""), list(found.machine.items())),
        _targets(found),
        _contenders(found),
        _long_sweep(found),
        _gemm(found),
        _limits(found),
        _method(found),
    ]
    return "\n\n".join(parts) + "\n"


def _targets(found: Measurements) -> str:
    n = found.explorer.trials
    rows = []
    for rival in found.rivals:
        target = RATIO_TARGETS[rival.name]
        ratio = rival.wall / found.explorer.wall
        what = f"times faster than {rival.name}, {n} trials"
        rows.append((what, f"{ratio:.1f}", f"at least {target}", _verdict(ratio >= target)))
    overall, outside = found.overall_gemm_fraction, found.sweep.not_training
    rows.append(
        (
            "training, fraction of single-thread SGEMM",
            f"{overall:.1%}",
            f"at least {GEMM_TARGET:.0%}",
            _verdict(overall >= GEMM_TARGET),
        )
    )
    rows.append(
        (
            f"not training, {len(found.sweep.trials)} trials",
            f"{outside:.1%}",
            f"at most {NOT_TRAINING_TARGET:.0%}",
            _verdict(outside <= NOT_TRAINING_TARGET),
        )
    )
    mine = found.explorer
    return (
        "## Targets\n\n"
        + _table(("", "measured", "target", ""), rows)
        + f"\n\nOf the explorer's {mine.wall:.1f} s for {n} trials {mine.start_up:.1f} s are "
        "start-up, of the rivals' "
        + ", ".join(f"{rival.start_up:.1f} of {rival.wall:.0f} s" for rival in found.rivals)
        + ". One more trial costs them "
        + ", ".join(f"{rival.marginal / mine.marginal:.0f}" for rival in found.rivals)
        + " times what it costs the explorer: what the ratios tend to as sweeps grow."
    )


def _contenders(found: Measurements) -> str:
    n, long = found.explorer.trials, len(found.sweep.trials)
    rows = []
    for timing in (found.explorer, *found.rivals):
        mine = timing is found.explorer
        wall_long = found.sweep.wall if mine else timing.projected(long)
        rows.append(
            (
                timing.name,
                f"{timing.start_up:.1f}",
                " ".join(f"{wall:.1f}" for wall in timing.walls),
                f"{timing.wall / n:.3f}",
                f"{timing.marginal:.3f}",
                f"{timing.start_up_share:.0%}",
                f"{timing.wall / found.explorer.wall:.1f}",
                f"{wall_long:.0f}" + (" measured" if mine else ""),
                f"{wall_long / found.sweep.wall:.1f}",
                f"{timing.test_accuracy:.4f}",
            )
        )
    header = (
        "", "start-up, s", f"{n} trials, s", "s a trial", "s one more trial", "start-up's share",
        "times the explorer", f"{long} trials, s", "times the explorer", "mean test accuracy",
    )  # fmt: skip
    return (
        f"## {n} trials side by side\n\n"
        + _table(header, rows)
        + "\n\nWhole wall time from the process's start to its exit. Start-up is the wall time of "
        f"one trial of one step. The rivals' {long} trials are projected: start-up plus {long} "
        "times one more trial."
    )


def _long_sweep(found: Measurements) -> str:
    sweep = found.sweep
    inside = sweep.in_packs / sweep.wall
    evaluation = inside * found.evaluation_share
    rows = [
        ("inside packs, steps", inside - evaluation),
        ("inside packs, evaluations", evaluation),
        ("start-up of an empty Tune job", sweep.empty_tune / sweep.wall),
        ("the rest: not training", sweep.not_training),
    ]
    packs = sweep.trials["pack_id"].nunique()
    return (
        f"## {len(sweep.trials)} trials of the explorer\n\n"
        f"{sweep.wall:.1f} s of wall time, {packs} packs, {sweep.slots} at a time; "
        f"{sweep.diverged} trials diverged.\n\n"
        + _table(
            ("", "s of wall time", "share"),
            [(what, f"{share * sweep.wall:.1f}", f"{share:.1%}") for what, share in rows],
        )
        + "\n\nWith the evaluations counted as not training, that share is "
        f"{sweep.not_training + evaluation:.1%}."
    )


def _gemm(found: Measurements) -> str:
    rows = []
    for cost in found.costs:
        sizes = found.sweep.pack_sizes(cost.batch_size)
        rows.append(
            (
                str(cost.batch_size),
                f"{sizes[0]} to {sizes[-1]}",
                str(cost.members),
                f"{cost.step_seconds * 1e6:.1f}",
                f"{cost.step_flops:,}",
                f"{cost.flops_per_second / 1e9:.1f}",
                f"{found.gemm_fraction(cost):.1%}",
                f"{found.gemm_fraction_in_sweep(cost):.1%}",
                f"{cost.evaluation_seconds * 1e3:.2f}",
                f"{cost.evaluation_share(found.evaluations):.1%}",
            )
        )
    overall = (f"{found.overall_gemm_fraction:.1%}", f"{found.overall_gemm_fraction_in_sweep:.1%}")
    rows.append(("all", "", "", "", "", "", *overall, "", f"{found.evaluation_share:.1%}"))
    header = (
        "B", "members of its packs", "members here", "us a step a member", "FLOP a step",
        "GFLOP/s", "of SGEMM", "of SGEMM, every slot busy", "ms an evaluation a member",
        "evaluations' share of a pack",
    )  # fmt: skip
    return (
        "## Training against SGEMM\n\n"
        f"Single-thread SGEMM (1024 x 1024): {found.sgemm / 1e9:.1f} GFLOP/s.\n\n"
        + _table(header, rows)
    )


def _limits(found: Measurements) -> str:
    rows = [
        (part, *(f"{profile.shares[part]:.1%}" for profile in found.profiles)) for part in PARTS
    ]
    per_b = list(zip(found.costs, found.profiles, strict=True))
    rows.append(
        (
            "rate inside the matrix products, of SGEMM",
            *(f"{found.kernel_fraction(cost, profile):.1%}" for cost, profile in per_b),
        )
    )
    rows.append(
        (
            "profiled step, times the unprofiled",
            *(
                f"{p.profiled_step_seconds / p.members / cost.step_seconds:.2f}"
                for cost, p in per_b
            ),
        )
    )
    header = ("", *(f"B = {profile.batch_size}" for profile in found.profiles))
    sentences = "\n".join(
        f"- B = {cost.batch_size}: {profile.shares[GEMM]:.0%} of a step is matrix products, which "
        f"run at {found.kernel_fraction(cost, profile):.0%} of SGEMM's rate on these small shapes. "
        "Were all else free, training would reach that; the matrix products at full SGEMM rate, "
        f"all else as it is, would make a step {_full_rate_gain(found, cost, profile):.2f} times "
        "faster."
        for cost, profile in per_b
    )
    reached = _verdict(found.overall_gemm_fraction >= GEMM_TARGET)
    return (
        "## What limits a step\n\n"
        + _table(header, rows)
        + f"\n\nTraining runs at {found.overall_gemm_fraction:.1%} of SGEMM over all batch sizes "
        f"({reached}):\n\n{sentences}"
    )


def _full_rate_gain(found: Measurements, cost: PackCost, profile: StepProfile) -> float:
    saved = profile.shares[GEMM] * (1 - found.kernel_fraction(cost, profile))
    return 1 / (1 - saved)


def _method(found: Measurements) -> str:
    cost = found.costs[0]
    return f"""## How it was measured

Every trial: MNIST-1D, N = 1000, perceptron 40-64-10, momentum 0.9, {cost.steps:,} steps, \
{found.evaluations} evaluations on 1,000 training and 10,000 test samples; batch sizes 16, 32, 64 \
and 128, learning rates 0.0125, 0.025, 0.05 and 0.1, and as many seeds as the number of trials \
asks for (`benchmarks/spaces/speed_grid.py`). No cell lies below the edge of trainability. All \
contenders take the same trials, in processes of their own, one after the other, their order \
reversed at every second repetition. They draw other random numbers; mean test accuracy shows \
that they train the same.

- `explorer run`: the installed command into a fresh store; everything in the store at its exit.
- Ray Tune (`benchmarks/rival_tune.py`): a function trainable with a `DataLoader`, \
`torch.optim.SGD` and `tune.report` at each evaluation; one trial a run, one CPU a trial, one \
thread, data by `tune.with_parameters`, no loggers, no dashboard. Only the \
last results are kept. With and without `reuse_actors`.
- PyTorch loop (`benchmarks/rival_loop.py`): the same training function in a pool of as many \
processes as cores, without Ray.
- Not training: (wall - start-up of an empty Tune job - seconds inside packs / slots) / wall. \
Seconds inside packs are the sum of the store's `wall_seconds`. The empty job \
(`benchmarks/empty_tune.py`) imports no torch.
- FLOP a step: the matrix products forward, for the weights' gradients and for the one input \
gradient that is needed, two FLOP a multiply-add. A pack of the median size that the packing chose \
is trained in one process alone, one thread, the best of some runs; its evaluations are measured \
apart and left out. "Every slot busy" takes the time from the long sweep's store, less the \
evaluations' share.
- Shares of a step: self times of `torch.profiler`; Python, dispatch and views are what is left of \
the wall time.
"""


def _verdict(reached: bool) -> str:
    return "reached" if reached else "missed"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are also aligned as plain text."""
    table = [list(header), *map(list, rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in table
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
