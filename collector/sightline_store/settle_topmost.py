# ruff: noqa: E501, S608 - names of tables and columns are this package's and the schema's own; values are numbers and quoted.
"""The request of a generative trace that has none: its topmost span, below a parent that was never exported."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sightline_store.client import Client
from sightline_store.conventions import canonical, request_ranks, requests
from sightline_store.quoting import quote_string
from sightline_store.schema import declared
from sightline_store.settle_rows import Traces, moment

_AGAIN = timedelta(hours=1)
_TRACES, _RAW_TRACES = 2_000, 500
"""Traces that one statement names, and those whose raw spans one statement reads."""

_GENERATIVE = {"llm_calls": "1", "retrievals": "1", "stages": "Stage IN ('agent', 'tool', 'rerank')"}
"""Table to a condition on its rows: what makes a trace one that has a request."""


def oldest(first: datetime) -> datetime:
    """The moment of storing from which on rows are read for a slice."""
    return first - _AGAIN


def add_missing_requests(
    client: Client, days: Mapping[str, str], first: datetime, last: datetime
) -> tuple[int, list[Traces]]:
    """Give traces whose last row was stored in a slice, and which have no request, their topmost span as one.

    A trace that got one in the last hour is looked at again: a span above that one may have come. Returns the number of
    requests, and their traces.

    Args:
        client: the store.
        days: table to a condition: the days of the rows that were stored since `oldest(first)`.
        first: the slice begins behind this moment.
        last: the slice ends with this moment.
    """
    columns = "TraceId AS id, TraceHash AS hash, toUnixTimestamp64Micro(Timestamp) AS us"
    parts = [
        f"SELECT {columns} FROM {table} WHERE {days[table]} AND {condition} AND TraceId != '' "
        f"AND StoredAt > {moment(first)} AND StoredAt <= {moment(last)}"
        for table, condition in _GENERATIVE.items()
        if table in days
    ]
    if "requests" in days:
        parts.append(
            f"SELECT {columns} FROM requests WHERE {days['requests']} AND RequestRank = {request_ranks.TOPMOST} "
            f"AND StoredAt > {moment(oldest(last))} AND StoredAt <= {moment(last + _AGAIN)}"
        )
    if not parts:
        return 0, []
    found = client.query_rows(
        f"SELECT id, hash, min(us) AS first_us, max(us) AS last_us FROM ({' UNION ALL '.join(parts)}) "
        "GROUP BY id, hash ORDER BY first_us"
    )
    added, changed = 0, []
    for place in range(0, len(found), _TRACES):
        part = found[place : place + _TRACES]
        lacking = _without_request(client, Traces.of(part), last)
        wanted = [row for row in part if row["hash"] in lacking]
        for raw_place in range(0, len(wanted), _RAW_TRACES):
            rows = wanted[raw_place : raw_place + _RAW_TRACES]
            traces = Traces.of(rows)
            if count := _add(client, [str(row["id"]) for row in rows], traces):
                added += count
                changed.append(traces)
    return added, changed


def _without_request(client: Client, traces: Traces, last: datetime) -> set[int]:
    """Hashes of those that have no request but one of the lowest rank, and of which no row came after a moment."""
    rows = " UNION ALL ".join(
        f"SELECT TraceHash AS hash, StoredAt AS stored FROM {table} WHERE {traces.condition(table)} AND {condition}"
        for table, condition in _GENERATIVE.items()
    )
    found = client.query_rows(
        f"SELECT hash FROM ({rows}) GROUP BY hash HAVING max(stored) <= {moment(last)} "
        f"AND hash NOT IN (SELECT TraceHash FROM requests WHERE {traces.condition('requests')} AND RequestRank != {request_ranks.TOPMOST}) "
        f"AND hash NOT IN (SELECT TraceHash FROM stages WHERE {traces.condition('stages')} AND {requests.BACKGROUND_STAGES})"
    )
    return {row["hash"] for row in found}


def _add(client: Client, ids: list[str], traces: Traces) -> int:
    raw = (
        f"TraceId IN ({', '.join(map(quote_string, ids))}) "
        f"AND Timestamp >= {moment(traces.first)} AND Timestamp <= {moment(traces.last)}"
    )
    # What calls another service answers nobody.
    answers = "SpanKind NOT IN ('Client', 'Producer', 'Consumer') AND SpanAttributes['sightline.stage'] IN ('', 'workflow', 'agent', 'model')"
    tops = client.query_rows(
        f"""\
SELECT TraceId AS trace, argMin(SpanId, (Timestamp, -toInt64(Duration), SpanId)) AS span
FROM otel_traces
WHERE {raw} AND {answers} AND (TraceId, ParentSpanId) NOT IN (SELECT TraceId, SpanId FROM otel_traces WHERE {raw} AND {answers})
    AND TraceId NOT IN (SELECT TraceId FROM otel_traces WHERE {raw} AND ParentSpanId = '' AND SpanKind NOT IN ('Client', 'Producer'))
GROUP BY TraceId
HAVING (trace, span) NOT IN (SELECT TraceId, SpanId FROM requests WHERE {traces.condition("requests")})"""
    )
    if not tops:
        return 0
    pairs = ", ".join(f"({quote_string(str(row['trace']))}, {quote_string(str(row['span']))})" for row in tops)
    # As if it were a server's span: one without a known attribute goes no further otherwise.
    spans = f"(SELECT * REPLACE(toLowCardinality('Server') AS SpanKind) FROM otel_traces WHERE {raw} AND (TraceId, SpanId) IN ({pairs}))"
    select = requests.select().replace(
        "FROM spans_canonical",
        f"FROM (SELECT * REPLACE(toUInt8({request_ranks.TOPMOST}) AS RequestRank) FROM ({canonical.canonical_select(spans)}) WHERE RequestRank > 0)",
    )
    columns = ", ".join(
        column.name for column in declared.tables()["requests"].columns if not column.default.startswith("MATERIALIZED")
    )
    client.command(f"INSERT INTO requests ({columns}) SELECT {columns} FROM ({select})")
    (row,) = client.query_rows(
        f"SELECT count() AS n FROM requests WHERE {traces.condition('requests')} AND (TraceId, SpanId) IN ({pairs})"
    )
    return int(row["n"])
