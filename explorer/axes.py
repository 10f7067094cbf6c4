"""What a search space's axes are written with: grids, windows and budgets."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.errors import InputError
from explorer.trial import checked_value

#: Values on one axis; more are a slip of the pen.
MOST_VALUES = 100_000
#: Values that an axis may list: seeds are the longest ones.
_MOST_LISTED = 5_000_000
#: Octaves of a grid: 2 to a higher power is no float.
_MOST_OCTAVES = 1023


class LogGrid(tuple[float, ...]):
    """Logarithmically spaced values; an axis of whole numbers may round them."""

    __slots__ = ()


def log_grid(low: float, high: float, *, per_octave: float = 2) -> LogGrid:
    """Values low * 2^(k/per_octave) up to high, rounded to 12 significant digits.

    As batch_size or train_size they are rounded to whole numbers, each kept once.

    Args:
        low: the first value, above 0.
        high: no value lies above it; it is the last one where the steps meet it.
        per_octave: steps for each factor of 2.

    Raises:
        InputError: a bound or the step is not a number above 0, or high lies below low.

    >>> log_grid(0.1, 0.4, per_octave=1)
    (0.1, 0.2, 0.4)
    """
    _positive("log_grid", low=low, high=high, per_octave=per_octave)
    # A float32 would make a grid of its own few digits, or none at all.
    low, high = (float(bound) if isinstance(bound, np.generic) else bound for bound in (low, high))
    if high < low:
        raise InputError(f"log_grid: high must be at least low {low!r}, not {high!r}.")
    octaves = math.log2(high) - math.log2(low)
    if octaves > _MOST_OCTAVES:
        raise InputError(f"log_grid: {high!r} lies {octaves:.0f} octaves above {low!r}, too many.")
    count = _bounded("log_grid", octaves, per_octave)
    return LogGrid(float(f"{low * 2 ** (k / per_octave):.12g}") for k in range(count))


@dataclass(frozen=True)
class Budget:
    """How long a trial trains; see `explorer.trial.Configuration.steps`.

    Attributes:
        kind: `steps`, `epochs`, `time` or `time_over_learning_rate`.
        value: in the kind's unit.
    """

    kind: str
    value: float

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "value", checked_value("budget_value", self.value))
        except InputError as error:
            raise InputError(
                str(error).replace("budget_value", f"budget {self.kind}(...)")
            ) from None


def steps(number: float) -> Budget:
    """So many SGD steps for every trial."""
    return Budget("steps", number)


def epochs(number: float) -> Budget:
    """So many passes over the training set for every trial."""
    return Budget("epochs", number)


def time(amount: float) -> Budget:
    """Equal effective time: steps = amount * (1 - momentum) / learning_rate."""
    return Budget("time", amount)


def time_over_learning_rate(amount: float) -> Budget:
    """Smith & Le's budget (2018, arXiv:1710.06451): steps = amount / learning_rate."""
    return Budget("time_over_learning_rate", amount)


@dataclass(frozen=True)
class Window:
    """Batch sizes around an expected peak that moves with the condition; made by `window`."""

    center: Callable[..., float] | float
    below: float
    above: float
    per_octave: float
    alternate_offset: float

    def __call__(self, condition: Mapping[str, Any]) -> list[int]:
        """The condition's batch sizes, ascending.

        Raises:
            InputError: the center is not a number above 0.
        """
        center = self.center
        if callable(center):
            center = call_by_name(center, condition, "batch_size window center")
        _positive("batch_size window", center=center)
        per_octave = self.per_octave
        _bounded("batch_size window", math.log2(self.below * self.above), per_octave)
        odd = round(math.log2(center) * per_octave) % 2 == 1
        shift = self.alternate_offset * per_octave if odd else 0.0
        first = math.floor(math.log2(center / self.below) * per_octave - shift + 1e-9)
        last = math.ceil(math.log2(center * self.above) * per_octave - shift - 1e-9)
        exact = (2.0 ** ((k + shift) / per_octave) for k in range(first, last + 1))
        return sorted({size for size in map(round, exact) if size >= 1})


def window(
    *,
    center: Callable[..., float] | float,
    below: float = 4,
    above: float = 8,
    per_octave: float = 2,
    alternate_offset: float = 0.0,
) -> Window:
    """Batch sizes from at least center/below to at least center*above.

    They are powers of 2^(1/per_octave) rounded to whole numbers, so that windows which overlap
    share their batch sizes whatever their centers. Where every learning rate is a step of the same
    size away from the next, all conditions would then meet the grid at the same phase, and the
    peak's position between two grid points could not be told; hence `alternate_offset`.

    Args:
        center: where the peak is expected: a number, or a function of the condition whose
            parameters are named after configuration fields (`lambda learning_rate: ...`).
        below: the window reaches down to center/below, or just beyond.
        above: the window reaches up to center*above, or just beyond.
        per_octave: batch sizes for each factor of 2.
        alternate_offset: octaves by which the batch sizes are shifted in every second condition,
            counted in steps of the center. It depends on the center alone, so that adding
            conditions to a file leaves the batch sizes of the others as they were.

    Raises:
        InputError: a number is not above 0, or below or above is less than 1.
    """
    _positive("window", below=below, above=above, per_octave=per_octave)
    for name, factor in (("below", below), ("above", above)):
        if factor < 1:
            raise InputError(f"window: {name} must be at least 1, not {factor!r}.")
    if not (isinstance(alternate_offset, int | float) and alternate_offset == 0):
        _positive("window", alternate_offset=alternate_offset)
    if not callable(center):
        _positive("window", center=center)
    return Window(center, below, above, per_octave, alternate_offset)


def axis_values(keyword: str, field: str, given: object) -> tuple[Any, ...]:
    """The values of one axis, each of the field's type and in its range, each once, ascending.

    Args:
        keyword: the axis as the search space calls it, for messages.
        field: the configuration field it fills.
        given: one value, or a list, tuple, range or one-dimensional numpy array of values.

    Raises:
        InputError: the axis is empty, no list, or one value is unfit.
    """
    if isinstance(given, np.ndarray):
        if given.ndim > 1:
            raise InputError(f"{keyword} must be a flat list, not an array of shape {given.shape}.")
        given = given.tolist()
    if given is None or isinstance(given, str | int | float | np.generic):
        listed: Sequence[object] = [given]
    elif isinstance(given, list | tuple | range):
        listed = given
    else:
        raise InputError(f"{keyword} must be a value or a list of values, not {given!r}.")
    _countable(keyword, listed)
    values: dict[Any, None] = {}
    for value in listed:
        if isinstance(given, LogGrid) and field in ("batch_size", "train_size", "validation_size"):
            value = round(value)  # type: ignore[call-overload]
        try:
            values[checked_value(field, value)] = None
        except InputError as error:
            raise InputError(str(error).replace(field, keyword, 1)) from None
    if not values:
        raise InputError(f"{keyword} is empty: {given!r} holds no value.")
    return tuple(sorted(values, key=lambda value: (value is not None, value)))


def parameter_names(function: Callable[..., Any], what: str, known: Iterable[str]) -> None:
    """Check that a user's function asks for known values only, by name.

    A parameter with a default may have any name; it keeps its default.

    Raises:
        InputError: a parameter has an unknown name, or cannot be given by name.
    """
    names = list(known)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise InputError(f"{what}: the parameter {parameter} must be named after one field.")
        if parameter.name not in names and parameter.default is parameter.empty:
            raise InputError(f"{what}: unknown parameter {suggestion(parameter.name, names)}.")


def call_by_name(function: Callable[..., Any], values: Mapping[str, Any], what: str) -> Any:
    """Call a user's function with those of `values` that its parameters name.

    Raises:
        InputError: it raised an exception.
    """
    names = inspect.signature(function).parameters
    arguments = {name: values[name] for name in names if name in values}
    try:
        return function(**arguments)
    except Exception as error:
        where = ", ".join(f"{name} {value!r}" for name, value in arguments.items())
        raise InputError(f"{what} raised {type(error).__name__} at {where}: {error}.") from error


def suggestion(name: str, known: Iterable[str]) -> str:
    """`'momentun' (did you mean 'momentum'?)`, or the known names where none is close."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"{name!r} " + (
        f"(did you mean {close[0]!r}?)" if close else f"(known are {', '.join(known)})"
    )


def _positive(what: str, **values: object) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise InputError(f"{what}: {name} must be a number, not {value!r}.")
        try:
            good = math.isfinite(value) and value > 0
        except OverflowError:  # a whole number that no float can hold, nor perhaps be written out
            raise InputError(f"{what}: {name} must be finite, not a number that large.") from None
        if not good:
            raise InputError(f"{what}: {name} must be above 0, not {value!r}.")


def _countable(keyword: str, listed: Sequence[object]) -> None:
    """Refuse a list so long that going through it would take all memory: `range(10**12)`."""
    try:
        count: float = len(listed)
    except OverflowError:
        count = math.inf
    if count > _MOST_LISTED:
        raise InputError(f"{keyword} lists {count:.3g} values, above {_MOST_LISTED}.")


def _bounded(what: str, octaves: float, per_octave: float) -> int:
    """The number of values on so many octaves.

    Raises:
        InputError: more than any sweep could hold.
    """
    count = octaves * per_octave
    if not count < MOST_VALUES:
        raise InputError(
            f"{what}: per_octave {per_octave!r} makes {count:.3g} values, above {MOST_VALUES}."
        )
    return math.floor(count + 1e-9) + 1
