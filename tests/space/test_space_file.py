from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys

import cloudpickle
import pytest

from explorer.errors import InputError
from explorer.space import LoadedSpace, SearchSpace, load_space, shipped_names, template


@pytest.mark.parametrize(
    ("spec", "trials", "conditions", "seeds"),
    [("quick_grid", 672, 7, 8), ("mnist5k_grid", 576, 7, 8), ("full_grid", 4585, 79, 5)],
)
def test_shipped_files_load_from_any_folder(tmp_path, monkeypatch, spec, trials, conditions, seeds):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "searchspaces").mkdir()  # a folder of the user's own does not hide ours
    for form in (spec, f"{spec}.py", f"searchspaces/{spec}.py"):
        loaded = load_space(form)
        assert loaded.name == spec
        assert len(loaded.space.configurations()) == trials
    assert {c.seed for c in loaded.space} == set(range(seeds))
    fields = ("learning_rate", "momentum", "train_size")
    found = {tuple(getattr(c, field) for field in fields) for c in loaded.space.cells}
    assert len(found) == conditions
    experiments = {"edge_or_noise", "full_grid", "large_n", "mnist5k_grid", "quick_grid"}
    assert set(shipped_names()) == experiments | {"butter_sized", "he_liu_tao_2019"}


def test_the_quick_grid_brackets_the_peaks_that_were_measured():
    space = load_space("quick_grid").space
    measured = {0.05: 11, 0.1: 23, 0.2: 45, 0.4: 76}
    sizes = {
        eps: [c.batch_size for c in space.cells if c.learning_rate == eps]
        for eps in space.axes["learning_rate"]
    }
    for eps, peak in measured.items():
        assert min(sizes[eps]) <= peak / 4
        assert max(sizes[eps]) >= peak * 8
    listed = list(sizes.values())
    for first, second in itertools.pairwise(listed):
        large = [size for size in first if size >= 32]
        assert not set(large) & set(second)


def test_the_full_grid_varies_what_it_says():
    space = load_space("full_grid").space
    assert space.axes["momentum"] == (0.0, 0.5, 0.9, 0.95)
    assert space.axes["train_size"] == (500, 1000, 2000, 4000, 8000)
    used = {(c.momentum, c.train_size) for c in space.cells}
    assert len(used) == 20
    assert {c.budget for c in space.cells} == {"time"}


def test_the_template_loads_and_says_what_it_leaves_out(tmp_path):
    path = tmp_path / "start.py"
    path.write_text(template())
    space = load_space(path).space
    assert 0 < len(space) < 50
    assert space.left_out == (
        ("breaks the rule: At least four batches fit into the training set", 2),
    )


def test_the_commented_examples_of_the_template_work(tmp_path):
    text = template().replace("# def wide_net", "def wide_net").replace('"mlp-64"', "wide_net")
    lines = text.splitlines()
    start = lines.index("def wide_net(input_shape, n_classes):")
    for i in range(start + 1, start + 6):
        lines[i] = lines[i].removeprefix("# ")
    options = ("weight_decay=", "clip_norm=", "final_decay=", "sampling=", "validation_size=")
    lines = [
        line.replace("# ", "", 1)
        if line.strip().startswith(tuple(f"# {o}" for o in options))
        else line
        for line in lines
    ]
    path = tmp_path / "start.py"
    path.write_text("\n".join(lines))
    space = load_space(path).space
    (cell, *_) = space.cells
    assert (cell.model, cell.final_decay) == ("wide_net", 0.2)
    assert space.axes["clip_norm"] == (None, 1.0)
    net = space.model_factories["wide_net"]((40,), 10)
    assert sum(p.numel() for p in net.parameters()) == 40 * 256 + 256 + 256 * 10 + 10


def test_a_loaded_space_knows_its_file(write_space):
    path = write_space()
    loaded = load_space(str(path))
    assert isinstance(loaded, LoadedSpace)
    assert isinstance(loaded.space, SearchSpace)
    assert loaded.path == path.resolve()
    assert loaded.source_text == path.read_text()
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.name == "mine"


def test_an_edited_file_is_read_anew_and_no_byte_code_is_left(write_space, tmp_path):
    assert len(load_space(write_space(seeds="2")).space) == 4
    assert len(load_space(write_space(seeds="3")).space) == 6  # same size, same second
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_a_file_nearby_wins_over_a_shipped_one(write_space, tmp_path, monkeypatch):
    write_space(name="quick_grid.py")
    monkeypatch.chdir(tmp_path)
    assert len(load_space("quick_grid").space) == 2
    assert len(load_space("quick_grid.py").space) == 2


_NET = """
import torch

WIDTH = {width}

class Net(torch.nn.Module):
    def __init__(self, n_in, n_classes):
        super().__init__()
        self.layer = torch.nn.Linear(n_in, n_classes, bias={bias})

    def forward(self, inputs):
        return helper(self.layer(inputs.flatten(1)))

def helper(values):
    return values * {scale}

def my_net(input_shape, n_classes):
    assert WIDTH
    return Net(input_shape[0], n_classes)

def unrelated():
    return {unrelated}
"""
_ORIGINAL = {"width": 3, "bias": True, "scale": 1.0, "unrelated": 0}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"unrelated": 5}, True),
        ({"bias": False}, False),
        ({"scale": 2.0}, False),
        ({"width": 4}, False),
    ],
)
def test_an_edited_model_gets_other_ids(write_space, change, same):
    def load(**values):
        text = _NET.format(**{**_ORIGINAL, **values})
        return load_space(write_space(before=text, model="[my_net, 'mlp-8']")).space

    before, after = load(), load(**change)
    by_model = [{c.model: c for c in space.cells} for space in (before, after)]
    assert by_model[0]["mlp-8"] == by_model[1]["mlp-8"]
    assert by_model[0]["mlp-8"].model_source == ""
    assert len(by_model[0]["my_net"].model_source) == 64
    assert (by_model[0]["my_net"].trial_id == by_model[1]["my_net"].trial_id) is same


def test_a_function_that_stands_alone_is_hashed_as_it_is_written(write_space):
    source = "def my_net(input_shape, n_classes):\n    return None\n"
    space = load_space(write_space(before=source, model="my_net")).space
    assert space.cells[0].model_source == hashlib.sha256(source.encode()).hexdigest()


def test_a_users_data_function_gives_sizes_and_source(write_space):
    text = (
        "import numpy as np\n"
        "def my_data():\n"
        "    labels = np.arange(50) % 2\n"
        "    return labels[:, None] * 1.0, labels, labels[:, None] * 1.0, labels\n"
    )
    space = load_space(write_space(before=text, dataset="my_data", train_size="50")).space
    assert (space.cells[0].dataset, len(space.cells[0].dataset_source)) == ("my_data", 64)
    assert set(space.dataset_factories) == {"my_data"}
    with pytest.raises(InputError, match="train_size 51 is more than the 50 training samples"):
        load_space(write_space(before=text, dataset="my_data", train_size="51"))


@pytest.mark.parametrize("neighbour", [False, True])
def test_a_users_functions_travel_to_a_process_without_the_file(write_space, tmp_path, neighbour):
    """So they reach a worker on another machine."""
    text = _NET.format(**_ORIGINAL)
    if neighbour:
        (tmp_path / "my_neighbour.py").write_text(text)
        text = "from my_neighbour import my_net"
    space = load_space(write_space(before=text, model="my_net")).space
    shipped = tmp_path / "shipped"
    shipped.write_bytes(cloudpickle.dumps(dict(space.model_factories)))
    sys.modules.pop("my_neighbour", None)
    code = (
        "import pickle, sys, torch\n"
        "factory = pickle.load(open(sys.argv[1], 'rb'))['my_net']\n"
        "print(tuple(factory((4,), 3)(torch.ones(2, 4)).shape))\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code, str(shipped)],
        capture_output=True,
        text=True,
        env=environment,
        cwd="/",
        timeout=60,
        check=False,
    )
    assert ran.stdout == "(2, 3)\n", ran.stderr


def test_a_neighbour_does_not_hide_an_installed_module_and_the_path_is_restored(
    write_space, tmp_path
):
    (tmp_path / "numpy.py").write_text("raise RuntimeError('hidden')\n")
    (tmp_path / "analysis.py").write_text("raise RuntimeError('hidden')\n")
    before = list(sys.path), list(sys.meta_path)
    load_space(write_space(before="import numpy, analysis\nassert numpy.array"))
    assert (sys.path, sys.meta_path) == before


def test_loading_needs_neither_torch_nor_ray(write_space):
    code = (
        "import sys\nfrom explorer.space import load_space\n"
        "load_space(sys.argv[1]).space.configurations()\n"
        "print(sorted({'torch', 'ray', 'pandas', 'mnist1d'} & set(sys.modules)))\n"
    )
    for spec in ("full_grid", str(write_space())):
        ran = subprocess.run(
            [sys.executable, "-c", code, spec],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert ran.stdout == "[]\n"
