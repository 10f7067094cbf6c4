import os
import signal
import threading

import pytest

from explorer.interruption import Interruption


@pytest.fixture(autouse=True)
def _handlers_are_restored():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
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


def test_a_thread_takes_no_signals():
    seen = []

    def work():
        with Interruption() as interruption, interruption.deferred():
            seen.append(interruption.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
