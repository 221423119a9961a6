"""Rollups and rows give one answer, whatever comes late, twice or is corrected."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rolled_traffic import (
    HOURS,
    QUESTIONS,
    RowsAlone,
    Traffic,
    enter_price,
    enter_prices,
    fold_all,
    is_rolled,
    rank_error,
    require_one_answer,
    window_of,
)

from sightline_store import settle
from sightline_store.client import Client
from sightline_store.questions import queries
from sightline_store.questions.asking import Filters
from sightline_store.questions.queries import SpendBy
from sightline_store.rollups import fold, plan
from sightline_store.rollups.plan import Reads

_NARROWED: dict[int, list[dict[str, str]]] = {
    1: [{"route": "/v1/chat"}, {"model": "gpt-4o"}],
    2: [{}, {"tenant": "acme"}],
}
"""By the seed of the traffic."""


@pytest.mark.parametrize(("seed", "hours"), [(1, 50.0), (2, 4.0)])
def test_one_answer_of_rollups_and_of_rows(client: Client, end: datetime, seed: int, hours: float) -> None:
    """Spans that come late or twice, are settled or deleted: after each fold counts and sums are those of rows."""
    chance, traffic = random.Random(seed), Traffic(client, seed, end)
    enter_prices(client)
    rows = traffic.add(400, hours)
    for step in chance.sample(("late", "twice", "deleted"), 3):
        fold_all(client)
        require_one_answer(client, window_of(end, hours))
        if step == "late":
            rows = traffic.add(20, 1, before=timedelta(hours=chance.uniform(1, hours - 1)))
        elif step == "twice":
            traffic.again({table: of_table[:15] for table, of_table in rows.items()})
            fold_all(client)
            settle.settle(client, datetime(2020, 1, 1, tzinfo=UTC), quiet=timedelta(0))
        else:
            client.command(f"DELETE FROM stages WHERE cityHash64(SpanId, TraceId) % 7 = {chance.randrange(7)}")
    assert fold_all(client) > 0
    of_all = {"collected", "ingest_over_time", "labels", "used_over_time"}
    for narrowed in _NARROWED[seed]:
        window = window_of(end, hours, **narrowed)
        rolled = is_rolled(client, window)
        require_one_answer(client, window, rolled)
        of_rows = (of_all if narrowed else set()) | ({"spend_by tenant"} if "route" in narrowed else set())
        assert rolled == set(QUESTIONS) - of_rows
    both = is_rolled(client, window_of(end, hours, tenant="acme", model="gpt-4o"))
    assert both == {"spend_over_time", "spend_by model", "spend_by tenant", "embedding_spend"}


_TOLD = ("overview", "stage_summary", "retrieval_over_time")
"""Questions whose answer by route or by model depends on other rows of the traces."""


def test_what_other_rows_of_a_trace_tell_counts_when_it_comes(client: Client, end: datetime) -> None:
    """Roots stored last, calls of a second model, and calls that go, in other minutes and on both sides of a midnight.

    Both days are over, so that one of them is looked at only for what the other one has.
    """
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    traffic, window = Traffic(client, 47, midnight + timedelta(hours=2)), window_of(midnight + timedelta(hours=2))
    narrowed = {
        replace(window, route="/v1/chat"): (*_TOLD, "spend_by model", "embedding_spend"),
        replace(window, model="gpt-4o"): _TOLD,
    }

    def require_news() -> None:
        assert fold_all(client) > 1, "nothing but the minute that is over since"
        for each, names in narrowed.items():
            assert set(names) <= is_rolled(client, each)
            require_one_answer(client, each, names)

    rows, near = traffic.make(60, 4), traffic.make(20, 0.2, before=timedelta(hours=2))  # near: just before midnight
    rows = {table: of_table + near[table] for table, of_table in rows.items()}
    for table, minutes in (("stages", 3), ("retrievals", 14), ("llm_calls", 9), ("embeddings", 20)):
        rows[table] = [[row[0] + timedelta(minutes=minutes), *row[1:]] for row in rows[table]]
    requests = rows.pop("requests")
    traffic.insert(rows)
    fold_all(client)
    traffic.insert({"requests": requests})
    require_news()
    midnight_s = int(midnight.timestamp())
    late = [traffic.call(request, "openai", "gpt-4o", timedelta(minutes=16)) for request in requests[-20:]]
    traffic.insert({"llm_calls": late})  # in the second day, of requests of the first one
    require_news()
    client.command("DELETE FROM llm_calls WHERE SpanId = 'late' AND cityHash64(TraceId) % 2 = 0")
    client.command(f"DELETE FROM requests WHERE Timestamp < {midnight_s} AND cityHash64(TraceId) % 3 = 0")
    require_news()
    assert fold_all(client) <= 1


@pytest.mark.parametrize("hours", [50.0, 3.0])
def test_data_begins_where_rows_do(client: Client, end: datetime, hours: float) -> None:
    """Also where rollups know of an hour whose rows are gone."""
    Traffic(client, 43, end).add(60, hours)
    fold_all(client)
    for asked in (hours, hours + 30, hours - 1):
        window = window_of(end, asked)
        assert queries.data_since(client, window) == queries.data_since(RowsAlone(client), window)
    for table in ("requests", "llm_calls", "retrievals", "embeddings"):
        client.command(f"DELETE FROM {table} WHERE Timestamp < now64() - INTERVAL 2 HOUR")
    window = window_of(end, hours + 30)
    assert queries.data_since(client, window) == queries.data_since(RowsAlone(client), window)


def test_what_is_not_exact_is_near(client: Client, end: datetime) -> None:
    """Percentiles, by their ranks among the rows, and of how many traces the calls are."""
    Traffic(client, 7, end).add(2000, HOURS)
    fold_all(client)
    _require_percentiles(client, window_of(end))
    _require_traces(client, end)


def _require_percentiles(client: Client, window: Filters) -> None:
    """They are within the rank error."""
    (rows,) = client.query_rows(
        "SELECT groupArray(DurationMs) AS total, groupArrayIf(TtftMs, TtftDefinition = 'delivered') AS ttft "
        "FROM requests"
    )
    told = queries.overview(client, window)
    for value, name, level in (
        (told.total_p50_ms, "total", 0.5), (told.total_p95_ms, "total", 0.95),
        (told.ttft_p50_ms, "ttft", 0.5), (told.ttft_p95_ms, "ttft", 0.95),
    ):  # fmt: skip
        assert value is not None
        assert rank_error(value, rows[name], level) <= plan.RANK_ERROR
    by_stage = {
        row["stage"]: row["each"]
        for row in client.query_rows(
            "SELECT toString(Stage) AS stage, groupArray(DurationMs) AS each FROM stages GROUP BY Stage"
        )
    }
    for row in queries.stage_summary(client, window):
        for level in (50, 95, 99):
            assert rank_error(row[f"p{level}_ms"], by_stage[row["stage"]], level / 100) <= plan.RANK_ERROR
    names = ("collection", "operation", "index_version")
    searches = client.query_rows(
        "SELECT Collection AS collection, Operation AS operation, IndexVersion AS index_version, "
        "groupArray(DurationMs) AS ms, groupArray(TopScore) AS scores FROM retrievals GROUP BY ALL"
    )
    by_index = {tuple(row[name] for name in names): row for row in searches}
    for row in queries.retrieval_by_index(client, window):
        of_rows = by_index[tuple(row[name] for name in names)]
        assert rank_error(row["p50_ms"], of_rows["ms"], 0.5) <= plan.RANK_ERROR
        assert rank_error(row["p95_ms"], of_rows["ms"], 0.95) <= plan.RANK_ERROR
        assert rank_error(row["top_score_p50"], of_rows["scores"], 0.5) <= plan.RANK_ERROR


def _require_traces(client: Client, end: datetime) -> None:
    """Of traces whose calls lie in two minutes, hours or days one may count twice, and no other."""
    by_names: dict[SpendBy, str] = {"tenant": "toString(Tenant)", "model": "toString(RequestModel)"}
    asked: list[dict[str, Any]] = [{}, {"tenant": "acme"}, {"model": "gpt-4o"}]
    for narrowed, (by, name) in itertools.product(asked, by_names.items()):
        wanted = client.query_rows(
            f"SELECT {name} AS name, uniqExact(TraceId) AS traces, uniqExact(TraceId, toStartOfMinute(Timestamp)) AS n "
            "FROM llm_calls "
            "WHERE {tenant:String} IN ('', Tenant) AND {model:String} IN ('', RequestModel) GROUP BY name",
            {"tenant": "", "model": "", **narrowed},
        )
        window = window_of(end, **narrowed)
        told = {row["name"]: row["requests"] for row in queries.spend_by(client, window, by)}
        assert told.keys() == {row["name"] for row in wanted}
        assert all(row["traces"] <= told[row["name"]] <= row["n"] for row in wanted)
        assert {"spend_by model", "spend_by tenant"} <= is_rolled(client, window)


def test_a_price_that_changes_prices_history_anew(client: Client, end: datetime) -> None:
    """In the middle of the window, by the time of day and above a number of tokens; an odd step reads rows."""
    Traffic(client, 9, end).add(400, HOURS)
    enter_prices(client)
    fold_all(client)
    window = window_of(end)
    require_one_answer(client, window)
    middle = (end - timedelta(hours=2)).replace(minute=17, second=0)
    enter_price(client, "openai/gpt-4o", middle, InputUsdPerMtok=100, OutputUsdPerMtok=200)
    enter_price(
        client, "local/llama", datetime(2020, 1, 1, tzinfo=UTC), InputUsdPerMtok=5, OutputUsdPerMtok=6,
        rates="[(-1, 59400, 1800, 1., NULL, NULL, NULL, NULL, 2., NULL, NULL, NULL)]",
    )  # fmt: skip
    require_one_answer(client, window)
    assert "spend_over_time" in is_rolled(client, window)
    odd = "[(1234, 0, 86400, 9., NULL, NULL, NULL, NULL, 12., NULL, NULL, NULL)]"
    enter_price(
        client, "openai/gpt-4o", datetime(2020, 1, 1, tzinfo=UTC), rates=odd, InputUsdPerMtok=1, OutputUsdPerMtok=2
    )
    require_one_answer(client, window)
    assert "spend_over_time" not in is_rolled(client, window)


def test_a_dimension_of_too_many_values_reads_rows(
    client: Client, end: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More tenants than a period keeps: questions of one tenant read rows, all others do not."""
    monkeypatch.setattr(fold, "MOST_ROWS", 3)
    traffic = Traffic(client, 19, end)
    requests = traffic.make(400, HOURS)["requests"]
    traffic.insert({"requests": [[*row[:5], f"t-{number % 60}", *row[6:]] for number, row in enumerate(requests)]})
    fold_all(client)
    require_one_answer(client, window_of(end, tenant="t-7"))
    assert plan.plan(client, window_of(end, tenant="t-7"), [Reads.REQUESTS]) is None
    for window in (window_of(end, route="/v1/chat"), window_of(end, model="gpt-4o")):
        assert plan.plan(client, window, [Reads.REQUESTS]) is not None
