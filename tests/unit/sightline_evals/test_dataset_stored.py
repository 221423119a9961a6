"""Which stored traces are chosen: by the value of a score, by the label or the value of feedback."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from sightline_evals.datasets import stored
from sightline_evals.datasets.stored import Feedback, Wanted
from sightline_store.questions.asking import Filters

WINDOW = Filters(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC))


class _Store:
    """Answers every question for rows with the same ones, as many as are asked for; it has no rollups."""

    def __init__(self, *judged: tuple[float | None, str]) -> None:
        self._rows = [
            {"trace_id": str(number), "value": value, "label": label, "asked_ms": number}
            for number, (value, label) in enumerate(judged)
        ]

    def query_rows(self, _: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        return self._rows[: (params or {}).get("limit", 0)]


def test_only_values_below_count() -> None:
    """A judge that failed gave no value, and a value equal to the bound is not below it."""
    store: Any = _Store((0.1, ""), (0.5, ""), (None, "judge failed"))
    assert stored.scored_below(store, WINDOW, "faithfulness", 0.5, 10) == [Wanted("0", 0)]


@pytest.mark.parametrize(
    ("value", "label", "kind"),
    [
        (0, "thumbs_down", Feedback.DOWN),
        (1, "thumbs_up", Feedback.UP),
        (None, "thumbs_down", Feedback.DOWN),
        (None, "thumbs_up", Feedback.UP),
        (5, "thumbs_down", Feedback.DOWN),
        (0, "", Feedback.DOWN),
        (-1, "angry", Feedback.DOWN),
        (0.5, "", Feedback.UP),
        (None, "angry", None),
    ],
)
def test_the_label_of_feedback_goes_before_its_value(value: float | None, label: str, kind: Feedback | None) -> None:
    """A word of its own without a value says neither."""
    store: Any = _Store((value, label))
    for asked in Feedback:
        found = stored.with_feedback(store, WINDOW, asked, "feedback", 10)
        assert found == ([Wanted("0", 0)] if asked is kind else [])


def test_the_limit_counts_what_is_of_the_kind() -> None:
    """Feedback of the other kind before it does not use it up."""
    store: Any = _Store((0, ""), (1, ""), (0, ""), (1, ""), (1, ""))
    assert stored.with_feedback(store, WINDOW, Feedback.UP, "feedback", 2) == [Wanted("1", 1), Wanted("3", 3)]


@pytest.mark.parametrize(
    ("newest_first", "reference"),
    [
        ([("review", "Ann", ""), ("review.correction", "Ann", "Use b.")], "Use b."),
        ([("review", "Ann", ""), ("review", "Ann", ""), ("review.correction", "Ann", "Use b.")], ""),
        ([("review", "Bob", ""), ("review", "Ann", ""), ("review.correction", "Ann", "Use b.")], "Use b."),
        ([("review.correction", "Ann", "Use b."), ("feedback", "", "no")], "Use b."),
        ([("review.correction", "Ann", ""), ("review", "Ann", "")], ""),
    ],
)
def test_a_correction_holds_until_its_reviewer_reviews_again(
    newest_first: list[tuple[str, str, str]], reference: str
) -> None:
    """Who reviews an answer anew without a correction takes the earlier one back; others do not."""
    rows = [{"name": name, "judge": judge, "explanation": text} for name, judge, text in newest_first]
    assert stored._correction(rows) == reference
