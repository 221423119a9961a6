"""What counts as a change in the traffic."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sightline_store.questions import changes


def used(*buckets: dict[str, int], kind: str = "model", subject: str = "api") -> list[dict[str, Any]]:
    """Rows of the question: how often each value was used, a bucket."""
    return [
        {"kind": kind, "subject": subject, "value": value, "bucket": 60 * place, "uses": uses,
         "first_ms": 60_000 * place + 100}
        for place, bucket in enumerate(buckets)
        for value, uses in bucket.items()
    ]  # fmt: skip


def told(rows: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """From what to what, and in which bucket."""
    return [(each["was"], each["value"], each["at_ms"] // 60_000) for each in changes.found_in(rows)]


def test_a_value_that_was_not_used_before_is_a_change() -> None:
    """From the one that was used most; what a subject begins with is none."""
    assert told(used({"a": 9, "b": 1}, {"a": 9, "c": 9}, {"c": 9})) == [("a", "c", 1)]
    assert told(used({"a": 99}, {"a": 99, "b": 1}, {"b": 99})) == [("a", "b", 1)]
    assert told(used({"a": 9})) == []
    assert told([]) == []


def test_a_change_is_told_after_three_uses() -> None:
    """One could be chance; a deploy of now is told nevertheless."""
    assert told(used({"a": 99}, {"b": 2})) == []
    assert told(used({"a": 99}, {"b": 2}, {"b": 1})) == [("a", "b", 1)]


def test_a_rollback_is_a_change() -> None:
    """The old value is none of the last 20 uses, and the traffic is back on it."""
    rows = used({"1": 9}, {"1": 3, "2": 6}, *[{"2": 9}] * 4, {"2": 3, "1": 6}, {"1": 9})
    assert told(rows) == [("1", "2", 1), ("2", "1", 6)]


def test_values_that_share_the_traffic_do_not_alternate() -> None:
    """A rare model that comes and goes did not change anything."""
    rare = [{"a": 9}] * 5 + [{"a": 9, "rare": 1}]
    assert told(used(*rare * 4)) == []
    assert told(used({"a": 1}, {"rare": 1}, *[{"a": 1}] * 30, {"rare": 1}, {"a": 1})) == []
    assert told(used({"a": 4, "b": 4}, *[{"a": 3, "b": 5}, {"b": 4}, {"a": 4}] * 9)) == []


def test_subjects_and_kinds_do_not_mix() -> None:
    """Two services may use different models; changes come in the order of time."""
    rows = [
        *used({"a": 9}, {}, {"b": 9}),
        *used({"b": 9}, {"c": 9}, subject="other"),
        *used({"a": 9}, {"b": 9}, kind="service"),
    ]
    assert [(each["kind"], each["subject"], each["value"]) for each in changes.found_in(rows)] == [
        ("model", "other", "c"),
        ("service", "api", "b"),
        ("model", "api", "b"),
    ]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(1, 30), max_size=3), max_size=30))
def test_a_change_is_to_something_else(buckets: list[dict[str, int]]) -> None:
    """Which was used in that bucket and not in the one before."""
    for was, value, bucket in told(used(*buckets)):
        assert was != value
        assert value in buckets[bucket]
        assert value not in buckets[bucket - 1]
