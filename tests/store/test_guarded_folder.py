"""Another program's files in a store: they cannot bring back a store that has gone."""

import os
import pickle
from pathlib import Path

import pytest
from pyarrow import fs

from explorer.store import Store


def test_it_is_the_local_file_system_while_the_store_is_there(store: Store, tmp_path: Path) -> None:
    (tmp_path / "source" / "inner").mkdir(parents=True)
    (tmp_path / "source" / "inner" / "a.bin").write_bytes(b"abc")
    given, root = store.subfolder("checkpoints")
    filesystem = pickle.loads(pickle.dumps(given))
    assert filesystem == given
    local = fs.LocalFileSystem()
    filesystem.create_dir(f"{root}/run/pack", recursive=True)
    fs.copy_files(
        str(tmp_path / "source"),
        f"{root}/run/pack",
        source_filesystem=local,
        destination_filesystem=filesystem,
    )
    found = filesystem.get_file_info(fs.FileSelector(root, recursive=True))
    assert f"{root}/run/pack/inner/a.bin" in [info.path for info in found]
    fs.copy_files(
        f"{root}/run",
        str(tmp_path / "back"),
        source_filesystem=filesystem,
        destination_filesystem=local,
    )
    assert (tmp_path / "back" / "pack" / "inner" / "a.bin").read_bytes() == b"abc"
    filesystem.delete_dir(f"{root}/run")
    assert os.listdir(root) == []


def test_a_store_that_is_gone_stays_gone(store: Store, tmp_path: Path) -> None:
    filesystem, root = store.subfolder("checkpoints")
    os.rename(store.location, tmp_path / "away")
    with pytest.raises(FileNotFoundError, match="The store is gone"):
        filesystem.create_dir(f"{root}/run/pack", recursive=True)
    with pytest.raises(FileNotFoundError):
        filesystem.open_output_stream(f"{root}/run/file")
    assert not os.path.exists(store.location)
    os.mkdir(store.location)  # a mount point without its mount
    with pytest.raises(FileNotFoundError, match="The store is gone"):
        filesystem.create_dir(f"{root}/run/pack", recursive=True)
    assert os.listdir(store.location) == []
