"""Ends a run whose Ray has died: Ray itself would wait for a minute and then abort the process."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

#: Seconds between two looks at Ray's head.
LOOK_EVERY = 0.5


@contextmanager
def watched(
    alive: Callable[[], bool],
    gone: Callable[[], int],
    *,
    patience: float,
    every: float = LOOK_EVERY,
) -> Iterator[None]:
    """While inside, end this process soon after Ray's head has died.

    A signal to the whole process group, as `timeout` and batch systems send it, ends Ray's own
    processes before the driver can ask anything of them; and a cluster may go away. The main
    thread then sits inside of Ray, which no exception reaches, so the process is ended here.

    Args:
        alive: whether Ray's head is there; called in a thread of its own.
        gone: called once when it is not: tells the user, tidies up, and returns the exit code.
        patience: seconds for which it must have been away.
        every: seconds between two looks.
    """
    closing = threading.Event()

    def watch() -> None:
        missed = 0.0
        while not closing.wait(every):
            missed = 0.0 if alive() else missed + every
            if missed >= patience:
                break
        if closing.is_set():
            return
        code = 3
        try:
            code = gone()
        finally:
            logging.shutdown()
            os._exit(code)

    thread = threading.Thread(target=watch, name="ray-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        closing.set()
        thread.join()
