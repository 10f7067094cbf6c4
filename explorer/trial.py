"""The frozen configuration of one trial, and the id that follows from it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from explorer.errors import InputError

#: Raised whenever a change of the training code changes any result, so that old results are
#: never mistaken for new ones. It is part of every trial_id.
TRAINING_VERSION = 1

BUDGETS = ("steps", "epochs", "time", "time_over_learning_rate")
SAMPLINGS = ("shuffle", "subset", "replacement")

#: Fields that decide what is recorded, not how the parameters move: two configurations that
#: differ only in these train along the same trajectory, bit for bit.
OBSERVATION_FIELDS = frozenset({"evaluations", "validation_size"})

_SIGNIFICANT_DIGITS = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """Everything that decides a trial's result, seed included.

    Attributes:
        dataset: a registered data set (`mnist1d`, `digits`, ...) or a user's factory.
        model: `mlp-64` (hidden sizes joined by `-`), `cnn1d-16-32`, `cnn2d-16-32`, or a user's factory.
        train_size: N, the number of training samples: a prefix of one fixed permutation.
        batch_size: B, samples per step; the last partial batch of an epoch is dropped.
        learning_rate: eps, the learning rate of the mean loss.
        momentum: m in [0, 1), PyTorch's convention without dampening.
        weight_decay: L2 coefficient of the mean loss, as in `torch.optim.SGD`.
        clip_norm: bound on the gradient's norm over all parameters; None leaves gradients alone.
        final_decay: fraction of the steps, at the end, over which the learning rate falls linearly to 0.
        sampling: `shuffle` (each epoch), `subset` (a fresh subset each step) or `replacement`.
        budget: how `budget_value` is read: `steps`, `epochs`, `time` (steps = value*(1-m)/eps,
            equal effective time) or `time_over_learning_rate` (steps = value/eps; Smith & Le 2018, S19).
        evaluations: the number of equally spaced evaluations of the trial's own run.
        validation_size: samples held out behind the training prefix for validation; 0 for none.
        seed: numbers the repetitions of a cell.
        dataset_source, model_source: SHA-256 of a user's factory source, empty for built-in ones.
    """

    dataset: str = "mnist1d"
    model: str = "mlp-64"
    train_size: int
    batch_size: int
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float | None = None
    final_decay: float = 0.0
    sampling: str = "shuffle"
    budget: str = "steps"
    budget_value: float
    evaluations: int = 10
    validation_size: int = 0
    seed: int = 0
    dataset_source: str = ""
    model_source: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _typed(field.name, getattr(self, field.name)))
        _check_ranges(self)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the training set; the last partial batch is dropped."""
        return self.train_size // self.batch_size

    @property
    def steps(self) -> int:
        """The number of SGD steps that the budget gives this configuration, at least 1."""
        exact = {
            "steps": self.budget_value,
            "epochs": self.budget_value * self.steps_per_epoch,
            "time": self.budget_value * (1.0 - self.momentum) / self.learning_rate,
            "time_over_learning_rate": self.budget_value / self.learning_rate,
        }[self.budget]
        return max(1, round(exact))

    @property
    def evaluation_steps(self) -> tuple[int, ...]:
        """Steps after which the trial is evaluated: equally spaced, the last one at the end."""
        steps, n = self.steps, self.evaluations
        return tuple(sorted({max(1, round(steps * (i + 1) / n)) for i in range(n)}))

    @property
    def noise_scale(self) -> float:
        """g = eps*N/(B*(1-m)) (Smith & Le 2018, S26), in samples times learning rate."""
        return self.learning_rate * self.train_size / (self.batch_size * (1.0 - self.momentum))

    @property
    def trial_id(self) -> str:
        """Twenty hexadecimal digits of the SHA-256 of the canonical form."""
        return _digest(self._canonical(exclude=frozenset()))[:20]

    @property
    def stream_key(self) -> str:
        """What this trial's random streams are seeded from: all that moves its parameters."""
        return _digest(self._canonical(exclude=OBSERVATION_FIELDS))

    def _canonical(self, exclude: frozenset[str]) -> str:
        """Sorted JSON without fields at their default, so that a new field keeps old ids."""
        values: dict[str, Any] = {"training_version": TRAINING_VERSION}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in exclude and value != field.default:
                values[field.name] = _rounded(value) if isinstance(value, float) else value
        return json.dumps(values, sort_keys=True, separators=(",", ":"))

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values, in declaration order."""
        return asdict(self)


_INTEGERS = frozenset({"train_size", "batch_size", "evaluations", "validation_size", "seed"})
_TEXTS = frozenset({"dataset", "model", "sampling", "budget", "dataset_source", "model_source"})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _rounded(value: float) -> str:
    """A float as text with 12 significant digits, so that rounding noise keeps the id."""
    return f"{value:.{_SIGNIFICANT_DIGITS}g}"


def _typed(name: str, value: object) -> object:
    """The value in its field's one type: 1 and 1.0 become the same configuration.

    Raises:
        InputError: the value does not have the field's type.
    """
    if name in _TEXTS:
        if not isinstance(value, str):
            raise InputError(f"{name} must be text, not {value!r}.")
        return value
    if name == "clip_norm" and value is None:
        return None
    kind = "a whole number" if name in _INTEGERS else "a number"
    if isinstance(value, bool) or isinstance(value, str):
        raise InputError(f"{name} must be {kind}, not {value!r}.")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name} must be {kind}, not {value!r}.") from None
    if not math.isfinite(number):
        raise InputError(f"{name} must be finite, not {value!r}.")
    if name not in _INTEGERS:
        return float(_rounded(number))
    if number != int(number):
        raise InputError(f"{name} must be a whole number, not {value!r}.")
    return int(number)


def _check_ranges(c: Configuration) -> None:
    """Refuse values outside their ranges, naming field and value.

    Raises:
        InputError: a value is outside its range.
    """
    rules: list[tuple[str, bool, str]] = [
        ("train_size", c.train_size >= 1, "at least 1"),
        ("batch_size", 1 <= c.batch_size <= c.train_size, f"between 1 and train_size {c.train_size}"),
        ("learning_rate", c.learning_rate > 0, "above 0"),
        ("momentum", 0 <= c.momentum < 1, "in [0, 1)"),
        ("weight_decay", c.weight_decay >= 0, "at least 0"),
        ("clip_norm", c.clip_norm is None or c.clip_norm > 0, "above 0, or None"),
        ("final_decay", 0 <= c.final_decay <= 1, "in [0, 1]"),
        ("sampling", c.sampling in SAMPLINGS, f"one of {', '.join(SAMPLINGS)}"),
        ("budget", c.budget in BUDGETS, f"one of {', '.join(BUDGETS)}"),
        ("budget_value", c.budget_value > 0, "above 0"),
        ("evaluations", c.evaluations >= 1, "at least 1"),
        ("validation_size", c.validation_size >= 0, "at least 0"),
        ("seed", c.seed >= 0, "at least 0"),
    ]
    for name, good, range_text in rules:
        if not good:
            raise InputError(f"{name} must be {range_text}, not {getattr(c, name)!r}.")
