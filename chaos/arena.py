"""Where a scenario happens: its folder, its chance, its size, and the processes it started."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from chaos.outcome import Finding
from chaos.processes import Ended, Started, explorer

#: No user should see these.
_UGLY = ("Traceback (most recent call last)", "--- Logging error ---", "(raylet)")


class Arena:
    """One scenario's surroundings; whatever it started is killed at the end.

    Args:
        folder: private and empty; its path is short, because sockets lie below it.
        seed: of everything that is left to chance.
        full: the whole number of faults, or few.
        say: told what happens.

    Attributes:
        temporary: the folder of the processes' temporary files.
        left_over: files elsewhere that killed processes may leave, deleted at the end.
    """

    def __init__(
        self, folder: Path, *, seed: int, full: bool, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.folder = folder
        self.full = full
        self.chance = random.Random(seed)
        self.say = say
        self.temporary = folder / "t"
        self.temporary.mkdir()
        self.left_over: list[Path] = []
        self._started: list[Started] = []

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, *raised: object) -> None:
        for process in self._started:
            process.end()
        for path in self.left_over:
            path.unlink(missing_ok=True)

    def start(self, command: list[str], environment: Mapping[str, str] | None = None) -> Started:
        """Start a process whose temporary files lie in the arena's folder."""
        temporary = {"TMPDIR": str(self.temporary)}
        process = Started(command, self.folder, {**temporary, **(environment or {})})
        self._started.append(process)
        return process

    def run(
        self,
        space: Path,
        store: str | Path,
        *options: object,
        environment: Mapping[str, str] = {},
        within: Sequence[str] = (),
    ) -> Started:
        """Start `explorer run SPACE --store STORE --json ...`, behind another command's words."""
        command = explorer("run", space, "--store", store, "--json", *options)
        return self.start([*within, *command], environment)

    def expect(
        self,
        finding: Finding,
        ended: Ended,
        codes: Collection[int] = (0,),
        *,
        says: str | None = None,
        what: str = "a run",
    ) -> bool:
        """Note a problem unless a process ended with one of these codes and a clear sentence.

        What a signal ended of itself, it ended in Python's own start, which shows a traceback.
        """
        before = len(finding.problems)
        tail = " | ".join(ended.err.strip().splitlines()[-3:])[-500:]
        if ended.code not in codes:
            finding.problems.append(f"{what} ended with exit code {ended.code}: {tail}")
        elif says is not None and says not in ended.err:
            finding.problems.append(f"{what} did not say {says!r}, but: {tail}")
        for ugly in _UGLY if ended.code >= 0 else ():
            if ugly in ended.err:
                number = ended.err.index(ugly)
                shown = " | ".join([*ended.err[number:].strip().splitlines()[:2], tail])
                finding.problems.append(f"{what} showed a traceback or Ray's words: {shown}")
        return len(finding.problems) == before


def summary(ended: Ended) -> dict[str, object]:
    """What `explorer run --json` printed; empty where it printed nothing whole."""
    try:
        found = json.loads(ended.out)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
