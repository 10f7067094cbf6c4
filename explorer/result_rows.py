"""The store's rows of a trial: what its result, its failure and its surroundings say."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

from explorer import __version__
from explorer.store.schema import FAILED
from explorer.trial import TRAINING_VERSION, Configuration

if TYPE_CHECKING:  # the driver needs these rows, but no torch
    from explorer.training import TrialResult


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
