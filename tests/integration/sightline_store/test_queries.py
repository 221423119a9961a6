"""The questions, asked of a real store, against answers computed from the same traffic in Python."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
import queries_traffic

from sightline_dashboards import waterfall
from sightline_store.client import Client
from sightline_store.questions import queries
from sightline_store.questions.queries import Filters, Sort
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

END = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
HOURS = 2
REQUESTS = 600
DATABASE = "questions"


@dataclass
class Filled:
    """A store and what was put into it."""

    client: Client
    traces: list[Any]

    def roots(self) -> list[dict[str, Any]]:
        """The request span of every trace."""
        return [span for trace in self.traces for span in trace.spans if span["ParentSpanId"] == ""]

    def spans(self, stage: str) -> list[dict[str, Any]]:
        """All spans of a stage."""
        return [s for t in self.traces for s in t.spans if s["SpanAttributes"].get("sightline.stage") == stage]


@pytest.fixture(scope="module")
def filled(store_url: str) -> Iterator[Filled]:
    """Two hours of traffic in a database of their own."""
    client = Client(StoreSettings(url=store_url, database=DATABASE))
    migrate.apply(client)
    queries_traffic.insert(store_url, "model_prices", queries_traffic.price_rows(), DATABASE)
    traces = list(queries_traffic.Generator(3).stretch(REQUESTS, END, timedelta(hours=HOURS)))
    for first in range(0, len(traces), 100):
        part = traces[first : first + 100]
        queries_traffic.insert(store_url, "otel_traces", [span for trace in part for span in trace.spans], DATABASE)
        queries_traffic.insert(store_url, "otel_logs", [score for trace in part for score in trace.scores], DATABASE)
    yield Filled(client, traces)
    client.close()


@pytest.fixture
def window() -> Filters:
    """All of the traffic."""
    return Filters(start=END - timedelta(hours=HOURS), end=END + timedelta(seconds=1))


def _ttft(root: dict[str, Any]) -> float | None:
    text = root["SpanAttributes"].get("sightline.response.time_to_first_token")
    return None if text is None else float(text) * 1e3


def _exact(values: list[float], level: float) -> float:
    return sorted(values)[int(level * len(values))]


def test_overview_counts_what_was_sent(filled: Filled, window: Filters) -> None:
    """Requests, errors, percentiles, tokens, cost and scores are those of the traffic, to the last."""
    told = queries.overview(filled.client, window)
    roots, calls = filled.roots(), filled.spans("model")
    assert told.requests == len(roots)
    assert told.errors == sum(root["StatusCode"] == "Error" for root in roots)
    times = [ttft for root in roots if (ttft := _ttft(root)) is not None]
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
    assert {row["trace_id"] for row in queries.traces(filled.client, chosen, limit=1000)} == ids
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


def test_stage_stack_agrees_with_the_waterfall(filled: Filled, window: Filters) -> None:
    """SQL over all traces and the waterfall of each say the same, and the parts sum to the time to first token."""
    rows = {row["stage"]: row for row in queries.stage_stack(filled.client, window)}
    times = [ttft for root in filled.roots() if (ttft := _ttft(root)) is not None]
    assert sum(row["mean_ms"] for row in rows.values()) == pytest.approx(statistics.fmean(times), rel=1e-6)
    sums: dict[str, float] = {}
    listed = queries.traces(filled.client, window, limit=1000)
    for row in [row for row in listed if row["ttft_ms"] is not None][:40]:
        path = queries.ttft_trace(filled.client, row["trace_id"])
        trace = waterfall.layout(queries.trace_spans(filled.client, row["trace_id"]), path)
        assert sum(ms for _, ms in trace.parts) == pytest.approx(row["ttft_ms"], abs=1e-3)
        for stage, ms in trace.parts:
            sums[stage] = sums.get(stage, 0.0) + ms
    some = queries.stage_stack_over_time(filled.client, window, bucket_s=7200)
    assert {row["stage"] for row in some if row["mean_ms"] > 0} == set(sums)
    assert rows["search"]["sampled"] == 1


def test_stage_stack_samples_large_windows(filled: Filled, window: Filters) -> None:
    """Past the limit one request in n is read, and n is told."""
    rows = queries.stage_stack(filled.client, window, max_requests=100)
    assert rows[0]["sampled"] == 8
    assert 40 < rows[0]["n"] < 120


@pytest.mark.parametrize("sort", get_args(Sort))
def test_traces_sort_both_ways_and_page(filled: Filled, window: Filters, sort: Sort) -> None:
    """Pages hold each request once; unknown values come last in both directions."""
    column = {
        "time": "started_ms",
        "ttft": "ttft_ms",
        "total": "total_ms",
        "cost": "cost_usd",
        "faithfulness": "faithfulness",
    }[sort]
    for descending in (True, False):
        pages = [
            queries.traces(filled.client, window, sort=sort, descending=descending, limit=250, offset=offset)
            for offset in (0, 250, 500)
        ]
        rows = [row for page in pages for row in page]
        assert len({row["trace_id"] for row in rows}) == len(rows) == pages[0][0]["matching"]
        values = [row[column] for row in rows]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=descending)
        assert all(value is None for value in values[len(known) :])


def test_search_finds_trace_session_and_user(filled: Filled, window: Filters) -> None:
    """A trace by the beginning of its id in any case; a session or user by a part; quotes are harmless."""
    root = filled.roots()[17]
    found = queries.traces(filled.client, window, search=root["TraceId"][:12].upper())
    assert [row["trace_id"] for row in found] == [root["TraceId"]]
    session = root["SpanAttributes"]["session.id"]
    assert {row["session_id"] for row in queries.traces(filled.client, window, search=session[2:])} == {session}
    assert queries.traces(filled.client, window, search="100% '; --") == []
    failed = queries.traces(filled.client, window, only_errors=True, limit=1000)
    assert len(failed) == sum(r["StatusCode"] == "Error" for r in filled.roots())
    assert {row["error_type"] for row in failed} <= {"APITimeoutError", "WeaviateQueryError"}


def test_cost_of_a_trace_is_unknown_when_one_call_is(filled: Filled, window: Filters) -> None:
    """An unpriced model makes no free requests."""
    rows = queries.traces(filled.client, Filters(start=window.start, end=window.end, model="mystery-7b"), limit=1000)
    assert rows
    assert {row["cost_usd"] for row in rows} == {None}
    by_model = {row["name"]: row for row in queries.spend_by(filled.client, window)}
    assert by_model["mystery-7b"]["cost_usd"] is None
    assert by_model["extractive-v1"]["priced_as"] == ["openai/gpt-4o-mini"]


def test_trace_is_read_whole(filled: Filled) -> None:
    """Its spans in order, each with all attributes, its spend and its scores."""
    trace = next(t for t in filled.traces if len(t.scores) == 4 and len(t.spans) == 8)
    trace_id = trace.spans[0]["TraceId"]
    spans = queries.trace_spans(filled.client, trace_id.upper())
    assert {row["span_id"] for row in spans} == {span["SpanId"] for span in trace.spans}
    assert [row["start_ns"] for row in spans] == sorted(row["start_ns"] for row in spans)
    model = next(span for span in trace.spans if span["SpanAttributes"]["sightline.stage"] == "model")
    detail = queries.span_detail(filled.client, trace_id, model["SpanId"])
    assert detail
    assert dict(detail["attributes"]) == model["SpanAttributes"]
    assert [row["span_id"] for row in queries.trace_spend(filled.client, trace_id)] == [model["SpanId"]]
    assert len(queries.trace_scores(filled.client, trace_id)) == 4
    assert queries.trace_spans(filled.client, "f" * 32) == []
    assert queries.span_detail(filled.client, trace_id, "0" * 16) is None


def test_failed_span_carries_its_exception(filled: Filled) -> None:
    """The event of an error is there with its time."""
    span = next(span for span in filled.spans("search") if span["StatusCode"] == "Error")
    detail = queries.span_detail(filled.client, span["TraceId"], span["SpanId"])
    assert detail
    assert list(detail["event_names"]) == ["exception"]
    assert detail["event_attributes"][0]["exception.type"] == "WeaviateQueryError"


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
        ["overlap"],
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
    assert stages["guard"]["flagged"] == sum(
        s["SpanAttributes"]["sightline.guardrail.flagged"] == "true" for s in filled.spans("guard")
    )


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


def test_stage_stack_leaves_out_what_it_cannot_attribute(store_url: str, window: Filters) -> None:
    """A request of more spans than the query reads is counted as left out, not attributed in part."""
    client = Client(StoreSettings(url=store_url, database="long"))
    migrate.apply(client)
    traces = list(queries_traffic.Generator(5).stretch(20, END, timedelta(hours=1)))
    long = next(trace for trace in traces if len(trace.spans) == 8)
    tool = next(span for span in long.spans if span["SpanName"] == "rerank")
    copies = [{**tool, "SpanId": f"{n:016x}", "SpanName": "tool"} for n in range(600)]
    spans = [span for trace in traces for span in trace.spans]
    queries_traffic.insert(store_url, "otel_traces", [*spans, *copies], "long")
    rows = queries.stage_stack(client, window)
    client.close()
    told = sum("sightline.response.time_to_first_token" in span["SpanAttributes"] for span in spans)
    assert rows[0]["left_out"] == 1
    assert rows[0]["n"] == told - 1


def test_trace_reads_the_same_in_other_conventions(store_url: str) -> None:
    """Stage, model and error of a span of OpenInference stand where those of our own spans do; no stage is ''."""
    client = Client(StoreSettings(url=store_url, database="long"))
    migrate.apply(client)
    trace = next(t for t in queries_traffic.Generator(6).stretch(20, END, timedelta(hours=1)) if len(t.spans) == 8)
    told = [
        {"openinference.span.kind": "CHAIN", "session.id": "s-1"},
        {"openinference.span.kind": "RETRIEVER", "input.value": "why?"},
        {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "llm.token_count.prompt": "7"},
        {"http.request.method": "GET", "error.type": "Timeout"},
    ]
    spans = [
        {**span, "SpanAttributes": attributes, "StatusCode": "Error" if "error.type" in attributes else "Unset"}
        for span, attributes in zip(sorted(trace.spans, key=lambda span: span["ParentSpanId"]), told, strict=False)
    ]
    queries_traffic.insert(store_url, "otel_traces", spans, "long")
    rows = {row["span_id"]: row for row in queries.trace_spans(client, spans[0]["TraceId"])}
    client.close()
    read = [rows[span["SpanId"]] for span in spans]
    assert [row["stage"] for row in read] == ["request", "search", "model", ""]
    assert [row["model_name"] for row in read] == ["", "", "gpt-4o", ""]
    assert [row["error_type"] for row in read] == ["", "", "", "Timeout"]
    assert read[0]["session_id"] == "s-1"


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
