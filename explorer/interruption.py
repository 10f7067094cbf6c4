"""Ctrl-C: at once where nothing is at stake, at the next safe moment where packs are running."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

#: What a process exits with that the user interrupted.
INTERRUPTED = 130

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: A terminal that goes away, unless the user said by `nohup` that it may; Windows has none.
HANGUP = getattr(signal, "SIGHUP", None)


class Interruption:
    """Takes SIGINT, SIGTERM and SIGHUP while it is entered, and restores what was there before.

    Outside of `deferred` a signal raises KeyboardInterrupt; inside it only sets `requested`, the
    first one and any later one, so that impatience cannot tear what is being written. Entered in
    a thread other than the main one it takes no signals.

    Args:
        notice: called at the first signal inside `deferred`, to tell the user that it was heard.
    """

    def __init__(self, notice: Callable[[], None] = lambda: None) -> None:
        self.requested = False
        self._notice = notice
        self._deferred = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._previous[number] = signal.getsignal(number)
            if HANGUP is not None and signal.getsignal(HANGUP) != signal.SIG_IGN:
                self._previous[HANGUP] = signal.getsignal(HANGUP)
            self.take_signals()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Only note signals inside this block; whoever works there looks at `requested`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def take_signals(self) -> None:
        """Take them back from whoever has set handlers of its own since, as Ray does."""
        for number in self._previous:
            signal.signal(number, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        first, self.requested = not self.requested, True
        if number == HANGUP:
            hush()
        if not self._deferred:
            raise KeyboardInterrupt
        if first:
            self._notice()


def hush() -> None:
    """Let what is printed to a terminal that went away go nowhere; it would raise OSError."""
    for stream in (1, 2):
        try:
            os.write(stream, b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream)
            os.close(nowhere)
