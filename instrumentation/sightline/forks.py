"""What keeps this library whole in a forked process: state is renewed in the child, and no fork splits an import."""

import os
import threading
import weakref
from collections.abc import Callable
from typing import Final

IMPORT_LOCK: Final = threading.Lock()
"""Held around each import that the exporting thread makes; a fork waits for it.

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
