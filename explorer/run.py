"""A whole run: the plan is written, what the store holds is subtracted, the rest is trained."""

from __future__ import annotations

import itertools
import logging
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from explorer import __version__, ray_environment
from explorer.cores import available_cores
from explorer.datasets import Dataset, dataset_info, load_dataset
from explorer.errors import InputError
from explorer.interruption import Interruption
from explorer.models import multiply_adds
from explorer.pack_queue import Counts, PackQueue
from explorer.packing import (
    Pack,
    Workloads,
    make_packs,
    makespan,
    workload_of,
)
from explorer.progress import Progress, Silent
from explorer.run_log import local_folder, log_file
from explorer.store import Plan, Store, plan_table
from explorer.store.schema import COMPLETED, DIVERGED, FAILED
from explorer.strategies import GridStrategy
from explorer.trial import Configuration
from explorer.worker import failed_row, provenance

if TYPE_CHECKING:
    from explorer.space import LoadedSpace

logger = logging.getLogger(__name__)

#: Statuses that are not trained again.
FINISHED = frozenset({COMPLETED, DIVERGED})

#: Devices that Ray can hand out: a core, or a GPU with a core, for each pack.
DEVICES = ("cpu", "cuda")

#: Seconds from the command to the first step: Ray, its workers, torch in each of them.
START_SECONDS = 7.0

# Bytes in the store, measured on packs of 8 to 64 trials with 10 evaluations.
_BYTES_A_PACK = 30_000
_BYTES_A_TRIAL = 160
_BYTES_AN_EVALUATION = 45


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
    log_file: str | None = None


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


def run_study(
    loaded: LoadedSpace,
    *,
    store: Store,
    study: str,
    limit: int | None = None,
    pack_size: int | None = None,
    address: str | None = None,
    device: str = "cpu",
    fresh_actors: bool = False,
    data_root: str | None = None,
    progress: Progress | None = None,
) -> RunSummary:
    """Train what is missing of a search space.

    Args:
        loaded: the search-space file.
        store: where plan and results go.
        study: the name that the plan is written under.
        limit: only the first trials of the plan in canonical order, whatever the store holds.
        pack_size: the largest number of trials in a pack; chosen to suit the machine by default.
        address: of a running Ray cluster; None uses this machine's cores.
        device: `cpu`, or `cuda` for one GPU a pack.
        fresh_actors: a new worker process for each pack.
        data_root: folder of torchvision's files.
        progress: shows how far the run is; silent by default.

    Raises:
        InputError: the space, the data, the device or the address cannot work; nothing was
            started.
        EnvironmentFailure: the store, the data's source or the cluster failed; finished trials
            are kept, and the same call goes on from there.
    """
    began = time.monotonic()
    progress = progress or Silent()
    _check_device(device)
    with Interruption() as interruption, log_file(store) as log:
        planned = _planned(loaded, limit)
        store.check_writable()
        store.write_plan(_plan(loaded, study, planned))
        missing = _missing(planned, store)
        already_done = len(planned) - len(missing)
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
        training = _Training(loaded, store, missing, device, progress, interruption)
        interrupted = False
        try:
            training.run(
                planned=len(planned),
                pack_size=pack_size,
                address=address,
                fresh_actors=fresh_actors,
                data_root=data_root,
            )
        except KeyboardInterrupt:
            interrupted = True
        counts = training.counts()
        done = counts.completed + counts.diverged
        summary = RunSummary(
            planned=len(planned),
            already_done=already_done,
            trained=done,
            diverged=counts.diverged,
            failed=counts.failed,
            interrupted=interrupted or (interruption.requested and done < len(missing)),
            seconds=time.monotonic() - began,
            packs=training.packs,
            predicted_seconds=training.predicted_seconds,
            log_file=log,
        )
        logger.info("%s", summary)
        return summary


def dry_run(
    loaded: LoadedSpace,
    *,
    store: Store | None,
    study: str,
    limit: int | None = None,
    pack_size: int | None = None,
    device: str = "cpu",
) -> DryRun:
    """Say what `run_study` would do on this machine; starts nothing and writes nothing.

    Args:
        loaded: the search-space file.
        store: the store, if there is one already.
        study: the name that the plan would be written under.
        limit: see `run_study`.
        pack_size: see `run_study`.
        device: see `run_study`.

    Raises:
        InputError: the space or the device cannot work.
        EnvironmentFailure: the store cannot be read.
    """
    _check_device(device)
    planned = _planned(loaded, limit)
    missing = _missing(planned, store) if store is not None else planned
    slots = 1 if device == "cuda" else available_cores()
    packs = make_packs(missing, slots, pack_size, workloads=_workloads(loaded, missing))
    evaluations = sum(configuration.evaluations for configuration in missing)
    return DryRun(
        trials=len(planned),
        left_out=tuple(loaded.space.left_out),
        already_done=len(planned) - len(missing),
        packs=len(packs),
        slots=slots,
        predicted_seconds=_predicted(packs, slots),
        predicted_bytes=len(packs) * _BYTES_A_PACK
        + len(missing) * _BYTES_A_TRIAL
        + evaluations * _BYTES_AN_EVALUATION,
    )


class _Training:
    """Data, packs and Ray for the trials that are missing."""

    def __init__(
        self,
        loaded: LoadedSpace,
        store: Store,
        missing: list[Configuration],
        device: str,
        progress: Progress,
        interruption: Interruption,
    ) -> None:
        self._loaded = loaded
        self._store = store
        self._missing = missing
        self._device = device
        self._progress = progress
        self._interruption = interruption
        self._queue: PackQueue | None = None
        self._datasets: dict[str, Dataset] = {}
        self.packs = 0
        self.predicted_seconds = 0.0

    def run(
        self,
        *,
        planned: int,
        pack_size: int | None,
        address: str | None,
        fresh_actors: bool,
        data_root: str | None,
    ) -> None:
        """Load the data, start Ray, train; returns early when interrupted."""
        space = self._loaded.space
        for name in dict.fromkeys(configuration.dataset for configuration in self._missing):
            self._datasets[name] = load_dataset(
                name, data_root=data_root, factories=space.dataset_factories
            )
        workloads = _workloads(self._loaded, self._missing)
        logger.info("Data loaded: %s", ", ".join(self._datasets))
        ray_environment.prepare(address)
        from explorer import tuning

        with (
            self._interruption.deferred(),
            ray_environment.private_folder() as folder,
            tuning.session(
                address,
                self._device,
                bytes_shared=sum(map(_size, self._datasets.values())),
                folder=folder,
                scratch=_scratch(self._store) if address is not None else None,
            ) as session,
        ):
            self._interruption.take_signals()
            divide = partial(
                make_packs, slots=session.slots, pack_size=pack_size, workloads=workloads
            )
            packs = divide(self._missing)
            self.packs = len(packs)
            self.predicted_seconds = _predicted(packs, session.slots)
            self._queue = PackQueue(
                GridStrategy(self._missing), divide, self._record_failed, self._progress
            )
            logger.info(
                "%d trials in %d packs, predicted to take %.0f s",
                len(self._missing),
                self.packs,
                self.predicted_seconds,
            )
            self._progress.start(
                planned=planned,
                already_done=planned - len(self._missing),
                seconds_of_work=sum(pack.cost for pack in packs),
                slots=session.slots,
            )
            try:
                tuning.run_packs(
                    self._queue,
                    session,
                    store=self._store,
                    datasets=self._datasets,
                    model_factories=space.model_factories,
                    import_path=str(Path(self._loaded.path).resolve().parent),
                    device=self._device,
                    fresh_actors=fresh_actors,
                    interrupted=lambda: self._interruption.requested,
                )
            finally:
                self._progress.close()

    def counts(self) -> Counts:
        """What became of the missing trials; workers that were stopped may have told nobody."""
        if self._queue is None:
            return Counts()
        if not self._interruption.requested:
            return self._queue.counts
        statuses = self._store.statuses()
        found = Counter(statuses.get(configuration.trial_id) for configuration in self._missing)
        return Counts(found[COMPLETED], found[DIVERGED], self._queue.counts.failed)

    def _record_failed(self, pack: Pack, members: Sequence[Configuration], error: str) -> None:
        data = self._datasets[members[0].dataset]
        common = provenance(data.sha256, self._device, len(pack.configurations))
        self._store.publish(
            pack_id=pack.pack_id,
            attempt=uuid.uuid4().hex,
            trials=[{**failed_row(member, error), **common} for member in members],
            curves=[],
        )


def _check_device(device: str) -> None:
    if device not in DEVICES:
        raise InputError(f"device must be one of {', '.join(DEVICES)}, not {device!r}.")


def _planned(loaded: LoadedSpace, limit: int | None) -> list[Configuration]:
    return list(itertools.islice(loaded.space.configurations(), limit))


def _plan(loaded: LoadedSpace, study: str, planned: list[Configuration]) -> Plan:
    return Plan(
        study=study,
        trials=plan_table(planned),
        source_name=Path(loaded.path).name,
        source_text=loaded.source_text,
        left_out=tuple(loaded.space.left_out),
    )


def _missing(planned: list[Configuration], store: Store) -> list[Configuration]:
    statuses = store.statuses()
    return [c for c in planned if statuses.get(c.trial_id, FAILED) not in FINISHED]


def _workloads(loaded: LoadedSpace, configurations: list[Configuration]) -> Workloads:
    """Each (data set, model)'s cost, from sizes that are known without the data."""
    space = loaded.space
    workloads = {}
    for dataset, model in dict.fromkeys((c.dataset, c.model) for c in configurations):
        info = dataset_info(dataset, factories=space.dataset_factories)
        adds = 0
        if model not in space.model_factories:
            adds = multiply_adds(model, info.input_shape, info.n_classes)
        workloads[dataset, model] = workload_of(model, adds, info.test_size)
    return workloads


def _predicted(packs: list[Pack], slots: int) -> float:
    return START_SECONDS + makespan([pack.cost for pack in packs], slots) if packs else 0.0


def _size(dataset: Dataset) -> int:
    arrays = (dataset.train_inputs, dataset.train_labels, dataset.test_inputs, dataset.test_labels)
    return int(sum(array.nbytes for array in arrays))


def _scratch(store: Store) -> Path | None:
    """A folder that a cluster's nodes share, if the store lies in one."""
    folder = local_folder(store)
    return folder / "tmp" / f"tune-{uuid.uuid4().hex}" if folder else None
