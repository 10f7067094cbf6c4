"""Processes as a user starts them, all that descends from them, and how they are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Seconds after which a run that does not end by itself counts as hanging.
PATIENCE = 300.0


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code; minus a signal's number where that ended it.
        out: what it wrote to stdout.
        err: what it wrote to stderr.
        seconds: its wall time.
    """

    code: int
    out: str
    err: str
    seconds: float


class Started:
    """A process in a session of its own, with its output in files, and all its descendants.

    Args:
        command: program and arguments.
        folder: where it is started, and where its output goes.
        environment: variables beside the present ones.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        variables = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **(environment or {}),
        }
        number = len(list(folder.glob("*.out")))
        self._out, self._err = folder / f"{number:03}.out", folder / f"{number:03}.err"
        self.began = time.monotonic()
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.popen = subprocess.Popen(
                command,
                cwd=folder,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self.popen.pid

    @property
    def running(self) -> bool:
        """Whether the process itself lives."""
        return self.popen.poll() is None

    @property
    def out(self) -> str:
        """What it wrote to stdout so far."""
        return self._out.read_text(errors="replace")

    @property
    def error(self) -> str:
        """What it wrote to stderr so far."""
        return self._err.read_text(errors="replace")

    def ended(self, patience: float = PATIENCE) -> Ended:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it hangs.
        """
        code = self.popen.wait(timeout=patience)
        seconds = time.monotonic() - self.began
        return Ended(code, self.out, self.error, seconds)

    def kill(self) -> None:
        """SIGKILL to the process itself, not to its descendants."""
        self.popen.kill()
        self.popen.wait()

    def interrupt(self, number: signal.Signals, *, group: bool) -> None:
        """A signal to the process, or, as a terminal sends it, to its process group."""
        if self.running:
            (os.killpg if group else os.kill)(self.pid, number)

    def family(self) -> list[int]:
        """Ids of the living processes of its session."""
        return [pid for pid, session in _sessions().items() if session == self.pid]

    def workers(self) -> list[int]:
        """Ids of its Ray workers that hold, or held, a pack."""
        found = []
        for pid in self.family():
            name = command_of(pid)
            if name.startswith("ray::") and "Agent" not in name and "IDLE" not in name:
                found.append(pid)
        return found

    def end(self) -> None:
        """SIGKILL to all of its session."""
        for _ in range(3):
            for pid in self.family():
                kill(pid)
            if self.running:
                self.popen.wait(timeout=30)
        if self.popen.stdin is not None:
            self.popen.stdin.close()


class Afterlife:
    """Measures how long descendants of killed processes live on.

    Attributes:
        training: seconds until no Ray node and no worker of a process was left, one each.
        all: seconds until nothing at all was left.
    """

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self.training: list[float] = []
        self.all: list[float] = []

    def watch(self, process: Started, *, whole: bool = True, limit: float = 90.0) -> None:
        """Look, beside the caller, until none is left.

        Args:
            process: the killed process.
            whole: otherwise only until nothing of it can train any more.
            limit: seconds after which to give up.
        """

        def look() -> None:
            began = time.monotonic()
            training = None
            while (left := process.family()) and time.monotonic() - began < limit:
                if training is None and not any(map(_trains, left)):
                    training = time.monotonic() - began
                    if not whole:
                        break
                time.sleep(0.25)
            self.all.append(time.monotonic() - began)
            self.training.append(self.all[-1] if training is None else training)

        self._threads.append(threading.Thread(target=look, daemon=True))
        self._threads[-1].start()

    def wait(self) -> None:
        """Until the last one was looked for to the end."""
        for thread in self._threads:
            thread.join()


def _trains(pid: int) -> bool:
    name = command_of(pid)
    return "raylet/raylet" in name or (name.startswith("ray::") and "Agent" not in name)


def explorer(*arguments: object) -> list[str]:
    """The command line `explorer ...` of this tree."""
    return [sys.executable, "-P", "-m", "explorer", *map(str, arguments)]


def python(code: str, *arguments: object) -> list[str]:
    """A Python process that runs this text."""
    return [sys.executable, "-P", "-c", code, *map(str, arguments)]


def kill(pid: int) -> bool:
    """SIGKILL to a process; False where it is gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def command_of(pid: int) -> str:
    """The command line of a process, or its title; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def parent_of(pid: int) -> int | None:
    """The id of a process' parent; None where it is gone."""
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _sessions() -> dict[int, int]:
    """The session of each living process."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(folder.name))
        if fields and fields[0] != "Z":
            found[int(folder.name)] = int(fields[3])
    return found


def _stat(pid: int) -> list[str]:
    """State, parent, process group, session, ... of a process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []
