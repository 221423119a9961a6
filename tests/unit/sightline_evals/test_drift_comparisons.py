"""What is compared with what, and which windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sightline_evals.drift import comparisons, windows
from sightline_evals.errors import UsageError
from sightline_store.questions import drift

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = 86_400.0


def _row(is_current: bool, searches: int, **others: Any) -> dict[str, Any]:
    return {
        "is_current": int(is_current),
        "searches": searches,
        "collection": "Docs",
        "operation": "hybrid",
        "embedding": "m",
        "embedding_version": "1",
        "index_version": "v1",
        "sketch_version": "cs1:sightline:32:384",
        "tenant": "",
        "unlike": 0,
        "unlike_embedding": "",
        **others,
    }


def test_one_series_is_one_comparison() -> None:
    """The same index in both windows needs no word about it."""
    planned = comparisons.plan([_row(False, 900), _row(True, 300)], min_n=100)
    assert planned.comparisons == (
        drift.Comparison(
            collection="Docs",
            operation="hybrid",
            embedding="m",
            embedding_version="1",
            sketch_version="cs1:sightline:32:384",
        ),
    )
    assert planned.mismatches == ()
    assert planned.too_few == ()


def test_tenants_are_segments_where_both_windows_have_enough() -> None:
    """The small one is named as too small, the whole stays first."""
    rows = [_row(now, n, tenant=t) for now in (False, True) for t, n in (("a", 300), ("b", 150), ("c", 20))]
    planned = comparisons.plan(rows, min_n=100)
    assert [each.tenant for each in planned.comparisons] == ["", "a", "b"]
    assert [(each.tenant, before, after) for each, before, after in planned.too_few] == [("c", 20, 20)]


def test_one_tenant_alone_is_no_segment() -> None:
    """It would be the whole a second time."""
    rows = [_row(False, 300, tenant="a"), _row(True, 300, tenant="a")]
    assert len(comparisons.plan(rows, min_n=100).comparisons) == 1


def test_a_new_index_is_compared_with_what_there_was() -> None:
    """A version that the reference has is compared with itself, a new one with any."""
    rows = [_row(False, 900), _row(True, 200), _row(True, 400, index_version="v2")]
    found = comparisons.plan(rows, min_n=100).comparisons
    assert [(each.current_index, each.reference_index) for each in found] == [("v2", drift.ANY_INDEX), ("v1", "v1")]


def test_a_new_embedding_is_told_at_once_and_never_compared() -> None:
    """Its series has no reference."""
    planned = comparisons.plan([_row(False, 900), _row(True, 300, embedding_version="2")], min_n=100)
    assert planned.comparisons == ()
    assert [(each.kind, each.was, each.now, each.searches) for each in planned.mismatches] == [
        ("new_embedding", "m 1", "m 2", 300)
    ]
    assert [(before, after) for _, before, after in planned.too_few] == [(0, 300)]


def test_a_query_embedded_unlike_its_index_is_told_at_once() -> None:
    """However few they are; the reference's are history."""
    rows = [_row(False, 9, unlike=9, unlike_embedding="m 0"), _row(True, 3, unlike=2, unlike_embedding="other 1")]
    (found,) = comparisons.plan(rows, min_n=100).mismatches
    assert (found.kind, found.was, found.now, found.searches) == ("unlike_embedding", "m 1", "other 1", 2)


def test_sketches_of_another_length_are_told_at_once() -> None:
    """The embedding's name may be the same."""
    rows = [_row(False, 300), _row(True, 300, sketch_version="cs1:sightline:32:768")]
    planned = comparisons.plan(rows, min_n=100)
    assert [(each.kind, each.now) for each in planned.mismatches] == [("new_sketch", "cs1:sightline:32:768")]


def test_nothing_searched_is_nothing_planned() -> None:
    """An empty store raises nothing."""
    planned = comparisons.plan([], min_n=100)
    assert (planned.comparisons, planned.too_few, planned.mismatches) == ((), (), ())


def test_previous_leaves_one_window_for_confirmation() -> None:
    """Seven days that end a day before the current one begins; the day between is not part of the reference."""
    compared = windows.compared(windows.Previous(7), DAY, NOW)
    assert compared.reference_to == NOW - timedelta(days=2)
    assert compared.reference_from == NOW - timedelta(days=9)
    earlier = windows.before(compared, windows.Previous(7))
    assert earlier is not None
    assert (earlier.current_from, earlier.current_to) == (NOW - timedelta(days=2), NOW - timedelta(days=1))
    assert earlier.reference_to == compared.reference_to


def test_seasonal_takes_the_same_hours_a_week_before() -> None:
    """Windows longer than a week take as many weeks as they are long."""
    compared = windows.compared(windows.Seasonal(), 3600, NOW)
    assert compared.reference_to == NOW - timedelta(days=7)
    earlier = windows.before(compared, windows.Seasonal())
    assert earlier is not None
    assert earlier.reference_to == NOW - timedelta(days=7, hours=1)
    assert windows.compared(windows.Seasonal(), 10 * DAY, NOW).reference_to == NOW - timedelta(days=14)


def test_a_window_behind_its_reference_at_once_is_not_confirmed_by_it() -> None:
    """What is part of the reference is no second witness."""
    fixed = windows.Fixed(NOW - timedelta(days=3), NOW - timedelta(days=1))
    assert windows.before(windows.compared(fixed, DAY, NOW), fixed) is None


@pytest.mark.parametrize("text", ["", "yesterday", "pin:", "2026-01-01", "2026-01-01..soon"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    """With the words that would do, or the reason."""
    with pytest.raises(UsageError, match="--reference"):
        windows.parse_reference(text, 7, None)


def test_a_reference_must_be_over_before_the_window_begins() -> None:
    """Overlapping windows would hide what they share."""
    reference = windows.parse_reference("2026-03-09..2026-03-10", 7, None)
    with pytest.raises(UsageError, match="must end before"):
        windows.compared(reference, DAY, NOW)
    with pytest.raises(ValueError, match="time zone"):
        drift.Windows(
            reference_from=datetime(2026, 1, 1),  # noqa: DTZ001
            reference_to=NOW,
            current_from=NOW,
            current_to=NOW + timedelta(1),
        )
