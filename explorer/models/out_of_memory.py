"""Telling that memory ran out, whoever noticed."""

from __future__ import annotations

import errno

import torch

#: What PyTorch's allocators and libraries say in errors of a general type.
_TEXTS = (
    "can't allocate memory",  # host: "DefaultCPUAllocator: can't allocate memory"
    "not enough memory",  # host, on Windows
    "bad_alloc",
    "cannot allocate memory",
    "out of memory",  # CUDA, HIP, XPU, MPS
    "alloc_failed",  # CUBLAS_STATUS_ALLOC_FAILED and those of its sister libraries
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it was raised from or while handling, says memory ran out.

    Host memory (Python, numpy, PyTorch) and that of a GPU. An error raised `from None` stands for
    itself.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if _says_so(one):
            return True
        waiting.append(one.__cause__)
        if not one.__suppress_context__:
            waiting.append(one.__context__)
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return False


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, RuntimeError):
        text = str(error).lower()
        return any(words in text for words in _TEXTS)
    return False
