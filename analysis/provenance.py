"""Which code, machines and search space made a study's numbers, for the report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

#: What is told of the trials, as (column of TRIALS_SCHEMA, name on the page).
_FACTS = (
    ("explorer_version", "explorer"),
    ("training_version", "training code"),
    ("torch_version", "torch"),
    ("python_version", "Python"),
    ("device", "trained on"),
    ("host", "machines"),
    ("data_sha256", "data (SHA-256)"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """What the report says about the origin of its numbers.

    Attributes:
        command: what to type to make the page again; empty where there is none.
        facts: (name, value) pairs in the order shown.
        sources: (names, text) of the search-space files that planned the trials, each text once.
    """

    command: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    sources: tuple[tuple[str, str], ...] = ()


def trials_provenance(
    trials: pa.Table,
    *,
    command: str = "",
    sources: Iterable[tuple[str, str]] = (),
) -> Provenance:
    """Gather versions, machines and data from the rows of a store.

    Args:
        trials: any columns of TRIALS_SCHEMA; absent ones are not told.
        command: what to type to make the page again.
        sources: (name, text) of search-space files, one for each plan; equal texts are shown once.
    """
    facts: list[tuple[str, str]] = []
    for column, name in _FACTS:
        if column in trials.column_names and trials.num_rows:
            facts.append((name, _counted(trials.column(column))))
    if "wall_seconds" in trials.column_names and trials.num_rows:
        seconds = pc.sum(trials.column("wall_seconds")).as_py() or 0.0
        facts.append(("training time", f"{_duration(seconds)} in all, on one thread a worker"))
    if "finished_at" in trials.column_names and trials.num_rows:
        span = pc.min_max(trials.column("finished_at")).as_py()
        first, last = (f"{span[end]:%Y-%m-%d %H:%M}" for end in ("min", "max"))
        facts.append(("finished (UTC)", first if first == last else f"{first} to {last}"))
    return Provenance(command=command, facts=tuple(facts), sources=_once(sources))


def _once(sources: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Each text once, under all the names that it was planned by."""
    names: dict[str, dict[str, None]] = {}
    for name, text in sources:
        names.setdefault(text, {})[name] = None
    return tuple((", ".join(found), text) for text, found in names.items())


def _counted(column: pa.ChunkedArray) -> str:
    """The distinct values; with the trials behind each where there are several."""
    counts = sorted(
        ((str(v["values"]), v["counts"]) for v in pc.value_counts(column).to_pylist()),
        key=lambda pair: (-pair[1], pair[0]),
    )
    if len(counts) == 1:
        return counts[0][0]
    return "; ".join(f"{value} ({n:,} trials)" for value, n in counts)


def _duration(seconds: float) -> str:
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"
