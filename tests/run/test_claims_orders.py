"""Claims, act by act: in every order of runs that ask, release and die a trial has one holder."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pyarrow as pa
import pytest

from explorer import claims
from explorer.claims import Claims
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
