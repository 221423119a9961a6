"""What keeps this library whole in a forked process: state is renewed, no fork splits an import, the end is noticed.

A forked child mostly ends by ``os._exit``: those of ``multiprocessing`` and ``billiard`` (Celery) do. No exit handler
runs then, so in a forked child ``os._exit`` is replaced by a function that sends what waits and then ends the process
with the same code. It waits no longer than the time that is allowed at any exit, and not at all in a child that made no
span. A child that is killed by a signal sends nothing at its end: see ``sightline.export.child_ledger``.
"""

import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final, NoReturn

IMPORT_LOCK: Final = threading.RLock()
"""Held around each import that the exporting thread or a request makes; a fork waits for it. Re-entrant: a garbage
collection inside an import may close a traced generator, whose own code records something.

The HTTP client, TLS and what few processes need (gzip) would double this library's import time, so the
exporting thread imports them, not the application's start. A fork in the middle of an import would leave the child a
module lock that no thread releases.
"""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=IMPORT_LOCK.acquire, after_in_parent=IMPORT_LOCK.release, after_in_child=IMPORT_LOCK.release
    )


def renew_in_child(renew: Callable[[], object]) -> None:
    """Call a method in every forked child, as long as its object lives.

    Args:
        renew: a bound method that makes locks, queues and counts anew.
    """
    if not hasattr(os, "register_at_fork"):
        return
    method = weakref.WeakMethod(renew)

    def in_child() -> None:
        if call := method():
            call()

    os.register_at_fork(after_in_child=in_child)


_finishers: list[tuple[Callable[[], object], float]] = []
"""What a forked child does before it ends, with the seconds that it may take."""
_real_exit: Final = os._exit
_EXIT_MARGIN_S: Final = 0.5
_forked = False
_finishing: threading.Thread | None = None
_give_up_at = 0.0


def finish_in_child(finish: Callable[[], object], timeout_s: float) -> Callable[[], None]:
    """Call a function before a forked child of this process, or this process if it is one, ends by ``os._exit``.

    Args:
        finish: runs on a thread of its own: the end may interrupt anything, whatever locks are held.
        timeout_s: seconds after which the process ends anyway.

    Returns:
        What takes the function off the list.
    """
    entry = (finish, timeout_s)
    _finishers.append(entry)
    if _forked or _is_worker_process():
        os._exit = _finish_and_exit

    def remove() -> None:
        if entry in _finishers:
            _finishers.remove(entry)

    return remove


def _is_worker_process() -> bool:
    """Return whether multiprocessing or billiard made this process, before this library was imported."""
    return any(
        getattr(getattr(module, "current_process", lambda: None)(), "_parent_pid", None) is not None
        for module in (sys.modules.get("multiprocessing.process"), sys.modules.get("billiard.process"))
    )


def _finish_and_exit(status: int) -> NoReturn:
    global _finishing, _give_up_at  # noqa: PLW0603
    try:
        finishers, _finishers[:] = _finishers[:], []
        if _finishing is None and finishers:
            _give_up_at = time.monotonic() + sum(timeout_s for _, timeout_s in finishers) + _EXIT_MARGIN_S
            _finishing = threading.Thread(target=_finish, args=(finishers,), daemon=True)
            _finishing.start()
        if _finishing is not None:
            # The call may be the second one, by a signal handler: it waits for the same work.
            _finishing.join(max(_give_up_at - time.monotonic(), 0.0))
    except BaseException:  # noqa: S110  nothing may keep a process from its end
        pass
    finally:
        _real_exit(status)


def _finish(finishers: list[tuple[Callable[[], object], float]]) -> None:
    for finish, _ in finishers:
        with contextlib.suppress(Exception):
            finish()


def _note_fork() -> None:
    global _forked, _finishing
    _forked, _finishing = True, None
    if _finishers:
        os._exit = _finish_and_exit


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
