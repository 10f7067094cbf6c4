"""`explorer report --watch`: the page is written again whenever its source has changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from explorer.errors import EnvironmentFailure, InputError

logger = logging.getLogger(__name__)

#: The page is built at most this share of the time, so that training keeps the processors.
_BUSY = 0.25


def follow(
    version: Callable[[], str],
    build: Callable[[bool], bool],
    *,
    every: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Build now and after every change, until the study is complete or Ctrl-C.

    A source that cannot be read for a moment, or a file that is half written, leaves the last page
    as it is. The last page that is written, after Ctrl-C too, no longer refreshes itself.

    Args:
        version: a text that changes whenever the source does.
        build: writes the page, which may refresh itself or not, and never does of a complete
            study; returns whether the study is complete.
        every: seconds between two looks.
        sleep: waits for so many seconds.
        clock: seconds since some moment.

    Returns:
        Whether the study is complete.

    Raises:
        EnvironmentFailure, InputError: the first page, or the one after Ctrl-C, could not be made.
        KeyboardInterrupt: there is no page yet.
    """
    seen: str | None = None
    try:
        while True:
            began = clock()
            try:
                now = version()
                if now != seen:
                    if build(True):
                        return True
                    seen = now
            except (EnvironmentFailure, InputError) as error:
                if seen is None:
                    raise
                logger.warning("%s The page stays as it was.", error)
            sleep(max(every, (clock() - began) * (1.0 / _BUSY - 1.0)))
    except KeyboardInterrupt:
        if seen is None:
            raise  # there is no page yet
        build(False)
        return False
