import os
import signal
import subprocess
import sys
import threading

import pytest

from explorer.interruption import Interruption

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _handlers_are_restored():
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_outside_of_deferred_a_signal_interrupts_at_once(number):
    with Interruption() as interruption:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert interruption.requested


def test_inside_of_deferred_signals_are_only_noted():
    with Interruption() as interruption:
        with interruption.deferred():
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)
            assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_nohup_is_respected():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interruption.requested
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


#: A command on a terminal of its own, which prints before and after this went away.
ON_A_TERMINAL = """
import fcntl, sys, termios, time
from functools import partial
from explorer.interruption import Interruption
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
with Interruption(partial(print, "heard", flush=True)) as interruption, interruption.deferred():
    print("ready", file=sys.stderr, flush=True)
    while not interruption.requested:
        time.sleep(0.01)
    print("after", file=sys.stderr, flush=True)
print("result")
sys.exit(130)
"""


def test_what_is_printed_to_a_terminal_that_went_away_is_no_trouble():
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", ON_A_TERMINAL]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    assert os.read(ours, 100).strip() == b"ready"
    os.close(ours)
    assert process.wait(20) == 130


def test_a_thread_takes_no_signals():
    seen = []

    def work():
        with Interruption() as interruption, interruption.deferred():
            seen.append(interruption.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
