"""What a person reads where there is no terminal: a line every ten seconds, with what is new."""

from __future__ import annotations

import io
import time

from rich.console import Console

from sightline_supervisor.screen import Screen


def test_detail_is_told_once_until_it_changes() -> None:
    """A step that says nothing new is only seen to go on."""
    out, details = io.StringIO(), ["7 of 9", "7 of 9", "", "8 of 9"]
    screen = Screen(Console(file=out, width=200))
    with screen.waiting("indexing", lambda: details.pop(0)):
        begun = time.monotonic()
        for passed in (5, 11, 22, 33, 44):
            screen._plain_lines(begun + passed)
    lines = [line.partition("indexing, ")[2] for line in out.getvalue().splitlines()]
    assert lines == ["11 s: 7 of 9", "22 s", "33 s", "44 s: 8 of 9"]
