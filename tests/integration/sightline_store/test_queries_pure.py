"""What the question layer computes by itself: windows, buckets, intervals, and what every SQL file promises."""

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_store.questions import (
    alerts,
    asking,
    catalog,
    changes,
    drift,
    drift_runs,
    flags,
    guards,
    judges,
    people,
    queries,
    request_lists,
    sampled,
    tuning,
    written,
)
from sightline_store.questions.asking import Filters
from sightline_store.questions.estimates import estimate

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
FILES = catalog.names()


class Recorder:
    """A client that answers nothing and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def query_rows(self, sql: str, params: Any = None) -> list[dict[str, Any]]:
        """Remember a question."""
        self.asked.append((sql, dict(params)))
        return []


def test_moments_go_out_in_utc_to_the_millisecond() -> None:
    """A window given in another time zone asks for the same moments."""
    start = datetime(2026, 3, 1, 12, 30, 0, 123_999, tzinfo=timezone(timedelta(hours=1)))
    params = Filters(start=start, end=END).params()
    assert params["from"] == "2026-03-01 11:30:00.123"
    assert params["to"] == "2026-03-01 12:00:00.000"
    assert (params["tenant"], params["model"], params["route"]) == ("", "", "")


def test_windows_that_make_no_sense_are_refused() -> None:
    """No time zone, or an end before the start."""
    with pytest.raises(ValueError, match="time zone"):
        Filters(start=datetime(2026, 3, 1), end=END)  # noqa: DTZ001
    with pytest.raises(ValueError, match="before it begins"):
        Filters(start=END, end=END)


def test_previous_window_ends_where_this_begins() -> None:
    """Same length, same narrowing."""
    now = Filters(start=END - timedelta(hours=3), end=END, tenant="acme")
    before = now.previous()
    assert (before.end, before.duration, before.tenant) == (now.start, now.duration, "acme")


@given(st.integers(min_value=1, max_value=90 * 86_400), st.integers(min_value=2, max_value=200))
def test_buckets_are_as_many_as_asked_or_fewer(seconds: int, points: int) -> None:
    """Never more points than a chart can show, and never a bucket without a width."""
    width = Filters(start=END - timedelta(seconds=seconds), end=END).bucket_s(points)
    assert width >= 1
    assert seconds / width <= points


@given(st.floats(0, 1), st.floats(0, 0.5), st.integers(1, 10_000))
def test_intervals_hold_their_mean_and_stay_in_range(mean: float, sd: float, n: int) -> None:
    """Between 0 and 1, and around the mean."""
    for told in (estimate(mean, sd, n), estimate(mean, None, n)):
        assert told.low is not None
        assert told.high is not None
        assert -1e-9 <= told.low <= mean + 1e-9
        assert mean - 1e-9 <= told.high <= 1 + 1e-9


def test_equal_scores_are_not_certain() -> None:
    """Ten times 1.0 is no proof: the interval has a width. No score has none."""
    told = estimate(1.0, 0.0, 10)
    assert told.low == pytest.approx(0.722, abs=0.001)  # Wilson, 10 of 10
    assert estimate(None, None, 0).half_width is None
    assert estimate(0.5, None, 100).half_width == pytest.approx(1.96 * math.sqrt(0.25 / 100), rel=0.02)


@pytest.mark.parametrize("name", FILES)
def test_every_question_says_first_what_it_answers(name: str) -> None:
    """The first line is a comment; parameters are typed; shared text is put in whole, and nothing else by Python."""
    text = asking.sql(name)
    assert re.match(r"-- [A-Z]", text)
    assert "%(" not in text
    assert not re.search(r"\{(?!\w+:[A-Z])", text)
    assert "-- include:" not in text


def _ask_about_drift(asked: Recorder) -> None:
    hours = [END - timedelta(hours=number) for number in (4, 3, 2, 1)]
    windows = drift.Windows(reference_from=hours[0], reference_to=hours[1], current_from=hours[2], current_to=hours[3])
    plan = drift.Plan(windows=windows, comparisons=[drift.Comparison(collection="Docs")])
    for of_plan in (drift.searches, drift.query_sketches, drift.documents, drift.moved_documents):
        of_plan(asked, plan)
    for of_windows in (drift.keys, drift.evaluations, drift.ingestion, drift.canaries, drift.changes):
        of_windows(asked, windows)
    drift.answers(asked, windows, refusals="^no")
    drift.sketches(asked, windows, sketch_version="v", embedding="m", embedding_version="1")
    drift.texts(asked, ["ab"], hours[0], hours[1])
    drift.results(asked, hours[0], hours[1])
    drift.pin(asked, "x")
    for single in (lambda: drift.size(asked, windows), lambda: drift.canary_searches(asked, "r", hours[0])):
        with pytest.raises(IndexError):
            single()


def _ask_about_alerts(asked: Recorder) -> None:
    stretch = alerts.Stretch(start=END - timedelta(hours=1), end=END, bucket_s=60)
    for question in (alerts.requests, alerts.spend, alerts.searches, alerts.lost_spans, alerts.drift_runs):
        question(asked, stretch)
    alerts.latency(asked, stretch, "ttft")
    for named in (alerts.scores, alerts.collector_gauge):
        named(asked, stretch, "groundedness")
    alerts.states(asked)
    alerts.phases(asked, stretch.start, stretch.end)
    alerts.deliveries(asked, stretch.start)
    alerts.silences(asked, END)


def test_every_question_of_python_has_its_file_and_passes_its_parameters() -> None:
    """Each function asks a file that is there with exactly the parameters that the file names."""
    asked, window = Recorder(), Filters(start=END - timedelta(hours=1), end=END)
    for question in (
        queries.latency_over_time, queries.stage_stack, queries.stage_stack_over_time, queries.stage_summary,
        queries.spend_over_time, queries.spend_by, queries.embedding_spend, queries.errors_by_type,
        queries.retrieval_over_time, queries.retrieval_by_index, queries.retrieval_documents,
        queries.scores_over_time, queries.score_summary, request_lists.traces, queries.loss, queries.ingest_over_time,
        queries.collected, queries.budgets_over_time, flags.flagged_traces,
    ):  # fmt: skip
        question(asked, window)  # type: ignore[operator]
    for sort in ("cost", "groundedness"):
        request_lists.traces(asked, window, sort=sort)
    written.questions(asked, [{"trace_id": "AB", "span_id": "CD", "started_ms": 1, "service": "s", "name": "n"}])
    written.titles(asked, [{"document_id": "d", "trace_id": "AB", "found_ms": 1}])
    drift_runs.runs(asked, window.start, window.end)
    drift_runs.comparisons(asked, {"run_id": "R", "at_ms": 1})
    drift_runs.history(asked, window.start, window.end, ["retrieval.empty"])
    tuning.index_tuning(asked, window.start, window.end)
    changes.used_over_time(asked, window.start, window.end, bucket_s=60)
    changes.harms(asked, window.start, window.end)
    request_lists.trace_totals(asked, [{"trace_id": "AB", "started_ms": 1}])
    queries.score_list(asked, window, "faithfulness")
    queries.trace_spans(asked, "AB")
    queries.span_detail(asked, "AB", "CD")
    queries.trace_contents(asked, "AB")
    queries.trace_spend(asked, "AB")
    queries.ttft_trace(asked, "AB")
    queries.price_list(asked)
    queries.trace_scores(asked, "AB")
    sampled.requests(asked, since_s=60)
    sampled.contents(asked, [{"trace_id": "AB", "span_id": "CD", "started_ms": 1}])
    sampled.run_scores(asked, "R")
    for single in (
        queries.overview, queries.filter_values, queries.labels, queries.tail_sampling, queries.data_since,
        request_lists.searched_requests,
    ):  # fmt: skip
        with pytest.raises(IndexError):
            single(asked, window)  # type: ignore[operator]
    _ask_about_drift(asked)
    _ask_about_alerts(asked)
    judges.judged(asked, window, name="faithfulness", judge="J", judge_version="1", human="feedback")
    judges.judges(asked, END, "faithfulness")
    judges.health(asked, window.start, END)
    queries.spend_by(asked, window, "session")
    people.sessions(asked, window)
    people.session_totals(asked, window, ["S"])
    people.review_queue(asked, window, "lowest", reviewer="Ann")
    people.review_queue(asked, window, "random", reviewer="Ann")
    people.reviews(asked, window)
    with pytest.raises(IndexError):
        queries.freshness(asked)
    with pytest.raises(IndexError):
        queries.demo_summary(asked, END)
    whole_texts = {name: people.among(name) if name in people.AMONG else asking.sql(name) for name in FILES}
    texts = {_first_line(text): text for text in whole_texts.values()}
    for text, params in asked.asked:
        whole = texts[_first_line(text)]
        listed = request_lists.in_order(request_lists.counted_apart(whole), params) if "sort" in params else whole
        assert text in {guards.needed(whole, params), guards.needed(listed, params)}
        assert set(re.findall(r"\{(\w+):", whole)) == set(params)
    assert {_first_line(text) for text, _ in asked.asked} == set(texts)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
