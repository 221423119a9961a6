"""Moments and durations as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from sightline_store.moments import duration_s, iso_moment, parse_moment, sql_moment

_NOW = datetime(2026, 1, 8, tzinfo=UTC)


def test_durations_are_a_number_and_a_unit() -> None:
    """Whole numbers with a unit, in seconds; nothing else, and not zero."""
    assert [duration_s(text) for text in ("90s", "30m", "1h", " 7d ", "2w", "5 m")] == [
        90, 1800, 3600, 604_800, 1_209_600, 300,
    ]  # fmt: skip
    for text in ("", "1", "h", "1.5h", "0m", "-1h", "1y", "1h30m", "9999999999s"):
        with pytest.raises(ValueError, match="no duration"):
            duration_s(text)


def test_moments_are_dates_times_or_ages() -> None:
    """Without a time zone UTC is meant; an age counts back from now."""
    assert parse_moment("7d", _NOW) == _NOW - timedelta(days=7)
    assert parse_moment("90s", _NOW) == _NOW - timedelta(seconds=90)
    for text in ("2026-01-08", "2026-01-08T00:00Z", "2026-01-08T01:00+01:00", " 2026-01-08 00:00 "):
        assert parse_moment(text) == _NOW
        assert parse_moment(text).tzinfo is UTC
    assert abs(parse_moment("1h") - datetime.now(UTC) + timedelta(hours=1)) < timedelta(seconds=5)
    for text in ("yesterday", "", "0d", "7 days", "2026-13-01", "99999999w"):
        with pytest.raises(ValueError, match="no moment"):
            parse_moment(text)


def test_iso_moments_take_what_a_toml_file_has_parsed() -> None:
    """A date is its first moment; a time keeps its moment in UTC."""
    assert iso_moment(date(2026, 1, 8)) == _NOW
    assert iso_moment(datetime(2026, 1, 8, 2, tzinfo=timezone(timedelta(hours=2)))) == _NOW


def test_a_moment_as_a_parameter_is_in_utc_to_the_millisecond() -> None:
    """ClickHouse reads a DateTime64(3, 'UTC') parameter so."""
    moment = datetime(2026, 1, 8, 1, 2, 3, 45_678, tzinfo=timezone(timedelta(hours=1)))
    assert sql_moment(moment) == "2026-01-08 00:02:03.045"
