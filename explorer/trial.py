"""The frozen configuration of one trial, and the id that follows from it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
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
_SEED = "seed"
#: Evaluations of one trial; more are a slip of the pen, and would not fit into memory.
MOST_EVALUATIONS = 1_000_000
#: The store's whole numbers have 64 bits.
_LARGEST = 2**63 - 1


class _Cell:
    """What the repetitions of one cell share: a million trials have some thousand of these.

    Attributes:
        before: the canonical form up to where the seed stands.
        after: the canonical form behind the seed.
        steps: the number of SGD steps.
        hash: of the fields beside the seed.
    """

    __slots__ = ("after", "before", "hash", "steps")

    def __init__(self, configuration: Configuration) -> None:
        values = configuration._canonical_values()
        values.pop(_SEED, None)
        before = {name: value for name, value in values.items() if name < _SEED}
        after = {name: value for name, value in values.items() if name > _SEED}
        self.before = f"{_as_json(before)[:-1]},"
        self.after = sys.intern(_as_json(after)[1:])  # the same for many cells of a grid
        self.steps = max(1, round(_exact_steps(configuration)))
        self.hash = hash(_VALUES_BESIDE_SEED(configuration))


class _InCell:
    """Room for a configuration's cell, which is no field: neither compared, shown nor pickled."""

    __slots__ = ("_cell",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration(_InCell):
    """Everything that decides a trial's result, seed included.

    Attributes:
        dataset: a registered data set (`mnist1d`, `digits`, ...) or a user's factory.
        model: `mlp-64` (hidden sizes joined by `-`), `cnn1d-16-32`, ..., or a user's factory.
        train_size: N, the number of training samples: a prefix of one fixed permutation.
        batch_size: B, samples per step; the last partial batch of an epoch is dropped.
        learning_rate: eps, the learning rate of the mean loss.
        momentum: m in [0, 1), PyTorch's convention without dampening.
        weight_decay: L2 coefficient of the mean loss, as in `torch.optim.SGD`.
        clip_norm: bound on the gradient's norm over all parameters; None leaves gradients alone.
        final_decay: last fraction of the steps, in which the learning rate falls linearly to 0.
        sampling: `shuffle` (each epoch), `subset` (a fresh subset each step) or `replacement`.
        budget: how `budget_value` is read: `steps`, `epochs`, `time` (steps = value*(1-m)/eps,
            equal effective time) or `time_over_learning_rate` (steps = value/eps, as in
            Smith & Le 2018, figure 5).
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
        for name in _NAMES:
            given = getattr(self, name)
            value = _typed(name, given)
            if value is not given:
                object.__setattr__(self, name, value)
        _check_ranges(self)

    def with_seed(self, seed: int) -> Configuration:
        """The same cell's repetition `seed`; several times cheaper than building it anew.

        Raises:
            InputError: the seed is not a whole number of at least 0.
        """
        other = object.__new__(Configuration)
        for put, value in zip(_PUT, _VALUES(self), strict=True):
            put(other, value)
        _PUT_SEED(other, checked_value(_SEED, seed))
        _PUT_CELL(other, self.cell)
        return other

    def __hash__(self) -> int:
        return hash((self.cell.hash, self.seed))

    @property
    def cell(self) -> _Cell:
        """An object that the repetitions `with_seed` made share: a key for what a cell has."""
        found: _Cell | None = getattr(self, "_cell", None)
        if found is None:  # not asked for yet, or just unpickled
            found = _Cell(self)
            _PUT_CELL(self, found)
        return found

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the training set; the last partial batch is dropped."""
        return self.train_size // self.batch_size

    @property
    def steps(self) -> int:
        """The number of SGD steps that the budget gives this configuration, at least 1."""
        return self.cell.steps

    @property
    def evaluation_steps(self) -> tuple[int, ...]:
        """Steps after which the trial is evaluated: equally spaced, the last one at the end."""
        steps, n = self.steps, self.evaluations
        return tuple(sorted({max(1, round(steps * (i + 1) / n)) for i in range(n)}))

    @property
    def noise_scale(self) -> float:
        """The noise scale g = eps*N/(B*(1-m)) of Smith & Le 2018, appendix D."""
        return self.learning_rate * self.train_size / (self.batch_size * (1.0 - self.momentum))

    @property
    def trial_id(self) -> str:
        """Twenty hexadecimal digits of the SHA-256 of the canonical form."""
        cell = self.cell
        seed = f'"{_SEED}":{self.seed},' if self.seed else ""  # a field at its default is left out
        return _digest(f"{cell.before}{seed}{cell.after}")[:20]

    @property
    def stream_key(self) -> str:
        """What this trial's random streams are seeded from: all that moves its parameters."""
        values = self._canonical_values()
        kept = {name: value for name, value in values.items() if name not in OBSERVATION_FIELDS}
        return _digest(_as_json(kept))

    def _canonical_values(self) -> dict[str, Any]:
        """The canonical form: no field at its default, so that a new field keeps old ids."""
        values: dict[str, Any] = {"training_version": TRAINING_VERSION}
        for name, default in _DEFAULTS:
            value = getattr(self, name)
            if value != default:
                values[name] = _rounded(value) if isinstance(value, float) else value
        return values

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values, in declaration order."""
        return dict(zip(_NAMES, _VALUES(self), strict=True))


_NAMES = tuple(field.name for field in fields(Configuration))
_VALUES = operator.attrgetter(*_NAMES)
_VALUES_BESIDE_SEED = operator.attrgetter(*(name for name in _NAMES if name != _SEED))


def _putter(owner: type, name: str) -> Callable[[object, Any], None]:
    """Fills a slot: a frozen dataclass has no quicker way to be filled."""
    put: Callable[[object, Any], None] = getattr(owner, name).__set__
    return put


_PUT = tuple(_putter(Configuration, name) for name in _NAMES)
_PUT_SEED = _putter(Configuration, _SEED)
_PUT_CELL = _putter(_InCell, "_cell")
_DEFAULTS = tuple((field.name, field.default) for field in fields(Configuration))
_INTEGERS = frozenset({"train_size", "batch_size", "evaluations", "validation_size", "seed"})
_TEXTS = frozenset({"dataset", "model", "sampling", "budget", "dataset_source", "model_source"})
_NOT_FLOATS = _INTEGERS | _TEXTS

#: What each field's value must satisfy, and the words for it; batch_size has train_size above it.
_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "train_size": (lambda value: value >= 1, "at least 1"),
    "batch_size": (lambda value: value >= 1, "at least 1"),
    "learning_rate": (lambda value: value > 0, "above 0"),
    "momentum": (lambda value: 0 <= value < 1, "in [0, 1)"),
    "weight_decay": (lambda value: value >= 0, "at least 0"),
    "clip_norm": (lambda value: value is None or value > 0, "above 0, or None"),
    "final_decay": (lambda value: 0 <= value <= 1, "in [0, 1]"),
    "sampling": (lambda value: value in SAMPLINGS, f"one of {', '.join(SAMPLINGS)}"),
    "budget": (lambda value: value in BUDGETS, f"one of {', '.join(BUDGETS)}"),
    "budget_value": (lambda value: value > 0, "above 0"),
    "evaluations": (
        lambda value: 1 <= value <= MOST_EVALUATIONS,
        f"at least 1 and at most {MOST_EVALUATIONS}",
    ),
    "validation_size": (lambda value: value >= 0, "at least 0"),
    "seed": (lambda value: value >= 0, "at least 0"),
}


def checked_value(name: str, value: object) -> Any:
    """One field's value in the field's type and within its range.

    Raises:
        InputError: the value does not have the field's type, or is outside its range.
    """
    typed = _typed(name, value)
    if name in _RANGES:
        good, range_text = _RANGES[name]
        if not good(typed):
            raise InputError(f"{name} must be {range_text}, not {shown(typed)}.")
    return typed


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _as_json(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def _rounded(value: float) -> str:
    """A float as text with 12 significant digits, so that rounding noise keeps the id."""
    return f"{value:.{_SIGNIFICANT_DIGITS}g}"


@lru_cache(maxsize=4096)
def _as_rounded(number: float) -> float:
    """The nearest float of 12 significant digits; a grid repeats few numbers many times."""
    return float(_rounded(number)) + 0.0  # -0.0 becomes 0.0


def _typed(name: str, value: Any) -> Any:
    """The value in its field's one type: 1 and 1.0 become the same configuration.

    Raises:
        InputError: the value does not have the field's type.
    """
    given = type(value)
    if given is float and name not in _NOT_FLOATS and math.isfinite(value):
        return _as_rounded(value)
    if given is int and name in _INTEGERS:
        return _within_store(name, value)
    if name in _TEXTS:
        if not isinstance(value, str):
            raise InputError(f"{name} must be text, not {shown(value)}.")
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise InputError(f"{name} must be text that UTF-8 can hold, not {value!a}.")
        return value
    if name == "clip_norm" and value is None:
        return None
    kind = "a whole number" if name in _INTEGERS else "a number"
    if isinstance(value, bool | str):
        raise InputError(f"{name} must be {kind}, not {value!r}.")
    if name in _INTEGERS and hasattr(value, "__index__"):
        with contextlib.suppress(TypeError):  # an array of several numbers
            return _within_store(name, operator.index(value))  # a float would lose digits
    try:
        number = float(value)
    except OverflowError:
        raise InputError(f"{name} must be finite, not {shown(value)}.") from None
    except (TypeError, ValueError):
        raise InputError(f"{name} must be {kind}, not {value!r}.") from None
    if not math.isfinite(number):
        raise InputError(f"{name} must be finite, not {value!r}.")
    if name not in _INTEGERS:
        return _as_rounded(number)
    if number != int(number):
        raise InputError(f"{name} must be a whole number, not {value!r}.")
    return _within_store(name, int(number))


def _within_store(name: str, value: int) -> int:
    if value > _LARGEST:
        raise InputError(f"{name} must be at most {_LARGEST}, not {shown(value)}.")
    return value


def shown(value: object) -> str:
    """A value for a message; Python does not write out whole numbers of thousands of digits."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length()} bits"
    try:
        return repr(value)
    except ValueError:  # such a number within it
        return f"a {type(value).__name__} that cannot be written out"


def _exact_steps(c: Configuration) -> float:
    """The budget in steps, before rounding; infinite where it is beyond a float."""
    if c.budget == "steps":
        return c.budget_value
    if c.budget == "epochs":
        return c.budget_value * c.steps_per_epoch
    if c.budget == "time":
        return c.budget_value * (1.0 - c.momentum) / c.learning_rate
    return c.budget_value / c.learning_rate  # time_over_learning_rate


def _check_ranges(c: Configuration) -> None:
    """Refuse values outside their ranges, naming field and value.

    Raises:
        InputError: a value is outside its range, or the steps are more than the store can count.
    """
    for name, (good, range_text) in _RANGES.items():
        value = getattr(c, name)
        if name == "batch_size" and not 1 <= value <= c.train_size:
            range_text = f"between 1 and train_size {c.train_size}"
        elif good(value):
            continue
        raise InputError(f"{name} must be {range_text}, not {shown(value)}.")
    exact = _exact_steps(c)
    if exact >= _LARGEST:  # as a float it is 2**63, one more
        raise InputError(
            f"budget {c.budget}({c.budget_value!r}) gives {exact:.3g} steps at learning_rate "
            f"{c.learning_rate!r} and batch_size {c.batch_size}, more than {_LARGEST}."
        )
