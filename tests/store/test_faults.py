"""Disks that are full, read-only, elsewhere or gone: a clear sentence, and nothing lost or torn.

Tests that mount file systems need root; what they show is shown once more without mounting.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from explorer.errors import EnvironmentFailure
from explorer.store import Plan, Store, plan_table
from explorer.store.doctor import examine
from explorer.store.location import FOLDERS, Location
from explorer.trial import Configuration

ROOT = Path(__file__).parents[2]

Publish = Callable[..., str]
Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount something on a folder for as long as a test lasts."""
    mounted: list[Path] = []

    def begin(folder: Path, *options: str) -> Path:
        folder.mkdir(exist_ok=True)
        done = subprocess.run(
            ["mount", *options, str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    yield begin
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@pytest.fixture
def small_disk(mount: Mount, tmp_path: Path) -> Path:
    return mount(tmp_path / "disk", "-t", "tmpfs", "-o", "size=1m", "tmpfs")


def _fill(folder: Path, leave: int = 0) -> Path:
    """Fill a file system up to some pages."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        file.truncate(max(0, filler.stat().st_size - leave))
    return filler


def _failure(act: Callable[[], object]) -> str | None:
    """What an act failed with, if it did."""
    try:
        act()
    except EnvironmentFailure as failure:
        return str(failure)
    return None


def _plan(configuration: Callable[[int], Configuration], source: str) -> Plan:
    return Plan("one", plan_table([configuration(n) for n in range(40)]), "a.py", source)


def test_a_full_disk_refuses_everything_and_loses_nothing(
    small_disk: Path, publish: Publish, configuration: Callable[[int], Configuration]
) -> None:
    store = Store.open(str(small_disk / "store"), create=True)
    location = Location(store.location)
    for n in range(4):
        publish(store, [n])
    store.write_plan(_plan(configuration, "before"))
    torn = Path(location.path("curves", publish(store, [4])))
    torn.write_bytes(torn.read_bytes()[:-9])
    before = store.snapshot()
    filler = _fill(small_disk)
    listed = {f: location.entries(f) for f in ("plans", "trials", "curves", "tmp")}

    acts: list[Callable[[], object]] = [
        lambda: publish(store, [5]),
        lambda: store.write_plan(_plan(configuration, "after")),
        lambda: store.compact(grace_seconds=0),
        lambda: examine(store, repair=True),
        store.check_writable,
        lambda: store.write_note("device", "a", {}),
    ]
    for act in acts:
        with pytest.raises(EnvironmentFailure, match=r"The store .* cannot be written: No space"):
            act()
        assert {f: location.entries(f) for f in listed} == listed
    for old, new in zip(before, store.snapshot(), strict=True):
        assert old.equals(new)
    assert len(store.plans()) == 1
    assert len(examine(store).findings) == 2  # looking needs no space

    filler.unlink()
    for act in acts:
        act()
    assert examine(store).findings == ()
    assert len(store.statuses()) == 5
    assert len(store.plans()) == 2


def test_a_disk_that_becomes_full_at_any_moment(
    small_disk: Path, publish: Publish, configuration: Callable[[int], Configuration]
) -> None:
    """After the curves, after some of a plan, in the middle of a compaction's second file..."""
    store = Store.open(str(small_disk / "store"), create=True)
    location = Location(store.location)
    for n in range(4):
        publish(store, [n])
    refused = 0
    held = 4
    for pages in range(0, 24):
        filler = _fill(small_disk, leave=4096 * pages)
        for act, gained in (
            (partial(publish, store, [100 + pages]), 1),
            (partial(store.write_plan, _plan(configuration, str(pages))), 0),
            (partial(store.compact, grace_seconds=0), 0),
        ):
            failure = _failure(act)
            assert failure is None or "No space left" in failure
            held += gained * (failure is None)
            refused += failure is not None
            assert location.entries("tmp") == {}
            assert location.list("trials").keys() == location.list("curves").keys()
            trials, curves = store.snapshot()
            assert (trials.num_rows, curves.num_rows) == (held, 2 * held)
        filler.unlink()
        publish(store, [200 + pages])
        held += 1
    assert 12 < refused < 70
    assert examine(store).findings == ()


#: Runs commands one after the other in one process; prints their exit codes.
COMMANDS = """
import json, sys
from explorer import cli
import explorer.cli_store

codes = {}
for arguments in json.loads(sys.stdin.read()):
    sys.argv = ["explorer", *arguments]
    try:
        cli.main()
    except SystemExit as ended:
        codes[" ".join(arguments[:1])] = ended.code
print("CODES", json.dumps(codes))
"""


def test_a_read_only_store_is_read_by_every_command_that_reads(
    mount: Mount, tmp_path: Path, trial_row: Callable[..., Any], curve_row: Callable[..., Any]
) -> None:
    disk = mount(tmp_path / "disk", "-t", "tmpfs", "-o", "size=8m", "tmpfs")
    store = Store.open(str(disk / "store"), create=True)
    configurations = [
        Configuration(train_size=1000, batch_size=2**b, learning_rate=rate, seed=seed,
                      budget_value=100.0)
        for rate in (0.1, 0.2, 0.4) for b in range(1, 9) for seed in range(3)
    ]  # fmt: skip
    rows, curves = [], []
    for c in configurations:
        distance = abs(c.batch_size.bit_length() - 4.5 - 10 * c.learning_rate)
        score = {"test_accuracy": 0.9 - 0.02 * distance**2 - 0.001 * c.seed, "n_classes": 10,
                 "train_accuracy": 0.95, "best_test_accuracy": 0.9}  # fmt: skip
        rows.append(trial_row(0) | c.as_dict() | {"trial_id": c.trial_id} | score)
        curves.append({"trial_id": c.trial_id, "step": 100, "epoch": 1.0,
                       "test_accuracy": score["test_accuracy"]})  # fmt: skip
    store.write_plan(Plan("one", plan_table(configurations), "a.py", "text"))
    store.publish(pack_id="p", attempt="a", trials=rows, curves=curves)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

    place = ["--store", store.location]
    out = [str(tmp_path / name) for name in ("trials.csv", "report.html")]
    commands = [
        ["status", *place],
        ["show", configurations[0].trial_id, *place],
        ["export", "trials", "--out", out[0], *place],
        ["fit-scaling", *place],
        ["report", "--out", out[1], *place],
        ["doctor", *place],
    ]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS], input=json.dumps(commands), cwd=ROOT,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    codes = json.loads(done.stdout.rpartition("CODES")[2])
    assert codes == dict.fromkeys([c[0] for c in commands], 0), done.stderr
    assert all(Path(name).stat().st_size > 1000 for name in out)
    assert examine(store).findings == ()
    for act in (
        store.check_writable,
        lambda: store.publish(pack_id="p", attempt="b", trials=rows, curves=curves),
        lambda: examine(store, repair=True),
        lambda: store.write_plan(Plan("two", plan_table(configurations), "a.py", "text")),
    ):
        with pytest.raises(EnvironmentFailure, match="cannot be written: Read-only file system"):
            act()
    location = Location(store.location)
    left = [name for folder in FOLDERS for name in location.entries(folder)]
    assert not [name for name in left if name.startswith(".")]


def test_tmp_on_another_file_system(mount: Mount, store: Store, publish: Publish) -> None:
    publish(store, [1])
    mount(Path(store.location) / "tmp", "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    said = r"from its tmp/ into its \w+/, which a store needs: Invalid cross-device link\."
    with pytest.raises(EnvironmentFailure, match=said):
        store.check_writable()
    with pytest.raises(EnvironmentFailure, match=said):
        publish(store, [2])
    location = Location(store.location)
    assert location.entries("tmp") == {}
    assert len(location.entries("curves")) == len(store.statuses()) == 1


@pytest.mark.parametrize("code", [errno.EXDEV, errno.ENOTSUP, errno.EPERM, errno.ENOSYS])
@pytest.mark.parametrize("refused", ["plans", "trials", "curves"])
def test_a_file_system_that_does_not_rename(
    store: Store,
    publish: Publish,
    configuration: Callable[[int], Configuration],
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    refused: str,
) -> None:
    publish(store, [1])
    replacing = os.replace

    def replace(source: str, target: str) -> None:
        if Path(target).parent.name == refused:
            raise OSError(code, os.strerror(code))
        replacing(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        said = rf"cannot be written: files cannot be renamed from its tmp/ into its {refused}/"
        with pytest.raises(EnvironmentFailure, match=said):
            store.check_writable()
        plan = partial(store.write_plan, _plan(configuration, ""))
        act = plan if refused == "plans" else partial(publish, store, [2])
        with pytest.raises(EnvironmentFailure, match=said):
            act()
        location = Location(store.location)
        assert [len(location.entries(f)) for f in ("tmp", "plans", "trials", "curves")] == [
            *(0, 0),
            *(1, 1),
        ]
    publish(store, [2])
    assert examine(store).findings == ()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_any_call_to_the_file_system_may_fail(
    store: Store,
    publish: Publish,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    call: str,
    nth: int,
) -> None:
    """What was published stays, what failed is whole or invisible, and trying again completes."""
    publish(store, [1])
    real, calls = getattr(os, call), 0

    def failing(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        failure = _failure(partial(publish, store, [2], attempt="a"))
    if failure is None:
        assert (call, calls) == ("replace", 2), "every call is reached, and two files are renamed"
    else:
        assert os.strerror(code) in failure
    assert Location(store.location).entries("tmp") == {}
    trials, curves = store.snapshot()
    assert curves.num_rows == 2 * trials.num_rows
    publish(store, [2], attempt="a")
    assert len(store.statuses()) == 2
    assert len(store.curves()) == 4


def test_a_store_that_is_unmounted_and_mounted_again(
    mount: Mount, tmp_path: Path, publish: Publish, configuration: Callable[[int], Configuration]
) -> None:
    (tmp_path / "real").mkdir()
    place = mount(tmp_path / "place", "--bind", str(tmp_path / "real"))
    store = Store.open(str(place), create=True)
    publish(store, [1])
    store.write_note("device", "a", {})
    subprocess.run(["umount", str(place)], check=True)
    assert not Store.exists(store.location)
    acts: list[Callable[[], object]] = [
        lambda: publish(store, [2]),
        lambda: store.write_plan(_plan(configuration, "")),
        lambda: store.write_note("device", "b", {}),
        lambda: store.compact(grace_seconds=0),
        lambda: examine(store, repair=True),
        store.check_writable,
        store.statuses,
        store.snapshot,
        lambda: store.subfolder("checkpoints"),
    ]
    for act in acts:
        with pytest.raises(EnvironmentFailure, match=r"The store .* cannot be"):
            act()
    assert list(place.iterdir()) == [], "nothing is written into the empty folder"
    subprocess.run(["mount", "--bind", str(tmp_path / "real"), str(place)], check=True)
    for act in acts:
        act()
    assert len(store.statuses()) == 2


def test_a_store_that_is_renamed_and_renamed_back(
    store: Store, publish: Publish, configuration: Callable[[int], Configuration]
) -> None:
    publish(store, [1])
    os.rename(store.location, f"{store.location}-away")
    for act in (
        lambda: publish(store, [2]),
        lambda: store.write_note("device", "b", {}),
        store.check_writable,
        store.statuses,
    ):
        with pytest.raises(EnvironmentFailure, match=r"cannot be .*: No such file or directory"):
            act()
    assert not Path(store.location).exists()
    os.rename(f"{store.location}-away", store.location)
    publish(store, [2])
    assert len(store.statuses()) == 2


def test_a_store_whose_making_was_interrupted_is_made_whole(tmp_path: Path) -> None:
    for made in range(5):
        root = tmp_path / str(made)
        root.mkdir()
        for folder in ("tmp", "curves", "plans", "trials")[:made]:
            (root / folder).mkdir()
        store = Store.open(str(root), create=True)
        store.check_writable()
        assert store.statuses() == {}
        assert store.plans() == []


def test_files_are_private_until_they_are_whole_and_then_as_the_umask_says(tmp_path: Path) -> None:
    code = """
import os, stat, sys
import pyarrow as pa
from explorer.store import Store
from explorer.store.location import Location
os.umask(int(sys.argv[2], 8))
store = Store.open(sys.argv[1], create=True)
location = Location(store.location)
unfinished = []
written = os.fchmod
def change(descriptor, mode):
    unfinished.append(oct(stat.S_IMODE(os.fstat(descriptor).st_mode)))
    written(descriptor, mode)
os.fchmod = change
location.publish("trials", "x", pa.py_buffer(b"x"))
print(unfinished, oct(stat.S_IMODE(os.stat(location.path("trials", "x")).st_mode)))
"""
    for mask, mode in (("022", "0o644"), ("027", "0o640"), ("002", "0o664"), ("077", "0o600")):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / mask), mask],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.strip() == f"['0o600'] {mode}"
