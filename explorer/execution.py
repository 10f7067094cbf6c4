"""Training what is missing: packs, claims and checkpoints, handed to Ray Tune and counted."""

from __future__ import annotations

import logging
import math
import shutil
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from explorer import checkpoints, ray_environment
from explorer.claims import Claims
from explorer.datasets import Dataset
from explorer.device_model import (
    WORTH_MEASURING,
    Device,
    DeviceModel,
    keep_costs,
    known_costs,
    look_at_device,
)
from explorer.errors import EnvironmentFailure
from explorer.interruption import INTERRUPTED, Interruption
from explorer.pack_queue import CLAIM_AHEAD, Counts, PackQueue
from explorer.packing import CostModel, Pack, PackLimits, Workloads, make_packs
from explorer.planning import FINISHED, predicted_run_seconds
from explorer.progress import Progress
from explorer.request import PackResources
from explorer.result_rows import failed_row, provenance
from explorer.shared_work import SharedWork
from explorer.store import Store
from explorer.store.schema import COMPLETED, DIVERGED
from explorer.store_watch import StoreWatch
from explorer.strategies import GridStrategy
from explorer.trial import Configuration
from explorer.worker import CHECKPOINT_EVERY
from explorer.worker_checks import DriverMark, code_sha256

if TYPE_CHECKING:
    from explorer import tuning
    from explorer.ray_session import Session
    from explorer.space import LoadedSpace

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """The data of a run, and what its trials cost."""

    datasets: dict[str, Dataset]
    workloads: Workloads


@dataclass(frozen=True)
class Request:
    """How the user wants the trials to be trained.

    Attributes:
        resources: of a pack.
        address: of a running Ray cluster; None uses this machine's cores.
        pack_size: the largest number of trials in a pack; None lets it suit the device.
        fresh_actors: a new worker process for each pack.
        checkpoint_every: seconds between two checkpoints of a pack.
    """

    resources: PackResources
    address: str | None = None
    pack_size: int | None = None
    fresh_actors: bool = False
    checkpoint_every: float = CHECKPOINT_EVERY


class Execution:
    """Trains the trials that a store lacks.

    Args:
        loaded: the search-space file.
        store: where results go.
        missing: what is to be trained.
        inputs: its data and costs.
        request: how it is to be trained.
        progress: shows how far it is.
        interruption: of the user.

    Attributes:
        packs: packs that were planned.
        predicted_seconds: what the run was predicted to take, its start included.
    """

    def __init__(
        self,
        loaded: LoadedSpace,
        store: Store,
        missing: list[Configuration],
        inputs: Inputs,
        request: Request,
        progress: Progress,
        interruption: Interruption,
    ) -> None:
        self.loaded = loaded
        self.store = store
        self.missing = missing
        self.interruption = interruption
        self._inputs = inputs
        self._request = request
        self._progress = progress
        self._queue: PackQueue | None = None
        self._watch = StoreWatch(store)
        self.packs = 0
        self.predicted_seconds = 0.0

    def run(self, mark: DriverMark, planned: int) -> None:
        """Start Ray, train; returns early when interrupted.

        Args:
            mark: by which workers know this driver and its store.
            planned: trials of the plan, of which those that are not missing were done before.

        Raises:
            EnvironmentFailure: the store or the cluster failed; what is finished is in the store.
        """
        request, datasets = self._request, self._inputs.datasets
        logger.info("Data loaded: %s", ", ".join(datasets))
        self._progress.say("Starting Ray, which takes some seconds ...")
        ray_environment.prepare(request.address)
        from explorer import ray_session

        claims = Claims(self.store)
        try:
            with (
                self.interruption.deferred(),
                ray_environment.private_folder() as folder,
                ray_session.session(
                    request.address,
                    request.resources,
                    bytes_shared=sum(map(_size, datasets.values())),
                    folder=folder,
                    gone=partial(self._ray_is_gone, claims, folder),
                ) as session,
            ):
                self.interruption.take_signals()
                self._train(session, claims, mark, planned)
        finally:
            claims.close()

    def counts(self) -> Counts:
        """What became of the missing trials; workers that were stopped may have told nobody."""
        if self._queue is None:
            return Counts()
        counts = self._queue.counts
        if not self.interruption.requested:
            return counts
        statuses = self.store.statuses()
        found = Counter(statuses.get(configuration.trial_id) for configuration in self.missing)
        return Counts(
            completed=max(0, found[COMPLETED] - counts.elsewhere),
            diverged=found[DIVERGED],
            failed=counts.failed,
            elsewhere=counts.elsewhere,
            retried=counts.retried,
            split=counts.split,
            resumed=counts.resumed,
        )

    def _train(self, session: Session, claims: Claims, mark: DriverMark, planned: int) -> None:
        from explorer import tuning

        request = self._request
        divide = partial(
            make_packs,
            slots=session.slots,
            pack_size=request.pack_size,
            workloads=self._inputs.workloads,
        )
        packs = divide(self.missing)
        devices = self._devices(session, predicted_run_seconds(packs, session.slots))
        model = DeviceModel(self.store, devices, request.resources)
        divide = partial(divide, costs=model.costs, limits=model.limits)
        if (model.costs, model.limits) != (CostModel(), PackLimits()):
            packs = divide(self.missing)
        saved = self._saved_packs(claims)
        self.packs = len(packs)
        self.predicted_seconds = predicted_run_seconds(packs, session.slots)
        self._queue = PackQueue(
            GridStrategy(self.missing),
            divide,
            self._record_failed,
            self._progress,
            self.store.statuses,
            shared=SharedWork(claims, self.store.statuses),
            learn=model.learn,
            packs=packs,
            resumed=[(found.pack, found.alive, found.path) for found in saved],
            claim_ahead=max(CLAIM_AHEAD, session.slots),
        )
        logger.info(
            "%d trials in %d packs, predicted to take %.0f s",
            len(self.missing),
            self.packs,
            self.predicted_seconds,
        )
        if saved:
            logger.info("%d packs go on from a checkpoint", len(saved))
        self._progress.start(
            planned=planned,
            already_done=planned - len(self.missing),
            seconds_of_work=sum(pack.cost for pack in packs),
            slots=session.slots,
        )
        storage = _checkpoint_storage(self.store, claims.owner)
        try:
            tuning.run_packs(
                self._queue,
                session,
                store=self.store,
                datasets=self._inputs.datasets,
                model_factories=self.loaded.space.model_factories,
                import_path=str(Path(self.loaded.path).resolve().parent),
                resources=request.resources,
                storage=storage,
                mark=mark,
                fresh_actors=request.fresh_actors,
                interrupted=self._stopping(self._queue, claims),
                checkpoint_every=request.checkpoint_every if storage else math.inf,
            )
        finally:
            self._progress.close()
            self._clear_checkpoints(claims)

    def _ray_is_gone(self, claims: Claims, folder: Path, told: str) -> int:
        """Leave everything tidy in a process that is about to be ended; returns its exit code."""
        self._progress.close()
        claims.close()
        shutil.rmtree(folder, ignore_errors=True)
        logger.info("%s", told)
        if self.interruption.requested:
            self._progress.say("Interrupted: finished trials are kept, the same command goes on.")
            return INTERRUPTED
        print(f"explorer: {told} The same command goes on from there.", file=sys.stderr)
        return EnvironmentFailure.exit_code

    def _devices(self, session: Session, predicted: float) -> list[Device]:
        """The devices of this run, measured where that is worth the while."""
        from explorer import ray_session

        request, kind = self._request, self._request.resources.device
        known = known_costs(self.store)
        measure = predicted > WORTH_MEASURING
        devices = []
        if request.address is None and kind == "cpu":
            found = look_at_device(kind, known, measure=False)
            each = session.slots
            devices = [Device(found.key, found.memory, found.costs, each, each)]
            measure = measure and found.costs is None
        if not devices or measure:
            if measure:
                self._progress.say("Measuring what training costs here, once ...")
            answers = ray_session.on_each_kind_of_node(
                look_at_device, kind, known, measure, resources=request.resources
            )
            devices = [
                Device(found.key, found.memory, found.costs, slots, each)
                for found, slots, each in answers
            ] or devices
            keep_costs(self.store, devices)
        logger.info("Devices: %s", devices)
        return devices

    def _saved_packs(self, claims: Claims) -> list[checkpoints.SavedPack]:
        """Checkpoints of dead runs whose members are all to be trained, each once."""
        missing = set(self.missing)
        # A run elsewhere that left checkpoints may be dead: then it shows no further beat.
        left = checkpoints.saved_packs(self.store, lambda run: True)
        ours = {found.run for found in left if found.alive <= missing}
        if ours & claims.living():
            self._progress.say("Looking whether a run that left checkpoints still lives ...")
            claims.await_beats(ours)
        dead = self._is_dead(claims)
        taken: set[Configuration] = set()
        useful = []
        for found in left:
            whole = found.alive <= missing and missing.isdisjoint(found.over)
            if dead(found.run) and whole and taken.isdisjoint(found.alive) and self._fits(found):
                taken |= found.alive
                useful.append(found)
        return useful

    def _fits(self, found: checkpoints.SavedPack) -> bool:
        """Whether this program, with these data, can go on from a checkpoint."""
        data = self._inputs.datasets[found.pack.configurations[0].dataset]
        maker = (found.maker.code, found.maker.torch, found.maker.data_sha256)
        return maker == (code_sha256(), metadata.version("torch"), data.sha256)

    def _clear_checkpoints(self, claims: Claims) -> None:
        """Delete what dead runs and this one left, but for packs that are still to be finished."""
        try:
            claims.look()
            statuses = self.store.statuses()
        except Exception as error:  # nothing is deleted that somebody may need
            logger.info("Old checkpoints stay: %s", error)
            return
        dead = self._is_dead(claims)
        keep = [
            found.path
            for found in checkpoints.saved_packs(self.store, dead)
            if any(statuses.get(c.trial_id) not in FINISHED for c in found.alive)
        ]
        checkpoints.clear(self.store, dead, keep)

    def _is_dead(self, claims: Claims) -> Callable[[str], bool]:
        living = claims.living()
        return lambda run: run not in living

    def _stopping(self, queue: PackQueue, claims: Claims) -> Callable[[], bool]:
        def stopping() -> bool:
            claims.beat()
            if queue.trouble is None:
                queue.trouble = self._watch.trouble()
            return self.interruption.requested

        return stopping

    def _record_failed(self, pack: Pack, members: Sequence[Configuration], error: str) -> None:
        data = self._inputs.datasets[members[0].dataset]
        device = self._request.resources.device
        common = provenance(data.sha256, device, len(pack.configurations))
        self.store.publish(
            pack_id=pack.pack_id,
            attempt=uuid.uuid4().hex,
            trials=[{**failed_row(member, error), **common} for member in members],
            curves=[],
        )


def _checkpoint_storage(store: Store, run: str) -> tuning.Storage | None:
    """Where checkpoints go; nowhere, where Ray would write down a secret of the store's address."""
    from explorer import tuning

    if store.has_secret:
        logger.info("No checkpoints: the store's credentials are in its address")
        return None
    filesystem, path = store.subfolder(checkpoints.FOLDER)
    return tuning.Storage(filesystem, path, run)


def _size(dataset: Dataset) -> int:
    arrays = (dataset.train_inputs, dataset.train_labels, dataset.test_inputs, dataset.test_labels)
    return int(sum(array.nbytes for array in arrays))
