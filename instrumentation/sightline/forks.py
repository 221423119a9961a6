"""What a forked child does anew: locks, queues, counts. Nothing where there is no fork."""

import os
import weakref
from collections.abc import Callable


def renew_in_child(renew: Callable[[], object]) -> None:
    """Call a method in every forked child, as long as its object lives.

    Args:
        renew: a bound method.
    """
    if not hasattr(os, "register_at_fork"):
        return
    method = weakref.WeakMethod(renew)

    def in_child() -> None:
        if call := method():
            call()

    os.register_at_fork(after_in_child=in_child)
