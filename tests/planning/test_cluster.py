"""Clusters on paper: what --cluster accepts, and what follows for slots and seconds."""

import pytest

from explorer.cluster import ASSUMED_TFLOPS, Cluster, parse_cluster, this_machine
from explorer.cores import available_cores
from explorer.cost_model import CostModel
from explorer.errors import InputError


def test_what_is_written_is_read():
    found = parse_cluster(
        "nodes=8, cpus=16,gpus=4,packs_per_gpu=2,gpu_tflops=19.5,gpu_efficiency=0.2,network_ms=1.5"
    )
    assert found == Cluster(
        nodes=8,
        cpus=16,
        gpus=4,
        packs_per_gpu=2,
        gpu_tflops=19.5,
        gpu_efficiency=0.2,
        network_ms=1.5,
    )


def test_cores_that_are_not_named():
    assert parse_cluster("nodes=2,gpus=4,packs_per_gpu=3").cpus == 12  # one a pack
    assert parse_cluster("nodes=2").cpus == available_cores()
    assert parse_cluster("nodes=1").gpu_tflops == ASSUMED_TFLOPS
    assert this_machine() == parse_cluster("nodes=1")


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("nodes=4,cpus=16", 64),
        ("nodes=8,cpus=16,gpus=4", 32),
        ("nodes=8,cpus=16,gpus=4,packs_per_gpu=4", 128),
        ("nodes=8,cpus=10,gpus=4,packs_per_gpu=4", 80),  # each pack takes a core, too
        ("nodes=1,cpus=40,gpus=4,packs_per_gpu=10", 40),
        ("nodes=1,cpus=100,gpus=1,packs_per_gpu=100", 100),
    ],
)
def test_slots(text, slots):
    assert parse_cluster(text).slots == slots


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nods=8", "--cluster has no 'nods': did you mean nodes? It takes nodes, cpus, gpus,"),
        ("nodes=8,,gpus=1", "--cluster has no '': it takes nodes, cpus, gpus,"),
        ("", "--cluster has no '': it takes nodes"),
        ("nodes=8,nodes=9", "--cluster gives nodes twice: 'nodes=8,nodes=9'."),
        ("nodes", "--cluster: nodes must be a whole number, not ''."),
        ("nodes=two", "--cluster: nodes must be a whole number, not 'two'."),
        ("nodes=1.5", "--cluster: nodes must be a whole number, not '1.5'."),
        ("nodes=inf", "--cluster: nodes must be a whole number, not 'inf'."),
        ("gpu_tflops=fast", "--cluster: gpu_tflops must be a number, not 'fast'."),
        ("nodes=0", "--cluster: nodes must be between 1 and 1000000, not 0."),
        ("nodes=1,cpus=-3", "--cluster: cpus must be between 1 and 1000000, not -3."),
        ("gpus=1,gpu_tflops=0", "--cluster: gpu_tflops must be above 0, not 0.0."),
        ("gpus=1,gpu_tflops=nan", "--cluster: gpu_tflops must be above 0, not nan."),
        (
            "gpus=1,gpu_efficiency=1.5",
            "--cluster: gpu_efficiency must be above 0 and at most 1, not 1.5.",
        ),
        ("network_ms=-1", "--cluster: network_ms must be at least 0, not -1.0."),
    ],
)
def test_nonsense_is_refused_in_one_sentence(text, words):
    with pytest.raises(InputError) as caught:
        parse_cluster(text)
    assert str(caught.value).startswith(words)


def test_seconds_on_cores_are_the_measured_ones_and_the_network_is_waited_for():
    costs = CostModel()
    assert Cluster(cpus=4).costs(costs) == costs
    slow = Cluster(cpus=4, network_ms=20).costs(costs)
    assert slow.pack == pytest.approx(costs.pack + 2 * 0.020)  # two files a pack
    assert slow.step_multiply_add == costs.step_multiply_add


def test_seconds_on_a_gpu_are_operations_by_speed():
    """By hand: 10 TFLOP/s at 50 % for two packs are 2.5 TFLOP/s, a step's multiply-add 6 FLOP."""
    cluster = Cluster(cpus=4, gpus=2, packs_per_gpu=2, gpu_tflops=10, gpu_efficiency=0.5)
    costs = cluster.costs(CostModel())
    assert costs.step_multiply_add == pytest.approx(6 / 2.5e12)
    assert costs.evaluation_multiply_add == pytest.approx(2 / 2.5e12)
