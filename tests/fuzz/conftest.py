"""What every fuzzer needs: inputs by number, the command line in this process, and a verdict.

EXPLORER_FUZZ inputs in all, 1,000 by default; EXPLORER_FUZZ_SEED draws others. A defect names the
test, the seed and the input's number, with which it is drawn again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer import cli
from explorer.errors import InputError

INPUTS = int(os.environ.get("EXPLORER_FUZZ", "1000"))
SEED = int(os.environ.get("EXPLORER_FUZZ_SEED", "0"))

#: Texts that a field of any kind may meet.
NASTY = [
    *["", " ", "nan", "-inf", "None", "0", "-1", "1e400", "9" * 25, "0x10", "1_000", "１２", "½"],
    *["\0", "\n", "\x1b[2J", "\u202eabc", "\ufeff", "é", "🦆", "\udcff", "%s", "{0}", "$HOME"],
    *["-", "--", "-x", "--wat", "=", "a=b", "a=b=c", "[", "[/red]", "'", '"', "\\", "*", "~", "~x"],
    *[".", "..", "/", "../x", "a/b", "x" * 300, "/dev/null", "/dev/full", "/proc/x", "nowhere"],
]


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


def _say(arguments: list[str]) -> Said:
    """Run the command line in this process, with streams that encode as real ones do."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True)
    before = sys.argv
    sys.argv = ["explorer", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main()
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
    finally:
        sys.argv = before
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return Said(code, *texts)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Said]]:
    """Run the command line; nothing trains, nothing waits, and logging is put back at the end."""

    def no_run(*_: Any, **__: Any) -> None:
        raise InputError("A fuzzer starts no run.")

    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr("explorer.run.run_study", no_run)
    monkeypatch.setattr("explorer.cli_report.follow", lambda version, build, every: build(False))
    monkeypatch.setattr("explorer.store.compaction.time.sleep", lambda seconds: None)
    loggers = [logging.getLogger(name) for name in ("explorer", "analysis", "py.warnings")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield lambda *arguments: _say(list(map(str, arguments)))
    logging.captureWarnings(False)
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def snapshot(folder: Path) -> dict[str, str]:
    """Everything below a folder: what it is, and its content's hash."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(root, name)
            key = str(path.relative_to(folder))
            if path.is_symlink():
                found[key] = f"link to {os.readlink(path)}"
            elif path.is_file():
                found[key] = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                found[key] = "folder"
    return found


def complaint(said: Said, *, logs: tuple[str, ...] = ()) -> str | None:
    """What is wrong with how a command ended; None where nothing is.

    Args:
        said: the ending.
        logs: beginnings of lines that may come before the sentence.
    """
    for word in ("Traceback", "--debug shows"):
        if word in said.err:
            return f"says {said.err.splitlines()[-1][:120]!r}"
    if said.code not in (0, 1, 2, 3):
        return f"ends with {said.code}"
    lines = [line for line in said.err.splitlines() if not line.startswith(logs or ("\0",))]
    if not all(line.isprintable() for line in (*said.out.split("\n"), *said.err.split("\n"))):
        return "prints what a terminal may obey"
    if said.code == 0:
        return f"succeeds with {lines}" if lines else None
    if said.out:
        return "prints a result and fails"
    if len(lines) != 1 or not lines[0].startswith("explorer: "):
        return f"says {len(lines)} lines"
    sentence = lines[0].removeprefix("explorer: ")
    if not 8 < len(sentence) < 2500:
        return f"says {len(sentence)} characters"
    return None


@dataclass
class Fuzzer:
    """Draws inputs by number, and gathers what is wrong with their outcomes."""

    name: str
    defects: dict[str, str]
    outcomes: Counter[str]

    def draws(self, share: float) -> Iterator[tuple[int, np.random.Generator]]:
        """(number, generator) for a share of all inputs."""
        for number in range(max(1, round(INPUTS * share))):
            yield number, np.random.default_rng([SEED, zlib.crc32(self.name.encode()), number])

    def found(self, outcome: str) -> None:
        self.outcomes[outcome] += 1

    def both_ways(self, *outcomes: str) -> None:
        """Check that enough inputs had each of these outcomes: else the fuzzer tries too little."""
        total = sum(self.outcomes.values())
        if total >= 60:
            assert min(self.outcomes[name] for name in outcomes) > total / 50, self.outcomes

    def defect(self, number: int, what: str, given: object) -> None:
        """Note a defect; the first of each kind is told."""
        self.outcomes["defect"] += 1
        self.defects.setdefault(what, f"input {number} of seed {SEED}: {what}: {given!r:.1500}")


@pytest.fixture
def fuzzer(request: pytest.FixtureRequest) -> Iterator[Fuzzer]:
    made = Fuzzer(request.node.name, {}, Counter())
    yield made
    print(made.name, dict(made.outcomes))
    assert not made.defects, "\n\n".join(made.defects.values())


@pytest.fixture
def judged(
    say: Callable[..., Said], fuzzer: Fuzzer
) -> Callable[[int, list[str], Path, tuple[str, ...], bool], Said]:
    """Run a command and note as a defect whatever it must not do, files below a folder included."""

    def judge(
        number: int,
        arguments: list[str],
        folder: Path,
        logs: tuple[str, ...] = (),
        reads_only: bool = False,
    ) -> Said:
        before = snapshot(folder)
        try:
            said = say(*arguments)
        except Exception as error:
            fuzzer.defect(number, f"{type(error).__name__} leaves main: {error}", arguments)
            return Said(-1, "", "")
        wrong = complaint(said, logs=logs)
        if wrong is None and said.code == 0 and "--json" in arguments:
            try:
                json.loads(said.out, parse_constant=_no_constant)
            except ValueError as error:
                wrong = f"prints no JSON: {error}"
        after = snapshot(folder)
        if wrong is None and (said.code != 0 or reads_only) and after != before:
            wrong = f"leaves {sorted(set(after.items()) ^ set(before.items()))} behind"
        if wrong is None and any(
            Path(name).name.startswith(".") for name in set(after) - {*before}
        ):
            wrong = "leaves a hidden file behind"
        if wrong is not None:
            fuzzer.defect(number, wrong, (arguments, said.err[-600:]))
        fuzzer.found(f"exit {said.code}")
        return said

    return judge


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


@pytest.fixture
def nasty() -> list[str]:
    return NASTY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands run in, one below the one whose files are compared."""
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    monkeypatch.delenv("EXPLORER_STORE", raising=False)
    return inside
