"""The training loop: one pack, all members in step, each with its own end."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from explorer.datasets import Dataset
from explorer.models import build_model
from explorer.models.base import member_losses
from explorer.models.state import State, StateError, copies, copy_into, entry
from explorer.training.data import device_data
from explorer.training.evaluation import evaluate
from explorer.training.result import Evaluation, TrialResult
from explorer.training.sgd import StackedSGD
from explorer.training.streams import BatchStream, stream
from explorer.trial import Configuration

#: Steps between looks for non-finite losses. Part of what a result means: raise
#: `explorer.trial.TRAINING_VERSION` with it.
CHECK_EVERY = 64


class PackTrainer:
    """Trains trials of one shape together; on a CPU each one's bits are as if it were alone.

    All members share data set, model, train_size, batch_size, sampling and validation_size, and
    take their steps together. A member leaves when its own steps are done or its loss is
    non-finite; the others' arithmetic does not notice.
    """

    def __init__(
        self,
        configurations: Sequence[Configuration],
        dataset: Dataset,
        *,
        model_factory: Callable[..., torch.nn.Module] | None = None,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Draw the initial weights.

        Args:
            configurations: the members, of one shape.
            dataset: the data set they name.
            model_factory: the user's factory where `model` names one.
            device: a torch device.
            dtype: float32; float64 for checks against a reference.

        Raises:
            InputError: training and validation samples would overlap.
        """
        first = configurations[0]
        self._device = torch.device(device)
        self._data = device_data(dataset, self._device, dtype)
        self._train = self._data.training(first.train_size)
        self._validation = None
        if first.validation_size:
            self._validation = self._data.validation(first.train_size, first.validation_size)

        self._pack = tuple(configurations)
        self._members = list(configurations)
        self._positions = list(range(len(configurations)))  # of the members in the pack
        self._dataset_sha256 = dataset.sha256
        self._dtype = dtype
        self._evaluations: list[list[Evaluation]] = [[] for _ in configurations]
        self._due = [frozenset(c.evaluation_steps) for c in configurations]
        self._finished: list[TrialResult] = []
        self.member_steps_done = 0
        self.member_steps_total = sum(c.steps for c in configurations)
        self._step = 0
        self._awaiting: list[int] = []
        self._leaving: dict[int, str] = {}
        self._seconds_each = 0.0

        with training_arithmetic():
            self._model = build_model(
                first.model,
                dataset.input_shape,
                dataset.n_classes,
                batch_size=first.batch_size,
                factory=model_factory,
                device=self._device,
            )
            weights = self._model.initial([stream(c, "weights") for c in configurations])
        self._parameters = [p.to(self._device, dtype) for p in weights]
        self._gradients = [torch.empty_like(p) for p in self._parameters]
        self._optimizer = StackedSGD(configurations, self._parameters)
        self._batches = BatchStream(configurations)

    @property
    def finished(self) -> bool:
        """Whether every member has left."""
        return not self._members

    @property
    def members(self) -> tuple[Configuration, ...]:
        """Those that are still training."""
        return tuple(self._members)

    def take_results(self) -> list[TrialResult]:
        """The members that left since the last call."""
        taken, self._finished = self._finished, []
        return taken

    def advance(self, seconds: float = math.inf) -> None:
        """Train for about `seconds`, a step at least, or until every member has left."""
        deadline = time.perf_counter() + seconds
        with training_arithmetic():
            while self._members:
                started, members = time.perf_counter(), len(self._members)
                if self._awaiting:
                    self._evaluate_next()
                else:
                    self._train_one_step()
                now = time.perf_counter()
                self._seconds_each += (now - started) / members
                if now >= deadline:
                    break

    def state(self) -> State:
        """All that decides what is still to come; to be taken between any two calls of `advance`.

        Parameters, momentum, random streams, the model's own state, evaluations so far, and the
        results that `take_results` has not given out; those that it has are the caller's. On the
        CPU, and not moved by further training. A member takes 4 bytes a parameter, 4 more with
        momentum, and 5 kB for its stream.

        Raises:
            UnkeepableStateError: a user's model holds an object that training changes and no state
                can hold.
        """
        return {
            **self._origin(),
            "members": list(self._positions),
            "step": self._step,
            "member_steps_done": self.member_steps_done,
            "member_steps_total": self.member_steps_total,
            "seconds_each": self._seconds_each,
            "awaiting": list(self._awaiting),
            "leaving": [[k, status] for k, status in self._leaving.items()],
            "evaluations": [[e.as_list() for e in found] for found in self._evaluations],
            "finished": [self._finished_entry(result) for result in self._finished],
            "parameters": copies(self._parameters),
            "optimizer": self._optimizer.state(),
            "batches": self._batches.state(self._step),
            "held_by_model": self._model.state(),
        }

    @classmethod
    def resumed(
        cls, configurations: Sequence[Configuration], dataset: Dataset, state: State, **options: Any
    ) -> PackTrainer:
        """Go on from `state`, on the CPU bit for bit as the trainer that it was taken from.

        Args:
            configurations: all members that the pack began with, in their order.
            dataset: the data set they name.
            state: what `PackTrainer.state` gave.
            options: as for `PackTrainer`, and equal to those of the first trainer.

        Raises:
            StateError: the state is of another pack, data set, type, kind of device or version of
                torch, or it is damaged.
            InputError: see `PackTrainer`.
        """
        trainer = cls(configurations, dataset, **options)
        for name, value in trainer._origin().items():
            if entry(state, name, str) != value:
                raise StateError(
                    f"The training state is of another pack: its {name} is {state[name]}, "
                    f"not {value}."
                )
        try:
            trainer._load(state)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise StateError(f"The training state is damaged: {error!r}.") from error
        return trainer

    def _origin(self) -> State:
        """What a state must have in common with the trainer that goes on from it."""
        ids = ",".join(configuration.trial_id for configuration in self._pack)
        return {
            "trials": hashlib.sha256(ids.encode()).hexdigest(),
            "dataset": self._dataset_sha256,
            "dtype": str(self._dtype),
            "device": self._device.type,
            "torch": str(torch.__version__),
            "model": type(self._model).__name__,
        }

    def _load(self, state: State) -> None:
        members = entry(state, "members", list)
        if members != sorted(set(members) & set(self._positions)):
            raise StateError(f"The training state is damaged: its members are {members}.")
        self._keep(members)
        self._step = entry(state, "step", int)
        self.member_steps_done = entry(state, "member_steps_done", int)
        self.member_steps_total = entry(state, "member_steps_total", int)
        self._seconds_each = entry(state, "seconds_each", float)
        self._awaiting = [range(len(members))[k] for k in entry(state, "awaiting", list)]
        self._leaving = {range(len(members))[k]: s for k, s in entry(state, "leaving", list)}
        evaluations = entry(state, "evaluations", list)
        self._evaluations = [[Evaluation(*e) for e in evaluations[k]] for k in range(len(members))]
        self._finished = [self._finished_result(*values) for values in state["finished"]]
        copy_into(self._parameters, state, "parameters")
        self._optimizer.load_state(entry(state, "optimizer", dict))
        self._batches.load_state(entry(state, "batches", dict), self._step)
        self._model.load_state(entry(state, "held_by_model", dict), self._device)

    def _finished_entry(self, result: TrialResult) -> list[Any]:
        evaluations = [evaluation.as_list() for evaluation in result.evaluations]
        position = self._pack.index(result.configuration)
        return [position, result.status, result.steps_done, result.wall_seconds, evaluations]

    def _finished_result(
        self, position: int, status: str, steps: int, seconds: float, evaluations: list[Any]
    ) -> TrialResult:
        found = tuple(Evaluation(*values) for values in evaluations)
        return TrialResult(
            self._pack[position], status, steps, self._data.n_classes, seconds, found
        )

    def _train_one_step(self) -> None:
        inputs, labels = self._train
        rows = self._batches.indices(self._step).to(self._device)
        batch = inputs.index_select(0, rows.flatten()).unflatten(0, rows.shape)
        batch_labels = labels[rows]
        logits = self._model.gradients(self._parameters, batch, batch_labels, self._gradients)
        self._optimizer.step(self._step, self._parameters, self._gradients)
        self._step += 1
        self.member_steps_done += len(self._members)

        if self._step % CHECK_EVERY == 0:
            finite = member_losses(logits, batch_labels).isfinite().tolist()
            self._leave({k: "diverged" for k, good in enumerate(finite) if not good})
        self._awaiting = [k for k, steps in enumerate(self._due) if self._step in steps]

    def _evaluate_next(self) -> None:
        """Evaluate a member that is due (on a GPU all); then those at their end or lost leave.

        One member at a time, so that a caller with little time can stop in between.
        """
        on_cpu = self._device.type == "cpu"
        due, self._awaiting = (
            (self._awaiting[:1], self._awaiting[1:]) if on_cpu else (self._awaiting, [])
        )
        sets = {"train": self._train, "test": (self._data.test_inputs, self._data.test_labels)}
        if self._validation is not None:
            sets["validation"] = self._validation
        found: list[dict[str, Any]] = [{} for _ in due]
        for name, (inputs, labels) in sets.items():
            scores = evaluate(self._model, self._parameters, due, inputs, labels)
            for metrics, (loss, accuracy) in zip(found, scores, strict=True):
                metrics |= {f"{name}_loss": loss, f"{name}_accuracy": accuracy}
        for k, metrics in zip(due, found, strict=True):
            if not all(map(math.isfinite, metrics.values())):
                self._leaving[k] = "diverged"
                continue
            epoch = self._step * self._members[k].batch_size / self._members[k].train_size
            self._evaluations[k].append(Evaluation(step=self._step, epoch=epoch, **metrics))
            if self._step == self._members[k].steps:
                self._leaving[k] = "completed"
        if not self._awaiting:
            self._leave(self._leaving)
            self._leaving = {}

    def _leave(self, leaving: dict[int, str]) -> None:
        """Record these members' results and go on with the others."""
        if not leaving:
            return
        for k, status in leaving.items():
            self.member_steps_total -= self._members[k].steps - self._step
            self._finished.append(
                TrialResult(
                    configuration=self._members[k],
                    status=status,
                    steps_done=self._step,
                    n_classes=self._data.n_classes,
                    wall_seconds=self._seconds_each,
                    evaluations=tuple(self._evaluations[k]),
                )
            )
        self._keep([k for k in range(len(self._members)) if k not in leaving])

    def _keep(self, kept: list[int]) -> None:
        """Go on with these members only."""
        self._members = [self._members[k] for k in kept]
        self._positions = [self._positions[k] for k in kept]
        self._evaluations = [self._evaluations[k] for k in kept]
        self._due = [self._due[k] for k in kept]
        self._parameters = [p[kept] for p in self._parameters]
        self._gradients = [torch.empty_like(p) for p in self._parameters]
        self._optimizer.keep(kept)
        self._batches.keep(kept)
        self._model.keep(kept)


def train_pack(
    configurations: Sequence[Configuration], dataset: Dataset, **options: Any
) -> list[TrialResult]:
    """Train a pack to its end; results in the order given. Options as for `PackTrainer`."""
    trainer = PackTrainer(configurations, dataset, **options)
    trainer.advance()
    order = {c: i for i, c in enumerate(configurations)}
    return sorted(trainer.take_results(), key=lambda result: order[result.configuration])


@contextmanager
def training_arithmetic() -> Iterator[None]:
    """One torch thread, no autograd, subnormal numbers taken as zero; restored afterwards.

    More threads change the bits and starve each other. Subnormal numbers, which softmax makes of
    samples long since learnt, would slow a step down two and a half times.
    """
    threads = torch.get_num_threads()
    smallest = torch.tensor(1e-45)
    flushed_before = not bool(smallest * 1.0)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_flush_denormal(flushed_before)
        torch.set_num_threads(threads)
