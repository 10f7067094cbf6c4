"""One pack on one worker: train it in short strides and publish what is finished."""

from __future__ import annotations

import math
import platform
import time
import traceback
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from explorer import __version__
from explorer.datasets import Dataset
from explorer.errors import EnvironmentFailure, ExplorerError
from explorer.packing import Pack
from explorer.store import Store
from explorer.store.schema import DIVERGED, FAILED
from explorer.trial import TRAINING_VERSION, Configuration

if TYPE_CHECKING:  # the driver needs these rows, but no torch
    from explorer.training import TrialResult

#: Seconds after which finished members of a still running pack are published.
PUBLISH_EVERY = 60.0

#: (index in the pack, status, test accuracy, test loss) of a published member.
MemberOutcome = tuple[int, str, float | None, float | None]


@dataclass(frozen=True, slots=True)
class PackReport:
    """What a worker tells the driver after each stride.

    Attributes:
        done: nothing more will come: all members are published, or `error` says why not.
        steps_done: SGD steps, summed over members.
        steps_total: SGD steps to do, summed over members.
        finished: members that completed or diverged so far.
        diverged: those of them that diverged.
        outcomes: every published member; filled when done.
        error: one line, when training raised; members that are not in `outcomes` are unfinished.
        details: the traceback that belongs to `error`.
        environment: one sentence, when the store could not be written.
    """

    done: bool
    steps_done: int
    steps_total: int
    finished: int
    diverged: int
    outcomes: tuple[MemberOutcome, ...] = ()
    error: str | None = None
    details: str | None = None
    environment: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self)


class PackRun:
    """Trains one pack and publishes its members, each once, as attempts of their own.

    Args:
        pack: the pack.
        dataset: its data.
        store: where results go.
        device: `cpu`, `cuda`, ...
        model_factory: of the pack's model, when it is a user's.
        publish_every: seconds after which finished members are published before the pack's end.
    """

    def __init__(
        self,
        pack: Pack,
        dataset: Dataset,
        store: Store,
        *,
        device: str = "cpu",
        model_factory: Callable[..., Any] | None = None,
        publish_every: float = PUBLISH_EVERY,
    ) -> None:
        self._pack = pack
        self._dataset = dataset
        self._store = store
        self._device = device
        self._model_factory = model_factory
        self._publish_every = publish_every
        self._trainer: Any = None
        self._last_published = time.monotonic()
        self._index = {c.trial_id: i for i, c in enumerate(pack.configurations)}
        self._results: list[TrialResult] = []
        self._n_published = 0

    def step(self, seconds: float) -> PackReport:
        """Train for about that long, publish what is due, and report.

        Errors of the training are reported, not raised: what finished before them is published.
        """
        error = details = environment = None
        complete = False
        try:
            self._train(seconds)
            complete = self._trainer.finished
        except Exception as raised:
            error, details = one_line(raised), traceback.format_exc()
        try:
            self._collect()
            if complete or error or time.monotonic() - self._last_published > self._publish_every:
                self._publish()
        except EnvironmentFailure as raised:
            environment = str(raised)
        except Exception as raised:
            error, details = one_line(raised), traceback.format_exc()
        return self._report(complete, error, details, environment)

    def close(self) -> None:
        """Publish the members that are finished, when the pack is stopped before its end.

        Raises:
            EnvironmentFailure: the store cannot be written.
        """
        self._collect()
        self._publish()

    def _train(self, seconds: float) -> None:
        if self._trainer is None:
            from explorer.training import PackTrainer

            self._trainer = PackTrainer(
                self._pack.configurations,
                self._dataset,
                model_factory=self._model_factory,
                device=self._device,
            )
        self._trainer.advance(seconds)

    def _collect(self) -> None:
        if self._trainer is not None:
            self._results += self._trainer.take_results()

    def _publish(self) -> None:
        fresh = self._results[self._n_published :]
        self._last_published = time.monotonic()
        if not fresh:
            return
        common = provenance(self._dataset.sha256, self._device, len(self._pack.configurations))
        self._store.publish(
            pack_id=self._pack.pack_id,
            attempt=uuid.uuid4().hex,
            trials=[{**trial_row(result), **common} for result in fresh],
            curves=[row for result in fresh for row in curve_rows(result)],
        )
        self._n_published = len(self._results)

    def _report(
        self, complete: bool, error: str | None, details: str | None, environment: str | None
    ) -> PackReport:
        done = complete or bool(error) or bool(environment)
        return PackReport(
            done=done,
            steps_done=self._trainer.member_steps_done if self._trainer else 0,
            steps_total=self._trainer.member_steps_total if self._trainer else 0,
            finished=len(self._results),
            diverged=sum(result.status == DIVERGED for result in self._results),
            outcomes=tuple(map(self._outcome, self._results[: self._n_published])) if done else (),
            error=error,
            details=details,
            environment=environment,
        )

    def _outcome(self, result: TrialResult) -> MemberOutcome:
        last = result.evaluations[-1] if result.evaluations else None
        return (
            self._index[result.configuration.trial_id],
            result.status,
            last.test_accuracy if last else None,
            last.test_loss if last else None,
        )


def one_line(error: BaseException) -> str:
    """The first line of the error's message; its type before it, where it is not our own."""
    lines = str(error).strip().splitlines()
    if lines and isinstance(error, ExplorerError):
        return lines[0]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def trial_row(result: TrialResult) -> dict[str, Any]:
    """The columns of TRIALS_SCHEMA that a result decides; metrics are the last evaluation's."""
    configuration = result.configuration
    row: dict[str, Any] = {
        "trial_id": configuration.trial_id,
        **configuration.as_dict(),
        "status": result.status,
        "steps": configuration.steps,
        "steps_done": result.steps_done,
        "n_classes": result.n_classes,
        "wall_seconds": result.wall_seconds,
    }
    if result.evaluations:
        last = asdict(result.evaluations[-1])
        row |= {name: value for name, value in last.items() if name not in ("step", "epoch")}
        accuracies = [evaluation.test_accuracy for evaluation in result.evaluations]
        row["best_test_accuracy"] = max(
            (accuracy for accuracy in accuracies if not math.isnan(accuracy)), default=None
        )
    return row


def curve_rows(result: TrialResult) -> Iterable[dict[str, Any]]:
    """The rows of CURVES_SCHEMA of one result, the attempt left out."""
    trial_id = result.configuration.trial_id
    return ({"trial_id": trial_id, **asdict(evaluation)} for evaluation in result.evaluations)


def failed_row(configuration: Configuration, error: str) -> dict[str, Any]:
    """The columns of TRIALS_SCHEMA of a trial that could not be trained."""
    return {
        "trial_id": configuration.trial_id,
        **configuration.as_dict(),
        "status": FAILED,
        "steps": configuration.steps,
        "steps_done": 0,
        "wall_seconds": 0.0,
        "error": error,
    }


def provenance(data_sha256: str, device: str, pack_size: int) -> dict[str, Any]:
    """The columns of TRIALS_SCHEMA that say where, and with what, trials were trained."""
    return {
        "pack_size": pack_size,
        "data_sha256": data_sha256,
        "training_version": TRAINING_VERSION,
        "explorer_version": __version__,
        "torch_version": metadata.version("torch"),
        "python_version": platform.python_version(),
        "device": device,
        "host": platform.node(),
    }
