import io
import os
import pty
from types import SimpleNamespace

import pytest
from rich.console import Console

from explorer import progress
from explorer.progress import Lines, Panel, Silent, State, clock, progress_for


@pytest.fixture
def now(monkeypatch):
    """A clock that stands still until it is moved."""

    class Clock:
        time = 1000.0

    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: Clock.time))
    return Clock


NUMBERS = {"planned": 100, "already_done": 20, "seconds_of_work": 60.0, "slots": 2}


def test_time_left_starts_with_the_prediction_and_ends_with_what_was_seen(now):
    state = State(80, 0, 60.0, 2)
    assert state.seconds_left() == 30.0
    now.time += 10  # 3 s of work took 10 s: 3.3 times slower than the model says for one slot
    state.work_done = 3.0
    # trust = 0.05 / (0.05 + 0.05): half of 57*10/3 and half of 57/2
    assert state.seconds_left() == pytest.approx((57 * 10 / 3 + 57 / 2) / 2)
    state.work_done, now.time = 60.0, now.time + 100
    assert state.seconds_left() == 0.0


def test_more_work_than_predicted_is_still_a_fraction(now):
    state = State(80, 0, 60.0, 2)
    state.work_done = 70.0
    assert (state.fraction(), state.seconds_left()) == (1.0, 0.0)
    assert State(0, 0, 0.0, 2).fraction() == 0.0


def test_lines_come_every_half_minute(now):
    stream = io.StringIO()
    lines = Lines(stream, every=30)
    lines.update(done=1, diverged=0, failed=0, seconds_of_work=1.0)  # before the start: nothing
    lines.start(**NUMBERS)
    for second in range(1, 100):
        now.time += 1
        lines.update(done=second // 2, diverged=1, failed=0, seconds_of_work=second * 0.5)
    assert stream.getvalue().count("\n") == 3
    first = stream.getvalue().splitlines()[0]
    assert first.startswith("35 of 100 trials, 0.5 trials/s, ")
    assert first.endswith("left, 1 diverged")
    lines.update(done=78, diverged=1, failed=2, seconds_of_work=60.0)
    lines.close()
    lines.close()
    last = stream.getvalue().splitlines()[-1]
    assert last == "98 of 100 trials, 0.8 trials/s, 0 s left, 1 diverged, 2 failed, 1 min 39 s gone"
    assert stream.getvalue().count("\n") == 4


def test_panel_shows_the_numbers():
    stream = io.StringIO()
    panel = Panel(Console(file=stream, force_terminal=True, width=160))
    panel.start(**NUMBERS)
    panel.update(done=30, diverged=3, failed=1, seconds_of_work=30.0)
    panel._live.refresh()
    panel.close()
    panel.close()
    for text in ("50 of 100 trials", "3 diverged", "1 failed", "trials/s", "left"):
        assert text in stream.getvalue()


class Gone(io.StringIO):
    """A terminal that was closed behind a run that goes on."""

    def isatty(self):
        return True

    def write(self, text):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("kind", [Lines, lambda stream: Panel(Console(file=stream))])
def test_a_terminal_that_is_gone_ends_nothing(kind):
    progress = kind(Gone())
    progress.say("Starting Ray ...")
    progress.start(planned=4, already_done=0, seconds_of_work=1.0, slots=1)
    progress.update(done=1, diverged=0, failed=0, seconds_of_work=0.5)
    progress.say("A worker died")
    progress.close()
    progress.close()


def test_silent_says_nothing(capfd):
    silent = Silent()
    silent.start(**NUMBERS)
    silent.update(done=1, diverged=0, failed=0, seconds_of_work=1.0)
    silent.close()
    assert capfd.readouterr() == ("", "")


def test_the_stream_decides():
    assert isinstance(progress_for(io.StringIO()), Lines)
    assert isinstance(progress_for(io.StringIO(), quiet=True), Silent)
    main, terminal = pty.openpty()
    try:
        with os.fdopen(terminal, "w") as stream:
            assert isinstance(progress_for(stream), Panel)
    finally:
        os.close(main)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (3600, "1 h 0 min"), (7499, "2 h 4 min")],
)
def test_clock(seconds, text):
    assert clock(seconds) == text
