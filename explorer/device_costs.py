"""A device's name, its memory, and what training costs on it: measured in about a second."""

from __future__ import annotations

import hashlib
import math
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.models import multiply_adds
from explorer.packing import CostModel, Workload, workload_of
from explorer.trial import Configuration

if TYPE_CHECKING:
    from explorer.datasets import Dataset
    from explorer.training import PackTrainer

_CPU_INFO = Path("/proc/cpuinfo")
_CGROUP = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")

#: Packs that are timed: model, members, batch size. Of those that make a study's work, and such
#: that between them they tell the constants apart.
_PACKS = (
    ("mlp-64", 1, 8),
    ("mlp-64", 16, 8),
    ("mlp-64", 64, 8),
    ("mlp-64", 64, 32),
    ("mlp-64", 16, 128),
    ("mlp-64", 4, 512),
    ("mlp-16", 64, 32),
    ("mlp-256", 16, 8),
    ("mlp-256", 4, 128),
    ("cnn1d-16-32", 4, 8),
    ("cnn1d-16-32", 4, 32),
    ("cnn1d-8", 4, 128),
)
_EVALUATED = ("mlp-64", "cnn1d-16-32")
_SAMPLES, _INPUTS, _CLASSES = 2000, 40, 10
#: Each pack is timed so often, in the same order again, so that a disturbance meets one turn.
_TURNS = 5

#: What a constant may be, in seconds, for a note to be believed: from a large GPU to a slow board.
_PLAUSIBLE = {
    "member_step": (1e-9, 1e-1),
    "step_multiply_add": (1e-16, 1e-6),
    "evaluation_multiply_add": (1e-16, 1e-6),
    "stacked_step": (1e-7, 1.0),
    "pack": (1e-4, 600.0),
    "operation": (1e-8, 1e-1),
}


def device_description(device: str) -> str:
    """The device for people: `AMD EPYC 7B13, torch 2.14.1`.

    For a CPU torch is not imported: a driver that trains nothing has no need of it.
    """
    kind = device.partition(":")[0]
    if kind == "cpu":
        name = _cpu_name()
    elif kind == "cuda":
        import torch

        name = torch.cuda.get_device_name(torch.device(device))
    else:
        name = f"{kind} of {platform.machine()}"
    return f"{name}, torch {metadata.version('torch')}"


def device_name(device: str) -> str:
    """The same as a note's name or a file's: letters, digits, `_` and `.`, at most 100.

    Devices of one description share it, wherever they are; others do not.
    """
    described = device_description(device)
    readable = re.sub(r"[^A-Za-z0-9.]+", "_", described).strip("_.")[:80]
    return f"{readable or 'device'}_{hashlib.sha256(described.encode()).hexdigest()[:8]}"


def _cpu_name(info: Path = _CPU_INFO) -> str:
    try:
        found = re.search(r"^model name\s*:\s*(\S.*)$", info.read_text(), re.MULTILINE)
    except (OSError, UnicodeDecodeError):  # no Linux
        found = None
    name = found.group(1) if found else platform.processor() or platform.machine()
    return " ".join(name.split()) or "CPU"


def device_memory(device: str, cgroup: Path = _CGROUP, own_cgroup: Path = _OWN_CGROUP) -> int:
    """Bytes that training may use on the device: a GPU's memory, or the machine's or container's.

    Args:
        device: `cpu`, `cuda`, ...
        cgroup: where the control groups, of version 2 or 1, are mounted.
        own_cgroup: the file that says which of them this process is in.
    """
    if device.partition(":")[0] == "cuda":
        import torch

        return int(torch.cuda.get_device_properties(torch.device(device)).total_memory)
    machine = _machine_memory()
    return min([machine, *_cgroup_limits(cgroup, own_cgroup)])


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not known here: a small machine's
        return 8 * 2**30


def _cgroup_limits(cgroup: Path, own_cgroup: Path) -> list[int]:
    """Limits, in bytes, of the process's control group and of those above it."""
    try:
        lines = own_cgroup.read_text().splitlines()
    except OSError:
        lines = []
    groups = {(cgroup, "memory.max"), (cgroup / "memory", "memory.limit_in_bytes")}
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            root, file = cgroup, "memory.max"
        elif "memory" in controllers.split(","):
            root, file = cgroup / "memory", "memory.limit_in_bytes"
        else:
            continue
        # Inside a container the path may be the host's, of which nothing is mounted here.
        folder = Path(path.lstrip("/"))
        groups |= {(root / part, file) for part in (folder, *folder.parents)}
    limits = []
    for group, file in groups:
        try:
            limits.append(int((group / file).read_text()))
        except (OSError, ValueError):  # no such group or version, or "max"
            continue
    return [limit for limit in limits if limit > 0]


@dataclass(frozen=True)
class _Timing:
    """One measured kind of work: s a stacked step, or s a member's evaluation."""

    members: int
    samples: int
    multiply_adds: int
    seconds: float


def measure_costs(device: str = "cpu", seconds: float = 1.0) -> CostModel:
    """Time real stacked steps and evaluations on the device, and fit the cost model to them.

    One torch thread, as in training. What a pack costs beside its steps (`pack`) is not measured:
    it is Ray's and the store's.

    Args:
        device: `cpu`, `cuda`, ...
        seconds: about how long to measure.

    Returns:
        The constants, in seconds of a core, or of a GPU as busy as it is now.
    """
    from explorer.training.data import forget

    dataset = _random_dataset()
    try:
        steps = _step_timings(device, dataset, seconds * 0.8)
        evaluations = _evaluation_timings(device, dataset, seconds * 0.1)
    finally:
        forget(dataset)
    stacked_step, member_step, step_multiply_add = _fitted(steps)
    default = CostModel()
    each = [t.seconds / (t.samples * t.multiply_adds) for t in evaluations]
    found = {
        "stacked_step": stacked_step,
        "member_step": member_step,
        "step_multiply_add": step_multiply_add,
        "evaluation_multiply_add": math.sqrt(each[0] * each[1]),
        # Handing an operation to the device is most of either.
        "operation": default.operation * stacked_step / default.stacked_step,
    }
    within = {
        name: min(max(value, _PLAUSIBLE[name][0]), _PLAUSIBLE[name][1])
        for name, value in found.items()
    }
    return replace(default, **within)


def _random_dataset() -> Dataset:
    from explorer.datasets import Dataset

    draw = np.random.default_rng(0)
    labels = np.arange(_SAMPLES) % _CLASSES
    inputs = draw.normal(size=(_SAMPLES, _INPUTS))
    return Dataset.from_arrays("random numbers", inputs, labels, inputs[:100], labels[:100])


def _workload(model: str) -> Workload:
    adds = multiply_adds(model, (_INPUTS,), _CLASSES)
    return workload_of(model, adds, _SAMPLES, (_INPUTS,))


def _step_timings(device: str, dataset: Dataset, seconds: float) -> list[_Timing]:
    """Each pack's seconds a stacked step."""
    from explorer.training import PackTrainer

    began = time.perf_counter()
    trainers = []
    for model, members, batch_size in _PACKS:
        configurations = [
            Configuration(
                model=model,
                train_size=_SAMPLES // 2,
                batch_size=batch_size,
                learning_rate=0.01,
                momentum=0.9,
                budget="steps",
                budget_value=10**9,
                evaluations=1,
                seed=seed,
            )
            for seed in range(members)
        ]
        trainers.append(PackTrainer(configurations, dataset, device=device))
    for trainer in trainers:
        _seconds_a_step(trainer, device, 0.0, at_least=2)  # memory, caches, kernels
    left = seconds - (time.perf_counter() - began)
    stride = max(left / (_TURNS * len(trainers)), 0.004)
    turns = [[_seconds_a_step(t, device, stride) for t in trainers] for _ in range(_TURNS)]
    return [
        _Timing(members, batch_size, _workload(model).multiply_adds, _undisturbed(times))
        for (model, members, batch_size), times in zip(
            _PACKS, zip(*turns, strict=True), strict=True
        )
    ]


def _seconds_a_step(trainer: PackTrainer, device: str, seconds: float, at_least: int = 1) -> float:
    before, began = trainer.member_steps_done, _now(device)
    while True:
        trainer.advance(seconds)
        steps = (trainer.member_steps_done - before) // len(trainer.members)
        if steps >= at_least:
            return (_now(device) - began) / steps


def _evaluation_timings(device: str, dataset: Dataset, seconds: float) -> list[_Timing]:
    """Seconds of one member's evaluation."""
    import torch

    from explorer.models import build_model
    from explorer.training.evaluation import evaluate
    from explorer.training.loop import training_arithmetic

    where = torch.device(device)
    inputs = torch.from_numpy(dataset.train_inputs).to(where)
    labels = torch.from_numpy(dataset.train_labels).to(where)
    timings = []
    for name in _EVALUATED:
        model = build_model(name, (_INPUTS,), _CLASSES, batch_size=8, device=where)
        with training_arithmetic():
            weights = model.initial([torch.Generator().manual_seed(0)])
            weights = [weight.to(where) for weight in weights]
            work = partial(evaluate, model, weights, [0], inputs, labels)
            times = _repeated(work, device, seconds / len(_EVALUATED))
        adds = _workload(name).multiply_adds
        timings.append(_Timing(1, _SAMPLES, adds, _undisturbed(times[1:])))
    return timings


def _repeated(work: Callable[[], object], device: str, seconds: float) -> list[float]:
    """Seconds of each of at least four runs."""
    times: list[float] = []
    until = time.perf_counter() + seconds
    while len(times) < 4 or time.perf_counter() < until:
        began = _now(device)
        work()
        times.append(_now(device) - began)
    return times


def _undisturbed(times: Sequence[float]) -> float:
    """The lower quartile: what else the machine does only ever adds."""
    return statistics.quantiles(times, n=4, method="inclusive")[0]


def _now(device: str) -> float:
    """Seconds of work: of this thread on a CPU, which others may share; of the clock elsewhere."""
    import torch

    kind = torch.device(device).type
    if kind == "cpu":
        return time.thread_time()
    backend: Any = getattr(torch, kind)
    backend.synchronize()
    return time.perf_counter()


def _fitted(timings: Sequence[_Timing]) -> tuple[float, float, float]:
    """stacked_step, member_step and step_multiply_add, none negative, that fit best.

    Non-negative least squares of (predicted - t) / sqrt(predicted * t), by repeated weighting:
    twice as much and half as much are equally wrong.
    """
    from scipy.optimize import nnls

    default = CostModel()
    scale = np.array([default.stacked_step, default.member_step, default.step_multiply_add])
    columns = [[1, t.members, t.members * t.samples * t.multiply_adds] for t in timings]
    shares = np.array(columns, dtype=float) * scale
    seconds = np.array([t.seconds for t in timings])
    predicted = seconds
    for _ in range(10):
        weights = 1 / np.sqrt(seconds * np.maximum(predicted, seconds / 10))
        found, _ = nnls(shares * weights[:, None], seconds * weights)
        predicted = shares @ found
    # A share that is lost in the others is a small one, not none.
    stacked, member, multiply_add = np.maximum(found, 0.01) * scale
    return float(stacked), float(member), float(multiply_add)


def costs_note(costs: CostModel) -> dict[str, Any]:
    """The constants as a note: plain numbers by name, in seconds."""
    return {"version": 1, "seconds": asdict(costs)}


def costs_of_note(note: Mapping[str, Any]) -> CostModel | None:
    """The cost model that a note holds; None where it is foreign or not to be believed."""
    seconds = note.get("seconds")
    if note.get("version") != 1 or not isinstance(seconds, Mapping):
        return None
    found = {}
    for name, (least, most) in _PLAUSIBLE.items():
        value = seconds.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not least <= value <= most:  # NaN is not within either
            return None
        found[name] = float(value)
    return replace(CostModel(), **found)
