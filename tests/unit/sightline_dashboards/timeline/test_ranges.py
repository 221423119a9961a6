"""Ranges of time: their parameters in an address, what people write, and what they are compared with."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_dashboards.timeline import ranges
from sightline_dashboards.timeline.ranges import PRESETS, Against, RangeProblem, TimeRange

NOW = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from([UTC, BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kathmandu")])
MOMENTS = st.datetimes(datetime(1970, 1, 3), datetime(2026, 3, 1, 12), timezones=st.just(UTC))  # noqa: DTZ001  (UTC is added)


@given(MOMENTS, st.timedeltas(timedelta(seconds=1), timedelta(days=800)))
def test_a_range_survives_its_address(start: datetime, length: timedelta) -> None:
    """To the second; another process that opens the address shows the same."""
    chosen = ranges.own(start, min(start + length, NOW), NOW)
    again = ranges.of_params(chosen.params(), NOW)
    assert again == chosen
    assert again is not None
    first, last = again.at(NOW)
    assert first <= start
    assert last >= min(start + length, NOW)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_survives_its_address(preset: str) -> None:
    """The default has no parameter; a preset ends on a full second that is not over yet."""
    chosen = TimeRange(preset)
    assert (ranges.of_params(chosen.params(), NOW) or TimeRange()) == chosen
    start, end = chosen.at(NOW)
    assert end - start == PRESETS[preset][1]
    assert timedelta(0) < end - NOW <= timedelta(seconds=1)


@given(st.dictionaries(st.sampled_from(ranges.RANGE_KEYS), st.text(max_size=30)))
def test_any_address_is_a_range_or_a_sentence(params: dict[str, str]) -> None:
    """Nothing else is raised, whatever somebody writes into an address."""
    with suppress(RangeProblem):
        chosen = ranges.of_params(params, NOW)
        assert chosen is None or chosen.at(NOW)[0] < chosen.at(NOW)[1]


@given(MOMENTS, st.timedeltas(timedelta(minutes=1), timedelta(days=40)), ZONES)
def test_what_is_shown_can_be_written_again(start: datetime, length: timedelta, zone: ZoneInfo) -> None:
    """The text of an end is read as that moment, but in the hour that clocks repeat."""
    chosen = ranges.own(start, min(start + length, NOW), NOW)
    assert chosen.fixed
    texts = [ranges.typed_text(moment, zone) for moment in chosen.fixed]
    if all(not _is_twice(moment, zone) for moment in chosen.fixed):
        assert ranges.typed(*texts, zone, NOW) == chosen


def _is_twice(moment: datetime, zone: ZoneInfo) -> bool:
    local = moment.astimezone(zone)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        (("2026-03-01 10:00", "2026-03-01 11:30"), (9, 0, 0), (10, 30, 0)),
        (("10:00", "11:30:05"), (9, 0, 0), (10, 30, 5)),
        (("9:05", "now"), (8, 5, 0), (12, 30, 15)),
        (("2h", "30m"), (10, 30, 15), (12, 0, 15)),
        (("2026-03-01T10:00Z", "2026-03-01T11:00+02:00"), (9, 0, 0), (9, 0, 0)),
    ],
)
def test_people_write_moments_in_their_zone(
    written: tuple[str, str], start: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    """A time alone is of today, an age counts back from now, and an offset holds where one is written."""
    if written[0].endswith("Z"):
        with pytest.raises(RangeProblem, match="before it begins"):
            ranges.typed(*written, BERLIN, NOW)
        return
    chosen = ranges.typed(*written, BERLIN, NOW)
    assert chosen.fixed
    assert [(each.hour, each.minute, each.second) for each in chosen.fixed] == [start, end]


def test_a_day_is_written_by_its_date() -> None:
    """It ends with its last moment; today ends now."""
    yesterday = ranges.typed("2026-02-28", "2026-02-28", BERLIN, NOW)
    assert yesterday.fixed == (datetime(2026, 2, 27, 23, tzinfo=UTC), datetime(2026, 2, 28, 23, tzinfo=UTC))
    today = ranges.typed("2026-03-01", "2026-03-01", BERLIN, NOW)
    assert today.fixed == (datetime(2026, 2, 28, 23, tzinfo=UTC), NOW)


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        ("11:00", "10:00", "The range ends (1 Mar 2026 10:00:00) before it begins (1 Mar 2026 11:00:00)."),
        ("10:00", "10:00", "before it begins"),
        ("14:00", "15:00", "begins in the future: 1 Mar 2026 14:00 is after now, 1 Mar 2026 13:30:15"),
        ("10:00", "18:00", "ends in the future: 1 Mar 2026 18:00 is after now, 1 Mar 2026 13:30. Write now"),
        ("soon", "now", "From cannot be read, 'soon': write"),
        ("", "now", "From is empty"),
        ("2026-02-30", "now", "From cannot be read"),
        ("1960-01-01", "now", "before 1970"),
        ("0001-01-01", "9999-12-31", "The range"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_sentence(start: str, end: str, told: str) -> None:
    """With both moments, in the reader's zone."""
    with pytest.raises(RangeProblem) as raised:
        ranges.typed(start, end, BERLIN, NOW)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"from": "2026-03-01T10:00:00Z"}, "only one end"),
        ({"from": "x", "to": "now"}, "cannot be read"),
        ({"window": "2h"}, "names a window that there is not"),
    ],
)
def test_an_address_that_names_no_range_is_said(params: dict[str, str], told: str) -> None:
    """So that nobody takes the default for what was shared."""
    with pytest.raises(RangeProblem, match=told):
        ranges.of_params(params, NOW)


@given(MOMENTS, st.timedeltas(timedelta(seconds=1), timedelta(days=60)), st.sampled_from(Against), ZONES)
def test_compared_ranges_have_the_same_length_and_no_moment_in_common(
    start: datetime, length: timedelta, against: Against, zone: ZoneInfo
) -> None:
    """And the same hours of the day, also where clocks were changed in between."""
    end = start + length
    first, last = ranges.compared(start, end, against, zone)
    assert last - first == length
    assert last <= start
    if against is not Against.BEFORE and not _is_twice(first, zone):
        days = start.astimezone(zone).date() - first.astimezone(zone).date()
        assert days.days % (7 if against is Against.WEEK else 1) == 0
        gap = start.astimezone(zone).replace(tzinfo=None) - first.astimezone(zone).replace(tzinfo=None)
        assert gap % timedelta(days=1) in {timedelta(0), timedelta(hours=1), timedelta(hours=23)}


def test_the_same_hours_stay_the_same_when_clocks_are_changed() -> None:
    """Berlin's clocks were set forward on 29 March 2026."""
    start = datetime(2026, 3, 29, 8, tzinfo=UTC)  # 10:00 in Berlin
    first, _ = ranges.compared(start, start + timedelta(hours=1), Against.DAY, BERLIN)
    assert first == datetime(2026, 3, 28, 9, tzinfo=UTC)  # 10:00 there too


@pytest.mark.parametrize(
    ("length", "against", "told"),
    [
        (timedelta(hours=1), Against.BEFORE, "the 1 h before"),
        (timedelta(hours=1), Against.DAY, "the same hours 1 day earlier"),
        (timedelta(days=7), Against.DAY, "the same hours 7 days earlier"),
        (timedelta(days=30), Against.WEEK, "the same hours 5 weeks earlier"),
    ],
)
def test_what_is_compared_is_said(length: timedelta, against: Against, told: str) -> None:
    """A longer range is compared with one as many days or weeks earlier as it is long."""
    assert ranges.compared_label(length, against, "Last 1 h") == told


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 1, 10, 30, tzinfo=UTC), "1 Mar 10:00 to 11:30"),
        (datetime(2026, 3, 1, 9, 0, 5, tzinfo=UTC), NOW, "1 Mar 10:00:05 to 13:30:15"),
        (datetime(2026, 2, 28, 9, tzinfo=UTC), NOW, "28 Feb 10:00:00 to 1 Mar 13:30:15"),
        (datetime(2025, 2, 28, 9, tzinfo=UTC), datetime(2025, 2, 28, 10, tzinfo=UTC), "28 Feb 2025 10:00 to 11:00"),
    ],
)
def test_a_range_is_named_in_the_readers_zone(start: datetime, end: datetime, told: str) -> None:
    """With seconds and the year only where they say something."""
    assert TimeRange(fixed=(start, end)).label(BERLIN, NOW) == told
