"""The clock jumps by days, forward and back, in the driver and every worker.

The clocks of Ray's own C++ processes stay as they are: libfaketime breaks Python's sleep.
"""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

from chaos import sweeps
from chaos.arena import Arena, summary
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.patches import patched
from explorer.store import Store

#: In every Python process: another offset every two seconds; the monotonic clock stays as it is.
#: C code takes no other class for a datetime, so only the program's own modules get one.
_JUMPING = """
import datetime, os, random, time
_time, _real = time.time, datetime.datetime
def _now():
    number = int(time.monotonic() / 2) * 100_003 + os.getpid()
    jumps = [0, 0, 3 * 86400, -3 * 86400, 7200, -400 * 86400, 4e8]
    return _time() + random.Random(number).choice(jumps)
class Jumping(_real):
    __slots__ = ()
    @classmethod
    def now(cls, tz=None):
        return _real.fromtimestamp(_now(), tz)
time.time, time.time_ns = _now, lambda: int(_now() * 1e9)
def changed(name, module):
    if getattr(module, "datetime", None) is _real:
        module.datetime = Jumping
"""


def run(arena: Arena) -> Finding:
    """A run, killed once, and its next one, while the clock jumps every two seconds."""
    finding = Finding()
    sweep = sweeps.grid(arena.folder) if arena.full else sweeps.grid(arena.folder, steps=400)
    store = arena.folder / "s"
    environment = patched(arena.folder, _JUMPING)
    for kill in (True, False):
        process = arena.run(
            sweep.path, store, "--pack-size", sweep.pack_size, environment=environment
        )
        while process.running and not (kill and _commits(store) >= 6):
            time.sleep(0.1)
        if process.running:
            process.kill()
        else:
            ended = process.ended()
            arena.expect(finding, ended, what="a run whose clock jumps")
            finding.faults += int(ended.seconds / 2)
            told = summary(ended)
            if not 0 < float(str(told.get("seconds", 0))) < ended.seconds + 1:
                finding.problems.append(f"it says that it took {told.get('seconds')} s")
    finding.verdicts.append(judge(str(store), sweep.truth))
    _check_that_it_jumped(finding, store)
    return finding


def _check_that_it_jumped(finding: Finding, store: Path) -> None:
    """The times of publishing must lie days apart, else this scenario tests nothing."""
    times = Store.open(str(store)).trials(columns=["finished_at"])["finished_at"].to_pylist()
    if not times or max(times) - min(times) < timedelta(days=1):
        finding.problems.append("the clock did not jump")


def _commits(store: Path) -> int:
    return len(list((store / "trials").iterdir())) if (store / "trials").exists() else 0


SCENARIO = Scenario("jumping-clock", "the clock jumps by days, forward and back", run)
