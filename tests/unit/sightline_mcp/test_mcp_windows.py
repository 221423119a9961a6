"""Windows as callers write them, and which of them a caller of one tenant may ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest

from sightline_mcp.errors import OutOfReach, WrongQuestion
from sightline_mcp.reach import Reach
from sightline_mcp.windows import filters, iso_ms, window

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_window_is_written_as_ages_or_moments() -> None:
    """An age, `now`, and ISO 8601 with a zone or, in UTC, without."""
    asked = filters("2h", "now", tenant=" acme ", now=_NOW)
    assert (asked.start, asked.end, asked.tenant) == (_NOW - timedelta(hours=2), _NOW, "acme")
    told = window(filters("2026-03-01T10:00:00+01:00", "2026-03-01T10:30", now=_NOW))
    assert (told.start, told.end) == ("2026-03-01T09:00:00.000Z", "2026-03-01T10:30:00.000Z")
    assert iso_ms(1_772_366_400_123) == "2026-03-01T12:00:00.123Z"


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [("1h", "2h", "before it begins"), ("yesterday", "now", "is no moment"), ("1h", "", "is no moment")],
)
def test_a_window_that_cannot_be_says_what_can(start: str, end: str, why: str) -> None:
    """The message is for the assistant."""
    with pytest.raises(WrongQuestion, match=why):
        filters(start, end, now=_NOW)


def test_a_limited_caller_asks_for_its_own_tenant_only() -> None:
    """Its tenant is put in where none is named; another one is refused."""
    store = Mock()
    reach = Reach(store, "acme")
    assert reach.filters("1h", "now").tenant == "acme"
    assert reach.filters("1h", "now", tenant="acme").tenant == "acme"
    with pytest.raises(OutOfReach, match="tenant 'acme' only"):
        reach.filters("1h", "now", tenant="globex")
    assert Reach(store).filters("1h", "now", tenant="globex").tenant == "globex"
