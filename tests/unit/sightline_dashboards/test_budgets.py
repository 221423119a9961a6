"""Where token budgets stand: shares, pace, when they run out."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sightline_dashboards import budgets

NOON = datetime(2026, 12, 31, 12, tzinfo=UTC)


def told(hour: float, used: int, *, owner: str = "tenant acme", name: str = "tokens_per_day", limit: int = 1000) -> Any:
    """A row of `queries.budgets_over_time`: what was used at an hour of the day."""
    at = NOON.timestamp() + (hour - 12) * 3600
    return {
        "bucket": int(at // 3600 * 3600), "owner": owner, "name": name, "token_limit": limit, "used_tokens": used,
        "told_ms": at * 1000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "share", "per_hour", "says"),
    [
        ([told(12, 300)], 0.3, None, "unknown"),
        ([told(10, 300), told(12, 500)], 0.5, 100, "in 5 h"),
        ([told(10, 300), told(12, 320)], 0.32, 10, "not before it is full again in 12 h"),
        ([told(10, 300), told(12, 1100)], 1.1, 400, "now; full again in 12 h"),
        ([told(10, 300, name="answers"), told(12, 1000, name="answers")], 1.0, 350, "now"),
        ([told(10, 500), told(12, 500)], 0.5, 0, "unknown"),
        ([told(-2, 900), told(2, 100), told(12, 200)], 0.2, 200 / 14, "not before it is full again in 12 h"),
    ],
)
def test_share_pace_and_end(rows: list[Any], share: float, per_hour: float | None, says: str) -> None:
    """A value below the one before begins another period; a budget that is spent before its period ends says when."""
    (standing,) = budgets.standings(rows, NOON)
    assert standing.share == pytest.approx(share)
    assert standing.per_hour == (None if per_hour is None else pytest.approx(per_hour))
    assert standing.runs_out(NOON) == says


def test_a_budget_whose_period_is_over_is_empty() -> None:
    """Nothing was told since midnight: yesterday's use is not today's."""
    (standing,) = budgets.standings([told(-1, 990)], NOON)
    assert (standing.used, standing.period_end) == (0, datetime(2027, 1, 1, tzinfo=UTC))


def test_periods_end_at_midnight_utc() -> None:
    """Of the day, and of the last day of the month."""
    assert budgets.period_end("user_tokens_per_day", NOON) == datetime(2027, 1, 1, tzinfo=UTC)
    assert budgets.period_end("tokens_per_month", datetime(2024, 2, 29, 1, tzinfo=UTC)) == datetime(
        2024, 3, 1, tzinfo=UTC
    )
    assert budgets.period_end("answers", NOON) is None


def test_the_fullest_come_first_and_are_drawn() -> None:
    """Budgets of several owners; the chart holds those that were chosen."""
    rows = [told(11, 10, owner="user acme/1"), told(11, 900), told(12, 950)]
    first, second = budgets.standings(rows, NOON)
    assert (first.owner, second.owner) == ("tenant acme", "user acme/1")
    assert [(row["budget"], row["share"]) for row in budgets.shares(rows, [first])] == [
        ("tenant acme, tokens per day", 0.9),
        ("tenant acme, tokens per day", 0.95),
    ]
