import os
import signal
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


def test_a_notice_to_a_terminal_that_went_away_is_no_trouble():
    def gone():
        raise OSError(5, "Input/output error")

    with Interruption(gone) as interruption, interruption.deferred():
        os.kill(os.getpid(), signal.SIGHUP)
        assert interruption.requested


def test_a_thread_takes_no_signals():
    seen = []

    def work():
        with Interruption() as interruption, interruption.deferred():
            seen.append(interruption.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
