"""Ray Tune runs the packs: one Tune trial is one pack. The only file that knows Ray Tune."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import pyarrow as pa
import ray
from pyarrow import fs
from ray import tune
from ray.train._internal.checkpoint_manager import _TrainingResult
from ray.tune.result import SHOULD_CHECKPOINT
from ray.tune.search import Searcher

from explorer.datasets import Dataset
from explorer.errors import EnvironmentFailure, InputError
from explorer.pack_queue import PackQueue
from explorer.pack_text import decode_members, encode_members
from explorer.packing import Pack, pack_of
from explorer.ray_session import Session
from explorer.request import PackResources
from explorer.store import Store
from explorer.worker import CHECKPOINT_EVERY, PackRun, not_trained, one_line
from explorer.worker_checks import DriverMark, trouble

logger = logging.getLogger(__name__)

#: Seconds of one step of a Tune trial: as long as that a Ctrl-C waits for the workers.
STRIDE = 1.0
#: Times that Tune tries a pack again whose worker died.
MAX_RETRIES = 2
#: The driver's memory grows by some 100 kB a Tune trial until `fit` returns.
PACKS_PER_FIT = 2_000
#: No limit: the searcher itself keeps to the number of slots, which may change.
_UNLIMITED = 1_000_000


@dataclass(frozen=True)
class Storage:
    """Where Tune keeps checkpoints: a folder that every node reaches.

    Attributes:
        filesystem: None for a folder of this machine's.
        path: of the folder on it.
        run: begins the names of this run's folders in it.
    """

    filesystem: fs.FileSystem | None
    path: str
    run: str


@dataclass(frozen=True)
class Job:
    """What all workers share; it is put into Ray's object store once.

    Attributes:
        store: where results go.
        datasets: references to each data set's arrays, by name.
        factories: the user's model factories by name, pickled by value.
        device: `cpu`, `cuda`, ...
        import_path: the search-space file's folder, for what its factories import late.
        current_folder: the driver's, for relative paths in a user's factory.
        mark: of the driver; None leaves out the checks of `explorer.worker_checks`.
        checkpoint_every: seconds between two checkpoints of a pack.
    """

    store: Store
    datasets: Mapping[str, Any]
    factories: bytes
    device: str
    import_path: str
    current_folder: str
    mark: DriverMark | None
    checkpoint_every: float


class PackTrainable(tune.Trainable):
    """Trains one pack after the other in one worker process."""

    def setup(self, config: dict[str, Any], job: Job | None = None) -> None:
        """Prepare the process, then the first pack."""
        assert job is not None
        import torch

        torch.set_num_threads(1)
        if job.import_path not in sys.path:
            sys.path.append(job.import_path)
        if os.path.isdir(job.current_folder):
            os.chdir(job.current_folder)
        self._job = job
        self._datasets: dict[str, Dataset] = {}
        self._trouble = trouble(job.mark, job.store) if job.mark else None
        if self._trouble is None:
            self._factories = cloudpickle.loads(job.factories)
            self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Go on with another pack in the same process."""
        if self._trouble is not None:
            return True
        pack = pack_of(decode_members(new_config["members"]))
        if pack.pack_id != new_config["pack_id"]:
            raise RuntimeError(f"Pack {new_config['pack_id']} arrived as {pack.pack_id}.")
        first = pack.configurations[0]
        if first.dataset not in self._datasets:
            self._datasets[first.dataset] = ray.get(self._job.datasets[first.dataset])
        self._run = PackRun(
            pack,
            self._datasets[first.dataset],
            self._job.store,
            device=self._job.device,
            model_factory=self._factories.get(first.model),
            checkpoint_every=self._job.checkpoint_every,
        )
        if "resume" in new_config:
            self._run.resume_stored(new_config["resume"])
        return True

    def step(self) -> dict[str, Any]:
        """Train for about a second."""
        if self._trouble is not None:
            return not_trained(self._trouble).as_dict()
        report = self._run.step(STRIDE)
        due = not report.done and self._run.checkpoint_due
        return {**report.as_dict(), SHOULD_CHECKPOINT: due}

    def save(self, checkpoint_dir: str | None = None) -> _TrainingResult:
        """Save the pack where the run keeps its checkpoints; where that fails, train on."""
        storage = self._storage
        before = storage.current_checkpoint_index
        began = time.monotonic()
        try:
            with tempfile.TemporaryDirectory() as folder:
                return super().save(folder)
        except Exception as error:  # Tune would take it for the worker's death
            # Ray says so at length, of clusters in general.
            gone = isinstance(error, RuntimeError) and "cluster storage" in str(error)
            told = FileNotFoundError("the run's folder for checkpoints is gone") if gone else error
            self._run.not_saved(told, time.monotonic() - began)
        if storage.current_checkpoint_index != before:  # a half is there, on a disk that is full?
            with contextlib.suppress(Exception):
                storage.storage_filesystem.delete_dir(storage.checkpoint_fs_path)
            storage.current_checkpoint_index = before
        return _TrainingResult(checkpoint=None, metrics={})

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save the members that are still training: tensors and plain values."""
        self._run.save(Path(checkpoint_dir))

    def restore(self, checkpoint_path: Any) -> None:
        """Go on in the place of a worker that died; from the start, if the checkpoint is gone."""
        with contextlib.suppress(OSError, ValueError, pa.ArrowException):
            super().restore(checkpoint_path)

    def load_checkpoint(self, checkpoint: str) -> None:
        """Go on in the place of a worker that died."""
        self._run.resume(Path(checkpoint))

    def cleanup(self) -> None:
        """Keep the finished members of a pack that is stopped before its end."""
        if self._trouble is None:
            self._run.close()


class _PackSearcher(Searcher):
    """Lets Tune ask a `PackQueue` for its trials: at most `limit`, and as many at once as fit.

    Above the number of packs that fit at once, one worker did all the work.
    """

    def __init__(self, queue: PackQueue, session: Session, limit: int) -> None:
        super().__init__(metric=None, mode=None)
        self._queue = queue
        self._session = session
        self._left = limit
        self.running: dict[str, Pack] = {}

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Say that this searcher keeps its own limit, which follows the nodes that are there."""
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self._left <= 0 or self._queue.idle:
            return str(Searcher.FINISHED)
        if len(self.running) >= self._session.slots:
            self._session.show_waiting(self._queue.waiting)
            return None
        pack = self._queue.take()
        if pack is None:
            return None
        self._left -= 1
        self.running[trial_id] = pack
        config = {"pack_id": pack.pack_id, "members": encode_members(pack.configurations)}
        saved = self._queue.saved(pack)
        return {**config, "resume": saved} if saved else config

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if not error and result is not None:
            self._queue.done(self.running.pop(trial_id), result)

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Save nothing: the store is the record."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Listener(tune.Callback):
    """Passes on what Tune hears from workers, and of their deaths."""

    def __init__(self, queue: PackQueue, searcher: _PackSearcher) -> None:
        self._queue = queue
        self._searcher = searcher

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        pack = self._searcher.running.get(trial.trial_id)
        if pack is not None:
            self._queue.heard(pack, result)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._queue.retried(_last_error(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        pack = self._searcher.running.pop(trial.trial_id, None)
        if pack is not None:
            self._queue.lost(pack, _last_error(trial))

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Stop(tune.Stopper):
    """Stops everything when the user or trouble asks for it."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._stop()

    def __getstate__(self) -> dict[str, Any]:
        return {}


def run_packs(
    queue: PackQueue,
    session: Session,
    *,
    store: Store,
    datasets: Mapping[str, Dataset],
    model_factories: Mapping[str, Callable[..., Any]],
    import_path: str,
    resources: PackResources | None = None,
    storage: Storage | None = None,
    mark: DriverMark | None = None,
    fresh_actors: bool = False,
    interrupted: Callable[[], bool] = lambda: False,
    packs_per_fit: int = PACKS_PER_FIT,
    checkpoint_every: float = CHECKPOINT_EVERY,
) -> None:
    """Run packs until the queue is idle, or the user or trouble stops it.

    Args:
        queue: what to run; it hears of everything that becomes of it.
        session: the connection to Ray.
        store: where the workers publish.
        datasets: the data that the packs name.
        model_factories: the user's model factories by name.
        import_path: the search-space file's folder.
        resources: of a pack; a core by default.
        storage: where checkpoints go; the session's folder by default.
        mark: by which workers know this driver and its store; None leaves the check out.
        fresh_actors: a new process for each pack, where memory is kept between them.
        interrupted: asked several times a second; True stops the run, finished members are kept.
        packs_per_fit: packs after which Tune is started anew.
        checkpoint_every: seconds between two checkpoints of a pack.

    Raises:
        InputError: a model factory cannot be sent to workers.
        EnvironmentFailure: the store or the cluster failed; what is finished is in the store.
    """
    resources = resources or PackResources()
    storage = storage or Storage(None, str(session.folder / "tune"), uuid.uuid4().hex)
    job = Job(
        store=store,
        datasets={name: ray.put(dataset) for name, dataset in datasets.items()},
        factories=_shipped(model_factories),
        device=resources.device,
        import_path=import_path,
        current_folder=os.getcwd(),
        mark=mark,
        checkpoint_every=checkpoint_every,
    )
    trainable = tune.with_resources(
        tune.with_parameters(PackTrainable, job=job),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
    fits = 0

    def stop() -> bool:
        return interrupted() or queue.trouble is not None

    while not stop() and not queue.idle:
        searcher = _PackSearcher(queue, session, packs_per_fit)
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                num_samples=-1,
                max_concurrent_trials=_UNLIMITED,
                reuse_actors=not fresh_actors,
                trial_dirname_creator=lambda trial: f"{trial.config['pack_id']}-{trial.trial_id}",
            ),
            run_config=tune.RunConfig(
                name=f"{storage.run}-{fits}",
                storage_path=storage.path,
                storage_filesystem=storage.filesystem,
                callbacks=[_Listener(queue, searcher)],
                stop=_Stop(stop),
                failure_config=tune.FailureConfig(max_failures=MAX_RETRIES),
                # Without it a class trainable is asked for a checkpoint, and the run hangs.
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False, num_to_keep=1),
                verbose=0,
            ),
        )
        try:
            tuner.fit()
        except Exception as error:
            logger.info("Ray Tune stopped", exc_info=True)  # into the log; one sentence is said
            if not Store.exists(store.location):
                raise EnvironmentFailure(f"The store {store} is gone.") from error
            raise EnvironmentFailure(
                f"Ray Tune stopped: {one_line(error)}; finished packs are kept, "
                "and the same command goes on from there."
            ) from error
        fits += 1
        if queue.running and not stop():
            raise EnvironmentFailure(
                f"Ray Tune ended with {queue.running} packs unheard of; finished packs are kept, "
                "and the same command goes on from there."
            )
    if queue.trouble is not None:
        raise EnvironmentFailure(queue.trouble)


def _shipped(factories: Mapping[str, Callable[..., Any]]) -> bytes:
    try:
        pickled: bytes = cloudpickle.dumps(dict(factories))
    except Exception as error:
        raise InputError(
            f"The model functions {', '.join(factories)} cannot be sent to workers: "
            f"{one_line(error)}."
        ) from error
    return pickled


def _last_error(trial: Any) -> str:
    """The last failure of a Tune trial, in one line."""
    try:
        text = Path(trial.error_file).read_text(encoding="utf-8", errors="replace")
    except (OSError, TypeError):
        return "the worker died"
    return summarized(text.split("Failure # ")[-1].partition("\n")[2])


def summarized(text: str) -> str:
    """The line of Ray's account of a failure that says what happened."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    lines = [line.strip() for line in plain.splitlines() if line.strip(" ^~")]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return (raised or lines or ["the worker died"])[-1 if raised else 0][:500]
