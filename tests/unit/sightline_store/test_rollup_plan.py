"""Which part of a window is read from rollups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_store.questions.asking import Filters
from sightline_store.questions.conditions import sql_text
from sightline_store.rollups import plan as planning
from sightline_store.rollups.plan import Coverage, Reads, choose, plan
from sightline_store.rollups.tables import DAY, FORMAT, HOUR, MINUTE, Sets

DAY_S = 1_800_057_600  # midnight
LENGTHS = (DAY, HOUR, MINUTE)


def window(start_s: float, end_s: float, **narrowed: str) -> Filters:
    """A window in epoch seconds."""
    return Filters(start=datetime.fromtimestamp(start_s, UTC), end=datetime.fromtimestamp(end_s, UTC), **narrowed)


def covered(until_s: int, **more: Any) -> Coverage:
    """Rollups of three days before a moment, and minutes of the last one."""
    return Coverage(
        {
            DAY: range(DAY_S, until_s - DAY + 1, DAY),
            HOUR: range(DAY_S, until_s - HOUR + 1, HOUR),
            MINUTE: range(until_s - DAY, until_s - MINUTE + 1, MINUTE),
        },
        **more,
    )


def test_a_window_is_days_with_hours_and_minutes_at_its_edges() -> None:
    """And rows before the first hour, whose minutes are gone, and behind the last minute."""
    until = DAY_S + 3 * DAY + 2 * HOUR + 7 * MINUTE
    found = choose(covered(until), window(DAY_S + 100, until + 90), Sets.ALL)
    assert found is not None
    assert found.ranges == (
        (HOUR, DAY_S + HOUR, DAY_S + DAY),
        (DAY, DAY_S + DAY, DAY_S + 3 * DAY),
        (HOUR, DAY_S + 3 * DAY, DAY_S + 3 * DAY + 2 * HOUR),
        (MINUTE, DAY_S + 3 * DAY + 2 * HOUR, until),
    )
    assert found.params()["periods"] == [HOUR, DAY, HOUR, MINUTE]
    assert found.params()["rolled_to"] == "2027-01-19 02:07:00.000"


def test_no_period_lies_in_two_buckets() -> None:
    """Buckets of twelve hours are made of hours, those of seconds of rows."""
    asked = window(DAY_S, DAY_S + 3 * DAY)
    found = choose(covered(DAY_S + 3 * DAY), asked, Sets.ALL, bucket_s=12 * HOUR)
    assert found is not None
    assert {length for length, _, _ in found.ranges} == {HOUR}
    assert choose(covered(DAY_S + 3 * DAY), asked, Sets.ALL, bucket_s=90) is None


def test_no_period_holds_two_prices() -> None:
    """A price that begins at 13:30 divides its day and its hour, one of each evening every day; counts do not mind."""
    until = DAY_S + 3 * DAY
    asked = window(DAY_S, until)
    cut = DAY_S + 2 * DAY + 13 * HOUR + 1800
    found = choose(covered(until, cuts=[cut]), asked, Sets.ALL, with_prices=True)
    assert found is not None
    assert (MINUTE, cut - 1800, cut + 1800) in found.ranges
    assert all(not first < cut < after for length, first, after in found.ranges if length != MINUTE)
    nightly = choose(covered(until, times=[18 * HOUR]), asked, Sets.ALL, with_prices=True)
    assert nightly is not None
    assert {length for length, _, _ in nightly.ranges} == {HOUR}
    for odd in (1234, 16_000, 200_500):
        assert choose(covered(until, steps=[-1, odd]), asked, Sets.ALL, with_prices=True) is None
        assert choose(covered(until, steps=[-1, odd]), asked, Sets.ALL) is not None
    assert choose(covered(until, steps=[-1, 200_000]), asked, Sets.ALL, with_prices=True) is not None


def test_who_may_not_see_all_tenants_reads_one_tenant_or_rows() -> None:
    """What is added up over tenants is not there for a reader of one tenant."""
    until = DAY_S + 3 * DAY
    mine = covered(until, sees_all=False)
    assert choose(mine, window(DAY_S, until), Sets.ALL) is None
    assert choose(mine, window(DAY_S, until), Sets.ROUTE) is None
    assert choose(mine, window(DAY_S, until), Sets.TENANT) is not None


class _Asked:
    """Remembers whether it was asked, and has no rollups."""

    def __init__(self) -> None:
        self.questions = 0

    def query_rows(self, sql: str, params: Any = None) -> list[dict[str, Any]]:
        """Count."""
        self.questions += 1
        return []


@pytest.mark.parametrize(
    ("hours", "narrowed", "reads"),
    [
        (23, {}, Reads.REQUESTS),
        (48, {"model": "m"}, Reads.SPANS),
        (48, {"tenant": "t", "model": "m"}, Reads.STAGES),
        (48, {"tenant": "t", "route": "/"}, Reads.REQUESTS),
        (48, {"tenant": "t", "route": "/"}, Reads.CALLS),
    ],
)
def test_what_rollups_do_not_have_is_not_asked_for(hours: int, narrowed: dict[str, str], reads: Reads) -> None:
    """Short windows, and what a table cannot be narrowed to."""
    asked = _Asked()
    assert plan(asked, window(DAY_S, DAY_S + hours * HOUR, **narrowed), [reads]) is None
    assert asked.questions == 0
    assert plan(asked, window(DAY_S, DAY_S + 48 * HOUR), [reads]) is None
    assert asked.questions == 1


class _Made:
    """Has two days of a format."""

    def __init__(self, rows_format: int, cut: int = 0) -> None:
        self._row = {
            "cut": cut, "format": rows_format, "minutes": [], "hours": [], "days": [DAY_S, DAY_S + DAY],
            "of_hours": 0, "of_days": 4 * planning.FEWEST_ROWS, "sees_all": 1,
        }  # fmt: skip

    def query_rows(self, sql: str, params: Any = None) -> list[dict[str, Any]]:
        """The coverage, or no change of prices."""
        return [self._row] if sql == sql_text("rollups/coverage.sql") else [{}]


@pytest.mark.parametrize(
    ("narrowed", "reads", "read"),
    [
        ({}, [Reads.REQUESTS, Reads.CALLS], ("all", "all", "all", 0)),
        ({"tenant": "t"}, [Reads.REQUESTS, Reads.CALLS, Reads.SCORES], ("tenant", "tenant", "tenant", 2)),
        ({"route": "/"}, [Reads.REQUESTS], ("route", "route", "route", 0)),
        ({"route": "/"}, [Reads.REQUESTS, Reads.CALLS, Reads.SCORES], ("route", "route", "route", 3)),
        ({"model": "m"}, [Reads.CALLS], ("all", "all", "all", 0)),
        ({"model": "m"}, [Reads.REQUESTS, Reads.CALLS, Reads.SCORES], ("model", "all", "all", 3)),
        ({"model": "m"}, [Reads.STAGES], ("model", "model", "all", 3)),
        ({"model": "m", "route": "/"}, [Reads.CALLERS], ("route", "route", "route", 3)),
        ({"model": "m", "tenant": "t"}, [Reads.EMBEDDINGS], ("tenant", "tenant", "tenant", 2)),
    ],
)
def test_what_a_question_is_narrowed_to_decides_its_sets(
    narrowed: dict[str, str], reads: list[Reads], read: tuple[str, str, str, int]
) -> None:
    """A model is a column of the rows of calls, and a set of all others; older periods answer what they have."""
    asked = window(DAY_S, DAY_S + 2 * DAY, **narrowed)
    *wanted, since_format = read
    for rows_format in range(FORMAT + 1):
        found = plan(_Made(rows_format), asked, reads)
        assert (found is not None) is (rows_format >= since_format)
        if found is not None:
            params = found.params()
            assert [params["set"], params["call_set"], *params["sets"]] == wanted


def test_a_set_that_was_cut_is_not_read() -> None:
    """Neither that of requests nor that of calls, where a question reads both."""
    asked = window(DAY_S, DAY_S + 2 * DAY, model="m")
    for cut, can_answer in ((Sets.MODEL, False), (Sets.ALL, False), (Sets.ROUTE | Sets.TENANT, True)):
        found = plan(_Made(FORMAT, int(cut)), asked, [Reads.REQUESTS, Reads.CALLS])
        assert (found is not None) is can_answer


def test_spending_by_tenant_of_a_route_reads_rows() -> None:
    """The calls of a route are not told apart by tenant."""
    of_route = window(DAY_S, DAY_S + 2 * DAY, route="/")
    assert plan(_Made(FORMAT), of_route, [Reads.CALLERS], rows_by=Sets.TENANT) is None
    of_model = plan(_Made(FORMAT), window(DAY_S, DAY_S + 2 * DAY, model="m"), [Reads.CALLERS], rows_by=Sets.TENANT)
    assert of_model is not None
    assert of_model.call_by is Sets.TENANT


@given(
    st.integers(0, 3 * 1440 - 1),
    st.integers(1, 3 * 1440),
    st.sets(st.integers(0, 71), max_size=8),
    st.lists(st.integers(0, 3 * DAY), max_size=4),
    st.sampled_from([0, 60, 3600, 7200, DAY]),
)
def test_a_plan_is_of_periods_that_are_there_without_gaps(
    begin: int, minutes: int, missing: set[int], cuts: list[int], bucket_s: int
) -> None:
    """Whatever is missing, and wherever prices change."""
    gone = {DAY_S + hour * HOUR for hour in missing}
    starts = {
        DAY: [DAY_S + day * DAY for day in range(3) if not any(hour // 24 == day for hour in missing)],
        HOUR: [start for start in range(DAY_S, DAY_S + 3 * DAY, HOUR) if start not in gone],
        MINUTE: [
            start for start in range(DAY_S + 2 * DAY, DAY_S + 3 * DAY, MINUTE) if start // HOUR * HOUR not in gone
        ],
    }
    moments = sorted(DAY_S + cut for cut in cuts)
    asked = window(DAY_S + begin * 60 + 0.5, DAY_S + (begin + minutes) * 60 + 0.25)
    found = choose(Coverage(starts, cuts=moments), asked, Sets.ALL, bucket_s=bucket_s, with_prices=True)
    if found is None:
        return
    at = found.ranges[0][1]
    for length, first, after in found.ranges:
        assert first == at
        assert (after - first) % length == 0
        for start in range(first, after, length):
            assert start in starts[length]
            assert not any(start < moment < start + length for moment in moments)
            assert not bucket_s or start // bucket_s == (start + length - 1) // bucket_s
        at = after
    assert asked.start.timestamp() <= found.ranges[0][1]
    assert at <= asked.end.timestamp()
    assert at - found.ranges[0][1] >= asked.duration / timedelta(seconds=2)
    assert planning.RANK_ERROR <= 0.01
