"""A connection to Ray, on this machine or to a running cluster, and how many packs fit on it."""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import explorer
from explorer import ray_environment
from explorer.cores import available_cores
from explorer.errors import EnvironmentFailure
from explorer.interruption import HANGUP
from explorer.ray_address import Address, answering
from explorer.ray_demand import Demand
from explorer.ray_watch import watched
from explorer.request import PackResources, check_address
from explorer.worker import one_line

logger = logging.getLogger(__name__)

#: Seconds for which the number of slots is taken to stay the same.
LOOK_EVERY = 2.0
#: Ray does not say that a token is missing.
_TOKEN_HINT = "; if it asks for a token, set RAY_AUTH_MODE=token"


class Session:
    """A connection to Ray.

    Args:
        count: counts the packs that may run at the same time now.
        folder: for Ray's and Tune's own files.
        demand: shows the packs that wait to a cluster that may grow.
    """

    def __init__(
        self, count: Callable[[], int], folder: Path, demand: Demand | None = None
    ) -> None:
        self.folder = folder
        self._demand = demand
        self._count = count
        self._slots = count()
        self._counted = time.monotonic()

    @property
    def slots(self) -> int:
        """Packs that may run at the same time; follows nodes that join or leave."""
        if time.monotonic() - self._counted > LOOK_EVERY:
            self._counted = time.monotonic()
            try:
                slots = self._count()
            except Exception as error:  # the run itself will say what ails the cluster
                logger.info("The nodes cannot be counted: %s", one_line(error))
                return self._slots
            if slots != self._slots:
                logger.info("Ray runs %d packs at a time now, %d before", slots, self._slots)
            self._slots = slots
        return self._slots

    def show_waiting(self, packs: int) -> None:
        """Let a cluster that may grow see packs that wait, as many at most as run now."""
        if self._demand is not None:
            try:
                self._demand.want(min(packs, self._slots))
            except Exception as error:  # the run itself will say what ails the cluster
                logger.info("The waiting packs cannot be shown: %s", one_line(error))


@contextmanager
def session(
    address: str | None,
    resources: PackResources,
    *,
    bytes_shared: int,
    folder: Path,
    gone: Callable[[str], int] | None = None,
) -> Iterator[Session]:
    """Start Ray on this machine, or connect to a running cluster; leave it as it was at the end.

    Where this process is connected to Ray already, that connection is used and kept.

    Args:
        address: of a running cluster; None starts a private one whose sockets are on loopback.
        resources: of a pack.
        bytes_shared: size of what all workers share.
        folder: for Ray's and Tune's own files; it exists, and is empty.
        gone: called with one sentence when a Ray that was started or connected here has died;
            its result is what the process then exits with. Without it nobody looks.

    Raises:
        InputError: an address that cannot work.
        EnvironmentFailure: Ray does not start, or has nothing to run packs on.
    """
    check_address(address)
    owned = not ray.is_initialized()
    with _ray_logs_into_ours():
        cluster = answering(address) if owned and address is not None else None
        try:
            if owned:
                with _signals_kept():
                    _connect(cluster, bytes_shared, folder)
            demand = Demand(resources) if address else None
            opened = Session(_Slots(resources), folder, demand)
        except (ConnectionError, OSError, RuntimeError, ValueError, ray.exceptions.RayError) as e:
            if owned:
                ray.shutdown()
            where = f"at the address {cluster}" if cluster else "on this machine"
            hint = _TOKEN_HINT if cluster and isinstance(e, ConnectionError) else ""
            raise EnvironmentFailure(f"Ray cannot be used {where}: {one_line(e)}{hint}.") from e
        except BaseException:
            if owned:
                ray.shutdown()
            raise
        try:
            if opened.slots < 1:
                raise EnvironmentFailure(resources.nothing_free())
            logger.info("Ray runs %d packs at a time", opened.slots)
            with _head_watched(cluster, gone) if owned and gone else nullcontext():
                yield opened
        finally:
            if owned:
                ray.shutdown()


def _head_watched(
    cluster: Address | None, gone: Callable[[str], int]
) -> AbstractContextManager[None]:
    """Watch the head of a private Ray, or the address of a cluster."""
    if cluster is None:
        running = ray._private.worker._global_node.all_processes
        heads = [entry.process for name in ("gcs_server", "raylet") for entry in running[name]]
        told = "Ray's own processes were ended from outside; finished packs are kept."
        return watched(
            lambda: not any(map(_has_ended, heads)),
            lambda: gone(told),
            patience=0.05,
            every=0.2,
        )

    def answers() -> bool:
        try:
            cluster.answers()
        except OSError:
            return False
        return True

    told = f"The Ray cluster at the address {cluster} is gone; finished packs are kept."
    return watched(answers, lambda: gone(told), patience=15.0, every=5.0)


def _has_ended(child: Any) -> bool:
    """Whether a child process has ended, which stays to be waited for.

    Until somebody has waited for Ray's raylet, Ray takes it for alive; then it ends this process at
    once, with code 1 and no word.
    """
    if not hasattr(os, "waitid"):  # macOS
        return child.poll() is not None
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def on_each_kind_of_node(
    function: Callable[..., Any], *arguments: Any, resources: PackResources, patience: float = 60.0
) -> list[tuple[Any, int, int]]:
    """Call a function on one node of each kind, as a pack would run there.

    Nodes are of one kind when their cores, GPUs and memory are the same.

    Returns:
        For each kind that answered: the result, the packs that fit on all its nodes, and those
        that share one device (a GPU, or a node's memory).
    """
    kinds: dict[str, list[dict[str, Any]]] = {}
    for node in ray.nodes():
        have = node["Resources"]
        if node["Alive"] and resources.slots(have.get("CPU", 0), have.get("GPU", 0)):
            kind = {k: v for k, v in have.items() if not k.startswith(("node:", "object_store"))}
            kind["memory"] = round(kind.get("memory", 0) / 2**30)
            kinds.setdefault(repr(sorted(kind.items())), []).append(node)
    remote = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=0)(function)
    asked = []
    for nodes in kinds.values():
        here = NodeAffinitySchedulingStrategy(nodes[0]["NodeID"], soft=False)
        have = nodes[0]["Resources"]
        each = resources.slots(have.get("CPU", 0), have.get("GPU", 0))
        shared = math.floor(1 / resources.gpus + 1e-9) if resources.gpus else each
        reference = remote.options(scheduling_strategy=here).remote(*arguments)
        asked.append((reference, each * len(nodes), shared))
    deadline = time.monotonic() + patience
    answers = []
    for reference, slots, shared in asked:
        try:
            left = max(0.1, deadline - time.monotonic())
            answers.append((ray.get(reference, timeout=left), slots, shared))
        except Exception as error:  # a node that is busy or gone is taken as it comes
            logger.info("A kind of node did not answer: %s", one_line(error))
            ray.cancel(reference, force=True)
    return answers


def _connect(address: Address | None, bytes_shared: int, folder: Path) -> None:
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING}
    with ray_environment.clean_import_path(folder):
        if address is not None:
            modules = {"py_modules": _our_packages()}
            ray.init(address=address.found, runtime_env=modules, **common)
            return
        with ray_environment.own_token():
            ray.init(
                address="local",  # not what RAY_ADDRESS names
                num_cpus=available_cores(),
                include_dashboard=False,
                object_store_memory=max(128 * 2**20, 3 * bytes_shared),
                _temp_dir=str(folder / ray_environment.RAY_FOLDER),
                **common,
            )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Our handlers again after Ray has set its own, and a SIGTERM meanwhile as the user's wish.

    What Ray starts inside inherits that it hears no SIGHUP, as Ray lets it hear no Ctrl-C: a
    terminal that goes away would end the workers before they have published what is finished.

    Raises:
        KeyboardInterrupt: Ray's handler ended the process for it.
    """
    ours: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        ours = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heard = None if HANGUP is None else signal.pthread_sigmask(signal.SIG_BLOCK, {HANGUP})
    try:
        yield
    except SystemExit as ended:
        if ended.code == signal.SIGTERM:
            raise KeyboardInterrupt from ended
        raise
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        if heard is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, heard)


def _our_packages() -> list[str]:
    """Our own folders, which Ray takes to every node: the workers' code is the driver's."""
    root = Path(explorer.__file__).resolve().parents[1]
    return [
        str(root / name)
        for name in ("explorer", "analysis", "searchspaces")
        if (root / name).is_dir()
    ]


class _Slots:
    """Counts the packs that fit on the living nodes, less those that others leave no room for.

    Others that end make room: so does a driver that was killed just before this run began, whose
    workers live on for some seconds.
    """

    def __init__(self, resources: PackResources) -> None:
        self._resources = resources
        self._others = _slots_taken_by_others(resources)
        self._seen = deque([self._others], maxlen=2)  # Ray's numbers are up to a second old

    def __call__(self) -> int:
        whole = _whole_slots(self._resources)
        if self._others:
            # Workers of ours that are being started count as others': never too few.
            used = whole - _free_slots(self._resources)
            self._seen.append(max(0, used - _own_workers()))
            self._others = min(self._others, max(self._seen))
        return max(0, whole - self._others)


def _own_workers() -> int:
    job = ray._private.worker.global_worker.current_job_id
    return len(ray._private.state.actors(job_id=job, actor_state_name="ALIVE"))


def _whole_slots(resources: PackResources) -> int:
    """Packs that fit on all living nodes, whoever uses them."""
    return sum(
        resources.slots(node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0))
        for node in ray.nodes()
        if node["Alive"]
    )


def _slots_taken_by_others(resources: PackResources, patience: float = 3.0) -> int:
    """Packs that cannot run because somebody else uses the cores or GPUs.

    What an earlier run in this process used may take a moment to be free again.
    """
    whole = _whole_slots(resources)
    deadline = time.monotonic() + patience
    free = _free_slots(resources)
    while free < whole and time.monotonic() < deadline:
        time.sleep(0.1)
        free = max(free, _free_slots(resources))
    return max(0, whole - free)


def _free_slots(resources: PackResources) -> int:
    free = ray.available_resources()
    return resources.slots(free.get("CPU", 0), free.get("GPU", 0))


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

    def tell(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
        for text in data["lines"]:
            theirs.warning("%s", text)

    # What a cluster says of lost nodes Ray prints to stdout, and no setting keeps it from that.
    printer = "print_to_stdstream"
    printing = getattr(ray._private.worker, printer, None)
    if printing is not None:  # Ray's own name, which a later version may change
        setattr(ray._private.worker, printer, tell)
    try:
        yield
    finally:
        if printing is not None:
            setattr(ray._private.worker, printer, printing)
        theirs.handlers[:], theirs.propagate = kept, propagate
        theirs.setLevel(level)
