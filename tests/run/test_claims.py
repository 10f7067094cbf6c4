"""Claims: never two holders of a trial, always one in the end, and no run waits for a dead one."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from explorer import claims
from explorer.claims import Claims
from explorer.errors import EnvironmentFailure
from explorer.process_token import has_ended, is_alive, process_token
from explorer.store import Store
from explorer.store.location import Location

X = "0123456789abcdef0123"


def ids(*numbers: int) -> list[str]:
    return [f"{number:020x}"[::-1] for number in numbers]


class Killed(BaseException):
    """Raised inside a run at its next act on the store: it does nothing more."""


class Stage:
    """Runs as threads, of which one at a time does one act on the store: the next one is chosen."""

    def __init__(self) -> None:
        self._current = threading.local()
        self._waiting: dict[int, threading.Event] = {}
        self._changed = threading.Semaphore(0)
        self._threads: dict[int, threading.Thread] = {}
        self._killed: set[int] = set()
        self.errors: list[BaseException] = []

    def act(self, *_: object) -> None:
        """What a run calls before each act; outside the stage's own threads nothing happens."""
        number = getattr(self._current, "number", None)
        if number is None:
            return
        event = self._waiting[number] = threading.Event()
        self._changed.release()
        event.wait()
        if number in self._killed:
            raise Killed

    def start(self, number: int, script: Callable[[], object]) -> None:
        """Let a run begin, up to its first act."""

        def run() -> None:
            self._current.number = number
            try:
                script()
            except Killed:
                pass
            except BaseException as error:
                self.errors.append(error)
            finally:
                self._waiting.pop(number, None)
                del self._threads[number]
                self._changed.release()

        self._threads[number] = threading.Thread(target=run, daemon=True)
        self._threads[number].start()
        self._changed.acquire()

    def ready(self) -> list[int]:
        """The runs that have not come to their end."""
        return sorted(self._threads)

    def go(self, number: int, *, kill: bool = False) -> None:
        """Let one run do what it was about to do, up to its next act."""
        if kill:
            self._killed.add(number)
        self._waiting.pop(number).set()
        self._changed.acquire()


class StagedShelf(Location):
    """A place in memory where every reading and writing of one file is an act of its own."""

    def __init__(self, stage: Stage) -> None:
        super().__init__("/nowhere")
        self._stage = stage
        self._files: dict[str, pa.Buffer] = {}

    def make_folder(self, folder):
        pass

    def list(self, folder):
        self._stage.act()
        return {name: content.size for name, content in sorted(self._files.items())}

    def source(self, folder, name, size):
        self._stage.act()
        if name not in self._files:
            raise FileNotFoundError(name)
        return pa.BufferReader(self._files[name])

    def publish(self, folder, name, content):
        self._stage.act()
        self._files[name] = content

    def delete(self, folder, name):
        self._stage.act()
        self._files.pop(name, None)


def shelf(stage: Stage) -> Store:
    store = Store("/nowhere")
    store._location = StagedShelf(stage)
    return store


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"), create=True)


def staged(stage: Stage, runs: int, clock: Clock) -> list[Claims]:
    """Runs on one store that act on a stage, in the order of their owners' ids."""
    store = shelf(stage)
    made = [Claims(store, now=clock, pause=stage.act) for _ in range(runs)]
    return sorted(made, key=lambda run: run.owner)


class EveryOrder:
    """Chooses who acts, so that one walk after another takes every order in turn: depth first."""

    def __init__(self) -> None:
        self._untried: list[list[int]] = []  # at each step of the walk, its present choice first
        self._step = 0

    def choose(self, ready: list[int]) -> int:
        if self._step == len(self._untried):
            self._untried.append(list(ready))
        self._step += 1
        return self._untried[self._step - 1][0]

    def another(self) -> bool:
        """Begin the next walk; False when there is none left."""
        self._step = 0
        while self._untried:
            self._untried[-1].pop(0)
            if self._untried[-1]:
                return True
            self._untried.pop()
        return False


def test_two_runs_that_ask_at_once_in_every_order(monkeypatch):
    """Every interleaving of two takes, file by file; the smaller owner looks again once."""
    monkeypatch.setattr(claims, "_PAUSES", (1.0,))
    outcomes = {"first": 0, "second": 0, "nobody": 0}
    order, further = EveryOrder(), True
    while further:
        stage = Stage()
        runs = staged(stage, 2, Clock())
        won = take_at_once(stage, runs, [[X, *ids(number)] for number in (0, 1)], order.choose)
        holders = [number for number in (0, 1) if X in won[number]]
        assert len(holders) <= 1
        assert all(ids(number)[0] in won[number] for number in (0, 1))
        outcomes[["nobody", "first", "second"][sum(n + 1 for n in holders)]] += 1
        # Nobody: the second was kept from acting for as long as the first waits for it.
        assert sum(X in run.take([X]) for run in runs) == 1
        for run in runs:
            run.close()
        assert runs[0]._store.read_notes("claim") == {}
        further = order.another()
    assert sum(outcomes.values()) > 1000
    assert min(outcomes.values()) > 50, outcomes


def take_at_once(
    stage: Stage, runs: list[Claims], asked: list[list[str]], choose: Callable[[list[int]], int]
) -> dict[int, set[str]]:
    """What each run gets, when they all take in an order that `choose` makes."""
    won: dict[int, set[str]] = {}
    for number, run in enumerate(runs):

        def script(number: int = number, run: Claims = run) -> None:
            won[number] = run.take(asked[number])

        stage.start(number, script)
    while ready := stage.ready():
        stage.go(choose(ready))
    assert not stage.errors
    return won


@pytest.mark.parametrize("runs", [2, 3, 4])
def test_of_runs_that_ask_at_once_each_trial_has_one_holder(runs):
    for seed in range(60):
        draw = random.Random(seed)
        stage = Stage()
        everything = ids(*range(5))
        asked = [draw.sample(everything, 5) for _ in range(runs)]
        won = take_at_once(stage, staged(stage, runs, Clock()), asked, draw.choice)
        assert sorted(trial for mine in won.values() for trial in mine) == sorted(everything)


def test_runs_that_take_release_and_die_at_any_moment():
    """Never two living holders; what the dead held is free after a minute without their beat."""
    deaths = handed_on = 0
    for seed in range(60):
        draw = random.Random(seed)
        stage, clock = Stage(), Clock()
        runs = staged(stage, 3, clock)
        held: dict[int, set[str]] = {number: set() for number in range(3)}
        holders_of: dict[str, set[int]] = {trial: set() for trial in ids(*range(6))}
        dead: set[int] = set()

        def script(
            number: int,
            run: Claims,
            draw: random.Random = draw,
            clock: Clock = clock,
            held: dict[int, set[str]] = held,
            holders_of: dict[str, set[int]] = holders_of,
            dead: set[int] = dead,
        ) -> None:
            for _ in range(4):
                held[number] |= run.take(draw.sample(sorted(holders_of), 3))
                for other in set(held) - {number} - dead:
                    assert held[number].isdisjoint(held[other])
                for trial in held[number]:
                    holders_of[trial].add(number)
                given_back = set(draw.sample(sorted(held[number]), len(held[number]) // 2))
                held[number] -= given_back
                run.release(given_back)
                clock.seconds += 0.5
                run.beat()

        for number, run in enumerate(runs):
            stage.start(number, lambda number=number, run=run, act=script: act(number, run))
        while ready := stage.ready():
            number = draw.choice(ready)
            kill = number > 0 and draw.random() < 0.01
            if kill:
                dead.add(number)
            stage.go(number, kill=kill)
        assert not stage.errors
        deaths += len(dead)
        handed_on += sum(len(holders) > 1 for holders in holders_of.values())
        living = [run for number, run in enumerate(runs) if number not in dead]
        for _ in range(12):
            clock.seconds += 5.0
            for run in living:
                run.beat()
        found = [run.take(list(holders_of)) for run in living]
        assert sorted(trial for mine in found for trial in mine) == sorted(holders_of)
    assert deaths > 20
    assert handed_on > 20


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
