"""When memory runs out while a pack trains."""

from __future__ import annotations

import gc
from typing import Any

import torch

from explorer.models.out_of_memory import is_out_of_memory as is_out_of_memory


def release(device: str | torch.device) -> None:
    """Give back what a dropped pack held, to the device too.

    Drop the trainer and the error first: an error's traceback keeps the tensors of its frames.
    """
    gc.collect()
    kind = torch.device(device).type
    if kind == "cpu":
        return
    backend: Any = getattr(torch, kind, None)
    if hasattr(backend, "empty_cache"):
        backend.empty_cache()
