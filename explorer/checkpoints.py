"""Packs in the middle of their training, saved beside a store's results.

Ray Tune writes a checkpoint of a long pack now and then, and gives it to the worker that goes on
when one has died. The same files let the next run go on where a killed driver left off:

    <store>/checkpoints/<run>-<fit>/<pack_id>-<try>/checkpoint_<number>/pack.json
                                                                        pack.pt

`pack.pt` holds tensors and plain values only (`explorer.training.state_file`); `pack.json` says
whose they are, and their hash. Ray's own files beside them are never read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from explorer.errors import EnvironmentFailure
from explorer.pack_text import decode_members, encode_members
from explorer.packing import Pack, pack_of
from explorer.store import Store
from explorer.trial import Configuration

logger = logging.getLogger(__name__)

FOLDER = "checkpoints"
_STATE, _SIDECAR = "pack.pt", "pack.json"
#: Bytes; thousands of members take less.
_LARGEST_SIDECAR = 2**20


@dataclass(frozen=True)
class Maker:
    """All beside the configurations that decides a trial's bits.

    Attributes:
        code: hash of this program's source.
        torch: its version.
        device: the name of the device.
        data_sha256: of the data set.
    """

    code: str
    torch: str
    device: str
    data_sha256: str


@dataclass(frozen=True)
class SavedPack:
    """A checkpoint that was found.

    Attributes:
        path: of its folder, below `checkpoints/`.
        run: the run that wrote it.
        pack: the pack as it was first made.
        alive: those of its members that were still training.
        maker: what it was trained with.
        steps_done: SGD steps of those members, summed.
    """

    path: str
    run: str
    pack: Pack
    alive: frozenset[Configuration]
    steps_done: int
    maker: Maker

    @property
    def over(self) -> frozenset[Configuration]:
        """The members that had finished."""
        return frozenset(self.pack.configurations) - self.alive


def write(
    folder: Path, state: bytes, pack: Pack, alive: Iterable[str], steps_done: int, maker: Maker
) -> None:
    """Write a checkpoint's two files, the one that vouches for the other last.

    Args:
        folder: an empty folder.
        state: the content of `pack.pt`.
        pack: the pack.
        alive: trial ids of the members that are still training.
        steps_done: SGD steps of those members, summed.
        maker: what it was trained with.
    """
    (folder / _STATE).write_bytes(state)
    told = {
        "pack_id": pack.pack_id,
        "members": encode_members(pack.configurations),
        "alive": list(alive),
        "steps_done": steps_done,
        "sha256": hashlib.sha256(state).hexdigest(),
        "maker": asdict(maker),
    }
    (folder / _SIDECAR).write_text(json.dumps(told))


def read_local(folder: Path, pack: Pack, maker: Maker) -> bytes | None:
    """The state in a folder of this machine; None where it is not this pack's, whole, and ours."""
    try:
        told = _told((folder / _SIDECAR).read_bytes())
        return _checked((folder / _STATE).read_bytes(), told, pack, maker)
    except (OSError, ValueError) as error:
        logger.info("The checkpoint of pack %s is of no use: %s", pack.pack_id, error)
        return None


def read_stored(store: Store, path: str, pack: Pack, maker: Maker) -> bytes | None:
    """The state at a `SavedPack.path`; None where it is gone, not this pack's, whole, and ours."""
    try:
        filesystem, root = store.subfolder(FOLDER)
        told = _told(_content(filesystem, f"{root}/{path}/{_SIDECAR}"))
        return _checked(_content(filesystem, f"{root}/{path}/{_STATE}"), told, pack, maker)
    except (OSError, ValueError, pa.ArrowException, EnvironmentFailure) as error:
        logger.info("The checkpoint of pack %s is of no use: %s", pack.pack_id, error)
        return None


def saved_packs(store: Store, runs: Callable[[str], bool]) -> list[SavedPack]:
    """The newest whole checkpoint of each pack that runs have left behind.

    Args:
        store: the store.
        runs: whether the checkpoints of this run are wanted: not those of a living one.
    """
    found: dict[str, SavedPack] = {}
    try:
        filesystem, root = store.subfolder(FOLDER)
        infos = filesystem.get_file_info(
            fs.FileSelector(root, recursive=True, allow_not_found=True)
        )
    except (OSError, pa.ArrowException, EnvironmentFailure) as error:
        logger.info("Checkpoints cannot be listed: %s", error)
        return []
    sidecars = sorted(
        info.path for info in infos if info.base_name == _SIDECAR and info.size <= _LARGEST_SIDECAR
    )
    whole = {info.path for info in infos if info.base_name == _STATE}
    for path in sidecars:
        folder = path.removesuffix(f"/{_SIDECAR}")
        relative = folder.removeprefix(f"{root}/")
        run = relative.partition("/")[0].partition("-")[0]
        if f"{folder}/{_STATE}" not in whole or not runs(run):
            continue
        try:
            told = _told(_content(filesystem, path))
            pack = pack_of(decode_members(told["members"]))
            if pack.pack_id != told["pack_id"]:
                raise ValueError("its members are not its pack's")
            alive = frozenset(c for c in pack.configurations if c.trial_id in told["alive"])
            steps_done = int(told["steps_done"])
            maker = Maker(**told["maker"])
        except Exception as error:  # whatever a torn or foreign file makes of it
            logger.info("The checkpoint %s is of no use: %s", relative, error)
            continue
        known = found.get(pack.pack_id)
        if alive and (known is None or steps_done >= known.steps_done):
            found[pack.pack_id] = SavedPack(relative, run, pack, alive, steps_done, maker)
    return list(found.values())


def clear(store: Store, runs: Callable[[str], bool], keep: Iterable[str] = ()) -> None:
    """Delete what these runs left in `checkpoints/`; what cannot be deleted stays.

    Args:
        store: the store.
        runs: whether a run's files shall go.
        keep: paths of saved packs to leave as they are.
    """
    kept = set(keep)
    try:
        filesystem, root = store.subfolder(FOLDER)
        infos = filesystem.get_file_info(fs.FileSelector(root, allow_not_found=True))
        for info in infos:
            if info.type != fs.FileType.Directory or not runs(info.base_name.partition("-")[0]):
                continue
            if not any(path.startswith(f"{info.base_name}/") for path in kept):
                filesystem.delete_dir(info.path)
                continue
            inner = filesystem.get_file_info(fs.FileSelector(info.path, recursive=True))
            for file in inner:
                folder = file.path.removeprefix(f"{root}/").rpartition("/")[0]
                if file.type == fs.FileType.File and folder not in kept:
                    with contextlib.suppress(FileNotFoundError):
                        filesystem.delete_file(file.path)
    except (OSError, pa.ArrowException, EnvironmentFailure) as error:
        logger.info("Old checkpoints stay: %s", error)


def _told(content: bytes) -> dict[str, Any]:
    told = json.loads(content)
    if not isinstance(told, dict):
        raise ValueError("pack.json holds no object")
    return told


def _checked(state: bytes, told: dict[str, Any], pack: Pack, maker: Maker) -> bytes:
    if told.get("pack_id") != pack.pack_id:
        raise ValueError("it is another pack's")
    if told.get("maker") != asdict(maker):
        raise ValueError("it was made by another program, on another device or from other data")
    if told.get("sha256") != hashlib.sha256(state).hexdigest():
        raise ValueError("it is torn")
    return state


def _content(filesystem: fs.FileSystem, path: str) -> bytes:
    with filesystem.open_input_stream(path) as stream:
        return bytes(stream.read())
