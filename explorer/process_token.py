"""Telling whether a process that left a mark is still alive, across restarts and containers."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PROC = Path("/proc")


def process_token(pid: int) -> list[str] | None:
    """What tells a process from every other one: the machine's start, pid namespace, pid, start.

    Returns:
        None where there is no /proc, or the process is not in it or has ended.
    """
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        # Containers of one machine share its boot id, but not the numbers of their processes.
        namespace = os.readlink(_PROC / "self/ns/pid")
        # The command, in parentheses, may hold anything; the state is the first field behind it.
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else [boot, namespace, str(pid), fields[19]]
    except (OSError, IndexError):
        return None


def has_ended(note: Mapping[str, Any]) -> bool:
    """Whether a note's process is known to have ended; False where this machine cannot know."""
    theirs, ours = note.get("process"), process_token(os.getpid())
    if isinstance(theirs, list) and ours is not None and theirs[:1] != ours[:1]:
        # Another start of a machine: this one's earlier start, if the names agree.
        return bool(note.get("host")) and note.get("host") == socket.gethostname()
    if not isinstance(theirs, list) or ours is None or theirs[:2] != ours[:2]:
        return False
    try:
        pid = int(theirs[2])
        os.kill(pid, 0)  # only asks whether it is there
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # another user's, which /proc may hide
    except (OSError, ValueError, TypeError, IndexError, OverflowError):
        return False
    else:
        return process_token(pid) != theirs
    return process_token(pid) not in (None, theirs)


def is_alive(note: Mapping[str, Any]) -> bool:
    """Whether a note's process is known to live, on this machine."""
    theirs = note.get("process")
    try:
        return isinstance(theirs, list) and process_token(int(theirs[2])) == theirs
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
