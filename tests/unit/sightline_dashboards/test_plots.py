"""Charts on a page: where a click leads, what a drag selects, and what a refresh changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import altair
import pytest

from sightline_dashboards.plotting import axes, charts, drift_charts, leads, plots
from sightline_dashboards.timeline import clicks, marks
from sightline_store.questions.asking import Filters
from sightline_store.questions.estimates import estimate

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = Filters(start=END - timedelta(hours=1), end=END)
LEVELS = {f"{kind}_{level}_ms": 100.0 for kind in ("ttft", "total") for level in ("p50", "p95", "p99")}
Chart = Any


def bucket(filters: Filters) -> int:
    """The first whole bucket of a window."""
    return int(filters.start.timestamp()) // 60 * 60 + 60


def latency(filters: Filters) -> Chart:
    """A chart of two requests."""
    row = {"requests": 3, "errors": 1, "ttft_n": 3, "ttft_definition": "delivered", **LEVELS}
    return charts.latency([{**row, "bucket": bucket(filters) + 60 * n} for n in range(2)], filters, 60)


def scores(filters: Filters) -> Chart:
    """A chart of one mean."""
    row = {"bucket": bucket(filters), "n": 9, "failed": 0, "mean": 0.9, "sd": 0.1, "estimate": estimate(0.9, 0.1, 9)}
    return charts.scores([{**row, "judges": [], "notes": [], "name": "f", "is_binary": 0}], filters, 60)


def drifted(filters: Filters) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A comparison of two runs, and their verdicts."""
    rows = [
        {
            "at_ms": int((filters.end - timedelta(minutes=n)).timestamp() * 1000), "effect": 0.1, "low": 0.0,
            "high": 0.2, "p": 0.5, "kind": "share", "state": "drift" if n == 9 else "quiet", "key": "",
            "signal": "canaries.recall", "current": 0.5, "current_n": 3,
        }
        for n in (20, 9)
    ]  # fmt: skip
    runs = [{"at_ms": row["at_ms"] + 5, "from_ms": row["at_ms"] - 60_000, "to_ms": row["at_ms"]} for row in rows]
    return rows, runs


OVER_TIME: dict[str, Callable[[Filters], Chart]] = {
    "latency": latency,
    "stages": lambda filters: charts.stage_over_time(
        [{"bucket": bucket(filters), "stage": "search", "mean_ms": 9.0}], "mean_ms", filters, 60
    ),
    "cost": lambda filters: charts.stacked_bars(
        [{"bucket": bucket(filters), "model_name": "m", "cost_usd": 0.5}],
        "cost_usd",
        "model_name",
        filters,
        60,
        unit="usd",
    ),
    "failures": lambda filters: charts.failures([{"bucket": bucket(filters), "errors": 1, "requests": 3}], filters, 60),
    "scores": scores,
    "top_scores": lambda filters: charts.top_scores(
        [{"bucket": bucket(filters), "searches": 9, **{f"top_score_{level}": 0.5 for level in ("p10", "p50", "p90")}}],
        filters,
        60,
    ),
    "shares": lambda filters: charts.shares(
        [{"bucket": bucket(filters), "empty": 1, "counted": 4}], "empty", "counted", filters, 60, name="Empty"
    ),
    "budgets": lambda filters: charts.budgets(
        [{"bucket": bucket(filters), "budget": "tenant acme, tokens per day", "share": 0.4}],
        ["tenant acme, tokens per day"],
        filters,
        60,
    ),
    "drift": lambda filters: drift_charts.effects(*drifted(filters), filters),
    "canaries": lambda filters: drift_charts.canaries(*drifted(filters), filters),
}


def specification(chart: Chart) -> str:
    """What a chart is, without its data: what the browser builds anew when it differs."""
    told = chart.to_dict()
    return json.dumps({**told, "datasets": {name: [] for name in told["datasets"]}}, sort_keys=True)


@pytest.mark.parametrize("name", OVER_TIME)
def test_every_chart_of_time_is_one_of_vega_lite(name: str) -> None:
    """By its schema: the browser draws nothing where a member is misspelled, and says so to nobody."""
    altair.LayerChart.from_dict(json.loads(specification(axes.over_window(OVER_TIME[name](HOUR), HOUR, []))))


def test_the_cascade_of_stages_is_one_of_vega_lite() -> None:
    """The one chart without an axis of time."""
    stages = [{"stage": "search", "slow_ms": 40.0, "p50_ms": 30.0, "p95_ms": 40.0, "sampled": 1, "slow_n": 5}]
    altair.LayerChart.from_dict(json.loads(specification(charts.stage_cascade(stages, "slow_ms"))))


@pytest.mark.parametrize("name", OVER_TIME)
def test_a_refresh_changes_only_data(name: str) -> None:
    """Five seconds later, and with a deploy: the chart is updated in its place, and does not flicker."""
    later = Filters(start=HOUR.start + timedelta(seconds=5), end=HOUR.end + timedelta(seconds=5))
    deploy = marks.Mark(later.start + timedelta(minutes=7), "service", ("Deploy of api: 1 → 2",))
    first = axes.over_window(OVER_TIME[name](HOUR), HOUR, [])
    second = axes.over_window(OVER_TIME[name](later), later, [deploy])
    assert specification(first) == specification(second)


@pytest.mark.parametrize("name", OVER_TIME)
def test_every_chart_of_time_zooms_and_leads_to_traces(name: str) -> None:
    """It has both selections, and the bucket of what is clicked."""
    params = {each["name"]: each for each in axes.over_window(OVER_TIME[name](HOUR), HOUR, []).to_dict()["params"]}
    assert params[clicks.ZOOM]["select"]["encodings"] == ["x"]
    assert "touch" in params[clicks.ZOOM]["select"]["on"]
    assert "bucket" in params[clicks.PICK]["select"]["fields"]


@pytest.mark.parametrize("name", OVER_TIME)
def test_the_axis_is_as_long_as_the_window(name: str) -> None:
    """No moment of the data lies outside, so the ends of the window are those of the axis."""
    told = axes.over_window(OVER_TIME[name](HOUR), HOUR, []).to_dict()
    moments = [
        row[field]
        for rows in told["datasets"].values()
        for row in rows
        for field in ("t", "from", "until")
        if field in row
    ]
    assert min(moments) == HOUR.start
    assert max(moments) == HOUR.end


def test_a_click_opens_the_bucket_narrowed_as_the_chart_is() -> None:
    """The first bucket begins with the window."""
    picked = {"pick": [{"bucket": HOUR.start.timestamp() - 30, "Of": "gpt-4o"}], "zoom": {}}
    assert plots.wanted_of(picked, HOUR, 60, leads.of_model) == {
        "from": "2026-03-01T11:00:00Z", "to": "2026-03-01T11:00:30Z", "model": "gpt-4o", "sort": "cost",
    }  # fmt: skip
    assert plots.wanted_of({"pick": [], "zoom": {}}, HOUR, 60, leads.of_model) is None
    assert plots.wanted_of({"pick": [{"bucket": 0}], "zoom": {}}, HOUR, 60, leads.of_model) is None
    assert plots.wanted_of({"pick": [{"stage": "search"}]}, HOUR, 0, leads.of_stage) == {
        "q": "stage:search", "sort": "ttft",
    }  # fmt: skip


def test_a_drag_wins_over_the_click_that_ends_it() -> None:
    """Browsers send both."""
    ends = [(HOUR.start + timedelta(minutes=minute)).timestamp() * 1000 for minute in (10, 20)]
    wanted = plots.wanted_of({"zoom": {"t": ends}, "pick": [{"bucket": bucket(HOUR)}]}, HOUR, 60, leads.slowest)
    assert wanted == clicks.Zoomed(HOUR.start + timedelta(minutes=10), HOUR.start + timedelta(minutes=20, seconds=1))


@pytest.mark.parametrize(
    ("lead", "clicked", "params"),
    [
        (leads.slowest, {}, {"sort": "ttft"}),
        (leads.of_stage, {"Of": "model"}, {"sort": "ttft", "q": "stage:model"}),
        (leads.of_stage, {"stage": "delivery"}, {"sort": "ttft"}),
        (leads.of_model, {"Of": "embeddings"}, {"sort": "cost"}),
        (leads.of_model, {"Of": "(not named)"}, {"sort": "cost"}),
        (leads.of_service, {"Of": "rag api"}, {"q": 'service:"rag api"'}),
        (leads.of_service, {}, {}),
        (leads.of_outcome, {"Of": "failed"}, {"failed": "1"}),
        (leads.of_outcome, {"Of": "answered"}, {}),
        (leads.of_budget, {"Budget": "tenant acme, tokens per day"}, {"sort": "cost", "tenant": "acme"}),
        (leads.of_budget, {"Budget": "user ann, tokens per day"}, {"sort": "cost", "q": "user:ann"}),
        (leads.of_budget, {"Budget": "all, tokens per day"}, {"sort": "cost"}),
        (leads.scored("groundedness"), {}, {"sort": "groundedness"}),
        (leads.scored("retrieval_hit_at_5"), {}, {"q": "score.retrieval_hit_at_5<=1"}),
        (leads.scored("two words"), {}, {}),
        (leads.searched, {}, {"q": "stage:search"}),
        (
            leads.of_run,
            {"from_ms": 1_772_362_800_000, "to_ms": 1_772_366_400_000.0},
            {"from": "2026-03-01T11:00:00Z", "to": "2026-03-01T12:00:00Z"},
        ),
        (leads.of_run, {}, {}),
    ],
)
def test_what_is_clicked_narrows_the_list(
    lead: Callable[[dict[str, Any]], dict[str, str]], clicked: dict[str, Any], params: dict[str, str]
) -> None:
    """By what the list can be narrowed to; the rest of the chart's meaning stays with the range."""
    assert lead(clicked) == params
