"""Stops a role when SIGTERM or SIGINT comes, from a thread and not from a signal handler.

Python runs a handler between any two instructions of the main thread. One that sets an Event can come while the main
thread holds the lock of that Event, and then waits for it for ever. So the handlers here do nothing: the number of the
signal comes through a socket to a thread, which stops the role as any other thread would.

Source: https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def stopped_by_signals(
    stop: Callable[[], object], signals: Collection[signal.Signals] = STOP_SIGNALS
) -> Iterator[None]:
    """Call `stop` in a thread of its own for each signal that comes while the block runs.

    Enter and leave it in the main thread; afterwards the signals do what they did before.

    Args:
        stop: ends what the block runs; called again for a second signal.
        signals: that stop it.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)

    def listen() -> None:
        while number := receiver.recv(1):
            if number[0] in signals:
                stop()

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    before = {number: signal.signal(number, _nothing) for number in signals}
    woken = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        sender.close()
        listener.join()
        receiver.close()


def _nothing(*_: object) -> None:
    """A handler of Python has to be there, or the signal ends the process."""
