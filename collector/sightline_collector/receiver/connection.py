"""A connection that wakes the application once a request, with its whole body, rather than with each piece of it.

A body of some hundred kilobytes comes in several pieces. Each of them would stop and start the reading, wake the
application's task, and be copied twice on its way there. Up to `_HELD_BYTES` are held instead; a larger body is handed
on in pieces of that size, each of which stops the reading until the application takes it, so that no connection has
more than that in memory besides what the application keeps.
"""

from __future__ import annotations

from typing import Any

from sightline_roles.http_limits import LimitedProtocol

_HELD_BYTES = 1024 * 1024


class ExportConnection(LimitedProtocol):
    """Uvicorn's HTTP, within limits, for clients that send requests much larger than their answers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held: list[bytes] = []
        self._held_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Hold a piece of a body; hand on what is held where it is much."""
        if self.cycle.response_complete:  # Nobody reads the rest of a request that was refused.
            return
        self._held.append(body)
        self._held_bytes += len(body)
        if self._held_bytes >= _HELD_BYTES:
            self._hand_on()
            self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Hand on the rest of a body, and wake the application."""
        self._hand_on()
        super().on_message_complete()

    def _hand_on(self) -> None:
        held, cycle = self._held, self.cycle
        if held and not cycle.response_complete:
            # As bytes: uvicorn gives those to the application as they are, and copies a bytearray.
            cycle.body = b"".join([cycle.body, *held] if cycle.body else held)  # type: ignore[assignment]
        self._held, self._held_bytes = [], 0
