"""Ray Tune runs the packs: one Tune trial is one pack. The only file that knows Ray Tune."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import ray
from ray import tune
from ray._private import services
from ray.tune.search import Searcher

from explorer import ray_environment
from explorer.cores import available_cores
from explorer.datasets import Dataset
from explorer.errors import EnvironmentFailure, InputError
from explorer.pack_queue import PackQueue
from explorer.pack_text import decode_members, encode_members
from explorer.packing import Pack, pack_of
from explorer.request import check_address
from explorer.store import Store
from explorer.worker import PackRun, one_line

logger = logging.getLogger(__name__)

#: Seconds of one step of a Tune trial: as long as that a Ctrl-C waits for the workers.
STRIDE = 1.0
#: Times that Tune tries a pack again whose worker died.
MAX_RETRIES = 2
#: The driver's memory grows by some 100 kB a Tune trial until `fit` returns.
PACKS_PER_FIT = 2_000


@dataclass(frozen=True)
class Session:
    """A connection to Ray.

    Attributes:
        slots: packs that run at the same time.
        folder: for Tune's own files.
    """

    slots: int
    folder: Path


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
    """

    store: Store
    datasets: Mapping[str, Any]
    factories: bytes
    device: str
    import_path: str
    current_folder: str


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
        self._factories = cloudpickle.loads(job.factories)
        self._datasets: dict[str, Dataset] = {}
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Go on with another pack in the same process."""
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
        )
        return True

    def step(self) -> dict[str, Any]:
        """Train for about a second."""
        return self._run.step(STRIDE).as_dict()

    def cleanup(self) -> None:
        """Keep the finished members of a pack that is stopped before its end."""
        self._run.close()


class _PackSearcher(Searcher):
    """Lets Tune ask a `PackQueue` for its trials, at most so many."""

    def __init__(self, queue: PackQueue, limit: int) -> None:
        super().__init__(metric=None, mode=None)
        self._queue = queue
        self._left = limit
        self.running: dict[str, Pack] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self._left <= 0 or self._queue.idle:
            return str(Searcher.FINISHED)
        pack = self._queue.take()
        if pack is None:
            return None
        self._left -= 1
        self.running[trial_id] = pack
        return {"pack_id": pack.pack_id, "members": encode_members(pack.configurations)}

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


@contextmanager
def session(
    address: str | None,
    device: str,
    *,
    bytes_shared: int,
    folder: Path,
    scratch: Path | None = None,
) -> Iterator[Session]:
    """Start Ray on this machine, or connect to a running cluster; leave it as it was at the end.

    Where this process is connected to Ray already, that connection is used and kept.

    Args:
        address: of a running cluster; None starts a private one whose sockets are on loopback.
        device: `cpu`, or `cuda` for one GPU a pack.
        bytes_shared: size of what all workers share.
        folder: for Ray's and Tune's own files; it exists, and is empty.
        scratch: for Tune's files instead, where all nodes reach it; deleted at the end.

    Raises:
        InputError: an address that cannot work.
        EnvironmentFailure: Ray does not start, or has nothing to run packs on.
    """
    check_address(address)
    owned = not ray.is_initialized()
    with _ray_logs_into_ours():
        if owned and address is not None:
            address = _answering(address)
        try:
            if owned:
                _connect(address, bytes_shared, folder)
            slots = _slots(device)
        except (ConnectionError, OSError, RuntimeError, ValueError, ray.exceptions.RayError) as e:
            if owned:
                ray.shutdown()
            where = f"at {address}" if address else "on this machine"
            raise EnvironmentFailure(f"Ray cannot be used {where}: {one_line(e)}.") from e
        try:
            if slots < 1:
                raise EnvironmentFailure(
                    f"Ray has no free {'GPU' if _needs_gpu(device) else 'CPU'} "
                    f"for the device {device!r}."
                )
            logger.info("Ray runs %d packs at a time", slots)
            yield Session(slots, scratch or folder / "tune")
        finally:
            if owned:
                ray.shutdown()
            if scratch is not None:
                shutil.rmtree(scratch, ignore_errors=True)


def run_packs(
    queue: PackQueue,
    session: Session,
    *,
    store: Store,
    datasets: Mapping[str, Dataset],
    model_factories: Mapping[str, Callable[..., Any]],
    import_path: str,
    device: str = "cpu",
    fresh_actors: bool = False,
    interrupted: Callable[[], bool] = lambda: False,
    packs_per_fit: int = PACKS_PER_FIT,
) -> None:
    """Run packs until the queue is idle, or the user or trouble stops it.

    Args:
        queue: what to run; it hears of everything that becomes of it.
        session: the connection to Ray.
        store: where the workers publish.
        datasets: the data that the packs name.
        model_factories: the user's model factories by name.
        import_path: the search-space file's folder.
        device: `cpu`, or `cuda` for one GPU a pack.
        fresh_actors: a new process for each pack, where memory is kept between them.
        interrupted: asked several times a second; True stops the run, finished members are kept.
        packs_per_fit: packs after which Tune is started anew.

    Raises:
        InputError: a model factory cannot be sent to workers.
        EnvironmentFailure: the store or the cluster failed; what is finished is in the store.
    """
    job = Job(
        store=store,
        datasets={name: ray.put(dataset) for name, dataset in datasets.items()},
        factories=_shipped(model_factories),
        device=device,
        import_path=import_path,
        current_folder=os.getcwd(),
    )
    trainable = tune.with_resources(
        tune.with_parameters(PackTrainable, job=job),
        {"cpu": 1, "gpu": 1} if _needs_gpu(device) else {"cpu": 1},
    )

    def stop() -> bool:
        return interrupted() or queue.trouble is not None

    while not stop() and not queue.idle:
        searcher = _PackSearcher(queue, packs_per_fit)
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                num_samples=-1,
                # Above the number of packs that fit at once, one worker did all the work.
                max_concurrent_trials=session.slots,
                reuse_actors=not fresh_actors,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                storage_path=str(session.folder),
                callbacks=[_Listener(queue, searcher)],
                stop=_Stop(stop),
                failure_config=tune.FailureConfig(max_failures=MAX_RETRIES),
                # Without it a class trainable is asked for a checkpoint, and the run hangs.
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            ),
        )
        try:
            tuner.fit()
        except Exception as error:
            logger.exception("Ray Tune stopped")
            raise EnvironmentFailure(
                f"Ray Tune stopped: {one_line(error)}; finished packs are kept, "
                "and the same command goes on from there."
            ) from error
        if queue.running and not stop():
            raise EnvironmentFailure(
                f"Ray Tune ended with {queue.running} packs unheard of; finished packs are kept, "
                "and the same command goes on from there."
            )
    if queue.trouble is not None:
        raise EnvironmentFailure(queue.trouble)


def _answering(address: str) -> str:
    """HOST:PORT of the cluster that is meant, once something answers there; Ray would wait long."""
    try:
        found = services.canonicalize_bootstrap_address_or_die(address)
        host, port = found.rsplit(":", 1)
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except ValueError as error:
        raise InputError(f"The address {address!r} must be `auto` or HOST:PORT.") from error
    except OSError as error:
        raise EnvironmentFailure(
            f"No Ray cluster answers at the address {address!r}: {one_line(error)}."
        ) from error
    return str(found)


def _connect(address: str | None, bytes_shared: int, folder: Path) -> None:
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING}
    with ray_environment.clean_import_path(folder):
        if address is not None:
            ray.init(address=address, **common)
            return
        ray.init(
            address="local",  # not what RAY_ADDRESS names
            num_cpus=available_cores(),
            include_dashboard=False,
            object_store_memory=max(128 * 2**20, 3 * bytes_shared),
            _temp_dir=str(folder / "ray"),
            **common,
        )


def _shipped(factories: Mapping[str, Callable[..., Any]]) -> bytes:
    try:
        pickled: bytes = cloudpickle.dumps(dict(factories))
    except Exception as error:
        raise InputError(
            f"The model functions {', '.join(factories)} cannot be sent to workers: "
            f"{one_line(error)}."
        ) from error
    return pickled


def _needs_gpu(device: str) -> bool:
    return device == "cuda"


def _slots(device: str, patience: float = 3.0) -> int:
    """Packs that fit at once: whole CPUs (GPUs) of each node, as far as nobody else uses them.

    What an earlier run in this process used may take a moment to be free again.
    """
    resource = "GPU" if _needs_gpu(device) else "CPU"
    whole = sum(int(node["Resources"].get(resource, 0)) for node in ray.nodes() if node["Alive"])
    deadline = time.monotonic() + patience
    free = int(ray.available_resources().get(resource, 0))
    while free < whole and time.monotonic() < deadline:
        time.sleep(0.1)
        free = max(free, int(ray.available_resources().get(resource, 0)))
    return min(whole, free)


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


class _Forward(logging.Handler):
    """Hands Ray's messages to those of this package's handlers that want more than warnings."""

    def emit(self, record: logging.LogRecord) -> None:
        # We keep no Tune metrics, which Tune misses anew at the end of each fit.
        if not record.name.endswith("experiment_analysis"):
            for handler in logging.getLogger("explorer").handlers:
                if handler.level < logging.WARNING:
                    handler.handle(record)


@contextmanager
def _ray_logs_into_ours() -> Iterator[None]:
    """Ray's messages go where this package's go, and not to the terminal."""
    theirs = logging.getLogger("ray")
    kept, level, propagate = theirs.handlers[:], theirs.level, theirs.propagate
    theirs.handlers[:], theirs.propagate = [_Forward()], False
    theirs.setLevel(logging.WARNING)
    try:
        yield
    finally:
        theirs.handlers[:], theirs.propagate = kept, propagate
        theirs.setLevel(level)
