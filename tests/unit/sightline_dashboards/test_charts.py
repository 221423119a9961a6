"""Charts are made from rows, with holes where nothing was measured."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sightline_dashboards.plotting import axes, charts
from sightline_dashboards.plotting.theme import STAGE_COLOURS
from sightline_store.questions.asking import Filters
from sightline_store.questions.estimates import estimate

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
FILTERS = Filters(start=END - timedelta(hours=1), end=END)
BUCKET = int(FILTERS.start.timestamp())


def latency_row(bucket: int) -> dict[str, Any]:
    """A row of `queries.latency_over_time`."""
    levels = {f"{kind}_{level}_ms": 100.0 for kind in ("ttft", "total") for level in ("p50", "p95", "p99")}
    return {"bucket": bucket, "requests": 3, "errors": 1, "ttft_n": 3, "ttft_definition": "delivered", **levels}


def datasets(chart: Any) -> list[dict[str, Any]]:
    """All rows that a chart carries."""
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


def test_complete_fills_the_window_with_holes() -> None:
    """Every bucket is there once; the empty ones have no values, so that a line breaks."""
    rows = axes.fill_buckets([latency_row(BUCKET + 600)], FILTERS, 300)
    assert [row["bucket"] for row in rows] == list(range(BUCKET, BUCKET + 3600, 300))
    assert sum("requests" in row for row in rows) == 1


@pytest.mark.parametrize(
    ("window", "labels"),
    [
        (timedelta(seconds=90), "%H:%M:%S"),
        (timedelta(minutes=15), "%H:%M"),
        (timedelta(hours=24), "%H:%M"),
        (timedelta(days=2), "%d %b %H:%M"),
    ],
)
def test_labels_of_time_differ_from_tick_to_tick(window: timedelta, labels: str) -> None:
    """Ticks of a short window are closer than a minute, those of a long one lie on several days."""
    axis = axes.time_axis(Filters(start=END - window, end=END))["axis"]
    assert axis["format"] == labels


def test_latency_tooltips_name_every_number_with_its_unit() -> None:
    """A reader who hovers reads sentences, not columns."""
    chart = charts.latency([latency_row(BUCKET), latency_row(BUCKET + 300)], FILTERS, 300)
    told = next(row for row in datasets(chart) if row.get("First token p95"))
    assert told["First token p95"] == "100 ms"
    assert told["Failed"] == "1"


def test_latency_says_whose_first_token_it_shows() -> None:
    """A chunk of the model's stream is never called a first token."""
    rows = [{**latency_row(BUCKET), "ttft_definition": "first_chunk"}]
    series = {row["series"] for row in datasets(charts.latency(rows, FILTERS, 300)) if "series" in row}
    assert series == {"Model's first chunk", "Total"}


def test_cascade_begins_each_stage_where_the_last_ended() -> None:
    """The end of the last bar is the time to first token."""
    rows = [
        {"stage": stage, "slow_ms": ms, "p50_ms": ms, "p95_ms": ms, "sampled": 1, "slow_n": 5}
        for stage, ms in (("guard", 5.0), ("search", 40.0), ("tool", 0.0), ("model", 200.0))
    ]
    told = sorted({(row["from"], row["to"], row["stage"]) for row in datasets(charts.stage_cascade(rows, "slow_ms"))})
    assert told == [(0.0, 5.0, "guard"), (5.0, 45.0, "search"), (45.0, 245.0, "model")]


def test_stacked_bars_draw_no_unknown_cost() -> None:
    """An unpriced model is absent, not at 0."""
    rows = [
        {"bucket": BUCKET, "model_name": "priced", "cost_usd": 0.5},
        {"bucket": BUCKET, "model_name": "", "cost_usd": 0.25},
        {"bucket": BUCKET, "model_name": "mystery", "cost_usd": None},
    ]
    drawn = datasets(charts.stacked_bars(rows, "cost_usd", "model_name", FILTERS, 300, unit="usd"))
    bars = [row for row in drawn if "Of" in row]
    assert [(row["Of"], row["foot"], row["top"]) for row in bars] == [("priced", 0.0, 0.5), ("(not named)", 0.5, 0.75)]


def test_stage_colours_are_the_fixed_ones() -> None:
    """The same stage has the same colour on every page."""
    rows = [{"bucket": BUCKET, "stage": stage, "mean_ms": 10.0} for stage in ("search", "model")]
    _, bars = charts.stage_over_time(rows, "mean_ms", FILTERS, 300).layers
    scale = bars["encoding"]["color"]["scale"]
    assert scale["range"] == [STAGE_COLOURS["search"], STAGE_COLOURS["model"]]


def test_scores_carry_their_interval() -> None:
    """Each mean has a band; a bucket without a judged answer has neither."""
    same = {"name": "f", "is_binary": 0, "judges": [], "notes": []}
    rows: list[dict[str, Any]] = [
        {**same, "bucket": BUCKET, "n": 9, "failed": 0, "mean": 0.9, "sd": 0.1},
        {**same, "bucket": BUCKET + 300, "n": 0, "failed": 2, "mean": None, "sd": None},
    ]
    for row in rows:
        row["estimate"] = estimate(row["mean"], row["sd"], row["n"])
    known = [row for row in datasets(charts.scores(rows, FILTERS, 300)) if row["mean"] is not None]
    assert len(known) == 1
    assert known[0]["low"] < 0.9 < known[0]["high"]


def test_shares_and_failures_and_top_scores_are_drawn() -> None:
    """The remaining charts turn rows into specifications without an error."""
    found = {"bucket": BUCKET, "searches": 9, "errors": 1, "empty": 2, "counted": 8, "scored": 6}
    scores = {f"top_score_{level}": 0.5 for level in ("p10", "p50", "p90")}
    assert charts.shares([found], "empty", "counted", FILTERS, 300, name="Empty").to_dict()
    assert charts.failures([latency_row(BUCKET)], FILTERS, 300).to_dict()
    assert charts.top_scores([{**found, **scores}], FILTERS, 300).to_dict()
