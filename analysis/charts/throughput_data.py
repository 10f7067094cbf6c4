"""How fast trials were finished, as plain data: pauses between runs are cut out of the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.charts.common import number, plural, thinned
from analysis.charts.table import Table
from explorer.store.schema import FAILED

QUESTION = "How fast were the trials trained?"

#: Points of the cumulative curves, all together.
MAX_POINTS = 1_500
#: Time in which nothing was trained counts as a pause from here on, in seconds: the start-up of a
#: run is shorter.
PAUSE_SECONDS = 60.0
#: Bins of the rate, fewer where trials are few.
_BINS = 40
_TRIALS_A_BIN = 8
#: Machines or devices drawn one by one; further ones are put together.
_MAX_MAKERS = 6
OTHERS = "others"

_UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishedPoint:
    """Trials that one machine or device had finished by some time.

    Attributes:
        maker: machine or device.
        time: seconds of training time since the first trial began, pauses cut out.
        at: the same as date and time, UTC.
        finished: trials so far.
    """

    maker: str
    time: float
    at: str
    finished: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RateBin:
    """Trials trained in one stretch of time.

    Attributes:
        maker: machine or device.
        start, end: seconds of wall time, pauses between runs cut out.
        at: date and time of the start, UTC.
        trained: trials trained in it, where a trial counts evenly over its pack's time.
        per_minute: the same a minute.
    """

    maker: str
    start: float
    end: float
    at: str
    trained: float
    per_minute: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ThroughputInfo:
    """What the chart draws, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        makers: machines or devices, the busiest first; a single one is not told apart.
        several: what `makers` are where there are several: "machine", "device" or both.
        points: by maker and time.
        bins: by maker and time, of equal length.
        pauses: training time at which a pause was cut out, seconds.
        unit, unit_seconds: the unit of the axis and how many seconds it has.
        notes: what was left out, and why; whole sentences.
    """

    question: str
    answer: str
    description: str
    makers: tuple[str, ...]
    several: str
    points: tuple[FinishedPoint, ...]
    bins: tuple[RateBin, ...]
    pauses: tuple[float, ...]
    unit: str
    unit_seconds: float
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Each bin of each machine or device."""
        return Table(
            columns=(
                self.several or "trained on",
                "from (UTC)",
                "from second",
                "to second",
                "trials trained",
                "trials a minute",
            ),
            rows=tuple((b.maker, b.at, b.start, b.end, b.trained, b.per_minute) for b in self.bins),
        )


def throughput_info(trials: pa.Table) -> ThroughputInfo:
    """Count trials along the time in which something was trained.

    A pack was trained from `finished_at` less its duration, which is the trial's share of the
    pack's time multiplied by the size of the pack, to `finished_at`. Where no pack was, for
    PAUSE_SECONDS or longer, there was a pause between runs. All trials of a pack finish at once,
    so the rate counts each of them evenly over the pack's time.

    Args:
        trials: columns finished_at, wall_seconds, host, device, pack_size and status of
            TRIALS_SCHEMA; without finished_at nothing can be shown. Failed trials do not count.
    """
    if "finished_at" not in trials.column_names or trials.num_rows == 0:
        return _nothing("No trial of this source says when it was finished.")
    trials, notes = _finished(trials.filter(trials.column("finished_at").is_valid()))
    if trials.num_rows == 0:
        return _nothing(*(notes or ["No trial of this source says when it was finished."]))
    stamps = trials.column("finished_at").cast(pa.timestamp("us", tz="UTC"))
    finished = stamps.cast(pa.int64()).to_numpy().astype(np.float64) / 1e6
    order = np.argsort(finished, kind="stable")
    finished = finished[order]
    duration = _durations(trials)[order]
    makers, several = _makers(trials, order)
    clock = _Clock.of(finished - duration, finished)
    time = clock.training_time(finished)
    total = float(time[-1])
    if total <= 0.0:
        n = len(time)
        say = (
            "trial does not say how long it" if n == 1 else f"{n:,} trials do not say how long they"
        )
        return _nothing(f"The rate is not known: the {say} took.", *notes)
    unknown = int(np.sum(duration <= 0.0))
    if unknown:
        say = "does not say how long it" if unknown == 1 else "do not say how long they"
        notes.append(f"{plural(unknown, 'trial')} {say} took: only the time of the end is known.")
    names = _busiest(makers)
    shown = [n if n in names else OTHERS for n in makers.tolist()]
    names = tuple(dict.fromkeys([*names, *([OTHERS] if OTHERS in shown else [])]))
    maker = np.array([names.index(n) for n in shown])
    edges = np.linspace(0.0, total, max(1, min(_BINS, len(time) // _TRIALS_A_BIN)) + 1)
    shares = _shares(time - duration, time, edges)
    bins = _bins(names, maker, shares, edges, clock)
    rate = float(np.median(shares.sum(axis=0) / np.diff(edges) * 60.0))
    unit, size = next((u, s) for u, s in _UNITS if total >= 2.0 * s or s == 1.0)
    length = number(total / size)
    answer = f"{plural(len(time), 'trial')} in {length} {unit}, a median of {number(rate)} a minute"
    if several:
        answer += f", on {plural(len(set(makers.tolist())), several)}"
    if clock.pauses:
        left_out = _span(sum(p for _, p in clock.pauses))
        answer += f"; {plural(len(clock.pauses), 'pause')} between runs left out"
        notes.append(
            f"Nothing was trained during {plural(len(clock.pauses), 'pause')} of {left_out} in all:"
            " they are cut out of the time, and a dashed line stands where one was."
        )
    points, n_all = _points(names, maker, time, clock)
    if len(points) < n_all:
        notes.append(f"{len(points):,} of {n_all:,} points are drawn, evenly chosen.")
    return ThroughputInfo(
        question=QUESTION,
        answer=f"{answer}.",
        description=(
            f"Trials finished against training time, and trials a minute: {len(time):,} trials in "
            f"{length} {unit}."
        ),
        makers=names,
        several=several,
        points=points,
        bins=bins,
        pauses=tuple(at for at, _ in clock.pauses),
        unit=unit,
        unit_seconds=size,
        notes=tuple(notes),
    )


def _finished(trials: pa.Table) -> tuple[pa.Table, list[str]]:
    """The trials that did not fail, and how many did."""
    if "status" not in trials.column_names:
        return trials, []
    kept = trials.filter(pc.not_equal(trials.column("status"), FAILED))
    n = trials.num_rows - kept.num_rows
    left_out = "is" if n == 1 else "are"
    return kept, [f"{plural(n, 'failed trial')} {left_out} left out."] if n else []


def _nothing(*notes: str) -> ThroughputInfo:
    return ThroughputInfo(
        question=QUESTION,
        answer="",
        description="Trials finished over time: none to show.",
        makers=(),
        several="",
        points=(),
        bins=(),
        pauses=(),
        unit="seconds",
        unit_seconds=1.0,
        notes=notes,
    )


@dataclass(frozen=True, eq=False)
class _Clock:
    """Training time: the time since the first pack began, less the pauses.

    Attributes:
        start: seconds since 1970.
        ends: seconds since 1970 at which each pause ended, ascending, [pauses].
        lengths: seconds, [pauses].
    """

    start: float
    ends: Floats
    lengths: Floats

    @classmethod
    def of(cls, began: Floats, ended: Floats) -> _Clock:
        """The clock of packs that were trained from `began` to `ended`, seconds since 1970."""
        order = np.argsort(began, kind="stable")
        began, until = began[order], np.maximum.accumulate(ended[order])
        gap = began[1:] - until[:-1]
        pause = gap >= PAUSE_SECONDS
        return cls(float(began[0]), began[1:][pause], gap[pause])

    def training_time(self, at: Floats) -> Floats:
        """Seconds of training time at these times."""
        cut = np.concatenate([[0.0], np.cumsum(self.lengths)])
        return np.asarray(at - self.start - cut[np.searchsorted(self.ends, at, side="right")])

    def date(self, time: float) -> str:
        """Date and time of a training time, UTC."""
        at = self.start + time
        for end, length in zip(self.ends.tolist(), self.lengths.tolist(), strict=True):
            if at >= end - length:
                at += length
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"

    @property
    def pauses(self) -> list[tuple[float, float]]:
        """Training time at which each pause stands, and its length, in seconds."""
        at = self.training_time(self.ends)
        return list(zip(at.tolist(), self.lengths.tolist(), strict=True))


def _durations(trials: pa.Table) -> Floats:
    """How long each trial's pack was trained, seconds; 0 where it is not known."""
    if not {"wall_seconds", "pack_size"} <= set(trials.column_names):
        return np.zeros(trials.num_rows)
    share, size = (
        trials.column(name).to_numpy().astype(np.float64) for name in ("wall_seconds", "pack_size")
    )
    return np.asarray(np.maximum(np.nan_to_num(share * size), 0.0))


def _makers(trials: pa.Table, order: NDArray[np.int64]) -> tuple[NDArray[np.object_], str]:
    """Machine, device or both of each trial, by what there are several of; and their name."""
    columns, words = [], []
    for name, word in (("host", "machine"), ("device", "device")):
        if name not in trials.column_names:
            continue
        values = trials.column(name).to_numpy(zero_copy_only=False).astype(str)[order]
        if len(set(values.tolist())) > 1:
            columns.append(values)
            words.append(word)
    if not columns:
        return np.full(trials.num_rows, "all trials", dtype=object), ""
    joined = [", ".join(parts) for parts in zip(*(c.tolist() for c in columns), strict=True)]
    return np.array(joined, dtype=object), words[0] if len(words) == 1 else "device"


def _busiest(makers: NDArray[np.object_]) -> tuple[str, ...]:
    """The makers of the most trials; one fewer than may be drawn where others are put together."""
    found, n = np.unique(makers.astype(str), return_counts=True)
    names = [str(name) for name in found[np.argsort(-n, kind="stable")]]
    return tuple(names if len(names) <= _MAX_MAKERS else names[: _MAX_MAKERS - 1])


def _points(
    names: Sequence[str], maker: NDArray[np.int64], time: Floats, clock: _Clock
) -> tuple[tuple[FinishedPoint, ...], int]:
    """Cumulative curves, a point where a pack was published, thinned; and how many there were."""
    points, n_all = [], 0
    for i, name in enumerate(names):
        mine = time[maker == i]
        last = np.flatnonzero(np.diff(mine, append=np.inf) > 0.0)
        kept = thinned(last.tolist(), max(2, MAX_POINTS // len(names) - 1))
        points.append(FinishedPoint(maker=name, time=0.0, at=clock.date(0.0), finished=0))
        points += [
            FinishedPoint(
                maker=name,
                time=float(mine[k]),
                at=clock.date(float(mine[k])),
                finished=int(k) + 1,
            )
            for k in kept
        ]
        n_all += 1 + len(last)
    return tuple(points), n_all


def _shares(began: Floats, ended: Floats, edges: Floats) -> Floats:
    """The share of each trial that was trained between two edges, [trials, bins]."""
    length = np.maximum(ended - began, 1e-9)
    done = np.clip((edges[None, :] - began[:, None]) / length[:, None], 0.0, 1.0)
    # What was trained before the first edge, by rounding, belongs to the first bin.
    done[:, 0], done[:, -1] = 0.0, 1.0
    return np.asarray(np.diff(done, axis=1))


def _bins(
    names: Sequence[str],
    maker: NDArray[np.int64],
    shares: Floats,
    edges: Floats,
    clock: _Clock,
) -> tuple[RateBin, ...]:
    bins = []
    for i, name in enumerate(names):
        trained = shares[maker == i].sum(axis=0).tolist()
        for start, end, n in zip(edges[:-1].tolist(), edges[1:].tolist(), trained, strict=True):
            bins.append(
                RateBin(
                    maker=name,
                    start=start,
                    end=end,
                    at=clock.date(start),
                    trained=n,
                    per_minute=60.0 * n / (end - start),
                )
            )
    return tuple(bins)


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400.0), *_UNITS):
        if seconds >= 2.0 * size or size == 1.0:
            return f"{number(seconds / size)} {unit}"
    return ""
