"""What a run is asked to use."""

import math

import pytest

from explorer.errors import EnvironmentFailure, InputError
from explorer.request import PackResources, check_device, pack_resources


def test_a_pack_gets_a_core_and_on_cuda_a_gpu():
    assert pack_resources() == PackResources("cpu", 1.0, 0.0)
    assert pack_resources("cuda") == PackResources("cuda", 1.0, 1.0)
    assert pack_resources("cuda", 2, 0.25) == PackResources("cuda", 2.0, 0.25)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("tpu",), "--device must be one of cpu, cuda, not 'tpu'"),
        (("cuda:1",), "packs are given GPUs by Ray, not by number"),
        (("cpu", 0), "--cpus-per-pack must be at least 0.01, not 0"),
        (("cpu", -1.0), "--cpus-per-pack must be at least 0.01"),
        (("cpu", 1e-9), "--cpus-per-pack must be at least 0.01"),
        (("cpu", math.nan), "--cpus-per-pack must be at least 0.01"),
        (("cpu", math.inf), "--cpus-per-pack must be at least 0.01"),
        (("cpu", 1.5), "--cpus-per-pack above 1 must be a whole number"),
        (("cpu", None, 0.5), "--gpus-per-pack 0.5 needs --device cuda"),
        (("cuda", None, 0), "--gpus-per-pack must be between 0.01 and 1"),
        (("cuda", None, 2), "--gpus-per-pack must be between 0.01 and 1"),
        (("cuda", None, math.nan), "--gpus-per-pack must be between 0.01 and 1"),
    ],
)
def test_what_no_pack_could_be_given_is_refused(arguments, text):
    with pytest.raises(InputError, match=text):
        pack_resources(*arguments)


@pytest.mark.parametrize(
    ("resources", "cpus", "gpus", "slots"),
    [
        (PackResources(), 16, 0, 16),
        (PackResources(), 0, 8, 0),
        (PackResources("cpu", 4), 15, 0, 3),
        (PackResources("cpu", 0.5), 2, 0, 4),
        (PackResources("cpu", 0.1), 0.3, 0, 3),
        (PackResources("cuda", 1, 1), 16, 2, 2),
        (PackResources("cuda", 1, 0.25), 16, 2, 8),
        (PackResources("cuda", 1, 0.25), 3, 2, 3),
        (PackResources("cuda", 1, 0.3), 16, 1, 3),  # three tenths of one GPU, never of two
        (PackResources("cuda", 1, 0.6), 16, 2, 2),
        (PackResources("cuda", 1, 1), 16, 0, 0),
    ],
)
def test_packs_that_fit_on_a_node(resources, cpus, gpus, slots):
    assert resources.slots(cpus, gpus) == slots


def test_a_gpu_that_is_not_there_is_said(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EnvironmentFailure, match="torch finds no GPU on this machine"):
        check_device("cuda")
    check_device("cuda", "10.0.0.1:6379")  # only the cluster knows
    with pytest.raises(InputError, match="--device must be"):
        check_device("gpu", "10.0.0.1:6379")
