"""Any words after `explorer`: a result or one sentence, and no file unless a command succeeds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import typer

from explorer.cli_app import app
from explorer.space import SearchSpace, steps
from explorer.store import Plan, Store, plan_table

SPACE = """
from explorer.space import SearchSpace, steps
space = SearchSpace(train_size=100, batch_size=[4, 8], learning_rate=0.1, budget=steps(10))
"""

CSV = "batch_size,learning_rate,momentum,train_size,seed,test_accuracy\n" + "\n".join(
    f"{size},{eps},0.9,1000,{seed},{0.8 - 0.01 * abs(size - 160 * eps) ** 0.5:.4f}"
    for size in (4, 16, 64, 256)
    for eps in (0.1, 0.4)
    for seed in (0, 1)
)

#: What an option may be given besides nonsense.
FAIR = {
    "--store": ["store", "./store", "empty", "nowhere", "sweep.csv", "mine.py", "file://store"],
    "--study": ["mine", "other"],
    "--from": ["sweep.csv", "empty.csv", "mine.py", "store", "nowhere.csv", "page.html"],
    "--out": ["out.csv", "page.html", "no/such/page.html", "store", "sweep.csv", "/dev/full"],
    "--format": ["csv", "parquet", "xls"],
    "--metric": ["test_accuracy", "train_accuracy", "seed", "best_test_accuracy"],
    "--column": ["batch_size=bs", "seed=seed", "learning_rate=momentum", "x=y", "seed"],
    "--near-optimal": ["0.5", "1", "0", "100", "1e-300"],
    "--address": ["auto", "host:6379", "ray://host:1", "[::1]:1", "host", "host:99999"],
    "--device": ["cpu", "cuda", "cuda:0", "tpu"],
    "--by": ["dataset", "model", "momentum", "seed", "batch_size"],
}
NUMBERS = ["0", "1", "2", "8", "-1", "0.3", "1000", "1e400", "nan", "inf", "9" * 30, "0x1", "1_0"]
POSITIONAL = {
    "run": ["mine.py", "mine", "quick_grid", "sweep.csv", "store", "nowhere", "quick_gird"],
    "show": ["0", "f", "a" * 20, "zz"],
    "export": ["trials", "curves", "plans"],
    "init": ["new", "new.py", "mine.py", "mine", "no/such", "store", "store/new.py"],
}
#: Commands that may take seconds each: seldom.
SLOW = {"report": 0.1, "plan": 0.3}
#: Commands that write, where they succeed.
WRITERS = [["export"], ["report"], ["init"], ["compact"], ["doctor"]]
#: Options that change nothing but how much is said, or show a traceback by order.
NEVER = {"--debug", "--watch", "--static", "--verbose", "-v"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a space, a sweep, an empty file, and a store with a plan and no trials."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "mine.py").write_text(SPACE)
    (folder / "sweep.csv").write_text(CSV)
    (folder / "empty.csv").write_text("")
    (folder / "empty").mkdir()
    space = SearchSpace(train_size=100, batch_size=[4, 8], learning_rate=0.1, budget=steps(10))
    store = Store.open(str(folder / "store"), create=True)
    store.write_plan(Plan("mine", plan_table(space.configurations()), "mine.py", SPACE))
    return folder


def commands() -> dict[str, dict[str, bool]]:
    """Every command's options, and whether each is a flag, as the command line declares them."""
    group = typer.main.get_command(app)
    found: dict[str, dict[str, bool]] = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        options = {}
        for parameter in command.params:
            flag = bool(getattr(parameter, "is_flag", False) or getattr(parameter, "count", False))
            options |= {word: flag for word in parameter.opts if word.startswith("-")}
        found[name] = {word: flag for word, flag in options.items() if word not in NEVER}
    return found


def pick(rng: np.random.Generator, words: list[str]) -> str:
    return words[int(rng.integers(len(words)))]


def command_line(
    rng: np.random.Generator, known: dict[str, dict[str, bool]], nasty: list[str]
) -> list[str]:
    """A command, or nearly one, with options that exist, or nearly, and values of any kind."""
    name = pick(rng, list(known))
    if rng.random() > SLOW.get(name, 1.0):
        name = "status"
    options = known[name]

    def value(word: str) -> str:
        if rng.random() < 0.8:
            return pick(rng, FAIR.get(word, NUMBERS))
        return pick(rng, nasty if rng.random() < 0.7 else NUMBERS)

    words = [pick(rng, POSITIONAL[name])] if name in POSITIONAL and rng.random() < 0.9 else []
    chosen = [word for word in options if rng.random() < 0.12]
    chosen += [word for word in ("--from", "--out") if word in options and rng.random() < 0.5]
    for word in chosen:
        if options[word]:
            words.append(word)
        else:
            words += [word, value(word)] if rng.random() < 0.8 else [f"{word}={value(word)}"]
    for _ in range(int(rng.choice(3, p=[0.7, 0.2, 0.1]))):  # spoil it
        at = int(rng.integers(len(words) + 1))
        kind = int(rng.integers(4))
        if kind == 0:
            words.insert(at, pick(rng, nasty))
        elif kind == 1 and words:
            del words[min(at, len(words) - 1)]
        elif kind == 2:
            words.insert(at, pick(rng, list(pick_options(rng, known))))
        elif words:
            at = min(at, len(words) - 1)
            words[at] = words[at][: int(rng.integers(len(words[at]) + 1))]
    if name == "run" and "--dry-run" not in words:
        words.append("--dry-run")
    if rng.random() < 0.03:
        name = pick(rng, nasty)
    words = [word for word in words if word not in NEVER]
    if "--json" in words:  # first, where no option takes it for its value; and help is no JSON
        words = ["--json", *(word for word in words if word not in ("--json", "--help"))]
    return words if rng.random() < 0.02 else [name, *words]


def pick_options(rng: np.random.Generator, known: dict[str, dict[str, bool]]) -> dict[str, bool]:
    return known[pick(rng, list(known))] or {"--help": True}


def test_words_of_any_kind(fuzzer, judged, nasty, files: Path, folder: Path):
    known = commands()
    assert {"run", "status", "show", "export", "fit-scaling", "report", "init"} <= set(known)
    for number, rng in fuzzer.draws(0.07):
        for path in folder.parent.iterdir():
            if path != folder:  # a file named ../x
                path.unlink() if path.is_file() else shutil.rmtree(path)
        for path in folder.iterdir():
            path.unlink() if not path.is_dir() or path.is_symlink() else shutil.rmtree(path)
        shutil.copytree(files, folder, dirs_exist_ok=True)
        words = command_line(rng, known, nasty)
        judged(number, words, folder.parent, (), words[:1] not in WRITERS)
    fuzzer.both_ways("exit 0", "exit 2")
