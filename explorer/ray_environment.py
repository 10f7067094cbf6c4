"""Settings that Ray reads from the environment while it is imported; this file imports no ray."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import explorer
from explorer.process_token import has_ended, process_token

SETTINGS = {
    # Tune's own files are not our record: no loggers, no state while running, no output.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # Ctrl-C is ours: Tune would swallow it and end as if nothing had happened.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # A worker keeps its folder: the pack's files would need a folder each.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Under `uv run` Ray would start workers by uv, from a copy of the current folder.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}

PRIVATE_CLUSTER = {
    # Every socket on 127.0.0.1; by default they listen everywhere.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Tune's actors carry settings of their own, so that workers started ahead would stay idle.
    "RAY_prestart_worker_first_driver": "false",
}

#: Ray's sockets have paths of up to 107 bytes, some 65 of them below the folder we choose.
_LONGEST_TEMP_PATH = 40
_PREFIX = "explorer-"
#: Ray's own folder in a private folder.
RAY_FOLDER = "ray"
#: Says which process a private folder belongs to.
_OWNER = "owner.json"


def prepare(address: str | None) -> None:
    """Fix the environment; call it before the first `import ray`, in vain afterwards.

    Args:
        address: of a running cluster, whose nodes must be reachable; None starts a private one.
    """
    os.environ.update(SETTINGS)
    if address is None:
        os.environ.update(PRIVATE_CLUSTER)


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder for Ray's own files, deleted at the end; its path is short enough for sockets."""
    base = tempfile.gettempdir()
    if len(base) > _LONGEST_TEMP_PATH and Path("/tmp").is_dir():
        base = "/tmp"
    _remove_abandoned(Path(base))
    with tempfile.TemporaryDirectory(
        prefix=_PREFIX, dir=base, ignore_cleanup_errors=True
    ) as folder:
        (Path(folder) / _OWNER).write_text(json.dumps({"process": process_token(os.getpid())}))
        yield Path(folder)


def is_private(session_folder: str) -> bool:
    """Whether a Ray with this session folder is the private one of a run, of any user's."""
    parts = Path(session_folder).parts
    return len(parts) > 2 and parts[-3].startswith(_PREFIX) and parts[-2] == RAY_FOLDER


def _remove_abandoned(base: Path) -> None:
    """Delete the folders of drivers of this user's that were killed."""
    for folder in base.glob(f"{_PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            owner = json.loads((folder / _OWNER).read_text())
        except (OSError, ValueError, AttributeError):  # not one of ours, or another system
            continue
        if isinstance(owner, dict) and has_ended(owner):
            shutil.rmtree(folder, ignore_errors=True)


#: One for all private Rays of this process, because Ray remembers it.
_TOKEN = secrets.token_hex(32)


@contextmanager
def own_token() -> Iterator[None]:
    """Start a private Ray inside this block, so that its token is its own.

    Ray would write one to `~/.ray/auth_token`, and each later `ray start` of the user's would ask
    for it. A mode or a token that the user has set is kept.
    """
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
    before = {name: os.environ.get(name) for name in names}
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", _TOKEN)
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def clean_import_path(folder: Path) -> Iterator[None]:
    """Start Ray inside this block, so that workers import this package and no namesake of it.

    Ray puts the driver's current folder first on the workers' import path. There an
    `explorer.py` or `analysis.py` of the user's would shadow ours, in the workers only. So Ray is
    started from an empty folder, and a package that is not installed is named in PYTHONPATH.
    """
    root = Path(explorer.__file__).resolve().parents[1]
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    python_path = os.environ.get("PYTHONPATH")
    here = os.getcwd()
    if root not in installed:
        rest = [python_path] if python_path else []
        os.environ["PYTHONPATH"] = os.pathsep.join([str(root), *rest])
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        _restore({"PYTHONPATH": python_path})


def _restore(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
