# ruff: noqa: E501, S608 - the lines are those of the SQL that is written; nothing in it comes from outside.
"""The statement that finds model calls, searches and embeddings among canonical spans, one row a call.

`calls_canonical` holds them, which stores nothing: the tables of calls hang off it (`typed_tables.py`).
"""

from __future__ import annotations

from sightline_store.conventions import dialects
from sightline_store.conventions.sql_expressions import canonical_name, has, value_of

MAX_TOKENS = 100_000_000
"""The most tokens that a call can have; a larger number is no count."""

NEIGHBOUR_ROWS = 16
"""Calls of a trace, before and after a call, that are compared with it to find the same call recorded twice."""

CALLS_COLUMNS = """\
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    UserId String,
    SessionId String,
    Convention LowCardinality(String),
    Kind LowCardinality(String),
    Provider LowCardinality(String),
    RequestModel LowCardinality(String),
    indexed_attributes Map(LowCardinality(String), String),
    EventNames Array(LowCardinality(String)),
    EventAttributes Array(Map(LowCardinality(String), String)),
    column_values Map(UInt8, String),
    counts Map(UInt8, Nullable(UInt64)),
    ToldCostUsd Nullable(Float64),
    DurationMs Float64,
    TtftMs Nullable(Float64),
    TtftDefinition LowCardinality(String),
    StatusCode LowCardinality(String),
    ErrorType LowCardinality(String)
"""
"""What a call is, for all kinds of call."""

SPAN = "Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant"
"""Which span a row is of, for all typed tables but scores."""

_CALL = f"{SPAN}, UserId, SessionId, Convention, Kind, indexed_attributes, EventNames, EventAttributes, column_values, DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType"


def calls_select() -> str:
    """The statement that turns spans_canonical into calls_canonical: one row a call, however many spans record it.

    Two spans of one trace and one kind record the same call if the first is the second's parent, or if they are calls
    of a model from two instrumentations with the same numbers of tokens and the first lies within the second in time.
    The span with more information stays; of equals the inner one for a model and the outer one for all else.
    """
    documents = f"{has('documents', 'indexed_documents', 'entity_output')} OR has(EventNames, 'db.query.result')"
    return f"""\
SELECT
    Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Tenant, UserId, SessionId, Convention, Kind,
    {canonical_name(dialects.PROVIDERS, "provider", "provider")} AS Provider,
    trim(BOTH '"' FROM if({has("request_model")}, {value_of("request_model")}, {value_of("response_model")})) AS RequestModel,
    indexed_attributes, EventNames, EventAttributes, column_values,
    mapApply((number, text) -> (number, if(toUInt64OrNull(text) <= {MAX_TOKENS}, toUInt64OrNull(text), NULL)), column_values) AS counts,
    if(reported_cost >= 0, reported_cost, JSONExtract({value_of("cost_json")}, 'total', 'Nullable(Float64)')) AS ToldCostUsd,
    DurationMs, TtftMs, TtftDefinition, StatusCode, ErrorType
FROM
(
    SELECT
        {_CALL},
        lower({value_of("provider")}) AS provider,
        toFloat64OrNull({value_of("reported_cost")}) AS reported_cost,
        Kind = 'model' AS inner_wins,
        CAST((cityHash64(SpanId), cityHash64(ParentSpanId), cityHash64(ScopeName),
            (toUnixTimestamp64Nano(Timestamp), -DurationMs, SpanId), toUnixTimestamp64Nano(Timestamp) + toInt64(DurationMs * 1e6),
            if(Kind = 'model' AND {has("input_tokens")}, cityHash64({value_of("input_tokens")}, {value_of("output_tokens")}), cityHash64(SpanId)),
            4 * (Kind = 'search' AND ({documents})) + 2 * {has("returned", "input_tokens", "output_tokens")} + (Convention = 'sightline')),
            'Tuple(id UInt64, parent UInt64, scope UInt64, outermost Tuple(Int64, Float64, String), ended Int64, tokens UInt64, rank Int8)') AS call,
        groupArray(call) OVER (PARTITION BY TraceId, Kind ORDER BY Timestamp ROWS BETWEEN {NEIGHBOUR_ROWS} PRECEDING AND {NEIGHBOUR_ROWS} FOLLOWING) AS neighbours
    FROM spans_canonical
    WHERE Kind IN ('model', 'search', 'embed')
)
WHERE TraceId = '' OR length(neighbours) = 1 OR NOT arrayExists(
    -- Another span of the same call wins if it has more information, or as much and is on the side that wins.
    other -> other.id != call.id AND other.rank + multiIf(
        other.parent = call.id, inner_wins,
        other.id = call.parent, 1 - inner_wins,
        other.tokens != call.tokens OR other.scope = call.scope, -99,
        other.outermost < call.outermost, if(other.ended >= call.ended, 0, -99),
        if(other.ended <= call.ended, 1, -99)) > call.rank,
    neighbours)"""
