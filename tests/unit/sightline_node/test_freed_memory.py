"""When freed memory is given back."""

from __future__ import annotations

import threading

from sightline_node.execution.freed_memory import FreedMemory, resident_bytes


def test_memory_is_given_back_above_the_bound_only_and_not_at_once_again() -> None:
    """Below it nothing is done; above it once, however many statements end at that moment."""
    held, given = 10, []
    freed = FreedMemory(lambda: given.append(held), over_bytes=10, resident=lambda: held)
    freed.after_statement()
    assert given == []
    held = 11
    freed.after_statement()
    freed.after_statement()
    assert given == [11]


def test_a_thread_does_not_wait_for_another_that_gives_back() -> None:
    """It goes on with its answer."""
    begun, may_end = threading.Event(), threading.Event()

    def give_back() -> None:
        begun.set()
        may_end.wait(10)

    freed = FreedMemory(give_back, over_bytes=0, resident=lambda: 1)
    first = threading.Thread(target=freed.after_statement)
    first.start()
    assert begun.wait(10)
    freed.after_statement()
    may_end.set()
    first.join(10)


def test_this_process_holds_something() -> None:
    """On Linux the system says how much; elsewhere it is 0, and nothing is ever given back."""
    assert resident_bytes() >= 0
