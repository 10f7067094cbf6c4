"""One pack on one worker: train it in short strides and publish what is finished."""

from __future__ import annotations

import logging
import math
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer import checkpoints
from explorer.datasets import Dataset
from explorer.errors import EnvironmentFailure, ExplorerError
from explorer.packing import Pack
from explorer.result_rows import curve_rows, provenance, trial_row
from explorer.store import Store
from explorer.store.schema import DIVERGED

if TYPE_CHECKING:
    from explorer.training import TrialResult

logger = logging.getLogger(__name__)

#: Seconds after which finished members of a still running pack are published.
PUBLISH_EVERY = 60.0
#: Seconds after which a pack that is still training is saved, so that its worker may die ...
CHECKPOINT_EVERY = 60.0
#: ... or more, so that saving takes at most a part of the time like this.
CHECKPOINT_SHARE = 0.05

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
        out_of_memory: the error is that the pack did not fit into memory.
        resumed_steps: SGD steps, summed over members, that a checkpoint spared this worker.
        save_error: one line, when the last checkpoint could not be saved.
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
    out_of_memory: bool = False
    resumed_steps: int = 0
    save_error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self)


def not_trained(environment: str) -> PackReport:
    """The report of a worker that must not train, for this reason."""
    return PackReport(
        done=True, steps_done=0, steps_total=0, finished=0, diverged=0, environment=environment
    )


class PackRun:
    """Trains one pack and publishes its members, each once, as attempts of their own.

    Args:
        pack: the pack.
        dataset: its data.
        store: where results go.
        device: `cpu`, `cuda`, ...
        model_factory: of the pack's model, when it is a user's.
        publish_every: seconds after which finished members are published before the pack's end.
        checkpoint_every: seconds of training after which a checkpoint is due.
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
        checkpoint_every: float = CHECKPOINT_EVERY,
    ) -> None:
        self._pack = pack
        self._dataset = dataset
        self._store = store
        self._device = device
        self._model_factory = model_factory
        self._publish_every = publish_every
        self._trainer: Any = None
        self._last_published = time.monotonic()
        self._checkpoint_every = checkpoint_every
        self._last_saved = time.monotonic()
        self._saving_took = 0.0
        self._to_save: bytes | None = None
        self._save_error: str | None = None
        self._index = {c.trial_id: i for i, c in enumerate(pack.configurations)}
        self._results: list[TrialResult] = []
        self._n_published = 0
        self._state: bytes | None = None
        self._earlier: tuple[MemberOutcome, ...] = ()
        self._resumed_steps = 0

    @property
    def checkpoint_due(self) -> bool:
        """Whether the last step left something to `save`."""
        return self._to_save is not None

    def step(self, seconds: float) -> PackReport:
        """Train for about that long, publish what is due, and report.

        Errors of the training are reported, not raised: what finished before them is published.
        """
        error = details = environment = None
        complete = out_of_memory = False
        try:
            self._train(seconds)
            complete = self._trainer.finished
        except Exception as raised:
            error, details = one_line(raised), traceback.format_exc()
            out_of_memory = self._no_memory(raised)
        try:
            self._collect()
            late = time.monotonic() - self._last_published > self._publish_every
            long_unsaved = not complete and not error and self._long_unsaved()
            if complete or error or late or long_unsaved:
                self._publish()
            self._to_save = self._saveable() if long_unsaved else None
        except EnvironmentFailure as raised:
            environment = str(raised)
        except Exception as raised:
            error, details = one_line(raised), traceback.format_exc()
        return self._report(complete, error, details, environment, out_of_memory)

    def save(self, folder: Path) -> None:
        """Write the checkpoint that the last step left to be saved.

        Args:
            folder: an empty folder.
        """
        assert self._to_save is not None
        began = time.monotonic()
        alive = [c.trial_id for c in self._trainer.members]
        steps_done = self._trainer.member_steps_done
        checkpoints.write(folder, self._to_save, self._pack, alive, steps_done, self._maker())
        self._to_save = self._save_error = None
        self._last_saved = time.monotonic()
        self._saving_took += self._last_saved - began

    def not_saved(self, error: Exception, seconds: float) -> None:
        """Take in that the checkpoint could not be kept: the next one is tried when it is due.

        Args:
            error: why.
            seconds: that trying took, which count as those of saving do.
        """
        self._to_save = None
        self._last_saved = time.monotonic()
        self._saving_took = max(self._saving_took, seconds)
        self._save_error = one_line(error)

    def resume(self, folder: Path) -> None:
        """Go on from a checkpoint in a folder of this machine, or from the start if it is no use.

        Its published members count as this run's.
        """
        self._state = checkpoints.read_local(folder, self._pack, self._maker())

    def resume_stored(self, path: str) -> None:
        """Go on from a checkpoint that an earlier run left in the store; see `resume`."""
        self._state = checkpoints.read_stored(self._store, path, self._pack, self._maker())

    def close(self) -> None:
        """Publish the members that are finished, when the pack is stopped before its end.

        Raises:
            EnvironmentFailure: the store cannot be written.
        """
        self._collect()
        self._publish()

    def _train(self, seconds: float) -> None:
        if self._trainer is None:
            self._trainer = self._resumed_trainer() or self._new_trainer()
            self._last_saved = time.monotonic()
        self._trainer.advance(seconds)

    def _new_trainer(self) -> Any:
        from explorer.training import PackTrainer

        return PackTrainer(
            self._pack.configurations,
            self._dataset,
            model_factory=self._model_factory,
            device=self._device,
        )

    def _resumed_trainer(self) -> Any:
        """The trainer that the checkpoint holds; None without one, or where it cannot be used."""
        if self._state is None:
            return None
        from explorer.training import PackTrainer
        from explorer.training.state_file import StateError, read_state

        try:
            told = read_state(self._state)
            trainer = PackTrainer.resumed(
                self._pack.configurations,
                self._dataset,
                told["trainer"],
                model_factory=self._model_factory,
                device=self._device,
            )
            self._earlier = tuple(tuple(outcome) for outcome in told["outcomes"])
        except (StateError, KeyError, TypeError) as error:
            logger.info("Pack %s starts anew: %s", self._pack.pack_id, one_line(error))
            return None
        self._resumed_steps = trainer.member_steps_done
        return trainer

    def _long_unsaved(self) -> bool:
        """Whether a checkpoint is due: saving takes a small part of the time."""
        pause = max(self._checkpoint_every, self._saving_took / CHECKPOINT_SHARE)
        return time.monotonic() - self._last_saved > pause

    def _saveable(self) -> bytes | None:
        """The state of the members that are still training; the others are published."""
        from explorer.training.state_file import state_bytes

        began = time.monotonic()
        try:
            state = state_bytes({"trainer": self._trainer.state(), "outcomes": self._outcomes()})
        except Exception as error:  # a model that no state can hold trains all the same
            logger.info("Pack %s is not saved: %s", self._pack.pack_id, error)
            self._checkpoint_every = math.inf
            return None
        self._saving_took = time.monotonic() - began
        return state

    def _no_memory(self, error: Exception) -> bool:
        """Whether memory ran out; if so, what this pack held is given back."""
        from explorer.training.memory import is_out_of_memory, release

        if not is_out_of_memory(error):
            return False
        self._collect()
        self._trainer = None
        error.__traceback__ = None  # its frames hold the tensors
        release(self._device)
        return True

    def _maker(self) -> checkpoints.Maker:
        from explorer.device_costs import device_name
        from explorer.worker_checks import code_sha256

        return checkpoints.Maker(
            code=code_sha256(),
            torch=metadata.version("torch"),
            device=device_name(self._device),
            data_sha256=self._dataset.sha256,
        )

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

    def _outcomes(self) -> tuple[MemberOutcome, ...]:
        """The published members, those before a checkpoint included."""
        return self._earlier + tuple(map(self._outcome, self._results[: self._n_published]))

    def _report(
        self,
        complete: bool,
        error: str | None,
        details: str | None,
        environment: str | None,
        out_of_memory: bool,
    ) -> PackReport:
        done = complete or bool(error) or bool(environment)
        return PackReport(
            done=done,
            steps_done=self._trainer.member_steps_done if self._trainer else 0,
            steps_total=self._trainer.member_steps_total if self._trainer else 0,
            finished=len(self._earlier) + len(self._results),
            diverged=sum(outcome[1] == DIVERGED for outcome in self._earlier)
            + sum(result.status == DIVERGED for result in self._results),
            outcomes=self._outcomes() if done else (),
            error=error,
            details=details,
            environment=environment,
            out_of_memory=out_of_memory,
            resumed_steps=self._resumed_steps,
            save_error=self._save_error,
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
