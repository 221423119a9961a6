"""Windows of time as callers write them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, Field

from sightline_mcp.errors import WrongQuestion
from sightline_store.moments import parse_moment
from sightline_store.questions.asking import Filters


class Window(BaseModel):
    """A stretch of time in UTC."""

    start: str = Field(description="First moment, ISO 8601 in UTC.")
    end: str = Field(description="Last moment, exclusive, ISO 8601 in UTC.")


def filters(
    start: str, end: str, *, tenant: str = "", model: str = "", route: str = "", now: datetime | None = None
) -> Filters:
    """The window from `start` to `end` (ISO 8601, an age such as `2h`, or `now`) and what it is narrowed to.

    Raises:
        WrongQuestion: a moment cannot be read, or the window ends before it begins.
    """
    now = now or datetime.now(UTC)
    narrowed = {"tenant": tenant.strip(), "model": model.strip(), "route": route.strip()}
    try:
        return Filters(start=_moment(start, now), end=_moment(end, now), **narrowed)
    except ValueError as exc:
        raise WrongQuestion(str(exc)) from exc


def window(asked: Filters) -> Window:
    """The window of a question, as results tell it."""
    return Window(start=iso(asked.start), end=iso(asked.end))


def iso(moment: datetime) -> str:
    """A moment in UTC to the millisecond: 2026-03-01T12:00:00.000Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def iso_ms(epoch_ms: float) -> str:
    """Milliseconds since 1970 as `iso`."""
    return iso(datetime.fromtimestamp(epoch_ms / 1000, UTC))


def _moment(text: str, now: datetime) -> datetime:
    return now if text.strip().lower() == "now" else parse_moment(text, now)
