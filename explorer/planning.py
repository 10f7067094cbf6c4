"""What a run is going to do: its trials, those that are missing, their packs, time and disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cores import available_cores
from explorer.cost_model import (
    ModelNumbers,
    Workload,
    Workloads,
    counted_workload,
    workload_of,
)
from explorer.datasets import dataset_info
from explorer.errors import EnvironmentFailure
from explorer.model_numbers import model_numbers
from explorer.packing import Pack, make_packs, makespan
from explorer.request import check_address, check_device, pack_resources
from explorer.store import Plan, Store, plan_table
from explorer.store.schema import COMPLETED, DIVERGED, FAILED
from explorer.trial import Configuration

if TYPE_CHECKING:
    from explorer.space import LoadedSpace

#: Statuses that are not trained again.
FINISHED = frozenset({COMPLETED, DIVERGED})

#: Seconds from the command to the first step: Ray, its workers, torch in each of them.
START_SECONDS = 7.0

# Bytes of the store's files, and of each row in them: from the files of 34 packs of 8 to 32 trials.
TRIALS_FILE, TRIAL_ROW = 13_800, 56
CURVES_FILE, CURVE_ROW = 4_000, 30
PLAN_FILE, PLAN_ROW = 8_000, 25


@dataclass(frozen=True)
class DryRun:
    """What a run would do.

    Attributes:
        trials: trials of the plan.
        left_out: (reason, count) of the cells that rules leave out.
        already_done: trials of the plan that the store holds, completed or diverged.
        packs: packs to train.
        slots: packs at the same time.
        predicted_seconds: wall time on this machine; good to a factor of about two.
        predicted_bytes: what the store would grow by.
    """

    trials: int
    left_out: tuple[tuple[str, int], ...]
    already_done: int
    packs: int
    slots: int
    predicted_seconds: float
    predicted_bytes: int


def dry_run(
    loaded: LoadedSpace,
    *,
    store: Store | str,
    limit: int | None = None,
    pack_size: int | None = None,
    address: str | None = None,
    device: str = "cpu",
    cpus_per_pack: float | None = None,
    gpus_per_pack: float | None = None,
) -> DryRun:
    """Say what `run_study` would do on this machine; starts nothing and writes nothing.

    Args:
        loaded: the search-space file.
        store: the store, or the location of one that may not be there yet.
        limit: see `run_study`.
        pack_size: see `run_study`.
        address: see `run_study`; it is checked for its form alone, and nobody is asked.
        device: see `run_study`.
        cpus_per_pack: see `run_study`.
        gpus_per_pack: see `run_study`.

    Raises:
        InputError: the space, the device or the address cannot work.
        EnvironmentFailure: the store cannot be read, there is no GPU, or a pack would get more
            cores than there are.
    """
    resources = pack_resources(device, cpus_per_pack, gpus_per_pack)
    check_device(device, address)
    check_address(address)
    planned = planned_trials(loaded, limit)
    found = existing_store(store)
    missing = planned if found is None else missing_trials(planned, found)
    slots = resources.slots(available_cores(), 1)
    if slots < 1 and address is None:
        raise EnvironmentFailure(resources.nothing_free())
    slots = max(1, slots)
    packs = make_packs(missing, slots, pack_size, workloads=workloads_of(loaded, missing))
    evaluations = sum(configuration.evaluations for configuration in missing)
    return DryRun(
        trials=len(planned),
        left_out=tuple(loaded.space.left_out),
        already_done=len(planned) - len(missing),
        packs=len(packs),
        slots=slots,
        predicted_seconds=predicted_run_seconds(packs, slots),
        predicted_bytes=len(packs) * (TRIALS_FILE + CURVES_FILE)
        + len(missing) * TRIAL_ROW
        + evaluations * CURVE_ROW
        + (PLAN_FILE + len(planned) * PLAN_ROW if missing else 0),
    )


def existing_store(store: Store | str) -> Store | None:
    """The store, if there is one already."""
    if isinstance(store, Store):
        return store
    return Store.open(store) if Store.exists(store) else None


def planned_trials(loaded: LoadedSpace, limit: int | None) -> list[Configuration]:
    """The first `limit` trials of a space in canonical order, or all."""
    return loaded.space.configurations(limit)


def plan_of(loaded: LoadedSpace, study: str, planned: list[Configuration]) -> Plan:
    """The plan that the store keeps of them."""
    return Plan(
        study=study,
        trials=plan_table(planned),
        source_name=Path(loaded.path).name,
        source_text=loaded.source_text,
        left_out=tuple(loaded.space.left_out),
    )


def missing_trials(planned: list[Configuration], store: Store) -> list[Configuration]:
    """Those that the store does not hold, or holds as failed."""
    statuses = store.statuses()
    return [c for c in planned if statuses.get(c.trial_id, FAILED) not in FINISHED]


def workloads_of(
    loaded: LoadedSpace,
    configurations: Iterable[Configuration],
    *,
    on_gpu: bool = False,
    count_modules: bool = False,
) -> Workloads:
    """Each (data set, model)'s cost, from sizes that are known without the data.

    Args:
        loaded: the search-space file.
        configurations: trials, or cells, that name them.
        on_gpu: there a built-in convolution's multiply-add takes as long as any other.
        count_modules: build the user's models, here, to count what they do. A run's driver does
            not: it needs no torch, and a model that ends its process ends a worker only.

    Raises:
        InputError: a model does not fit its data.
    """
    space = loaded.space
    workloads: dict[tuple[str, str], Workload] = {}
    for dataset, model in dict.fromkeys((c.dataset, c.model) for c in configurations):
        info = dataset_info(dataset, factories=space.dataset_factories)
        factory = space.model_factories.get(model)
        if factory is None or count_modules:
            numbers = model_numbers(model, info.input_shape, info.n_classes, factory)
        else:
            numbers = ModelNumbers()
        if factory is not None and numbers.multiply_adds:
            workload = counted_workload(numbers, info.test_size, info.input_shape)
        else:
            workload = workload_of(
                model,
                numbers.multiply_adds,
                info.test_size,
                info.input_shape,
                parameters=numbers.parameters,
                on_gpu=on_gpu,
            )
        workloads[dataset, model] = workload
    return workloads


def predicted_run_seconds(packs: list[Pack], slots: int) -> float:
    """Wall seconds of a whole run, its start included; 0 where there is nothing to do."""
    return START_SECONDS + makespan([pack.cost for pack in packs], slots) if packs else 0.0
