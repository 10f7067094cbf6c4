"""A whole run: the plan is written, what the store holds is subtracted, the rest is trained."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from explorer import __version__
from explorer.datasets import load_dataset
from explorer.errors import InputError
from explorer.execution import Execution, Inputs, Request
from explorer.interruption import Interruption
from explorer.planning import (
    existing_store,
    missing_trials,
    plan_of,
    planned_trials,
    workloads_of,
)
from explorer.progress import Progress, Silent
from explorer.request import check_address, check_device, pack_resources
from explorer.run_log import log_file
from explorer.store import Store
from explorer.trial import Configuration
from explorer.worker import CHECKPOINT_EVERY
from explorer.worker_checks import driver_mark

if TYPE_CHECKING:
    from explorer.space import LoadedSpace

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunSummary:
    """What a run did.

    Attributes:
        planned: trials of the plan.
        already_done: those of them that the store held, completed or diverged.
        trained: trials that this run completed or saw diverge.
        diverged: those of `trained` that diverged.
        failed: trials that this run gave up; another run tries them again.
        interrupted: the user stopped it; finished trials are kept.
        seconds: wall time of the whole run.
        packs: packs that this run had to do.
        predicted_seconds: what `seconds` was predicted to be; 0 when there was nothing to do.
        elsewhere: missing trials that another run on the same store finished meanwhile.
        retried: packs that were tried again because their worker died.
        split: packs that were cut because they did not fit into memory.
        resumed: packs that went on from a checkpoint.
        log_file: path of the run's log, when the store is local.
    """

    planned: int
    already_done: int
    trained: int = 0
    diverged: int = 0
    failed: int = 0
    interrupted: bool = False
    seconds: float = 0.0
    packs: int = 0
    predicted_seconds: float = 0.0
    elsewhere: int = 0
    retried: int = 0
    split: int = 0
    resumed: int = 0
    log_file: str | None = None


def run_study(
    loaded: LoadedSpace,
    *,
    store: Store | str,
    study: str,
    limit: int | None = None,
    pack_size: int | None = None,
    address: str | None = None,
    device: str = "cpu",
    cpus_per_pack: float | None = None,
    gpus_per_pack: float | None = None,
    fresh_actors: bool = False,
    checkpoint_every: float = CHECKPOINT_EVERY,
    data_root: str | None = None,
    progress: Progress | None = None,
) -> RunSummary:
    """Train what is missing of a search space.

    Device, address, models and data are tried before anything is written.

    Args:
        loaded: the search-space file.
        store: where plan and results go; given its location, one is made there if there is none.
        study: the name that the plan is written under.
        limit: only the first trials of the plan in canonical order, whatever the store holds.
        pack_size: the largest number of trials in a pack; chosen to suit the machine by default.
        address: of a running Ray cluster; None uses this machine's cores.
        device: `cpu`, or `cuda`.
        cpus_per_pack: cores that Ray sets aside for each pack; 1 by default.
        gpus_per_pack: GPUs for each pack on `cuda`, 1 by default; 0.25 lets four share one.
        fresh_actors: a new worker process for each pack.
        checkpoint_every: seconds of training after which a pack is saved, again and again.
        data_root: folder of torchvision's files.
        progress: shows how far the run is; silent by default.

    Raises:
        InputError: the space, the data, the device or the address cannot work; no trial was
            started.
        EnvironmentFailure: the store, the data's source, the GPU or the cluster failed; finished
            trials are kept, and the same call goes on from there.
    """
    began = time.monotonic()
    progress = progress or Silent()
    resources = pack_resources(device, cpus_per_pack, gpus_per_pack)
    if not checkpoint_every >= 0:
        raise InputError(f"--checkpoint-every must be at least 0, not {checkpoint_every!r}.")
    check_device(device, address)
    check_address(address)
    request = Request(resources, address, pack_size, fresh_actors, checkpoint_every)
    heard = partial(progress.say, "Stopping: workers finish their step; what is finished is kept.")
    with Interruption(heard) as interruption:
        planned = planned_trials(loaded, limit)
        found = existing_store(store)
        if found is not None:
            found.check_writable()
        missing = planned if found is None else missing_trials(planned, found)
        already_done = len(planned) - len(missing)
        try:
            inputs = _inputs(loaded, missing, data_root)
        except KeyboardInterrupt:
            seconds = time.monotonic() - began
            return RunSummary(len(planned), already_done, interrupted=True, seconds=seconds)
        opened = found if found is not None else Store.open(str(store), create=True)
        execution = Execution(loaded, opened, missing, inputs, request, progress, interruption)
        return _run(execution, study=study, planned=planned, began=began)


def _run(
    execution: Execution, *, study: str, planned: list[Configuration], began: float
) -> RunSummary:
    """Write the plan, train, and sum up."""
    store, missing = execution.store, execution.missing
    already_done = len(planned) - len(missing)
    with log_file(store) as log:
        plan = store.write_plan(plan_of(execution.loaded, study, planned))
        logger.info(
            "explorer %s, study %s: %d trials planned, %d done before",
            __version__,
            study,
            len(planned),
            already_done,
        )
        if not missing:
            seconds = time.monotonic() - began
            return RunSummary(len(planned), already_done, seconds=seconds, log_file=log)
        interrupted = False
        try:
            execution.run(driver_mark(plan), len(planned))
        except KeyboardInterrupt:
            interrupted = True
        counts = execution.counts()
        done = counts.completed + counts.diverged
        requested = execution.interruption.requested
        summary = RunSummary(
            planned=len(planned),
            already_done=already_done,
            trained=done,
            diverged=counts.diverged,
            failed=counts.failed,
            interrupted=interrupted or (requested and done + counts.elsewhere < len(missing)),
            seconds=time.monotonic() - began,
            packs=execution.packs,
            predicted_seconds=execution.predicted_seconds,
            elsewhere=counts.elsewhere,
            retried=counts.retried,
            split=counts.split,
            resumed=counts.resumed,
            log_file=log,
        )
        logger.info("%s", summary)
        return summary


def _inputs(loaded: LoadedSpace, missing: list[Configuration], data_root: str | None) -> Inputs:
    """Load what the missing trials train on; it may be downloaded."""
    workloads = workloads_of(loaded, missing)  # first: it names a model that does not fit the data
    names = dict.fromkeys(configuration.dataset for configuration in missing)
    factories = loaded.space.dataset_factories
    datasets = {
        name: load_dataset(name, data_root=data_root, factories=factories) for name in names
    }
    return Inputs(datasets, workloads)
