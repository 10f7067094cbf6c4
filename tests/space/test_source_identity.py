"""An edit anywhere in what a user's function uses gives other ids; the ids hold in any process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from explorer.errors import InputError
from explorer.space import load_space

_BODY = "def my_net(input_shape, n_classes):\n    return {}\n"


@pytest.fixture
def digest(write_space, tmp_path):
    """The model's digest in a space whose file and neighbours are written as given."""

    def load(text, **neighbours):
        for name, source in neighbours.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
        space = load_space(write_space(before=text, model="my_net")).space
        return space.cells[0].model_source

    return load


_IN_BODY = "def my_net(input_shape, n_classes):\n    {}\n    return 0\n"


@pytest.mark.parametrize(
    ("text", "neighbours"),
    [
        (_IN_BODY.format("import id_a"), {"id_a": "WIDTH = {}\n"}),
        (_IN_BODY.format("from id_b import WIDTH"), {"id_b": "WIDTH = {}\n"}),
        (_IN_BODY.format("import importlib; importlib.import_module('id_c')"), {"id_c": "x = {}"}),
        (_IN_BODY.format("from id_p import inner"), {"id_p/inner": "x = {}"}),
        (
            "def my_net(input_shape, n_classes):\n    def build():\n        import id_d\n"
            "    return build()\n",
            {"id_d": "x = {}"},
        ),
        ("import id_e\n" + _BODY.format("id_e"), {"id_e": "import id_f", "id_f": "x = {}"}),
        (
            "import id_g\n" + _BODY.format("id_g"),
            {"id_g": "import id_h\n", "id_h": "import id_g\nx = {}"},  # a cycle
        ),
        (
            "import id_i\n" + _BODY.format("id_i"),
            {"id_i": "def f():\n    import id_j\n", "id_j": "x = {}"},
        ),
        (
            "import id_q.net\n" + _BODY.format("id_q.net"),
            {"id_q/__init__": "", "id_q/net": "from .deep import x", "id_q/deep": "x = {}"},
        ),
        (
            "class Net:\n    def build(self):\n        import id_k\n" + _BODY.format("Net()"),
            {"id_k": "x = {}"},
        ),
    ],
)
def test_an_edited_module_counts_however_it_is_reached(digest, text, neighbours):
    def with_value(value):
        return digest(text, **{n: source.format(value) for n, source in neighbours.items()})

    first, second = with_value(1), with_value(2)
    assert first != second
    assert with_value(1) == first


_VALUES = [
    ("from types import SimpleNamespace as S", "S(width={})"),
    ("", "frozenset([{}, 7])"),
    ("", "{{'a', '{}'}}"),
    ("import numpy as np", "np.full(2000, {})"),
    ("import numpy as np", "np.array([[{}], 'x'], dtype=object)"),
    ("import numpy as np", "np.float32({})"),
    ("import torch", "torch.full((3,), {}.0, dtype=torch.bfloat16)"),
    ("import torch", "torch.nn.Dropout(0.{})"),
    ("import functools", "functools.partial(max, {})"),
    ("import functools", "functools.partial(max, default={})"),
    ("from dataclasses import dataclass\n@dataclass\nclass D:\n    x: int", "D({})"),
    (
        "from dataclasses import dataclass\n@dataclass(frozen=True, slots=True)\nclass D:\n"
        "    x: object",
        "D([{{'a': {}}}])",
    ),
    ("class Plain:\n    def __init__(self, x):\n        self.x = x", "Plain({})"),
    ("import enum\nclass E(enum.Enum):\n    A1 = 1\n    A2 = 2", "E.A{}"),
    ("import collections", "collections.OrderedDict(a=[{}])"),
    ("from pathlib import Path", "Path('{}')"),
    ("import re", "re.compile('a' * 300 + '{}')"),
    ("import torch", "[None, torch.relu, torch.tanh][{}]"),
    ("from torch import nn", "[None, nn.ReLU, nn.Tanh][{}]"),
    ("def make(n):\n    return lambda: n", "make({})"),
    ("def one(n={}):\n    return n", "one"),
    ("K = {}\nclass C:\n    x = K", "C"),
    ("K = {}\nclass C:\n    pass\nC.x = K", "C"),
    ("import functools\n@functools.lru_cache\ndef h():\n    return {}", "h"),
    ("import torch\n@torch.no_grad()\ndef h():\n    return {}", "h"),
    (
        "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def g():\n"
        "        return f() * {}\n    return g\n@deco\ndef h():\n    return 1",
        "h",
    ),
    ("", "dict(inner=frozenset('ab'), x={})"),
]


@pytest.mark.parametrize(("before", "value"), _VALUES)
def test_an_edited_value_counts_whatever_it_is(digest, before, value):
    def with_value(number):
        filled = before.replace("{}", str(number))
        text = f"{filled}\nGIVEN = {value.format(number)}\n{_BODY.format('GIVEN')}"
        return digest(text)

    first, second = with_value(1), with_value(2)
    assert first != second
    assert with_value(1) == first


def test_the_digest_is_the_same_in_every_process(write_space):
    lines = [before.replace("{}", "1") for before, _ in _VALUES]
    lines += [f"G{i} = {value.format(1)}" for i, (_, value) in enumerate(_VALUES)]
    lines += ["G_SET = {'alpha', 'beta', 'gamma', ('delta', None)}", "class Own(set): pass"]
    lines += ["G_OWN = Own('abcdefgh')", "G_OBJECT = object()"]
    names = [*(f"G{i}" for i in range(len(_VALUES))), "G_SET", "G_OWN", "G_OBJECT"]
    path = write_space(
        before="\n".join([*lines, _BODY.format(f"[{', '.join(names)}]")]), model="my_net"
    )
    code = (
        "import sys\nfrom explorer.space import load_space\n"
        "print(load_space(sys.argv[1]).space.cells[0].model_source)\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert found == {load_space(path).space.cells[0].model_source}


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ("import threading\nGIVEN = threading.Lock()", "lock"),
        ("import sys\nGIVEN = [sys.__stdout__]", "TextIOWrapper"),
        ("from types import SimpleNamespace\nGIVEN = SimpleNamespace(x=(i for i in []))", "gener"),
    ],
)
def test_a_value_that_cannot_be_compared_is_refused_by_name(digest, before, kind):
    with pytest.raises(InputError) as caught:
        digest(f"{before}\n{_BODY.format('GIVEN')}")
    message = str(caught.value)
    assert "model function my_net: it uses GIVEN, a " in message
    assert kind in message
    assert "make it inside the function" in message
    assert "\n" not in message


def test_what_does_not_decide_the_result_keeps_the_digest(digest):
    """Comments elsewhere, a logger, attributes that share a global's name."""
    text = (
        "import logging, threading\nlog = logging.getLogger(__name__)\nlock = threading.Lock()\n"
        "def my_net(input_shape, n_classes):\n    log.debug('%s', __name__)\n"
        "    return input_shape.lock\n"
    )
    assert digest(text) == digest(text + "# a comment\nunused = 3\n")


def test_the_neighbour_that_is_hashed_is_the_one_that_runs(write_space, tmp_path):
    """A second load of an edited neighbour, same size, same second, must run the edited text."""
    for value in (1, 2):
        (tmp_path / "id_fresh.py").write_text(f"WIDTH = {value}\n")
        path = write_space(before="import id_fresh\n" + _BODY.format("id_fresh.WIDTH"))
        path.write_text(path.read_text().replace("space = SearchSpace(", _WITH_MODEL))
        assert load_space(path).space.model_factories["my_net"]((4,), 2) == value
    assert not (tmp_path / "__pycache__").exists()


_WITH_MODEL = "space = SearchSpace(model=my_net,"
