"""A training state as a file: PyTorch's zip of tensors and plain values, read without trust.

Whatever the bytes are, reading runs no code that they name: `torch.load` with `weights_only=True`,
after the checksum of every part of the zip was found right, and nothing but dense tensors,
numbers, texts, None, and lists, tuples and dicts of them is let through.

A pack's file holds, a member, 4 bytes a parameter (8 with momentum), 5 kB of its random stream and
about 0.1 kB an evaluation; about 5 kB more a pack.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from explorer.models.state import State
from explorer.models.state import StateError as StateError
from explorer.models.state import UnkeepableStateError as UnkeepableStateError

#: Raised whenever states are put together otherwise, so that old ones are refused.
STATE_VERSION = 1

_KIND = "training state"


def state_bytes(state: State) -> bytes:
    """The content of a file that `read_state` reads.

    Raises:
        TypeError: the state holds something that cannot be read back.
    """
    _check_plain(state)
    file = io.BytesIO()
    torch.save({"kind": _KIND, "version": STATE_VERSION, "state": state}, file)
    return file.getvalue()


def read_state(source: bytes | str | os.PathLike[str]) -> State:
    """The state that a file, or its content, holds; its tensors on the CPU.

    Args:
        source: the content, or the file's path.

    Raises:
        StateError: it is torn, damaged, of another format version, or no training state at all.
        OSError: the file cannot be read.
    """
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    try:
        _check_zip(content)
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(found, dict) or found.get("kind") != _KIND:
            raise StateError("This is no training state: it holds something else.")
        if found.get("version") != STATE_VERSION:
            raise StateError(
                f"The training state has format version {found.get('version')!r}; "
                f"this program reads {STATE_VERSION}."
            )
        _check_plain(found["state"])
    except (StateError, MemoryError):
        raise
    except Exception as error:  # whatever hostile bytes make of zip and torch
        first, *_ = [*str(error).splitlines(), type(error).__name__]
        raise StateError(f"This is no whole training state: {first.rstrip('.')}.") from error
    return dict(found["state"])


def _check_zip(content: bytes) -> None:
    """Compare every part's checksum, which torch does not; nothing may be compressed.

    Raises:
        StateError: a part is damaged, or would be larger in memory than in the file.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        infos = parts.infolist()
        if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
            raise StateError("This is no training state: it is compressed.")
        if sum(info.file_size for info in infos) > len(content):
            raise StateError("This is no training state: its parts overlap.")
        damaged = parts.testzip()
    if damaged:
        raise StateError(f"The training state is damaged: {damaged} has another checksum.")


def _check_plain(value: Any) -> None:
    """Refuse all but what a state consists of.

    Raises:
        TypeError: there is something else.
    """
    if type(value) is dict:
        for key in value:
            if type(key) not in (str, int):
                raise TypeError(f"a state has no {type(key).__name__} as a key")
        for part in value.values():
            _check_plain(part)
    elif type(value) in (list, tuple):
        for part in value:
            _check_plain(part)
    elif type(value) is Tensor:
        if value.layout != torch.strided or value.is_meta or value.is_quantized:
            raise TypeError("a state's tensors are dense numbers")
    elif type(value) not in (bool, int, float, str, type(None)):
        raise TypeError(f"a state holds no {type(value).__name__}")
