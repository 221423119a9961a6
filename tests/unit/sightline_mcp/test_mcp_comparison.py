"""Two windows side by side: differences, their intervals, and what may not be compared."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sightline_mcp.comparison import Metric, WindowRows, compare, difference
from sightline_store.questions.asking import Filters
from sightline_store.questions.estimates import Estimate, estimate
from sightline_store.questions.queries import Overview

_NOW = Filters(start=datetime(2026, 3, 1, 12, tzinfo=UTC), end=datetime(2026, 3, 1, 14, tzinfo=UTC))
_NOTHING = estimate(None, None, 0)
_OVERVIEW = Overview(
    requests=100,
    errors=10,
    ttft_n=90,
    ttft_definition="delivered",
    ttft_p50_ms=200.0,
    ttft_p95_ms=400.0,
    total_p50_ms=1000.0,
    total_p95_ms=2000.0,
    llm_calls=100,
    unpriced_calls=0,
    input_tokens=1000,
    output_tokens=None,
    cost_usd=1.0,
    groundedness=estimate(0.9, 0.1, 50),
    groundedness_failed=0,
    faithfulness=_NOTHING,
    faithfulness_failed=0,
    hit_at_5=_NOTHING,
)


def _rows(overview: Overview = _OVERVIEW, asked: Filters = _NOW, **rows: Any) -> WindowRows:
    return WindowRows(asked, overview, **{"stage_stack": [], "errors_by_type": [], "spend_by": [], **rows})


def _metrics(before: WindowRows, now: WindowRows) -> dict[str, Metric]:
    return {metric.name: metric for metric in compare(before, now).metrics}


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """The first example of the paper's table II: 56 of 70 against 48 of 80 is 0.0524 to 0.3339."""
    low, high = difference(estimate(48 / 80, None, 80), estimate(56 / 70, None, 70))
    assert (low, high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))
    assert difference(_NOTHING, estimate(0.5, None, 10)) == (None, None)


def test_differences_have_their_unit_and_their_counts() -> None:
    """Now less before, and as a share of before; rates are of an hour, so that windows may differ in length."""
    now = replace(_OVERVIEW, ttft_p50_ms=250.0, requests=50, errors=10, cost_usd=1.0)
    half = Filters(start=_NOW.end, end=_NOW.end + timedelta(hours=1))
    told = _metrics(_rows(), _rows(now, half))
    assert (told["ttft_p50"].difference, told["ttft_p50"].change, told["ttft_p50"].unit) == (50.0, 0.25, "ms")
    assert told["requests_per_hour"].difference == 0.0
    assert told["error_rate"].difference == pytest.approx(0.1)
    assert told["error_rate"].low is not None
    assert told["error_rate"].low < 0.1
    assert (told["error_rate"].before_n, told["error_rate"].now_n) == (100, 50)
    assert told["cost_per_request"].change == pytest.approx(1.0)


def test_unknown_is_null_and_not_zero() -> None:
    """A side without tokens or scores has no difference; nothing is divided by zero."""
    empty = replace(_OVERVIEW, requests=0, errors=0, ttft_n=0, ttft_p50_ms=None, groundedness=_NOTHING, cost_usd=None)
    told = compare(_rows(), _rows(empty))
    metrics = {metric.name: metric for metric in told.metrics}
    for name in ("ttft_p50", "error_rate", "groundedness", "cost", "cost_per_request", "output_tokens_per_request"):
        assert (metrics[name].difference, metrics[name].change, metrics[name].low) == (None, None, None)
    assert "The window 'now' holds no request." in told.notes


def test_times_of_two_definitions_are_not_subtracted() -> None:
    """A model's first chunk comes before the token that the user has."""
    told = _metrics(_rows(), _rows(replace(_OVERVIEW, ttft_definition="first_chunk", ttft_others=3)))
    assert told["ttft_p50"].difference is None
    assert "not comparable" in told["ttft_p50"].note


def test_stages_errors_and_models_of_either_window_are_told() -> None:
    """What is new, what is gone and what moved most comes first; a model without a price stays unknown."""
    before = _rows(
        stage_stack=[{"stage": "search", "mean_ms": 10.0}, {"stage": "model", "mean_ms": 100.0}],
        errors_by_type=[{"error_type": "Gone", "requests": 2, "trace_id": "a"}],
        spend_by=[{"name": "m", "calls": 5, "cost_usd": None}],
    )
    now = _rows(
        stage_stack=[{"stage": "search", "mean_ms": 60.0}, {"stage": "model", "mean_ms": 90.0}],
        errors_by_type=[{"error_type": "New", "requests": 7, "trace_id": "b"}],
        spend_by=[{"name": "m", "calls": 6, "cost_usd": 0.5}],
    )
    told = compare(before, now)
    assert [(each.stage, each.difference_ms) for each in told.first_token_stages] == [
        ("search", 50.0),
        ("model", -10.0),
    ]
    assert [(each.error_type, each.before, each.now, each.newest_trace_id) for each in told.errors] == [
        ("New", 0, 7, "b"),
        ("Gone", 2, 0, "a"),
    ]
    assert [(each.model, each.before_usd, each.now_usd) for each in told.models] == [("m", None, 0.5)]


def test_an_estimate_without_an_interval_has_no_difference() -> None:
    """An `Estimate` is None as a whole or not at all; half of one is treated as none."""
    assert difference(Estimate(0.5, None, None, 3), estimate(0.5, None, 3)) == (None, None)
