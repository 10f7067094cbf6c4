"""The search space: axes in, configurations in canonical order out."""

from __future__ import annotations

import inspect
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from explorer.axes import (
    Budget,
    Window,
    axis_values,
    call_by_name,
    parameter_names,
    suggestion,
)
from explorer.datasets import dataset_info, dataset_names
from explorer.datasets.user_factory import DatasetFactory
from explorer.errors import InputError
from explorer.trial import Configuration, checked_value, shown
from explorer.user_code import source_sha256

#: Conditions of one space; more are a slip of the pen.
MOST_CONDITIONS = 5_000_000

#: How trials are chosen from the space.
STRATEGIES = ("grid",)

#: The fields of a condition, in canonical order: what a function for batch_size may ask for.
CONDITION_FIELDS = (
    "dataset",
    "model",
    "train_size",
    "learning_rate",
    "momentum",
    "weight_decay",
    "clip_norm",
    "final_decay",
    "sampling",
    "budget",
    "budget_value",
    "evaluations",
    "validation_size",
)
#: What a rule may ask for.
CELL_VALUES = (*CONDITION_FIELDS, "batch_size", "steps", "steps_per_epoch", "noise_scale")

_KEYWORDS = {"evaluations": "evaluate"}
_REQUIRED = object()

Rule = Callable[..., bool]


class SearchSpace:
    """What a study trains: every combination of its axes, once for each seed.

    Every argument but seeds, rules and strategy is an axis: one value, or a list, tuple, range,
    numpy array or `log_grid` of values. The fields are those of `explorer.trial.Configuration`.

    Args:
        dataset: a built-in data set, or a function () -> (train_inputs, train_labels,
            test_inputs, test_labels).
        model: `mlp-64`, `cnn1d-16-32`, `cnn2d-16-32`, or a function (input_shape, n_classes) ->
            torch.nn.Module.
        train_size: N, samples. Together with validation_size within the data set's pool.
        batch_size: B, samples; also a `window`, or a function that returns a list for the
            condition its parameters name (`lambda learning_rate, momentum: [...]`). Batch sizes
            above train_size are left out.
        learning_rate: eps.
        momentum: m in [0, 1).
        weight_decay: L2 coefficient.
        clip_norm: bound on the gradient's norm, or None.
        final_decay: last fraction of the steps, in which the learning rate falls to 0.
        sampling: `shuffle`, `subset` or `replacement`.
        budget: `steps(n)`, `epochs(n)`, `time(t)` or `time_over_learning_rate(t)`, or a list.
        evaluate: number of equally spaced evaluations of each trial's own run.
        validation_size: samples held out behind the training prefix.
        seeds: how many repetitions (8 means 0..7), or a list of seeds.
        rules: functions, each True for the cells to keep; their parameters name configuration
            fields, `steps`, `steps_per_epoch` or `noise_scale`. The first line of a rule's
            docstring, or its name, is told with the number of cells that break it.
        strategy: how trials are chosen; `grid` takes them all.

    Attributes:
        cells: one configuration a cell, with the first seed, in canonical order.
        seeds: ascending.
        left_out: (reason, number of cells) for the cells that are not trained.
        model_factories, dataset_factories: the user's functions by name.

    Raises:
        InputError: an axis is unknown, missing, empty or holds an unfit value.
    """

    def __init__(
        self,
        *,
        dataset: object = "mnist1d",
        model: object = "mlp-64",
        train_size: object = _REQUIRED,
        batch_size: object = _REQUIRED,
        learning_rate: object = _REQUIRED,
        momentum: object = 0.0,
        weight_decay: object = 0.0,
        clip_norm: object = None,
        final_decay: object = 0.0,
        sampling: object = "shuffle",
        budget: object = _REQUIRED,
        evaluate: object = 10,
        validation_size: object = 0,
        seeds: object = 1,
        rules: Rule | Sequence[Rule] = (),
        strategy: str = "grid",
        **unknown: object,
    ) -> None:
        given = {k: v for k, v in locals().items() if k not in ("self", "unknown")}
        for name in unknown:
            raise InputError(f"SearchSpace has no argument {suggestion(name, given)}.")
        for name, value in given.items():
            if value is _REQUIRED:
                raise InputError(f"SearchSpace needs the argument {name}.")
        if strategy not in STRATEGIES:
            raise InputError(
                f"strategy must be one of {', '.join(STRATEGIES)}, not {shown(strategy)}."
            )
        self.strategy = strategy
        self.seeds = _seeds(seeds)
        self.rules = _checked_rules(rules)
        self.dataset_factories: dict[str, DatasetFactory] = {}
        self.model_factories: dict[str, Callable[..., Any]] = {}
        self._sources: dict[tuple[str, str], str] = {}
        given["dataset"] = self._with_factories("dataset", dataset, self.dataset_factories)
        given["model"] = self._with_factories("model", model, self.model_factories)
        self._batch_size = _checked_batch_size(batch_size)
        axes = {
            field: axis_values(keyword, field, given[keyword])
            for field in CONDITION_FIELDS
            if (keyword := _KEYWORDS.get(field, field)) in given and field != "budget"
        }
        self.axes: dict[str, tuple[Any, ...]] = {**axes, "budget": _budgets(budget)}
        left_out: Counter[str] = Counter()
        self.cells: tuple[Configuration, ...] = tuple(self._kept_cells(left_out))
        self.left_out: tuple[tuple[str, int], ...] = tuple(left_out.items())
        if not self.cells:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in self.left_out)
            raise InputError(f"Every cell of the space is left out: {reasons}.")
        self._check_against_data()

    def configurations(self, limit: int | None = None) -> list[Configuration]:
        """Every trial once, in canonical order, or the first `limit` of them.

        Seeds come outermost, so that the first trials cover the whole grid once before any cell
        is repeated. Then follow the other fields in the order in which `Configuration` declares
        them, and batch_size innermost; numbers ascend and texts are in alphabetical order. So the
        order depends on the set of trials alone, not on how the file lists them.
        """
        return list(itertools.islice(self, limit))

    def __iter__(self) -> Iterator[Configuration]:
        for seed in self.seeds:
            for cell in self.cells:
                yield cell.with_seed(seed)

    def __len__(self) -> int:
        return len(self.cells) * len(self.seeds)

    def __repr__(self) -> str:
        return f"SearchSpace({len(self.cells)} cells x {len(self.seeds)} seeds)"

    def _with_factories(self, axis: str, given: object, factories: dict[str, Any]) -> list[object]:
        """The axis with each function replaced by its name; the functions go to `factories`."""
        listed = given if isinstance(given, list | tuple) else [given]
        names: list[object] = []
        for item in listed:
            if not callable(item):
                names.append(item)
                continue
            name = _factory_name(axis, item)
            if factories.setdefault(name, item) is not item:
                raise InputError(f"{axis}: two functions are called {name!r}; rename one.")
            self._sources[axis, name] = source_sha256(item, f"{axis} function")
            names.append(name)
        return names

    def _kept_cells(self, left_out: Counter[str]) -> Iterator[Configuration]:
        """Cells in canonical order; those that are not kept are counted by reason."""
        axes = [self.axes[field] for field in CONDITION_FIELDS if field != "budget_value"]
        if (conditions := math.prod(map(len, axes))) > MOST_CONDITIONS:
            raise InputError(
                f"The axes make {conditions:.3g} conditions before batch size and seeds, "
                f"above {MOST_CONDITIONS}."
            )
        for values in itertools.product(*axes):
            condition = dict(
                zip((f for f in CONDITION_FIELDS if f != "budget_value"), values, strict=True)
            )
            budget = condition["budget"]
            condition |= {"budget": budget.kind, "budget_value": budget.value}
            sources: dict[str, Any] = {
                f"{axis}_source": self._sources.get((axis, condition[axis]), "")
                for axis in ("dataset", "model")
            }
            for size in self._batch_sizes(condition):
                if size > condition["train_size"]:
                    left_out["batch_size above train_size"] += 1
                    continue
                cell = Configuration(**condition, **sources, batch_size=size, seed=self.seeds[0])
                reason = self._reason_to_leave_out(cell)
                if reason is None:
                    yield cell
                else:
                    left_out[f"breaks the rule: {reason}"] += 1

    def _batch_sizes(self, condition: dict[str, Any]) -> Sequence[int]:
        given = self._batch_size
        if isinstance(given, tuple):
            return given
        if isinstance(given, Window):
            return given(condition)
        made = call_by_name(given, condition, "batch_size function")
        return axis_values("batch_size", "batch_size", made)

    def _reason_to_leave_out(self, cell: Configuration) -> str | None:
        for reason, rule in self.rules:
            names = inspect.signature(rule).parameters
            values = {name: getattr(cell, name) for name in names if name in CELL_VALUES}
            keep = call_by_name(rule, values, f"rules: {reason!r}")
            if not isinstance(keep, bool | np.bool_):
                raise InputError(f"rules: {reason!r} must return True or False, not {shown(keep)}.")
            if not keep:
                return reason
        return None

    def _check_against_data(self) -> None:
        """Refuse sizes beyond the data and models that do not fit it; only user data are made.

        Raises:
            InputError: the axis, the value and the data set are named.
        """
        from explorer.models import check_model_name

        used = {(c.dataset, c.model, c.train_size, c.validation_size): c for c in self.cells}
        for dataset, model, train_size, validation_size in used:
            info = dataset_info(dataset, factories=self.dataset_factories)
            if train_size + validation_size > info.pool_size:
                held = f" with validation_size {validation_size}" if validation_size else ""
                raise InputError(
                    f"train_size {train_size}{held} is more than the {info.pool_size} "
                    f"training samples of dataset {dataset!r}."
                )
            if model not in self.model_factories:
                check_model_name(model, info.input_shape)


def _seeds(given: object) -> tuple[int, ...]:
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        if given < 1:
            raise InputError(f"seeds must be at least 1, not {shown(given)}.")
        axis_values("seeds", "seed", given)
        return axis_values("seeds", "seed", range(int(given)))
    return axis_values("seeds", "seed", given)


def _budgets(given: object) -> tuple[Budget, ...]:
    listed = given if isinstance(given, list | tuple) else [given]
    for item in listed:
        if not isinstance(item, Budget):
            raise InputError(
                "budget must be steps(...), epochs(...), time(...) or "
                f"time_over_learning_rate(...), not {shown(item)}."
            )
    if not listed:
        raise InputError(f"budget is empty: {given!r} holds no value.")
    return tuple(sorted(set(listed), key=lambda budget: (budget.kind, budget.value)))


def _checked_batch_size(given: object) -> tuple[int, ...] | Window | Callable[..., Any]:
    if isinstance(given, Window):
        if callable(given.center):
            parameter_names(given.center, "batch_size window center", CONDITION_FIELDS)
        return given
    if callable(given):
        parameter_names(given, "batch_size function", CONDITION_FIELDS)
        return given
    return axis_values("batch_size", "batch_size", given)


def _checked_rules(given: Rule | Sequence[Rule]) -> tuple[tuple[str, Rule], ...]:
    """(reason, rule) for each rule."""
    listed = [given] if callable(given) else given
    if not isinstance(listed, list | tuple):
        raise InputError(f"rules must be a list of functions, not {shown(given)}.")
    rules: list[tuple[str, Rule]] = []
    for number, rule in enumerate(listed, start=1):
        if not callable(rule):
            raise InputError(f"rules must be functions, not {shown(rule)}.")
        name = getattr(rule, "__name__", "<lambda>")
        reason = (inspect.getdoc(rule) or "").partition("\n")[0].strip().rstrip(".")
        reason = reason or (f"rule {number}" if name == "<lambda>" else name)
        parameter_names(rule, f"rules: {reason!r}", CELL_VALUES)
        rules.append((reason, rule))
    return tuple(rules)


def _factory_name(axis: str, function: Any) -> str:
    """A user's function's name, where it can serve as one.

    Raises:
        InputError: it has no name, a built-in one's name, or the wrong parameters.
    """
    name = getattr(function, "__name__", None)
    if name is None or name == "<lambda>":
        kind = "a lambda" if name else repr(function)
        raise InputError(f"{axis} must be text or a function with a name, not {kind}.")
    from explorer.models import FAMILIES

    if name in (dataset_names() if axis == "dataset" else FAMILIES):
        raise InputError(f"{axis}: a function cannot be called {name!r}, a built-in one's name.")
    arguments = () if axis == "dataset" else ((1,), 2)
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError):
        wanted = "()" if axis == "dataset" else "(input_shape, n_classes)"
        raise InputError(f"{axis} function {name!r} must take the arguments {wanted}.") from None
    return str(checked_value(axis, name))
