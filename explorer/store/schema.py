"""Columns of the three tables, with units: all that `explorer` and `analysis` share."""

from __future__ import annotations

import pyarrow as pa

#: Major version: a reader refuses a higher one. Minor: new nullable columns, filled with null.
SCHEMA_VERSION = (1, 0)

COMPLETED, DIVERGED, FAILED = "completed", "diverged", "failed"
#: Best first: a reader that finds several attempts of one trial takes the best status.
STATUSES = (COMPLETED, DIVERGED, FAILED)


def _field(name: str, kind: pa.DataType, unit: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"unit": unit})


CONFIGURATION_FIELDS = [
    _field("dataset", pa.string(), "name"),
    _field("model", pa.string(), "name"),
    _field("train_size", pa.int64(), "samples"),
    _field("batch_size", pa.int64(), "samples"),
    _field("learning_rate", pa.float64(), "1"),
    _field("momentum", pa.float64(), "1"),
    _field("weight_decay", pa.float64(), "1"),
    _field("clip_norm", pa.float64(), "gradient norm; null means not clipped", nullable=True),
    _field("final_decay", pa.float64(), "fraction of the steps"),
    _field("sampling", pa.string(), "name"),
    _field("budget", pa.string(), "name"),
    _field("budget_value", pa.float64(), "steps, epochs or steps*learning_rate, as budget says"),
    _field("evaluations", pa.int64(), "count"),
    _field("validation_size", pa.int64(), "samples"),
    _field("seed", pa.int64(), "number of the repetition"),
    _field("dataset_source", pa.string(), "sha256 of a user's factory, or empty"),
    _field("model_source", pa.string(), "sha256 of a user's factory, or empty"),
]

PLAN_SCHEMA = pa.schema([_field("trial_id", pa.string(), "key"), *CONFIGURATION_FIELDS])

_METRICS = [
    _field("train_loss", pa.float64(), "nats per sample", nullable=True),
    _field("train_accuracy", pa.float64(), "fraction", nullable=True),
    _field("test_loss", pa.float64(), "nats per sample", nullable=True),
    _field("test_accuracy", pa.float64(), "fraction", nullable=True),
    _field("validation_loss", pa.float64(), "nats per sample", nullable=True),
    _field("validation_accuracy", pa.float64(), "fraction", nullable=True),
]

#: One row a trial. Metrics are the last evaluation's; null where there was none.
TRIALS_SCHEMA = pa.schema(
    [
        _field("trial_id", pa.string(), "key"),
        *CONFIGURATION_FIELDS,
        _field("status", pa.string(), "completed, diverged or failed"),
        _field("steps", pa.int64(), "SGD steps planned"),
        _field("steps_done", pa.int64(), "SGD steps done; less than steps where it diverged"),
        _field("n_classes", pa.int64(), "classes; chance accuracy is 1/n_classes", nullable=True),
        *_METRICS,
        _field("best_test_accuracy", pa.float64(), "fraction, best evaluation", nullable=True),
        _field("attempt", pa.string(), "uuid of the attempt that trained it"),
        _field("pack_id", pa.string(), "pack it was trained in"),
        _field("pack_size", pa.int64(), "trials in that pack"),
        _field("wall_seconds", pa.float64(), "seconds, the trial's share of its pack's time"),
        _field("error", pa.string(), "one sentence where it failed", nullable=True),
        _field("data_sha256", pa.string(), "of the data set's arrays"),
        _field("training_version", pa.int64(), "raised when results change"),
        _field("explorer_version", pa.string(), "version"),
        _field("torch_version", pa.string(), "version"),
        _field("python_version", pa.string(), "version"),
        _field("device", pa.string(), "device the pack was trained on"),
        _field("host", pa.string(), "machine"),
        _field("finished_at", pa.timestamp("us", tz="UTC"), "time the pack was published"),
    ]
)

#: One row an evaluation, unique by (trial_id, attempt, step).
CURVES_SCHEMA = pa.schema(
    [
        _field("trial_id", pa.string(), "key"),
        _field("attempt", pa.string(), "uuid of the attempt that trained it"),
        _field("step", pa.int64(), "SGD steps done"),
        _field("epoch", pa.float64(), "passes over the training set"),
        *_METRICS,
    ]
)
