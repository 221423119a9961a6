"""A role that is stopped by signals ends, whatever its main thread holds at that moment."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from sightline_roles.stopping import STOP_SIGNALS, stopped_by_signals


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_that_comes_while_the_main_thread_holds_the_lock_stops_the_role(number: signal.Signals) -> None:
    """A handler that takes the lock would wait here for its own thread; the listener waits until the lock is free."""
    lock, asked, stopped = threading.Lock(), threading.Event(), threading.Event()

    def stop() -> None:
        asked.set()
        with lock:
            stopped.set()

    with stopped_by_signals(stop):
        with lock:
            os.kill(os.getpid(), number)
            assert asked.wait(30)
            assert not stopped.is_set()
        assert stopped.wait(30)


def test_afterwards_the_signals_do_what_they_did_before() -> None:
    """Also where the block ends by an error; a second signal asks again."""
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    calls = threading.Semaphore(0)

    def work() -> None:
        with stopped_by_signals(calls.release):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
                assert calls.acquire(timeout=30)
            raise RuntimeError("of the role")

    with pytest.raises(RuntimeError, match="of the role"):
        work()
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1
