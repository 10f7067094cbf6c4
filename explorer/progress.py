"""How far a run is: a live panel on a terminal, one plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from explorer.interruption import hush

Arguments = ParamSpec("Arguments")

#: Seconds between two plain lines.
LINE_EVERY = 30.0


class Progress(Protocol):
    """What a run tells while it goes on; all counts are of this run alone."""

    def say(self, text: str) -> None:
        """Show one line about what is happening before, between or after training."""
        ...

    def start(self, *, planned: int, already_done: int, seconds_of_work: float, slots: int) -> None:
        """Training begins.

        Args:
            planned: trials of the plan.
            already_done: those of them that the store held.
            seconds_of_work: predicted seconds of all packs on one core.
            slots: packs at a time.
        """
        ...

    def update(self, *, done: int, diverged: int, failed: int, seconds_of_work: float) -> None:
        """Training went on.

        Args:
            done: trials completed or diverged so far.
            diverged: those of them that diverged.
            failed: trials given up.
            seconds_of_work: predicted seconds of the work done so far, on one core.
        """
        ...

    def close(self) -> None:
        """Training has ended, for whatever reason; closing twice is well."""
        ...


@dataclass
class State:
    """The numbers of one moment, and what follows from them."""

    planned: int = 0
    already_done: int = 0
    work_total: float = 0.0
    slots: int = 1
    done: int = 0
    diverged: int = 0
    failed: int = 0
    work_done: float = 0.0
    started: float = field(default_factory=lambda: time.monotonic())

    def elapsed(self) -> float:
        """Seconds since training began."""
        return time.monotonic() - self.started

    def fraction(self) -> float:
        """Work done of all work, between 0 and 1."""
        return min(1.0, self.work_done / self.work_total) if self.work_total else 0.0

    def seconds_left(self) -> float:
        """Predicted seconds to the end.

        The cost model is trusted at first and the speed observed more and more: after 5 % of the
        work both weigh the same.
        """
        left = max(0.0, self.work_total - self.work_done)
        predicted = left / self.slots
        if not self.work_done:
            return predicted
        observed = left * self.elapsed() / self.work_done
        trust = self.fraction() / (self.fraction() + 0.05)
        return trust * observed + (1 - trust) * predicted

    def trials_per_second(self) -> float:
        """Trials finished a second, of this run."""
        return self.done / max(self.elapsed(), 1e-9)

    def line(self) -> str:
        """The state in one plain line."""
        parts = [
            f"{self.already_done + self.done} of {self.planned} trials",
            f"{self.trials_per_second():.1f} trials/s",
            f"{clock(self.seconds_left())} left",
        ]
        for count, word in ((self.diverged, "diverged"), (self.failed, "failed")):
            if count:
                parts.append(f"{count} {word}")
        return ", ".join(parts)


def clock(seconds: float) -> str:
    """A duration as `45 s`, `3 min 20 s` or `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Silent:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def start(self, **numbers: Any) -> None:
        """Show nothing."""

    def update(self, **numbers: Any) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


def _to_whoever_is_there(
    tell: Callable[Concatenate[Any, Arguments], None],
) -> Callable[Concatenate[Any, Arguments], None]:
    """Let a run go on when its terminal is gone, as one that was put aside by `disown`."""

    @wraps(tell)
    def told(self: Any, *args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            tell(self, *args, **kwargs)
        except OSError:
            hush()

    return told


class Lines:
    """One plain line every `every` seconds, for log files and batch systems."""

    def __init__(self, stream: TextIO | None = None, every: float = LINE_EVERY) -> None:
        self._stream = stream or sys.stderr
        self._every = every
        self._state: State | None = None
        self._last = 0.0

    @_to_whoever_is_there
    def say(self, text: str) -> None:
        """See `Progress`."""
        print(text, file=self._stream, flush=True)

    def start(self, *, planned: int, already_done: int, seconds_of_work: float, slots: int) -> None:
        """See `Progress`."""
        self._state = State(planned, already_done, seconds_of_work, slots)
        self._last = self._state.started

    def update(self, *, done: int, diverged: int, failed: int, seconds_of_work: float) -> None:
        """See `Progress`."""
        if self._state is None:
            return
        _take_in(self._state, done, diverged, failed, seconds_of_work)
        if time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            self.say(self._state.line())

    def close(self) -> None:
        """See `Progress`."""
        if self._state is not None:
            self.say(f"{self._state.line()}, {clock(self._state.elapsed())} gone")
            self._state = None


class Panel:
    """A live panel, drawn in place a few times a second."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._live: Live | None = None
        self._state = State()

    @_to_whoever_is_there
    def say(self, text: str) -> None:
        """See `Progress`."""
        self._console.print(Text(text, style="dim"))

    @_to_whoever_is_there
    def start(self, *, planned: int, already_done: int, seconds_of_work: float, slots: int) -> None:
        """See `Progress`."""
        self._state = State(planned, already_done, seconds_of_work, slots)
        self._live = Live(
            get_renderable=self._render, console=self._console, refresh_per_second=4, transient=True
        )
        self._live.start()

    def update(self, *, done: int, diverged: int, failed: int, seconds_of_work: float) -> None:
        """See `Progress`."""
        _take_in(self._state, done, diverged, failed, seconds_of_work)

    @_to_whoever_is_there
    def close(self) -> None:
        """See `Progress`."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _render(self) -> Table:
        state = self._state
        table = Table.grid(padding=(0, 2))
        table.add_row(
            ProgressBar(total=1.0, completed=state.fraction(), width=30),
            Text(f"{state.already_done + state.done} of {state.planned} trials", style="bold"),
            f"{clock(state.seconds_left())} left",
            f"{clock(state.elapsed())} gone",
            f"{state.trials_per_second():.1f} trials/s",
            Text(f"{state.diverged} diverged", style="yellow" if state.diverged else "dim"),
            Text(f"{state.failed} failed", style="bold red" if state.failed else "dim"),
        )
        return table


def _take_in(state: State, done: int, diverged: int, failed: int, work_done: float) -> None:
    state.done, state.diverged, state.failed = done, diverged, failed
    state.work_done = work_done


def progress_for(stream: TextIO | None = None, *, quiet: bool = False) -> Progress:
    """Return what suits the stream (stderr by default): a panel, plain lines, or silence."""
    stream = stream or sys.stderr
    if quiet:
        return Silent()
    if stream.isatty():
        return Panel(Console(file=stream))
    return Lines(stream)
