"""Whose column is which: `--column` options, and other trackers' names that can mean one thing."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from analysis.csv_text import shown
from explorer.errors import InputError

#: Our name -> other trackers' names for the same, in lower case with `_` for spaces and hyphens.
#: Left out because they can mean several things: accuracy, acc, val_acc for the test set's; eps
#: (Adam's constant); n_samples; epoch and step (the last one logged); loss; value (Optuna's).
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "batch_size": ("bs", "batch", "batchsize", "minibatch_size"),
    "learning_rate": ("lr", "eta", "learningrate"),
    "momentum": ("sgd_momentum",),
    "train_size": ("n_train", "num_train", "ntrain", "train_set_size", "training_set_size"),
    "seed": ("random_seed",),
    "test_accuracy": ("test_acc", "acc_test", "accuracy_test"),
    "best_test_accuracy": ("best_test_acc",),
    "train_accuracy": ("train_acc", "acc_train", "accuracy_train"),
    "validation_accuracy": ("val_acc", "val_accuracy", "valid_acc", "validation_acc"),
    "weight_decay": ("wd",),
    "n_classes": ("num_classes",),
    "dataset": (),
    "model": ("arch",),
    "steps": ("n_steps", "num_steps", "max_steps"),
    "epochs": ("n_epochs", "num_epochs", "max_epochs"),
}
_RESULTS = frozenset(name for name in OTHER_NAMES if name.endswith("_accuracy"))
#: What trackers write before a name, as in W&B's config.lr, MLflow's params.lr, Optuna's params_lr
#: and Ray Tune's config/lr, and whether settings, results or either follow.
_PREFIXES: Mapping[str, str] = {
    "config": "setting",
    "params": "setting",
    "hparams": "setting",
    "summary": "result",
    "metrics": "result",
    "user_attrs": "either",
}
_PREFIXED = re.compile(rf"({'|'.join(_PREFIXES)})[./_](.+)")
_SHOWN_COLUMNS = 20


def parse_column_options(options: Sequence[str]) -> dict[str, str]:
    """`["batch_size=bs"]` as `{"batch_size": "bs"}`: our name to theirs.

    Raises:
        InputError: a text is not of that form, or gives one of our names twice.
    """
    columns: dict[str, str] = {}
    for option in options:
        own, equals, theirs = (part.strip() for part in option.partition("="))
        if not (own and equals and theirs):
            raise InputError(
                f"--column {shown(option)} is not of the form OURS=THEIRS, such as batch_size=bs."
            )
        if own in columns:
            raise InputError(
                f"--column names {shown(own)} twice, as {shown(columns[own])} and {shown(theirs)}."
            )
        columns[own] = " ".join(theirs.split())
    return columns


def own_names(
    path: Path,
    names: Sequence[str],
    columns: Mapping[str, str],
    known: Collection[str],
    needed: Collection[str],
) -> tuple[list[str], list[str]]:
    """The columns under our names.

    Args:
        path: the file, for messages.
        names: its columns' names, all different.
        columns: our name -> theirs, as the user says.
        known: every name that we understand.
        needed: names for which two candidates are a refusal, not two columns left alone.

    Returns:
        The new names in the order of `names`, and a sentence for each that nobody asked for.

    Raises:
        InputError: a mapping cannot be followed, or several columns may be the needed one.
    """
    renamed = _as_told(path, names, columns, known)
    notes = []
    told = set(columns.values())
    for own in OTHER_NAMES:
        if own in renamed:
            continue
        candidates = [name for name in names if name not in told and _may_be(name, own)]
        if len(candidates) == 1:
            renamed[names.index(candidates[0])] = own
            notes.append(
                f"{path.name} has no column {own}: {shown(candidates[0])} was taken for it."
            )
        elif candidates and own in needed:
            raise InputError(
                f"{path} has no column {own}, and {_listed(candidates)} may be it: choose with"
                f" --column {own}={shown(candidates[0])}."
            )
    return renamed, notes


def absent_column(path: Path, own: str, names: Sequence[str]) -> InputError:
    """The error for a needed column that nothing stands for."""
    why = ""
    if own == "test_accuracy" and "validation_accuracy" in names:
        why = " validation accuracy is not taken for it;"
    return InputError(
        f"{path} has no column {own};{why} it has {_listed(names)}; --column {own}=THEIR_NAME says"
        " which one it is."
    )


def _as_told(
    path: Path, names: Sequence[str], columns: Mapping[str, str], known: Collection[str]
) -> list[str]:
    renamed = list(names)
    taken: dict[str, str] = {}
    for own, theirs in columns.items():
        if own not in known:
            raise InputError(
                f"{path}: {shown(theirs)} cannot be read as {shown(own)}, which is no column of"
                f" results; there are {', '.join(known)}."
            )
        if theirs not in names:
            raise InputError(
                f"{path} has no column {shown(theirs)} to read as {own}; it has {_listed(names)}."
            )
        if theirs in taken:
            raise InputError(
                f"{path}: column {shown(theirs)} cannot be both {taken[theirs]} and {own}."
            )
        taken[theirs] = own
        renamed[names.index(theirs)] = own
    for own, theirs in columns.items():
        if renamed.count(own) > 1:
            raise InputError(
                f"{path} has a column {own} already: {shown(theirs)} cannot be read as {own}."
            )
    return renamed


def _may_be(name: str, own: str) -> bool:
    """Whether a column's name, with or without a tracker's prefix, is one of the known ones."""
    accepted = (own, *OTHER_NAMES[own])
    kind = "result" if own in _RESULTS else "setting"
    name = re.sub(r"[\s-]+", "_", name.lower())
    prefixed = _PREFIXED.fullmatch(name)
    if prefixed and _PREFIXES[prefixed[1]] in (kind, "either"):
        name = prefixed[2]
    return re.sub(r"[./]", "_", name) in accepted


def _listed(names: Sequence[str]) -> str:
    texts = [shown(name) for name in names[:_SHOWN_COLUMNS]]
    if len(names) > _SHOWN_COLUMNS:
        texts.append(f"{len(names) - _SHOWN_COLUMNS} more")
    return ", ".join(texts[:-1]) + " and " + texts[-1] if len(texts) > 1 else texts[0]
