"""Why a stream is not read on: the same refusals at the process that answers and at every other one."""

from __future__ import annotations

from sightline_app.errors import RequestRefused
from sightline_app.settings import ApiSettings


def no_such_stream() -> RequestRefused:
    """Return the refusal of an address that is no stream of its caller."""
    return RequestRefused("there is no such stream, or no longer", kind="stream_unknown", status=404)


def no_such_event(after: int) -> RequestRefused:
    """Return the refusal of a client that names an event to come."""
    return RequestRefused(f"the stream has no event {after} yet", kind="event_unknown", status=409)


def events_gone(after: int, first: int, settings: ApiSettings) -> RequestRefused:
    """Return the refusal of a client that needs events which are no longer kept.

    Args:
        after: number of the last event that the client has.
        first: number of the oldest event that is kept.
        settings: size of the buffer.
    """
    return RequestRefused(
        f"the events {after + 1} to {first - 1} are no longer kept: "
        f"SIGHTLINE_APP_STREAM_BUFFER_BYTES={settings.buffer_bytes}",
        kind="events_gone",
        status=410,
    )
