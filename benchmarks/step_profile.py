"""Where the time of a stacked training step goes, by torch.profiler."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # read while torch is imported

from torch.profiler import ProfilerActivity, profile, record_function

from explorer.datasets import Dataset
from explorer.training import PackTrainer
from explorer.trial import Configuration

GEMM = "matrix products"
OPTIMIZER = "optimizer"
SOFTMAX = "softmax and its gradient"
ACTIVATION = "ReLU and its gradient"
BIAS = "biases and their gradients"
GATHER = "gathering the batch"
SHUFFLE = "shuffling"
PYTHON = "Python, dispatch and views"
PARTS = (GEMM, OPTIMIZER, SOFTMAX, ACTIVATION, BIAS, GATHER, SHUFFLE, PYTHON)

#: Ops that do arithmetic or move data, outside the optimizer; views and allocations are dispatch.
_PART_OF_OP = {
    "aten::bmm": GEMM,
    "aten::baddbmm": GEMM,
    "aten::_softmax": SOFTMAX,
    "aten::_log_softmax": SOFTMAX,
    "aten::scatter_add_": SOFTMAX,
    "aten::mul_": SOFTMAX,
    "aten::clamp_min_": ACTIVATION,
    "aten::threshold_backward": ACTIVATION,
    "aten::sum": BIAS,
    "aten::index_select": GATHER,
    "aten::index": GATHER,
    "aten::copy_": GATHER,
    "aten::randperm": SHUFFLE,
}
_OPTIMIZER_OPS = frozenset({"aten::mul_", "aten::add_", "aten::addcmul_"})
_OPTIMIZER_MARK = "optimizer step"


@dataclass(frozen=True)
class StepProfile:
    """Parts of a step.

    Attributes:
        batch_size: B of the members.
        members: K.
        steps: stacked steps that were looked at.
        profiled_step_seconds: s, a stacked step while the profiler watched.
        shares: of that time, by part; they sum to 1.
        gemm_calls: matrix products in a stacked step.
        gemm_seconds: s, all matrix products of a stacked step.
    """

    batch_size: int
    members: int
    steps: int
    profiled_step_seconds: float
    shares: dict[str, float]
    gemm_calls: float

    @property
    def gemm_seconds(self) -> float:
        return self.shares[GEMM] * self.profiled_step_seconds


def step_profile(
    members: Sequence[Configuration], dataset: Dataset, seconds: float = 0.5
) -> StepProfile:
    """Profile about `seconds` of a pack's training, after as long a warm-up; no evaluation."""
    # So long a run that neither its evaluation nor its end is met.
    endless = [replace(c, budget="steps", budget_value=10**7, evaluations=1) for c in members]
    trainer = PackTrainer(endless, dataset)
    _mark(trainer._optimizer, "step", _OPTIMIZER_MARK)
    trainer.advance(seconds)
    before = trainer.member_steps_done
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        began = perf_counter()
        trainer.advance(seconds)
        wall = perf_counter() - began
    steps = (trainer.member_steps_done - before) // len(members)
    spent = dict.fromkeys(PARTS, 0.0)
    gemm_calls = 0
    for event in profiled.events() or []:
        part = _part(event)
        if part is not None:
            spent[part] += event.self_cpu_time_total * 1e-6
            gemm_calls += part == GEMM
    spent[PYTHON] = wall - sum(spent.values())
    return StepProfile(
        batch_size=members[0].batch_size,
        members=len(members),
        steps=steps,
        profiled_step_seconds=wall / steps,
        shares={part: spent[part] / wall for part in PARTS},
        gemm_calls=gemm_calls / steps,
    )


def _part(event: Any) -> str | None:
    """The part that an op belongs to; None for views, allocations and marks."""
    if event.name in _OPTIMIZER_OPS and _within(event, _OPTIMIZER_MARK):
        return OPTIMIZER
    if event.name == "aten::copy_" and _within(event, "aten::baddbmm"):
        return BIAS
    return _PART_OF_OP.get(event.name)


def _within(event: Any, name: str) -> bool:
    """Whether an op was called by an op or inside a mark of this name."""
    ancestor = event.cpu_parent
    while ancestor is not None and ancestor.name != name:
        ancestor = ancestor.cpu_parent
    return ancestor is not None


def _mark(owner: Any, method: str, label: str) -> None:
    """Let the profiler see the calls of one object's method."""
    original: Callable[..., Any] = getattr(owner, method)

    def marked(*arguments: Any) -> Any:
        with record_function(label):
            return original(*arguments)

    setattr(owner, method, marked)
