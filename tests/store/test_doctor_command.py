"""`explorer doctor`: what it prints, and what it exits with."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import explorer.cli_store  # noqa: F401  (adds the command)
from explorer import cli
from explorer.store import Store
from explorer.store.location import Location
from explorer.trial import Configuration

Publish = Callable[..., str]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _logging_is_put_back() -> Iterator[None]:
    """The command line sets up logging for its process; here the process goes on."""
    loggers = [logging.getLogger(name) for name in ("explorer", "analysis", "py.warnings")]
    before = [(g.handlers, g.level, g.propagate) for g in loggers]
    yield
    logging.captureWarnings(False)
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture
def explorer_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: Store
) -> Run:
    """Run the command line on the store in this process: (exit code, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["explorer", *arguments, "--store", store.location])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def test_a_sound_store(explorer_command: Run, store: Store, publish: Publish) -> None:
    publish(store, [1, 2])
    publish(store, [1])
    code, out, err = explorer_command("doctor")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{store.location}: 4 files, 2 trials are whole.",
        "1 row is another attempt or a copy: harmless, and `explorer compact` removes it.",
    ]


def test_damage_is_named_repaired_and_gone(
    explorer_command: Run,
    store: Store,
    publish: Publish,
    configuration: Callable[[int], Configuration],
) -> None:
    name = publish(store, [1, 2])
    publish(store, [3])
    path = Path(Location(store.location).path("curves", name))
    path.write_bytes(path.read_bytes()[:-9])
    ids = sorted(configuration(n).trial_id for n in (1, 2))

    code, out, _ = explorer_command("doctor")
    assert code == 1
    assert f"curves/{name}: damaged: torn or not a Parquet file\n" in out
    assert f"2 trials must be trained again: {', '.join(ids)}.\n" in out
    assert "Nothing was changed" in out
    assert path.exists()

    code, out, _ = explorer_command("doctor", "--json")
    report = json.loads(out)
    assert code == 1
    assert report["train_again"] == ids
    assert [f["kind"] for f in report["findings"]] == ["damaged", "half"]

    code, out, _ = explorer_command("doctor", "--repair")
    assert code == 0
    assert f"curves/{name}: damaged: torn or not a Parquet file -> quarantine/curves/{name}" in out
    assert "are missing now" in out
    code, out, _ = explorer_command("doctor")
    assert (code, out) == (0, f"{store.location}: 2 files, 1 trial is whole.\n")


def test_what_lies_beside_the_store_is_named_and_no_error(
    explorer_command: Run, store: Store
) -> None:
    (Path(store.location) / "figures").mkdir()
    (Path(store.location) / "a\x1b[2J\nb").write_text("")
    for repair in ([], ["--repair"]):
        code, out, _ = explorer_command("doctor", *repair)
        assert code == 0
        assert out.splitlines()[1:] == ["Not the store's own, left alone: a\\x1b[2J b, figures/."]


def test_the_names_of_foreign_files_command_no_terminal(
    explorer_command: Run, store: Store
) -> None:
    (Path(store.location) / "trials" / "\x1b[2J").write_text("")
    code, out, _ = explorer_command("doctor")
    assert code == 1
    assert "  trials/\\x1b[2J: foreign: not a Parquet file\n" in out


def test_no_store_is_bad_input(explorer_command: Run, store: Store) -> None:
    for folder in ("tmp", "curves", "plans", "trials"):
        (Path(store.location) / folder).rmdir()
    code, out, err = explorer_command("doctor")
    assert (code, out) == (2, "")
    assert err.startswith("explorer: There is no store at")
