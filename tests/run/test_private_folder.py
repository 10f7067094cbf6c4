"""The folder of Ray's own files, and what killed drivers leave of theirs."""

import json
import os
import subprocess
import sys

import pytest

from explorer import ray_environment
from explorer.process_token import process_token


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A folder for temporary files, with a path that is short enough."""
    short = tmp_path / "b"
    short.mkdir()
    monkeypatch.setattr(ray_environment.tempfile, "gettempdir", lambda: str(short))
    monkeypatch.setattr(ray_environment, "_LONGEST_TEMP_PATH", 1000)
    return short


def folder_of(base, name, process):
    folder = base / f"explorer-{name}"
    (folder / "ray").mkdir(parents=True)
    (folder / "owner.json").write_text(json.dumps({"process": process}))
    return folder


@pytest.mark.skipif(process_token(os.getpid()) is None, reason="this system has no /proc")
def test_a_killed_drivers_folder_goes_and_others_stay(base):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    token = process_token(child.pid)
    dead = folder_of(base, "dead", token)
    alive = folder_of(base, "alive", process_token(os.getpid()))
    other = base / "explorer-other"
    other.mkdir()
    foreign = folder_of(base, "foreign", ["another boot", *token[1:]])
    with ray_environment.private_folder():
        assert dead.exists()  # its driver lives
    child.communicate(b"\n")
    with ray_environment.private_folder() as own:
        assert own.parent == base
        assert own.stat().st_mode & 0o077 == 0
        assert not dead.exists()
        assert alive.exists()
        assert other.exists()
        assert foreign.exists()
    assert not own.exists()
