"""Every wrong search-space file gives one sentence with the file, the axis and the value."""

from __future__ import annotations

import pytest

from explorer.errors import InputError
from explorer.space import load_space

_RULE = "def small(batch_size):\n    return 'yes'\n"

ARGUMENTS = [
    ({"dataset": "'mnist1e'"}, "dataset 'mnist1e' is unknown: did you mean 'mnist1d'?"),
    ({"dataset": "['mnist1d', 3]"}, "dataset must be text, not 3."),
    ({"dataset": "lambda: 1"}, "dataset must be text or a function with a name, not a lambda."),
    ({"dataset": "abs"}, "dataset function 'abs' must take the arguments ()."),
    ({"model": "'mpl-64'"}, "model 'mpl-64' is unknown"),
    ({"model": "'cnn2d-8'"}, "model 'cnn2d-8' needs inputs of 2 dimension"),
    ({"model": "len"}, "model function 'len' must take the arguments (input_shape, n_classes)."),
    ({"model": "[]"}, "model is empty: [] holds no value."),
    ({"learning_rate": "[0.1, -1]"}, "learning_rate must be above 0, not -1.0."),
    ({"learning_rate": "0"}, "learning_rate must be above 0, not 0.0."),
    ({"learning_rate": "float('nan')"}, "learning_rate must be finite, not nan."),
    ({"learning_rate": "True"}, "learning_rate must be a number, not True."),
    ({"learning_rate": "None"}, "learning_rate must be a number, not None."),
    ({"learning_rate": "'fast'"}, "learning_rate must be a number, not 'fast'."),
    ({"learning_rate": "[]"}, "learning_rate is empty: [] holds no value."),
    ({"learning_rate": "{'a': 1}"}, "must be a value or a list of values, not {'a': 1}."),
    ({"learning_rate": "__import__('numpy').ones((2, 2))"}, "not an array of shape (2, 2)."),
    ({"learning_rate": "log_grid(0, 1)"}, "log_grid: low must be above 0, not 0."),
    ({"momentum": "1"}, "momentum must be in [0, 1), not 1.0."),
    ({"momentum": "-0.1"}, "momentum must be in [0, 1), not -0.1."),
    ({"train_size": "30000"}, "train_size 30000 is more than the 20000 training samples of"),
    ({"train_size": "20000", "validation_size": "5"}, "train_size 20000 with validation_size 5 is"),
    ({"batch_size": "[1.5]"}, "batch_size must be a whole number, not 1.5."),
    ({"batch_size": "[0, 4]"}, "batch_size must be at least 1, not 0."),
    ({"batch_size": "2000"}, "Every cell of the space is left out: batch_size above train_size"),
    ({"batch_size": "lambda **k: [1]"}, "the parameter **k must be named after one field."),
    ({"batch_size": "lambda learning_rat: [1]"}, "'learning_rat' (did you mean 'learning_rate'?)"),
    ({"batch_size": "lambda seed: [1]"}, "batch_size function: unknown parameter 'seed'"),
    ({"batch_size": "lambda momentum: []"}, "batch_size is empty: [] holds no value."),
    (
        {"batch_size": "lambda learning_rate: 1 / 0"},
        "batch_size function raised ZeroDivisionError at learning_rate 0.1: division by zero.",
    ),
    ({"batch_size": "window(center=lambda lr: 1)"}, "window center: unknown parameter 'lr'"),
    ({"batch_size": "window(center=lambda momentum: -1)"}, "center must be above 0, not -1."),
    ({"budget": "3000"}, "budget must be steps(...), epochs(...), time(...) or"),
    ({"budget": "steps(0)"}, "budget steps(...) must be above 0, not 0.0."),
    ({"budget": "[]"}, "budget is empty: [] holds no value."),
    ({"budget": None}, "SearchSpace needs the argument budget."),
    ({"seeds": "0"}, "seeds must be at least 1, not 0."),
    ({"seeds": "[-1]"}, "seeds must be at least 0, not -1."),
    ({"seeds": "[2**63]"}, "seeds must be at most 9223372036854775807, not 9223372036854775808."),
    ({"seeds": "2**63 + 1"}, "seeds must be at most 9223372036854775807, not 922337203685477580"),
    ({"seeds": "[10**5000]"}, "seeds must be at most 9223372036854775807, not a whole number of"),
    ({"train_size": "2**63"}, "train_size must be at most 9223372036854775807"),
    ({"batch_size": "1e30"}, "batch_size must be at most 9223372036854775807"),
    ({"evaluate": "2**64"}, "evaluate must be at most 9223372036854775807"),
    ({"validation_size": "2**63"}, "validation_size must be at most 9223372036854775807"),
    ({"learning_rate": "10**5000"}, "learning_rate must be finite, not a whole number of"),
    ({"budget": "steps(1e19)"}, "budget steps(1e+19) gives 1e+19 steps at learning_rate 0.1 and"),
    ({"budget": "steps(9.3e18)"}, "gives 9.3e+18 steps"),
    ({"budget": "epochs(1e308)"}, "budget epochs(1e+308) gives inf steps"),
    ({"budget": "time(1e308)", "learning_rate": "1e-300"}, "gives inf steps at learning_rate 1e-"),
    ({"model": "'\\ud800'"}, "model must be text that UTF-8 can hold, not '\\ud800'."),
    ({"seeds": "True"}, "seeds must be a whole number, not True."),
    ({"evaluate": "0"}, "evaluate must be at least 1 and at most 1000000, not 0."),
    ({"sampling": "'all'"}, "sampling must be one of shuffle, subset, replacement, not 'all'."),
    ({"clip_norm": "[None, 0]"}, "clip_norm must be above 0, or None, not 0.0."),
    ({"strategy": "'best'"}, "strategy must be one of grid, not 'best'."),
    ({"momentun": "0.9"}, "no argument 'momentun' (did you mean 'momentum'?)."),
    ({"seed": "3"}, "no argument 'seed' (did you mean 'seeds'?)."),
    ({"lr": "3"}, "no argument 'lr' (known are dataset, model, train_size, batch_size,"),
    ({"rules": "3"}, "rules must be a list of functions, not 3."),
    ({"rules": "[3]"}, "rules must be functions, not 3."),
    ({"rules": "[lambda bach_size: True]"}, "'bach_size' (did you mean 'batch_size'?)."),
    ({"rules": "[lambda batch_size: False]"}, "left out: breaks the rule: rule 1 (2)."),
    ({"before": _RULE, "rules": "small"}, "rules: 'small' must return True or False, not 'yes'."),
    (
        {"before": "def digits():\n    pass\n", "dataset": "digits"},
        "dataset: a function cannot be called 'digits', a built-in one's name.",
    ),
    (
        {"before": "def mlp(input_shape, n_classes):\n    pass\n", "model": "mlp"},
        "model: a function cannot be called 'mlp', a built-in one's name.",
    ),
    (
        {
            "before": "def make():\n    def net(shape, classes): pass\n    return net\n",
            "model": "[make(), make()]",
        },
        "model: two functions are called 'net'; rename one.",
    ),
    (
        {"before": "def mine():\n    return 1 / 0\n", "dataset": "mine"},
        "Data set mine: its function raised ZeroDivisionError: division by zero.",
    ),
    ({"before": "def mine():\n    return 3\n", "dataset": "mine"}, "must return (train_inputs,"),
]


@pytest.mark.parametrize(("arguments", "words"), ARGUMENTS)
def test_a_bad_argument_is_told_in_one_sentence(write_space, arguments, words):
    path = write_space(**arguments)
    with pytest.raises(InputError) as caught:
        load_space(path)
    message = str(caught.value)
    assert words in message
    assert message.startswith(f"{path}, line ")
    assert message.endswith(".")
    assert "\n" not in message
    line = int(message.removeprefix(f"{path}, line ").partition(":")[0])
    assert 3 <= line <= len(path.read_text().splitlines())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(:\n", ", line 1: invalid syntax."),
        ("x = 1\n  y = 2\n", ", line 2: unexpected indent."),
        ("x = 1\n\ny = 1 / 0\n", ", line 3: ZeroDivisionError: division by zero."),
        ("import sys\nsys.exit(3)\n", ", line 2: SystemExit: 3."),
        ("import no_such_module\n", ", line 1: ModuleNotFoundError: No module named"),
        ("raise ValueError('two\\nlines')\n", ", line 1: ValueError: two lines."),
        ("raise ValueError\n", ", line 1: ValueError."),
        ("x = 3\n", ": the file defines no `space = SearchSpace(...)`."),
        ("space = 3\n", ": `space` must be a SearchSpace, not int."),
        ("", ": the file defines no `space"),
        ("x = '\0'\n", "null bytes"),
    ],
)
def test_a_broken_file_is_told_in_one_sentence(write_space, text, words):
    path = write_space(text)
    with pytest.raises(InputError) as caught:
        load_space(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert words in message
    assert "\n" not in message


def test_an_error_in_a_neighbour_names_both_files(write_space, tmp_path):
    (tmp_path / "broken_neighbour.py").write_text("x = (\n")
    path = write_space("import broken_neighbour\n")
    with pytest.raises(InputError) as caught:
        load_space(path)
    assert str(caught.value).startswith(f"{path}: {tmp_path / 'broken_neighbour.py'}, line 1: ")


def test_a_file_that_is_not_utf8_is_told(write_space, tmp_path):
    path = tmp_path / "latin.py"
    path.write_bytes(b"x = '\xe9'\n")
    with pytest.raises(InputError, match=r"latin\.py"):
        load_space(path)


def test_a_missing_file_lists_the_shipped_ones(tmp_path):
    with pytest.raises(InputError) as caught:
        load_space(tmp_path / "nowhere.py")
    assert "nowhere.py: there is no such file" in str(caught.value)
    names = "butter_sized, edge_or_noise, full_grid, he_liu_tao_2019, large_n, mnist5k_grid"
    assert f"{names}, quick_grid" in str(caught.value)
    with pytest.raises(InputError, match="did you mean 'quick_grid'"):
        load_space("quick_gird")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="this is a folder"):
        load_space(tmp_path)
