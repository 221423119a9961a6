"""The questions about a window of traffic, asked of a real store, against answers computed from the same traffic."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
import queries_traffic
from questioned_store import DATABASE, END, HOURS, REQUESTS, Filled, ttft_ms

from sightline_store.questions import flags, queries, request_lists
from sightline_store.questions.asking import Filters


def _exact(values: list[float], level: float) -> float:
    return sorted(values)[int(level * len(values))]


def test_overview_counts_what_was_sent(filled: Filled, window: Filters) -> None:
    """Requests, errors, percentiles, tokens, cost and scores are those of the traffic, to the last."""
    told = queries.overview(filled.client, window)
    roots, calls = filled.roots(), filled.spans("model")
    assert told.requests == len(roots)
    assert told.errors == sum(root["StatusCode"] == "Error" for root in roots)
    times = [ttft for root in roots if (ttft := ttft_ms(root)) is not None]
    assert told.ttft_n == len(times)
    assert told.ttft_p95_ms == pytest.approx(_exact(times, 0.95))
    assert told.total_p50_ms == pytest.approx(_exact([root["Duration"] / 1e6 for root in roots], 0.5))
    sums = {
        kind: sum(int(c["SpanAttributes"].get(f"gen_ai.usage.{kind}_tokens", 0)) for c in calls)
        for kind in ("input", "output")
    }
    assert (told.input_tokens, told.output_tokens) == (sums["input"], sums["output"])
    priced = [c["SpanAttributes"] for c in calls if c["SpanAttributes"]["gen_ai.request.model"] != "mystery-7b"]
    cost = sum(
        int(a.get("gen_ai.usage.input_tokens", 0)) * 0.15e-6 + int(a.get("gen_ai.usage.output_tokens", 0)) * 0.6e-6
        for a in priced
    )
    assert told.cost_usd == pytest.approx(cost, rel=1e-9)
    assert told.unpriced_calls == sum(
        c["SpanAttributes"]["gen_ai.request.model"] == "mystery-7b" or c["StatusCode"] == "Error" for c in calls
    )
    scores = [score["LogAttributes"] for trace in filled.traces for score in trace.scores]
    faith = [a for a in scores if a["gen_ai.evaluation.name"] == "faithfulness"]
    known = [float(a["gen_ai.evaluation.score.value"]) for a in faith if "gen_ai.evaluation.score.value" in a]
    assert told.faithfulness.n == len(known)
    assert told.faithfulness.mean == pytest.approx(statistics.fmean(known))
    assert told.faithfulness_failed == len(faith) - len(known)
    assert told.hit_at_5.low is not None
    assert told.hit_at_5.high is not None
    assert told.hit_at_5.low < (told.hit_at_5.mean or 0) < told.hit_at_5.high


def test_window_before_the_traffic_is_empty_and_unknown(filled: Filled, window: Filters) -> None:
    """Nothing asked: counts are 0, all else is unknown, nothing raises."""
    before = window.previous()
    told = queries.overview(filled.client, before)
    assert (told.requests, told.errors) == (0, 0)
    assert told.ttft_p95_ms is None
    assert told.cost_usd is None
    assert told.error_rate is None
    assert told.faithfulness.mean is None
    for question in (queries.latency_over_time, queries.stage_stack, queries.spend_over_time, queries.scores_over_time):
        assert question(filled.client, before) == []


def test_filters_narrow_every_question_alike(filled: Filled, window: Filters) -> None:
    """Tenant, model and route narrow requests, calls, searches and scores to the same traces."""
    model = "gpt-4o-mini"
    chosen = Filters(start=window.start, end=window.end, tenant="acme", model=model, route="/v1/chat")
    ids = {
        call["TraceId"]
        for call in filled.spans("model")
        if call["SpanAttributes"]["gen_ai.request.model"] == model and call["SpanAttributes"]["tenant.id"] == "acme"
    }
    told = queries.overview(filled.client, chosen)
    assert told.requests == told.llm_calls == len(ids)
    assert {row["trace_id"] for row in request_lists.traces(filled.client, chosen, limit=1000)} == ids
    assert sum(row["searches"] for row in queries.retrieval_over_time(filled.client, chosen)) == len(ids)
    hits = [row for row in queries.score_summary(filled.client, chosen) if row["name"] == "retrieval_hit_at_5"]
    assert hits[0]["n"] == told.hit_at_5.n
    assert sum(row["calls"] for row in queries.spend_by(filled.client, chosen, "user")) == len(ids)
    nobody = Filters(start=window.start, end=window.end, tenant="' OR 1 = 1 --")
    assert queries.overview(filled.client, nobody).requests == 0


def test_buckets_sum_to_the_window(filled: Filled, window: Filters) -> None:
    """No request falls between two buckets."""
    rows = queries.latency_over_time(filled.client, window, bucket_s=60)
    assert sum(row["requests"] for row in rows) == len(filled.roots())
    assert all(row["bucket"] % 60 == 0 for row in rows)
    spend = queries.spend_over_time(filled.client, window)
    assert sum(row["calls"] for row in spend) == len(filled.spans("model"))
    stored = queries.ingest_over_time(filled.client, window)
    assert sum(row["spans"] for row in stored) == sum(len(trace.spans) for trace in filled.traces)


def test_loss_shows_what_never_arrived(filled: Filled, window: Filters) -> None:
    """One process numbered two spans that were not stored."""
    row = queries.loss(filled.client, window)[0]
    assert (row["service"], row["instances"], row["lost"], row["doubled"]) == ("rag-api", 2, 2, 0)
    assert row["emitted"] - row["stored_spans"] == 2


def test_labels_qualify_the_window(filled: Filled, window: Filters) -> None:
    """What a reader must know before believing a number."""
    told = queries.labels(filled.client, window)
    assert list(told["notes"]) == ["extractive, no LLM"]
    assert list(told["priced_as"]) == ["openai/gpt-4o-mini"]
    assert (list(told["systems"]), list(told["embeddings"]), list(told["judges"])) == (
        ["weaviate"],
        ["lexical"],
        ["offline", "overlap"],
    )
    values = queries.filter_values(filled.client, window)
    assert list(values["tenants"]) == ["acme", "globex", "initech", "umbrella"]
    assert list(values["routes"]) == ["/v1/chat"]


def test_retrieval_counts_empty_and_failed_apart(filled: Filled, window: Filters) -> None:
    """A failed search found not nothing: it is no empty one."""
    rows = queries.retrieval_over_time(filled.client, window)
    searches = filled.spans("search")
    assert sum(row["errors"] for row in rows) == sum(s["StatusCode"] == "Error" for s in searches)
    assert sum(row["empty"] for row in rows) == sum(
        s["SpanAttributes"].get("db.response.returned_rows") == "0" for s in searches
    )
    index = queries.retrieval_by_index(filled.client, window)[0]
    assert (index["collection"], index["searches"]) == ("Documents", len(searches))
    documents = queries.retrieval_documents(filled.client, window)
    assert documents[0]["share"] <= 1
    assert sum(row["hits"] for row in documents) == 5 * sum(
        s["SpanAttributes"].get("db.response.returned_rows") == "5" for s in searches
    )


def test_of_many_searches_some_tell_which_passages_are_found_most(
    filled: Filled, window: Filters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of so many half hours in turn one is read, which stands for the others; of too few searches all are read."""
    every = queries.retrieval_documents(filled.client, window)
    monkeypatch.setattr(queries, "SAMPLED_SEARCHES", every[0]["searches"] // 3)
    assert queries.retrieval_documents(filled.client, window) == every
    monkeypatch.setattr(queries, "_FEWEST_SEARCHES", 0)
    read = queries.retrieval_documents(filled.client, window)
    assert {row["sampled"] for row in read} == {4}
    monkeypatch.setattr(queries, "SAMPLED_SEARCHES", 2**62)

    def hits(number: int) -> dict[str, int]:
        start = datetime.fromtimestamp(number * 1800, UTC)
        half = Filters(start=start, end=start + timedelta(minutes=30))
        return {row["document_id"]: row["hits"] for row in queries.retrieval_documents(filled.client, half)}

    first, last = (int(edge.timestamp()) // 1800 for edge in (window.start, window.end))
    turns = [[hits(4 * turn + place) for place in range(4)] for turn in range(first // 4, last // 4 + 1)]
    told = {row["document_id"]: row["hits"] // 4 for row in read}
    assert any(
        told == {name: sum(half.get(name, 0) for half in chosen) for name in set().union(*chosen)}
        for chosen in product(*turns)
    )


def test_lowest_scores_come_first_and_failures_last(filled: Filled, window: Filters) -> None:
    """A judge that failed gave no low score."""
    rows = queries.score_list(filled.client, window, "faithfulness", limit=500)
    values = [row["value"] for row in rows]
    known = [value for value in values if value is not None]
    assert known == sorted(known)
    assert values[: len(known)] == known
    failed = [row for row in rows if row["value"] is None]
    assert {row["error_type"] for row in failed} <= {"JudgeTimeout"}


def test_errors_and_stages_are_summed_up(filled: Filled, window: Filters) -> None:
    """Failures by type lead to a trace; stages tell failures and flags."""
    errors = {row["error_type"]: row for row in queries.errors_by_type(filled.client, window)}
    assert sum(row["requests"] for row in errors.values()) == queries.overview(filled.client, window).errors
    assert all(len(row["trace_id"]) == 32 for row in errors.values())
    stages = {row["stage"]: row for row in queries.stage_summary(filled.client, window)}
    assert stages["guard"]["spans"] == len(filled.spans("guard"))
    flagged = [s for s in filled.spans("guard") if s["SpanAttributes"]["sightline.guardrail.flagged"] == "true"]
    assert stages["guard"]["flagged"] == len(flagged)
    newest = max(flagged, key=lambda span: span["Timestamp"])
    told = {row["stage"]: row["trace_id"] for row in flags.flagged_traces(filled.client, window)}
    assert told == {"guard": newest["TraceId"]}


def test_demo_summary_is_one_row_of_the_overview(filled: Filled, window: Filters) -> None:
    """The demo prints what the pages show."""
    told, overview = queries.demo_summary(filled.client, window.start), queries.overview(filled.client, window)
    assert told["requests"] == overview.requests
    assert told["ttft_p95_ms"] == overview.ttft_p95_ms
    assert told["cost_usd"] == pytest.approx(overview.cost_usd)
    assert told["faithfulness_n"] == overview.faithfulness.n
    # One request span never arrived: its score is in the summary of all scores, and in no window of requests.
    assert told["retrieval_hit_at_5"] == pytest.approx(overview.hit_at_5.mean, abs=2 / REQUESTS)
    assert told["spans_stored"] == sum(len(trace.spans) for trace in filled.traces)
    fresh = queries.freshness(filled.client)
    assert fresh["spans"] == told["spans_stored"]
    assert fresh["newest_ms"] <= END.timestamp() * 1e3 + 60_000


def test_windows_include_their_start_and_exclude_their_end(filled: Filled) -> None:
    """Two neighbouring windows hold every request once, wherever they meet."""
    for minute in (7.0, 31.25, 59.999):
        middle = END - timedelta(minutes=minute)
        first = Filters(start=END - timedelta(hours=HOURS), end=middle)
        second = Filters(start=middle, end=END + timedelta(seconds=1))
        parts = [queries.overview(filled.client, part).requests for part in (first, second)]
        assert sum(parts) == len(filled.roots())
        assert all(parts)


def _told_by_collectors(store_url: str, series: list[tuple[str, str, str, int, list[tuple[int, int]]]]) -> None:
    """Insert counters as collectors tell them.

    Args:
        store_url: where to.
        series: of each counter the metric's last words, the service, the process, the minute before END at which it
            began, and its values, each behind its minute before END.
    """
    rows = [
        {
            "ServiceName": "sightline-collector",
            "ResourceAttributes": {"service.instance.id": process},
            "MetricName": f"sightline.collector.{name}",
            "Attributes": {"signal": "traces", **({"service": service} if service else {})},
            "StartTimeUnix": _before(began),
            "TimeUnix": _before(minute),
            "Value": value,
        }
        for name, service, process, began, values in series
        for minute, value in values
    ]
    queries_traffic.insert(store_url, "otel_metrics_sum", rows, DATABASE)


def _before(minutes: int) -> str:
    return f"{END - timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S}"


def test_counts_of_collectors_are_those_of_the_window(filled: Filled, store_url: str) -> None:
    """What was counted before the window is not in it; what begins in it counts from 0; so does a process anew."""
    hour = [(90, 50), (61, 100), (59, 110), (1, 140)]
    _told_by_collectors(
        store_url,
        [
            ("service.received", "old", "a", 90, hour),
            ("service.received", "new", "a", 90, [(30, 7), (1, 7)]),
            ("service.received", "gone", "b", 90, [(90, 9), (61, 9)]),
            # A container that starts anew keeps its name and its process id.
            ("service.received", "old", "1", 50, [(49, 20), (41, 30)]),
            ("service.received", "old", "1", 40, [(39, 2), (1, 5)]),
            ("service.shipped", "old", "a", 90, hour),
            ("items.received", "", "a", 90, hour),
            ("items.received", "", "b", 30, [(29, 400), (1, 960)]),
            ("items.sampled_out", "", "a", 90, hour),
            ("items.late", "", "a", 20, [(19, 3), (1, 3)]),
        ],
    )
    window = Filters(start=END - timedelta(hours=1), end=END)
    told = {row["service"]: row for row in queries.collected(filled.client, window)}
    assert told["old"]["received_spans"] == 40 + 30 + 5
    assert told["old"]["shipped_spans"] == 40
    assert told["new"]["received_spans"] == 7
    assert told["gone"]["received_spans"] == 0
    assert queries.tail_sampling(filled.client, window) == {
        "received_spans": 1000,
        "sampled_out_spans": 40,
        "late_spans": 3,
    }
    later = Filters(start=END - timedelta(minutes=10), end=END)
    assert queries.tail_sampling(filled.client, later)["late_spans"] == 0


def test_budgets_are_as_last_told_in_each_bucket(filled: Filled, window: Filters) -> None:
    """By owner and name, of one tenant where the page is narrowed to it; a span that says half of it adds nothing."""
    expected: dict[tuple[str, str, int], tuple[float, int]] = {}
    for span in filled.spans("guard"):
        told = {key: json.loads(span["SpanAttributes"][f"sightline.budget.{key}"]) for key in ("owner", "name", "used")}
        at = datetime.fromisoformat(span["Timestamp"]).replace(tzinfo=UTC).timestamp() + span["Duration"] / 1e9
        for owner, name, used in zip(told["owner"], told["name"], told["used"], strict=True):
            key = (owner, name, int(at // 600 * 600))
            expected[key] = max(expected.get(key, (0.0, 0)), (at, used))
    rows = queries.budgets_over_time(filled.client, window, bucket_s=600)
    assert {(row["owner"], row["name"], row["bucket"]): row["used_tokens"] for row in rows} == {
        key: used for key, (_, used) in expected.items()
    }
    assert {row["token_limit"] for row in rows} == {100_000, 5_000_000}
    acme = queries.budgets_over_time(filled.client, replace(window, tenant="acme"), bucket_s=600)
    assert acme == [row for row in rows if row["owner"] == "tenant acme"]
