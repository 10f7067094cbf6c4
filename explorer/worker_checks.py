"""Looks that a worker takes before it trains: at its own program, and at the driver's store."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import explorer
from explorer.errors import ExplorerError
from explorer.store import Store


@dataclass(frozen=True)
class DriverMark:
    """By what a worker knows the run's driver.

    Attributes:
        version: the driver's version of this program.
        code: hash of its source files.
        plan: name of the plan's file, which the driver has just written.
        host: name of its machine.
    """

    version: str
    code: str
    plan: str
    host: str = ""


def driver_mark(plan: str) -> DriverMark:
    """The mark of this process, for a plan's file that it wrote."""
    return DriverMark(explorer.__version__, code_sha256(), plan, platform.node())


@cache
def code_sha256() -> str:
    """Hash of this program's source files: two checkouts of one version may differ."""
    folder = Path(explorer.__file__).resolve().parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def trouble(mark: DriverMark, store: Store) -> str | None:
    """One sentence, if this process must not train for that driver; None where all is well.

    It takes a small write and its removal in each of the store's folders: better now than after
    hours of training.
    """
    node = platform.node()
    if mark.host == node and mark.version == explorer.__version__ and mark.code != code_sha256():
        return "The files of this program were changed while it ran: start it again."
    if (explorer.__version__, code_sha256()) != (mark.version, mark.code):
        return (
            f"The worker on {node} runs explorer {explorer.__version__} "
            f"(code {code_sha256()[:8]}) and the driver {mark.version} (code {mark.code[:8]}): "
            "install the same on every node."
        )
    try:
        if not store.has_plan(mark.plan):
            return (
                f"The worker on {node} does not see the driver's store at {store!s}: "
                "put it where every node reaches it, in a shared folder or on s3://."
            )
        store.check_writable()
    except ExplorerError as error:
        return f"The worker on {node} cannot use the store: {error}"
    return None
