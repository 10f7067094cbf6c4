"""Search spaces of any values, given as arguments or written in a file, are made or refused."""

from __future__ import annotations

import datetime
import decimal
import fractions
import math
import warnings
from pathlib import Path

import numpy as np

from explorer import space as names
from explorer.errors import InputError

FAIR = {
    "dataset": "'mnist1d'",
    "model": "'mlp-64'",
    "train_size": "1000",
    "batch_size": "[4, 16, 64]",
    "learning_rate": "log_grid(0.1, 0.4, per_octave=1)",
    "momentum": "0.9",
    "budget": "steps(500)",
    "evaluate": "5",
    "seeds": "2",
}
PLAUSIBLE = {
    "dataset": ["'digits'", "['mnist1d', 'digits']", "'mnist1d-large'"],
    "model": ["'mlp-8-8'", "['mlp-8', 'cnn1d-8']"],
    "train_size": ["500", "[100, 1000]", "log_grid(100, 1000)", "np.array([64, 128])"],
    "batch_size": ["8", "range(1, 9)", "window(center=40)", "lambda learning_rate: [4, 8]"],
    "learning_rate": ["0.1", "[1, 2]", "np.float32(0.1)", "fractions.Fraction(1, 3)", "1e-300"],
    "momentum": ["0", "[0, 0.9]", "-0.0", "np.arange(3) / 4"],
    "budget": ["epochs(3)", "time(5)", "[steps(3), time_over_learning_rate(5)]", "steps(1e-9)"],
    "evaluate": ["1", "100", "np.int8(3)", "2.0"],
    "seeds": ["1", "[3, 5]", "range(3)", "np.arange(4)", "(2**63 - 1,)"],
    "weight_decay": ["1e-4", "[0, 1e-3]"],
    "clip_norm": ["1.0", "[None, 1]"],
    "final_decay": ["0.2", "1", "[0.0, 1.0]"],
    "sampling": ["'subset'", "['shuffle', 'replacement']"],
    "validation_size": ["100", "[0, 10]"],
    "rules": ["[]", "lambda batch_size: batch_size > 4", "[lambda steps, momentum: True]"],
    "strategy": ["'grid'"],
}
OTHER = ["weight_decay", "clip_norm", "final_decay", "sampling", "validation_size", "rules"]
OTHER += ["strategy", "seed", "lr", "momentun", "batchsize", "steps", "unknown"]

NUMBERS = ["0", "1", "-1", "2", "8", "0.5", "0.9", "1.0", "1.5", "1e-300", "1e300", "5e-324"]
NUMBERS += ["-0.0", "1e15", "2**53 + 1", "2**63", "-2**63", "10**400", "10**5000", "math.nan"]
NUMBERS += ["math.inf", "-math.inf", "True", "False", "np.float32(0.1)", "np.int8(-1)", "np.nan"]
NUMBERS += ["np.uint64(2**64 - 1)", "np.float64('inf')", "np.bool_(True)", "1j", "np.array(3)"]
NUMBERS += ["decimal.Decimal('0.1')", "decimal.Decimal('sNaN')", "fractions.Fraction(1, 3)"]
OBJECTS = ["None", "''", "'x'", "'mlp'", "'mlp-'", "'mlp-0'", "'mlp--1'", "'mlp-' + '9' * 30"]
OBJECTS += ["'cnn1d-8'", "'cnn2d-8-8'", "'digits'", "'mnist5k'", "'shuffle'", "'grid'", "b'x'"]
OBJECTS += ["'\\ud800'", "'\\0'", "'x\\ny'", "'x' * 10_000", "object", "object()", "{}", "{1: 2}"]
OBJECTS += ["set()", "{3, 4}", "frozenset({1})", "...", "NotImplemented", "int", "len", "print"]
OBJECTS += ["iter([1, 2])", "(x for x in [1, 2])", "map(float, [1])", "zip([1], [2])", "slice(3)"]
OBJECTS += [
    "np.array([])",
    "np.ones((2, 2))",
    "np.array(['a'])",
    "np.array([None, 1], dtype=object)",
]
OBJECTS += [
    "np.arange(3)",
    "np.array([0.1, np.nan])",
    "range(0)",
    "range(10**12)",
    "range(10**30)",
    "range(5, 0, -1)",
    "math",
]
OBJECTS += ["memoryview(b'ab')", "bytearray(b'ab')", "datetime.date(2026, 1, 1)", "Odd()", "Odd"]
OBJECTS += ["np.datetime64('NaT')", "np.array([1 + 1j])", "[[1]]", "[[]]", "([],)"]
FUNCTIONS = ["lambda: 1", "lambda x: 1", "lambda *a: 1", "lambda **k: 1", "lambda x, /: 1"]
FUNCTIONS += [
    f"lambda {argument}: {value}"
    for argument in ("learning_rate", "train_size", "batch_size=3", "momentum, model", "steps")
    for value in ("[4]", "[]", "None", "-1", "1 / 0", "'x'", "True", "math.nan", "[10**400]", "{}")
]

#: A number that refuses to be one, and says so in words of its own.
ODD = """
class Odd:
    def __float__(self):
        raise ValueError("no number\\nat all")
    def __index__(self):
        raise TypeError("no index")
    def __len__(self):
        return 3
    def __iter__(self):
        raise RuntimeError("no items")
"""


def pick(rng: np.random.Generator, *lists: list[str]) -> str:
    chosen = lists[int(rng.integers(len(lists)))]
    return chosen[int(rng.integers(len(chosen)))]


def value(rng: np.random.Generator, depth: int = 0) -> str:
    """Any value, as Python text."""
    kind = int(rng.integers(12))
    if kind < 3 or depth > 2:
        return pick(rng, NUMBERS, OBJECTS)
    if kind < 5:
        items = ", ".join(value(rng, depth + 1) for _ in range(int(rng.integers(0, 4))))
        return f"[{items}]" if kind == 3 else f"({items},)" if items else "()"
    if kind == 5:
        return pick(rng, FUNCTIONS)
    number = lambda: pick(rng, NUMBERS, NUMBERS, OBJECTS)  # noqa: E731
    if kind == 6:
        return f"log_grid({number()}, {number()}, per_octave={pick(rng, ['1', '2', number()])})"
    if kind == 7:
        center = pick(rng, FUNCTIONS, NUMBERS)
        few = pick(rng, ["below=2", f"below={number()}", f"above={number()}"])
        return f"window(center={center}, {few}, alternate_offset={pick(rng, ['0', number()])})"
    if kind == 8:
        return f"window(center=100, per_octave={number()})"
    return f"{pick(rng, ['steps', 'epochs', 'time', 'time_over_learning_rate'])}({number()})"


def arguments(rng: np.random.Generator) -> dict[str, str]:
    """A fair space's arguments, one to three of them changed, added or left out."""
    given = dict(FAIR)
    for _ in range(int(rng.integers(1, 4))):
        name = pick(rng, list(FAIR), list(FAIR), OTHER)
        if rng.random() < 0.1:
            given.pop(name, None)
        elif rng.random() < 0.5 and name in PLAUSIBLE:
            given[name] = pick(rng, PLAUSIBLE[name])
        else:
            given[name] = value(rng)
    return given


SCOPE = {"math": math, "np": np, "decimal": decimal, "fractions": fractions, "datetime": datetime}


def scope() -> dict[str, object]:
    made = {**SCOPE, **{name: getattr(names, name) for name in names.__all__}}
    exec(ODD, made)
    return made


def made_or_refused(given: dict[str, str]) -> str:
    """Make the space and its first trials; anything but a sentence is an error."""
    known = scope()
    known.pop("__builtins__", None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            values = {name: eval(text, known) for name, text in given.items()}
            space = names.SearchSpace(**values)
            for trial in space.configurations(3):
                assert len(trial.trial_id) == 20
                assert trial.steps >= 1
                assert trial.evaluation_steps[-1] == trial.steps
                assert math.isfinite(trial.noise_scale)
            assert len(space) >= 1
    except InputError as error:
        sentence = str(error)
        assert sentence.endswith("."), sentence
        assert "Traceback" not in sentence
        return "refused"
    return "made"


def test_values_of_any_kind(fuzzer):
    for number, rng in fuzzer.draws(0.55):
        given = arguments(rng)
        try:
            fuzzer.found(made_or_refused(given))
        except Exception as error:
            kind = f"{type(error).__name__}: {error}"[:300]
            spoilt = {name: text for name, text in given.items() if FAIR.get(name) != text}
            fuzzer.defect(number, kind, spoilt)
    fuzzer.both_ways("made", "refused")


def written(given: dict[str, str]) -> str:
    imports = ", ".join(sorted(set(names.__all__)))
    lines = [f"import datetime, decimal, fractions, math\nimport numpy as np\n{ODD}"]
    lines += [f"from explorer.space import {imports}", "space = SearchSpace("]
    lines += [f"    {name}={text}," for name, text in given.items()]
    return "\n".join([*lines, ")", ""])


TOKENS = [
    "(",
    ")",
    "[",
    "]",
    ":",
    ",",
    "=",
    "'",
    '"',
    "\n",
    "    ",
    "\t",
    "\\",
    "#",
    "0",
    "-",
    "\0",
]
TOKENS += ["lambda", "return", "yield", "await", "None", "1/0", "space", "raise", "assert 0", "é"]
TOKENS += [
    "space = 3\n",
    "del space\n",
    "import nowhere\n",
    "raise SystemExit(0)\n",
    "\ufeff",
    "\f",
]
TOKENS += ["raise KeyError\n", "raise KeyboardInterrupt\n", "import sys; sys.exit()\n", "async "]


def spoilt(rng: np.random.Generator, text: str) -> bytes:
    """A file's bytes: the text cut, mixed up, with strange words, or in another encoding."""
    for _ in range(int(rng.integers(0, 3))):
        at = int(rng.integers(len(text) + 1))
        kind = int(rng.integers(4))
        if kind == 0:
            text = text[:at] + pick(rng, TOKENS) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + int(rng.integers(1, 20)) :]
        elif kind == 2:
            lines = text.splitlines(keepends=True)
            i, j = rng.integers(len(lines), size=2)
            lines[i], lines[j] = lines[j], lines[i]
            text = "".join(lines)
        elif rng.random() < 0.2:
            text = text[:at]
    encoding = "utf-8" if rng.random() < 0.9 else pick(rng, ["utf-16", "utf-8-sig", "latin-1"])
    content = bytearray(text.encode(encoding, "surrogatepass" if "utf" in encoding else "replace"))
    if rng.random() < 0.1 and content:
        content[int(rng.integers(len(content)))] = int(rng.integers(256))
    return rng.bytes(int(rng.integers(200))) if rng.random() < 0.03 else bytes(content)


def test_files_of_any_content(fuzzer, judged, folder: Path):
    path = folder / "mine.py"
    for number, rng in fuzzer.draws(0.12):
        given = arguments(rng) if rng.random() < 0.6 else FAIR
        path.write_bytes(spoilt(rng, written(given)))
        command = ["run", "mine.py", "--dry-run", "--limit", "20"]
        if rng.random() < 0.3:
            command.append("--json")
        said = judged(number, command, folder.parent)
        if said.code not in (0, 2):
            fuzzer.defect(
                number, f"a bad file is no failure of the environment: {said.code}", given
            )
    fuzzer.both_ways("exit 0", "exit 2")
