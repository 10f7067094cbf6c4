"""Claims: who counts as alive, what is written, and that no run waits for a dead one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.claims import Claims
from explorer.errors import EnvironmentFailure
from explorer.process_token import has_ended, is_alive, process_token
from explorer.store import Store

X = "0123456789abcdef0123"


def ids(*numbers: int) -> list[str]:
    return [f"{number:020x}"[::-1] for number in numbers]


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"), create=True)


def test_a_run_without_a_beat_is_dead_by_the_readers_own_clock(store):
    clock = Clock()
    silent = Claims(store)
    assert silent.take(ids(1)) == set(ids(1))
    reader = Claims(store, now=clock)
    note = Path(store.location) / "notes" / f"claim-{silent.owner}.json"
    clock.seconds = 59.0
    for moved in (0, 2**32 - 1):  # whatever the machine's clock says
        os.utime(note, (moved, moved))
        assert reader.take(ids(1, 2)) == set(ids(2))
    clock.seconds = 60.0
    assert reader.take(ids(1)) == set(ids(1))
    assert not note.exists()
    # It was only slow: it is known again from its next beat on, and its other trials are its own.
    silent._every = 0.0
    silent.beat()
    clock.seconds = 61.0
    assert silent.take(ids(3)) == set(ids(3))
    assert reader.take(ids(3)) == set()


def test_a_run_that_beats_keeps_its_trials(store):
    clock = Clock()
    owner, reader = Claims(store, now=clock), Claims(store, now=clock)
    owner.take(ids(1))
    for _ in range(40):
        clock.seconds += 5.0
        owner.beat()
        assert reader.take(ids(1)) == set()
    owner.close()
    assert reader.take(ids(1)) == set(ids(1))


def test_few_notes_are_written(store, monkeypatch):
    written = []
    write = Store.write_note
    monkeypatch.setattr(Store, "write_note", lambda *given: written.append(given) or write(*given))
    clock = Clock()
    run = Claims(store, now=clock)
    run.take(ids(*range(100)))
    run.take(ids(*range(200)))
    run.take(ids(*range(200)))  # nothing new
    run.release(ids(*range(50)))
    assert len(written) == 3
    for _ in range(80):
        clock.seconds += 0.125
        run.beat()
    assert len(written) == 5
    assert len(store.read_notes("claim")[run.owner]["held"]) == 150


def test_alone_says_whether_anybody_may_have_published_since(store):
    clock = Clock()
    run = Claims(store, now=clock)
    run.take(ids(1))
    assert run.alone()
    other = Claims(store, now=clock)
    clock.seconds += 5.0
    run.beat()
    assert not run.alone()
    other.close()
    run.take(ids(2))
    assert not run.alone(), "the other may have trained what was taken just now"
    run.take(ids(3))
    assert run.alone()


OTHER_PROCESS = """
import sys, time
from explorer.claims import Claims
from explorer.store import Store
print(sorted(Claims(Store.open(sys.argv[1])).take(sys.argv[2:])), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="nobody knows other processes")
def test_a_process_of_this_machine_that_was_killed_is_dead_at_once(store):
    command = [sys.executable, "-c", OTHER_PROCESS, store.location, *ids(1, 2)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == str(sorted(ids(1, 2)))
        run = Claims(store)
        assert run.take(ids(1, 2, 3)) == set(ids(3))
        os.kill(other.pid, signal.SIGKILL)
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # ended, and still in /proc
        assert run.take(ids(1)) == set(ids(1))
    assert run.take(ids(2)) == set(ids(2))
    assert list(store.read_notes("claim")) == [run.owner]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="nobody knows other processes")
def test_a_process_is_told_from_its_numbers_next_bearer_and_from_other_machines():
    token = process_token(os.getpid())
    assert token is not None
    boot, namespace, pid, start = token
    gone = str(2**22 + 1)  # above the highest number that Linux gives
    for process, ended in [
        (token, False),
        ([boot, namespace, pid, str(int(start) + 1)], True),
        ([boot, namespace, gone, start], True),
        (["another-boot", namespace, gone, start], False),
        ([boot, "pid:[1]", gone, start], False),  # in a container of its own
        (["another-boot", namespace, pid, start], False),
        ([boot, namespace, "x", start], False),
        ([boot, namespace], False),
        ([boot, namespace, None, {}], False),
        (None, False),
        ("text", False),
        (7, False),
    ]:
        assert has_ended({"process": process}) is ended, process
    assert has_ended({}) is False
    assert process_token(2**22 + 1) is None
    # An earlier start of this machine: nothing of it lives.
    earlier = {"process": ["another-boot", namespace, pid, start]}
    assert has_ended({**earlier, "host": socket.gethostname()}) is True
    assert has_ended({**earlier, "host": "another-host"}) is False
    assert is_alive({"process": token}) is True
    for process in ([boot, namespace, pid, "0"], [boot, namespace, gone, start], None, [], [1, 2]):
        assert is_alive({"process": process}) is False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="nobody knows other processes")
def test_a_living_process_keeps_its_trials_however_long_it_is_silent(store):
    """As one that was stopped, or waits for a file system."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        note = {
            "host": socket.gethostname(),
            "pid": other.pid,
            "process": process_token(other.pid),
            "beat": 1,
            "wanted": [],
            "held": [X[:12]],
        }
        store.write_note("claim", "other", note)
        clock = Clock()
        run = Claims(store, now=clock)
        clock.seconds = 1000.0
        assert run.take([X]) == set()
        assert run.living() == {"other"}
        other.communicate(b"\n")
    assert run.take([X]) == {X}


def test_runs_elsewhere_that_give_no_sign_of_life_are_told_from_those_that_do(store):
    clock = Clock()
    for name in ("dead", "alive"):
        store.write_note("claim", name, {"host": name, "beat": 1, "held": [], "wanted": []})

    def pause(seconds):
        clock.seconds += seconds
        store.write_note("claim", "alive", {"host": "alive", "beat": int(clock.seconds) + 1})

    run = Claims(store, now=clock, pause=pause)
    assert run.living() == {"dead", "alive"}
    run.await_beats(["dead", "alive", "unknown"])
    assert run.living() == {"alive"}
    assert 0 < clock.seconds <= 15
    assert set(store.read_notes("claim")) == {"alive", run.owner}
    before = clock.seconds
    run.await_beats([])
    assert clock.seconds == before


def test_foreign_and_torn_notes_claim_nothing(store, caplog):
    folder = Path(store.location) / "notes"
    run = Claims(store)
    (folder / "claim-torn.json").write_bytes(b'{"held": ["')
    (folder / "claim-list.json").write_bytes(b"[]")
    for number, held in enumerate([7, None, "0000", {"a": 1}, [1, None, [], {}]]):
        note = {"beat": {"x": []}, "wanted": held, "held": held, "pid": held, "host": held}
        (folder / f"claim-odd{number}.json").write_text(json.dumps(note))
    assert run.take([X]) == {X}
    assert "notes/claim-torn.json" in caplog.text
    assert not run.alone()
    other = Claims(store)
    assert other.take([X, *ids(4)]) == set(ids(4))


def test_a_store_in_trouble_leaves_a_run_alone(store, tmp_path, caplog):
    caplog.set_level("INFO")
    clock = Clock()
    other = Claims(store, now=clock)
    run = Claims(store, now=clock)
    assert other.take([X]) == {X}
    moved = tmp_path / "moved"
    (tmp_path / "store").rename(moved)
    assert run.take([X, *ids(1)]) == {X, *ids(1)}
    clock.seconds += 5.0
    run.beat()
    run.release(ids(1))
    assert run.living() == {other.owner}, "not that nobody lives, but that nobody could be asked"
    assert "Claims are left aside: The store" in caplog.text
    with pytest.raises(EnvironmentFailure):
        Claims(store)
    run.close()
    assert not (tmp_path / "store").exists(), "nothing is made where the store was"
    moved.rename(tmp_path / "store")
    clock.seconds += 5.0
    other.beat()
    run.beat()
    assert run.take(ids(2)) == set(), "closed"
    assert other.take([X]) == {X}


WORKER = """
import random, sys, time
from pathlib import Path
from explorer.claims import Claims
from explorer.store import Store

location, trained, done, seed, count = sys.argv[1:]
draw = random.Random(int(seed))
left = [f"{number:020x}"[::-1] for number in range(int(count))]
draw.shuffle(left)
store = Store.open(location)
run = Claims(store, every=0.05)
while not Path(done, "start").exists():
    if len(store.read_notes("claim")) == 3:
        Path(done, "start").touch()
takes = refused = 0
while left:
    wanted = left[: draw.randint(1, 4)]
    mine = run.take(wanted)
    takes += 1
    refused += len(wanted) - len(mine)
    left = left[len(wanted) :] + [trial for trial in wanted if trial not in mine]
    for trial in mine:
        if not Path(done, trial).exists():
            time.sleep(draw.random() * 0.002)
            with open(trained, "a") as log:
                log.write(f"{trial}\\n")
            Path(done, trial).touch()
    run.release(mine)
    if draw.random() < 0.5:
        run.beat()
    left = [trial for trial in left if not Path(done, trial).exists()]
run.close()
print(takes, refused)
"""


def test_three_processes_train_nothing_twice(store, tmp_path):
    """Each takes a few at a time in an order of its own; what is done is looked up after taking."""
    count = 150
    (tmp_path / "done").mkdir()
    arguments = [store.location, str(tmp_path / "trained"), str(tmp_path / "done")]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments, str(seed), str(count)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(3)
    ]
    said = [worker.communicate(timeout=120)[0].split() for worker in workers]
    trained = (tmp_path / "trained").read_text().split()
    assert sorted(trained) == sorted(ids(*range(count)))
    assert min(int(takes) for takes, _ in said) >= 3, "all of them were at work"
    assert sum(int(refused) for _, refused in said) > 0, "and met"
    assert store.read_notes("claim") == {}
