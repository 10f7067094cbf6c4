"""Telling that memory ran out: from real allocations that failed, and from what GPUs say."""

import errno
import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch

from explorer.errors import InputError
from explorer.training.memory import is_out_of_memory, release

#: Run in a process whose address space ends 300 MB above what it has after its imports.
CHILD = """
import resource, sys
import numpy as np, torch
from explorer.datasets import Dataset
from explorer.models.modules import stacks_exactly
from explorer.training import PackTrainer
from explorer.training.memory import is_out_of_memory, release
from explorer.trial import Configuration

torch.set_num_threads(1)
labels = np.arange(4000) % 10
data = Dataset.from_arrays("x", np.ones((4000, 40)), labels, np.ones((50, 40)), labels[:50])

def pack(size, model, batch_size=4000):
    return [
        Configuration(model=model, train_size=4000, batch_size=batch_size, learning_rate=0.1,
                      budget="steps", budget_value=2, evaluations=1, seed=k)
        for k in range(size)
    ]

def train(size, model, **options):
    trainer = PackTrainer(pack(size, model), data, **options)
    trainer.advance()
    return len(trainer.take_results())

def wide(input_shape, n_classes):
    return torch.nn.Sequential(torch.nn.Linear(40, 400_000), torch.nn.Linear(400_000, n_classes))

train(1, "mlp-4")
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 300 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

def caught(work):
    try:
        work()
    except Exception as error:
        return is_out_of_memory(error), type(error).__name__
    return "nothing"

print(caught(lambda: torch.empty(2**30)))
print(caught(lambda: np.empty(2**30)))
print(caught(lambda: bytearray(2**30)))
print(caught(lambda: train(64, "mlp-256")))
print(caught(lambda: train(1, "wide", model_factory=wide)))
release("cpu")
print(train(2, "mlp-256"))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space limits")
def test_real_failures_to_allocate():
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *found, afterwards = done.stdout.splitlines()
    assert len(found) == 5
    assert all(line.startswith("(True, ") for line in found), found
    assert {"RuntimeError", "MemoryError"} < {line.split("'")[1] for line in found}
    assert afterwards == "2", "a smaller pack fits into what was given back"


def raised(error, *cause, raised_while=None):
    """The error, raised for this reason or none, while another one was being handled."""
    with pytest.raises(type(error)) as caught:  # noqa: PT012
        try:
            if raised_while is not None:
                raise raised_while
        finally:
            if cause:
                raise error from cause[0]
            raise error
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((2**40,), np.dtype(float)),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        torch.cuda.OutOfMemoryError(),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronous"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5.05 GB, max allowed: 5.10 GB)."),
        RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 4 bytes. Error code 12 (Cannot allocate memory)"
        ),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes."),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ExceptionGroup("several", [ValueError(), MemoryError()]),
    ],
    ids=repr,
)
def test_what_says_that_memory_ran_out(error):
    assert is_out_of_memory(error)
    assert is_out_of_memory(raised(InputError("the model factory failed."), error))
    assert is_out_of_memory(raised(KeyError("while handling"), raised_while=error))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
        RuntimeError("unsupported memory format option ChannelsLast"),
        RuntimeError("CUDA error: device-side assert triggered"),
        ValueError("out of memory"),
        OSError(errno.ENOSPC, "No space left on device"),
        KeyboardInterrupt(),
        InputError("the model fails on inputs (2, 40)."),
    ],
    ids=repr,
)
def test_what_does_not(error):
    assert not is_out_of_memory(error)


def test_an_error_that_stands_for_itself():
    """`raise ... from None` says that what was being handled is another matter."""
    assert not is_out_of_memory(raised(ValueError(), None, raised_while=MemoryError()))


def test_errors_that_go_round_in_a_circle():
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert not is_out_of_memory(first)
    second.__context__ = MemoryError()
    second.__suppress_context__ = False
    assert is_out_of_memory(first)


def test_release_collects_what_only_garbage_holds():
    class Pack:
        pass

    pack = Pack()
    pack.itself = pack
    gone = weakref.ref(pack)
    gc.disable()
    try:
        del pack
        assert gone() is not None
        release("cpu")
        assert gone() is None
    finally:
        gc.enable()
    release("cuda")  # where there is none: nothing to give back
    release("meta")
