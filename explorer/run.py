"""A whole run: the plan is written, what the store holds is subtracted, the rest is trained."""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from explorer import __version__, ray_environment
from explorer.datasets import Dataset, load_dataset
from explorer.interruption import Interruption
from explorer.pack_queue import Counts, PackQueue
from explorer.packing import (
    Pack,
    Workloads,
    make_packs,
)
from explorer.planning import (
    existing_store,
    missing_trials,
    plan_of,
    planned_trials,
    predicted_run_seconds,
    workloads_of,
)
from explorer.progress import Progress, Silent
from explorer.request import check_address, check_device
from explorer.run_log import local_folder, log_file
from explorer.store import Store
from explorer.store.schema import COMPLETED, DIVERGED
from explorer.store_watch import StoreWatch
from explorer.strategies import GridStrategy
from explorer.trial import Configuration
from explorer.worker import failed_row, provenance

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


def run_study(
    loaded: LoadedSpace,
    *,
    store: Store | str,
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

    Device, address, models and data are tried before anything is written.

    Args:
        loaded: the search-space file.
        store: where plan and results go; given its location, one is made there if there is none.
        study: the name that the plan is written under.
        limit: only the first trials of the plan in canonical order, whatever the store holds.
        pack_size: the largest number of trials in a pack; chosen to suit the machine by default.
        address: of a running Ray cluster; None uses this machine's cores.
        device: `cpu`, or `cuda` for one GPU a pack.
        fresh_actors: a new worker process for each pack.
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
    check_device(device, address)
    check_address(address)
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
        return _run(
            _Training(loaded, opened, missing, inputs, device, progress, interruption),
            study=study,
            planned=planned,
            pack_size=pack_size,
            address=address,
            fresh_actors=fresh_actors,
            began=began,
        )


def _run(
    training: _Training,
    *,
    study: str,
    planned: list[Configuration],
    pack_size: int | None,
    address: str | None,
    fresh_actors: bool,
    began: float,
) -> RunSummary:
    """Write the plan, train, and sum up."""
    store, missing, interruption = training.store, training.missing, training.interruption
    already_done = len(planned) - len(missing)
    with log_file(store) as log:
        store.write_plan(plan_of(training.loaded, study, planned))
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
            training.run(
                planned=len(planned),
                pack_size=pack_size,
                address=address,
                fresh_actors=fresh_actors,
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


@dataclass(frozen=True)
class _Inputs:
    """The data of a run, and what its trials cost."""

    datasets: dict[str, Dataset]
    workloads: Workloads


def _inputs(loaded: LoadedSpace, missing: list[Configuration], data_root: str | None) -> _Inputs:
    """Load what the missing trials train on; it may be downloaded."""
    workloads = workloads_of(loaded, missing)  # first: it names a model that does not fit the data
    names = dict.fromkeys(configuration.dataset for configuration in missing)
    factories = loaded.space.dataset_factories
    datasets = {
        name: load_dataset(name, data_root=data_root, factories=factories) for name in names
    }
    return _Inputs(datasets, workloads)


class _Training:
    """Data, packs and Ray for the trials that are missing."""

    def __init__(
        self,
        loaded: LoadedSpace,
        store: Store,
        missing: list[Configuration],
        inputs: _Inputs,
        device: str,
        progress: Progress,
        interruption: Interruption,
    ) -> None:
        self.loaded = loaded
        self.store = store
        self.missing = missing
        self.interruption = interruption
        self._inputs = inputs
        self._device = device
        self._progress = progress
        self._queue: PackQueue | None = None
        self._watch = StoreWatch(store)
        self.packs = 0
        self.predicted_seconds = 0.0

    def run(
        self,
        *,
        planned: int,
        pack_size: int | None,
        address: str | None,
        fresh_actors: bool,
    ) -> None:
        """Start Ray, train; returns early when interrupted."""
        space = self.loaded.space
        datasets = self._inputs.datasets
        logger.info("Data loaded: %s", ", ".join(datasets))
        self._progress.say("Starting Ray, which takes some seconds ...")
        ray_environment.prepare(address)
        from explorer import tuning

        with (
            self.interruption.deferred(),
            ray_environment.private_folder() as folder,
            tuning.session(
                address,
                self._device,
                bytes_shared=sum(map(_size, datasets.values())),
                folder=folder,
                scratch=_scratch(self.store) if address is not None else None,
            ) as session,
        ):
            self.interruption.take_signals()
            divide = partial(
                make_packs,
                slots=session.slots,
                pack_size=pack_size,
                workloads=self._inputs.workloads,
            )
            packs = divide(self.missing)
            self.packs = len(packs)
            self.predicted_seconds = predicted_run_seconds(packs, session.slots)
            self._queue = PackQueue(
                GridStrategy(self.missing),
                divide,
                self._record_failed,
                self._progress,
                self.store.statuses,
            )
            logger.info(
                "%d trials in %d packs, predicted to take %.0f s",
                len(self.missing),
                self.packs,
                self.predicted_seconds,
            )
            self._progress.start(
                planned=planned,
                already_done=planned - len(self.missing),
                seconds_of_work=sum(pack.cost for pack in packs),
                slots=session.slots,
            )
            try:
                tuning.run_packs(
                    self._queue,
                    session,
                    store=self.store,
                    datasets=datasets,
                    model_factories=space.model_factories,
                    import_path=str(Path(self.loaded.path).resolve().parent),
                    device=self._device,
                    fresh_actors=fresh_actors,
                    interrupted=self._stopping(self._queue),
                )
            finally:
                self._progress.close()

    def _stopping(self, queue: PackQueue) -> Callable[[], bool]:
        def stopping() -> bool:
            if queue.trouble is None:
                queue.trouble = self._watch.trouble()
            return self.interruption.requested

        return stopping

    def counts(self) -> Counts:
        """What became of the missing trials; workers that were stopped may have told nobody."""
        if self._queue is None:
            return Counts()
        if not self.interruption.requested:
            return self._queue.counts
        statuses = self.store.statuses()
        found = Counter(statuses.get(configuration.trial_id) for configuration in self.missing)
        return Counts(found[COMPLETED], found[DIVERGED], self._queue.counts.failed)

    def _record_failed(self, pack: Pack, members: Sequence[Configuration], error: str) -> None:
        data = self._inputs.datasets[members[0].dataset]
        common = provenance(data.sha256, self._device, len(pack.configurations))
        self.store.publish(
            pack_id=pack.pack_id,
            attempt=uuid.uuid4().hex,
            trials=[{**failed_row(member, error), **common} for member in members],
            curves=[],
        )


def _size(dataset: Dataset) -> int:
    arrays = (dataset.train_inputs, dataset.train_labels, dataset.test_inputs, dataset.test_labels)
    return int(sum(array.nbytes for array in arrays))


def _scratch(store: Store) -> Path | None:
    """A folder that a cluster's nodes share, if the store lies in one."""
    folder = local_folder(store)
    return folder / "tmp" / f"tune-{uuid.uuid4().hex}" if folder else None
