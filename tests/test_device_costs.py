"""A device's name, memory and measured costs, against real packs and planted ones."""

import json
import math
import re
import time
from dataclasses import asdict, fields, replace
from importlib import metadata

import numpy as np
import pytest
import torch

from explorer import device_costs
from explorer.cost_model import CostModel, workload_of
from explorer.datasets import Dataset
from explorer.device_costs import (
    costs_note,
    costs_of_note,
    device_description,
    device_memory,
    device_name,
    measure_costs,
)
from explorer.models import multiply_adds
from explorer.store import Store
from explorer.training import PackTrainer
from explorer.training.data import _recent
from explorer.trial import Configuration

#: None of them is one of the packs that are measured: model, members, batch size, steps.
PACKS = [
    ("mlp-64", 1, 64, 2000),
    ("mlp-64", 32, 16, 400),
    ("mlp-64", 48, 64, 200),
    ("mlp-64", 8, 256, 300),
    ("mlp-32", 64, 8, 400),
    ("mlp-128", 12, 32, 300),
    ("cnn1d-16-32", 2, 16, 100),
    ("cnn1d-16-32", 8, 4, 60),
    ("cnn1d-16-32", 2, 128, 25),
]


@pytest.fixture(scope="module")
def costs():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()
    measured = measure_costs("cpu")
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    return measured


@pytest.fixture(scope="module")
def dataset():
    draw = np.random.default_rng(3)
    labels = np.arange(4000) % 10
    inputs = draw.normal(size=(4000, 40))
    return Dataset.from_arrays("noise", inputs, labels, inputs[:3000], labels[:3000])


def pack_of(model, members, batch_size, steps):
    return [
        Configuration(
            model=model,
            train_size=1000,
            batch_size=batch_size,
            learning_rate=0.01,
            momentum=0.9,
            budget="steps",
            budget_value=steps,
            evaluations=2,
            seed=seed,
        )
        for seed in range(members)
    ]


def trained_seconds(pack, dataset):
    """Seconds of a core, the faster of two trainings, evaluations included."""
    times = []
    for _ in range(2):
        trainer = PackTrainer(pack, dataset)
        began = time.thread_time()
        trainer.advance()
        times.append(time.thread_time() - began)
        assert trainer.finished
    return min(times)


def predicted_seconds(costs, pack):
    model = pack[0].model
    workload = workload_of(model, multiply_adds(model, (40,), 10), 3000, (40,))
    seconds = sum(costs.trial_seconds(member, workload) for member in pack)
    return seconds + costs.shared_seconds(pack[0].steps) - costs.pack


def compared(costs, dataset):
    """Predicted over real seconds of every pack: by these costs, and by the fixed constants."""
    rows = []
    for model, members, batch_size, steps in PACKS:
        pack = pack_of(model, members, batch_size, steps)
        seconds = trained_seconds(pack, dataset)
        row = [predicted_seconds(model, pack) / seconds for model in (costs, CostModel())]
        rows.append(row)
        print(f"{model} K={members} B={batch_size}: {seconds:.3f} s, {row[0]:.2f} {row[1]:.2f}")
    return np.array(rows)


def test_real_packs_take_what_was_predicted(costs, dataset):
    """Within a factor 2.5 each and 1.6 in the median; the fixed constants do no better.

    Measured anew, twice at most, where something else disturbed the machine.
    """
    for attempt in range(3):
        ratios = compared(costs if attempt == 0 else measure_costs("cpu"), dataset)
        factors = np.exp(abs(np.log(ratios)))
        mine, fixed = np.median(factors, axis=0)
        print(f"median factor {mine:.2f}, of the fixed constants {fixed:.2f}")
        if factors[:, 0].max() < 2.5 and mine < 1.6 and mine < 1.25 * fixed:
            return
    pytest.fail(f"predicted over real seconds: {ratios.tolist()}")


def test_measuring_is_quick_and_leaves_no_data_behind(costs):
    before = dict(_recent)
    began = time.thread_time()
    again = measure_costs("cpu", seconds=0.5)
    assert time.thread_time() - began < 3
    assert _recent.keys() <= before.keys()  # its own data are forgotten
    assert costs_of_note(costs_note(again)) == again
    assert again.pack == CostModel().pack
    assert again != CostModel()


@pytest.mark.parametrize("factor", [0.05, 1.0, 30.0])
def test_planted_constants_are_found(factor):
    """Also where a timing in ten was disturbed, and on a device thirty times as slow."""
    true = np.array([150e-6, 4e-6, 8e-11]) * factor
    draw = np.random.default_rng(1)
    timings = []
    for model, members, batch_size in device_costs._PACKS:
        adds = device_costs._workload(model).multiply_adds
        seconds = true @ [1, members, members * batch_size * adds]
        noise = math.exp(draw.normal(0, 0.03))
        timings.append(device_costs._Timing(members, batch_size, adds, seconds * noise))
    assert device_costs._fitted(timings) == pytest.approx(true, rel=0.25)
    timings[3] = replace(timings[3], seconds=timings[3].seconds * 1.5)
    assert device_costs._fitted(timings) == pytest.approx(true, rel=0.8)


def test_no_constant_is_lost():
    """Timings that grow with the batch alone leave the other constants small, not zero."""
    timings = [device_costs._Timing(k, b, 1000, 1e-7 * k * b) for k in (1, 8) for b in (8, 64)]
    assert all(value > 0 for value in device_costs._fitted(timings))


def test_a_note_brings_the_costs_back(costs, tmp_path):
    store = Store.open(str(tmp_path / "store"), create=True)
    store.write_note("device", device_name("cpu"), costs_note(costs))
    notes = store.read_notes("device")
    assert costs_of_note(notes[device_name("cpu")]) == costs
    assert json.loads(json.dumps(costs_note(costs))) == costs_note(costs)


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.pop("version"),
        lambda note: note.update(version=99),
        lambda note: note.pop("seconds"),
        lambda note: note.update(seconds=[1, 2]),
        lambda note: note["seconds"].pop("stacked_step"),
        lambda note: note["seconds"].update(stacked_step=float("nan")),
        lambda note: note["seconds"].update(stacked_step=float("inf")),
        lambda note: note["seconds"].update(stacked_step=-1e-4),
        lambda note: note["seconds"].update(stacked_step=0),
        lambda note: note["seconds"].update(stacked_step=3600.0),
        lambda note: note["seconds"].update(stacked_step="1e-4"),
        lambda note: note["seconds"].update(stacked_step=True),
        lambda note: note["seconds"].update(stacked_step=None),
        lambda note: note["seconds"].update(stacked_step=10**400),
        lambda note: note["seconds"].update(step_multiply_add=1.0),
    ],
)
def test_a_foreign_note_is_ignored(change):
    note = costs_note(CostModel())
    assert costs_of_note(note) == CostModel()
    change(note)
    assert costs_of_note(note) is None


def test_every_constant_is_checked_and_the_usual_ones_pass():
    assert set(device_costs._PLAUSIBLE) == {field.name for field in fields(CostModel)}
    for name, value in asdict(CostModel()).items():
        least, most = device_costs._PLAUSIBLE[name]
        assert 20 * least < value < most / 20


def test_the_name_is_fit_for_a_file_and_tells_devices_apart(monkeypatch):
    name = device_name("cpu")
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.]{0,99}", name)
    assert device_name("cpu") == name
    assert device_description("cpu").endswith(f", torch {metadata.version('torch')}")
    names = {name}
    for cpu in ("Intel(R) Xeon(R) CPU @ 2.20GHz", "../../x", "é", "A B", "A-B", "x" * 300, "."):
        monkeypatch.setattr(device_costs, "_cpu_name", lambda cpu=cpu: cpu)
        names.add(device_name("cpu"))
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.]{0,99}", device_name("cpu"))
    monkeypatch.setattr(device_costs.metadata, "version", lambda package: "0.0")
    names.add(device_name("cpu"))
    assert len(names) == 9


def test_the_processor_is_named_by_the_system(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some  CPU\nflags\t: a\nmodel name\t: Other\n")
    assert device_costs._cpu_name(info) == "Some CPU"
    info.write_text("model name\t:\n")
    assert device_costs._cpu_name(info)
    assert device_costs._cpu_name(tmp_path / "missing")


def test_memory_is_the_machines_or_the_containers(tmp_path):
    machine = device_memory("cpu", tmp_path / "none", tmp_path / "none")
    with open("/proc/meminfo") as lines:
        total = int(next(line for line in lines if line.startswith("MemTotal")).split()[1]) * 1024
    assert 0.9 * total <= machine <= 1.3 * total
    assert 0 < device_memory("cpu") <= machine
    own = tmp_path / "own"

    def memory(limits, line):
        root = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        for place, value in limits.items():
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_text(f"{value}\n")
        own.write_text(line)
        return device_memory("cpu", root, own)

    assert memory({"memory.max": 2**30}, "0::/\n") == 2**30
    assert memory({"memory.max": "max"}, "0::/\n") == machine
    nested = {"a/memory.max": 2**29, "a/b/memory.max": 2**30, "c/memory.max": 5}
    assert memory(nested, "0::/a/b\n") == 2**29
    assert memory({"memory/memory.limit_in_bytes": 2**28}, "") == 2**28
    first = {"memory/memory.limit_in_bytes": 2**63 - 4096, "memory/x/memory.limit_in_bytes": 2**27}
    assert memory(first, "3:cpu,memory:/x\n2:cpuset:/y\n0::/\n") == 2**27
    assert memory({"memory.max": 2**26}, "0::/not/mounted/here\n") == 2**26
    assert memory({"memory.max": "nonsense"}, "nonsense\n\n") == machine
