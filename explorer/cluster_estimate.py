"""What a study would cost on a cluster: time, storage, driver memory, store operations.

An estimate from the cost model and measured constants. Nothing is started, and no trial is made:
repetitions of a cell cost the same, so cells and the number of seeds are all that it needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer.cluster import ASSUMED_GPU_OPERATION, Cluster
from explorer.cost_model import CostModel
from explorer.datasets import dataset_info
from explorer.errors import InputError
from explorer.packing import (
    DEFAULT_PACK_SIZE,
    Group,
    PackLimits,
    divide,
    makespan,
    shape_of,
)
from explorer.planning import (
    CURVE_ROW,
    CURVES_FILE,
    PLAN_FILE,
    PLAN_ROW,
    START_SECONDS,
    TRIAL_ROW,
    TRIALS_FILE,
    workloads_of,
)
from explorer.store.compaction import FULL_TRIALS

if TYPE_CHECKING:
    from explorer.packing import Shape
    from explorer.space import LoadedSpace

#: Packs after which Ray Tune is started anew (`explorer.tuning.PACKS_PER_FIT`, which needs Ray).
PACKS_PER_FIT = 2_000
#: Up to so many trials are divided as a run would divide them; more are cut into full packs.
_EXACT = 200_000
#: More packs than this are not played through one by one to find when the last slot is done.
_MOST_PLAYED = 500_000

#: Bytes of an evaluation in a compacted store.
COMPACTED_CURVE_ROW = 26

# Bytes of the driver, measured with benchmarks/driver_memory.py and benchmarks/planning_scale.py.
DRIVER_BASE = 320_000_000
TUNE_TRIAL = 70_000  # of the most that one run of Ray Tune had: later ones find room in it
PLANNED_TRIAL = 700
#: Torch in the driver, which counts a user's modules with it.
TORCH = 470_000_000

#: Packs that one driver hands out and hears of, a second: benchmarks/driver_memory.py.
DRIVER_PACKS_A_SECOND = 25.0


@dataclass(frozen=True)
class StoreOperations:
    """Requests to the store; each lists up to a page of names, or reads or writes one file.

    Attributes:
        puts: files that workers and driver write.
        driver_lists, driver_gets: what the driver lists and reads at its start, were all done.
        reader_lists, reader_gets: what one report lists and reads from the store as it is written.
        compacted_gets: what one report reads from the compacted store.
    """

    puts: int
    driver_lists: int
    driver_gets: int
    reader_lists: int
    reader_gets: int
    compacted_gets: int


@dataclass(frozen=True)
class ClusterEstimate:
    """What a study would take on a cluster.

    Attributes:
        cells: cells of the space.
        seeds: repetitions of each.
        trials: cells times seeds.
        left_out: (reason, count) of the cells that rules leave out.
        steps: SGD steps of all trials.
        cluster: what it was estimated for.
        slots: packs at the same time.
        packs: packs to train.
        fits: times that Ray Tune is started.
        work_seconds: of all packs, one after the other on one slot.
        wall_seconds: of the run, its start included.
        driver_bound: the driver hands out packs more slowly than the slots take them.
        core_hours: of all cores of the cluster, while the run lasts.
        gpu_hours: of all its GPUs.
        evaluation_rows: rows of the learning curves.
        trials_bytes, curves_bytes, plan_bytes: of the store's files as they are written.
        store_bytes: their sum.
        compacted_bytes: the store after `explorer compact`.
        files: in the store as written; after compaction, `compacted_files`.
        compacted_files: see `files`.
        data_bytes: of the data sets' arrays, which the driver and each node hold.
        driver_bytes: resident memory of the driver at its largest.
        operations: requests to the store.
        assumptions: what was not measured, in sentences.
    """

    cells: int
    seeds: int
    trials: int
    left_out: tuple[tuple[str, int], ...]
    steps: int
    cluster: Cluster
    slots: int
    packs: int
    fits: int
    work_seconds: float
    wall_seconds: float
    driver_bound: bool
    core_hours: float
    gpu_hours: float
    evaluation_rows: int
    trials_bytes: int
    curves_bytes: int
    plan_bytes: int
    store_bytes: int
    compacted_bytes: int
    files: int
    compacted_files: int
    data_bytes: int
    driver_bytes: int
    operations: StoreOperations
    assumptions: tuple[str, ...]


def estimate(
    loaded: LoadedSpace,
    cluster: Cluster,
    *,
    seeds: int | None = None,
    pack_size: int | None = None,
    costs: CostModel | None = None,
    limits: PackLimits | None = None,
) -> ClusterEstimate:
    """Estimate what `run_study` would take on a cluster with an empty store.

    Args:
        loaded: the search-space file.
        cluster: the machines.
        seeds: repetitions of each cell; None for the file's.
        pack_size: the largest number of trials in a pack; None for the usual packs.
        costs: measured seconds on one core; the usual ones by default.
        limits: of a pack's memory.

    Raises:
        InputError: `seeds` or `pack_size` is below 1, or no pack fits on a node.
    """
    for name, value in (("--seeds", seeds), ("--pack-size", pack_size)):
        if value is not None and not 1 <= value <= 10**9:
            raise InputError(f"{name} must be between 1 and 1000000000, not {value}.")
    slots = cluster.slots
    if slots < 1:
        raise InputError("--cluster: a pack takes a core, and no node has one for its GPUs.")
    space = loaded.space
    n_seeds = len(space.seeds) if seeds is None else seeds
    slot_costs = cluster.costs(costs or CostModel())
    counted = _Counted(loaded, n_seeds, slot_costs, limits or PackLimits(), bool(cluster.gpus))
    pack_seconds = counted.pack_seconds(slots, pack_size, slot_costs)
    packs, trials = len(pack_seconds), len(space.cells) * n_seeds
    work = float(pack_seconds.sum())
    driver_seconds = packs / DRIVER_PACKS_A_SECOND
    training = _end(pack_seconds, slots)
    wall = START_SECONDS + max(training, driver_seconds)
    trials_bytes = packs * TRIALS_FILE + trials * TRIAL_ROW
    curves_bytes = packs * CURVES_FILE + counted.rows * CURVE_ROW
    plan_bytes = PLAN_FILE + trials * PLAN_ROW
    large = math.ceil(trials / FULL_TRIALS)
    data = _data_bytes(loaded)
    return ClusterEstimate(
        cells=len(space.cells),
        seeds=n_seeds,
        trials=trials,
        left_out=tuple(space.left_out),
        steps=counted.steps,
        cluster=cluster,
        slots=slots,
        packs=packs,
        fits=math.ceil(packs / PACKS_PER_FIT),
        work_seconds=work,
        wall_seconds=wall,
        driver_bound=driver_seconds > training,
        core_hours=wall * cluster.nodes * cluster.cpus / 3600,
        gpu_hours=wall * cluster.nodes * cluster.gpus / 3600,
        evaluation_rows=counted.rows,
        trials_bytes=trials_bytes,
        curves_bytes=curves_bytes,
        plan_bytes=plan_bytes,
        store_bytes=trials_bytes + curves_bytes + plan_bytes,
        compacted_bytes=large * (TRIALS_FILE + CURVES_FILE)
        + trials * TRIAL_ROW
        + counted.rows * COMPACTED_CURVE_ROW
        + plan_bytes,
        files=2 * packs + 1,
        compacted_files=2 * large + 1,
        data_bytes=data,
        driver_bytes=DRIVER_BASE
        + (TORCH if space.model_factories else 0)
        + data
        + trials * PLANNED_TRIAL
        + min(packs, PACKS_PER_FIT) * TUNE_TRIAL,
        operations=_operations(packs, large),
        assumptions=_assumptions(cluster, counted.guessed),
    )


class _Counted:
    """The space's cells by shape, each standing for its seeds."""

    def __init__(
        self, loaded: LoadedSpace, seeds: int, costs: CostModel, limits: PackLimits, on_gpu: bool
    ) -> None:
        workloads = workloads_of(loaded, loaded.space.cells, on_gpu=on_gpu, count_modules=True)
        factories = loaded.space.model_factories
        uncounted = {model for (_, model), found in workloads.items() if not found.parameters}
        self.guessed = sorted(uncounted & factories.keys())
        self.seeds = seeds
        self.steps = self.rows = 0
        self._most: list[int] = []
        # Trials of one shape with equal steps cost the same: {steps: (seconds, cells)}.
        self._lengths: list[dict[int, tuple[float, int]]] = []
        numbers: dict[Shape, int] = {}
        for cell in loaded.space.cells:
            workload = workloads[cell.dataset, cell.model]
            steps = cell.steps
            self.steps += steps * seeds
            self.rows += min(steps, cell.evaluations) * seeds
            number = numbers.setdefault(shape_of(cell), len(numbers))
            if number == len(self._most):
                self._most.append(limits.most_members(cell, workload))
                self._lengths.append({})
            lengths = self._lengths[number]
            if steps not in lengths:
                lengths[steps] = costs.trial_seconds(cell, workload), 0
            seconds, cells = lengths[steps]
            lengths[steps] = seconds, cells + 1
        self.trials = len(loaded.space.cells) * seeds

    def pack_seconds(self, slots: int, pack_size: int | None, costs: CostModel) -> np.ndarray:
        """Predicted seconds of each pack, [packs], falling."""
        if self.trials <= _EXACT:
            parts = divide(
                [self._group(n) for n in range(len(self._most))], slots, pack_size, costs
            )
            return np.array([part.cost for part in parts])
        size = DEFAULT_PACK_SIZE if pack_size is None else pack_size
        cut = [
            self._full_packs(lengths, min(size, most), costs)
            for lengths, most in zip(self._lengths, self._most, strict=True)
        ]
        return -np.sort(-np.concatenate(cut))

    def _group(self, number: int) -> Group:
        steps: list[int] = []
        seconds: list[float] = []
        for length, (each, cells) in sorted(self._lengths[number].items(), reverse=True):
            steps += [length] * (cells * self.seeds)
            seconds += [each] * (cells * self.seeds)
        return Group(steps, seconds, self._most[number])

    def _full_packs(
        self, lengths: dict[int, tuple[float, int]], size: int, costs: CostModel
    ) -> np.ndarray:
        """Seconds of packs of even size, the longest trials first."""
        falling = sorted(lengths.items(), reverse=True)
        steps = np.array([length for length, _ in falling])
        each = np.array([seconds for _, (seconds, _) in falling])
        counts = np.array([cells * self.seeds for _, (_, cells) in falling])
        ends = np.cumsum(counts)
        bounds = np.rint(np.linspace(0, ends[-1], math.ceil(ends[-1] / size) + 1)).astype(np.int64)
        # Seconds of the first so many trials: linear between the ends of equal lengths.
        summed = np.interp(bounds, [0, *ends], [0.0, *np.cumsum(counts * each)])
        longest = steps[np.searchsorted(ends, bounds[:-1], side="right")]
        packs: np.ndarray = np.diff(summed) + costs.pack + longest * costs.stacked_step
        return packs


def _data_bytes(loaded: LoadedSpace) -> int:
    total = 0
    for name in dict.fromkeys(cell.dataset for cell in loaded.space.cells):
        info = dataset_info(name, factories=loaded.space.dataset_factories)
        # Inputs in float32, a label in 64 bits.
        total += (info.pool_size + info.test_size) * (4 * math.prod(info.input_shape) + 8)
    return total


def _end(pack_seconds: np.ndarray, slots: int) -> float:
    """When the last slot is done, packs being taken in order by whichever is free."""
    if len(pack_seconds) <= _MOST_PLAYED:
        return makespan(pack_seconds.tolist(), slots)
    return max(float(pack_seconds[0]), float(pack_seconds.sum()) / slots)


def _operations(packs: int, large: int) -> StoreOperations:
    return StoreOperations(
        puts=2 * packs + 2,  # and the plan, and the file that shows that the store can be written
        driver_lists=3,  # trials/ itself, and before and after it for a compaction that crosses
        driver_gets=packs,
        reader_lists=5,  # plans/ and curves/ too
        reader_gets=2 * packs + 1,
        compacted_gets=2 * large + 1,
    )


def _assumptions(cluster: Cluster, guessed: Iterable[str]) -> tuple[str, ...]:
    sentences = [
        "Seconds on cores are those of the machines that the cost model was measured on, good to a "
        "factor of about two elsewhere."
    ]
    if cluster.gpus:
        sentences[0] = (
            f"GPU seconds are assumed, not measured: {cluster.gpu_tflops:g} TFLOP/s in float32 at "
            f"{cluster.gpu_efficiency:.0%}, shared evenly by the packs of a GPU, and "
            f"{ASSUMED_GPU_OPERATION * 1e6:g} us for each tensor operation of a step. No GPU was "
            "ever measured with this program, nor whether its memory holds the packs."
        )
    if guessed:
        sentences.append(f"Of {', '.join(guessed)} nothing could be counted: its cost is a guess.")
    if cluster.nodes > 1:
        sentences.append(
            "Nodes are equal, and the store is as fast as network_ms says for each of them."
        )
    return tuple(sentences)
